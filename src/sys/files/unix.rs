//! Files on Unix: each a thin cover over one system call.

use std::ffi::OsStr;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

#[cfg(target_os = "linux")]
use rustix::fs::{CWD, RenameFlags, StatVfsMountFlags, fstatfs, renameat_with, statvfs};

use super::FileState;
#[cfg(target_os = "linux")]
use super::directory::Directory;

/// Makes a new file with `mode`; a file or a link already there is an error.
///
/// # Errors
/// The operating system's.
pub fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(mode).custom_flags(libc::O_NOFOLLOW).open(path)
}

/// Opens what is at `path` to read it, and nothing that it leads to. Never waits for the other end of a pipe.
///
/// # Errors
/// The operating system's; a link is an error.
pub fn open_itself(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
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

/// The state that a file is in.
///
/// # Errors
/// The operating system's.
pub fn file_state(path: &Path) -> io::Result<FileState> {
    Ok(state_in(&std::fs::metadata(path)?))
}

/// The state that an open file is in, whatever name it has now.
///
/// # Errors
/// The operating system's.
#[cfg(target_os = "linux")]
pub fn state_of(file: &File) -> io::Result<FileState> {
    Ok(state_in(&file.metadata()?))
}

fn state_in(metadata: &Metadata) -> FileState {
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
    FileState { text, unchanged_for: now.checked_sub(changed).unwrap_or_default() }
}

/// What tells a file's content from another's, as far as nobody hides a change, as text: a new name of it changes nothing.
///
/// # Errors
/// The operating system's.
pub fn file_stamp(path: &Path) -> io::Result<String> {
    let metadata = std::fs::metadata(path)?;
    let modified = (metadata.mtime(), metadata.mtime_nsec());
    Ok(format!("{} {} {} {}.{}", metadata.dev(), metadata.ino(), metadata.size(), modified.0, modified.1))
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

/// Makes a rename in `directory` durable.
///
/// # Errors
/// The operating system's.
pub fn sync_dir(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Whether a file may be executed by somebody.
#[must_use]
pub fn is_executable(metadata: &Metadata) -> bool {
    metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
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

/// Whether an error may be that somebody else has the file open, which is in nobody's way here.
#[must_use]
pub fn is_in_use(_error: &io::Error) -> bool {
    false
}

/// Puts `from` in the place of `to` in one step.
///
/// # Errors
/// The operating system's.
pub fn rename_over(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)
}

/// Exchanges what two names stand for, in one step. What is mounted over either in another namespace goes with it.
///
/// # Errors
/// The operating system's: `InvalidInput` where the file system cannot do it, `ResourceBusy` for a mount point.
#[cfg(target_os = "linux")]
pub fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

/// Whether what is in a directory is in memory and on no disk (statfs(2): tmpfs, ramfs).
#[cfg(target_os = "linux")]
#[must_use]
pub fn is_in_memory(directory: &Directory) -> bool {
    const IN_MEMORY: [u32; 2] = [0x0102_1994, 0x8584_58f6];
    // The type's width differs by machine, its magic numbers have 32 bits everywhere.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "32 bits of it count")]
    fstatfs(directory.as_file()).is_ok_and(|system| IN_MEMORY.contains(&(system.f_type as u32)))
}

/// Opens a file to read it, without its time of access telling of that where the system allows it.
///
/// # Errors
/// The operating system's.
#[cfg(target_os = "linux")]
pub fn open_unnoticed(path: &Path) -> io::Result<File> {
    // Somebody else's file may not be read so.
    let open = OpenOptions::new().read(true).custom_flags(libc::O_NOATIME).open(path);
    open.or_else(|error| if error.kind() == io::ErrorKind::PermissionDenied { File::open(path) } else { Err(error) })
}

/// Has a file tell whether it is read from now on; see [`was_never_read`]. What cannot be done tells nothing.
#[cfg(target_os = "linux")]
pub fn set_never_read(path: &Path) {
    let times = std::fs::FileTimes::new().set_accessed(SystemTime::UNIX_EPOCH);
    let _ = File::open(path).and_then(|file| file.set_times(times));
}

/// Whether a file was certainly not read since [`set_never_read`], as its time of access tells: it is before every change, so
/// that the first reader sets it (mount(8), `relatime`), unless the file system keeps no such times.
#[cfg(target_os = "linux")]
#[must_use]
pub fn was_never_read(path: &Path) -> bool {
    let is_unread = |metadata: Metadata| metadata.accessed().is_ok_and(|accessed| accessed == SystemTime::UNIX_EPOCH);
    let keeps_times = || statvfs(path).is_ok_and(|system| !system.f_flag.contains(StatVfsMountFlags::NOATIME));
    std::fs::metadata(path).is_ok_and(is_unread) && keeps_times()
}
