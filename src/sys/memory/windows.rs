//! What keeps this process's memory from others on Windows, as far as anything does.

use std::fs::File;
use std::io;

use windows_sys::Win32::System::ErrorReporting::{WER_FAULT_REPORTING_FLAG_NOHEAP, WerSetFlags};
use windows_sys::Win32::System::Memory::VirtualLock;

/// Keeps the memory of `bytes` out of the page file, as far as the working set allows.
pub fn keep_from_swap(bytes: &[u8]) {
    // SAFETY: the range is that of a live slice; the system only changes how it keeps those pages.
    unsafe { VirtualLock(bytes.as_ptr().cast_mut().cast(), bytes.len()) };
}

/// Keeps this process's memory out of the system's error reports. Other processes of the same user may always read it
/// here: nothing that the user may do can be kept from them.
pub fn harden() {
    // SAFETY: takes a number only. It cannot fail in a way that could be helped.
    unsafe {
        WerSetFlags(WER_FAULT_REPORTING_FLAG_NOHEAP);
    }
}

/// There is none here, and no private copy that would need one.
///
/// # Errors
/// Always.
pub fn memory_file() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}
