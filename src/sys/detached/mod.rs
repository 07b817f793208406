//! A process of this program's own, detached from its caller, and the channel to it.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

pub use platform::{Channel, detach};

/// How many files one message can carry.
pub const MOST_FILES: usize = 16;
