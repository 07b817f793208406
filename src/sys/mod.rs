//! All that differs by platform, under one set of names: private files, file identity, processes, signals, the user and
//! the machine. It is the only room with `unsafe`; nothing here decides anything.

#![allow(unsafe_code)]

#[cfg(unix)]
mod inherited;
#[cfg(target_os = "linux")]
mod keyctl_linux;
#[cfg(windows)]
mod processes_windows;
#[cfg(unix)]
mod signals;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use inherited::*;
#[cfg(target_os = "linux")]
pub use keyctl_linux::*;
#[cfg(windows)]
pub use processes_windows::*;
#[cfg(unix)]
pub use signals::*;
#[cfg(unix)]
pub use unix::*;
#[cfg(windows)]
pub use windows::*;
