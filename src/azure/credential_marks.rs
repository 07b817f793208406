//! Which long-lived credentials a file's bytes hold, by what az, ADAL and MSAL call them, whatever the file is: JSON that
//! parses is walked, anything else (a torn cache, an editor's swap file, a log) is searched for the same names. Only counted:
//! no value is kept or returned. What is encrypted, compressed or named otherwise is not found, and the caller says so
//! where it can tell.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

/// A kind of long-lived credential, whether or not azward can keep it: what it does keep is `LONG_LIVED` in `credentials`, and
/// a test there holds that to this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// A user's refresh token.
    RefreshToken,
    /// A service principal's secret.
    ClientSecret,
    /// A signed assertion that stands for a service principal.
    ClientAssertion,
    /// The name of a file with a service principal's certificate and key.
    CertificateFile,
    /// A private key.
    PrivateKey,
}

/// How many there are of each kind.
pub type Marks = BTreeMap<Mark, usize>;

/// The shortest value that is taken for a secret where it is not known to be one: a word of prose is none.
const SHORTEST: usize = 16;

/// The longest name that is looked for, with what may stand around it: a string that has one is longer.
const LONGEST_NAME: usize = 40;

impl Mark {
    /// In words, for `count` of them.
    #[must_use]
    pub fn words(self, count: usize) -> String {
        let word = match self {
            Self::RefreshToken => "refresh token",
            Self::ClientSecret => "client secret",
            Self::ClientAssertion => "client assertion",
            Self::CertificateFile => "path of a certificate",
            Self::PrivateKey => "private key",
        };
        match (count, self) {
            (1, _) => format!("1 {word}"),
            (_, Self::CertificateFile) => format!("{count} paths of certificates"),
            _ => format!("{count} {word}s"),
        }
    }

    /// What a member of this name holds, as OAuth 2.0 and az spell it (azure-cli-core 2.91.0, `auth/identity.py`,
    /// `ServicePrincipalAuth.get_entry_to_persist`), and as ADAL and others do.
    fn named(name: &str) -> Option<Self> {
        match name {
            "refresh_token" | "refreshToken" => Some(Self::RefreshToken),
            "client_secret" | "clientSecret" => Some(Self::ClientSecret),
            "client_assertion" | "clientAssertion" => Some(Self::ClientAssertion),
            _ => None,
        }
    }
}

/// Counts what is in `bytes`.
#[must_use]
pub fn marks(bytes: &[u8]) -> Marks {
    let bytes = as_utf8(bytes);
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut found = Marks::new();
    let mut parser = serde_json::Deserializer::from_slice(text);
    let walked = Walk { name: "", found: &mut found }.deserialize(&mut parser).and_then(|_| parser.end());
    if walked.is_err() {
        found.clear();
        search(text, &mut found);
    }
    found
}

/// What PowerShell writes, as UTF-8.
fn as_utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    let unit = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => return Cow::Borrowed(bytes),
    };
    let units = Zeroizing::new(bytes[2..].as_chunks().0.iter().map(|pair| unit(*pair)).collect::<Vec<u16>>());
    Cow::Owned(String::from_utf16_lossy(&units).into_bytes())
}

fn add(found: &mut Marks, mark: Mark) {
    *found.entry(mark).or_default() += 1;
}

/// Walks one JSON value, which is a member called `name`.
struct Walk<'a> {
    name: &'a str,
    found: &'a mut Marks,
}

/// What an object was seen to have, for what only several members tell together.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one member")]
struct Seen {
    is_refresh_token: bool,
    has_secret: bool,
    is_principal: bool,
    is_adal_principal: bool,
    has_access_token: bool,
    has_certificate: bool,
}

/// What a value turned out to be.
enum Value {
    /// Text; `true` for the word that MSAL calls a refresh token by.
    Text {
        says_refresh_token: bool,
    },
    Empty,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        if text.is_empty() {
            return Ok(Value::Empty);
        }
        match Mark::named(self.name) {
            Some(mark) => add(self.found, mark),
            // A document within the document, or a key.
            None if text.len() > LONGEST_NAME => search(text.as_bytes(), self.found),
            None => {}
        }
        Ok(Value::Text { says_refresh_token: text == "RefreshToken" })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut seen = Seen::default();
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            let value = members.next_value_seed(Walk { name: &name, found: &mut *self.found })?;
            let Value::Text { says_refresh_token } = value else { continue };
            match &*name {
                "credential_type" => seen.is_refresh_token = says_refresh_token,
                "secret" => seen.has_secret = true,
                "client_id" => seen.is_principal = true,
                "servicePrincipalId" => (seen.is_principal, seen.is_adal_principal) = (true, true),
                "accessToken" => seen.has_access_token = true,
                "certificate" | "certificateFile" => seen.has_certificate = true,
                _ => {}
            }
        }
        // What ADAL's entry of a service principal calls an access token is its secret.
        if seen.is_adal_principal && seen.has_access_token {
            add(self.found, Mark::ClientSecret);
        }
        if seen.is_refresh_token && seen.has_secret {
            add(self.found, Mark::RefreshToken);
        }
        if seen.is_principal && seen.has_certificate {
            add(self.found, Mark::CertificateFile);
        }
        Ok(Value::Empty)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        while items.next_element_seed(Walk { name: self.name, found: &mut *self.found })?.is_some() {}
        Ok(Value::Empty)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Empty)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Empty)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Empty)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Empty)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Empty)
    }
}

/// The names that are searched for where there is no JSON to walk. MSAL's says its kind in its value.
const NAMES: [(&str, Option<Mark>); 7] = [
    ("refresh_token", Some(Mark::RefreshToken)),
    ("refreshToken", Some(Mark::RefreshToken)),
    ("client_secret", Some(Mark::ClientSecret)),
    ("clientSecret", Some(Mark::ClientSecret)),
    ("client_assertion", Some(Mark::ClientAssertion)),
    ("clientAssertion", Some(Mark::ClientAssertion)),
    ("credential_type", None),
];

/// Counts `name: value` and `name = value` in any text, quoted or not, and private keys.
fn search(text: &[u8], found: &mut Marks) {
    for (name, mark) in NAMES {
        for place in places(text, name.as_bytes()) {
            let is_part = place > 0 && (text[place - 1].is_ascii_alphanumeric() || text[place - 1] == b'_');
            let value = if is_part { b"" } else { value_after(&text[place + name.len()..]) };
            match mark {
                Some(mark) if value.len() >= SHORTEST => add(found, mark),
                None if value == b"RefreshToken" => add(found, Mark::RefreshToken),
                _ => {}
            }
        }
    }
    for place in places(text, b"PRIVATE KEY-----") {
        let before = &text[place.saturating_sub(LONGEST_NAME)..place];
        if places(before, b"-----BEGIN ").next().is_some() {
            add(found, Mark::PrivateKey);
        }
    }
}

/// The value after a name, up to where it cannot go on; nothing if there is none.
fn value_after(rest: &[u8]) -> &[u8] {
    let skip = |text: &'_ [u8], more: &[u8]| text.iter().take_while(|byte| more.contains(byte)).count();
    let rest = &rest[skip(rest, b"\\\"' \t\r\n")..];
    let [b':' | b'=', rest @ ..] = rest else { return b"" };
    let rest = &rest[skip(rest, b"\\\"' \t\r\n")..];
    let is_of_value = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-_.~+/=!@#$%^&*".contains(byte);
    &rest[..rest.iter().take_while(is_of_value).count()]
}

/// Where `wanted` begins in `text`.
fn places<'t>(text: &'t [u8], wanted: &'t [u8]) -> impl Iterator<Item = usize> + 't {
    let first = wanted[0];
    (0..text.len().saturating_sub(wanted.len() - 1))
        .filter(move |&at| text[at] == first && text[at..].starts_with(wanted))
}

#[cfg(test)]
mod tests {
    use serde::de::IgnoredAny;

    use super::*;

    fn counted(text: &str) -> Vec<(Mark, usize)> {
        marks(text.as_bytes()).into_iter().collect()
    }

    const MSAL: &str = r#"{"RefreshToken": {"k": {"credential_type": "RefreshToken", "secret": "0.AXoAdmeRefreshTokenText"}},
        "AccessToken": {"k": {"credential_type": "AccessToken", "secret": "eyJ0eXAiOiJKV1QifQ.e30.x"}}}"#;
    const ADAL: &str = r#"[{"accessToken": "eyJ0", "refreshToken": "0.AXoAdmeRefreshTokenText", "userId": "u"},
        {"servicePrincipalId": "a", "servicePrincipalTenant": "t", "accessToken": "s"},
        {"servicePrincipalId": "a", "certificateFile": "/home/u/a.pem", "thumbprint": "T"}]"#;
    const PRINCIPALS: &str = r#"[{"client_id": "a", "tenant": "t", "client_secret": "s"},
        {"client_id": "b", "tenant": "t", "client_assertion": "j"}, {"client_id": "c", "certificate": "/c.pem"}]"#;

    #[test]
    fn each_kind_is_counted_in_each_of_az_s_files() {
        assert_eq!(counted(MSAL), [(Mark::RefreshToken, 1)]);
        let adal = [(Mark::RefreshToken, 1), (Mark::ClientSecret, 1), (Mark::CertificateFile, 1)];
        assert_eq!(counted(ADAL), adal);
        let principals = [(Mark::ClientSecret, 1), (Mark::ClientAssertion, 1), (Mark::CertificateFile, 1)];
        assert_eq!(counted(PRINCIPALS), principals);
        assert_eq!(counted(&format!("\u{feff}{MSAL}")), [(Mark::RefreshToken, 1)]);
    }

    #[test]
    fn what_was_scrubbed_is_not_counted() {
        for text in
            ["", "{}", "[]", "{\"RefreshToken\": {}}", "{\"refreshToken\": \"\", \"refresh_token\": null}", "null"]
        {
            assert_eq!(counted(text), [], "{text}");
        }
        assert_eq!(counted("a refresh_token: none, and the client_secret = hidden, grant_type=refresh_token"), []);
    }

    #[test]
    fn what_is_torn_or_no_json_is_searched() {
        let torn = MSAL.split_once("AccessToken").unwrap().0;
        assert!(torn.contains("secret") && serde_json::from_str::<IgnoredAny>(torn).is_err());
        assert_eq!(counted(torn), [(Mark::RefreshToken, 1)]);
        assert_eq!(counted(&format!("b0VIM 9.1\0\0{MSAL}\0\0{MSAL}")), [(Mark::RefreshToken, 2)]);
        assert_eq!(counted("[az]\nrefresh_token = 0.AXoAdmeRefreshTokenText\n"), [(Mark::RefreshToken, 1)]);
        assert_eq!(counted("-----BEGIN RSA PRIVATE KEY-----\nMII\n"), [(Mark::PrivateKey, 1)]);
        let nested = serde_json::to_string(&[MSAL]).unwrap();
        assert_eq!(counted(&nested), [(Mark::RefreshToken, 1)]);
        let wide: Vec<u8> = [0xfeff].into_iter().chain(MSAL.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        assert_eq!(marks(&wide).into_iter().collect::<Vec<_>>(), [(Mark::RefreshToken, 1)]);
        assert_eq!(marks(b"\xff\xfe").len() + marks(b"\xfe\xff\xd8").len(), 0);
    }
}
