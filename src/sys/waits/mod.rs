//! What a thread waits for beside a run: the run's end, a change of files, a moment in time.

#[cfg_attr(unix, path = "alarm_unix.rs")]
#[cfg_attr(windows, path = "alarm_windows.rs")]
mod alarm;
#[cfg_attr(target_os = "linux", path = "watch_linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "watch_other.rs")]
mod watch;

pub use alarm::Alarm;
pub use watch::Watch;

/// Why a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// The alarm rang.
    Rung,
    /// A watched file changed.
    Changed,
    /// The time is up.
    Late,
}
