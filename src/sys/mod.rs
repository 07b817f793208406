//! All that differs by platform, under one set of names: private files, file identity, processes, signals, the user and
//! the machine. It is the only room with `unsafe`; nothing here decides anything.

#![allow(unsafe_code)]

#[cfg(unix)]
mod alarm;
#[cfg(windows)]
mod children_windows;
#[cfg(unix)]
mod detached;
#[cfg(unix)]
mod directory_unix;
#[cfg(windows)]
mod directory_windows;
#[cfg(unix)]
mod inherited;
#[cfg(target_os = "linux")]
mod keyctl_linux;
#[cfg(unix)]
mod messages;
#[cfg(target_os = "linux")]
mod mount_namespace_linux;
#[cfg(not(target_os = "linux"))]
mod no_namespaces;
#[cfg(windows)]
mod processes_windows;
#[cfg(unix)]
mod signals;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
mod waiting_child;
#[cfg(target_os = "linux")]
mod watch_linux;
#[cfg(windows)]
mod windows;
mod wiped_heap;

#[cfg(unix)]
pub use alarm::*;
#[cfg(windows)]
pub use children_windows::*;
#[cfg(unix)]
pub use detached::*;
#[cfg(unix)]
pub use directory_unix::*;
#[cfg(windows)]
pub use directory_windows::*;
#[cfg(unix)]
pub use inherited::*;
#[cfg(target_os = "linux")]
pub use keyctl_linux::*;
#[cfg(unix)]
pub use messages::MOST_FILES;
#[cfg(target_os = "linux")]
pub use mount_namespace_linux::*;
#[cfg(not(target_os = "linux"))]
pub use no_namespaces::*;
#[cfg(windows)]
pub use processes_windows::*;
#[cfg(unix)]
pub use signals::*;
#[cfg(unix)]
pub use unix::*;
#[cfg(unix)]
pub use waiting_child::*;
#[cfg(target_os = "linux")]
pub use watch_linux::*;
#[cfg(windows)]
pub use windows::*;
pub use wiped_heap::*;
