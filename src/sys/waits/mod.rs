//! What a thread waits for beside a run: the run's end, a change of files, a moment in time.

#[cfg_attr(unix, path = "alarm_unix.rs")]
#[cfg_attr(windows, path = "alarm_windows.rs")]
mod alarm;
#[cfg(target_os = "linux")]
mod watch;

pub use alarm::Alarm;
#[cfg(target_os = "linux")]
pub use watch::Watch;

/// Why a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// The alarm rang.
    Rung,
    /// The file beside it has something to read.
    Readable,
    /// The time is up.
    Late,
}
