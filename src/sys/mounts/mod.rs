//! Mounts of one process tree's own, and whether this process is in one.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other.rs")]
mod platform;

#[cfg(unix)]
pub(super) use platform::STEPS;
pub use platform::{PrivateMount, boot_and_namespaces, is_privately_mounted};
