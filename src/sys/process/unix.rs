//! This process among others on Unix, and how it becomes another program.

use std::io;
use std::process::Command;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::inherited::give_back_inherited;
pub use super::inherited::has_stdout;
pub use super::table::{
    holds_lock, is_fork_of, is_running, parent_of, process_arguments, process_began, process_directory, process_name,
    process_start, process_terminal, process_user, program_of, program_path, reads_from, wait_for_end_of,
};

/// The process id of this process's parent.
#[must_use]
pub fn parent_id() -> u32 {
    std::os::unix::process::parent_id()
}

/// Whether a process with this id exists, whoever owns it.
#[must_use]
pub fn process_exists(id: u32) -> bool {
    let Ok(id) = i32::try_from(id) else { return false };
    // 0 is whoever asks.
    Pid::from_raw(id).is_none_or(|id| matches!(test_kill_process(id), Ok(()) | Err(Errno::PERM)))
}

/// Replaces this process by `command`, which starts with what the caller gave us; returns only if that failed.
#[must_use]
pub fn replace_process(command: &mut Command) -> io::Error {
    give_back_inherited(command);
    std::os::unix::process::CommandExt::exec(command)
}
