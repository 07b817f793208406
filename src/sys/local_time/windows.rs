//! Local time on Windows.

use chrono::{DateTime, Local, NaiveDateTime};

/// The local time at so many seconds after the epoch.
#[must_use]
pub fn local_time(seconds: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp(seconds, 0).map(|time| time.with_timezone(&Local).naive_local())
}
