//! Why an OS keyring gave nothing, whichever it is.

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Kind};
use crate::wait;

/// Why the keyring gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    /// There is none in this session.
    Absent,
    /// It is locked, and nobody unlocked it.
    Locked,
    /// It is locked, and shows no entry of ours.
    LockedAndEmpty,
    /// It did not answer in time.
    Silent,
    /// It answered with an error.
    Refused,
    /// A signal came first.
    Interrupted,
    /// There is no `azward` here that could ask it.
    NoHelper,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let (what, hint) = match refusal {
            Refusal::Absent => (
                "there is no OS keyring in this session",
                "run the command where the keyring is, for instance in the desktop session, or start the keyring here",
            ),
            Refusal::Locked | Refusal::LockedAndEmpty => (
                "the OS keyring is locked",
                "unlock it, for instance by logging in to the desktop, then run the command again",
            ),
            Refusal::Silent => (
                "the OS keyring did not answer in time",
                "see whether it waits for a password, then run the command again",
            ),
            Refusal::Interrupted => return wait::interrupted("the OS keyring"),
            Refusal::NoHelper => (
                "the OS keyring could not be asked: `azward`, which asks it, could not be started",
                "install azward again, so that `azward` is beside `az`",
            ),
            Refusal::Refused => {
                ("the OS keyring refused", "see whether other programs can use it, then run the command again")
            }
        };
        Self::new(Kind::KeyUnavailable, what, hint)
    }
}
