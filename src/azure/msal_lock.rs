//! MSAL's lock on the token cache, `<cache>.lockfile`, by MSAL's own protocol: made with create-exclusive, then flocked,
//! `pid argv0` written; on release the flock goes first and then the file (msal-extensions 1.3.1, `cache_lock.py`,
//! `CrossPlatLock`). Installs without portalocker know only the file's existence (`filelock.py`), so both are honoured.
//!
//! A lock file whose process is gone costs az 5 s and, without portalocker, every later command: one that nobody has
//! flocked is taken over when the process that signed it is dead, or, unsigned, when it is older than [`STALE_AFTER`]. The lock is held for one
//! read-modify-write of the cache, never across a run, the network or a prompt.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::failure::{Failure, Kind, Result, persist};
use crate::{sys, wait};

/// How old an abandoned lock file must be: az writes its process id within microseconds of making the file.
const STALE_AFTER: Duration = Duration::from_secs(2);

/// How often to look again. az looks every 250 ms; a shorter pause lets us in between two of its steps.
const PAUSE: Duration = Duration::from_millis(5);

/// MSAL's lock, held. Dropping it releases it as MSAL does.
#[derive(Debug)]
pub struct MsalLock {
    path: PathBuf,
    file: Option<File>,
}

impl MsalLock {
    /// Takes the lock of the token cache at `cache`, waiting no longer than `deadline`.
    ///
    /// # Errors
    /// [`Kind::Busy`] when another process holds it until then, [`Kind::Interrupted`] when the wait loses its point,
    /// [`Kind::Storage`] when the file cannot be made.
    pub fn acquire(cache: &Path, deadline: Duration) -> Result<Self> {
        let path = path_of(cache);
        let end = Instant::now() + deadline;
        loop {
            if let Some(file) = persist(|| attempt(&path).map_err(|error| Failure::storage("lock", &path, &error)))? {
                return Ok(Self { path, file: Some(file) });
            }
            if wait::is_over() {
                return Err(wait::interrupted(&format!("MSAL's lock `{}`", path.display())));
            }
            if Instant::now() >= end {
                return Err(Failure::new(
                    Kind::Busy,
                    format!("MSAL's lock `{}` was held for {} s", path.display(), deadline.as_secs_f32()),
                    "end the process that holds it, or remove that file if none does",
                ));
            }
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for MsalLock {
    fn drop(&mut self) {
        drop(self.file.take());
        // Another process may have got in between and removed it: just as well.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn path_of(cache: &Path) -> PathBuf {
    let mut name = cache.file_name().unwrap_or_default().to_owned();
    name.push(".lockfile");
    cache.with_file_name(name)
}

/// One try: `None` when somebody else has the lock.
fn attempt(path: &Path) -> io::Result<Option<File>> {
    let file = match sys::create_new(path, 0o600) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return take_over_stale(path),
        Err(error) => return Err(error),
    };
    // az, after five seconds of waiting, opens an existing file and flocks that: it may have removed ours just now.
    let taken = flock(file).and_then(|file| match file {
        Some(file) if sys::link_count(&file)? > 0 => Ok(Some(file)),
        _ => Ok(None),
    });
    match taken {
        Ok(None) => Ok(None),
        Ok(Some(mut file)) => {
            sign(&mut file);
            Ok(Some(file))
        }
        Err(error) => {
            // One that is left behind is in everybody's way.
            let _ = std::fs::remove_file(path);
            Err(error)
        }
    }
}

fn take_over_stale(path: &Path) -> io::Result<Option<File>> {
    let file = match std::fs::OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut holder = String::new();
    (&file).take(64).read_to_string(&mut holder).unwrap_or_default();
    let id = holder.split_ascii_whitespace().next().and_then(|id| id.parse().ok());
    let age = file.metadata()?.modified().ok().and_then(|made| SystemTime::now().duration_since(made).ok());
    // Whoever signed it had flocked it before. One that nobody signed may be signed at any moment, if it is young; a file
    // from the future (the clock was set back) is as old as we like to think.
    let is_held = id.map_or(age.is_some_and(|age| age < STALE_AFTER), sys::process_exists);
    if is_held {
        return Ok(None);
    }
    let Some(mut file) = flock(file)? else { return Ok(None) };
    if sys::link_count(&file)? == 0 {
        return Ok(None);
    }
    let _ = file.set_len(0).and_then(|()| file.rewind());
    sign(&mut file);
    Ok(Some(file))
}

fn flock(file: File) -> io::Result<Option<File>> {
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn sign(file: &mut File) {
    // One write, as a reader may look at any time. That it fails (a full disk) does not matter: only the lock does.
    let _ = file.write_all(format!("{} azward", std::process::id()).as_bytes());
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn age(path: &Path, seconds: u64) {
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
    }

    #[test]
    fn it_is_made_signed_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("cache.json");
        let lock = MsalLock::acquire(&cache, Duration::ZERO).unwrap();
        let text = std::fs::read_to_string(dir.path().join("cache.json.lockfile")).unwrap();
        assert_eq!(text, format!("{} azward", std::process::id()));
        assert_eq!(MsalLock::acquire(&cache, Duration::ZERO).unwrap_err().kind, Kind::Busy);
        drop(lock);
        assert!(!dir.path().join("cache.json.lockfile").exists());
    }

    #[test]
    fn a_dead_process_s_file_is_taken_over_and_a_young_unsigned_or_living_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, file) = (dir.path().join("cache.json"), dir.path().join("cache.json.lockfile"));
        let mut gone = std::process::Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        std::fs::write(&file, "").unwrap();
        assert_eq!(MsalLock::acquire(&cache, Duration::ZERO).unwrap_err().kind, Kind::Busy, "young");
        std::fs::write(&file, format!("{} az", gone.id())).unwrap();
        drop(MsalLock::acquire(&cache, Duration::ZERO).unwrap());
        std::fs::write(&file, format!("{} az", std::process::id())).unwrap();
        age(&file, 60);
        assert_eq!(MsalLock::acquire(&cache, Duration::ZERO).unwrap_err().kind, Kind::Busy, "living");
        std::fs::write(&file, "").unwrap();
        age(&file, 60);
        let held = File::open(&file).unwrap();
        held.lock().unwrap();
        assert_eq!(MsalLock::acquire(&cache, Duration::ZERO).unwrap_err().kind, Kind::Busy, "flocked");
        drop(held);
        drop(MsalLock::acquire(&cache, Duration::ZERO).unwrap());
    }

    #[test]
    fn many_threads_get_it_one_after_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("cache.json");
        let inside = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let lock = MsalLock::acquire(&cache, Duration::from_secs(20)).unwrap();
                        assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
    }
}
