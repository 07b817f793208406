//! This process among others on Unix, and how it becomes another program.

use std::io;
use std::process::Command;

use super::inherited::give_back_inherited;
pub use super::inherited::has_stdout;
pub use super::table::{
    holds_lock, parent_of, process_arguments, process_began, process_name, process_start, program_of,
};

/// The process id of this process's parent.
#[must_use]
pub fn parent_id() -> u32 {
    std::os::unix::process::parent_id()
}

/// Whether a process with this id exists, whoever owns it.
#[must_use]
pub fn process_exists(id: u32) -> bool {
    let Ok(id) = libc::pid_t::try_from(id) else { return false };
    // SAFETY: signal 0 sends nothing; kill only asks whether it could.
    let code = unsafe { libc::kill(id, 0) };
    code == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// Replaces this process by `command`, which starts with what the caller gave us; returns only if that failed.
#[must_use]
pub fn replace_process(command: &mut Command) -> io::Error {
    give_back_inherited(command);
    std::os::unix::process::CommandExt::exec(command)
}
