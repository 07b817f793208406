//! Users and the machine on Unix: system calls, the passwd database and `/etc/machine-id`.

use std::ffi::{CStr, OsStr};
use std::fs::{File, Metadata};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use rustix::process::{geteuid, getuid};

/// The user that the process acts as, as text.
#[must_use]
pub fn user_id() -> String {
    geteuid().to_string()
}

/// The user that a file belongs to, as text like [`user_id`]'s.
#[must_use]
pub fn owner_id(metadata: &Metadata) -> String {
    metadata.uid().to_string()
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

/// Whether two files have one owner.
#[must_use]
pub fn have_one_owner(one: &Metadata, other: &Metadata) -> bool {
    one.uid() == other.uid()
}

/// Whether a file in `directory` may be taken for one of its owner's: it is the owner's, or root's and has no second name
/// elsewhere (what root makes for a user may stay root's where owners cannot be given).
#[must_use]
pub fn is_of(directory: &Metadata, file: &Metadata) -> bool {
    file.uid() == directory.uid() || file.uid() == 0 && file.nlink() == 1
}

/// Whether the user that this process acts as may follow a link of that owner to that target: what somebody else links to
/// must be theirs, or a link in their directory would have us write where they could not.
#[must_use]
pub fn may_follow(link: &Metadata, target: &Metadata) -> bool {
    link.uid() == geteuid().as_raw() || link.uid() == 0 || link.uid() == target.uid()
}

/// The home directory from the passwd database, for a process without `HOME`.
#[must_use]
pub fn home_from_passwd() -> Option<PathBuf> {
    keep_lookups_built_in();
    home_in_passwd().or_else(home_from_directory_service)
}

/// Keeps what looks users and hosts up to what the C library has in itself: files, and DNS. Where that is linked into this
/// program, everything else would be loaded from the system's, which may be of another version by now, and crash. Nothing
/// elsewhere.
pub fn keep_lookups_built_in() {
    #[cfg(all(target_os = "linux", target_env = "gnu", target_feature = "crt-static"))]
    {
        unsafe extern "C" {
            // nss.h; the libc crate does not have it.
            fn __nss_configure_lookup(database: *const libc::c_char, services: *const libc::c_char) -> libc::c_int;
        }
        for (database, services) in [(c"passwd", c"files"), (c"hosts", c"files dns")] {
            // SAFETY: both are NUL-terminated strings that live for as long as the process, and the C library takes a lock.
            unsafe { __nss_configure_lookup(database.as_ptr(), services.as_ptr()) };
        }
    }
}

/// The home directory as the system's own program finds it: that loads whatever knows the user.
fn home_from_directory_service() -> Option<PathBuf> {
    if !cfg!(all(target_os = "linux", target_env = "gnu", target_feature = "crt-static")) {
        return None;
    }
    let user = getuid().to_string();
    let entry = std::process::Command::new("/usr/bin/getent").args(["passwd", &user]).output().ok()?.stdout;
    let home = entry.split(|&byte| byte == b':').nth(5)?;
    Some(PathBuf::from(OsStr::from_bytes(home)))
}

fn home_in_passwd() -> Option<PathBuf> {
    let mut buffer = vec![0; 16 * 1024];
    let mut entry = MaybeUninit::uninit();
    let mut found: *mut libc::passwd = std::ptr::null_mut();
    let (user, room) = (getuid().as_raw(), buffer.len());
    // SAFETY: every pointer is to a live local of the length given, and getpwuid_r writes to nothing else. Where it found an
    // entry, that is `entry`, filled in, and its home a NUL-terminated string inside `buffer`, which is still alive.
    let home = unsafe {
        let code = libc::getpwuid_r(user, entry.as_mut_ptr(), buffer.as_mut_ptr(), room, &raw mut found);
        if code != 0 || found.is_null() || (*found).pw_dir.is_null() {
            return None;
        }
        CStr::from_ptr((*found).pw_dir)
    };
    Some(PathBuf::from(OsStr::from_bytes(home.to_bytes())))
}

/// What the operating system calls this machine, the same across boots, and asked for once; `None` where it has no such name.
#[must_use]
pub fn machine_id() -> Option<String> {
    static ID: OnceLock<Option<String>> = OnceLock::new();
    ID.get_or_init(read_machine_id).clone()
}

fn read_machine_id() -> Option<String> {
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
