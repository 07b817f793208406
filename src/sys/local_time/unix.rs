//! Local time on Unix: the C library's.

#[cfg(any(test, target_env = "musl"))]
#[path = "zone.rs"]
mod zone;

use chrono::{NaiveDate, NaiveDateTime};

/// The local time at so many seconds after the epoch.
#[must_use]
pub fn local_time(seconds: i64) -> Option<NaiveDateTime> {
    #[cfg(target_env = "musl")]
    if std::env::var_os("TZ").is_some_and(|zone| std::env::var_os("TZDIR").is_some() || !zone::is_read_alike(&zone)) {
        return None;
    }
    #[allow(deprecated, reason = "libc says of musl's that it will change")]
    let seconds = libc::time_t::try_from(seconds).ok()?;
    let mut parts = std::mem::MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both point to what they should for as long as the call takes, and nothing in this program changes `TZ`.
    let told = unsafe { libc::localtime_r(&raw const seconds, parts.as_mut_ptr()) };
    if told.is_null() {
        return None;
    }
    // SAFETY: all zeros are a `tm` already.
    let parts = unsafe { parts.assume_init() };
    let number = |value: i32| u32::try_from(value).ok();
    let date = NaiveDate::from_ymd_opt(parts.tm_year + 1900, number(parts.tm_mon + 1)?, number(parts.tm_mday)?)?;
    date.and_hms_opt(number(parts.tm_hour)?, number(parts.tm_min)?, number(parts.tm_sec)?)
}
