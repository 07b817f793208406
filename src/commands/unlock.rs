//! `azward unlock`: asks for the keys of all vaults now, at a terminal or from the file that `AZWARD_PASSPHRASE_FILE` names, so
//! that no later command has to, and says for how long the kernel keeps them. Where it keeps none, that is said too.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::app::App;
use crate::ui::Ui;
use crate::vault::{self, KeyStoreKind, Unlocked};

/// Unlocks what there is.
///
/// # Errors
/// The first store's that did not give its key, after all were asked.
pub fn unlock(app: &App, ui: &Ui) -> Result<()> {
    let waiting = ui.waiting_for("the key store");
    let unlocked = vault::unlock(&app.context, &app.settings)?;
    drop(waiting);
    if unlocked.is_empty() {
        ui.say("there is no vault to unlock yet");
    }
    let lifetime = app.settings.key_cache();
    for Unlocked { store, is_kept, trouble } in &unlocked {
        let end = match (store, is_kept) {
            _ if trouble.is_some() => continue,
            (KeyStoreKind::KeyFile, _) => "is always open".to_owned(),
            (_, true) => format!("is unlocked, for {} in this session, or until `azward lock`", in_words(lifetime)),
            (_, false) if lifetime.is_zero() => {
                "gives its key; it is kept for no other command, because `key_cache_minutes` is 0".to_owned()
            }
            (_, false) => "gives its key; this system keeps it for no other command".to_owned(),
        };
        ui.say(format!("the {store} {end}"));
    }
    match unlocked.into_iter().find_map(|unlocked| unlocked.trouble) {
        Some(trouble) => bail!(trouble),
        None => Ok(()),
    }
}

/// A time of whole minutes: `8 h`, `90 min`.
fn in_words(time: Duration) -> String {
    match time.as_secs() / 60 {
        minutes if minutes.is_multiple_of(60) => format!("{} h", minutes / 60),
        minutes => format!("{minutes} min"),
    }
}
