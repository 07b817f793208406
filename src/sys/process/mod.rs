//! Processes: who is there, since when, above whom and as what; and how this one becomes another program, which then has what
//! the caller gave us (`inherited`).

#[cfg(unix)]
mod inherited;
#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;
#[cfg(target_os = "macos")]
#[path = "table_macos.rs"]
mod table;
#[cfg(all(unix, not(target_os = "macos")))]
#[path = "table_linux.rs"]
mod table;

#[cfg(unix)]
pub(super) use inherited::{close_quietly, give_back_in_child};
pub use platform::{
    has_stdout, holds_lock, is_fork_of, is_running, parent_id, parent_of, process_arguments, process_began,
    process_directory, process_exists, process_name, process_start, process_terminal, process_user, program_of,
    program_path, reads_from, replace_process, wait_for_end_of,
};
