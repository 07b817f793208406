//! An access token as the token cache has it: its entry's fields, when it is due for renewal and when it is of no more use.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::credentials::msal::Entry;
use crate::failure::{Failure, Kind, Result};

/// For how many seconds after its grant a token is not rotated, unless its issuer says so: another would be no better.
const NEW: i64 = 60;

/// How far, in seconds, the clocks of two machines that share a home may be apart.
const SKEW: i64 = 5 * 60;

/// A token with less than this left, in seconds, is of no use to az.
pub const USELESS: i64 = 5 * 60;

/// An access token found in the cache.
#[derive(Clone, Copy)]
pub struct CachedToken<'a> {
    /// The token, raw, with its quotes.
    pub secret: &'a str,
    /// When it expires, in seconds since the epoch.
    pub expires_on: i64,
    /// When it should be refreshed, if its issuer said so.
    pub refresh_on: Option<i64>,
    /// When it was stored; 0 where that is not told.
    pub cached_at: i64,
}

impl fmt::Debug for CachedToken<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CachedToken").field("expires_on", &self.expires_on).finish_non_exhaustive()
    }
}

/// An access token taken out of the cache.
pub struct AccessToken {
    /// The token, raw, with its quotes.
    pub secret: Zeroizing<String>,
    /// When it expires, in seconds since the epoch.
    pub expires_on: i64,
    /// How many seconds were left, when it was looked up, until the first at which it is due.
    pub due_in: u64,
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AccessToken").field("expires_on", &self.expires_on).finish_non_exhaustive()
    }
}

impl CachedToken<'_> {
    /// How many seconds are left.
    pub(super) fn left(&self, now: i64) -> i64 {
        self.expires_on.saturating_sub(now)
    }

    /// Whether the token is to be rotated: it expires within `window`, or, if it lives less than three times as long, within a
    /// third of its lifetime; or its issuer wants it refreshed by now, or it was stored by a clock that was ahead, so that its
    /// times mean nothing.
    #[must_use]
    pub fn is_due(&self, now: i64, window: Duration) -> bool {
        now > self.last_second(window) || self.cached_at > now.saturating_add(SKEW)
    }

    /// The last second, since the epoch, at which it is not due.
    fn last_second(&self, window: Duration) -> i64 {
        let window = i64::try_from(window.as_secs()).unwrap_or(i64::MAX);
        let lifetime = self.expires_on.saturating_sub(self.cached_at);
        let window = if self.cached_at > 0 && lifetime > 0 { window.min(lifetime / 3) } else { window };
        let due = self.expires_on.saturating_sub(window).max(self.cached_at.saturating_add(NEW));
        // Whoever keeps one fresh renews it before it is of no use to az.
        let due = due.min(self.expires_on.saturating_sub(USELESS));
        self.refresh_on.map_or(due, |time| time.min(due))
    }

    /// The seconds until the first at which it counts as due. Its times are a file's, and may be any.
    fn due_in(&self, now: i64, window: Duration) -> u64 {
        if self.is_due(now, window) {
            return 0;
        }
        u64::try_from(self.last_second(window).saturating_add(1).saturating_sub(now)).unwrap_or(0)
    }

    /// The same, to keep.
    pub(super) fn to_token(self, now: i64, window: Duration) -> AccessToken {
        let secret = Zeroizing::new(self.secret.to_owned());
        AccessToken { secret, expires_on: self.expires_on, due_in: self.due_in(now, window) }
    }
}

/// The fields of an access token entry, borrowed: there may be a thousand of them. Times are decimal strings in the file.
#[derive(Deserialize)]
pub(super) struct Fields<'a> {
    #[serde(borrow)]
    secret: &'a serde_json::value::RawValue,
    /// None for an application's.
    #[serde(borrow, deserialize_with = "or_null")]
    pub(super) home_account_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) environment: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) client_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) realm: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) target: Cow<'a, str>,
    #[serde(borrow)]
    expires_on: Cow<'a, str>,
    #[serde(default)]
    refresh_on: Option<String>,
    #[serde(default)]
    cached_at: Option<String>,
    #[serde(default, rename = "ext_cache_key", deserialize_with = "is_there")]
    pub(super) has_ext_cache_key: bool,
}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Fields").field("target", &self.target).finish_non_exhaustive()
    }
}

/// A text that may be null, and is to be there.
fn or_null<'de: 'a, 'a, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Cow<'a, str>>, D::Error> {
    #[derive(Deserialize)]
    struct Text<'t>(#[serde(borrow)] Cow<'t, str>);
    Ok(Option::<Text<'de>>::deserialize(deserializer)?.map(|text| text.0))
}

/// Whether a field is there, be it null.
fn is_there<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl<'a> Fields<'a> {
    pub(super) fn found(&self) -> Result<CachedToken<'a>> {
        let secret = self.secret.get();
        if !secret.starts_with('"') || secret.contains('\\') {
            return Err(foreign("an access token is not a plain string"));
        }
        let number = |text: &str| text.parse::<i64>().map_err(|_| foreign("an access token's time is not a number"));
        Ok(CachedToken {
            secret,
            expires_on: number(&self.expires_on)?,
            refresh_on: self.refresh_on.as_deref().map(number).transpose()?,
            // MSAL does not look at it.
            cached_at: self.cached_at.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0),
        })
    }
}

impl<'a> Entry<'a> {
    pub(super) fn access_token(&self) -> Result<Fields<'a>> {
        let lacking = || foreign("an access token's entry lacks what every one has");
        // serde takes a list for a record.
        if !self.value.starts_with('{') {
            return Err(lacking());
        }
        serde_json::from_str(self.value).map_err(|_| lacking())
    }
}

pub(super) fn foreign(what: &str) -> Failure {
    Failure::new(Kind::CacheForeign, format!("the token cache is not understood: {what}"), "the real az reads it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_no_entry() {
        let list = "[\"s\", \"h\", \"e\", \"c\", \"r\", \"t\", \"9\", null, null]";
        let record = "{\"secret\": \"s\", \"home_account_id\": \"h\", \"environment\": \"e\", \"client_id\": \"c\", \
                      \"realm\": \"r\", \"target\": \"t\", \"expires_on\": \"9\"}";
        assert!(Entry { key: "\"k\"", value: record }.access_token().is_ok());
        assert!(Entry { key: "\"k\"", value: list }.access_token().is_err());
    }

    #[test]
    fn whatever_a_file_says_of_times_there_is_an_answer() {
        let now = 1_000_000;
        let within = |minutes: u64, expires_on: i64, refresh_on: Option<i64>, cached_at: i64| {
            let token = CachedToken { secret: "", expires_on, refresh_on, cached_at };
            token.due_in(now, Duration::from_secs(minutes * 60))
        };
        let until =
            |expires_on: i64, refresh_on: Option<i64>, cached_at: i64| within(20, expires_on, refresh_on, cached_at);
        assert_eq!((until(now + 3600, None, now - 100), until(now + 3600, Some(now + 5), now - 100)), (2401, 6));
        // What lives shorter is due later; what was just granted is not; what az would not use is.
        let lives = |lifetime: i64, ago: i64| until(now + lifetime - ago, None, now - ago);
        assert_eq!((lives(3600, 0), lives(86400, 0)), (2401, 86400 - 1199));
        assert_eq!((lives(1800, 0), lives(1800, 1200), lives(1800, 1201)), (1201, 1, 0));
        assert_eq!((lives(600, 0), lives(600, 300), lives(600, 301)), (301, 1, 0));
        assert_eq!((lives(600, 10), until(now + 600, Some(now - 1), now - 10)), (291, 0));
        assert_eq!((lives(300, 0), lives(200, 0), until(now + 700, None, 0)), (1, 0, 0));
        // Another window, within the same bounds.
        let day = |minutes: u64| within(minutes, now + 86_400, None, now);
        assert_eq!((day(5), day(60), day(720)), (86_400 - 299, 86_400 - 3599, 57_601));
        assert_eq!((within(60, now + 3600, None, now), within(5, now + 3600, None, now)), (2401, 3301));
        for time in [i64::MIN, i64::MIN + 1, -1, 0, now, i64::MAX - 1, i64::MAX] {
            for other in [i64::MIN, 0, now, i64::MAX] {
                // Whatever it comes to, it comes to an end.
                until(time, Some(other), now);
                assert_eq!(until(now + 3600, Some(other), i64::MAX), 0, "cached in the future");
            }
        }
    }
}
