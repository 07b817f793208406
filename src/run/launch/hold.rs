//! Fork and hold: the child that is going to be az is there before any secret is in memory, enters its private mount if it is
//! given one, and waits to be let go. So a guardian knows whom it watches before anything is exposed.

use std::io;

use crate::sys::{ChildProcess, Program, WaitingChild};
#[cfg(target_os = "linux")]
use crate::sys::{PrivateFiles, PrivateMount, Refused};

/// An az that waits to be let go; dropped, it ends.
#[derive(Debug)]
pub(super) struct PendingAz(WaitingChild);

impl PendingAz {
    /// Forks one.
    ///
    /// # Errors
    /// The operating system's.
    pub(super) fn new(program: Program) -> io::Result<Self> {
        WaitingChild::fork(&program).map(Self)
    }

    /// Forks one that enters a private mount first.
    ///
    /// # Errors
    /// The operating system's.
    #[cfg(target_os = "linux")]
    pub(super) fn within(mount: &PrivateMount, program: Program) -> io::Result<Self> {
        WaitingChild::fork_into(mount, &program).map(Self)
    }

    /// See [`WaitingChild::private_files`].
    ///
    /// # Errors
    /// When the child is gone.
    #[cfg(target_os = "linux")]
    pub(super) fn private_files(&self) -> io::Result<Result<PrivateFiles, Refused>> {
        self.0.private_files()
    }

    /// az's process.
    pub(super) fn process(&self) -> Option<u32> {
        Some(self.0.id())
    }

    /// Lets it become az.
    ///
    /// # Errors
    /// The operating system's, when that cannot be executed.
    pub(super) fn start(self) -> io::Result<ChildProcess> {
        self.0.go()
    }
}
