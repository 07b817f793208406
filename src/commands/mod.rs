//! The `azward` command, one file for each subcommand. What one has to say it says through [`Ui`](crate::ui::Ui): facts on
//! stdout, a failure's two lines on stderr.

pub mod clear;
pub mod forget;
pub mod install;
pub mod list;
pub mod lock;
pub mod scrub;
pub mod start_up_files;
pub mod status;
pub mod uninstall;

use chrono::{DateTime, Local};

/// A time, in seconds since the epoch, as people here tell it.
#[must_use]
pub fn time(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0).map_or_else(
        || "at an unknown time".to_owned(),
        |time| time.with_timezone(&Local).format("%Y-%m-%d %H:%M").to_string(),
    )
}
