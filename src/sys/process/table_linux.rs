//! The table of processes as `/proc` shows it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The process id of a process's parent; `None` when there is no such process, or none above it.
#[must_use]
pub fn parent_of(id: u32) -> Option<u32> {
    stat_of(id)?.split_ascii_whitespace().nth(1)?.parse().ok().filter(|parent| *parent != 0)
}

/// What stands for the program that a process executes, whatever became of its file.
///
/// # Errors
/// `PermissionDenied` when the process lets nobody look.
pub fn program_of(id: u32) -> io::Result<PathBuf> {
    let path = PathBuf::from(format!("/proc/{id}/exe"));
    std::fs::metadata(&path).map(|_| path)
}

/// The path under which a process's program was started, as the system tells it: of a file that is gone since, a name that
/// says so. A link to it was resolved.
///
/// # Errors
/// `PermissionDenied` when the process lets nobody look.
pub fn program_path(id: u32) -> io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/{id}/exe"))
}

/// The working directory of a process, where it lets us look.
#[must_use]
pub fn process_directory(id: u32) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{id}/cwd")).ok()
}

/// The user that a process is, as text like `user_id`'s; also of one that lets nobody look.
#[must_use]
pub fn process_user(id: u32) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    // Real, effective, saved, of the file system (proc_pid_status(5)).
    let users = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    users.split_ascii_whitespace().nth(1).map(str::to_owned)
}

/// The device of a process's controlling terminal; `None` where it has none.
#[must_use]
pub fn process_terminal(id: u32) -> Option<u64> {
    let number: i64 = stat_of(id)?.split_ascii_whitespace().nth(4)?.parse().ok()?;
    let number = u32::try_from(number).ok().filter(|number| *number != 0)?;
    // proc_pid_stat(5): the minor number is in bits 31 to 20 and 7 to 0, the major in 15 to 8.
    Some(rustix::fs::makedev(number >> 8 & 0xff, number & 0xff | number >> 12 & 0xf_ff00))
}

/// Whether a process reads from the terminal that is this device, as far as it lets us look; `None` where the system is not
/// asked.
#[must_use]
pub fn reads_from(id: u32, terminal: u64) -> Option<bool> {
    Some(std::fs::metadata(format!("/proc/{id}/fd/0")).is_ok_and(|metadata| metadata.rdev() == terminal))
}

/// Whether a process is its parent's fork and has executed nothing since, so that what tells of the one tells of the other:
/// only then do both have their stack in one place. No where the system does not tell.
#[must_use]
pub fn is_fork_of(id: u32, parent: u32) -> bool {
    let stack = |id| stat_of(id)?.split_ascii_whitespace().nth(25)?.parse().ok().filter(|start: &u64| *start > 1);
    stack(id).is_some_and(|start| stack(parent) == Some(start))
}

/// Whether a process has the flock on an open file, be it a shared one; `None` where the system does not tell.
#[must_use]
pub fn holds_lock(process: u32, file: &File) -> Option<bool> {
    // The device is another in `stat` than here on some file systems (overlayfs, btrfs); one process has few locks.
    let inode = file.metadata().ok()?.ino();
    let locks = std::fs::read_to_string("/proc/locks").ok().filter(|locks| !locks.is_empty())?;
    Some(locks.lines().any(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        // proc_locks(5); a line of one who waits has an arrow for its second word.
        let [_, "FLOCK", _, _, holder, place, ..] = fields[..] else { return false };
        holder.parse() == Ok(process) && place.rsplit(':').next().and_then(|text| text.parse().ok()) == Some(inode)
    }))
}

/// When a process started, in a unit of the kernel's own that only serves to tell two processes with one id apart;
/// `None` when there is no such process.
#[must_use]
pub fn process_start(id: u32) -> Option<u64> {
    let stat = stat_of(id)?;
    let mut fields = stat.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// What `/proc` tells of a process, from its state on.
fn stat_of(id: u32) -> Option<String> {
    // It is one line, and one reading has all of it.
    let mut line = [0; 1024];
    let length = File::open(format!("/proc/{id}/stat")).and_then(|mut file| file.read(&mut line)).ok()?;
    let stat = std::str::from_utf8(&line[..length]).ok()?;
    // The second field is the command's name in parentheses and may hold spaces and parentheses itself.
    Some(stat.rsplit_once(')')?.1.to_owned())
}

/// When a process began, by the clock on the wall as it is now; `None` when there is no such process, or the system does not
/// tell.
#[must_use]
pub fn process_began(id: u32) -> Option<SystemTime> {
    let start = process_start(id)?;
    let began = start.checked_mul(1000)?.checked_div(rustix::param::clock_ticks_per_second())?;
    let lived = since_boot()?.checked_sub(Duration::from_millis(began))?;
    SystemTime::now().checked_sub(lived)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn since_boot() -> Option<Duration> {
    Duration::try_from(rustix::time::clock_gettime(rustix::time::ClockId::Boottime)).ok()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn since_boot() -> Option<Duration> {
    None
}

/// What a process was started with, its own name first; `None` where the system does not tell.
#[must_use]
pub fn process_arguments(id: u32) -> Option<Vec<Vec<u8>>> {
    let line = std::fs::read(format!("/proc/{id}/cmdline")).ok()?;
    let line = line.strip_suffix(b"\0").unwrap_or(&line);
    Some(if line.is_empty() { Vec::new() } else { line.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect() })
}

/// What a process calls itself, for the journal; `None` where the system does not say.
#[must_use]
pub fn process_name(id: u32) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{id}/comm")).ok().map(|name| name.trim().to_owned())
}

/// Whether a process that was started with `home` for its home calls itself `name`, in whatever case; no where the system does
/// not tell.
#[must_use]
pub fn is_running(name: &str, home: &Path) -> bool {
    let home = [b"HOME=", home.as_os_str().as_bytes()].concat();
    let is_at_home = |id: u32| {
        let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == home)
    };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.any(|id| process_name(id).is_some_and(|own| own.eq_ignore_ascii_case(name)) && is_at_home(id))
}

/// Waits until the process that started at `start` under `id` has ended.
pub fn wait_for_end_of(id: u32, start: u64) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(process) = open_process(id, start) {
        use rustix::event::{PollFd, PollFlags, poll};
        let mut polled = [PollFd::new(&process, PollFlags::IN)];
        let _ = rustix::io::retry_on_intr(|| poll(&mut polled, None));
        return;
    }
    while process_start(id) == Some(start) {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A descriptor that stands for the process; `None` where the kernel has none, or when it has ended.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn open_process(id: u32, start: u64) -> Option<std::os::fd::OwnedFd> {
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    let process = pidfd_open(Pid::from_raw(i32::try_from(id).ok()?)?, PidfdFlags::empty()).ok()?;
    // Asked after the descriptor was had: it stands for the process that is meant, and for no later one.
    (process_start(id) == Some(start)).then_some(process)
}
