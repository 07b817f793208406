//! Why there is no access token, in words of our own: what an endpoint or a proxy says is never told, but for codes of a
//! bounded form (RFC 6749, 5.2), because one that echoes what it was sent would have the refresh token told.

use crate::helper::Fault;

/// The longest time for which anybody is told not to ask again, in seconds.
pub const LONGEST_RETRY_AFTER: i64 = 3600;

/// For how long nobody asks again, in seconds, who would only wait for the same silence.
pub const RETRY_AFTER_SILENCE: i64 = 60;

/// The longest code of an error that is told.
const LONGEST_CODE: usize = 64;

/// How many numbers of errors are told, and the first that is too high to be one.
const NUMBERS: usize = 8;
const TOO_HIGH: i64 = 100_000_000;

/// Why there is no access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenError {
    /// What happened, for the journal: an error's code, a status, never a token.
    pub what: String,
    /// For how many seconds the same request should not be sent again.
    pub retry_after: i64,
    /// What kind it is.
    pub reason: Reason,
}

/// What kind of error it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There was none that is one, or one that asks for time, or nobody to ask.
    Unavailable,
    /// There was no answer in time.
    Silent,
    /// The endpoint said that this refresh token does not do.
    Refused,
    /// The real az has to ask: it can do what azward cannot do as az does it.
    LeftToAz,
}

impl TokenError {
    /// The endpoint could not be reached. MSAL asks again at every use; a caller that still has a good token should not wait
    /// for the same each time.
    #[must_use]
    pub fn unreachable(what: impl Into<String>) -> Self {
        Self { what: what.into(), retry_after: 15, reason: Reason::Unavailable }
    }

    /// The endpoint did not answer in time.
    #[must_use]
    pub fn silent() -> Self {
        let what = "the endpoint could not be reached: no answer in time".to_owned();
        Self { what, retry_after: RETRY_AFTER_SILENCE, reason: Reason::Silent }
    }

    /// It is the real az's to ask.
    #[must_use]
    pub fn left_to_az(what: impl Into<String>) -> Self {
        Self { what: what.into(), retry_after: 0, reason: Reason::LeftToAz }
    }

    /// The endpoint refused, with an error and a suberror, and numbers for it. MSAL keeps a refusal for a minute
    /// (msal 1.39.0, `throttled_http_client.py`, `ThrottledHttpClientBase`).
    #[must_use]
    pub fn refused(error: &str, suberror: &str, numbers: &[i64]) -> Self {
        let mut words: Vec<String> = code(error).into_iter().map(str::to_owned).collect();
        words.extend(numbers.iter().filter(|number| (0..TOO_HIGH).contains(*number)).take(NUMBERS).map(i64::to_string));
        words.extend(code(suberror).map(str::to_owned));
        let what = match words.is_empty() {
            true => "the endpoint refused".to_owned(),
            false => format!("the endpoint refused: {}", words.join(" ")),
        };
        Self { what, retry_after: 60, reason: Reason::Refused }
    }

    /// The endpoint is busy or broken and says for how long, in seconds; MSAL takes 5 where it does not say
    /// (msal 1.39.0, `throttled_http_client.py`, `_parse_http_429_5xx_retry_after`).
    #[must_use]
    pub fn busy(what: impl Into<String>, retry_after: Option<i64>) -> Self {
        let retry_after = retry_after.unwrap_or(5).clamp(1, LONGEST_RETRY_AFTER);
        Self { what: what.into(), retry_after, reason: Reason::Unavailable }
    }
}

/// The request failed on its way.
impl From<Fault> for TokenError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unreachable(what) => Self::unreachable(what),
            Fault::Silent => Self::silent(),
            Fault::LeftToAz(what) => Self::left_to_az(what),
        }
    }
}

/// A code of the form that they have; of anything else nothing is told, not even a part.
fn code(text: &str) -> Option<&str> {
    let is_code = (1..=LONGEST_CODE).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    is_code.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_error_only_a_code_is_told() {
        let told = |error: &str, suberror: &str, numbers: &[i64]| TokenError::refused(error, suberror, numbers).what;
        assert_eq!(
            told("invalid_grant", "bad_token", &[700_082]),
            "the endpoint refused: invalid_grant 700082 bad_token"
        );
        let long = "a".repeat(65);
        for odd in
            ["", "Invalid", "invalid grant", "invalid-grant", "1.AbC", "\u{1b}[2J", "a\nb", "\u{e4}", long.as_str()]
        {
            assert_eq!(told(odd, odd, &[-1, i64::MAX, TOO_HIGH]), "the endpoint refused", "{odd:?}");
        }
        assert!(told("a", &long[1..], &[7; 100_000]).len() < 256);
    }

    #[test]
    fn nobody_is_told_to_be_retry_after_longer_than_the_longest_quiet() {
        for seconds in [None, Some(i64::MIN), Some(-1), Some(0), Some(7), Some(i64::MAX)] {
            assert!((1..=LONGEST_RETRY_AFTER).contains(&TokenError::busy("x", seconds).retry_after), "{seconds:?}");
        }
    }
}
