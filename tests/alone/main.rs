//! What has to be alone: one test at a time, and no other beside it. Each of these starts many az, or looks for guardians,
//! of which a user who is not root only knows whether there is one (`support/proc.rs`). Where a test lies says when `.ci/run`
//! has it once more, as in `tests/e2e`.
//!
//! - `runs`: in whichever exposure.
//!   - `parallel`: many az at once on one config directory.
//! - `signals`
//!   - `guardian`: the process that cleans up after a killed shim.
//! - `crowd`: installs and uninstalls beside any number of az.
//! - `hygiene`: no refresh token in a memory, an environment or an argument.

#![allow(clippy::unwrap_used, reason = "clippy only knows the functions marked as tests")]

#[path = "../support/mod.rs"]
mod support;

mod crowd;
mod hygiene;

mod runs {
    mod parallel;
}

mod signals {
    mod guardian;
}

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The right to be the one test that is under way; each of them takes it first.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
