//! Spawn: where a process cannot be held before it becomes az there is none until it is let go. The guardian is told of it then,
//! and before that of nothing to wait for.

use std::io;

use crate::sys::{ChildProcess, Program};

/// An az that is not started yet.
#[derive(Debug)]
pub(super) struct PendingAz(Program);

impl PendingAz {
    /// Makes it ready.
    ///
    /// # Errors
    /// None here.
    pub(super) fn new(program: Program) -> io::Result<Self> {
        Ok(Self(program))
    }

    /// There is none yet.
    pub(super) fn process(&self) -> Option<u32> {
        None
    }

    /// Starts it.
    ///
    /// # Errors
    /// The operating system's.
    pub(super) fn start(self) -> io::Result<ChildProcess> {
        self.0.start()
    }
}
