//! `azward view`: makes a config directory a view of a login that is there, so that az works in both with one refresh token,
//! each with a profile and an active subscription of its own; or takes that back. A directory that has a login of its own is
//! refused, and so is one where an az runs: nothing that is there is overwritten. What a view needs to begin with, the profile
//! and the clouds, is copied from the login's own directory where the view has none.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::app::App;
use crate::azure::ConfigDir;
use crate::failure::{Failure, Kind, Result};
use crate::home_lock::Alone;
use crate::run::idle;
use crate::store::CredentialStore;
use crate::text;
use crate::ui::Ui;
use crate::user_file::{self, Readers};
use crate::vault::{Login, Vault, unregister_view};

/// How long to wait for whoever creates something in the azward home.
const LOCK_DEADLINE: Duration = Duration::from_secs(10);

/// What a view begins with: who sees which subscriptions, which clouds there are, and which of them is the active one.
const BEGINNINGS: [&str; 3] = ["azureProfile.json", "clouds.config", "config"];

/// Makes `directory` a view of the login of `of`, or of the config directory that az would use here.
///
/// # Errors
/// `Usage` for a directory that is or has a login, `Busy` while an az runs there, `Storage`.
pub fn add(app: &App, ui: &Ui, directory: &Path, of: Option<&Path>) -> anyhow::Result<()> {
    let App { context, settings, .. } = app;
    let at = |path: &Path| ConfigDir::at(&context.expand_user(path));
    let (view, of) = (at(directory), of.map_or_else(|| ConfigDir::of(context), at));
    let login = Login::of(context, &of);
    let (shown, shown_login) = (text::path(view.path()), text::path(login.directory()));
    if login.directory() == view.canonical() {
        bail!(usage(format!("`{shown}` is that login's own directory"), "name another one"));
    }
    let before = Login::of(context, &view);
    if before == login {
        ui.say(format!("`{shown}` is a view of the login of `{shown_login}` already"));
        return Ok(());
    }
    if before.is_viewed_in(&view) {
        let what = format!("`{shown}` is a view of the login of `{}`", text::path(before.directory()));
        bail!(usage(what, "take that back first, with `azward view --remove`"));
    }
    if !before.views(context).is_empty() {
        bail!(usage(format!("the login of `{shown}` has views itself"), "take those back first"));
    }
    user_file::make_dir(view.path()).with_context(|| format!("cannot make `{shown}`"))?;
    // By the name that it has now that it is there.
    let view = ConfigDir::at(view.path());
    let alone = alone_with(app, &view)?;
    let store = CredentialStore::new(app, &view);
    if Vault::of(context, settings, &view).exists() || store.is_in_the_clear() || store.exposed_tokens()? > 0 {
        let hint = "sign out there, or have `azward forget` drop what it has";
        bail!(usage(format!("`{shown}` has a login of its own"), hint));
    }
    for name in BEGINNINGS {
        copy(&login.directory().join(name), &view.path().join(name))?;
    }
    login.register(context, &view)?;
    drop(alone);
    ui.say(format!("`{shown}` is a view of the login of `{shown_login}` now"));
    ui.say("    AZURE_CONFIG_DIR names it to az; signing out in one of the two signs out of both");
    Ok(())
}

/// Takes back that `directory` is a view: it has no login from then on.
///
/// # Errors
/// `Usage` for one that is none, `Busy` while an az runs there, whatever keeps it from being scrubbed.
pub fn remove(app: &App, ui: &Ui, directory: &Path) -> anyhow::Result<()> {
    let context = &app.context;
    let view = ConfigDir::at(&context.expand_user(directory));
    let shown = text::path(view.path());
    if !Login::of(context, &view).is_viewed_in(&view) {
        bail!(usage(format!("`{shown}` is no view of a login"), "`azward list --logins` names them"));
    }
    let alone = alone_with(app, &view)?;
    let store = CredentialStore::new(app, &view);
    if view.path().is_dir() {
        store.sweep()?;
    }
    unregister_view(context, &view)?;
    idle::remove_run_files(&context.azward_home, view.id(), &alone);
    ui.say(format!("`{shown}` is no view any more; its files stay, and have no refresh token in them"));
    Ok(())
}

/// Where nobody is at work at `config_dir`, and nobody begins.
fn alone_with(app: &App, config_dir: &ConfigDir) -> Result<Alone> {
    let alone = app.context.home_lock.alone(LOCK_DEADLINE)?;
    match idle::at_work(&app.context.azward_home, Some(config_dir.id()), &alone) {
        None => Ok(alone),
        Some(_) => Err(Failure::new(
            Kind::Busy,
            format!("an az is running on `{}`: nothing was changed", text::path(config_dir.path())),
            "run this again when it has ended",
        )),
    }
}

/// Copies a file that is there to where there is none.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let bytes = match fs::read(from) {
        Ok(bytes) if to.symlink_metadata().is_err() => bytes,
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Failure::storage("read", from, &error));
        }
        _ => return Ok(()),
    };
    user_file::replace(to, &bytes, Readers::Owner).map_err(|error| Failure::storage("write", to, &error))
}

fn usage(what: String, hint: &str) -> Failure {
    Failure::new(Kind::Usage, what, hint)
}
