//! MSAL's lock on the token cache, `<cache>.lockfile`, by MSAL's own protocol: made with create-exclusive, then flocked,
//! `pid argv0` written; on release the flock goes first and then the file (msal-extensions 1.3.1, `cache_lock.py`,
//! `CrossPlatLock`). Installs without portalocker know only the file's existence (`filelock.py`), so both are honoured.
//!
//! A lock file whose process is gone costs az 5 s and, without portalocker, every later command. One that is flocked is
//! held, whatever it says. One that nobody has flocked is taken over when the process that signed it cannot be holding it:
//! it is dead; or what lives under that id is another, which began after the file was written, or is no program that signs
//! so (an id of another pid namespace: a container's az is often number 1). Where the system does not tell, the file's age
//! decides: az itself waits 5 s for such a file and then takes it.
//!
//! The lock is held for one read-modify-write of the cache, never across a run, the network or a prompt.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::failure::{Failure, Kind, Result, persist};
use crate::sys::{self, Access};
use crate::{user_file, wait};

/// How old an abandoned lock file must be: az writes its process id within microseconds of making the file.
const STALE_AFTER: Duration = Duration::from_secs(2);

/// How old a lock file must be that nobody has flocked and of whose signer nothing can be learnt but that it lives.
const OLD: Duration = Duration::from_secs(6);

/// How much later than the file was written a process must have begun to be certainly another: the two clocks differ.
const MARGIN: Duration = Duration::from_secs(2);

/// MSAL's lock, held. Dropping it releases it as MSAL does.
#[derive(Debug)]
pub struct MsalLock {
    path: PathBuf,
    file: Option<File>,
}

impl MsalLock {
    /// Whether somebody has the lock of the token cache at `cache`, or died with it.
    pub(crate) fn is_taken(cache: &Path) -> bool {
        path_of(cache).symlink_metadata().is_ok()
    }

    /// Whether the lock file of the token cache at `cache` is nobody's any more: who made it has died with it.
    pub(crate) fn is_stale(cache: &Path) -> bool {
        let Ok(file) = user_file::open(&path_of(cache), Access::Read) else { return false };
        // Shared, for the moment that it takes to look: somebody who holds it has it exclusively.
        is_nobody_s(&file).unwrap_or(false) && file.try_lock_shared().is_ok()
    }

    /// Takes the lock of the token cache at `cache`, waiting no longer than `deadline`.
    ///
    /// # Errors
    /// [`Kind::Busy`] when another process holds it until then, [`Kind::Interrupted`] when the wait loses its point,
    /// [`Kind::Storage`] when the file cannot be made.
    pub fn acquire(cache: &Path, deadline: Duration) -> Result<Self> {
        let path = path_of(cache);
        let held = || {
            Failure::new(
                Kind::Busy,
                format!("MSAL's lock `{}` was held for {} s", path.display(), deadline.as_secs_f32()),
                "end the process that holds it, or remove that file if none does",
            )
        };
        let attempt = || persist(|| attempt(&path).map_err(|error| Failure::storage("lock", &path, &error)));
        // az looks every 250 ms; a short pause lets us in between two of its steps.
        let lock = format_args!("MSAL's lock `{}`", path.display());
        let file = wait::for_lock(lock, deadline, wait::LOCK_PAUSE, attempt, held)?;
        Ok(Self { path, file: Some(file) })
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
        Ok(file) => {
            user_file::give(&file, path);
            file
        }
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
    let file = match user_file::open(path, Access::Write) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !is_nobody_s(&file)? {
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

/// Whether nobody may be holding a lock file, unless he has it flocked.
fn is_nobody_s(mut file: &File) -> io::Result<bool> {
    let mut holder = String::new();
    (&mut file).take(4096).read_to_string(&mut holder).unwrap_or_default();
    Ok(!is_held(&holder, file.metadata()?.modified()?))
}

/// Whether a lock file that says `holder` and was last `written` at that time may be held without a flock.
fn is_held(holder: &str, written: SystemTime) -> bool {
    // A file from the future (the clock was set back) is as old as we like to think.
    let age = SystemTime::now().duration_since(written).unwrap_or(Duration::MAX);
    let (id, program) = holder.split_once(' ').unwrap_or((holder, ""));
    // One that nobody signed may be signed at any moment, if it is young.
    let Ok(id) = id.parse() else { return age < STALE_AFTER };
    if !sys::process_exists(id) {
        return false;
    }
    // Whoever signs has flocked before, where it can, and has the file removed right after the flock: a young one may be
    // about to go.
    if age < STALE_AFTER {
        return true;
    }
    if sys::process_began(id).is_some_and(|began| began > written + MARGIN) {
        return false;
    }
    match sys::process_arguments(id) {
        Some(arguments) if !arguments.is_empty() && !program.is_empty() => signs_as(&arguments, program),
        _ => age < OLD,
    }
}

/// Whether a process with these arguments signs as `program`. Python's `sys.argv[0]` is the script as it was named, or, for
/// `python -m azure.cli`, the path of that module's `__main__.py`; .NET's MSAL signs with the process's name.
fn signs_as(arguments: &[Vec<u8>], program: &str) -> bool {
    let name = |text: &str| text.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
    let module =
        program.strip_suffix("__main__.py").map(|path| path.trim_end_matches(['/', '\\']).replace(['/', '\\'], "."));
    let mut arguments = arguments.iter().map(|argument| String::from_utf8_lossy(argument));
    if program == "azward" {
        // Ours, whatever name it goes by, and its own flock says best whether it holds it.
        return arguments.next().is_some_and(|first| name(&first).starts_with("az"));
    }
    arguments.any(|argument| {
        let own = argument.strip_prefix("-m").unwrap_or(&argument);
        let is_module = !own.is_empty() && module.as_ref().is_some_and(|module| module.ends_with(&format!(".{own}")));
        is_module || argument == program || name(&argument) == name(program)
    })
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
        std::fs::write(&file, format!("{} {}", std::process::id(), own_name())).unwrap();
        assert_eq!(MsalLock::acquire(&cache, Duration::ZERO).unwrap_err().kind, Kind::Busy, "living");
        std::fs::write(&file, "").unwrap();
        age(&file, 60);
        let held = File::open(&file).unwrap();
        held.lock().unwrap();
        assert_eq!(MsalLock::acquire(&cache, Duration::ZERO).unwrap_err().kind, Kind::Busy, "flocked");
        drop(held);
        drop(MsalLock::acquire(&cache, Duration::ZERO).unwrap());
    }

    /// What this process would sign with, were it Python's.
    fn own_name() -> String {
        std::env::args().next().unwrap()
    }

    /// Whether a lock file that says so, so old and flocked by nobody, is in our way.
    fn is_in_the_way(holder: &str, seconds: u64) -> bool {
        let dir = tempfile::tempdir().unwrap();
        let (cache, file) = (dir.path().join("cache.json"), dir.path().join("cache.json.lockfile"));
        std::fs::write(&file, holder).unwrap();
        age(&file, seconds);
        MsalLock::acquire(&cache, Duration::ZERO).is_err()
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_living_process_that_is_somebody_else_does_not_hold_it() {
        // As `python -m azure.cli` does, which signs with the path of its `__main__.py`.
        let mut children: Vec<std::process::Child> = Vec::new();
        // They wait for a line, and have no children that would be left behind.
        let mut start = |arguments: &[&str]| {
            let mut command = std::process::Command::new(arguments[0]);
            let child = command.args(&arguments[1..]).stdin(std::process::Stdio::piped()).spawn().unwrap();
            let id = child.id();
            children.push(child);
            id
        };
        let az = start(&["sh", "-c", "read -r line", "-sm", "azure.cli", "login"]);
        let other = start(&["sh", "-c", "read -r line", "unrelated"]);
        std::thread::sleep(Duration::from_millis(100));
        let main = "/opt/az/lib/python3.13/site-packages/azure/cli/__main__.py";
        // Signed and let go a moment ago, or about to be removed: whoever it is.
        for id in [1, az, other] {
            assert!(is_in_the_way(&format!("{id} {main}"), 0), "{id}");
        }
        // Written before that process began: its id was another's then. Both began a moment ago.
        for id in [az, other] {
            assert!(!is_in_the_way(&format!("{id} {main}"), 60), "{id}");
        }
        // Number 1 of another pid namespace. Ours began long ago.
        assert!(!is_in_the_way(&format!("1 {main}"), 3));
        assert!(!is_in_the_way("1 /usr/bin/az", 3));
        // It began before the file was written: is it the one that signed?
        std::thread::sleep(Duration::from_secs(3));
        assert!(is_in_the_way(&format!("{az} {main}"), 3), "az, stopped or slow");
        assert!(!is_in_the_way(&format!("{other} {main}"), 3));
        assert!(!is_in_the_way(&format!("{az} azward"), 3));
        for mut child in children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    #[test]
    fn a_program_is_known_by_what_it_signs_with() {
        let signs = |line: &str, program: &str| {
            signs_as(&line.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>(), program)
        };
        let main = "/opt/az/lib/python3.13/site-packages/azure/cli/__main__.py";
        assert!(signs("/opt/az/bin/python3 -sm azure.cli login", main));
        assert!(signs("/opt/az/bin/python3 -mazure.cli login", main));
        assert!(signs("python3 /usr/bin/az login", "/usr/bin/az"));
        assert!(signs("python3 ./app.py", "./app.py") && signs("python3 -c pass", "-c"));
        assert!(signs("/usr/bin/dotnet-thing --x", "dotnet-thing"));
        assert!(signs("az group list", "azward") && signs("azward-guardian", "azward"));
        for line in ["/sbin/init splash", "/usr/bin/python3 -m http.server", "bash"] {
            assert!(!signs(line, main) && !signs(line, "/usr/bin/az") && !signs(line, "azward"), "{line}");
        }
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
