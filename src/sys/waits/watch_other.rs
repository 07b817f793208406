//! Where nothing is watched: everything says so.

use std::io;
use std::path::Path;

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
