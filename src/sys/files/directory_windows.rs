//! A directory and what is done in it by name, as far as Windows has it: by path. There is no user here who works on
//! another's files as root does with `sudo`, and a profile's access list keeps others out, so nothing is lost by it.

use std::ffi::OsStr;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use windows_sys::Win32::Storage::FileSystem::FILE_FLAG_BACKUP_SEMANTICS;

use super::Access;

/// Readers and writers may share a file, and it may be renamed meanwhile.
const SHARE_ALL: u32 = 7;

/// A directory.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    file: File,
}

impl Directory {
    /// Opens the directory at `path`.
    ///
    /// # Errors
    /// The operating system's.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .access_mode(0)
            .share_mode(SHARE_ALL)
            .custom_flags(FILE_FLAG_BACKUP_SEMANTICS)
            .open(path)?;
        if !file.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { path: path.to_owned(), file })
    }

    /// Opens the directory `name` in this one.
    ///
    /// # Errors
    /// The operating system's.
    pub fn below(&self, name: &OsStr) -> io::Result<Self> {
        Self::open(&self.path.join(name))
    }

    /// Makes the directory `name` in this one.
    ///
    /// # Errors
    /// The operating system's; one that is there already is an error.
    pub fn make(&self, name: &OsStr) -> io::Result<Self> {
        std::fs::create_dir(self.path.join(name))?;
        self.below(name)
    }

    /// Opens the file `name`.
    ///
    /// # Errors
    /// The operating system's.
    pub fn file(&self, name: &OsStr, access: Access) -> io::Result<File> {
        options(access).open(self.path.join(name))
    }

    /// Makes the file `name`.
    ///
    /// # Errors
    /// The operating system's; whatever is there already is an error.
    pub fn create(&self, name: &OsStr, access: Access) -> io::Result<File> {
        options(access).create_new(true).open(self.path.join(name))
    }

    /// Puts `from` in the place of `to`, both in this directory.
    ///
    /// # Errors
    /// The operating system's.
    pub fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        super::rename_over(&self.path.join(from), &self.path.join(to))
    }

    /// Removes the file `name`.
    ///
    /// # Errors
    /// The operating system's.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    /// What the system knows of the directory.
    ///
    /// # Errors
    /// The operating system's.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// The directory as an open file.
    #[must_use]
    pub fn as_file(&self) -> &File {
        &self.file
    }

    /// NTFS journals such changes by itself: nothing to do.
    ///
    /// # Errors
    /// None.
    pub fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

fn options(access: Access) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).share_mode(SHARE_ALL);
    match access {
        Access::Read => {}
        Access::Write => {
            options.write(true);
        }
        Access::Append => {
            options.append(true);
        }
    }
    options
}

/// Windows has no mode: does nothing.
///
/// # Errors
/// None.
pub fn set_mode_of(_file: &File, _mode: u32) -> io::Result<()> {
    Ok(())
}
