//! What keeps this process's memory from others on Unix.

use std::fs::File;
use std::io;
#[cfg(any(test, not(any(target_os = "linux", target_os = "android"))))]
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(any(test, not(any(target_os = "linux", target_os = "android"))))]
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Keeps other processes of the same user from attaching to this one and the kernel from writing its core; where there is no
/// such thing, only the latter. The child's exec sets the first back to normal, and `give_back_core_limit` the second, so az
/// is as it always was.
pub fn harden() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    refuse_core();
}

/// The limit on the size of cores that the caller gave us, the highest number for none; 0 where there is nothing to give back.
#[cfg(any(test, not(any(target_os = "linux", target_os = "android"))))]
static CORE_LIMIT: AtomicU64 = AtomicU64::new(0);

/// Sets this process's own limit on the size of cores to nothing. The hard limit stays, so that the other can be given back.
#[cfg(any(test, not(any(target_os = "linux", target_os = "android"))))]
fn refuse_core() {
    let limit = getrlimit(Resource::Core);
    if limit.current != Some(0) {
        CORE_LIMIT.store(limit.current.unwrap_or(u64::MAX), Ordering::SeqCst);
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), ..limit });
    }
}

/// Gives the program that this process is about to become the caller's limit on the size of cores. For a child between fork
/// and exec.
pub(in crate::sys) fn give_back_core_limit() {
    #[cfg(any(test, not(any(target_os = "linux", target_os = "android"))))]
    match CORE_LIMIT.load(Ordering::SeqCst) {
        0 => {}
        soft => {
            let current = (soft != u64::MAX).then_some(soft);
            let _ = setrlimit(Resource::Core, Rlimit { current, ..getrlimit(Resource::Core) });
        }
    }
}

/// Keeps the memory of `bytes` out of the swap for as long as this process lives, as far as its limit allows.
pub fn keep_from_swap(bytes: &[u8]) {
    if !bytes.is_empty() {
        // SAFETY: the range is that of a live slice; the kernel only changes how it keeps those pages.
        let locked = unsafe { rustix::mm::mlock(bytes.as_ptr().cast_mut().cast(), bytes.len()) };
        // Where the limit is used up nothing can be done.
        let _ = locked;
    }
}

/// A file without a name, in memory.
///
/// # Errors
/// The operating system's.
#[cfg(target_os = "linux")]
pub fn memory_file() -> io::Result<File> {
    Ok(File::from(rustix::fs::memfd_create(c"azward", rustix::fs::MemfdFlags::CLOEXEC)?))
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
        let limit = || getrlimit(Resource::Core);
        // Whatever there is for this test to lose.
        setrlimit(Resource::Core, Rlimit { current: limit().maximum, ..limit() }).unwrap();
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
