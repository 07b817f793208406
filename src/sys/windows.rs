//! Files, users and processes on Windows, under the names that Unix has. Where Windows has no such thing (modes, owners,
//! process groups, replacing a process) the nearest that does no harm stands in, and says so.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, SystemTime};

use windows_sys::Win32::Foundation::{CloseHandle, ERROR_ACCESS_DENIED, FILETIME, STILL_ACTIVE};
use windows_sys::Win32::System::Console::SetConsoleCtrlHandler;
use windows_sys::Win32::System::Threading::{
    GetExitCodeProcess, GetProcessTimes, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION,
};

/// Readers and writers may share a file, and it may be renamed meanwhile (`FILE_SHARE_READ | WRITE | DELETE`).
const SHARE_ALL: u32 = 7;

/// How long a replacement waits for a reader that does not share the file: Python's `open` does not.
const RENAME_PATIENCE: u32 = 50;

/// Opens a file of azward's own for reading and writing, made if it is missing. The profile directory's access list
/// keeps others out.
///
/// # Errors
/// The operating system's.
pub fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).share_mode(SHARE_ALL).open(path)
}

/// Makes a new file; one already there is an error. Windows has no mode.
///
/// # Errors
/// The operating system's.
pub fn create_new(path: &Path, _mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).share_mode(SHARE_ALL).open(path)
}

/// Opens for appending, made if it is missing.
///
/// # Errors
/// The operating system's.
pub fn open_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).share_mode(SHARE_ALL).open(path)
}

/// Makes a directory and its parents.
///
/// # Errors
/// The operating system's.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

/// Windows has no mode: always what a private file would have.
#[must_use]
pub fn mode_of(_metadata: &Metadata) -> u32 {
    0o600
}

/// Windows has no mode: does nothing.
///
/// # Errors
/// None.
pub fn set_mode(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// What tells one file from another as far as the standard library says it: times and size.
#[must_use]
pub fn file_identity(metadata: &Metadata) -> (u64, u64) {
    use std::os::windows::fs::MetadataExt;
    (metadata.creation_time() ^ metadata.last_write_time().rotate_left(32), metadata.file_size())
}

/// A file that is open cannot lose its name here.
///
/// # Errors
/// None.
pub fn link_count(_file: &File) -> io::Result<u64> {
    Ok(1)
}

/// A new file inherits its directory's owner and access list: nothing to do.
///
/// # Errors
/// None.
pub fn copy_owner(_file: &File, _like: &Metadata) -> io::Result<()> {
    Ok(())
}

/// NTFS journals a rename by itself: nothing to do.
///
/// # Errors
/// None.
pub fn sync_dir(_directory: &Path) -> io::Result<()> {
    Ok(())
}

/// See the Unix version.
///
/// # Errors
/// The operating system's.
pub fn set_modified_ahead(file: &File) -> io::Result<()> {
    file.set_modified(SystemTime::now() + Duration::from_millis(5))
}

/// Puts `from` in the place of `to`, waiting a little for a reader that does not share the file.
///
/// # Errors
/// The operating system's.
pub fn rename_over(from: &Path, to: &Path) -> io::Result<()> {
    for _ in 0..RENAME_PATIENCE {
        match std::fs::rename(from, to) {
            Err(error) if error.raw_os_error() == Some(ERROR_ACCESS_DENIED.cast_signed()) => {
                std::thread::sleep(Duration::from_millis(10));
            }
            other => return other,
        }
    }
    std::fs::rename(from, to)
}

/// Whether a path is a file: what may be executed is a matter of its ending.
#[must_use]
pub fn is_executable(metadata: &Metadata) -> bool {
    metadata.is_file()
}

/// The user's profile directory by the system's own record.
#[must_use]
pub fn home_from_passwd() -> Option<PathBuf> {
    std::env::home_dir()
}

/// The user's name.
#[must_use]
pub fn user_id() -> String {
    std::env::var("USERNAME").unwrap_or_default()
}

/// DPAPI binds to machine and user by itself; there is no name to bind to here.
#[must_use]
pub fn machine_id() -> Option<String> {
    None
}

/// Windows does not tell a process's parent reliably: its id may belong to another by now.
#[must_use]
pub fn parent_id() -> u32 {
    0
}

/// When a process started; `None` when it has ended or is not ours to ask.
#[must_use]
pub fn process_start(id: u32) -> Option<u64> {
    // SAFETY: the handle is checked for null and closed on every path; the times go to live locals.
    unsafe {
        let handle = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, id);
        if handle.is_null() {
            return None;
        }
        let mut code = 0;
        let mut times = [FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 }; 4];
        let [start, end, kernel, user] = &mut times;
        let is_alive = GetExitCodeProcess(handle, &raw mut code) != 0
            && code == STILL_ACTIVE.cast_unsigned()
            && GetProcessTimes(handle, start, end, kernel, user) != 0;
        CloseHandle(handle);
        is_alive.then(|| u64::from(times[0].dwHighDateTime) << 32 | u64::from(times[0].dwLowDateTime))
    }
}

/// Not told here.
#[must_use]
pub fn process_name(_id: u32) -> Option<String> {
    None
}

/// Whether a process with this id exists and lives.
#[must_use]
pub fn process_exists(id: u32) -> bool {
    process_start(id).is_some()
}

/// Windows cannot replace a process: runs the command to its end and ends as it did.
#[must_use]
pub fn replace_process(command: &mut Command) -> io::Error {
    take_signals();
    match command.status() {
        Ok(status) => exit_as(status),
        Err(error) => error,
    }
}

/// Nothing to do: another process of the same user may always read this one's memory here.
pub fn harden() {}

unsafe extern "system" fn leave_to_az(_event: u32) -> i32 {
    1
}

/// Ctrl-C and Ctrl-Break go to every process of the console; az answers them, we do not.
pub fn take_signals() {
    // SAFETY: the handler touches nothing and lives as long as the program.
    unsafe {
        SetConsoleCtrlHandler(Some(leave_to_az), 1);
    }
}

/// There are no pending signals here.
#[must_use]
pub fn pending_signal() -> Option<i32> {
    None
}

/// Starts `command` in our own console.
///
/// # Errors
/// The operating system's.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    command.spawn()
}

/// Waits for the child's end.
///
/// # Errors
/// The operating system's.
pub fn wait_for(child: &mut Child) -> io::Result<ExitStatus> {
    child.wait()
}

/// Ends a child at once.
pub fn kill_child(child: &mut Child) {
    // It may have ended by itself, which is as good.
    let _ = child.kill();
    let _ = child.wait();
}

/// Ends this process as the child ended.
pub fn exit_as(status: ExitStatus) -> ! {
    std::process::exit(status.code().unwrap_or(1));
}

/// Ends this process as if by `signal`.
pub fn die_of(signal: i32) -> ! {
    std::process::exit(128 + signal);
}
