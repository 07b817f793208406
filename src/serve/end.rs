//! When an endpoint is to end: with the process that it serves for, when its time is over, when its session is stopped or gone, and
//! at a signal, as any program. What cannot be found out is no reason to go on: a process that cannot be told from another of
//! its number is followed by its parent alone.

use std::time::{Duration, Instant};

use super::Served;
use super::desk::Desk;
use crate::failure::{Failure, Kind, Result};
use crate::sys;

/// When it is to end.
#[derive(Debug)]
pub(super) struct End {
    began: Instant,
    ttl: Duration,
    followed: Followed,
}

/// Whose end is an endpoint's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// Whoever started it: it is somebody else's child after that.
    Parent(u32),
    /// A process, by its id and by when it began.
    Process {
        /// The id.
        id: u32,
        /// When it began, as far as the system tells.
        start: Option<u64>,
    },
}

impl Followed {
    /// Whoever started this process, if he is still there: to be asked for at once.
    #[must_use]
    pub fn parent() -> Self {
        Self::Parent(sys::parent_id())
    }

    /// The process with this id.
    ///
    /// # Errors
    /// `Usage` where there is none.
    pub fn process(id: u32) -> Result<Self> {
        if sys::process_exists(id) {
            return Ok(Self::Process { id, start: sys::process_start(id) });
        }
        let what = format!("there is no process {id} to serve for");
        Err(Failure::new(Kind::Usage, what, "name one that is running"))
    }
}

impl End {
    /// When what is served is to end.
    pub(super) fn of(served: &Served) -> Self {
        Self { began: Instant::now(), ttl: served.ttl, followed: served.followed.clone() }
    }

    /// Why it is to end now, if it is.
    pub(super) fn is_come(&self, desk: &Desk) -> Option<&'static str> {
        let is_left = match self.followed {
            Followed::Parent(parent) => sys::parent_id() != parent,
            Followed::Process { id, start } => !sys::process_exists(id) || sys::process_start(id) != start,
        };
        match () {
            () if sys::pending_signal().is_some() => Some("it was told to end"),
            () if is_left => Some("whom it served for has ended"),
            () if self.began.elapsed() >= self.ttl => Some("its time is over"),
            () if !desk.is_session_there() => Some("the session was stopped"),
            () => None,
        }
    }
}
