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

/// What a process was started with, its own name first; `None` where the system does not tell.
#[must_use]
pub fn process_arguments(id: u32) -> Option<Vec<Vec<u8>>> {
    let mut name = [libc::CTL_KERN, libc::KERN_PROCARGS2, i32::try_from(id).ok()?];
    let mut bytes = vec![0_u8; MOST_ARGUMENTS];
    let mut length = bytes.len();
    // SAFETY: the pointers are to live locals of the lengths given.
    let code = unsafe {
        let (place, none) = (bytes.as_mut_ptr().cast(), std::ptr::null_mut());
        libc::sysctl(name.as_mut_ptr(), name.len() as libc::c_uint, place, &raw mut length, none, 0)
    };
    if code != 0 {
        return None;
    }
    bytes.truncate(length);
    // Their number, the program's path, zeros, and then they themselves, each with a zero behind it.
    let (count, rest) = bytes.split_first_chunk::<4>()?;
    let rest = rest.get(rest.iter().position(|byte| *byte == 0)?..)?;
    let rest = rest.get(rest.iter().position(|byte| *byte != 0)?..)?;
    let count = usize::try_from(i32::from_ne_bytes(*count)).ok()?;
    Some(rest.split(|byte| *byte == 0).take(count).map(<[u8]>::to_vec).collect())
}

/// As much as the system lets anybody start a program with, in bytes.
const MOST_ARGUMENTS: usize = 1024 * 1024;

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

/// The path of a process's program.
///
/// # Errors
/// The operating system's.
pub fn program_path(id: u32) -> io::Result<PathBuf> {
    program_of(id)
}

/// The working directory of a process; the system is not asked.
#[must_use]
pub fn process_directory(_id: u32) -> Option<PathBuf> {
    None
}

/// The user that a process is, as text like `user_id`'s.
#[must_use]
pub fn process_user(id: u32) -> Option<String> {
    process_info(id).map(|info| info.pbi_uid.to_string())
}

/// The device of a process's controlling terminal; `None` where it has none.
#[must_use]
pub fn process_terminal(id: u32) -> Option<u64> {
    process_info(id).map(|info| info.e_tdev).filter(|device| ![0, u32::MAX].contains(device)).map(u64::from)
}

/// Whether a process reads from that terminal; the system is not asked.
#[must_use]
pub fn reads_from(_id: u32, _terminal: u64) -> Option<bool> {
    None
}

/// Whether a process is its parent's fork; the system does not tell.
#[must_use]
pub fn is_fork_of(_id: u32, _parent: u32) -> bool {
    false
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
