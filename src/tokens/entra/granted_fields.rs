//! The fields of a grant. MSAL stores whatever it is given, an empty refresh token over a good one too; here what cannot be
//! those of a grant (an empty or oversized token, a lifetime that is none, a refresh token where everybody can read it) is
//! told, and the answer that has them is none.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::tokens::entra::token_response::from_object;

/// The fields of a grant.
#[derive(Deserialize)]
pub struct GrantedFields<'a> {
    /// The access token.
    pub access_token: &'a str,
    /// The refresh token that replaces the one redeemed, if there is one.
    #[serde(default)]
    pub refresh_token: Option<&'a str>,
    #[serde(default)]
    pub(super) id_token: Option<&'a str>,
    #[serde(default)]
    pub(super) client_info: Option<&'a str>,
    #[serde(default)]
    pub(super) token_type: Option<String>,
    #[serde(default)]
    pub(super) scope: Option<String>,
    #[serde(default)]
    pub(super) foci: Option<String>,
    /// An answer with an error in it is no grant, whatever else it has.
    #[serde(default, rename = "error", deserialize_with = "none_of_it")]
    _error: (),
    /// How long the access token lives, in seconds.
    #[serde(deserialize_with = "seconds")]
    pub expires_in: i64,
    #[serde(default, deserialize_with = "optional_seconds")]
    pub(super) ext_expires_in: Option<i64>,
    #[serde(default, deserialize_with = "optional_seconds")]
    pub(super) refresh_in: Option<i64>,
}

impl fmt::Debug for GrantedFields<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GrantedFields")
            .field("token_type", &self.token_type)
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

/// The longest token that is one, in bytes; Entra's have a few thousand.
const LONGEST_TOKEN: usize = 64 * 1024;

/// The longest life of a token, in seconds; Entra's longest is a little over a day.
const LONGEST_LIFE: i64 = 31 * 24 * 3600;

impl GrantedFields<'_> {
    /// Whether they can be those of a grant.
    pub(super) fn are_plausible(&self) -> bool {
        let is_life = |seconds: i64| (1..=LONGEST_LIFE).contains(&seconds);
        let is_scope = |scope: &str| {
            scope.len() <= LONGEST_TOKEN
                && scope.split(' ').all(|scope| scope.is_empty() || is_token(scope))
                && !scope.trim().is_empty()
        };
        let is_family =
            |family: &str| (1..=16).contains(&family.len()) && family.bytes().all(|b| b.is_ascii_alphanumeric());
        is_token(self.access_token)
            && self.refresh_token.is_none_or(is_token)
            && self.id_token.is_none_or(|token| token.is_empty() || is_token(token))
            && self.token_type.as_deref().is_none_or(|kind| kind.eq_ignore_ascii_case("Bearer"))
            && self.scope.as_deref().is_none_or(is_scope)
            && self.foci.as_deref().is_none_or(is_family)
            && is_life(self.expires_in)
            && self.ext_expires_in.is_none_or(|seconds| seconds == 0 || is_life(seconds))
            && self.refresh_in.is_none_or(is_life)
            // MSAL raises for one that it cannot read.
            && (self.client_info.is_none() || self.home_account_id().is_some())
            && self.refresh_token.is_none_or(|token| !self.tells(token))
    }

    /// Whether a refresh token stands in what is written to the cache for everybody to read.
    pub(super) fn tells(&self, refresh_token: &str) -> bool {
        let own = self.home_account_id();
        let texts = [
            Some(self.access_token),
            self.id_token,
            self.token_type.as_deref(),
            self.scope.as_deref(),
            self.foci.as_deref(),
            own.as_deref(),
        ];
        texts.into_iter().flatten().any(|text| text.contains(refresh_token))
    }

    /// The account that the answer is about: `{uid}.{utid}` of its client info
    /// (msal 1.39.0, `token_cache.py`, `TokenCache.__parse_account`).
    #[must_use]
    pub fn home_account_id(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct ClientInfo {
            uid: String,
            utid: String,
        }
        let json = URL_SAFE_NO_PAD.decode(self.client_info?.trim_end_matches('=')).ok()?;
        let info: ClientInfo = from_object(&json)?;
        Some(format!("{}.{}", info.uid, info.utid))
    }
}

/// Whether it is of the form of a token, as RFC 6749 (appendix A) has them, without spaces.
fn is_token(text: &str) -> bool {
    (1..=LONGEST_TOKEN).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
}

fn none_of_it<'de, D: serde::Deserializer<'de>>(_: D) -> Result<(), D::Error> {
    Err(serde::de::Error::custom("a refusal"))
}

/// A number of seconds, which some endpoints write as a string: less than a lifetime, so that times can be reckoned with it.
fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Seconds {
        Number(i32),
        Text(String),
    }
    match Seconds::deserialize(deserializer)? {
        Seconds::Number(number) => Ok(number.into()),
        Seconds::Text(text) => {
            text.parse::<i32>().map(i64::from).map_err(|_| serde::de::Error::custom("not a number of seconds"))
        }
    }
}

fn optional_seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    seconds(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use crate::tokens::entra::{Field, GrantRequest, Granted, TokenError};
    use crate::tokens::token_key::tests::sample;

    fn read(body: &str) -> Result<Granted, TokenError> {
        Granted::read(200, Some(7), Secret::from_text(body.into()))
    }

    /// An answer with some fields set to raw values, or left out.
    fn granted_with(changes: &[(&str, Option<&str>)]) -> Result<Granted, TokenError> {
        let info = URL_SAFE_NO_PAD.encode(r#"{"uid": "O", "utid": "T"}"#);
        let mut fields = vec![
            ("access_token", "\"at.at\"".to_owned()),
            ("refresh_token", "\"0.new\"".to_owned()),
            ("id_token", "\"i.d.t\"".to_owned()),
            ("client_info", format!("\"{info}\"")),
            ("token_type", "\"Bearer\"".to_owned()),
            ("scope", "\"a/b a/.default\"".to_owned()),
            ("foci", "\"1\"".to_owned()),
            ("expires_in", "3600".to_owned()),
            ("ext_expires_in", "3600".to_owned()),
            ("refresh_in", "1800".to_owned()),
        ];
        for (name, value) in changes {
            fields.retain(|(other, _)| other != name);
            fields.extend(value.map(|value| (*name, value.to_owned())));
        }
        let members: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        read(&format!("{{{}}}", members.join(", ")))
    }

    #[test]
    fn a_grant_that_cannot_be_one_is_an_error() {
        assert!(granted_with(&[]).is_ok());
        let optional = ["refresh_token", "id_token", "client_info", "token_type", "scope", "foci", "ext_expires_in"];
        for name in optional.into_iter().chain(["refresh_in"]) {
            assert!(granted_with(&[(name, None)]).is_ok(), "{name}");
        }
        for plausible in
            [("id_token", "\"\""), ("refresh_token", "null"), ("ext_expires_in", "0"), ("expires_in", "\"60\"")]
        {
            assert!(granted_with(&[(plausible.0, Some(plausible.1))]).is_ok(), "{plausible:?}");
        }
        let long = format!("\"{}\"", "a".repeat(LONGEST_TOKEN + 1));
        for name in ["access_token", "refresh_token"] {
            for value in [
                "\"\"",
                "\" \"",
                "\"a b\"",
                "\"\\t\"",
                "\"a\\n\"",
                "\"a\\u0000\"",
                "\"a\\\"b\"",
                "\"a\\\\b\"",
                "\"\u{e4}\"",
                "7",
                "true",
                "[]",
                "{}",
                long.as_str(),
            ] {
                assert!(granted_with(&[(name, Some(value))]).is_err(), "{name}: {value:.20}");
            }
        }
        assert!(
            granted_with(&[("access_token", None)]).is_err()
                && granted_with(&[("access_token", Some("null"))]).is_err()
        );
        for name in ["expires_in", "refresh_in"] {
            for value in
                ["0", "-1", "\"0\"", "\"-5\"", "2678401", "99999999999999999999", "1e3", "1.5", "\"\"", "[]", "true"]
            {
                assert!(granted_with(&[(name, Some(value))]).is_err(), "{name}: {value}");
            }
        }
        for (name, value) in [
            ("expires_in", None),
            ("expires_in", Some("null")),
            ("ext_expires_in", Some("-1")),
            ("id_token", Some("\"a b\"")),
            ("id_token", Some(long.as_str())),
            ("client_info", Some("\"\"")),
            ("client_info", Some("\"!!\"")),
            ("client_info", Some("\"e30\"")),
            ("token_type", Some("\"pop\"")),
            ("scope", Some("\"\"")),
            ("scope", Some("\" \"")),
            ("scope", Some("\"a\\nb\"")),
            ("scope", Some("\"a\\u001b[2Jb\"")),
            ("scope", Some(long.as_str())),
            ("foci", Some("\"\"")),
            ("foci", Some("\"1 2\"")),
        ] {
            assert!(granted_with(&[(name, value)]).is_err(), "{name}: {value:?}");
        }
        assert!(read(r#"{"access_token": "a", "access_token": "b", "expires_in": 60}"#).is_err());
        assert!(read(r#"{"access_token": "a", "refresh_token": "b", "refresh_token": "", "expires_in": 60}"#).is_err());
    }

    #[test]
    fn a_refresh_token_is_never_stored_where_everybody_can_read_it_nor_for_another() {
        let wanted = sample();
        let redeemed = Secret::from_text("0.old".into());
        let answers = |home_account_id: &str, changes: &[(&str, Option<&str>)]| {
            let request = GrantRequest {
                wanted: &wanted,
                home_account_id,
                environment: "e",
                form: vec![("refresh_token", Field::Secret(&redeemed))],
            };
            granted_with(changes).is_ok_and(|granted| granted.for_request(&request).is_ok())
        };
        assert!(answers("o.t", &[]) && !answers("other.t", &[]) && answers("other.t", &[("client_info", None)]));
        // An endpoint that gives back the one it was sent may well mean it.
        assert!(answers("o.t", &[("refresh_token", Some("\"0.old\""))]));
        for told in ["\"0.old\"", "\"0.new\"", "\"x0.newx\""] {
            for name in ["access_token", "id_token", "scope"] {
                assert!(!answers("o.t", &[(name, Some(told))]), "{name}: {told}");
            }
        }
        let info = URL_SAFE_NO_PAD.encode(r#"{"uid": "0.old", "utid": "T"}"#);
        assert!(!answers("o.t", &[("client_info", Some(&format!("\"{info}\"")))]));
    }
}
