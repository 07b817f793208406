//! Where the system has no mount namespaces: everything says so.

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
    pub(in crate::sys) fn enter(&self) -> Result<[std::os::fd::OwnedFd; 2], (u8, rustix::io::Errno)> {
        match *self {}
    }
}

#[cfg(unix)]
pub(in crate::sys) const STEPS: [&str; 0] = [];

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
