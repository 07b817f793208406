//! A credential file on the disk: read whole, replaced whole. This is the one module that writes one. A replacement goes to
//! a draft of a fixed name beside the real one (a symlinked file's target), gets its owner, is fsynced and renamed over it;
//! whoever holds the file's lock and finds a draft left by a killed process removes it. Where no second file can be made (a
//! full disk, a directory that may not be written) bytes that are no more than the old ones are written over them instead,
//! so that a scrub still works. Whatever mode the file had, it is 0600 before the first byte of a new text is in it.
//!
//! Where a rename cannot be, or would take away what is mounted over the old file, that one is written over (`overwriting`).
//!
//! A directory in the file's place is [`Kind::CacheForeign`] and is left alone.

#[cfg(not(target_os = "linux"))]
use std::fs::File;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

#[cfg(not(target_os = "linux"))]
use crate::credentials::overwriting::WHOLE;
use crate::credentials::overwriting::{beside, overwrite, overwrite_safely, read_whole, repair};
use crate::failure::{Failure, Kind, Result};
use crate::sys;
use crate::user_file::{self, Readers};

/// How new bytes get into a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteMode {
    /// A new file takes the old one's name.
    Rename,
    /// The same, and nobody waits for the disk: az writes over it without waiting either, and the vault has what counts.
    RenameUnflushed,
    /// The old file stays the one it is: something is mounted over it.
    Overwrite,
}

/// A file of az's that is read whole and replaced whole.
#[derive(Clone, Debug)]
pub struct WholeFile {
    path: PathBuf,
    /// What it is, for people.
    what: &'static str,
}

impl WholeFile {
    /// The file that az calls `path`, which is a `what`; nothing is opened yet.
    #[must_use]
    pub fn at(path: PathBuf, what: &'static str) -> Self {
        Self { path, what }
    }

    /// The file as az names it: its lock stands beside this name, not beside a link's target.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its bytes, `None` when there is no such file.
    ///
    /// # Errors
    /// [`Kind::CacheForeign`] for a directory, [`Kind::Storage`] otherwise.
    pub fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>> {
        // Asked before opening: opening a pipe would wait for its other end.
        let mut metadata = std::fs::symlink_metadata(&self.path);
        if metadata.as_ref().is_ok_and(Metadata::is_symlink) {
            #[cfg(target_os = "linux")]
            if self.is_lost() {
                return Ok(None);
            }
            if user_file::is_foreign_link(&self.path) {
                return Err(self.foreign(FOREIGN_LINK));
            }
            metadata = std::fs::metadata(&self.path);
        }
        match metadata {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(self.foreign("is not a file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::storage("read", &self.path, &error)),
        }
        #[cfg(target_os = "linux")]
        // It is told whether an az has read what it was given (`was_never_read`).
        let file = sys::open_unnoticed(&self.path);
        #[cfg(not(target_os = "linux"))]
        let file = File::open(&self.path);
        let bytes = file.and_then(read_whole);
        bytes.map(Some).map_err(|error| Failure::storage("read", &self.path, &error))
    }

    /// Closes the file, if it is there, to others: something is about to be put into it that is not for them.
    ///
    /// # Errors
    /// [`Kind::CacheForeign`] for a link that is not followed, [`Kind::Storage`] when it is somebody else's.
    pub fn close(&self) -> Result<()> {
        if user_file::is_foreign_link(&self.path) {
            return Err(self.foreign(FOREIGN_LINK));
        }
        match user_file::close(&self.target()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::storage("close", &self.path, &error)),
            _ => Ok(()),
        }
    }

    /// Replaces its bytes. The caller holds its lock.
    ///
    /// # Errors
    /// [`Kind::Storage`]; the file then has its old bytes.
    pub fn replace(&self, bytes: &[u8], write: WriteMode) -> Result<()> {
        let target = self.target();
        let before = std::fs::metadata(&target).ok();
        let draft = beside(&target, DRAFT);
        let written = match write {
            WriteMode::RenameUnflushed => user_file::write_unflushed_draft(&draft, &target, bytes, Readers::Owner),
            WriteMode::Rename | WriteMode::Overwrite => user_file::write_draft(&draft, &target, bytes, Readers::Owner),
        };
        // An az that does not see the change at once sees it a little later.
        let written = written.map(|file| _ = sys::set_modified_ahead(&file));
        let replaced = written.and_then(|()| match write {
            WriteMode::Rename | WriteMode::RenameUnflushed => match sys::rename_over(&draft, &target) {
                // Something is mounted over it in this very namespace, as containers have it.
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    std::fs::File::open(&draft)?.sync_all()?;
                    overwrite_safely(&draft, &target, bytes)
                }
                renamed => renamed,
            },
            WriteMode::Overwrite if before.is_some() => overwrite_safely(&draft, &target, bytes),
            WriteMode::Overwrite => sys::rename_over(&draft, &target),
        });
        let Err(error) = replaced else { return Ok(()) };
        let _ = std::fs::remove_file(&draft);
        if repair(&target).is_err()
            || before.is_some_and(|before| before.is_file() && before.len() >= bytes.len() as u64)
        {
            return overwrite(&target, bytes).map_err(|error| Failure::storage("replace", &self.path, &error));
        }
        Err(Failure::storage("replace", &self.path, &error))
    }

    /// Whether a process that was killed while it replaced the file left another behind.
    #[must_use]
    pub fn has_leftover(&self) -> bool {
        #[cfg(target_os = "linux")]
        return self.is_moved_or_beside();
        #[cfg(not(target_os = "linux"))]
        [DRAFT, WHOLE].iter().any(|ending| std::fs::symlink_metadata(beside(&self.target(), ending)).is_ok())
    }

    /// Removes such files, after repairing this one if it was killed in the middle. The caller holds the file's lock, so nobody
    /// is writing any of them.
    pub fn clear_leftovers(&self) {
        let target = self.target();
        let _ = std::fs::remove_file(beside(&target, DRAFT));
        // One that cannot be repaired stays with what it can be repaired from.
        let _ = repair(&target);
    }

    /// The file that the bytes are in: a link's target, be it there or not.
    #[must_use]
    pub fn target(&self) -> PathBuf {
        // What is no link lies where it is called.
        if !self.path.is_symlink() {
            return self.path.clone();
        }
        if let Ok(target) = std::fs::canonicalize(&self.path) {
            return target;
        }
        match std::fs::read_link(&self.path) {
            Ok(target) => self.path.parent().map_or(target.clone(), |parent| parent.join(target)),
            Err(_) => self.path.clone(),
        }
    }

    /// It is not what it should be, for this reason.
    pub(crate) fn foreign(&self, reason: &str) -> Failure {
        Failure::new(
            Kind::CacheForeign,
            format!("the {} `{}` {reason}", self.what, self.path.display()),
            "azward left it as it is; move it aside, and the logins in the vault come back with the next command",
        )
    }
}

/// What is said of a link that is not followed.
const FOREIGN_LINK: &str = "is another user's link to what is not theirs";

/// The ending of a file that is being written.
pub(super) const DRAFT: &str = ".azward";
#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn file_at(path: PathBuf) -> WholeFile {
        WholeFile::at(path, "token cache")
    }

    fn text_of(file: &WholeFile) -> String {
        String::from_utf8(file.read().unwrap().unwrap().to_vec()).unwrap()
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn it_is_private_whatever_it_was_before() {
        let dir = tempfile::tempdir().unwrap();
        let file = file_at(dir.path().join("cache.json"));
        assert!(file.read().unwrap().is_none());
        file.replace(b"{}", WriteMode::Rename).unwrap();
        assert_eq!(mode(file.path()), 0o600);
        for (before, write) in
            [(0o644, WriteMode::Rename), (0o666, WriteMode::Overwrite), (0o640, WriteMode::RenameUnflushed)]
        {
            sys::set_mode(file.path(), before).unwrap();
            file.replace(b"{ }", write).unwrap();
            assert_eq!((mode(file.path()), text_of(&file).as_str()), (0o600, "{ }"));
            assert!(!file.has_leftover());
        }
        sys::set_mode(file.path(), 0o604).unwrap();
        file.close().unwrap();
        assert_eq!(mode(file.path()), 0o600);
        // Where there is no room for a second file.
        sys::set_mode(file.path(), 0o644).unwrap();
        std::fs::create_dir_all(dir.path().join("cache.json.azward/in the way")).unwrap();
        file.replace(b"{}", WriteMode::Rename).unwrap();
        assert_eq!((mode(file.path()), text_of(&file).as_str()), (0o600, "{}"));
        file_at(dir.path().join("none")).close().unwrap();
    }

    #[test]
    fn what_a_killed_writer_left_is_a_file_and_no_link_to_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = file_at(dir.path().join("cache.json"));
        std::fs::write(file.path(), "!\"a\": 1}").unwrap();
        std::fs::write(dir.path().join("secret"), "another's").unwrap();
        symlink(dir.path().join("secret"), dir.path().join("cache.json.azward-whole")).unwrap();
        file.clear_leftovers();
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "!\"a\": 1}");
    }

    #[test]
    fn a_link_is_followed_and_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real.json"), dir.path().join("link.json"));
        symlink("real.json", &link).unwrap();
        let file = file_at(link.clone());
        file.replace(b"{}", WriteMode::Rename).unwrap();
        file.replace(b"{ }", WriteMode::Rename).unwrap();
        assert_eq!(std::fs::read_to_string(&real).unwrap(), "{ }");
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_leftover_is_seen_and_does_not_stand_in_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let file = file_at(dir.path().join("cache.json"));
        std::fs::write(dir.path().join("cache.json.azward"), "old").unwrap();
        assert!(file.has_leftover());
        file.replace(b"{}", WriteMode::Rename).unwrap();
        assert!(!file.has_leftover());
    }

    #[test]
    fn without_room_for_a_second_file_a_shorter_text_is_written_over_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = file_at(dir.path().join("cache.json"));
        file.replace(b"{\"a\": 1}", WriteMode::Rename).unwrap();
        // A directory where the second file would be refuses it, for root too.
        std::fs::create_dir_all(dir.path().join("cache.json.azward/in the way")).unwrap();
        file.replace(b"{}", WriteMode::Rename).unwrap();
        assert_eq!(text_of(&file).as_str(), "{}");
        assert_eq!(file.replace(b"{\"longer\": \"text\"}", WriteMode::Rename).unwrap_err().kind, Kind::Storage);
        assert_eq!(text_of(&file).as_str(), "{}");
    }

    #[test]
    fn a_file_that_is_written_over_stays_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = file_at(dir.path().join("cache.json"));
        file.replace(b"{\"a\": 1}", WriteMode::Overwrite).unwrap();
        let identity = sys::file_identity(file.path()).unwrap();
        for text in ["{\"longer\": \"text\"}", "{}"] {
            file.replace(text.as_bytes(), WriteMode::Overwrite).unwrap();
            assert_eq!(text_of(&file).as_str(), text);
        }
        assert_eq!(sys::file_identity(file.path()).unwrap(), identity);
        assert!(!file.has_leftover());
    }

    #[test]
    fn a_cache_whose_writer_was_killed_is_repaired_and_one_written_since_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = file_at(dir.path().join("cache.json"));
        for (found, repaired) in [("!\"a\": 1} and the old text's end", "{\"a\": 1}"), ("{\"b\": 2}", "{\"b\": 2}")] {
            std::fs::write(file.path(), found).unwrap();
            std::fs::write(dir.path().join("cache.json.azward-whole"), "{\"a\": 1}").unwrap();
            assert!(file.has_leftover());
            file.clear_leftovers();
            assert_eq!(text_of(&file).as_str(), repaired);
            assert!(!file.has_leftover());
        }
    }

    #[test]
    fn a_directory_is_foreign() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(file_at(dir.path().to_owned()).read().unwrap_err().kind, Kind::CacheForeign);
    }
}
