//! `azward status`: what is in the vault, what lies in the clear, how az is found, and what the journal has to warn of, for
//! people (`rows`), for programs (`json`), and as one word for scripts (`--check`). It changes nothing, asks nobody for
//! anything, and claims nothing that it has not just looked at (`report`): what lies in the clear is what `clear` finds in
//! the whole config directory, and what was not looked at is named.

mod identity;
mod json;
mod report;
mod rows;

use anyhow::{Result, bail};

use crate::app::App;
use crate::azure::ConfigDir;
use crate::failure::{Failure, Kind};
use crate::store::CredentialStore;
use crate::ui::{Form, Ui};

use report::Report;
pub(super) use report::{OnPath, RealAz};

/// Shows the state of the config directory that az would use here.
///
/// # Errors
/// The vault's trouble where it does not open, and refresh tokens in the clear that no run needs: both after everything
/// was shown.
pub fn status(app: &App, ui: &Ui, form: Form) -> Result<()> {
    let config_dir = &ConfigDir::of(&app.context);
    if let Some(failure) = &app.home_failure {
        match form {
            Form::Table => rows::show_alone(app, ui, config_dir),
            Form::Json => ui.json(&json::alone(app, config_dir, failure)),
        }
        bail!(failure.clone());
    }
    let store = CredentialStore::new(app, config_dir);
    let report = Report::of(app, &store);
    match form {
        Form::Table => rows::show(app, ui, &store, &report),
        Form::Json => ui.json(&json::all(app, &store, &report)),
    }
    if let Some(trouble) = report.vault.trouble {
        bail!(trouble);
    }
    Ok(report.clear.verdict()?)
}

/// Tells scripts whether az gets its tokens here without anybody's help: nothing is said of what is good, but in JSON.
///
/// # Errors
/// `SignInNeeded` where a person has to sign in; `Found` for any other trouble.
pub fn check(app: &App, ui: &Ui, form: Form) -> Result<()> {
    let config_dir = &ConfigDir::of(&app.context);
    if let Some(failure) = &app.home_failure {
        if form == Form::Json {
            ui.json(&json::alone(app, config_dir, failure));
        }
        bail!(Failure { kind: Kind::Found, ..failure.clone() });
    }
    let store = CredentialStore::new(app, config_dir);
    let report = Report::of(app, &store);
    if form == Form::Json {
        ui.json(&json::all(app, &store, &report));
    }
    match report.troubles(app).into_iter().next() {
        None => Ok(()),
        Some(failure) if failure.kind == Kind::SignInNeeded => bail!(failure),
        Some(failure) => bail!(Failure { kind: Kind::Found, ..failure }),
    }
}
