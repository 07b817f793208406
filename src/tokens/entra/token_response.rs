//! The token endpoint's answer: the tokens that it grants, and the entries that they make in the token cache, field by
//! field and in the order that MSAL writes them (msal 1.39.0, `token_cache.py`, `TokenCache.__add`).
//!
//! MSAL stores whatever it is given, an empty refresh token over a good one too. Here a grant that cannot be one (an empty
//! or oversized token, a lifetime that is none, another account's, one that has a refresh token where everybody can read
//! it) is a [`TokenError`] and changes nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::azure::python_json::{Escape, quote};
use crate::secret::Secret;
use crate::tokens::access_token::{AZURE_CLI_CLIENT_ID, TokenKey};
use crate::tokens::entra::{RefreshRequest, TokenError};

/// An answer that grants an access token, still as it came.
#[derive(Debug)]
pub struct Granted(Secret);

/// The fields of a [`Granted`].
#[derive(Debug, Deserialize)]
pub struct GrantedFields<'a> {
    /// The access token.
    pub access_token: &'a str,
    /// The refresh token that replaces the one redeemed, if there is one.
    #[serde(default)]
    pub refresh_token: Option<&'a str>,
    #[serde(default)]
    id_token: Option<&'a str>,
    #[serde(default)]
    client_info: Option<&'a str>,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    foci: Option<String>,
    /// An answer with an error in it is no grant, whatever else it has.
    #[serde(default, rename = "error", deserialize_with = "none_of_it")]
    _error: (),
    /// How long the access token lives, in seconds.
    #[serde(deserialize_with = "seconds")]
    pub expires_in: i64,
    #[serde(default, deserialize_with = "optional_seconds")]
    ext_expires_in: Option<i64>,
    #[serde(default, deserialize_with = "optional_seconds")]
    refresh_in: Option<i64>,
}

/// What MSAL would add to the cache: key and entry, both raw.
#[derive(Debug)]
pub struct Additions {
    /// The access token's entry.
    pub access_token: (String, Zeroizing<String>),
    /// The id token's, if there is one.
    pub id_token: Option<(String, Zeroizing<String>)>,
    /// The client's.
    pub app_metadata: (String, Zeroizing<String>),
}

/// The longest token that is one, in bytes; Entra's have a few thousand.
const LONGEST_TOKEN: usize = 64 * 1024;

/// The longest life of a token, in seconds; Entra's longest is a little over a day.
const LONGEST_LIFE: i64 = 31 * 24 * 3600;

#[derive(Deserialize)]
struct Refused<'a> {
    #[serde(borrow)]
    error: &'a RawValue,
    #[serde(borrow, default)]
    suberror: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error_codes: Option<&'a RawValue>,
}

impl Granted {
    /// Reads an answer of the endpoint.
    ///
    /// # Errors
    /// A [`TokenError`] for whatever is not a grant.
    pub fn read(status: u16, retry_after: Option<i64>, body: Secret) -> Result<Self, TokenError> {
        if status == 429 || status >= 500 {
            return Err(TokenError::busy(format!("the endpoint answered {status}"), retry_after));
        }
        if let Some(refused) = from_object::<Refused<'_>>(body.expose()) {
            let text = |raw: &RawValue| serde_json::from_str::<&str>(raw.get()).unwrap_or_default().to_owned();
            let numbers: Option<Vec<i64>> = refused.error_codes.and_then(|raw| serde_json::from_str(raw.get()).ok());
            let suberror = refused.suberror.map(text).unwrap_or_default();
            return Err(TokenError::refused(&text(refused.error), &suberror, &numbers.unwrap_or_default()));
        }
        let granted = Self(body);
        match granted.fields() {
            Some(_) if status == 200 => Ok(granted),
            _ if matches!(status, 300..=399 | 404 | 405 | 410) => {
                Err(TokenError::left_to_az(format!("the endpoint answered {status}: it is none of Entra's")))
            }
            _ => Err(absurd(status)),
        }
    }

    /// The same, if it can be the answer to this very request.
    ///
    /// # Errors
    /// A [`TokenError`] for the grant of another account, and for one that has a refresh token where it would be stored in the
    /// clear.
    pub(super) fn for_request(self, request: &RefreshRequest<'_>) -> Result<Self, TokenError> {
        let is_answer = self.fields().is_some_and(|fields| {
            let own = fields.home_account_id();
            let is_of_account = own.is_none_or(|own| own.eq_ignore_ascii_case(request.home_account_id));
            is_of_account && !fields.tells(request.refresh_token.expose_text())
        });
        if is_answer { Ok(self) } else { Err(absurd(200)) }
    }

    /// The answer's fields; `None` when it is not of that shape.
    #[must_use]
    pub fn fields(&self) -> Option<GrantedFields<'_>> {
        from_object(self.0.expose()).filter(GrantedFields::are_plausible)
    }
}

impl GrantedFields<'_> {
    /// Whether they can be those of a grant.
    fn are_plausible(&self) -> bool {
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
    fn tells(&self, refresh_token: &str) -> bool {
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

    /// The entries that MSAL would add to the cache for what was `wanted` of the account `home_account_id`.
    #[must_use]
    pub fn additions(&self, wanted: &TokenKey, home_account_id: &str, now: i64) -> Additions {
        let mut scopes: Vec<&str> = self.scope.as_deref().unwrap_or(&wanted.scope).split_whitespace().collect();
        scopes.sort_unstable();
        let target = scopes.join(" ");
        let home_account_id = self.home_account_id().unwrap_or_else(|| home_account_id.to_owned());
        let TokenKey { environment, tenant, .. } = wanted;
        let owner = format!("{home_account_id}-{environment}");
        let client = AZURE_CLI_CLIENT_ID;
        let times = [
            ("cached_at", Some(now)),
            ("expires_on", Some(now + self.expires_in)),
            ("extended_expires_on", Some(now + self.ext_expires_in.unwrap_or(self.expires_in))),
            ("refresh_on", self.refresh_in.map(|seconds| now + seconds)),
        ]
        .map(|(name, time)| (name, time.map(|time| time.to_string())));
        let mut access_token = vec![
            ("credential_type", "AccessToken"),
            ("secret", self.access_token),
            ("home_account_id", &home_account_id),
            ("environment", environment),
            ("client_id", client),
            ("target", &target),
            ("realm", tenant),
            ("token_type", self.token_type.as_deref().unwrap_or("Bearer")),
        ];
        access_token.extend(times.iter().filter_map(|(name, time)| Some((*name, time.as_deref()?))));
        let id_token = self.id_token.filter(|token| !token.is_empty()).map(|secret| {
            let fields = [
                ("credential_type", "IdToken"),
                ("secret", secret),
                ("home_account_id", &home_account_id),
                ("environment", environment),
                ("realm", tenant),
                ("client_id", client),
            ];
            (key(&format!("{owner}-idtoken-{client}-{tenant}-")), object(&fields))
        });
        let mut app_metadata = vec![("client_id", client), ("environment", environment.as_str())];
        app_metadata.extend(self.foci.as_deref().map(|family| ("family_id", family)));
        Additions {
            access_token: (key(&format!("{owner}-accesstoken-{client}-{tenant}-{target}")), object(&access_token)),
            id_token,
            app_metadata: (key(&format!("appmetadata-{environment}-{client}")), object(&app_metadata)),
        }
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

fn absurd(status: u16) -> TokenError {
    TokenError::unreachable(format!("the endpoint answered {status} with something else than a token"))
}

fn key(text: &str) -> String {
    quote(&text.to_lowercase(), Escape::NonAscii).to_string()
}

/// An entry's object as it stands at depth two of an indented document.
fn object(fields: &[(&str, &str)]) -> Zeroizing<String> {
    let size = fields.iter().map(|(name, value)| name.len() + 2 * value.len() + 24).sum::<usize>() + 16;
    let mut object = Zeroizing::new(String::with_capacity(size));
    object.push('{');
    for (place, (name, value)) in fields.iter().enumerate() {
        object.push_str(if place > 0 { ",\n            \"" } else { "\n            \"" });
        object.push_str(name);
        object.push_str("\": ");
        object.push_str(&quote(value, Escape::NonAscii));
    }
    object.push_str("\n        }");
    object
}

/// Reads an object: serde takes a list for a record, too.
fn from_object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    serde_json::from_slice(json).ok().filter(|_| json.trim_ascii_start().starts_with(b"{"))
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
    use crate::azure::HttpsUrl;
    use crate::tokens::entra::Reason;

    fn read(status: u16, body: &str) -> Result<Granted, TokenError> {
        Granted::read(status, Some(7), Secret::from_text(body.into()))
    }

    #[test]
    fn a_grant_makes_msal_s_entries() {
        let info = URL_SAFE_NO_PAD.encode(r#"{"uid": "O", "utid": "T"}"#);
        let granted = read(
            200,
            &format!(
                r#"{{"access_token": "at", "refresh_token": "rt", "id_token": "it", "client_info": "{info}", "foci": "1",
                    "scope": "z a", "expires_in": "3600", "refresh_in": 1800, "token_type": "Bearer"}}"#
            ),
        )
        .unwrap();
        let wanted = TokenKey {
            username: "u".into(),
            tenant: "t".into(),
            authority: HttpsUrl::parse("https://e").unwrap(),
            environment: "e".into(),
            scope: "s".into(),
        };
        let fields = granted.fields().unwrap();
        assert_eq!(fields.refresh_token, Some("rt"));
        let additions = fields.additions(&wanted, "other", 100);
        assert_eq!(additions.access_token.0, format!("\"o.t-e-accesstoken-{AZURE_CLI_CLIENT_ID}-t-a z\""));
        let entry = additions.access_token.1.as_str();
        assert!(
            entry
                .starts_with("{\n            \"credential_type\": \"AccessToken\",\n            \"secret\": \"at\",\n")
        );
        assert!(
            entry.ends_with("\"extended_expires_on\": \"3700\",\n            \"refresh_on\": \"1900\"\n        }"),
            "{entry}"
        );
        assert_eq!(additions.id_token.unwrap().0, format!("\"o.t-e-idtoken-{AZURE_CLI_CLIENT_ID}-t-\""));
        assert_eq!(additions.app_metadata.0, format!("\"appmetadata-e-{AZURE_CLI_CLIENT_ID}\""));
    }

    #[test]
    fn everything_else_is_a_denial_that_says_how_long_to_be_quiet() {
        let refusal = r#"{"error": "invalid_grant", "error_codes": [700082], "error_description": "secret story"}"#;
        let token_error = read(400, refusal).unwrap_err();
        assert_eq!(
            (token_error.what.as_str(), token_error.quiet_for),
            ("the endpoint refused: invalid_grant 700082", 60)
        );
        assert_eq!(read(404, "<html>").unwrap_err().reason, Reason::LeftToAz);
        assert_eq!(read(200, "<html>").unwrap_err().reason, Reason::Silence);
        assert_eq!(read(429, "{}").unwrap_err().quiet_for, 7);
        assert_eq!(Granted::read(503, None, Secret::from_text(String::new())).unwrap_err().quiet_for, 5);
        for not_quite in [
            r#"{"error": null, "access_token": "at", "expires_in": 1}"#,
            r#"{"access_token": "at", "expires_in": 9223372036854775807}"#,
            r#"["at", null, null, null, null, null, null, null, 1, null, null]"#,
        ] {
            assert!(read(200, not_quite).is_err(), "{not_quite}");
        }
        assert!(
            read(200, "<html>").is_err() && read(200, "{}").is_err() && read(404, "{\"access_token\": 1}").is_err()
        );
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
        read(200, &format!("{{{}}}", members.join(", ")))
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
        assert!(read(200, r#"{"access_token": "a", "access_token": "b", "expires_in": 60}"#).is_err());
        assert!(
            read(200, r#"{"access_token": "a", "refresh_token": "b", "refresh_token": "", "expires_in": 60}"#).is_err()
        );
    }

    #[test]
    fn a_refresh_token_is_never_stored_where_everybody_can_read_it_nor_for_another() {
        let wanted = TokenKey {
            username: "u".into(),
            tenant: "t".into(),
            authority: HttpsUrl::parse("https://e").unwrap(),
            environment: "e".into(),
            scope: "s".into(),
        };
        let redeemed = Secret::from_text("0.old".into());
        let answers = |home_account_id: &str, changes: &[(&str, Option<&str>)]| {
            let request = RefreshRequest {
                wanted: &wanted,
                home_account_id,
                environment: "e",
                refresh_token: &redeemed,
                declares_cp1: true,
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

    #[test]
    fn nothing_that_an_endpoint_echoes_is_told() {
        let token = "1.AbCdEfGhIjKlMnOpQrStUvWxYz-0123456789";
        for echo in [
            format!(r#"{{"error": "{token}", "suberror": "{token}", "error_codes": [1, -1, 99999999999]}}"#),
            format!(r#"{{"error": ["{token}"], "suberror": {{"a": "{token}"}}, "error_codes": "{token}"}}"#),
            format!(
                r#"{{"error": "invalid_grant", "suberror": "{}", "error_codes": [{}1]}}"#,
                "x".repeat(900_000),
                "1,".repeat(99_999)
            ),
            format!(r#"{{"error": "refresh_token={token}"}}"#),
        ] {
            let token_error = read(400, &echo).unwrap_err();
            assert!(
                token_error.what.len() < 256
                    && !token_error.what.contains(token)
                    && token_error.reason == Reason::Refusal,
                "{token_error:?}"
            );
        }
    }
}
