//! Fork, exec and exit, for which there is nothing safe: between the first two a process may only do what may be done in a
//! signal handler, because the threads that it does not have may have held any lock.

use std::ffi::{CStr, CString};
use std::io;
use std::marker::PhantomData;
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::process::Pid;
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

/// Arguments or an environment as exec takes them: pointers to the strings, and a null at the end.
pub(in crate::sys) struct Strings<'a> {
    pointers: Vec<*const libc::c_char>,
    strings: PhantomData<&'a [CString]>,
}

impl<'a> Strings<'a> {
    /// Made ready before the fork.
    pub(in crate::sys) fn of(strings: &'a [CString]) -> Self {
        let pointers = strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect();
        Self { pointers, strings: PhantomData }
    }
}

/// Forks: the child's id, or `None` in the child.
///
/// # Errors
/// The operating system's.
///
/// # Safety
/// The child may do no more than a signal handler may, until it executes a program or exits.
pub(in crate::sys) unsafe fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: the caller's promise.
    match unsafe { libc::fork() } {
        ..0 => Err(io::Error::last_os_error()),
        id => Ok(Pid::from_raw(id)),
    }
}

/// Has the standard streams lead where `file` leads. Whatever cannot be redirected stays as it is.
pub(in crate::sys) fn redirect_standard_streams(file: impl AsFd) {
    let _ = [dup2_stdin(&file), dup2_stdout(&file), dup2_stderr(&file)];
}

/// Executes a program, in this process's own environment if it is given none; returns only if that failed. Allocates
/// nothing.
pub(in crate::sys) fn execute(program: &CStr, arguments: &Strings<'_>, environment: Option<&Strings<'_>>) -> Errno {
    let (program, arguments) = (program.as_ptr(), arguments.pointers.as_ptr());
    // SAFETY: the strings are NUL-terminated, the arrays end with a null, and all of them outlive the call. Nothing in this
    // program changes its own environment.
    unsafe {
        match environment {
            Some(environment) => libc::execve(program, arguments, environment.pointers.as_ptr()),
            None => libc::execv(program, arguments),
        }
    };
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL)
}

/// Ends this process without anything of its parent's being flushed or run.
pub(in crate::sys) fn exit(code: i32) -> ! {
    // SAFETY: _exit may be called anywhere and does not return.
    unsafe { libc::_exit(code) }
}
