//! The lease: a shared flock on one file for each config directory that says "a run still needs what is exposed in
//! place". The kernel counts the runs and drops a dead one's lock, so whoever gets the file exclusively knows that nobody
//! needs the secrets any more, and scrubs. A lease that cannot be had means that nothing is exposed.
//!
//! Who signs in needs nothing that is exposed, but for a while what it stores itself. It has a lock of its own, which keeps
//! nobody from scrubbing what was there before it began.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::azure::ConfigDir;
use crate::context::Context;
use crate::failure::{Kind, Result};
use crate::home_lock::{HomeLock, Presence};
use crate::lock::{Lock, Mode};
use crate::private;
use crate::sys;

/// A scrub takes milliseconds; only a suspended one takes longer.
const SHARE_DEADLINE: Duration = Duration::from_secs(10);

/// How long one turn may take before whoever waits for it gives up: a command for a token takes a fraction of a second, and
/// its caller gives it ten.
const WRITER_DEADLINE: Duration = Duration::from_secs(8);

/// How long to wait for one's turn while it goes round: on a busy machine many may be before us, and all who give up at
/// once tear one another's cache.
const QUEUE_DEADLINE: Duration = Duration::from_secs(60);

/// The lease file of one config directory.
#[derive(Debug)]
pub(crate) struct Lease {
    path: PathBuf,
    turn: PathBuf,
    mount_lock: PathBuf,
    logins: PathBuf,
    home: HomeLock,
    is_directory_made: OnceLock<()>,
}

/// What a run holds for as long as its az may need the credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunLock {
    /// The lease: what it needs is exposed in place.
    Lease,
    /// The mount lock: it has a private mount.
    Mount,
}

/// A lock that one run holds beside others: the lease, the mount lock, or that of a login. Its guardian has it too, or, where a
/// lock is its holder's alone (on Windows), one of its own.
#[derive(Debug)]
pub(crate) struct SharedLock(Lock);

impl SharedLock {
    /// The same in another process, which holds it too until one of the two gives it up.
    #[must_use]
    pub(crate) fn from_file(file: File) -> Self {
        Self(Lock::held(file))
    }

    /// The file whose lock it is.
    #[must_use]
    pub(crate) fn as_file(&self) -> &File {
        self.0.as_file()
    }

    /// The same; whoever has it has the lock.
    #[cfg(windows)]
    #[must_use]
    pub(crate) fn into_file(self) -> File {
        self.0.into_file()
    }

    /// Gives it up, whoever else has the same one.
    ///
    /// # Errors
    /// The operating system's; whoever else has it has it still.
    pub(crate) fn give_up(mut self) -> std::io::Result<()> {
        let outcome = self.0.file().unlock();
        // Where it always fails (under wine) nobody else has it, and dropping does.
        if cfg!(windows) { Ok(()) } else { outcome }
    }
}

/// The knowledge that no run needs what is exposed, for as long as this is held.
#[derive(Debug)]
pub(crate) struct NobodyNeedsIt(#[expect(dead_code, reason = "held for its lock")] Lock);

/// The knowledge that there is no private mount, and that there will be none for as long as this is held.
#[derive(Debug)]
pub(crate) struct NoMounts(#[expect(dead_code, reason = "held for its lock")] Lock);

/// The turn of one az that rewrites the cache.
#[derive(Debug)]
pub struct WriterLock(#[expect(dead_code, reason = "held for its lock")] Lock);

impl Lease {
    /// The lease of the config directory with this id; `None` for what is no id.
    #[must_use]
    pub(crate) fn named(context: &Context, id: &str) -> Option<Self> {
        let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id.then(|| Self::with_id(context, id))
    }

    /// Whether a process holds that lock. Where the system does not tell who holds a lock, that somebody does has to do.
    /// Nothing is made.
    #[must_use]
    pub(crate) fn is_held_by(&self, process: u32, lock: RunLock) -> bool {
        let path = match lock {
            RunLock::Lease => &self.path,
            RunLock::Mount => &self.mount_lock,
        };
        let Ok(file) = File::open(path) else { return false };
        sys::holds_lock(process, &file)
            .unwrap_or_else(|| matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock)))
    }

    /// The lease of `config_dir`; its directory is made on first use.
    #[must_use]
    pub(crate) fn of(context: &Context, config_dir: &ConfigDir) -> Self {
        Self::with_id(context, config_dir.id())
    }

    fn with_id(context: &Context, id: &str) -> Self {
        let run = context.azward_home.join("run");
        let file = |ending: &str| run.join(format!("{id}.{ending}"));
        Self {
            path: file("lease"),
            turn: file("turn"),
            mount_lock: file("attendance"),
            logins: file("logins"),
            home: context.home_lock.clone(),
            is_directory_made: OnceLock::new(),
        }
    }

    /// The file.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Says that a run needs what is exposed.
    ///
    /// # Errors
    /// `Busy` when a scrub goes on for ten seconds, `Storage` when the file cannot be made.
    pub(crate) fn share(&self) -> Result<SharedLock> {
        let _presence = self.enter()?;
        Lock::acquire(&self.path, Mode::Shared, SHARE_DEADLINE).map(SharedLock)
    }

    /// Says that a run signs in.
    ///
    /// # Errors
    /// `Busy` when a scrub goes on for ten seconds, `Storage` when the file cannot be made.
    pub(crate) fn share_of_login(&self) -> Result<SharedLock> {
        let _presence = self.enter()?;
        if let Some(mut first) = Lock::attempt(&self.logins, Mode::Exclusive)? {
            // What cannot be noted keeps what earlier logins stored, and nobody from anything.
            let _ = first.file().set_modified(SystemTime::now());
        }
        Lock::acquire(&self.logins, Mode::Shared, SHARE_DEADLINE).map(SharedLock)
    }

    /// Since when somebody has been signing in, in seconds since the epoch; `None` when nobody is.
    ///
    /// # Errors
    /// `Storage` when the file cannot be opened.
    pub(crate) fn login_since(&self) -> Result<Option<i64>> {
        if !self.logins.exists() || Lock::attempt(&self.logins, Mode::Exclusive)?.is_some() {
            return Ok(None);
        }
        let began = self.logins.metadata().and_then(|metadata| metadata.modified()).unwrap_or(UNIX_EPOCH);
        let since = began.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Some(i64::try_from(since.as_secs()).unwrap_or(i64::MAX)))
    }

    /// Waits for one's turn to run an az that is about to rewrite the cache. az truncates the file and then writes it, its
    /// readers take no lock, and one that looks in between believes that nobody is logged in
    /// (msal-extensions 1.3.1, `token_cache.py`, `PersistedTokenCache.search`). `None` when the turn does not come: az
    /// then takes its chance, as it always did.
    #[must_use]
    pub(crate) fn writer_lock(&self) -> Option<WriterLock> {
        // Not for as long as one waits: a run has its lease or attends, and that keeps azward where it is.
        drop(self.enter().ok()?);
        let began = Instant::now();
        loop {
            let last_taken = self.turn_taken();
            match Lock::acquire(&self.turn, Mode::Exclusive, WRITER_DEADLINE) {
                Ok(mut lock) => {
                    // What cannot be noted costs the others their patience, no more.
                    let _ = lock.file().set_modified(SystemTime::now());
                    return Some(WriterLock(lock));
                }
                Err(failure) if failure.kind == Kind::Busy && began.elapsed() < QUEUE_DEADLINE => {
                    if self.turn_taken() == last_taken {
                        return None;
                    }
                }
                Err(_) => return None,
            }
        }
    }

    /// When somebody last took the turn.
    fn turn_taken(&self) -> Option<SystemTime> {
        self.turn.metadata().and_then(|metadata| metadata.modified()).ok()
    }

    /// Asks whether nobody needs what is exposed; `None` when somebody does.
    ///
    /// # Errors
    /// `Storage` when the file cannot be made.
    pub(crate) fn nobody(&self) -> Result<Option<NobodyNeedsIt>> {
        let _presence = self.enter()?;
        Ok(Lock::attempt(&self.path, Mode::Exclusive)?.map(NobodyNeedsIt))
    }

    /// Says that there is about to be a private mount.
    ///
    /// # Errors
    /// `Busy` when a rename goes on for ten seconds, `Storage` when the file cannot be made.
    #[cfg(target_os = "linux")]
    pub(crate) fn mount_lock(&self) -> Result<SharedLock> {
        let _presence = self.enter()?;
        Lock::acquire(&self.mount_lock, Mode::Shared, SHARE_DEADLINE).map(SharedLock)
    }

    /// Asks whether nobody does; `None` when somebody does, or when that cannot be known.
    #[must_use]
    pub(crate) fn no_mounts(&self) -> Option<NoMounts> {
        let _presence = self.enter().ok()?;
        Lock::attempt(&self.mount_lock, Mode::Exclusive).ok()?.map(NoMounts)
    }

    /// Makes the directory of the locks, where azward is.
    fn enter(&self) -> Result<Presence> {
        let presence = self.home.enter()?;
        // It stays for as long as azward is where it is, and whoever was uninstalled does not get here.
        if self.is_directory_made.get().is_none() {
            private::make_dir(self.path.parent().unwrap_or(&self.path))?;
            let _ = self.is_directory_made.set(());
        }
        Ok(presence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_run_out_knows_it() {
        let home = tempfile::tempdir().unwrap();
        let variables = [("AZWARD_HOME".into(), home.path().into())];
        let lease = Lease::of(&Context::new(variables, None), &ConfigDir::at(home.path()));
        let (first, second) = (lease.share().unwrap(), lease.share().unwrap());
        drop(first);
        assert!(lease.nobody().unwrap().is_none());
        drop(second);
        assert!(lease.nobody().unwrap().is_some());
    }
}
