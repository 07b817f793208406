//! What keeps this process's memory from others on Unix.

use std::fs::File;
use std::io;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
use super::cores;

/// Keeps other processes of the same user from attaching to this one and the kernel from writing its core; where there is no
/// such thing, only the latter. The child's exec sets the first back to normal, and `give_back_core_limit` the second, so az
/// is as it always was.
pub fn harden() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    cores::refuse();
}

/// Gives the program that this process is about to become the caller's limit on the size of cores. For a child between fork
/// and exec.
pub(in crate::sys) fn give_back_core_limit() {
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    cores::give_back();
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

/// Has the kernel put the `length` bytes at `block` on huge pages, if it has any to give. For the heap alone: the bytes are
/// there, and nobody's yet.
#[cfg(target_os = "linux")]
pub(super) fn prefer_huge_pages(block: *mut u8, length: usize) {
    if length > 0 && !block.is_null() {
        // SAFETY: the range is within one block that the heap has just got; the kernel only changes how it keeps those pages.
        let advised = unsafe { rustix::mm::madvise(block.cast(), length, rustix::mm::Advice::LinuxHugepage) };
        // Without them it is slower.
        let _ = advised;
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
