//! `azward install --system` and `uninstall --system`: one place for all users of a machine, for callers that read nobody's
//! start-up files (cron, services, `ssh host az`). The programs stand in a directory that only root can write; it comes first on
//! PATH by `/etc/profile.d` for login shells and by `/etc/environment.d` for users' services; and where the packager offers it,
//! the packaged az gives its place to the shim (`diversion`). Every user has a home of azward's own all the same.
//!
//! Each step can be done again and then changes nothing. What somebody else put in a place of ours is left, on the way in and on
//! the way out, and told.

#[cfg(target_os = "linux")]
mod diversion;
#[cfg(target_os = "linux")]
mod places;
#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "elsewhere.rs")]
mod platform;

pub use platform::{install, uninstall};
