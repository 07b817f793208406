//! Memory that others are not to see: the heap, wiped as it is given back; pages kept out of the swap; a process kept from
//! leaving a core.

#[cfg(all(unix, any(test, not(any(target_os = "linux", target_os = "android")))))]
mod cores;
mod heap;
#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

pub use heap::WipedHeap;
#[cfg(unix)]
pub(super) use platform::give_back_core_limit;
pub use platform::{harden, keep_from_swap, memory_file};
