//! The token that a caller is to be given: one that the stand-in issued, to who is signed in, of the tenant and for the resource
//! that were asked for, good for as long as it is said to be, and another than before where those are used up. It is judged by
//! its claims, which no caller looks at: a wrong token is a success to all of them.

use entra::{Entra, User};
use serde_json::Value;

use crate::support::native::claims;

/// How many seconds lie between issuing a token and whoever counts from then when it expires, on a machine that has better
/// things to do.
const LATER: i64 = 30;

/// What is asked for, and of whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) tenant: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) age: Age,
    /// How many were issued before the scene was set.
    pub(crate) issued_before: usize,
}

/// Which of them may serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// One that was there already, too.
    Any,
    /// Only one that was issued since.
    New,
    /// None: nobody is signed in.
    None,
}

impl Wanted {
    /// What is wrong with a token that somebody was given, in words, and with when it is said to expire.
    pub(crate) fn fault(&self, entra: &Entra, token: &str, expires_on: Option<i64>, now: i64) -> Option<String> {
        match entra.access_tokens_issued().iter().position(|issued| issued == token) {
            Some(place) => self.fault_of(place, &claims(token), expires_on, now),
            None => Some("a token that nobody issued".to_owned()),
        }
    }

    fn fault_of(&self, place: usize, claims: &Value, expires_on: Option<i64>, now: i64) -> Option<String> {
        let is_for_all =
            claims["scp"].as_str().is_some_and(|scope| scope.split(' ').any(|one| one == "user_impersonation"));
        let expires = claims["exp"].as_i64().unwrap_or_default();
        let is_new = place >= self.issued_before;
        // One that was made older than it is (`age_access_tokens`) is said to expire before it does.
        let earliest = if is_new { expires - LATER } else { now };
        let told = expires_on.unwrap_or(expires);
        Some(match () {
            () if self.age == Age::None => "a token, and nobody is signed in".to_owned(),
            () if claims["tid"] != self.tenant => format!("a token of {}, not of {}", claims["tid"], self.tenant),
            () if claims["aud"] != self.resource => format!("a token for {}, not for {}", claims["aud"], self.resource),
            () if !is_for_all => format!("a token for no more than {}", claims["scp"]),
            () if claims["unique_name"] != User::Alice.username() => format!("a token of {}", claims["unique_name"]),
            () if expires <= now => format!("a token that expired {} s ago", now - expires),
            () if self.age == Age::New && !is_new => "a token from before".to_owned(),
            () if told <= now => format!("a token that is said to have expired {} s ago", now - told),
            () if !(earliest..=expires + LATER).contains(&told) => {
                format!("a token that is said to expire at {told}, and does at {expires}")
            }
            () => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_that_is_not_what_was_asked_for_is_found() {
        const NOW: i64 = 4_000_000_000;
        let any = Wanted { tenant: "ours", resource: "https://vault", age: Age::Any, issued_before: 2 };
        let new = Wanted { age: Age::New, ..any };
        let good = json!({
            "tid": "ours", "aud": "https://vault", "scp": "user_impersonation", "exp": NOW + 3000,
            "unique_name": User::Alice.username(),
        });
        let but = |name: &str, value: Value| {
            let mut claims = good.clone();
            claims[name] = value;
            claims
        };
        let told = |seconds| Some(NOW + seconds);
        for (wanted, place, claims, expires_on) in [
            (any, 0, &good, told(3000)),
            (any, 0, &good, told(900)),
            (any, 0, &good, None),
            (new, 2, &good, told(3001)),
            (new, 7, &good, None),
        ] {
            assert_eq!(wanted.fault_of(place, claims, expires_on, NOW), None);
        }
        for (wanted, place, claims, expires_on) in [
            (Wanted { age: Age::None, ..any }, 7, &good, None),
            (any, 7, &but("tid", "theirs".into()), None),
            (any, 7, &but("aud", "https://vault/".into()), None),
            (any, 7, &but("scp", "User.Read".into()), None),
            (any, 7, &but("unique_name", User::Bob.username().into()), None),
            (any, 7, &but("exp", NOW.into()), None),
            (new, 1, &good, None),
            (any, 0, &good, told(0)),
            // Local time, taken for another.
            (any, 0, &good, told(3000 + 3600)),
            (new, 7, &good, told(3000 - 900)),
        ] {
            assert!(
                wanted.fault_of(place, claims, expires_on, NOW).is_some(),
                "{wanted:?} {place} {claims} {expires_on:?}"
            );
        }
    }
}
