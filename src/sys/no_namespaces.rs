//! Private exposure's part of this room where the system has no mount namespaces: everything says so.

use std::io;
use std::path::Path;

/// See the Linux version; here there is never one.
#[derive(Debug)]
pub enum PrivateMount {}

impl PrivateMount {
    /// Says that there are none.
    ///
    /// # Errors
    /// None.
    pub fn over(_target: &Path, _stage: &Path, _mode: u32) -> io::Result<Result<Self, &'static str>> {
        Ok(Err("this system has no mount namespaces"))
    }

    #[cfg(unix)]
    pub(super) fn enter(&self) -> Result<[std::os::fd::RawFd; 2], (u8, i32)> {
        match *self {}
    }
}

#[cfg(unix)]
pub(super) const STEPS: [&str; 0] = [];

/// Nothing is mounted privately here.
#[must_use]
pub fn is_privately_mounted(_path: &Path) -> bool {
    false
}

/// There is nothing to tell apart.
#[must_use]
pub fn boot_and_namespaces() -> String {
    String::new()
}

/// There is none here, and no private copy that would need one.
///
/// # Errors
/// Always.
pub fn memory_file() -> io::Result<std::fs::File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// See the Linux version; here nothing is watched.
#[derive(Debug)]
pub enum Watch {}

impl Watch {
    /// Says that there is none.
    ///
    /// # Errors
    /// Always.
    pub fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// See the Linux version.
    ///
    /// # Errors
    /// None.
    pub fn add_file(&self, _file: &std::fs::File) -> io::Result<()> {
        match *self {}
    }

    /// See the Linux version.
    ///
    /// # Errors
    /// None.
    pub fn add_directory(&self, _path: &Path) -> io::Result<()> {
        match *self {}
    }

    /// See the Linux version.
    pub fn drain(&self) {
        match *self {}
    }

    /// See the Linux version.
    #[must_use]
    pub fn as_file(&self) -> &std::fs::File {
        match *self {}
    }
}
