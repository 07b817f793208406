//! Where others on this machine find what they need of an endpoint: a directory in the azward home, whose name is the session's while only one
//! endpoint serves that, and stays the same from start to start, so that what mounts it need not change. Its files are there for as
//! long as the endpoint is; those of one that was killed are replaced by the next.

use std::path::{Path, PathBuf};

use super::told::Told;
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::home;
use crate::home_lock::Alone;
use crate::lock::{Lock, Mode};
use crate::private;
use crate::sessions::Session;

/// The file that says that it is taken.
const LOCK: &str = "lock";

/// What stands before the process's id in the name of a second one, and in no session's name.
const SECOND: char = '@';

/// The socket that is there if no other is named.
pub(super) const SOCKET: &str = "socket";

/// The files with what others need: who reads them before they are there finds nothing.
pub(super) const ENVIRONMENT: &str = "env";
pub(super) const CONTAINER: &str = "container.env";
pub(super) const SECRET: &str = "secret";

/// It.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    /// Whether another endpoint has the one whose name stays.
    is_second: bool,
    _taken: Lock,
}

impl Place {
    /// The place for an endpoint of `session`.
    ///
    /// # Errors
    /// `Storage`, `Gone`.
    pub fn take(context: &Context, session: &Session) -> Result<Self> {
        let _presence = context.home_lock.enter()?;
        let all = context.azward_home.join(home::SERVE);
        clear(&all);
        let own = std::process::id();
        for (name, is_second) in [(session.name.clone(), false), (format!("{}{SECOND}{own}", session.name), true)] {
            let path = all.join(name);
            private::make_dir(&path)?;
            if let Some(taken) = Lock::attempt(&path.join(LOCK), Mode::Exclusive)? {
                return Ok(Self { path, is_second, _taken: taken });
            }
        }
        let what = format!("another process serves for `{}` under this one's number", session.name);
        Err(Failure::new(Kind::Busy, what, "run this again"))
    }

    /// Its directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where its socket is.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.path.join(SOCKET)
    }

    /// Puts what others need there.
    pub(super) fn furnish(&self, told: &Told) -> Result<()> {
        let write = |name: &str, text: &str| {
            let path = self.path.join(name);
            private::replace(&path, text.as_bytes(), 0o600).map_err(|error| Failure::storage("write", &path, &error))
        };
        write(SECRET, told.secret())?;
        write(ENVIRONMENT, &told.environment_file())?;
        write(CONTAINER, &told.container_file())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        remove_files(&self.path);
        if self.is_second {
            let _ = std::fs::remove_file(self.path.join(LOCK));
            let _ = std::fs::remove_dir(&self.path);
        }
    }
}

/// Removes what endpoints left that were killed.
fn clear(all: &Path) {
    for place in std::fs::read_dir(all).into_iter().flatten().flatten() {
        let path = place.path();
        if let Ok(Some(_alone)) = Lock::attempt(&path.join(LOCK), Mode::Exclusive) {
            remove_files(&path);
            if place.file_name().to_string_lossy().contains(SECOND) {
                let _ = std::fs::remove_file(path.join(LOCK));
                let _ = std::fs::remove_dir(&path);
            }
        }
    }
}

/// Removes what is left of all of them, where azward is uninstalled. What somebody else put there stays.
pub(crate) fn remove_all(context: &Context, _alone: &Alone) {
    let all = context.azward_home.join(home::SERVE);
    for place in std::fs::read_dir(&all).into_iter().flatten().flatten() {
        remove_files(&place.path());
        let _ = std::fs::remove_file(place.path().join(LOCK));
        let _ = std::fs::remove_dir(place.path());
    }
    let _ = std::fs::remove_dir(&all);
}

fn remove_files(path: &Path) {
    for name in [SECRET, ENVIRONMENT, CONTAINER, SOCKET] {
        let _ = std::fs::remove_file(path.join(name));
    }
}
