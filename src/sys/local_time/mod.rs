//! What the clocks on the wall show. On Unix the C library says so, as it does for Python: whatever `TZ` and the system's
//! settings mean to it, they mean here. What it cannot tell is `None`.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

pub use platform::local_time;
