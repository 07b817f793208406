//! `azward scrub`: takes what lies in the clear into the vault and scrubs it, now. It refuses nothing and loses nothing;
//! while a run needs the tokens it says so and leaves them to that run's end.

use anyhow::{Result, bail};

use crate::app::App;
use crate::azure::ConfigDir;
use crate::commands::clear::Clear;
use crate::failure::{Failure, Kind};
use crate::store::CredentialStore;
use crate::ui::Ui;

/// Scrubs the config directory and says what that came to.
///
/// # Errors
/// Whatever kept it from scrubbing; `Busy` while a run needs the tokens.
pub fn scrub(app: &App, ui: &Ui) -> Result<()> {
    let context = &app.context;
    let config_dir = &ConfigDir::of(context);
    let store = CredentialStore::new(app, config_dir);
    let before = (store.exposed_tokens()?, store.exposed_secrets().unwrap_or(0));
    let waiting = ui.waiting_for("the vault and its key");
    let kept = store.adopt()?;
    drop(waiting);
    if store.is_in_the_clear() {
        bail!(Failure::new(
            Kind::Busy,
            format!("a run needs what lies in the clear in `{}`", config_dir.path().display()),
            "they are scrubbed when it ends; `azward status` shows whether they are",
        ));
    }
    let directory = config_dir.path().display();
    if kept > 0 {
        ui.say(format!(
            "{kept} credential(s) of `{directory}` were taken out of the keyring that az has them in, into the vault"
        ));
    }
    ui.say(match before {
        (0, 0) => format!("no refresh token was in the token cache of `{directory}`"),
        (1, 0) => format!("1 refresh token was taken into the vault and scrubbed from `{directory}`"),
        (n, 0) => format!("{n} refresh tokens were taken into the vault and scrubbed from `{directory}`"),
        (0, 1) => format!("1 service principal's secret was taken into the vault and scrubbed from `{directory}`"),
        (0, n) => format!("{n} service principals' secrets were taken into the vault and scrubbed from `{directory}`"),
        (tokens, secrets) => format!(
            "{tokens} refresh token(s) and {secrets} service principal's secret(s) were taken into the vault and scrubbed \
             from `{directory}`"
        ),
    });
    for line in Clear::of(context, &store).others() {
        ui.say(format!("left as it is: {line}"));
    }
    Ok(())
}
