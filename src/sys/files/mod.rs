//! Files: how one is made, what it is known by, what its mode and its times are; and directories held open
//! (`directory_*`), in which files are dealt with by name. Errors are the operating system's.

#[cfg_attr(unix, path = "directory_unix.rs")]
#[cfg_attr(windows, path = "directory_windows.rs")]
mod directory;
#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

use std::fs::File;
use std::io;
use std::time::{Duration, SystemTime};

pub use directory::{Directory, set_mode_of};
pub use platform::{
    changed_at, create_new, file_identity, file_stamp, file_state, has_one_name, identity_of, is_executable, is_in_use,
    link_count, mode_of, open_itself, path_from_bytes, path_to_bytes, rename_over, set_mode, sync_dir,
};
#[cfg(target_os = "linux")]
pub use platform::{exchange, is_in_memory, open_unnoticed, set_never_read, state_of, was_never_read};

/// What a file in a directory is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read it.
    Read,
    /// To read and write it.
    Write,
    /// To read it and to write at its end.
    Append,
}

/// What tells a file as it is from what it was: another after every change, unless two come within one tick of a clock.
#[derive(Debug)]
pub struct FileState {
    /// What differs after a change, as text: identity, size and times, as far as the system has them.
    pub text: String,
    /// How long ago the last change was; nothing for one from the future.
    pub unchanged_for: Duration,
}

/// Puts `file`'s modification time a few milliseconds ahead, so that a running az, which compares it with its own clock,
/// sees the change although the kernel's clock for such times is coarse.
///
/// # Errors
/// The operating system's.
pub fn set_modified_ahead(file: &File) -> io::Result<()> {
    file.set_modified(SystemTime::now() + Duration::from_millis(5))
}
