//! Proves the harness of the other tests: that what it makes is what it says, and that its checks can fail.

mod canaries;
mod exposures;
mod fake_az;
mod signals;
mod surroundings;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What `action` fails with.
fn failure(action: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(action)).expect_err("it has to fail");
    payload.downcast_ref::<String>().cloned().expect("it fails with a formatted text")
}
