//! Files of one's own over others, for one process and all that it starts: a mount namespace in which small tmpfs files are
//! bound over what az keeps credentials in. Root needs no more than that; everybody else a user namespace as well, which maps
//! the user and the group to themselves.
//!
//! [`PrivateMount::enter`] is called in a child between fork and exec: it allocates nothing, takes no lock and calls
//! nothing but system calls on what was made ready before the fork. What the kernel refuses is told by its step.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, RawMode, fchmod, fstat, open};
use rustix::io::{Errno, write};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::path::DecInt;
use rustix::process::{DumpableBehavior, getegid, geteuid, getgid, getuid, set_dumpable_behavior};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::sys::MOST_FILES;

/// What is to be mounted where, made ready before the fork.
#[derive(Debug)]
pub struct PrivateMount {
    files: Vec<Bind>,
    /// A directory that is covered, in the new namespace only. To uncover it again would cost the kernel milliseconds.
    stage: CString,
    /// The lines for `uid_map` and `gid_map`; none for root.
    maps: Option<(CString, CString)>,
}

/// A file that is to be covered by a new, empty one.
#[derive(Clone, Copy, Debug)]
pub struct CoveredFile<'a> {
    /// An existing file without links in its path.
    pub path: &'a Path,
    /// The new file's name, which no other of the same mount has.
    pub name: &'a str,
    /// The new file's permission bits.
    pub mode: u32,
}

/// A covered file, as the system calls take it.
#[derive(Debug)]
struct Bind {
    target: CString,
    /// The new file, as it is named on the stage.
    staged: CString,
    mode: u32,
}

/// The descriptors of a mount that was entered: the new files, in the order in which they were named, and the namespace.
pub(super) type Entered = [Option<OwnedFd>; MOST_FILES];

/// What the kernel was asked for when it refused.
pub(super) const STEPS: [&str; 9] = [
    "to unshare namespaces",
    "to map users",
    "to deny setgroups",
    "to map the user",
    "to map the group",
    "to keep mounts to ourselves",
    "to mount a tmpfs",
    "to make a file on it",
    "to bind that file over the token cache",
];

/// The name of the tmpfs in `/proc/self/mountinfo`, by which it is known again.
const SOURCE: &CStr = c"azward";

impl PrivateMount {
    /// A mount over `files`, by way of the directory `stage`. The inner error says why this process should not be put into a
    /// namespace although the kernel might do it.
    ///
    /// # Errors
    /// `InvalidInput` for more files than can be sent with the namespace; the operating system's, for paths that no system
    /// call takes.
    pub fn over(files: &[CoveredFile<'_>], stage: &Path) -> io::Result<Result<Self, &'static str>> {
        if files.len() >= MOST_FILES {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let maps = match identity() {
            Ok(maps) => maps,
            Err(reason) => return Ok(Err(reason)),
        };
        let name = |path: &Path| CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from);
        let bind = |file: &CoveredFile<'_>| {
            Ok(Bind { target: name(file.path)?, staged: name(&stage.join(file.name))?, mode: file.mode })
        };
        let files = files.iter().map(bind).collect::<io::Result<_>>()?;
        Ok(Ok(Self { files, stage: name(stage)?, maps }))
    }

    /// How many files are covered.
    pub(super) fn count(&self) -> usize {
        self.files.len()
    }

    /// Enters the namespace and returns descriptors of the new, empty files and of the namespace; or the step that was
    /// refused, an index into [`STEPS`], and the error.
    pub(super) fn enter(&self) -> Result<Entered, (u8, Errno)> {
        if let Some((user, group)) = &self.maps {
            // A process that is not dumpable cannot write its own maps. It has no secret in it at this moment.
            let _ = set_dumpable_behavior(DumpableBehavior::Dumpable);
            unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS).map_err(at(0))?;
            match write_to(c"/proc/self/setgroups", c"deny") {
                // Kernels before 3.19 have no such file and need no such denial.
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err((2, error)),
            }
            write_to(c"/proc/self/uid_map", user).map_err(at(3))?;
            write_to(c"/proc/self/gid_map", group).map_err(at(4))?;
            let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
        } else {
            unshare(UnshareFlags::NEWNS).map_err(at(0))?;
        }
        // Before anything is covered: the stage may be where it is found.
        let namespace = open(c"/proc/self/ns/mnt", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(at(0))?;
        // A slave sees what is mounted outside later on, and nothing that is mounted inside gets out.
        mount_change(c"/", MountPropagationFlags::REC | MountPropagationFlags::DOWNSTREAM).map_err(at(5))?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        let stage = |options: &CStr| mount(SOURCE, &*self.stage, c"tmpfs", flags, options);
        // Only root may keep a tmpfs out of the swap, and only since Linux 6.4.
        if self.maps.is_some() || stage(c"mode=0700,size=64m,nr_inodes=16,noswap").is_err() {
            stage(c"mode=0700,size=64m,nr_inodes=16").map_err(at(6))?;
        }
        let create = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mut entered = [const { None }; MOST_FILES];
        for (place, bind) in entered.iter_mut().zip(&self.files) {
            let file = open(&*bind.staged, create, Mode::RUSR | Mode::WUSR).map_err(at(7))?;
            fchmod(&file, Mode::from_raw_mode(bind.mode as RawMode)).map_err(at(7))?;
            *place = Some(file);
        }
        // Not before the stage has all of them: it may be what is covered.
        for bind in &self.files {
            mount_over(&bind.staged, &bind.target).map_err(at(8))?;
        }
        entered[self.files.len()] = Some(namespace);
        Ok(entered)
    }
}

/// Makes an error that of a step.
fn at(step: u8) -> impl Fn(Errno) -> (u8, Errno) {
    move |error| (step, error)
}

/// Binds a file over another one, and not over what a link leads to that took its place a moment ago: that would be taken
/// away again with the link.
fn mount_over(staged: &CStr, target: &CStr) -> Result<(), Errno> {
    let place = open(target, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&place)?.st_mode) != FileType::RegularFile {
        return Err(Errno::LOOP);
    }
    let number = DecInt::from_fd(&place);
    let mut path = [0; 32];
    let parts = b"/proc/self/fd/".iter().chain(number.as_bytes());
    path.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
    mount_bind(staged, CStr::from_bytes_until_nul(&path).map_err(|_| Errno::NAMETOOLONG)?)
}

fn unshare(namespaces: UnshareFlags) -> Result<(), Errno> {
    // SAFETY: descriptors stay shared, which is all that could make this unsafe.
    unsafe { unshare_unsafe(namespaces) }
}

/// The maps for the user and group that this process acts as; none for root.
fn identity() -> Result<Option<(CString, CString)>, &'static str> {
    let (user, group) = (geteuid(), getegid());
    if user.is_root() {
        return Ok(None);
    }
    if (getuid(), getgid()) != (user, group) {
        return Err("the process acts as another user than its own");
    }
    if has_capabilities() {
        return Err("the process has capabilities, which a user namespace would take");
    }
    let line = |id: u32| CString::new(format!("{id} {id} 1\n")).unwrap_or_default();
    Ok(Some((line(user.as_raw()), line(group.as_raw()))))
}

/// Whether the process may do anything that its user may not.
fn has_capabilities() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapPrm:"));
    line.is_some_and(|line| line.trim().bytes().any(|digit| digit != b'0'))
}

fn write_to(path: &CStr, text: &CStr) -> Result<(), Errno> {
    let file = open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    let count = write(file, text.to_bytes())?;
    if count == text.count_bytes() { Ok(()) } else { Err(Errno::IO) }
}

/// Whether `path` is covered, for this process, by a file of a run above it.
#[must_use]
pub fn is_privately_mounted(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| std::fs::metadata(path).ok().map(|metadata| metadata.dev());
    // A file that is on its directory's device is covered by nothing; that is nearly always so, and cheap to see.
    let Some(own) = device(path) else { return false };
    if path.parent().and_then(device) == Some(own) {
        return false;
    }
    let Ok(path) = path.canonicalize() else { return false };
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts.lines().any(|line| is_ours(line, &path))
}

/// Whether a line of `mountinfo` tells of a tmpfs of ours over `path` (proc_pid_mountinfo(5)).
fn is_ours(line: &str, path: &Path) -> bool {
    let Some((left, right)) = line.split_once(" - ") else { return false };
    let place = left.split(' ').nth(4).unwrap_or_default();
    let mut kind = right.split(' ');
    kind.next() == Some("tmpfs")
        && kind.next() == SOURCE.to_str().ok()
        && unescape(place) == path.as_os_str().as_bytes()
}

/// Undoes `mountinfo`'s octal escapes for white space and the backslash.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let code = more.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[3..];
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    bytes
}

/// What tells this boot, and the namespaces that this process is in, from others.
#[must_use]
pub fn boot_and_namespaces() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let link = |name: &str| std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap_or_default();
    format!("{} {} {}", boot.trim(), link("user").display(), link("mnt").display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_of_ours_is_known_by_its_source_and_place() {
        let line = "36 35 0:44 /x /home/u/my\\040az/c.json rw,nosuid shared:2 - tmpfs azward rw,size=1k";
        assert!(is_ours(line, Path::new("/home/u/my az/c.json")));
        assert!(!is_ours(line, Path::new("/home/u/c.json")));
        assert!(!is_ours(&line.replace("azward", "tmpfs"), Path::new("/home/u/my az/c.json")));
        assert!(!is_privately_mounted(Path::new("/proc/self/status")));
    }
}
