//! The config directory of a session: how it is furnished with what az needs to work in that subscription alone, and how it is
//! cleaned. What is az's settings (output format, proxies, clouds) is the login's when the directory is first made and the
//! session's own from then on; credentials and subscriptions are there only while it is started. A credential that azward keeps
//! nowhere else is left where it is.

use std::path::Path;

use serde_json::{Map, Value};

use super::az_config::{with_option, with_sections};
use super::{NamedLogin, Session};
use crate::app::App;
use crate::azure::ConfigDir;
use crate::failure::{Failure, Kind, Result};
use crate::private;
use crate::store::CredentialStore;
use crate::user_file::{self, Readers};
use crate::vault::Login;

/// What is in the directory of a session that is started.
pub(super) const STARTED: &str = "azward-session";

/// The files that say whose tokens and which subscriptions there are, the one that says that they do first.
const OF_A_LOGIN: [&str; 7] = [
    STARTED,
    "azureProfile.json",
    "msal_token_cache.json",
    "msal_token_cache.json.lockfile",
    "msal_token_cache.bin",
    "msal_token_cache.sig",
    "msal_http_cache.bin",
];

/// The sections of az's `config` that say how its user wants it to be. What a command falls back to in one subscription is none of
/// another's, and some of the others have secrets in them (`[storage]` an account's key).
const OF_A_USER: [&str; 7] = ["auto-upgrade", "bicep", "clients", "cloud", "core", "extension", "logging"];

/// az's index of its commands: without it the first command of a directory takes a second more.
const INDEX: &str = "commandIndex.json";

/// Makes the directory, a view of its login, with that login's settings and the session's cloud and region. No credential and no
/// profile is in it yet, unless it was started before.
///
/// # Errors
/// `Usage` where somebody signed in there for a login of its own, `Storage`.
pub(super) fn furnish(app: &App, login: &NamedLogin, session: &Session) -> Result<()> {
    let context = &app.context;
    let config_dir = session.config_dir(context);
    let directory = config_dir.path();
    {
        let _presence = context.home_lock.enter()?;
        private::make_dir(directory)?;
    }
    let own = Login::of(context, &login.config_dir);
    if Login::of(context, &config_dir) != own {
        let store = CredentialStore::new(app, &config_dir);
        if store.vault.exists() || store.is_in_the_clear() {
            return Err(Failure::new(
                Kind::Usage,
                format!("somebody has signed in within `{}` itself", directory.display()),
                "have `azward forget` drop that login, or sign out of it there; then start the session again",
            ));
        }
        own.register(context, &config_dir)?;
    }
    let config = directory.join("config");
    let beginning = match read(&config)? {
        Some(text) => text,
        None => with_sections(&read(&login.config_dir.path().join("config"))?.unwrap_or_default(), &OF_A_USER),
    };
    let mut text = with_option(&beginning, "cloud", "name", &session.cloud);
    if let Some(region) = &session.region {
        text = with_option(&text, "defaults", "location", region);
    }
    write(&config, &text)?;
    let clouds = directory.join("clouds.config");
    let registered = read(&login.config_dir.path().join("clouds.config"))?.unwrap_or_default();
    write(&clouds, &with_option(&registered, &session.cloud, "subscription", &session.subscription))?;
    let index = directory.join(INDEX);
    if let (None, Some(text)) = (read(&index)?, read(&login.config_dir.path().join(INDEX))?) {
        write(&index, &text)?;
    }
    Ok(())
}

/// Writes the profile with the session's subscription and no other, as the login's profile has it.
///
/// # Errors
/// `Usage` where the login does not list it any more, `Storage`.
pub(super) fn write_profile(app: &App, login: &NamedLogin, session: &Session) -> Result<()> {
    let gone = || not_listed(login, session);
    let text = read(&login.config_dir.profile())?.ok_or_else(gone)?;
    let subset = subset_of(text.trim_start_matches('\u{feff}'), session).ok_or_else(gone)?;
    write(&session.config_dir(&app.context).profile(), &subset)
}

/// Why a session cannot be started whose subscription its login's profile does not have now.
pub(super) fn not_listed(login: &NamedLogin, session: &Session) -> Failure {
    let what = format!("the login `{}` does not list the subscription of `{}` any more", login.name, session.name);
    Failure::new(Kind::Usage, what, format!("`azward sync {}` looks again", login.name))
}

/// Gives the directory of a login that azward makes a profile that was kept elsewhere.
///
/// # Errors
/// `Storage`.
pub(super) fn write_whole_profile(login: &ConfigDir, text: &[u8]) -> Result<()> {
    write(&login.profile(), &String::from_utf8_lossy(text))
}

/// Notes in the directory that its session is started.
///
/// # Errors
/// `Storage`.
pub(super) fn note_started(config_dir: &ConfigDir) -> Result<()> {
    write(&config_dir.path().join(STARTED), "")
}

/// A profile with one of its subscriptions, which is the default one; every other field of both stays.
fn subset_of(text: &str, session: &Session) -> Option<String> {
    let mut profile: Map<String, Value> = serde_json::from_str(text).ok()?;
    let is_its = |entry: &&Value| {
        let of = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let user = entry.get("user").and_then(|user| user.get("name")).and_then(Value::as_str).unwrap_or_default();
        of("id").eq_ignore_ascii_case(&session.subscription)
            && of("environmentName") == session.cloud
            && user.eq_ignore_ascii_case(&session.user)
    };
    let mut entry = profile.get("subscriptions")?.as_array()?.iter().find(is_its)?.clone();
    entry.as_object_mut()?.insert("isDefault".into(), true.into());
    profile.insert("subscriptions".into(), vec![entry].into());
    serde_json::to_string(&profile).ok()
}

/// Takes everything out of the directory that is the login's. What a run may have left is in the vault by now, and nobody is at
/// work there.
///
/// # Errors
/// `Storage`; what is left is taken out by the next one.
pub(super) fn clean(config_dir: &ConfigDir) -> Result<()> {
    for name in OF_A_LOGIN {
        let path = config_dir.path().join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::storage("remove", &path, &error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Removes the directory of a session that is stopped, unless there is a credential in it that is nowhere else.
pub(super) fn remove_unless_used(directory: &Path) {
    let is_used = |name: &&str| directory.join(name).symlink_metadata().is_ok();
    if ["service_principal_entries.json", "service_principal_entries.bin", "msal_token_cache.json"].iter().any(is_used)
    {
        return;
    }
    // What cannot be removed is told with the home that is not empty.
    let _ = std::fs::remove_dir_all(directory);
}

/// Gives the directory of a login that azward makes the settings of the user's own, and that cloud for its active one if one is
/// named (azure-cli-core 2.91.0, `cloud.py`, `_set_active_cloud`). What is there already stays.
///
/// # Errors
/// `Storage`.
pub(super) fn furnish_login(login: &ConfigDir, own: &ConfigDir, cloud: Option<&str>) -> Result<()> {
    let (config, clouds) = (login.path().join("config"), login.path().join("clouds.config"));
    let mut text = match read(&config)? {
        Some(text) => text,
        None => with_sections(&read(&own.path().join("config"))?.unwrap_or_default(), &OF_A_USER),
    };
    if let Some(cloud) = cloud {
        text = with_option(&text, "cloud", "name", cloud);
    }
    write(&config, &text)?;
    match (read(&clouds)?, read(&own.path().join("clouds.config"))?) {
        (None, Some(registered)) => write(&clouds, &registered),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::storage("read", path, &error)),
    }
}

/// Writes it if that is another text than is there.
fn write(path: &Path, text: &str) -> Result<()> {
    if std::fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    user_file::replace(path, text.as_bytes(), Readers::Owner).map_err(|error| Failure::storage("write", path, &error))
}
