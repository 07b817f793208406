//! The directories of an azward home: made, marked and opened one in the other, so that no link is followed on the way.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::failure::{Failure, Result};
use crate::marker;
#[cfg(unix)]
use crate::private::held::{self, Links};
use crate::sys::{self, Directory};

/// The directories below an azward home.
const BELOW: [&str; 9] = ["bin", "man", "man1", "run", "stage", "tokens", "vaults", "views", "zsh"];

/// Those in which each directory has a name of its own.
const HOLDERS: [&str; 3] = ["logins", "serve", "sessions"];

/// Makes a directory and its parents with mode 0700, and marks the home that is among them. One in a marked home that
/// others can look into is closed to them; one elsewhere is somebody's own business.
///
/// # Errors
/// `Storage`.
pub(crate) fn make_dir(path: &Path) -> Result<()> {
    let (root, below) = split(path);
    #[cfg(unix)]
    if !below.is_empty() && held::recall(path, Links::Refused).is_some_and(|(_, metadata)| is_closed(&metadata)) {
        return Ok(());
    }
    make_below(root, &below).map_err(|error| Failure::storage("make", path, &error))
}

fn make_below(root: &Path, below: &[&OsStr]) -> io::Result<()> {
    let home = make_root(root)?;
    let owner = home.metadata()?;
    let mut there = below.first().and_then(|name| home.below(name).ok());
    // One that has a directory of ours in it is not empty.
    if there.is_none() {
        marker::mark_if_empty(root, &home);
    }
    let mut above = None;
    for name in below {
        let next = match there.take() {
            Some(there) => there,
            None => below_or_made(above.as_ref().unwrap_or(&home), name, &owner)?,
        };
        let metadata = next.metadata()?;
        if !sys::have_one_owner(&metadata, &owner) {
            return Err(foreign());
        }
        if !is_closed(&metadata) && marker::is_made_by_us(&home) {
            sys::set_mode_of(next.as_file(), 0o700)?;
        }
        above = Some(next);
    }
    Ok(())
}

fn is_closed(metadata: &Metadata) -> bool {
    sys::mode_of(metadata) & 0o077 == 0
}

/// The directory that a file is in, and what it is; and the file's name.
pub(super) fn parent_of(path: &Path) -> io::Result<(Arc<Directory>, Metadata, &OsStr)> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(foreign()) };
    let (root, below) = split(parent);
    #[cfg(unix)]
    {
        let links = if below.is_empty() { Links::Followed } else { Links::Refused };
        if let Some((directory, metadata)) = held::recall(parent, links) {
            return Ok((directory, metadata, name));
        }
    }
    let (mut directory, mut metadata) = home_at(root)?;
    for name in below {
        let next = directory.below(name)?;
        let below = next.metadata()?;
        if !sys::have_one_owner(&below, &metadata) {
            return Err(foreign());
        }
        (directory, metadata) = (Arc::new(next), below);
    }
    #[cfg(unix)]
    held::keep(parent, &directory, &metadata);
    Ok((directory, metadata, name))
}

/// The home, which is not opened once more where it was kept open.
fn home_at(root: &Path) -> io::Result<(Arc<Directory>, Metadata)> {
    #[cfg(unix)]
    if let Some(held) = held::recall(root, Links::Followed) {
        return Ok(held);
    }
    let home = Directory::open(root)?;
    let metadata = home.metadata()?;
    Ok((Arc::new(home), metadata))
}

/// Splits the path of a directory into the home, which may be a link, and the names below it, where none is followed.
fn split(directory: &Path) -> (&Path, Vec<&OsStr>) {
    let (mut root, mut below) = (directory, Vec::new());
    let is_holder = |path: &Path| path.file_name().is_some_and(|name| HOLDERS.iter().any(|ours| name == *ours));
    if let (Some(parent), Some(name)) = (root.parent(), root.file_name())
        && is_holder(parent)
    {
        below.insert(0, name);
        root = parent;
    }
    if let (true, Some(home), Some(name)) = (is_holder(root), root.parent(), root.file_name()) {
        below.insert(0, name);
        return (home, below);
    }
    while let (Some(parent), Some(name)) = (root.parent(), root.file_name())
        && below.len() < 2
        && BELOW.iter().any(|ours| name == *ours)
    {
        below.insert(0, name);
        root = parent;
    }
    (root, below)
}

/// Opens the home, made and marked if it is missing.
fn make_root(root: &Path) -> io::Result<Directory> {
    match Directory::open(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    let (Some(parent), Some(name)) = (root.parent(), root.file_name()) else { return Directory::open(root) };
    let parent = make_parents(parent)?;
    let owner = parent.metadata()?;
    match parent.make(name) {
        Ok(made) => {
            give(made.as_file(), &owner);
            marker::mark(&made)?;
            Ok(made)
        }
        // Made by somebody else meanwhile; or a link to nothing, which is not followed.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Directory::open(root),
        Err(error) => Err(error),
    }
}

fn make_parents(path: &Path) -> io::Result<Directory> {
    match (Directory::open(path), path.parent(), path.file_name()) {
        (Err(error), Some(parent), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
            let parent = make_parents(parent)?;
            let owner = parent.metadata()?;
            below_or_made(&parent, name, &owner)
        }
        (opened, ..) => opened,
    }
}

fn below_or_made(directory: &Directory, name: &OsStr, owner: &Metadata) -> io::Result<Directory> {
    match directory.below(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    match directory.make(name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => directory.below(name),
        made => {
            let made = made?;
            give(made.as_file(), owner);
            Ok(made)
        }
    }
}

/// Gives what was just made to whom it is made for. Only root can give anything away, and only for root it matters.
pub(super) fn give(made: &File, like: &Metadata) {
    let _ = sys::copy_owner(made, like);
}

/// What is not azward's is left as it is.
pub(super) fn foreign() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "it is not azward's own: another user's, a link, or no plain file")
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn many_that_make_a_home_at_once_all_have_it_and_it_is_known_who_made_it() {
        let root = tempfile::tempdir().unwrap();
        for round in 0..50 {
            let home = root.path().join(round.to_string());
            let start = std::sync::Barrier::new(8);
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        start.wait();
                        make_dir(&home.join("run")).unwrap();
                    });
                }
            });
            assert!(marker::is_made_by_us(&Directory::open(&home).unwrap()), "round {round}");
        }
    }

    #[test]
    fn what_is_not_in_a_home_of_ours_keeps_its_mode() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("run")).unwrap();
        for directory in [home.path().to_owned(), home.path().join("run")] {
            sys::set_mode(&directory, 0o755).unwrap();
            make_dir(&directory).unwrap();
            assert_eq!(sys::mode_of(&directory.metadata().unwrap()), 0o755);
        }
    }
}
