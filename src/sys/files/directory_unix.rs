//! A directory held open, and what is done in it by name: no link is followed in it, and whoever exchanges it for another
//! in between changes nothing, because the descriptor stays the one that was looked at. Errors are the operating system's.

use std::ffi::OsStr;
use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, openat, renameat, unlinkat};

use super::Access;

/// An open directory.
#[derive(Debug)]
pub struct Directory(File);

impl Directory {
    /// Opens the directory at `path`, links in the path followed.
    ///
    /// # Errors
    /// The operating system's.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(File::from(rustix::fs::open(path, flags, Mode::empty())?)))
    }

    /// Opens the directory `name` in this one; a link is none.
    ///
    /// # Errors
    /// The operating system's.
    pub fn below(&self, name: &OsStr) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self(File::from(openat(&self.0, name, flags, Mode::empty())?)))
    }

    /// Makes the directory `name` in this one, readable for its owner alone, and durable.
    ///
    /// # Errors
    /// The operating system's; one that is there already is an error.
    pub fn make(&self, name: &OsStr) -> io::Result<Self> {
        mkdirat(&self.0, name, Mode::RWXU)?;
        let made = self.below(name)?;
        // What is in a directory is only durable when the directory itself is.
        self.sync()?;
        Ok(made)
    }

    /// Opens the file `name`. Never waits for the other end of a pipe.
    ///
    /// # Errors
    /// The operating system's; a link is an error.
    pub fn file(&self, name: &OsStr, access: Access) -> io::Result<File> {
        Ok(File::from(openat(&self.0, name, flags(access), Mode::empty())?))
    }

    /// Makes the file `name` with mode 0600.
    ///
    /// # Errors
    /// The operating system's; whatever is there already is an error.
    pub fn create(&self, name: &OsStr, access: Access) -> io::Result<File> {
        let flags = flags(access) | OFlags::CREATE | OFlags::EXCL;
        Ok(File::from(openat(&self.0, name, flags, Mode::RUSR | Mode::WUSR)?))
    }

    /// Puts `from` in the place of `to`, both in this directory.
    ///
    /// # Errors
    /// The operating system's.
    pub fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(renameat(&self.0, from, &self.0, to)?)
    }

    /// Removes the file `name`.
    ///
    /// # Errors
    /// The operating system's.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// What the system knows of the directory.
    ///
    /// # Errors
    /// The operating system's.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.0.metadata()
    }

    /// The directory as an open file, for its owner and mode.
    #[must_use]
    pub fn as_file(&self) -> &File {
        &self.0
    }

    /// Makes what was done in the directory durable.
    ///
    /// # Errors
    /// The operating system's.
    pub fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

fn flags(access: Access) -> OFlags {
    let access = match access {
        Access::Read => OFlags::RDONLY,
        Access::Write => OFlags::RDWR,
        Access::Append => OFlags::RDWR | OFlags::APPEND,
    };
    access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC
}

/// Sets the permission bits of an open file or directory.
///
/// # Errors
/// The operating system's.
pub fn set_mode_of(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))
}
