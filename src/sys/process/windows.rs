//! Processes on Windows, under the names that Unix has.

use std::fs::File;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, FILETIME, INVALID_HANDLE_VALUE, WAIT_TIMEOUT};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
};
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, INFINITE, OpenProcess, PROCESS_NAME_WIN32, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE,
    QueryFullProcessImageNameW, WaitForSingleObject,
};

use crate::sys::{ChildProcess, exit_as, take_signals};

/// The process id of this process's parent; 0 when that has ended. Windows keeps the id of a parent that is gone, and
/// gives it to others: who has it must be older than we are.
#[must_use]
pub fn parent_id() -> u32 {
    parent_of(std::process::id()).unwrap_or(0)
}

/// The process id of a process's parent, by the same rule.
#[must_use]
pub fn parent_of(id: u32) -> Option<u32> {
    let is_older = |parent: &u32| process_start(*parent).is_some_and(|start| Some(start) <= process_start(id));
    recorded_parent(id).filter(|parent| *parent != id && is_older(parent))
}

/// Whether a process of that home calls itself `name`; the system is not asked.
#[must_use]
pub fn is_running(_name: &str, _home: &Path) -> bool {
    false
}

/// The program that a process executes.
///
/// # Errors
/// The operating system's.
pub fn program_of(id: u32) -> io::Result<PathBuf> {
    image_of(id).ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// The path of a process's program.
///
/// # Errors
/// The operating system's.
pub fn program_path(id: u32) -> io::Result<PathBuf> {
    program_of(id)
}

/// The working directory of a process; the system does not tell.
#[must_use]
pub fn process_directory(_id: u32) -> Option<PathBuf> {
    None
}

/// The user that a process is; the system is not asked.
#[must_use]
pub fn process_user(_id: u32) -> Option<String> {
    None
}

/// The device of a process's controlling terminal: there is no such thing here.
#[must_use]
pub fn process_terminal(_id: u32) -> Option<u64> {
    None
}

/// Whether a process reads from that terminal; the system is not asked.
#[must_use]
pub fn reads_from(_id: u32, _terminal: u64) -> Option<bool> {
    None
}

/// Whether a process is its parent's fork: nobody forks here.
#[must_use]
pub fn is_fork_of(_id: u32, _parent: u32) -> bool {
    false
}

/// Who has a lock the system does not tell.
#[must_use]
pub fn holds_lock(_process: u32, _file: &File) -> Option<bool> {
    None
}

fn recorded_parent(id: u32) -> Option<u32> {
    // SAFETY: takes numbers only.
    let snapshot = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0) };
    if snapshot == INVALID_HANDLE_VALUE {
        return None;
    }
    // SAFETY: the call succeeded, so the handle is open and nobody else's.
    let snapshot = unsafe { OwnedHandle::from_raw_handle(snapshot) };
    let mut entry = PROCESSENTRY32W { dwSize: size_of::<PROCESSENTRY32W>() as u32, ..Default::default() };
    // SAFETY: the handle is open, and the pointer is to a live local that says its own size.
    let mut is_there = unsafe { Process32FirstW(snapshot.as_raw_handle(), &raw mut entry) } != 0;
    while is_there && entry.th32ProcessID != id {
        // SAFETY: as above.
        is_there = unsafe { Process32NextW(snapshot.as_raw_handle(), &raw mut entry) } != 0;
    }
    is_there.then_some(entry.th32ParentProcessID)
}

/// When a process started, in a unit of the system's own that only serves to tell two processes with one id apart;
/// `None` when it has ended or is not ours to ask.
#[must_use]
pub fn process_start(id: u32) -> Option<u64> {
    let process = open_process(id).ok().filter(is_alive)?;
    let mut times = [FILETIME::default(); 4];
    let [start, end, kernel, user] = &mut times;
    // SAFETY: the handle is open and the pointers are to live locals.
    let code = unsafe { GetProcessTimes(process.as_raw_handle(), start, end, kernel, user) };
    (code != 0).then(|| u64::from(start.dwHighDateTime) << 32 | u64::from(start.dwLowDateTime))
}

/// When a process began; `None` when it has ended or is not ours to ask.
#[must_use]
pub fn process_began(id: u32) -> Option<SystemTime> {
    /// From 1601, where Windows begins to count, to 1970, in seconds.
    const EPOCH: u64 = 11_644_473_600;
    let ticks = process_start(id)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(ticks.checked_sub(EPOCH * 10_000_000)?.checked_mul(100)?))
}

/// What a process was started with; the system does not tell.
#[must_use]
pub fn process_arguments(_id: u32) -> Option<Vec<Vec<u8>>> {
    None
}

/// The name of a process's program, for the journal; `None` where the system does not say.
#[must_use]
pub fn process_name(id: u32) -> Option<String> {
    image_of(id)?.file_name().map(|name| name.to_string_lossy().into_owned())
}

fn image_of(id: u32) -> Option<PathBuf> {
    let process = open_process(id).ok()?;
    let mut path = [0_u16; 1024];
    let mut length = path.len() as u32;
    // SAFETY: the handle is open, and the pointers are to live locals of the length given.
    let code = unsafe {
        QueryFullProcessImageNameW(process.as_raw_handle(), PROCESS_NAME_WIN32, path.as_mut_ptr(), &raw mut length)
    };
    let path = String::from_utf16_lossy(path.get(..usize::try_from(length).ok()?)?);
    (code != 0).then(|| PathBuf::from(path))
}

/// Whether a process with this id exists and lives, whoever owns it.
#[must_use]
pub fn process_exists(id: u32) -> bool {
    match open_process(id) {
        Ok(process) => is_alive(&process),
        Err(error) => error.raw_os_error() == Some(ERROR_ACCESS_DENIED.cast_signed()),
    }
}

fn open_process(id: u32) -> io::Result<OwnedHandle> {
    // SAFETY: takes numbers only.
    let process = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE, 0, id) };
    if process.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so the handle is open and nobody else's.
    Ok(unsafe { OwnedHandle::from_raw_handle(process) })
}

/// A process that has ended is still there for as long as somebody has a handle of it.
fn is_alive(process: &OwnedHandle) -> bool {
    // SAFETY: the handle is open.
    unsafe { WaitForSingleObject(process.as_raw_handle(), 0) == WAIT_TIMEOUT }
}

/// Waits until the process that started at `start` under `id` has ended.
pub fn wait_for_end_of(id: u32, start: u64) {
    let Ok(process) = open_process(id) else { return };
    // Asked after the handle was had: it stands for the process that is meant, and for no later one.
    if process_start(id) == Some(start) {
        // SAFETY: the handle is open.
        unsafe { WaitForSingleObject(process.as_raw_handle(), INFINITE) };
    }
}

/// Windows cannot replace a process: runs the command to its end and ends as it did. Returns only if it cannot be run.
#[must_use]
pub fn replace_process(command: &mut Command) -> io::Error {
    take_signals();
    let started = command.spawn().map(ChildProcess::of);
    let ended = started.and_then(|mut child| {
        child.hand_signals();
        child.wait()
    });
    match ended {
        Ok(status) => exit_as(status),
        Err(error) => error,
    }
}

/// What is written to one that is missing goes nowhere here.
#[must_use]
pub fn has_stdout() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_there_until_it_has_ended() {
        let child = Command::new("cmd.exe").args(["/c", "pause"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
        let id = child.id();
        assert!(process_exists(id));
        assert!(process_start(id) >= process_start(std::process::id()));
        assert!(process_name(id).is_some_and(|name| name.eq_ignore_ascii_case("cmd.exe")), "{:?}", process_name(id));
        assert_eq!(recorded_parent(id), Some(std::process::id()));
        let mut child = ChildProcess::of(child);
        child.kill();
        assert!(!process_exists(id) && process_start(id).is_none(), "though its handle is still open");
        drop(child);
        assert!(!process_exists(id));
        assert!(process_name(parent_id()).is_some() || parent_id() == 0);
    }

    #[test]
    fn a_child_s_exit_code_is_told_whole() {
        let child = Command::new("cmd.exe").args(["/c", "exit 7777"]).spawn().unwrap();
        assert_eq!(ChildProcess::of(child).wait().unwrap().code(), Some(7777));
    }
}
