//! `azward vault seal-certificate`: the PEM files with which service principals of this config directory sign in go into the vault
//! (`run/certificates.rs`), and with `--undo` back to where they were. What is done is said, one line for each.

use crate::app::App;
use crate::azure::ConfigDir;
use crate::run::idle;
use crate::store::CredentialStore;
use crate::text;
use crate::ui::Ui;

/// Takes them in: all, or that of `client_id`.
///
/// # Errors
/// `Usage` for what cannot be taken in, `Busy` while an az runs, and those of the vault; no file is removed then.
pub fn seal(app: &App, ui: &Ui, client_id: Option<&str>) -> anyhow::Result<()> {
    let config_dir = ConfigDir::of(&app.context);
    let store = CredentialStore::new(app, &config_dir);
    // Asked for before anything is locked; who has none is told when it is needed.
    let _ = store.prepare_vault();
    let waiting = ui.waiting_for("those at work here to end");
    let alone = idle::alone_when_idle(app, idle::DEADLINE)?;
    drop(waiting);
    let moved = store.seal_certificates(client_id, &alone)?;
    drop(alone);
    if moved.is_empty() {
        ui.say("the certificates that are meant are in the vault already");
    }
    for moved in moved {
        let path = text::path(moved.path.as_ref());
        ui.say(format!(
            "the certificate of `{}` is in the vault, and `{path}` is removed",
            text::name(&moved.client_id)
        ));
    }
    ui.say("`azward vault seal-certificate --undo` and `azward uninstall` bring it back");
    Ok(())
}

/// Puts them back.
///
/// # Errors
/// `NoPlace` where another file is in the place of one, and those of the vault, which then has them still.
pub fn unseal(app: &App, ui: &Ui) -> anyhow::Result<()> {
    let config_dir = ConfigDir::of(&app.context);
    let moved = CredentialStore::new(app, &config_dir).unseal_certificates()?;
    if moved.is_empty() {
        ui.say("the vault of this config directory has no certificate");
    }
    for moved in moved {
        let path = text::path(moved.path.as_ref());
        ui.say(format!("`{path}` is there again, with the certificate of `{}`", text::name(&moved.client_id)));
    }
    Ok(())
}
