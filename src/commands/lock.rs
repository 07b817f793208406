//! `azward lock`: ends every key that the kernel keeps for this azward home, in this session and in the user's others. The
//! next command that needs one asks the keyring or systemd-creds, or for the passphrase.

use anyhow::Result;

use crate::app::App;
use crate::ui::Ui;
use crate::vault;

/// Ends the cached keys, and says how many there were.
///
/// # Errors
/// None today.
pub fn lock(app: &App, ui: &Ui) -> Result<()> {
    match vault::forget_cached_key(&app.context) {
        0 => ui.say("the kernel keeps no key of this azward home"),
        1 => ui.say("the kernel has forgotten the key: the next command that needs it asks its store"),
        n => ui.say(format!("the kernel has forgotten {n} keys: the next command that needs one asks its store")),
    }
    Ok(())
}
