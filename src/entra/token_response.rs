//! The token endpoint's answer: the tokens that it grants, and the entries that they make in the token cache, field by
//! field and in the order that MSAL writes them (msal 1.39.0, `token_cache.py`, `TokenCache.__add`).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::azure::access_token::{AZURE_CLI_CLIENT_ID, Wanted};
use crate::azure::python_json::{Escape, quote};
use crate::entra::Denial;
use crate::secret::Secret;

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

#[derive(Deserialize)]
struct Refused {
    error: String,
    #[serde(default)]
    suberror: Option<String>,
    #[serde(default)]
    error_codes: Vec<i64>,
}

impl Granted {
    /// Reads an answer of the endpoint.
    ///
    /// # Errors
    /// A [`Denial`] for whatever is not a grant.
    pub fn read(status: u16, retry_after: Option<i64>, body: Secret) -> Result<Self, Denial> {
        if status == 429 || status >= 500 {
            return Err(Denial::busy(format!("the endpoint answered {status}"), retry_after));
        }
        if let Ok(refused) = serde_json::from_slice::<Refused>(body.expose()) {
            let codes: Vec<String> = refused.error_codes.iter().map(i64::to_string).collect();
            let more = refused.suberror.unwrap_or_default();
            return Err(Denial::refused(format!("the endpoint refused: {} {} {more}", refused.error, codes.join(" "))));
        }
        let granted = Self(body);
        match granted.fields() {
            Some(_) if status == 200 => Ok(granted),
            _ if matches!(status, 300..=399 | 404 | 405 | 410) => {
                Err(Denial::foreign(format!("the endpoint answered {status}: it is none of Entra's")))
            }
            _ => Err(Denial::unreachable(format!("the endpoint answered {status} with something else than a token"))),
        }
    }

    /// The answer's fields; `None` when it is not of that shape.
    #[must_use]
    pub fn fields(&self) -> Option<GrantedFields<'_>> {
        from_object(self.0.expose())
    }
}

impl GrantedFields<'_> {
    /// The entries that MSAL would add to the cache for what was `wanted` of the account `home_account_id`.
    #[must_use]
    pub fn additions(&self, wanted: &Wanted, home_account_id: &str, now: i64) -> Additions {
        let mut scopes: Vec<&str> = self.scope.as_deref().unwrap_or(&wanted.scope).split_whitespace().collect();
        scopes.sort_unstable();
        let target = scopes.join(" ");
        let home_account_id = self.home_account_id().unwrap_or_else(|| home_account_id.to_owned());
        let Wanted { environment, tenant, .. } = wanted;
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
        let id_token = self.id_token.map(|secret| {
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

    fn read(status: u16, body: &str) -> Result<Granted, Denial> {
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
        let wanted = Wanted {
            username: "u".into(),
            tenant: "t".into(),
            authority: "https://e".into(),
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
        let denial = read(400, refusal).unwrap_err();
        assert_eq!((denial.what.as_str(), denial.quiet_for), ("the endpoint refused: invalid_grant 700082 ", 60));
        assert!(read(404, "<html>").unwrap_err().is_foreign && !read(200, "<html>").unwrap_err().is_foreign);
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
}
