//! Which time zones musl reads as glibc does. Where azward is linked with musl, az's Python mostly is not, and what the two
//! take for different times is not told here: az answers for itself then.

use std::ffi::OsStr;

/// Tells whether `zone`, the value of `TZ`, means the same to both. A name with nothing behind it is a file's to both. Of
/// `EST5EDT` glibc looks for the file first, and musl never; rules that are not given, short names and long offsets are
/// other ones.
pub(super) fn is_read_alike(zone: &OsStr) -> bool {
    let zone = zone.as_encoded_bytes();
    let is_file = match zone.iter().position(|byte| !byte.is_ascii_alphabetic()) {
        None => true,
        Some(end) => zone[end] == b'/' || end == 0 && zone[end] == b':',
    };
    is_file || is_spelt_out(zone)
}

/// A name, how far that is from UTC, and either nothing more or a summer time with both of its rules.
fn is_spelt_out(zone: &[u8]) -> bool {
    let Some(rest) = behind_name(zone).and_then(behind_offset) else { return false };
    if rest.is_empty() {
        return true;
    }
    let Some(rest) = behind_name(rest) else { return false };
    let rest = if rest.starts_with(b",") { Some(rest) } else { behind_offset(rest) };
    rest.is_some_and(|rules| rules.starts_with(b",M") && rules.split(|byte| *byte == b',').count() == 3)
}

fn behind_name(text: &[u8]) -> Option<&[u8]> {
    let length = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    (3..=6).contains(&length).then(|| &text[length..])
}

/// Hours, at most 24 of them, and minutes where some are given.
fn behind_offset(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_prefix(b"+").or_else(|| text.strip_prefix(b"-")).unwrap_or(text);
    let length = text.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b':').count();
    let (offset, rest) = text.split_at(length);
    let (hours, minutes) = match offset.split(|byte| *byte == b':').collect::<Vec<_>>()[..] {
        [hours] => (hours, &b"00"[..]),
        [hours, minutes] => (hours, minutes),
        _ => return None,
    };
    let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<u8>().ok();
    (hours.len() <= 2 && minutes.len() == 2 && number(hours)? <= 24 && number(minutes)? < 60).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::is_read_alike;

    #[test]
    fn what_musl_takes_for_another_time_is_not_read_alike() {
        for alike in [
            "",
            ":Asia/Kolkata",
            "Europe/Berlin",
            "Etc/GMT+5",
            "/etc/localtime",
            "Nowhere/There",
            "UTC",
            "Japan",
            "Singapore",
            "US/East-Indiana",
            "GMT0",
            "JST-9",
            "UTC+05:30",
            "CET-1CEST,M3.5.0,M10.5.0/3",
            "NZST-12NZDT-13,M9.5.0,M4.1.0/3",
        ] {
            assert!(is_read_alike(alike.as_ref()), "{alike}");
        }
        for other in
            ["EST5EDT", "EST5EDT4", "CET-1CEST", "UTC-25", "<x>1", "x1", "W-SU", "EST5EDT,0,0", "EST5EDT,J60,J300"]
        {
            assert!(!is_read_alike(other.as_ref()), "{other}");
        }
    }
}
