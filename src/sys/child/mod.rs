//! A child that is going to be az: made ready, let go, waited for.

#[cfg(unix)]
mod exec;
#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

use std::fs::File;
use std::io;

#[cfg(unix)]
pub(super) use exec::{Strings, execute, exit, fork, redirect_standard_streams};
pub use platform::{ChildProcess, Program, WaitingChild};

/// A file in a namespace of a child's own.
#[derive(Debug)]
pub struct PrivateFile {
    /// The file.
    pub file: File,
    /// Keeps the namespace for as long as it is open: taking one down takes the kernel milliseconds, which the last process
    /// in it would otherwise spend on its way out.
    pub namespace: File,
}

/// What the kernel refused on the way into a private mount.
#[derive(Debug)]
pub struct Refused {
    /// What it was asked for.
    pub step: &'static str,
    /// What it said.
    pub error: io::Error,
}
