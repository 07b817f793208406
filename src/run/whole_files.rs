//! A file that the vault has whole (`adal_file`, `certificates`): removed when it is there, and put back where it was. Each is on the
//! disk when it is done; what is another file by then is neither removed nor written over.

use std::io::ErrorKind;
use std::path::Path;

use crate::failure::{Failure, Kind, Result};
use crate::secret::Secret;
use crate::sys;
use crate::user_file::{self, Readers};

/// Puts a file with `text` back at `path`, which people know as `called`.
///
/// # Errors
/// `NoPlace` where another is there by now, `Storage`.
pub(super) fn put_back(path: &Path, text: &Secret, called: &str) -> Result<()> {
    if path.symlink_metadata().is_ok() {
        return match std::fs::read(path) {
            Ok(there) if there == text.expose() => Ok(()),
            _ => Err(Failure::new(
                Kind::NoPlace,
                format!("{called} cannot be put back: another one is there"),
                "move that one aside and run this again",
            )),
        };
    }
    user_file::replace(path, text.expose(), Readers::Owner)
        .and_then(|()| path.parent().map_or(Ok(()), sys::sync_dir))
        .map_err(|error| Failure::storage("write", path, &error))
}

/// Removes the file at `path`, if it is there still.
///
/// # Errors
/// `Storage`.
pub(super) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Failure::storage("remove", path, &error)),
        _ => path.parent().map_or(Ok(()), sys::sync_dir).map_err(|error| Failure::storage("sync", path, &error)),
    }
}
