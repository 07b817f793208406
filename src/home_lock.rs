//! The lock over a whole azward home: whoever may create a vault, a key or a lease there shares it for that moment; install,
//! uninstall and forget have it alone. It is the first of all locks, and nobody waits for it with the vault's in hand. (A
//! process that shares it already may share it again: whoever wants it alone waits for both.)
//!
//! To share it is to know that azward is there and stays: a process that began before an uninstall finds out here that
//! it has been uninstalled ([`Kind::Gone`]), because the lock's file that it knew is unlinked or because its own program is
//! gone and nothing took its place, which an upgrade does. Then nothing is created any more and nothing scrubbed, and the
//! real az runs bare.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::failure::{Failure, Kind, Result};
use crate::lock::{Lock, Mode};
use crate::private;
use crate::sys;

/// How long to wait for an install, an uninstall or a forgetting: none of them waits for anybody while it has the lock.
const DEADLINE: Duration = Duration::from_secs(10);

/// How often the home is made again, with its lock, when an uninstall removes both in between.
const ATTEMPTS: u32 = 50;

/// The lock's file in the azward home.
pub(crate) const NAME: &str = "home.lock";

/// The name of the shim while an uninstall is going on: no new one starts, and it can be put back.
pub(crate) const SHIM_TAKEN_OUT: &str = if cfg!(windows) { "az.taken-out.exe" } else { "az.taken-out" };

/// The shim's name.
pub(crate) const SHIM: &str = if cfg!(windows) { "az.exe" } else { "az" };

/// The lock over one azward home, for one process.
#[derive(Clone, Debug)]
pub struct HomeLock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    azward_home: PathBuf,
    /// This program's own file.
    program: Option<PathBuf>,
    /// The lock's file as it was when this process first relied on the azward home; open, so that no other gets its
    /// identity.
    noted: Mutex<Option<File>>,
    /// The share that this process has, as long as it has one.
    shared: Mutex<Weak<Lock>>,
    /// Whether this process has the lock alone.
    is_alone: AtomicBool,
}

/// The knowledge that azward is there, for as long as this is held.
#[derive(Debug)]
pub struct Presence(#[expect(dead_code, reason = "held for its lock")] Option<Arc<Lock>>);

/// The knowledge that nobody creates anything in the azward home, for as long as this is held.
#[derive(Debug)]
pub struct Alone {
    home: HomeLock,
    _lock: Lock,
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.home.0.is_alone.store(false, Ordering::SeqCst);
    }
}

impl HomeLock {
    /// The lock of `azward_home` for a process whose program is `executable`; nothing is opened yet.
    #[must_use]
    pub fn of(azward_home: &Path, executable: Option<&Path>) -> Self {
        Self(Arc::new(Inner {
            azward_home: azward_home.to_owned(),
            program: executable.map(without_mark),
            noted: Mutex::default(),
            shared: Mutex::default(),
            is_alone: AtomicBool::new(false),
        }))
    }

    /// The azward home.
    #[must_use]
    pub fn azward_home(&self) -> &Path {
        &self.0.azward_home
    }

    /// The lock's file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.0.azward_home.join(NAME)
    }

    /// Whether this program was removed and nothing has taken its place. One look at a file where it was not.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let Some(program) = &self.0.program else { return false };
        let names = [program.clone(), program.with_file_name(SHIM), program.with_file_name(SHIM_TAKEN_OUT)];
        !self.0.is_alone.load(Ordering::SeqCst)
            && names.iter().all(|path| {
                path.symlink_metadata().is_err_and(|error| {
                    // What cannot be looked at may be there.
                    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
                })
            })
    }

    /// Notes that this process is going to rely on what is in the azward home now: from here on an uninstall is noticed.
    /// Where there is no azward home yet, there is nothing to rely on.
    pub fn note(&self) {
        let mut noted = self.noted();
        if noted.is_none()
            && !self.is_gone()
            && self.0.azward_home.is_dir()
            && let Ok(file) = private::open(&self.path())
        {
            *noted = Some(file);
        }
    }

    /// Shares the lock, making the azward home if need be.
    ///
    /// # Errors
    /// [`Kind::Gone`] when azward was uninstalled since this process began, [`Kind::Busy`] when an install, an uninstall
    /// or a forgetting takes longer than ten seconds, [`Kind::Storage`].
    pub fn enter(&self) -> Result<Presence> {
        if self.0.is_alone.load(Ordering::SeqCst) {
            return Ok(Presence(None));
        }
        // Whoever wants it alone waits for that share, and so for this one.
        if let Some(lock) = self.shared().upgrade() {
            return Ok(Presence(Some(lock)));
        }
        if self.is_gone() {
            return Err(gone(&self.0.azward_home));
        }
        let lock = self.acquire(Mode::Shared, DEADLINE)?;
        if self.is_gone()
            || !self.is_in_place(lock.as_file())
            || !self.noted().as_ref().is_none_or(|noted| self.is_in_place(noted))
        {
            return Err(gone(&self.0.azward_home));
        }
        let lock = Arc::new(lock);
        *self.shared() = Arc::downgrade(&lock);
        Ok(Presence(Some(lock)))
    }

    /// Takes the lock alone, waiting no longer than `deadline`; made anew where somebody who had it unlinked it.
    ///
    /// # Errors
    /// [`Kind::Busy`], [`Kind::Storage`].
    pub fn alone(&self, deadline: Duration) -> Result<Alone> {
        let end = Instant::now() + deadline;
        loop {
            let lock = self.acquire(Mode::Exclusive, end.saturating_duration_since(Instant::now()))?;
            if self.is_in_place(lock.as_file()) {
                self.0.is_alone.store(true, Ordering::SeqCst);
                // What was there before somebody uninstalled it is no longer relied on.
                *self.noted() = private::open(&self.path()).ok();
                return Ok(Alone { home: self.clone(), _lock: lock });
            }
        }
    }

    /// Takes the lock on the file that is there, which may be removed meanwhile; it and the home are made where they are
    /// missing, and again where somebody who uninstalls removes them between the one and the other.
    fn acquire(&self, mode: Mode, deadline: Duration) -> Result<Lock> {
        let attempt = || {
            // Where its lock is, the home is.
            if self.path().symlink_metadata().is_err() {
                private::make_dir(&self.0.azward_home)?;
            }
            if mode == Mode::Shared {
                self.note();
            }
            Lock::acquire_this(&self.path(), mode, deadline)
        };
        let mut outcome = attempt();
        for _ in 1..ATTEMPTS {
            match &outcome {
                Err(failure) if failure.is_missing() => outcome = attempt(),
                _ => break,
            }
        }
        outcome
    }

    fn shared(&self) -> MutexGuard<'_, Weak<Lock>> {
        self.0.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn noted(&self) -> MutexGuard<'_, Option<File>> {
        self.0.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an open file is still the one at the lock's path.
    fn is_in_place(&self, file: &File) -> bool {
        sys::identity_of(file).is_ok_and(|own| sys::file_identity(&self.path()).is_ok_and(|there| there == own))
    }
}

/// The program's path without the mark that Linux puts behind that of a file which is no longer there.
fn without_mark(executable: &Path) -> PathBuf {
    let bytes = sys::path_to_bytes(executable);
    bytes.strip_suffix(b" (deleted)").map_or_else(|| executable.to_owned(), sys::path_from_bytes)
}

fn gone(azward_home: &Path) -> Failure {
    Failure::new(
        Kind::Gone,
        format!("azward was uninstalled from `{}` meanwhile", azward_home.display()),
        "nothing need be done: the Azure CLI has its logins back; open a new terminal",
    )
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn installed() -> (tempfile::TempDir, HomeLock) {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("bin")).unwrap();
        std::fs::write(home.path().join("bin/az"), "").unwrap();
        let lock = HomeLock::of(home.path(), Some(&home.path().join("bin/az")));
        (home, lock)
    }

    #[test]
    fn those_who_create_something_keep_the_others_out_and_the_other_way_round() {
        let (home, lock) = installed();
        let other = HomeLock::of(home.path(), None);
        let presence = lock.enter().unwrap();
        let again = other.enter().unwrap();
        assert_eq!(other.alone(Duration::from_millis(20)).unwrap_err().kind, Kind::Busy);
        drop((presence, again));
        let alone = other.alone(Duration::ZERO).unwrap();
        other.enter().unwrap();
        assert!(Lock::attempt(&lock.path(), Mode::Shared).unwrap().is_none());
        drop(alone);
        assert!(Lock::attempt(&lock.path(), Mode::Shared).unwrap().is_some());
    }

    #[test]
    fn one_share_is_shared_until_the_last_who_has_it_lets_go() {
        let (_home, lock) = installed();
        let first = lock.enter().unwrap();
        let second = lock.enter().unwrap();
        drop(first);
        assert!(Lock::attempt(&lock.path(), Mode::Exclusive).unwrap().is_none());
        drop(second);
        assert!(Lock::attempt(&lock.path(), Mode::Exclusive).unwrap().is_some());
        lock.enter().unwrap();
    }

    #[test]
    fn a_process_that_began_before_an_uninstall_creates_nothing() {
        let (home, lock) = installed();
        let renamed = home.path().join("bin").join(SHIM_TAKEN_OUT);
        std::fs::rename(home.path().join("bin/az"), &renamed).unwrap();
        lock.enter().unwrap();
        std::fs::remove_file(renamed).unwrap();
        assert_eq!(lock.enter().unwrap_err().kind, Kind::Gone);
        std::fs::remove_dir_all(home.path()).unwrap();
        assert_eq!(lock.enter().unwrap_err().kind, Kind::Gone);
        lock.note();
        assert!(!home.path().exists());
    }

    #[test]
    fn whoever_wants_it_while_the_home_is_removed_and_made_anew_gets_one_or_is_told_that_it_is_gone() {
        let above = tempfile::tempdir().unwrap();
        let home = above.path().join("home");
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..300 {
                        let lock = HomeLock::of(&home, None);
                        let alone = lock.alone(Duration::from_secs(20)).unwrap();
                        assert!(lock.path().exists());
                        std::fs::remove_file(lock.path()).unwrap();
                        let _ = std::fs::remove_file(home.join(crate::marker::MARKER));
                        // Another may have made its lock in it already.
                        let _ = std::fs::remove_dir(&home);
                        drop(alone);
                    }
                });
                scope.spawn(|| {
                    for _ in 0..300 {
                        let entered = HomeLock::of(&home, None).enter();
                        assert!(entered.as_ref().map_or_else(|failure| failure.kind == Kind::Gone, |_| true));
                    }
                });
            }
        });
    }

    #[test]
    fn a_replaced_program_is_an_upgrade() {
        let (home, _) = installed();
        let mark = home.path().join("bin/az (deleted)");
        HomeLock::of(home.path(), Some(&mark)).enter().unwrap();
    }

    #[test]
    fn whoever_knew_another_lock_was_uninstalled_and_whoever_did_not_was_not() {
        let home = tempfile::tempdir().unwrap();
        let (early, late) = (HomeLock::of(home.path(), None), HomeLock::of(home.path(), None));
        early.note();
        let alone = HomeLock::of(home.path(), None).alone(Duration::ZERO).unwrap();
        std::fs::remove_file(late.path()).unwrap();
        drop(alone);
        assert_eq!(early.enter().unwrap_err().kind, Kind::Gone);
        late.enter().unwrap();
        assert_eq!(early.enter().unwrap_err().kind, Kind::Gone, "the key that it knew is gone with the old one");
        drop(early.alone(Duration::ZERO).unwrap());
        early.enter().unwrap();
    }
}
