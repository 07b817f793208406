//! What keeps this process's memory from others on Unix.

use std::fs::File;
use std::io;

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
pub(in crate::sys) fn give_back_core_limit() {
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

/// Keeps the memory of `bytes` out of the swap for as long as this process lives, as far as its limit allows.
pub fn keep_from_swap(bytes: &[u8]) {
    if !bytes.is_empty() {
        // SAFETY: the range is that of a live slice; the kernel only changes how it keeps those pages. Where the limit is
        // used up nothing can be done.
        unsafe { libc::mlock(bytes.as_ptr().cast(), bytes.len()) };
    }
}

/// A file without a name, in memory.
///
/// # Errors
/// The operating system's.
#[cfg(target_os = "linux")]
pub fn memory_file() -> io::Result<File> {
    // SAFETY: the string is NUL-terminated and alive.
    let descriptor = unsafe { libc::memfd_create(c"azward".as_ptr(), libc::MFD_CLOEXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so the descriptor is new and nobody else's.
    Ok(unsafe { std::os::fd::FromRawFd::from_raw_fd(descriptor) })
}

/// There is none here, and no private copy that would need one.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn memory_file() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
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
