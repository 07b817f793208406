//! A child that is going to be az: made ready, let go, waited for. On Unix it is there before it becomes az, and waits.

#[cfg(unix)]
mod exec;
#[cfg(unix)]
mod plan;
#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

#[cfg(unix)]
pub(super) use exec::{Strings, execute, exit, fork, redirect_standard_streams};
#[cfg(unix)]
pub use platform::WaitingChild;
pub use platform::{ChildProcess, Program};
#[cfg(target_os = "linux")]
pub use platform::{PrivateFiles, Refused};
