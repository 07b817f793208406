//! A process of its own: another execution of this very program in a session of its own, with nothing of the caller's open
//! and nobody for a parent, so that neither a signal to the caller's group nor the end of the caller's process tree
//! reaches it. Between fork and exec there are system calls only.

use std::cell::Cell;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{FdFlags, dup2, fcntl_dupfd_cloexec, fcntl_setfd, retry_on_intr};
use rustix::process::{Pid, Resource, WaitOptions, getrlimit, setsid, waitpid};

use crate::sys::child::{Strings, execute, exit, fork, redirect_standard_streams};
use crate::sys::messages;
use crate::sys::process::close_quietly;
use crate::sys::signals::{Action, set_action};

/// The descriptor on which a detached process finds its channel.
const CHANNEL: RawFd = 3;

/// The signals that end whole sessions or machines: what az was given to clean up after is still to be cleaned up then.
const OUTLIVED: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

/// One end of a channel between a process and the one it detached.
#[derive(Debug)]
pub struct Channel {
    socket: UnixStream,
    /// The process in between, which ends at once and is waited for later.
    go_between: Cell<Option<Pid>>,
}

/// Starts this program again, detached, as `name` and in the same environment, and returns the channel to it.
///
/// # Errors
/// The operating system's. That the program could not be executed is not told: its end of the channel is closed then.
pub fn detach(name: &OsStr) -> io::Result<Channel> {
    let (ours, theirs) = UnixStream::pair()?;
    // Away from the number that it gets, which may be taken.
    let channel = fcntl_dupfd_cloexec(&theirs, CHANNEL + 1)?;
    let program = if cfg!(target_os = "linux") {
        c"/proc/self/exe".to_owned()
    } else {
        CString::new(std::env::current_exe()?.as_os_str().as_bytes())?
    };
    let arguments = [CString::new(name.as_bytes())?];
    let arguments = Strings::of(&arguments);
    // SAFETY: the child makes system calls only, and so does its own, and neither returns.
    let go_between = unsafe { fork() }?;
    if go_between.is_none() {
        let _ = setsid();
        // Nobody's child: whoever ends the caller's tree does not find it.
        // SAFETY: as above.
        match unsafe { fork() } {
            Ok(None) => become_detached(&channel, &program, &arguments),
            _ => exit(0),
        }
    }
    Ok(Channel { socket: ours, go_between: Cell::new(go_between) })
}

fn become_detached(channel: &OwnedFd, program: &CStr, arguments: &Strings<'_>) -> ! {
    if let Ok(null) = open(c"/dev/null", OFlags::RDWR, Mode::empty()) {
        redirect_standard_streams(&null);
    }
    // SAFETY: whatever the descriptor is in the caller, here it is nobody's, and it is not closed.
    let mut place = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(CHANNEL) });
    let _ = dup2(channel, &mut place);
    close_from(CHANNEL + 1);
    unblock_signals();
    for signal in OUTLIVED {
        set_action(signal, Action::Ignore);
    }
    execute(program, arguments, None);
    exit(127);
}

/// Lets every signal through.
fn unblock_signals() {
    // SAFETY: an all-zero set is a valid value, and the pointers are to a live local.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Closes every descriptor from `first` on.
fn close_from(first: RawFd) {
    #[cfg(target_os = "linux")]
    // SAFETY: takes numbers only. Kernels before 5.9 do not know it.
    if unsafe { libc::syscall(libc::SYS_close_range, first as libc::c_uint, libc::c_uint::MAX, 0) } == 0 {
        return;
    }
    let most = getrlimit(Resource::Nofile).current.and_then(|most| RawFd::try_from(most).ok());
    for descriptor in first..most.unwrap_or(RawFd::MAX).min(65536) {
        close_quietly(descriptor);
    }
}

impl Channel {
    /// The detached process's own end. The process is told of under `name` from now on, where it would go by its file's.
    ///
    /// # Errors
    /// When there is none: somebody else started this program under that name.
    pub fn of_detached(name: &CStr) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        let _ = rustix::thread::set_name(name);
        #[cfg(not(target_os = "linux"))]
        let _ = name;
        // SAFETY: nothing in this process has taken the descriptor yet: this is the first thing it does. It is only borrowed
        // until it is known to be open.
        let socket = unsafe {
            fcntl_setfd(BorrowedFd::borrow_raw(CHANNEL), FdFlags::CLOEXEC)?;
            UnixStream::from_raw_fd(CHANNEL)
        };
        // A file is no channel.
        socket.peer_addr()?;
        Ok(Self { socket, go_between: Cell::new(None) })
    }

    /// Sends bytes, and a copy of each of `files`.
    ///
    /// # Errors
    /// `InvalidInput` for more than `MOST_FILES`; else the operating system's; the other process may be gone.
    pub fn send(&self, bytes: &[u8], files: &[&File]) -> io::Result<()> {
        let files: Vec<BorrowedFd<'_>> = files.iter().map(|file| file.as_fd()).collect();
        messages::send(&self.socket, bytes, &files)
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
            let _ = retry_on_intr(|| waitpid(Some(id), WaitOptions::empty()));
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.reap();
    }
}
