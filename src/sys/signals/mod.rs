//! Signals, or what the system has in their place: whose they are while az runs, whether one came before that, and how this
//! process ends as its child did.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

#[cfg(windows)]
pub(super) use platform::hand_events_to;
#[cfg(unix)]
pub(super) use platform::{Action, hand_signals_to, is_ignored, leave_to_az_in_child, set_action};
pub use platform::{die_of, exit_as, pending_signal, take_signals};
