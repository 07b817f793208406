//! Advisory locks (flock) on files of azward's own, always taken with a deadline and dropped by the kernel when their
//! holder dies. A deadline that passes is [`Kind::Busy`], a signal that comes first [`Kind::Interrupted`], never a hang.
//! MSAL's lock has its own protocol and its own module, `credentials::msal_lock`.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use crate::failure::{Failure, Kind, Result, persist};
use crate::{private, wait};

/// How soon a lock is tried again: most are held for less than a millisecond.
const FIRST_PAUSE: Duration = Duration::from_micros(200);

/// A held lock; dropping it releases it. (Dropping rather than unlocking: the standard library's `unlock` fails under
/// wine.)
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

/// Whether others may hold the same lock at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Any number of holders.
    Shared,
    /// One holder.
    Exclusive,
}

impl Lock {
    /// Takes the lock on `path` (made if it is missing, mode 0600), waiting no longer than `deadline`.
    ///
    /// # Errors
    /// [`Kind::Busy`] when others hold it until then, [`Kind::Interrupted`] when the wait loses its point,
    /// [`Kind::Storage`] when the file cannot be opened.
    pub(crate) fn acquire(path: &Path, mode: Mode, deadline: Duration) -> Result<Self> {
        let file = open(path)?;
        let held = || {
            Failure::new(
                Kind::Busy,
                format!("`{}` was held by another process for {} s", path.display(), deadline.as_secs_f32()),
                "run the command again; `azward status` shows what is running",
            )
        };
        let attempt = || Ok(try_lock(&file, path, mode)?.then_some(()));
        wait::for_lock(format_args!("`{}`", path.display()), deadline, FIRST_PAUSE, attempt, held)?;
        Ok(Self { file })
    }

    /// Takes the lock if it is free at this moment.
    ///
    /// # Errors
    /// [`Kind::Storage`] when the file cannot be opened.
    pub(crate) fn attempt(path: &Path, mode: Mode) -> Result<Option<Self>> {
        let file = open(path)?;
        Ok(try_lock(&file, path, mode)?.then_some(Self { file }))
    }

    /// The lock on an open file that another process took and handed on.
    #[must_use]
    pub(crate) fn held(file: File) -> Self {
        Self { file }
    }

    /// The file that is locked.
    #[must_use]
    pub(crate) fn as_file(&self) -> &File {
        &self.file
    }

    /// The file that is locked, for what its holders tell each other in it.
    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.file
    }
}

fn open(path: &Path) -> Result<File> {
    persist(|| private::open(path).map_err(|error| Failure::storage("open", path, &error)))
}

fn try_lock(file: &File, path: &Path, mode: Mode) -> Result<bool> {
    let attempt = || match mode {
        Mode::Shared => file.try_lock_shared(),
        Mode::Exclusive => file.try_lock(),
    };
    persist(|| match attempt() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(Failure::storage("lock", path, &error)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exclusive_lock_waits_for_a_shared_one_and_gives_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let shared = Lock::acquire(&path, Mode::Shared, Duration::ZERO).unwrap();
        assert!(Lock::attempt(&path, Mode::Shared).unwrap().is_some());
        let failure = Lock::acquire(&path, Mode::Exclusive, Duration::from_millis(20)).unwrap_err();
        assert_eq!(failure.kind, Kind::Busy);
        drop(shared);
        Lock::acquire(&path, Mode::Exclusive, Duration::ZERO).unwrap();
    }
}
