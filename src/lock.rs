//! Advisory locks (flock) on files of azward's own, always taken with a deadline and dropped by the kernel when their
//! holder dies. What is locked is the file that has its name: one that was removed while somebody waited for it is opened anew, so
//! that nobody holds a lock that nobody else can find. A deadline that passes is [`Kind::Busy`], a signal that comes first [`Kind::Interrupted`], never a hang.
//! MSAL's lock has its own protocol and its own module, `credentials::msal_lock`.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use crate::failure::{Failure, Kind, Result, persist};
use crate::{private, sys, wait};

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
        Self::acquire_where(path, mode, deadline, |file| is_named(file, path))
    }

    /// The same on the file that is there now, also if it is removed meanwhile: for who looks himself what has become of it.
    ///
    /// # Errors
    /// Those of [`Self::acquire`].
    pub(crate) fn acquire_this(path: &Path, mode: Mode, deadline: Duration) -> Result<Self> {
        Self::acquire_where(path, mode, deadline, |_| true)
    }

    fn acquire_where(path: &Path, mode: Mode, deadline: Duration, is_good: impl Fn(&File) -> bool) -> Result<Self> {
        let held = || {
            Failure::new(
                Kind::Busy,
                format!("`{}` was held by another process for {} s", path.display(), deadline.as_secs_f32()),
                "run the command again; `azward status` shows what is running",
            )
        };
        let mut waiting = None;
        let attempt = || {
            let file = match waiting.take() {
                Some(file) if is_good(&file) => file,
                _ => open(path)?,
            };
            if try_lock(&file, path, mode)? && is_good(&file) {
                return Ok(Some(file));
            }
            waiting = Some(file);
            Ok(None)
        };
        let file = wait::for_lock(format_args!("`{}`", path.display()), deadline, FIRST_PAUSE, attempt, held)?;
        Ok(Self { file })
    }

    /// Takes the lock if it is free at this moment.
    ///
    /// # Errors
    /// [`Kind::Storage`] when the file cannot be opened.
    pub(crate) fn attempt(path: &Path, mode: Mode) -> Result<Option<Self>> {
        let file = open(path)?;
        Ok((try_lock(&file, path, mode)? && is_named(&file, path)).then_some(Self { file }))
    }

    /// Whether it is still the one that others find at `path`.
    #[must_use]
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        is_named(&self.file, path)
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

    /// The file that is locked; whoever has it has the lock.
    #[cfg(windows)]
    #[must_use]
    pub(crate) fn into_file(self) -> File {
        self.file
    }

    /// The file that is locked, for what its holders tell each other in it.
    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.file
    }
}

fn open(path: &Path) -> Result<File> {
    persist(|| private::open(path).map_err(|error| Failure::storage("open", path, &error)))
}

/// Whether `file` has the name `path`, as far as that can be told.
fn is_named(file: &File, path: &Path) -> bool {
    match (sys::identity_of(file), sys::file_identity(path)) {
        (Ok(file), Ok(named)) => file == named,
        (_, Err(error)) => error.kind() != ErrorKind::NotFound,
        (Err(_), _) => true,
    }
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

    #[cfg(unix)]
    #[test]
    fn whoever_waits_for_a_file_that_is_removed_meanwhile_gets_the_lock_that_others_find() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = Lock::acquire(&path, Mode::Exclusive, Duration::ZERO).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| Lock::acquire(&path, Mode::Exclusive, Duration::from_secs(20)).unwrap());
            std::thread::sleep(Duration::from_millis(50));
            std::fs::remove_file(&path).unwrap();
            assert!(!first.is_at(&path));
            let second = second.join().unwrap();
            assert!(second.is_at(&path) && Lock::attempt(&path, Mode::Shared).unwrap().is_none());
        });
    }
}
