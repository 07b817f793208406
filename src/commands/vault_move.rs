//! `azward vault move --to STORE`: has another key store keep the key of every vault, as `vault/moving.rs` does it. Keys and
//! passphrases are asked for first; then nobody else creates anything in the azward home, and where an az runs on and on nothing
//! is moved at all. What was moved is said at once, so that whoever is interrupted knows; the same command again finishes it.
//! `--dry-run` says what would happen, asks nobody and changes nothing.

use anyhow::bail;

use crate::app::App;
use crate::run::idle;
use crate::settings::KeyStoreChoice;
use crate::text;
use crate::ui::Ui;
use crate::vault::{KeyStoreKind, Move, OldKey};

const NO_VAULT: &str = "there is no vault to move yet";

/// What the command is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Move.
    Move,
    /// Say what a move would do.
    Tell,
}

/// Moves them, or says what that would do.
///
/// # Errors
/// `Busy` while an az runs; `KeyUnavailable` while an old or the new store does not answer, is locked, or a passphrase is
/// wrong or not given; `KeyLost`, after all others were moved, for a vault that stays because its key is lost; `Storage`.
pub fn move_to(app: &App, ui: &Ui, to: KeyStoreKind, doing: Doing) -> anyhow::Result<()> {
    if doing == Doing::Tell {
        let plan = Move::plan(&app.context, &app.settings, to)?;
        tell(ui, &plan, to);
        return Ok(plan.try_out()?);
    }
    move_telling(app, ui, to, |line| ui.say(line))
}

/// Moves them, and has `say` tell each thing that was done.
///
/// # Errors
/// As [`move_to`].
pub(super) fn move_telling(app: &App, ui: &Ui, to: KeyStoreKind, mut say: impl FnMut(String)) -> anyhow::Result<()> {
    let App { context, settings, .. } = app;
    let mut plan = Move::plan(context, settings, to)?;
    if plan.vaults().is_empty() {
        say(NO_VAULT.to_owned());
    }
    if plan.has_any() {
        let waiting = ui.waiting_for("the key store");
        plan.try_out().or_else(|failure| match context.is_interactive && to == KeyStoreKind::Keyring {
            // It may be locked, and asked for.
            true => Ok(()),
            false => Err(failure),
        })?;
        plan.ask()?;
        drop(waiting);
    }
    let waiting = ui.waiting_for("those at work here to end");
    let alone = idle::alone_when_idle(app, idle::DEADLINE)?;
    drop(waiting);
    let waiting = ui.waiting_for("the key store");
    let mut count = 0;
    plan.carry_out(&alone, |vault| {
        count += 1;
        say(format!("moved the key of `{}` from the {} to the {to}", text::path(&vault.directory), vault.from));
    })?;
    let old = plan.drop_old_keys(&alone)?;
    drop((waiting, alone));
    for vault in plan.vaults().iter().filter(|vault| vault.stays.is_some()) {
        say(format!(
            "left the vault of `{}` as it is: its key is another machine's, or lost",
            text::path(&vault.directory)
        ));
    }
    if count == 0 && plan.vaults().iter().any(|vault| vault.from == to) {
        say(format!("every vault that opens here has its key in the {to} already"));
    }
    for OldKey { kind, needed_by, .. } in &old {
        say(match needed_by {
            None => format!("the {kind} has lost its key"),
            Some(path) => format!("the {kind} keeps its key: `{}` may need it", text::path(path)),
        });
    }
    if let Some(line) = elsewhere_chosen(app, to) {
        say(line);
    }
    match plan.vaults().iter().find_map(|vault| vault.stays.clone()) {
        Some(failure) => bail!(failure),
        None => Ok(()),
    }
}

/// Says what would happen.
fn tell(ui: &Ui, plan: &Move, to: KeyStoreKind) {
    if plan.vaults().is_empty() {
        ui.say(NO_VAULT);
    }
    for vault in plan.vaults() {
        let directory = text::path(&vault.directory);
        ui.say(match (&vault.stays, vault.from == to) {
            (Some(_), _) => format!("the vault of `{directory}` would stay: its key is another machine's, or lost"),
            (None, true) => format!("the key of `{directory}` is in the {to} already"),
            (None, false) => format!("the key of `{directory}` would go from the {} to the {to}", vault.from),
        });
    }
    for OldKey { kind, needed_by, .. } in plan.old_keys_after() {
        match needed_by {
            None => ui.say(format!("the {kind} would lose its key")),
            Some(path) => ui.say(format!("the {kind} would keep its key: `{}` may need it", text::path(&path))),
        }
    }
}

/// Where a new login's key goes, where that is somewhere else.
fn elsewhere_chosen(app: &App, to: KeyStoreKind) -> Option<String> {
    let chosen = match app.settings.key_store.value {
        KeyStoreChoice::Auto => None,
        KeyStoreChoice::Keyring => Some(KeyStoreKind::Keyring),
        KeyStoreChoice::SystemdCreds => Some(KeyStoreKind::SystemdCreds),
        KeyStoreChoice::Passphrase => Some(KeyStoreKind::Passphrase),
        KeyStoreChoice::KeyFile => Some(KeyStoreKind::KeyFile),
    };
    let word = to.word();
    (chosen != Some(to)).then(|| {
        format!("the keys of new logins go where `key_store` says: `azward config set key_store {word}` has them go there too")
    })
}
