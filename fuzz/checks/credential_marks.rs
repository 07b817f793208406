//! Any file that may hold credentials, `accessTokens.json` among them: every refresh token and secret that stands in JSON under its
//! name is counted, once, and nothing is where no such name and no key is.

use azward::azure::credential_marks::{Mark, marks};

use super::json::Json;

/// The names under which what stands is a secret.
const NAMES: [(&str, Mark); 6] = [
    ("refresh_token", Mark::RefreshToken),
    ("refreshToken", Mark::RefreshToken),
    ("client_secret", Mark::ClientSecret),
    ("clientSecret", Mark::ClientSecret),
    ("client_assertion", Mark::ClientAssertion),
    ("clientAssertion", Mark::ClientAssertion),
];

/// Checks one file; says whether anything was found in it.
pub(crate) fn check(bytes: &[u8]) -> bool {
    let found = marks(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return !found.is_empty() };
    let has_sign = ["refresh", "client_", "client", "credential_type", "servicePrincipalId", "PRIVATE KEY-----", "\\u"];
    assert!(found.is_empty() || has_sign.iter().any(|sign| text.contains(sign)), "{found:?} in nothing");
    let Ok(document) = Json::read(text.strip_prefix('\u{feff}').unwrap_or(text)) else { return !found.is_empty() };
    if !is_plain(&document, 0) {
        return !found.is_empty();
    }
    for mark in [Mark::RefreshToken, Mark::ClientSecret, Mark::ClientAssertion] {
        let named = count(&document, &|name, value| {
            NAMES.iter().any(|(own, of)| *of == mark && *own == name) && is_text(value)
        });
        let principals =
            if mark == Mark::ClientSecret { count(&document, &|_, value| is_adal_principal(value)) } else { 0 };
        let of_msal = if mark == Mark::RefreshToken { count(&document, &|_, value| is_msal_s(value)) } else { 0 };
        let told = found.get(&mark).copied().unwrap_or(0);
        // Within a text there may be more.
        assert!(
            told >= named + principals.max(of_msal),
            "{told} of {mark:?}, {named} by name, {principals}, {of_msal}"
        );
    }
    !found.is_empty()
}

/// Whether every reader of JSON reads it: no half of a surrogate pair, no number beyond the usual, and not too deep. Any other is searched as
/// text, where what is short is taken for a word.
fn is_plain(value: &Json, depth: usize) -> bool {
    let is_text = |units: &[u16]| String::from_utf16(units).is_ok();
    let is_own = match value {
        Json::Word(word) => word.len() < 16 && !word.contains(['e', 'E']) || word.starts_with(['t', 'f', 'n']),
        Json::Text(units) => is_text(units),
        Json::List(_) | Json::Object(_) => depth < 100,
    };
    let mut members = value.members().iter();
    is_own
        && value.values().iter().all(|value| is_plain(value, depth + 1))
        && members.all(|(name, value)| is_text(name) && is_plain(value, depth + 1))
}

/// How many values of a document are such, each with the name of its member.
fn count(value: &Json, is_one: &dyn Fn(&str, &Json) -> bool) -> usize {
    fn walk(name: &str, value: &Json, is_one: &dyn Fn(&str, &Json) -> bool) -> usize {
        let own = usize::from(is_one(name, value));
        let within: usize = value.values().iter().map(|value| walk(name, value, is_one)).sum();
        let members = value.members().iter().map(|(name, value)| walk(&String::from_utf16_lossy(name), value, is_one));
        own + within + members.sum::<usize>()
    }
    walk("", value, is_one)
}

fn is_text(value: &Json) -> bool {
    matches!(value, Json::Text(units) if !units.is_empty())
}

/// ADAL's entry of a service principal, whose secret is called an access token.
fn is_adal_principal(value: &Json) -> bool {
    let has = |name: &str| value.get(name).is_some_and(is_text);
    has_once(value) && has("servicePrincipalId") && has("accessToken")
}

fn is_msal_s(value: &Json) -> bool {
    has_once(value)
        && value.get_text("credential_type").as_deref() == Some("RefreshToken")
        && value.get("secret").is_some_and(is_text)
}

/// No member stands twice: of those azward and Python may each take another.
fn has_once(value: &Json) -> bool {
    let names: Vec<_> = value.members().iter().map(|(name, _)| name).collect();
    names.iter().enumerate().all(|(at, name)| !names[..at].contains(name))
}
