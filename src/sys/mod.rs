//! All that differs by platform, under one set of names: files, users, processes, signals, mounts and memory, each declared
//! once and made for each platform; what only one has is there alone, and who uses it says so. It is the only room with
//! `unsafe`; nothing here decides anything, or reads the environment.

#![allow(unsafe_code)]

mod apart;
mod child;
#[cfg(windows)]
mod data_protection;
mod detached;
mod files;
#[cfg(target_os = "linux")]
mod kernel_keyring;
mod local_time;
#[cfg(all(target_os = "linux", target_env = "gnu", target_feature = "crt-static"))]
mod main_stack;
mod memory;
#[cfg(unix)]
mod messages;
#[cfg(target_os = "linux")]
mod mounts;
mod peers;
mod process;
mod signals;
mod tee;
mod terminal;
#[cfg(windows)]
mod user_path;
mod users;
mod waits;

pub use apart::ask;
#[cfg(target_os = "linux")]
pub use apart::set_apart_for_this_thread;
#[cfg(unix)]
pub use child::WaitingChild;
pub use child::{ChildProcess, Program};
#[cfg(target_os = "linux")]
pub use child::{PrivateFiles, Refused};
#[cfg(windows)]
pub use data_protection::{protect, unprotect};
pub use detached::{Channel, MOST_FILES, detach};
pub use files::{
    Access, Directory, FileState, changed_at, create_new, file_identity, file_stamp, file_state, has_one_name,
    identity_of, is_executable, is_in_use, link_count, mode_of, open_itself, path_from_bytes, path_to_bytes,
    rename_over, set_mode, set_mode_of, set_modified_ahead, sync_dir,
};
#[cfg(target_os = "linux")]
pub use files::{exchange, is_in_memory, open_unnoticed, set_never_read, state_of, was_never_read};
#[cfg(target_os = "linux")]
pub use kernel_keyring::{cache_key, cached_key, forget_first_version_key, forget_key};
pub use local_time::local_time;
pub use memory::{WipedHeap, harden, keep_from_swap, memory_file};
#[cfg(target_os = "linux")]
pub use mounts::{CoveredFile, PrivateMount, boot_and_namespaces, is_privately_mounted};
pub use peers::user_of_connection;
#[cfg(unix)]
pub use peers::{Peer, peer_of};
pub use process::{
    has_stdout, holds_lock, is_fork_of, is_running, parent_id, parent_of, process_arguments, process_began,
    process_directory, process_exists, process_name, process_start, process_terminal, process_user, program_of,
    program_path, reads_from, replace_process, wait_for_end_of,
};
pub use signals::{die_of, exit_as, pending_signal, take_signals};
pub use tee::{Passage, PassageEnd, Tee};
pub use terminal::{
    Stream, ask_seen, ask_unseen, is_asking, is_reader_gone, is_terminal, takes_escapes, terminal_width,
};
#[cfg(windows)]
pub use user_path::{UserPath, machine_path, set_user_path, user_path};
#[cfg(unix)]
pub use users::keep_lookups_built_in;
pub use users::{
    copy_owner, has_system_proxy, have_one_owner, home_from_passwd, is_of, machine_id, may_follow, owner_id, user_id,
};
#[cfg(target_os = "linux")]
pub use waits::Watch;
pub use waits::{Alarm, Woken};

/// What a call to Windows returned, as a result.
#[cfg(windows)]
fn done(returned: windows_sys::core::BOOL) -> std::io::Result<()> {
    if returned == 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}
