//! The register of sessions: which subscription has which name, and what a start has found out that a list shall not have to.
//! A small JSON file, `sessions.json` in the azward home, changed under a lock and put into place in one step. What it lacks
//! is made anew from the profiles of the logins; one that cannot be understood is set aside, and its names with it.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Session;
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::lock::{Lock, Mode};
use crate::private;
use crate::text;

/// How long to wait for another azward that changes it.
const LOCK_DEADLINE: Duration = Duration::from_secs(10);

/// The version that this azward writes.
const VERSION: u32 = 1;

#[derive(Debug, Deserialize, Serialize)]
struct InFile {
    version: u32,
    sessions: Vec<Session>,
}

/// The sessions that it has; none where there is no register.
///
/// # Errors
/// `Storage` for one that cannot be read, `Usage` for that of a newer azward.
pub(super) fn read(context: &Context) -> Result<Vec<Session>> {
    let path = path(context);
    let bytes = match private::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::storage("read", &path, &error)),
    };
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    match serde_json::from_slice::<InFile>(&bytes) {
        Ok(file) if file.version == VERSION => Ok(file.sessions),
        _ if serde_json::from_slice::<Versioned>(&bytes).is_ok_and(|file| file.version > VERSION) => Err(Failure::new(
            Kind::Usage,
            format!("`{}` was written by a newer azward", text::path(&path)),
            "use that one, or remove the file: sessions then get their names anew",
        )),
        _ => {
            let aside = path.with_file_name(format!("sessions.json.set-aside-{}", context.now()));
            std::fs::rename(&path, &aside).map_err(|error| Failure::storage("set aside", &path, &error))?;
            Ok(Vec::new())
        }
    }
}

/// Has `change` make what it has another, if it says that it did.
///
/// # Errors
/// `Busy`, `Storage`, `Gone`, and those of `change`.
pub(super) fn update<T>(
    context: &Context,
    change: impl FnOnce(&mut Vec<Session>) -> Result<(Changed, T)>,
) -> Result<T> {
    let _presence = context.home_lock.enter()?;
    private::make_dir(&context.azward_home.join("run"))?;
    let lock = context.azward_home.join("run").join("sessions.lock");
    let _lock = Lock::acquire(&lock, Mode::Exclusive, LOCK_DEADLINE)?;
    let mut sessions = read(context)?;
    let (changed, result) = change(&mut sessions)?;
    if changed == Changed::Yes {
        let path = path(context);
        let bytes = serde_json::to_vec(&InFile { version: VERSION, sessions }).unwrap_or_default();
        private::replace(&path, &bytes, 0o600).map_err(|error| Failure::storage("write", &path, &error))?;
    }
    Ok(result)
}

/// Removes it.
pub(super) fn remove(context: &Context) {
    let path = path(context);
    let _ = std::fs::remove_file(private::draft_of(&path));
    let _ = std::fs::remove_file(path);
}

/// Whether something is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changed {
    /// It is.
    Yes,
    /// All is as it was.
    No,
}

fn path(context: &Context) -> PathBuf {
    context.azward_home.join("sessions.json")
}
