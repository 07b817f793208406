//! The table of processes as macOS's kernel tells of it.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::sys::path_from_bytes;

/// The process id of a process's parent; `None` when there is no such process, or none above it.
#[must_use]
pub fn parent_of(id: u32) -> Option<u32> {
    process_info(id).map(|info| info.pbi_ppid).filter(|parent| *parent != 0)
}

/// When a process began, by the clock on the wall; `None` when there is no such process.
#[must_use]
pub fn process_began(id: u32) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(process_start(id)?))
}

/// What a process was started with; the system is not asked.
#[must_use]
pub fn process_arguments(_id: u32) -> Option<Vec<Vec<u8>>> {
    None
}

/// Whether a process of that home calls itself `name`; the system is not asked.
#[must_use]
pub fn is_running(_name: &str, _home: &Path) -> bool {
    false
}

/// What a process calls itself, for the journal; the system is not asked.
#[must_use]
pub fn process_name(_id: u32) -> Option<String> {
    None
}

/// Who has a lock the system does not tell.
#[must_use]
pub fn holds_lock(_process: u32, _file: &File) -> Option<bool> {
    None
}

/// The program that a process executes.
///
/// # Errors
/// The operating system's.
pub fn program_of(id: u32) -> io::Result<PathBuf> {
    let mut path = vec![0_u8; libc::PROC_PIDPATHINFO_MAXSIZE as usize];
    // SAFETY: the pointer is to a live local of the length given.
    let length = unsafe { libc::proc_pidpath(id as libc::c_int, path.as_mut_ptr().cast(), path.len() as u32) };
    let length = usize::try_from(length).ok().filter(|length| *length > 0).ok_or_else(io::Error::last_os_error)?;
    path.truncate(length);
    Ok(path_from_bytes(&path))
}

/// When a process started, which tells two processes with one id apart; `None` when there is no such process.
#[must_use]
pub fn process_start(id: u32) -> Option<u64> {
    process_info(id).map(|info| info.pbi_start_tvsec * 1_000_000 + info.pbi_start_tvusec)
}

fn process_info(id: u32) -> Option<libc::proc_bsdinfo> {
    let mut info = MaybeUninit::<libc::proc_bsdinfo>::zeroed();
    let size = size_of::<libc::proc_bsdinfo>() as libc::c_int;
    // SAFETY: the pointer is to a live local of exactly `size` bytes; all zero, which it is where nothing is written to it,
    // it is valid too: integers and arrays of them.
    let (got, info) = unsafe {
        let place = info.as_mut_ptr().cast();
        (libc::proc_pidinfo(id as libc::c_int, libc::PROC_PIDTBSDINFO, 0, place, size), info.assume_init())
    };
    (got == size).then_some(info)
}

/// Waits until the process that started at `start` under `id` has ended.
pub fn wait_for_end_of(id: u32, start: u64) {
    while process_start(id) == Some(start) {
        std::thread::sleep(Duration::from_millis(20));
    }
}
