//! A process of its own: another execution of this very program in a session of its own, with nothing of the caller's open
//! and nobody for a parent, so that neither a signal to the caller's group nor the end of the caller's process tree
//! reaches it. Between fork and exec there are system calls only.

use std::cell::Cell;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::sys::child::{exit, pointers, retry};
use crate::sys::messages;
use crate::sys::process::{close_quietly, process_start};

/// The descriptor on which a detached process finds its channel.
const CHANNEL: RawFd = 3;

/// The signals that end whole sessions or machines: what az was given to clean up after is still to be cleaned up then.
const OUTLIVED: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

/// One end of a channel between a process and the one it detached.
#[derive(Debug)]
pub struct Channel {
    socket: UnixStream,
    /// The process in between, which ends at once and is waited for later.
    go_between: Cell<Option<libc::pid_t>>,
}

/// Starts this program again, detached, as `name`, and returns the channel to it.
///
/// # Errors
/// The operating system's. That the program could not be executed is not told: its end of the channel is closed then.
pub fn detach(name: &OsStr) -> io::Result<Channel> {
    let (ours, theirs) = UnixStream::pair()?;
    // Away from the number that it gets, which may be taken.
    // SAFETY: takes numbers only.
    let channel = retry(|| unsafe { libc::fcntl(theirs.as_raw_fd(), libc::F_DUPFD_CLOEXEC, CHANNEL + 1) })?;
    // SAFETY: the call succeeded, so the descriptor is new and nobody else's.
    let channel: OwnedFd = unsafe { std::os::fd::FromRawFd::from_raw_fd(channel) };
    let program = if cfg!(target_os = "linux") {
        c"/proc/self/exe".to_owned()
    } else {
        CString::new(std::env::current_exe()?.as_os_str().as_bytes())?
    };
    // The pointers are into these strings.
    let (own_arguments, own_environment) = ([CString::new(name.as_bytes())?], environment()?);
    let (arguments, environment) = (pointers(&own_arguments), pointers(&own_environment));
    // SAFETY: both children make system calls only, and never return.
    let go_between = unsafe { libc::fork() };
    if go_between == 0 {
        // SAFETY: the strings are NUL-terminated, the arrays end with a null, and all of them are copied by the exec.
        unsafe {
            libc::setsid();
            // Nobody's child: whoever ends the caller's tree does not find it.
            match libc::fork() {
                0 => become_detached(channel.as_raw_fd(), &program, &arguments, &environment),
                _ => exit(0),
            }
        }
    }
    if go_between < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Channel { socket: ours, go_between: Cell::new(Some(go_between)) })
}

fn environment() -> io::Result<Vec<CString>> {
    let entry = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).map_err(io::Error::from)
    };
    std::env::vars_os().map(entry).collect()
}

unsafe fn become_detached(
    channel: RawFd,
    program: &CString,
    arguments: &[*const libc::c_char],
    environment: &[*const libc::c_char],
) -> ! {
    // SAFETY: system calls on numbers and on strings and arrays that outlive them.
    unsafe {
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        for standard in 0..3 {
            libc::dup2(null, standard);
        }
        libc::dup2(channel, CHANNEL);
        close_from(CHANNEL + 1);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        for signal in OUTLIVED {
            libc::signal(signal, libc::SIG_IGN);
        }
        libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr());
    }
    exit(127);
}

/// Closes every descriptor from `first` on.
fn close_from(first: RawFd) {
    #[cfg(target_os = "linux")]
    // SAFETY: takes numbers only. Kernels before 5.9 do not know it.
    if unsafe { libc::syscall(libc::SYS_close_range, first as libc::c_uint, libc::c_uint::MAX, 0) } == 0 {
        return;
    }
    // SAFETY: takes a number only.
    let most = unsafe { libc::sysconf(libc::_SC_OPEN_MAX) };
    for descriptor in first..i32::try_from(most).unwrap_or(i32::MAX).min(65536) {
        close_quietly(descriptor);
    }
}

impl Channel {
    /// The detached process's own end.
    ///
    /// # Errors
    /// When there is none: somebody else started this program under that name.
    pub fn of_detached() -> io::Result<Self> {
        // SAFETY: takes numbers only, and tells whether the descriptor is open.
        retry(|| unsafe { libc::fcntl(CHANNEL, libc::F_SETFD, libc::FD_CLOEXEC) })?;
        // SAFETY: it is open, and nothing in this process has taken it yet: this is the first thing it does.
        let socket: UnixStream = unsafe { std::os::fd::FromRawFd::from_raw_fd(CHANNEL) };
        // A file is no channel.
        socket.peer_addr()?;
        Ok(Self { socket, go_between: Cell::new(None) })
    }

    /// Sends bytes, and a copy of each of `files`.
    ///
    /// # Errors
    /// `InvalidInput` for more than `MOST_FILES`; else the operating system's; the other process may be gone.
    pub fn send(&self, bytes: &[u8], files: &[&File]) -> io::Result<()> {
        let files: Vec<RawFd> = files.iter().map(|file| file.as_raw_fd()).collect();
        messages::send_raw(self.socket.as_raw_fd(), bytes, &files)
    }

    /// Receives what is there, waiting for something; no bytes when the other process is gone.
    ///
    /// # Errors
    /// The operating system's.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Vec<File>)> {
        let (count, files) = messages::receive(&self.socket, buffer)?;
        Ok((count, files.into_iter().map(File::from).collect()))
    }

    /// Says that nothing more will be said or heard.
    pub fn hang_up(&self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }

    /// Waits until the other process is gone, or has hung up, no longer than `patience`.
    pub fn wait_for_end(&self, patience: Duration) {
        let _ = self.socket.set_read_timeout(Some(patience));
        let _ = self.receive(&mut [0; 8]);
    }

    /// Waits for the process in between, which has ended by now.
    pub fn reap(&self) {
        if let Some(id) = self.go_between.take() {
            // SAFETY: the id is that of a child not waited for yet; a null status is allowed.
            let _ = retry(|| unsafe { libc::waitpid(id, std::ptr::null_mut(), 0) });
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.reap();
    }
}

/// Waits until the process that started at `start` under `id` has ended.
pub fn wait_for_end_of(id: u32, start: u64) {
    #[cfg(target_os = "linux")]
    if let Some(process) = open_process(id, start) {
        let mut polled = libc::pollfd { fd: process.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: the pointer is to one live local.
        let _ = retry(|| unsafe { libc::poll(&raw mut polled, 1, -1) });
        return;
    }
    while process_start(id) == Some(start) {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A descriptor that stands for the process; `None` where the kernel has none, or when it has ended.
#[cfg(target_os = "linux")]
fn open_process(id: u32, start: u64) -> Option<OwnedFd> {
    // SAFETY: takes numbers only.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, id, 0) };
    let descriptor = RawFd::try_from(descriptor).ok().filter(|descriptor| *descriptor >= 0)?;
    // SAFETY: the call succeeded, so the descriptor is new and nobody else's.
    let process: OwnedFd = unsafe { std::os::fd::FromRawFd::from_raw_fd(descriptor) };
    // Asked after the descriptor was had: it stands for the process that is meant, and for no later one.
    (process_start(id) == Some(start)).then_some(process)
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
