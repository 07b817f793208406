//! Which system calls change something, and with what each can really fail. A call that only looks is none of these; nor is
//! one on a descriptor that is this process's own affair (an eventfd).

use std::fmt;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::libc::{self, c_long};
use nix::unistd::Pid;

/// One call that changes something, as it was seen at its entry.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) place: Place,
    /// Its arguments, for a person to read.
    pub(crate) arguments: String,
    /// What it can fail with.
    pub(crate) errors: Vec<Errno>,
    /// Whether it is a write of more than one byte, so that half of it can be done.
    pub(crate) is_divisible: bool,
    /// Whether it speaks to somebody else: what was lost on the way is nobody's here.
    pub(crate) is_on_the_wire: bool,
}

/// Where a call stands: in which thread (or child on its way to an exec), and which of its calls of that name it is. The
/// first thread is 0, and 12 is the second that was made by the first that it made. How many calls an answer from the
/// network takes is never sure, so those of other names are not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) thread: usize,
    pub(crate) name: &'static str,
    pub(crate) nth: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.thread, self.name, self.nth)
    }
}

/// What the arguments of a call are.
enum Shape {
    /// A path, then flags and mode; they count only if the file may change by it.
    Open(usize),
    Paths(&'static [usize]),
    Descriptor,
    /// A descriptor, a buffer, its length.
    Transfer,
    Nothing,
}

use Shape::{Descriptor, Nothing, Open, Paths, Transfer};

/// The kinds of descriptors that fail in ways of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    /// Pipe or terminal.
    Pipe,
    Socket,
    /// Eventfd and the like: no failure there is anybody's but a bug's.
    Own,
}

const FILE: &[Errno] = &[Errno::ENOSPC, Errno::EIO, Errno::EACCES];
const MOUNT: &[Errno] = &[Errno::EACCES, Errno::ENOSPC];
const MOUNT_FD: &[Errno] = &[Errno::EACCES, Errno::ENOSPC, Errno::EMFILE];
/// The kernel says this of every fork that goes beyond a limit.
const FORK: &[Errno] = &[Errno::EAGAIN];

/// Every call that counts: its number, its name, its arguments, what it can fail with.
const TABLE: &[(c_long, &str, Shape, &[Errno])] = &[
    (libc::SYS_open, "open", Open(0), &[Errno::ENOSPC, Errno::EIO, Errno::EACCES, Errno::EMFILE]),
    (libc::SYS_openat, "openat", Open(1), &[Errno::ENOSPC, Errno::EIO, Errno::EACCES, Errno::EMFILE]),
    (libc::SYS_write, "write", Transfer, &[Errno::ENOSPC, Errno::EIO]),
    (libc::SYS_pwrite64, "pwrite64", Transfer, &[Errno::ENOSPC, Errno::EIO]),
    (libc::SYS_writev, "writev", Descriptor, &[Errno::ENOSPC, Errno::EIO]),
    (libc::SYS_copy_file_range, "copy_file_range", Descriptor, &[Errno::ENOSPC, Errno::EIO]),
    (libc::SYS_ftruncate, "ftruncate", Descriptor, &[Errno::EIO]),
    (libc::SYS_fsync, "fsync", Descriptor, &[Errno::EIO, Errno::ENOSPC, Errno::EINTR]),
    (libc::SYS_fdatasync, "fdatasync", Descriptor, &[Errno::EIO, Errno::ENOSPC, Errno::EINTR]),
    (libc::SYS_rename, "rename", Paths(&[0, 1]), FILE),
    (libc::SYS_renameat, "renameat", Paths(&[1, 3]), FILE),
    (libc::SYS_renameat2, "renameat2", Paths(&[1, 3]), FILE),
    (libc::SYS_link, "link", Paths(&[0, 1]), FILE),
    (libc::SYS_linkat, "linkat", Paths(&[1, 3]), FILE),
    (libc::SYS_symlink, "symlink", Paths(&[0, 1]), FILE),
    (libc::SYS_unlink, "unlink", Paths(&[0]), &[Errno::EIO, Errno::EACCES]),
    (libc::SYS_unlinkat, "unlinkat", Paths(&[1]), &[Errno::EIO, Errno::EACCES]),
    (libc::SYS_rmdir, "rmdir", Paths(&[0]), &[Errno::EIO, Errno::EACCES]),
    (libc::SYS_mkdir, "mkdir", Paths(&[0]), FILE),
    (libc::SYS_mkdirat, "mkdirat", Paths(&[1]), FILE),
    (libc::SYS_chmod, "chmod", Paths(&[0]), &[Errno::EIO, Errno::EACCES]),
    (libc::SYS_fchmod, "fchmod", Descriptor, &[Errno::EIO]),
    (libc::SYS_fchmodat, "fchmodat", Paths(&[1]), &[Errno::EIO, Errno::EACCES]),
    (libc::SYS_chown, "chown", Paths(&[0]), &[Errno::EIO, Errno::EACCES]),
    (libc::SYS_fchown, "fchown", Descriptor, &[Errno::EIO]),
    (libc::SYS_fchownat, "fchownat", Paths(&[1]), &[Errno::EIO, Errno::EACCES]),
    (libc::SYS_utimensat, "utimensat", Descriptor, &[Errno::EIO, Errno::EACCES]),
    // A network's file system.
    (libc::SYS_flock, "flock", Descriptor, &[Errno::EIO]),
    (libc::SYS_mount, "mount", Paths(&[0, 1]), MOUNT),
    (libc::SYS_umount2, "umount2", Paths(&[0]), &[Errno::EACCES]),
    (libc::SYS_fsopen, "fsopen", Paths(&[0]), MOUNT_FD),
    (libc::SYS_fsconfig, "fsconfig", Descriptor, MOUNT),
    (libc::SYS_fsmount, "fsmount", Descriptor, MOUNT_FD),
    (libc::SYS_open_tree, "open_tree", Paths(&[1]), MOUNT_FD),
    (libc::SYS_move_mount, "move_mount", Paths(&[1, 3]), MOUNT),
    (libc::SYS_mount_setattr, "mount_setattr", Paths(&[1]), MOUNT),
    // ENOSPC: too many namespaces. EACCES stands for what a security module says.
    (libc::SYS_unshare, "unshare", Nothing, &[Errno::ENOSPC, Errno::EACCES]),
    (libc::SYS_setns, "setns", Descriptor, &[Errno::EACCES]),
    (libc::SYS_clone, "clone", Nothing, FORK),
    (libc::SYS_clone3, "clone3", Nothing, FORK),
    (libc::SYS_fork, "fork", Nothing, FORK),
    (libc::SYS_vfork, "vfork", Nothing, FORK),
    (libc::SYS_execve, "execve", Paths(&[0]), &[Errno::EACCES, Errno::EIO, Errno::EMFILE]),
    (libc::SYS_wait4, "wait4", Nothing, &[Errno::EINTR]),
    (libc::SYS_waitid, "waitid", Nothing, &[Errno::EINTR]),
    (libc::SYS_pipe2, "pipe2", Nothing, &[Errno::EMFILE]),
    (libc::SYS_inotify_init1, "inotify_init1", Nothing, &[Errno::EMFILE]),
    (libc::SYS_inotify_add_watch, "inotify_add_watch", Descriptor, &[Errno::ENOSPC]),
    (libc::SYS_memfd_create, "memfd_create", Nothing, &[Errno::EMFILE]),
    (libc::SYS_pidfd_open, "pidfd_open", Nothing, &[Errno::EMFILE]),
    (libc::SYS_socket, "socket", Nothing, &[Errno::EMFILE, Errno::EACCES]),
    (libc::SYS_socketpair, "socketpair", Nothing, &[Errno::EMFILE]),
    (libc::SYS_connect, "connect", Descriptor, &[Errno::EACCES, Errno::EINTR]),
    (libc::SYS_sendto, "sendto", Transfer, &[Errno::EINTR, Errno::ECONNRESET]),
    (libc::SYS_sendmsg, "sendmsg", Descriptor, &[Errno::EINTR, Errno::ECONNRESET]),
    (libc::SYS_sendmmsg, "sendmmsg", Descriptor, &[Errno::EINTR]),
    (libc::SYS_recvfrom, "recvfrom", Descriptor, &[Errno::EINTR, Errno::ECONNRESET]),
    (libc::SYS_recvmsg, "recvmsg", Descriptor, &[Errno::EINTR, Errno::ECONNRESET]),
];

/// What may speak to the endpoint.
const WIRE: [&str; 5] = ["socket", "connect", "sendto", "sendmmsg", "recvfrom"];

/// The call that a thread is about to make, if it changes something.
pub(crate) fn changing(thread: Pid, number: u64, arguments: [u64; 6]) -> Option<Call> {
    let number = c_long::try_from(number).ok()?;
    let (_, name, shape, errors) = TABLE.iter().find(|entry| entry.0 == number)?;
    let mut errors = errors.to_vec();
    let path = |index: usize| text_at(thread, arguments[index]);
    let mut is_divisible = false;
    let text = match shape {
        Open(index) => {
            let flags = i32::try_from(arguments[index + 1] & 0xffff_ffff).ok()?;
            if flags & (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC) == 0 {
                return None;
            }
            if flags & libc::O_CREAT == 0 {
                errors.retain(|error| *error != Errno::ENOSPC);
            }
            format!("{}, {flags:#o}", path(*index))
        }
        Paths(indices) => indices.iter().map(|index| path(*index)).collect::<Vec<_>>().join(", "),
        Descriptor | Transfer => {
            let (target, kind) = descriptor(thread, arguments[0]);
            match kind {
                Kind::Own => return None,
                Kind::Pipe if matches!(shape, Transfer) => errors = vec![Errno::EINTR],
                Kind::Socket if !WIRE.contains(name) && !name.ends_with("msg") => {
                    errors = vec![Errno::EINTR, Errno::ECONNRESET];
                }
                _ => {}
            }
            if matches!(shape, Transfer) {
                is_divisible = arguments[2] > 1 && kind == Kind::File;
                format!("{target}, {} bytes", arguments[2])
            } else {
                target
            }
        }
        Nothing => String::new(),
    };
    let is_on_the_wire = (WIRE.contains(name) || text.starts_with("socket:")) && !is_our_own(thread, &text);
    let place = Place { thread: 0, name, nth: 0 };
    Some(Call { place, arguments: text, errors, is_divisible, is_on_the_wire })
}

/// Whether a socket is a channel of our own: to a child, or to the guardian.
fn is_our_own(thread: Pid, socket: &str) -> bool {
    let Some(number) = socket.strip_prefix("socket:[").and_then(|text| text.split(']').next()) else { return false };
    let unix = fs::read_to_string(format!("/proc/{thread}/net/unix")).unwrap_or_default();
    unix.lines().any(|line| line.split_ascii_whitespace().nth(6) == Some(number))
}

/// What a descriptor is open on.
fn descriptor(thread: Pid, number: u64) -> (String, Kind) {
    // AT_FDCWD, where it stands for a path.
    let Ok(number) = u32::try_from(number) else { return ("by path".to_owned(), Kind::File) };
    let target = fs::read_link(format!("/proc/{thread}/fd/{number}")).unwrap_or_else(|_| PathBuf::from("?"));
    let target = target.to_string_lossy().into_owned();
    let kind = match &target {
        text if text.starts_with("socket:") => Kind::Socket,
        text if text.starts_with("pipe:") || text.starts_with("/dev/pts") => Kind::Pipe,
        text if text.starts_with("anon_inode:[event") => Kind::Own,
        _ => Kind::File,
    };
    (target, kind)
}

/// A path in the memory of a traced process.
fn text_at(thread: Pid, address: u64) -> String {
    let mut bytes = [0; 512];
    let memory = fs::File::open(format!("/proc/{thread}/mem"));
    let count = memory.and_then(|memory| memory.read_at(&mut bytes, address)).unwrap_or(0);
    let text = bytes[..count].split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}
