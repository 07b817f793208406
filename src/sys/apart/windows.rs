//! On Windows a program has no terminal to take: it is only ended.

use std::process::{Child, Command};

pub(super) fn set_apart(_command: &mut Command) {}

/// Ends it.
pub(super) fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
