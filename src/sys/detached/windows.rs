//! Nothing is detached on Windows: there is no guardian, and what a killed shim leaves is scrubbed by the next invocation.

use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io;
use std::time::Duration;

/// The channel to a detached process; there is none here.
#[derive(Debug)]
pub enum Channel {}

/// Detaches nothing.
///
/// # Errors
/// Always.
pub fn detach(_name: &OsStr) -> io::Result<Channel> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Channel {
    /// There is none.
    ///
    /// # Errors
    /// Always.
    pub fn of_detached(_name: &CStr) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// See the Unix version.
    ///
    /// # Errors
    /// None.
    pub fn send(&self, _bytes: &[u8], _files: &[&File]) -> io::Result<()> {
        match *self {}
    }

    /// See the Unix version.
    ///
    /// # Errors
    /// None.
    pub fn receive(&self, _buffer: &mut [u8]) -> io::Result<(usize, Vec<File>)> {
        match *self {}
    }

    /// See the Unix version.
    pub fn hang_up(&self) {
        match *self {}
    }

    /// See the Unix version.
    pub fn wait_for_end(&self, _patience: Duration) {
        match *self {}
    }

    /// See the Unix version.
    pub fn reap(&self) {
        match *self {}
    }
}
