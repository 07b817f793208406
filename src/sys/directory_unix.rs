//! A directory held open, and what is done in it by name: no link is followed in it, and whoever exchanges it for another
//! in between changes nothing, because the descriptor stays the one that was looked at. Errors are the operating system's.

use std::ffi::OsStr;
use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, openat, renameat, unlinkat};

/// An open directory.
#[derive(Debug)]
pub struct Directory(File);

/// What a file in a directory is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read it.
    Read,
    /// To read and write it.
    Write,
    /// To read it and to write at its end.
    Append,
}

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

/// Whether two files have one owner.
#[must_use]
pub fn have_one_owner(one: &Metadata, other: &Metadata) -> bool {
    one.uid() == other.uid()
}

/// Whether a file in `directory` may be taken for one of its owner's: it is the owner's, or root's and has no second name
/// elsewhere (what root makes for a user may stay root's where owners cannot be given).
#[must_use]
pub fn is_of(directory: &Metadata, file: &Metadata) -> bool {
    file.uid() == directory.uid() || file.uid() == 0 && file.nlink() == 1
}

/// Whether the user that this process acts as may follow a link of that owner to that target: what somebody else links to
/// must be theirs, or a link in their directory would have us write where they could not.
#[must_use]
pub fn may_follow(link: &Metadata, target: &Metadata) -> bool {
    link.uid() == rustix::process::geteuid().as_raw() || link.uid() == 0 || link.uid() == target.uid()
}
