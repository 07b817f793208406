//! Files, users and processes on Unix. Every call is a thin cover over one system call or one file of `/proc`; errors
//! are the operating system's.

use std::ffi::{CStr, OsStr};
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// Opens a file of azward's own for reading and writing, made with mode 0600 if it is missing.
///
/// # Errors
/// The operating system's.
pub fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Makes a new file with `mode`; a file or a link already there is an error.
///
/// # Errors
/// The operating system's.
pub fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(mode).custom_flags(libc::O_NOFOLLOW).open(path)
}

/// Opens for appending, made with mode 0600 if it is missing.
///
/// # Errors
/// The operating system's.
pub fn open_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

/// Makes a directory and its parents, readable for their owner alone.
///
/// # Errors
/// The operating system's.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The permission bits of a file.
#[must_use]
pub fn mode_of(metadata: &Metadata) -> u32 {
    metadata.permissions().mode() & 0o7777
}

/// Sets the permission bits of a path.
///
/// # Errors
/// The operating system's.
pub fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// What tells the file behind `path` from every other: device and inode.
///
/// # Errors
/// The operating system's.
pub fn file_identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// The same of an open file, whatever name it has now.
///
/// # Errors
/// The operating system's.
pub fn identity_of(file: &File) -> io::Result<(u64, u64)> {
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

/// How a file looks from outside: it looks another way after every change, unless two come within one tick of a clock.
#[derive(Debug)]
pub struct Look {
    /// Device, inode, size, and the times of the last changes, as text.
    pub text: String,
    /// How long ago the last change was; nothing for one from the future.
    pub rested: Duration,
}

/// Looks at a file.
///
/// # Errors
/// The operating system's.
pub fn look_of(path: &Path) -> io::Result<Look> {
    let metadata = std::fs::metadata(path)?;
    let text = format!(
        "{} {} {} {}.{} {}.{}",
        metadata.dev(),
        metadata.ino(),
        metadata.size(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec()
    );
    let changed = Duration::new(metadata.ctime().unsigned_abs(), u32::try_from(metadata.ctime_nsec()).unwrap_or(0));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(Look { text, rested: now.checked_sub(changed).unwrap_or_default() })
}

/// When a file's content, name or owner changed last, which nobody can set; `None` for a time before 1970.
#[must_use]
pub fn changed_at(metadata: &Metadata) -> Option<SystemTime> {
    let since = Duration::new(u64::try_from(metadata.ctime()).ok()?, u32::try_from(metadata.ctime_nsec()).ok()?);
    SystemTime::UNIX_EPOCH.checked_add(since)
}

/// Whether a file has one name only.
#[must_use]
pub fn has_one_name(metadata: &Metadata) -> bool {
    metadata.nlink() == 1
}

/// How many names the open file still has; 0 when it was removed under us.
///
/// # Errors
/// The operating system's.
pub fn link_count(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.nlink())
}

/// Gives `file` the owner and group that `like` has, where they differ (root working on a user's files).
///
/// # Errors
/// The operating system's; nothing is done where they are the same already.
pub fn copy_owner(file: &File, like: &Metadata) -> io::Result<()> {
    let own = file.metadata()?;
    if own.uid() == like.uid() && own.gid() == like.gid() {
        return Ok(());
    }
    std::os::unix::fs::fchown(file, Some(like.uid()), Some(like.gid()))
}

/// Makes a rename in `directory` durable.
///
/// # Errors
/// The operating system's.
pub fn sync_dir(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Puts `file`'s modification time a few milliseconds ahead, so that a running az, which compares it with its own clock,
/// sees the change although the kernel's clock for such times is coarse.
///
/// # Errors
/// The operating system's.
pub fn set_modified_ahead(file: &File) -> io::Result<()> {
    file.set_modified(SystemTime::now() + Duration::from_millis(5))
}

/// Whether a file may be executed by somebody.
#[must_use]
pub fn is_executable(metadata: &Metadata) -> bool {
    metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
}

/// The home directory from the passwd database, for a process without `HOME`.
#[must_use]
pub fn home_from_passwd() -> Option<PathBuf> {
    let mut buffer = vec![0; 16 * 1024];
    // SAFETY: an all-zero passwd is a valid value: integers and null pointers.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    let mut found: *mut libc::passwd = std::ptr::null_mut();
    // SAFETY: every pointer is to a live local of the length given, and getpwuid_r writes to nothing else.
    let code =
        unsafe { libc::getpwuid_r(libc::getuid(), &raw mut entry, buffer.as_mut_ptr(), buffer.len(), &raw mut found) };
    if code != 0 || found.is_null() || entry.pw_dir.is_null() {
        return None;
    }
    // SAFETY: getpwuid_r succeeded, so pw_dir is a NUL-terminated string inside `buffer`, which is still alive.
    let home = unsafe { CStr::from_ptr(entry.pw_dir) };
    Some(PathBuf::from(OsStr::from_bytes(home.to_bytes())))
}

/// The user that the process acts as, as text.
#[must_use]
pub fn user_id() -> String {
    // SAFETY: geteuid has no arguments and cannot fail.
    unsafe { libc::geteuid() }.to_string()
}

/// The user that a file belongs to, as text like [`user_id`]'s.
#[must_use]
pub fn owner_id(metadata: &Metadata) -> String {
    metadata.uid().to_string()
}

/// A path as bytes that [`path_from_bytes`] makes the same path of.
#[must_use]
pub fn path_to_bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

/// The path that [`path_to_bytes`] made bytes of.
#[must_use]
pub fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// What the operating system calls this machine, the same across boots; `None` where it has no such name.
#[must_use]
pub fn machine_id() -> Option<String> {
    if cfg!(target_os = "macos") {
        return macos_machine_id();
    }
    let read = |path| std::fs::read_to_string(path).ok().and_then(|text| usable_machine_id(&text));
    ["/etc/machine-id", "/var/lib/dbus/machine-id"].into_iter().find_map(read)
}

/// What the file of a machine id says, where that tells this machine from others: one that is empty or "uninitialized" waits
/// for its first boot (machine-id(5)), and images are shipped so; one of zeros is no id.
fn usable_machine_id(text: &str) -> Option<String> {
    let id = text.trim();
    let is_usable = id != "uninitialized" && id.chars().any(|letter| !matches!(letter, '0' | '-'));
    is_usable.then(|| id.to_owned())
}

#[cfg(target_os = "macos")]
fn macos_machine_id() -> Option<String> {
    let mut uuid: libc::uuid_t = [0; 16];
    let wait = libc::timespec { tv_sec: 1, tv_nsec: 0 };
    // SAFETY: both pointers are to live locals of the types that gethostuuid asks for.
    let code = unsafe { libc::gethostuuid(uuid.as_mut_ptr(), &raw const wait) };
    (code == 0).then(|| uuid.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(not(target_os = "macos"))]
fn macos_machine_id() -> Option<String> {
    None
}

/// Whether the system's own settings send https through a proxy: what Python asks where the environment has none
/// (CPython 3.11, `urllib/request.py`, `getproxies_macosx_sysconf`). What cannot be known counts as one.
#[cfg(target_os = "macos")]
#[must_use]
pub fn has_system_proxy() -> bool {
    let output = std::process::Command::new("/usr/sbin/scutil").arg("--proxy").output();
    output.map_or(true, |output| {
        let text = String::from_utf8_lossy(&output.stdout);
        !output.status.success() || text.lines().any(|line| line.trim() == "HTTPSEnable : 1")
    })
}

/// Whether the system's own settings send https through a proxy: there are none that Python would ask.
#[cfg(not(target_os = "macos"))]
#[must_use]
pub fn has_system_proxy() -> bool {
    false
}

/// The process id of this process's parent.
#[must_use]
pub fn parent_id() -> u32 {
    std::os::unix::process::parent_id()
}

/// The process id of a process's parent; `None` when there is no such process, or none above it.
#[must_use]
pub fn parent_of(id: u32) -> Option<u32> {
    #[cfg(target_os = "macos")]
    return process_info(id).map(|info| info.pbi_ppid).filter(|parent| *parent != 0);
    #[cfg(not(target_os = "macos"))]
    stat_of(id)?.split_ascii_whitespace().nth(1)?.parse().ok().filter(|parent| *parent != 0)
}

/// What stands for the program that a process executes, whatever became of its file.
///
/// # Errors
/// `PermissionDenied` when the process lets nobody look.
#[cfg(not(target_os = "macos"))]
pub fn program_of(id: u32) -> io::Result<PathBuf> {
    let path = PathBuf::from(format!("/proc/{id}/exe"));
    std::fs::metadata(&path).map(|_| path)
}

/// See the Linux version above.
///
/// # Errors
/// The operating system's.
#[cfg(target_os = "macos")]
pub fn program_of(id: u32) -> io::Result<PathBuf> {
    let mut path = vec![0_u8; libc::PROC_PIDPATHINFO_MAXSIZE as usize];
    // SAFETY: the pointer is to a live local of the length given.
    let length = unsafe { libc::proc_pidpath(id as libc::c_int, path.as_mut_ptr().cast(), path.len() as u32) };
    let length = usize::try_from(length).ok().filter(|length| *length > 0).ok_or_else(io::Error::last_os_error)?;
    path.truncate(length);
    Ok(path_from_bytes(&path))
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
#[cfg(not(target_os = "macos"))]
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
#[cfg(not(target_os = "macos"))]
fn stat_of(id: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The second field is the command's name in parentheses and may hold spaces and parentheses itself.
    Some(stat.rsplit_once(')')?.1.to_owned())
}

/// See the Linux version above.
#[cfg(target_os = "macos")]
#[must_use]
pub fn process_start(id: u32) -> Option<u64> {
    process_info(id).map(|info| info.pbi_start_tvsec * 1_000_000 + info.pbi_start_tvusec)
}

#[cfg(target_os = "macos")]
fn process_info(id: u32) -> Option<libc::proc_bsdinfo> {
    // SAFETY: an all-zero proc_bsdinfo is a valid value: integers and arrays of them.
    let mut info: libc::proc_bsdinfo = unsafe { std::mem::zeroed() };
    let size = std::mem::size_of::<libc::proc_bsdinfo>() as libc::c_int;
    // SAFETY: the pointer is to a live local of exactly `size` bytes.
    let got = unsafe { libc::proc_pidinfo(id as libc::c_int, libc::PROC_PIDTBSDINFO, 0, (&raw mut info).cast(), size) };
    (got == size).then_some(info)
}

/// When a process began, by the clock on the wall as it is now; `None` when there is no such process, or the system does not
/// tell.
#[must_use]
pub fn process_began(id: u32) -> Option<SystemTime> {
    let start = process_start(id)?;
    if cfg!(target_os = "macos") {
        return SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(start));
    }
    // SAFETY: takes a number only.
    let ticks = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).ok().filter(|ticks| *ticks > 0)?;
    let lived = since_boot()?.checked_sub(Duration::from_millis(start.checked_mul(1000)? / ticks))?;
    SystemTime::now().checked_sub(lived)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn since_boot() -> Option<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live local of the type that the call asks for.
    let code = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    (code == 0).then(|| Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0)))
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

/// Whether a process with this id exists, whoever owns it.
#[must_use]
pub fn process_exists(id: u32) -> bool {
    let Ok(id) = libc::pid_t::try_from(id) else { return false };
    // SAFETY: signal 0 sends nothing; kill only asks whether it could.
    let code = unsafe { libc::kill(id, 0) };
    code == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// Replaces this process by `command`; returns only if that failed.
#[must_use]
pub fn replace_process(command: &mut Command) -> io::Error {
    std::os::unix::process::CommandExt::exec(command)
}

/// Keeps other processes of the same user from attaching to this one and the kernel from writing its core; where there is no
/// such thing, only the latter. The child's exec sets the first back to normal, and `give_back_core_limit` the second, so az
/// is as it always was.
pub fn harden() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: PR_SET_DUMPABLE takes one integer and touches no memory of ours.
    unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    refuse_core();
}

/// The limit on the size of cores that the caller gave us; 0 where there is nothing to give back.
#[cfg(any(test, not(any(target_os = "linux", target_os = "android"))))]
static CORE_LIMIT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

/// Sets this process's own limit on the size of cores to nothing. The hard limit stays, so that the other can be given back.
#[cfg(any(test, not(any(target_os = "linux", target_os = "android"))))]
fn refuse_core() {
    // SAFETY: both calls take a pointer to a live local of the type that they ask for.
    unsafe {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        if libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit) == 0 && limit.rlim_cur != 0 {
            CORE_LIMIT.store(limit.rlim_cur, std::sync::atomic::Ordering::SeqCst);
            limit.rlim_cur = 0;
            libc::setrlimit(libc::RLIMIT_CORE, &raw const limit);
        }
    }
}

/// Gives the program that this process is about to become the caller's limit on the size of cores. For a child between fork
/// and exec.
pub(super) fn give_back_core_limit() {
    #[cfg(any(test, not(any(target_os = "linux", target_os = "android"))))]
    // SAFETY: as above, and both calls may be made between fork and exec.
    unsafe {
        let soft = CORE_LIMIT.load(std::sync::atomic::Ordering::SeqCst);
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        if soft != 0 && libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit) == 0 {
            limit.rlim_cur = soft;
            libc::setrlimit(libc::RLIMIT_CORE, &raw const limit);
        }
    }
}

/// Has this process told of under `name`, where it would go by its file's.
pub fn set_process_name(name: &std::ffi::CStr) {
    #[cfg(target_os = "linux")]
    // SAFETY: the string is NUL-terminated and alive; the kernel copies what it has room for.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = name;
}

/// Keeps the memory of `bytes` out of the swap for as long as this process lives, as far as its limit allows.
pub fn keep_from_swap(bytes: &[u8]) {
    if !bytes.is_empty() {
        // SAFETY: the range is that of a live slice; the kernel only changes how it keeps those pages. Where the limit is
        // used up nothing can be done.
        unsafe { libc::mlock(bytes.as_ptr().cast(), bytes.len()) };
    }
}

/// Puts `from` in the place of `to` in one step.
///
/// # Errors
/// The operating system's.
pub fn rename_over(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_s_limit_is_taken_and_given_back() {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let limit = || getrlimit(Resource::Core);
        // Whatever there is for this test to lose.
        setrlimit(Resource::Core, rustix::process::Rlimit { current: limit().maximum, ..limit() }).unwrap();
        let before = limit();
        if before.current == Some(0) {
            // A machine that allows no core at all has nothing to take.
            return;
        }
        refuse_core();
        assert_eq!((limit().current, limit().maximum), (Some(0), before.maximum));
        refuse_core();
        give_back_core_limit();
        assert_eq!(limit(), before);
    }
}
