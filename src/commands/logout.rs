//! `azward logout`: signs a login out and forgets it all: its sessions, its refresh tokens in every generation of its vault, and the
//! config directory, if azward made that. The real az signs out first, so that nothing of it stays in its own files; where
//! there is none, or it fails, azward forgets all the same. While an az works or signs in there it is refused, and nothing is
//! changed. What is forgotten and removed is so with the azward home alone, so that nobody starts a session of it meanwhile.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::app::App;
use crate::azure::whereabouts::Whereabouts;
use crate::commands::forget::drop_files;
use crate::commands::list::Listed;
use crate::commands::login::run;
use crate::failure::{Failure, Kind};
use crate::home_lock::Alone;
use crate::sessions::{self, NamedLogin, Session};
use crate::ui::Ui;
use crate::vault::{Extent, Vault};

/// How long to wait for whoever creates something in the azward home.
const LOCK_DEADLINE: Duration = Duration::from_secs(10);

/// Signs the login called `name` out.
///
/// # Errors
/// `Usage` for a login that is not there, `Busy` while an az runs in its directory or in one of its sessions, `Storage`.
pub fn logout(app: &App, ui: &Ui, name: &str) -> Result<()> {
    let context = &app.context;
    let login = NamedLogin::existing(context, name)?;
    let all: Vec<Session> = sessions::all(app)?.into_iter().filter(|session| session.login == login.name).collect();
    login.expect_idle(app, &context.home_lock.alone(LOCK_DEADLINE)?)?;
    for session in &all {
        sessions::stop(app, session)?;
    }
    let arguments = ["account", "clear"].map(OsString::from);
    let cleared = run(app, &login, &arguments);
    let alone = context.home_lock.alone(LOCK_DEADLINE)?;
    login.expect_idle(app, &alone)?;
    for session in &all {
        sessions::stop_alone(app, session, &alone)?;
    }
    forget(app, &login, &alone)?;
    for session in &all {
        remove(session.config_dir(context).path())?;
    }
    sessions::drop_login(app, &login)?;
    if !login.is_default() {
        remove(login.config_dir.path())?;
        ui.say(format!("signed out of `{name}`, and removed it"));
        return Ok(());
    }
    match cleared {
        Ok(finished) if finished.status.success() => {
            ui.say("signed out of the login of the user's own config directory");
            Ok(())
        }
        // What is left of it in az's own files is az's to say.
        Ok(_) => bail!(Failure::new(
            Kind::Storage,
            "azward has forgotten the login, and the real az has not cleared its own files",
            "`az account clear` does that",
        )),
        Err(error) => Err(error),
    }
}

/// Drops what azward has of the login, where the real az has not had it dropped already.
fn forget(app: &App, login: &NamedLogin, alone: &Alone) -> Result<(), Failure> {
    let vault = Vault::of(&app.context, &app.settings, &login.config_dir);
    if !vault.exists() {
        return Ok(());
    }
    let directory = login.config_dir.canonical().to_owned();
    let listed = Listed { whereabouts: Whereabouts::of(&directory), directory, vault };
    drop_files(app, &listed, Extent::Ours, alone).map(drop)
}

fn remove(directory: &std::path::Path) -> Result<(), Failure> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::storage("remove", directory, &error))
        }
        _ => Ok(()),
    }
}
