//! Files and directories of azward's own: closed to others, and given to the owner of the azward home, so that a command
//! run by root for a user (`sudo az` with the user's home) leaves nothing that the user cannot open.
//!
//! The home itself may be a link (whose, [`crate::home`] asks); below it none is followed, not even by a process that is
//! overtaken between two steps: every directory is opened in the one above and every file in its directory. What is no
//! plain file, belongs to another user, or is one of root's that has a second name elsewhere, is not azward's: that is an
//! error, and the file is left as it is. Owners and modes are set on descriptors, owners only of what was made here.

mod directories;
// An open directory is in the way of whoever removes it elsewhere.
#[cfg(unix)]
mod held;

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

pub(crate) use self::directories::make_dir;
use self::directories::{foreign, give, parent_of};
use crate::sys::{self, Access, Directory};

/// Opens a file for reading and writing, made with mode 0600 if it is missing.
///
/// # Errors
/// The operating system's; what is not azward's is one.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    open_or_make(path, Access::Write)
}

/// Opens a file for appending, made with mode 0600 if it is missing.
///
/// # Errors
/// The operating system's; what is not azward's is one.
pub(crate) fn open_append(path: &Path) -> io::Result<File> {
    open_or_make(path, Access::Append)
}

/// Opens a file that is there for reading.
///
/// # Errors
/// The operating system's; what is not azward's is one.
pub(crate) fn open_read(path: &Path) -> io::Result<File> {
    let (directory, metadata, name) = parent_of(path)?;
    checked(directory.file(name, Access::Read)?, &metadata)
}

/// Reads a file that is there.
///
/// # Errors
/// The operating system's; what is not azward's is one.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(4096);
    // A file that is asked to be read to its end looks how far that is first.
    open_read(path)?.take(u64::MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What [`replace`] writes before it puts it in the place of the file at `path`. One that is there when nobody writes was left
/// by a process that was killed.
#[must_use]
pub(crate) fn draft_of(path: &Path) -> PathBuf {
    path.with_extension("new")
}

/// Puts a file with `bytes` and `mode` in the place of the one at `path`, durably and in one step.
///
/// # Errors
/// The operating system's; the old file then stays.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    replace_from(&draft_of(path), path, bytes, mode)
}

/// The same by way of `draft`, in the same directory.
///
/// # Errors
/// The operating system's; the old file then stays.
pub(crate) fn replace_from(draft: &Path, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let (directory, _, name) = parent_of(path)?;
    let draft = draft.file_name().ok_or_else(foreign)?;
    // Left by a process that was killed.
    let _ = directory.remove(draft);
    let replaced = make_in(&directory, draft, bytes, mode).and_then(|()| directory.rename(draft, name));
    if replaced.is_err() {
        let _ = directory.remove(draft);
    }
    replaced.and_then(|()| directory.sync())
}

/// Makes the file at `path`, where nothing is, with `bytes` and mode 0600. They are on the disk when this returns; the name
/// need not be.
///
/// # Errors
/// The operating system's; what is there then may be part of the file.
pub(crate) fn make(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (directory, _, name) = parent_of(path)?;
    make_in(&directory, name, bytes, 0o600)
}

/// Notes something in the file at `path`, whose directory is made if it is missing. What cannot be noted is found out again.
pub(crate) fn note(path: &Path, bytes: &[u8]) {
    if path.parent().is_some_and(|directory| make_dir(directory).is_ok())
        && let Ok(mut file) = open(path)
    {
        // Over what was there: to give its block back and take another costs more than all the rest.
        let _ = file.write_all(bytes).and_then(|()| file.set_len(bytes.len() as u64));
    }
}

/// Closes the file at `path` to others. Says how open it was, if it was.
///
/// # Errors
/// The operating system's; what is not azward's is one.
pub(crate) fn close(path: &Path, mode: u32) -> io::Result<Option<u32>> {
    let file = open_read(path)?;
    let was = sys::mode_of(&file.metadata()?);
    if was & 0o777 & !mode == 0 {
        return Ok(None);
    }
    sys::set_mode_of(&file, mode)?;
    Ok(Some(was))
}

fn make_in(directory: &Directory, name: &OsStr, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = directory.create(name, Access::Write)?;
    give(&file, &directory.metadata()?);
    file.write_all(bytes)?;
    sys::set_mode_of(&file, mode)?;
    // A file that is open cannot take another's place everywhere: it is closed here.
    file.sync_all()
}

fn open_or_make(path: &Path, access: Access) -> io::Result<File> {
    let (directory, metadata, name) = parent_of(path)?;
    for _ in 0..3 {
        match directory.file(name, access) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return checked(other?, &metadata),
        }
        match directory.create(name, access) {
            // Somebody else was as quick.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(file) => {
                give(&file, &metadata);
                return Ok(file);
            }
        }
    }
    directory.file(name, access)
}

/// `file`, if it is a plain file of who has the directory that it was found in.
fn checked(file: File, directory: &Metadata) -> io::Result<File> {
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() || !sys::is_of(directory, &metadata) {
        return Err(foreign());
    }
    Ok(file)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{MetadataExt, chown, symlink};

    use super::*;

    #[test]
    fn what_is_made_is_closed_to_others() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("a/b");
        make_dir(&directory).unwrap();
        open(&directory.join("lock")).unwrap();
        let mode = |path: &Path| sys::mode_of(&path.metadata().unwrap());
        assert_eq!((mode(&directory), mode(&directory.join("lock"))), (0o700, 0o600));
        make_dir(&directory.join("run")).unwrap();
        sys::set_mode(&directory.join("run"), 0o755).unwrap();
        make_dir(&directory.join("run")).unwrap();
        assert_eq!(mode(&directory.join("run")), 0o700);
    }

    /// A home of ours, and a directory beside it that is somebody else's.
    fn home_and_elsewhere() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let (home, elsewhere) = (root.path().join("home"), root.path().join("elsewhere"));
        make_dir(&home).unwrap();
        std::fs::create_dir(&elsewhere).unwrap();
        sys::set_mode(&elsewhere, 0o755).unwrap();
        (root, home, elsewhere)
    }

    #[test]
    fn no_link_is_followed_below_a_home_and_the_home_may_be_one() {
        let (root, home, elsewhere) = home_and_elsewhere();
        for name in ["run", "vaults", "views", "bin"] {
            symlink(&elsewhere, home.join(name)).unwrap();
            make_dir(&home.join(name)).unwrap_err();
            open(&home.join(name).join("lock")).unwrap_err();
        }
        symlink(elsewhere.join("made"), home.join("journal.jsonl")).unwrap();
        open_append(&home.join("journal.jsonl")).unwrap_err();
        std::fs::write(elsewhere.join("there"), "text").unwrap();
        symlink(elsewhere.join("there"), home.join("config.json")).unwrap();
        assert!(open(&home.join("config.json")).is_err() && read(&home.join("config.json")).is_err());
        assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 1);
        assert_eq!(sys::mode_of(&elsewhere.metadata().unwrap()), 0o755);
        // What is put in a link's place is put in the link's, not its target's.
        replace(&home.join("config.json"), b"new", 0o600).unwrap();
        assert_eq!(std::fs::read(elsewhere.join("there")).unwrap(), b"text");
        assert_eq!(read(&home.join("config.json")).unwrap(), b"new");

        let linked = root.path().join("linked");
        symlink(&home, &linked).unwrap();
        open(&linked.join("key.lock")).unwrap();
        assert!(home.join("key.lock").exists());
        let nowhere = root.path().join("nowhere");
        symlink(root.path().join("gone"), &nowhere).unwrap();
        make_dir(&nowhere.join("run")).unwrap_err();
        assert!(!root.path().join("gone").exists());
    }

    #[test]
    fn what_is_no_plain_file_or_another_s_is_not_ours() {
        let (_root, home, elsewhere) = home_and_elsewhere();
        std::fs::create_dir(home.join("key")).unwrap();
        assert_eq!(read(&home.join("key")).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        let fifo = home.join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        read(&fifo).unwrap_err();
        open(&fifo).unwrap_err();
        if sys::user_id() != "0" {
            eprintln!("not root, so there is no second user: what is another's is not tested");
            return;
        }
        chown(&home, Some(65534), None).unwrap();
        for (name, owner, is_ours) in [("a", 65534, true), ("b", 0, true), ("c", 1234, false)] {
            std::fs::write(home.join(name), "x").unwrap();
            chown(home.join(name), Some(owner), None).unwrap();
            assert_eq!(read(&home.join(name)).is_ok(), is_ours, "{name}");
        }
        // A file of root's elsewhere, which the user gave a second name here.
        std::fs::write(elsewhere.join("root's"), "x").unwrap();
        std::fs::hard_link(elsewhere.join("root's"), home.join("journal.jsonl")).unwrap();
        open_append(&home.join("journal.jsonl")).unwrap_err();
        assert_eq!(elsewhere.join("root's").metadata().unwrap().uid(), 0);
        // A directory of another's in the place of ours.
        std::fs::create_dir(home.join("run")).unwrap();
        make_dir(&home.join("run")).unwrap_err();
    }

    #[test]
    fn what_root_makes_in_a_user_s_directory_is_the_user_s() {
        let home = tempfile::tempdir().unwrap();
        // Anybody else cannot give files away, and need not.
        let owner = if sys::user_id() == "0" { 65534 } else { home.path().metadata().unwrap().uid() };
        chown(home.path(), Some(owner), None).unwrap();
        make_dir(&home.path().join("a/b/run")).unwrap();
        open(&home.path().join("a/b/run/lock")).unwrap();
        open_append(&home.path().join("a/journal")).unwrap();
        replace(&home.path().join("a/b/config.json"), b"{}", 0o600).unwrap();
        for name in ["a", "a/b", "a/b/azward-home", "a/b/run", "a/b/run/lock", "a/journal", "a/b/config.json"] {
            assert_eq!(home.path().join(name).metadata().unwrap().uid(), owner, "{name}");
        }
    }
}
