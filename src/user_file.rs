//! Files in directories of the user's own, where az and the user write as well as azward: the config directory, the
//! shells' start-up files. A link there is the user's choice and is followed, unless that would have this process write
//! where whoever made the link could not: root, working for a user (`sudo az` with the user's home), follows none of
//! the user's links to what is not the user's, and takes no file for the user's that is root's under a second name. What
//! root makes there is given to the directory's owner.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::sys::{self, Access, Directory};

/// More links than any chain of them has.
const LINKS: usize = 40;

/// Whether `path` is a link that is not to be followed: what it leads to belongs to another user than the link.
#[must_use]
pub(crate) fn is_foreign_link(path: &Path) -> bool {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let Ok(link) = std::fs::symlink_metadata(&path) else { return false };
        if !link.is_symlink() {
            return false;
        }
        let Ok(next) = std::fs::read_link(&path) else { return false };
        path = path.parent().map_or(next.clone(), |parent| parent.join(next));
        // Where there is nothing yet, whoever owns the directory could make it.
        let target = std::fs::symlink_metadata(&path).or_else(|error| match path.parent() {
            Some(parent) => std::fs::metadata(parent),
            None => Err(error),
        });
        match target {
            Ok(target) if !sys::may_follow(&link, &target) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    true
}

/// Opens a file that is there; a link is an error, and so is a pipe, and for root a file that is not the directory's
/// owner's.
///
/// # Errors
/// The operating system's.
pub(crate) fn open(path: &Path, access: Access) -> io::Result<File> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let directory = Directory::open(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })?;
    let file = directory.file(name, access)?;
    let metadata = file.metadata()?;
    let is_ours = sys::user_id() != "0" || sys::is_of(&directory.metadata()?, &metadata);
    if metadata.is_file() && is_ours { Ok(file) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

/// Closes a file that is there to others, before something is put into it. What is no plain file is left alone.
///
/// # Errors
/// The operating system's, as for somebody else's file.
pub(crate) fn close(path: &Path) -> io::Result<()> {
    let metadata = std::fs::symlink_metadata(path)?;
    if !metadata.is_file() || sys::mode_of(&metadata) & 0o077 == 0 {
        return Ok(());
    }
    sys::set_mode_of(&open(path, Access::Read)?, 0o600)
}

/// Gives a file that was just made at `path` to the owner of its directory.
pub(crate) fn give(made: &File, path: &Path) {
    if let Some(Ok(owner)) = path.parent().map(Path::metadata) {
        // Only root can give anything away, and only for root it matters.
        let _ = sys::copy_owner(made, &owner);
    }
}

/// Whom a file is for that is to take another's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Its owner.
    Owner,
    /// Whoever the other was for; where there is none, anybody.
    AsBefore,
}

/// Writes at `draft`, durably, what is to take the place of the file at `target`, with that one's owner. What was there was
/// left by a process that was killed.
///
/// # Errors
/// The operating system's; what is there then is no whole file.
pub(crate) fn write_draft(draft: &Path, target: &Path, bytes: &[u8], readers: Readers) -> io::Result<File> {
    let file = write_unflushed_draft(draft, target, bytes, readers)?;
    file.sync_all()?;
    Ok(file)
}

/// The same for what is not missed where the machine stops before the disk has it.
///
/// # Errors
/// The operating system's; what is there then is no whole file.
pub(crate) fn write_unflushed_draft(draft: &Path, target: &Path, bytes: &[u8], readers: Readers) -> io::Result<File> {
    let _ = std::fs::remove_file(draft);
    let mut file = sys::create_new(draft, if readers == Readers::Owner { 0o600 } else { 0o644 })?;
    match std::fs::metadata(target) {
        Ok(before) => {
            // Only root can give it away; a group that we are not in stays ours, and may not read it anyway.
            sys::copy_owner(&file, &before)
                .or_else(|error| if sys::have_one_owner(&file.metadata()?, &before) { Ok(()) } else { Err(error) })?;
            if readers == Readers::AsBefore {
                sys::set_mode_of(&file, sys::mode_of(&before))?;
            }
        }
        Err(_) => give(&file, target),
    }
    file.write_all(bytes)?;
    Ok(file)
}

/// Puts a file with `bytes` in the place of the one at `path`, durably and in one step.
///
/// # Errors
/// The operating system's; the old file then stays.
pub(crate) fn replace(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let draft = PathBuf::from(format!("{}.azward-new", path.display()));
    let replaced = write_draft(&draft, path, bytes, readers).and_then(|_| sys::rename_over(&draft, path));
    if replaced.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    replaced
}

/// Makes a directory and its parents as az and shells do, and gives what was made to the owner of what it was made in.
///
/// # Errors
/// The operating system's.
pub(crate) fn make_dir(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_dir(parent)?;
    }
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => {
            made?;
            give(Directory::open(path)?.as_file(), path);
            Ok(())
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{MetadataExt, chown, lchown, symlink};

    use super::*;

    #[test]
    fn own_links_are_followed_and_a_user_s_are_not_to_what_is_root_s() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for (name, target) in [("own", "file"), ("dangling", "nothing"), ("far", "nowhere/x"), ("chain", "user's")] {
            symlink(at(target), at(name)).unwrap();
        }
        std::fs::write(at("file"), "x").unwrap();
        symlink(at("file"), at("user's")).unwrap();
        for name in ["file", "own", "dangling", "far", "chain", "not there"] {
            assert!(!is_foreign_link(&at(name)), "{name}");
        }
        symlink(at("circle"), at("circle")).unwrap();
        assert!(is_foreign_link(&at("circle")));
        if sys::user_id() != "0" {
            eprintln!("not root, so there is no second user: links of another user are not tested");
            return;
        }
        for name in ["user's", "dangling"] {
            lchown(at(name), Some(65534), None).unwrap();
        }
        assert!(["user's", "chain", "dangling"].iter().all(|name| is_foreign_link(&at(name))));
        chown(at("file"), Some(65534), None).unwrap();
        assert!(!is_foreign_link(&at("user's")));
    }

    #[test]
    fn a_link_a_pipe_and_a_file_of_root_s_in_disguise_are_not_opened() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::write(at("file"), "x").unwrap();
        sys::set_mode(&at("file"), 0o644).unwrap();
        symlink("file", at("link")).unwrap();
        open(&at("link"), Access::Read).unwrap_err();
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        open(&at("pipe"), Access::Read).unwrap_err();
        close(&at("file")).unwrap();
        assert_eq!(sys::mode_of(&at("file").metadata().unwrap()), 0o600);
        if sys::user_id() != "0" {
            eprintln!("not root, so there is no second user: what is another's is not tested");
            return;
        }
        std::fs::create_dir(at("home")).unwrap();
        chown(at("home"), Some(65534), None).unwrap();
        std::fs::hard_link(at("file"), at("home/file")).unwrap();
        open(&at("home/file"), Access::Write).unwrap_err();
        make_dir(&at("home/a/b")).unwrap();
        assert_eq!(at("home/a/b").metadata().unwrap().uid(), 65534);
    }
}
