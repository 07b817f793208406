//! Files and directories of azward's own: closed to others, and given to the owner of what they are made in, so that a
//! command run by root for a user (`sudo az` with the user's home) leaves nothing that the user cannot open.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

use crate::failure::{Failure, Result};
use crate::sys;

/// Opens a file for reading and writing, made with mode 0600 if it is missing.
///
/// # Errors
/// The operating system's.
pub fn open(path: &Path) -> io::Result<File> {
    match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = sys::open_private(path)?;
            give_to_owner_of_parent(&file, path);
            Ok(file)
        }
        other => other,
    }
}

/// Opens a file for appending, made with mode 0600 if it is missing.
///
/// # Errors
/// The operating system's.
pub fn open_append(path: &Path) -> io::Result<File> {
    match OpenOptions::new().read(true).append(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = sys::open_append(path)?;
            give_to_owner_of_parent(&file, path);
            Ok(file)
        }
        other => other,
    }
}

/// Makes a directory and its parents with mode 0700; one that others can look into is closed to them.
///
/// # Errors
/// `Storage`.
pub fn make_dir(path: &Path) -> Result<()> {
    let failed = |error| Failure::storage("make", path, &error);
    if let Ok(metadata) = path.metadata()
        && metadata.is_dir()
    {
        if sys::mode_of(&metadata) & 0o077 != 0 {
            let _ = sys::set_mode(path, 0o700);
        }
        return Ok(());
    }
    let existing = path.ancestors().skip(1).find_map(|parent| Some((parent, parent.metadata().ok()?)));
    sys::create_private_dir(path).map_err(failed)?;
    if let Some((parent, like)) = existing {
        for made in path.ancestors().take_while(|made| *made != parent) {
            give(made, &like);
            // What is in a directory is only durable when the directory itself is.
            made.parent().map_or(Ok(()), sys::sync_dir).map_err(failed)?;
        }
    }
    Ok(())
}

fn give(path: &Path, like: &Metadata) {
    if let Ok(file) = File::open(path) {
        // Only root can give anything away, and only for root it matters.
        let _ = sys::copy_owner(&file, like);
    }
}

fn give_to_owner_of_parent(file: &File, path: &Path) {
    if let Some(Ok(like)) = path.parent().map(Path::metadata) {
        let _ = sys::copy_owner(file, &like);
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{MetadataExt, chown};

    use super::*;

    #[test]
    fn what_is_made_is_closed_to_others() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("a/b");
        make_dir(&directory).unwrap();
        open(&directory.join("lock")).unwrap();
        let mode = |path: &Path| sys::mode_of(&path.metadata().unwrap());
        assert_eq!((mode(&directory), mode(&directory.join("lock"))), (0o700, 0o600));
        sys::set_mode(&directory, 0o755).unwrap();
        make_dir(&directory).unwrap();
        assert_eq!(mode(&directory), 0o700);
    }

    #[test]
    fn what_root_makes_in_a_user_s_directory_is_the_user_s() {
        let home = tempfile::tempdir().unwrap();
        // Anybody else cannot give files away, and need not.
        let owner = if sys::user_id() == "0" { 65534 } else { home.path().metadata().unwrap().uid() };
        chown(home.path(), Some(owner), None).unwrap();
        make_dir(&home.path().join("a/b")).unwrap();
        open(&home.path().join("a/b/lock")).unwrap();
        open_append(&home.path().join("a/journal")).unwrap();
        for name in ["a", "a/b", "a/b/lock", "a/journal"] {
            assert_eq!(home.path().join(name).metadata().unwrap().uid(), owner, "{name}");
        }
    }
}
