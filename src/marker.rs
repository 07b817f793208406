//! The marker: what says that a directory is an azward home, and whether azward made it. One that is torn would be none, so it
//! is written in one step. A directory without one is a home all the same where it has what only azward writes: a vault, or
//! the settings of the first version, which made no markers.

use std::ffi::OsStr;
use std::fs::{File, Metadata, TryLockError};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use crate::settings::{self, FirstVersion};
use crate::sys::{self, Access, Directory};

/// The marker's name.
pub(crate) const MARKER: &str = "azward-home";

/// The marker before it has its name.
pub(crate) const FRESH_MARKER: &str = "azward-home.new";

/// The marker's line in a directory that azward made.
pub(crate) const MADE: &str = "azward home, made by azward\n";

/// The marker's line in a directory that was there before.
pub(crate) const TAKEN: &str = "azward home, made by somebody else\n";

/// How often it is tried to write it where directories have no locks, and with what pause.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(5);

/// Marks a directory that azward just made.
pub(crate) fn mark(made: &Directory) -> std::io::Result<()> {
    write(made, MADE)
}

/// Marks an empty directory as a home that somebody else made. Only that: what has other things in it is asked about when
/// the home is looked at.
pub(crate) fn mark_if_empty(path: &Path, directory: &Directory) {
    let is_marker_s = |entry: std::fs::DirEntry| [MARKER, FRESH_MARKER].iter().any(|name| entry.file_name() == *name);
    if line_of(directory).is_none()
        && std::fs::read_dir(path).is_ok_and(|mut entries| entries.all(|entry| entry.is_ok_and(is_marker_s)))
    {
        let _ = write(directory, TAKEN);
    }
}

/// Writes the marker in one step: one that is torn would be none, in a home that has other things in it. One process at a
/// time, or one would put away what another is writing; and whoever made the directory has the last word.
pub(crate) fn write(directory: &Directory, line: &str) -> std::io::Result<()> {
    let _lock = MarkerLock::with(directory);
    for _ in 1..ATTEMPTS {
        match write_once(directory, line) {
            Err(error) if cfg!(windows) && is_somebody_else_at_it(&error) => std::thread::sleep(PAUSE),
            written => return written,
        }
    }
    write_once(directory, line)
}

/// Whether an error may be that another process writes it too, where directories have no locks.
fn is_somebody_else_at_it(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{AlreadyExists, NotFound};
    matches!(error.kind(), AlreadyExists | NotFound) || sys::is_in_use(error)
}

fn write_once(directory: &Directory, line: &str) -> std::io::Result<()> {
    if line == TAKEN && line_of(directory).is_some() {
        return Ok(());
    }
    let (marker, fresh) = (OsStr::new(MARKER), OsStr::new(FRESH_MARKER));
    // Left by a process that was killed.
    let _ = directory.remove(fresh);
    let mut file = directory.create(fresh, Access::Write)?;
    // Only root can give anything away, and only for root it matters.
    let _ = sys::copy_owner(&file, &directory.metadata()?);
    file.write_all(line.as_bytes()).and_then(|()| file.sync_all())?;
    drop(file);
    match directory.rename(fresh, marker) {
        // Somebody else was as quick, and wrote the same.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && line_of(directory).is_some() => Ok(()),
        renamed => renamed,
    }
}

/// A lock on a directory while it is marked, which takes a moment.
struct MarkerLock<'a>(&'a Directory);

impl<'a> MarkerLock<'a> {
    /// Waits for whoever marks it, but for no more than a second, and not at all where directories have no locks.
    fn with(directory: &'a Directory) -> Self {
        for _ in 0..200 {
            match directory.as_file().try_lock() {
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
                Ok(()) | Err(TryLockError::Error(_)) => break,
            }
        }
        Self(directory)
    }
}

impl Drop for MarkerLock<'_> {
    fn drop(&mut self) {
        // The directory may stay open for long.
        let _ = self.0.as_file().unlock();
    }
}

/// Whether azward made this directory.
pub(crate) fn is_made_by_us(directory: &Directory) -> bool {
    line_of(directory).is_some_and(|line| line == MADE)
}

/// The line of its marker, if it has one.
pub(crate) fn line_of(directory: &Directory) -> Option<String> {
    let file = open_ours(directory, OsStr::new(MARKER))?;
    let mut line = String::new();
    file.take(200).read_to_string(&mut line).ok()?;
    line.starts_with("azward home, ").then_some(line)
}

/// Whether `path` is an azward home of the user that we act as, `user_home`'s owner if that is root: what an installed shim
/// asks about the directory that it is in.
#[must_use]
pub(crate) fn is_home(path: &Path, user_home: &Path) -> bool {
    let Ok(directory) = Directory::open(path) else { return false };
    directory.metadata().is_ok_and(|metadata| is_our_user(&metadata, user_home))
        && (line_of(&directory).is_some() || has_vault(path) || is_installed_by_first_version(&directory))
}

/// Whether there is a vault: nothing else has its first line.
pub(crate) fn has_vault(home: &Path) -> bool {
    let vaults = home.join("vaults");
    let Ok(directory) = Directory::open(&vaults) else { return false };
    let begins_so = |name: &OsStr| {
        let mut head = [0; 13];
        open_ours(&directory, name).is_some_and(|mut file| file.read_exact(&mut head).is_ok())
            && head == *b"azward vault\n"
    };
    let names = std::fs::read_dir(vaults).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names
        .filter(|name| Path::new(name).extension().is_some_and(|ending| ending == "vault"))
        .any(|name| begins_so(&name))
}

/// Whether the settings are those that the first version's `install` wrote: it always named these two.
fn is_installed_by_first_version(home: &Directory) -> bool {
    let mut text = Vec::new();
    open_ours(home, OsStr::new(settings::FIRST_VERSION))
        .and_then(|file| file.take(1 << 20).read_to_end(&mut text).ok())
        // What was not read is not parsed: an error of the parser's asks the processor what it can, and that takes its time.
        .and_then(|_| serde_json::from_slice(&text).ok())
        .is_some_and(|file: FirstVersion| file.key_store.is_some() && file.exposure.is_some())
}

/// A plain file that the directory's owner owns too.
fn open_ours(directory: &Directory, name: &OsStr) -> Option<File> {
    let file = directory.file(name, Access::Read).ok()?;
    let (own, home) = (file.metadata().ok()?, directory.metadata().ok()?);
    (own.is_file() && sys::is_of(&home, &own)).then_some(file)
}

/// Whether a directory belongs to the user that azward acts as: for root that is root, or the owner of `user_home`.
pub(crate) fn is_our_user(home: &Metadata, user_home: &Path) -> bool {
    let (owner, us) = (sys::owner_id(home), sys::user_id());
    owner == us || us == "0" && user_home.metadata().is_ok_and(|user| sys::owner_id(&user) == owner)
}
