//! The token endpoint's answer: what is taken for a grant is one to MSAL, and makes the entries that MSAL would make of it
//! (msal 1.39.0, `token_cache.py`, `TokenCache.__add`). What is said of a refusal has no token in it.

use azward::azure::{AZURE_CLI_CLIENT_ID, HttpsUrl};
use azward::credentials::msal::Additions;
use azward::secret::Secret;
use azward::tokens::entra::{Granted, GrantedFields};
use azward::tokens::{TokenKey, Who};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::json::{Json, NotRead};

const NOW: i64 = 1_760_000_000;

/// Checks one body under several statuses; says whether it was understood.
pub(crate) fn check(bytes: &[u8]) -> bool {
    // What is not UTF-8 is replaced (requests 2.32, `models.py`, `Response.text`).
    let document = Json::read(&String::from_utf8_lossy(bytes));
    if document == Err(NotRead::TooDeep) {
        return false;
    }
    let document = document.ok().map(|document| document.in_python());
    let mut is_understood = false;
    for status in [200, 400, 404, 429, 503] {
        match Granted::read(status, Some(7), Secret::new(bytes.to_vec())) {
            Ok(granted) => {
                assert_eq!(status, 200);
                let fields = granted.fields().expect("it was granted for its fields");
                let document = document.as_ref().expect("MSAL would raise");
                compare(&fields, document);
                is_understood = true;
            }
            Err(token_error) => {
                assert!((0..=3600).contains(&token_error.retry_after), "{token_error:?}");
                let text =
                    |name: &str| document.as_ref().and_then(|document| document.get_text(name)).unwrap_or_default();
                for token in ["access_token", "refresh_token", "id_token"].map(text) {
                    // Unless it is of the very form of a code and given as one, or is words of ours.
                    let is_told = text("error") == token || text("suberror") == token;
                    let is_token = token.len() >= 12 && !token.contains(' ');
                    assert!(!is_token || is_told || !token_error.what.contains(&token), "{token_error:?}");
                }
                assert!(
                    token_error.what.len() < 300 && token_error.what.bytes().all(|byte| matches!(byte, b' '..=b'~')),
                    "{token_error:?}"
                );
            }
        }
    }
    is_understood
}

fn compare(fields: &GrantedFields<'_>, document: &Json) {
    assert!(matches!(document, Json::Object(_)), "MSAL would want a dictionary");
    assert!(document.get("error").is_none(), "MSAL takes it for a refusal");
    let wanted = TokenKey {
        who: Who::Person,
        username: "ann@contoso.com".into(),
        tenant: "aaaaaaaa-1111-4a4a-8a8a-aaaaaaaaaaaa".into(),
        authority: HttpsUrl::parse("https://login.example").expect("it is plain"),
        environment: "login.example".into(),
        scope: "https://management.core.windows.net//.default".into(),
    };
    assert_eq!(document.get_text("access_token").as_deref(), Some(fields.access_token));
    assert_eq!(document.get_text("refresh_token").as_deref(), fields.refresh_token);
    assert_eq!(seconds(document, "expires_in"), Some(i128::from(fields.expires_in)));
    let own = fields.home_account_id();
    if let Some(own) = &own {
        assert_eq!(Some(own), home_account_id(document).as_ref());
    }
    let home_account_id = own.unwrap_or_else(|| "Home.Tenant".to_owned());
    let Additions { access_token, id_token, app_metadata } = fields.additions(&wanted, "Home.Tenant", NOW);

    let scope = document.get_text("scope").unwrap_or_else(|| wanted.scope.clone());
    // Python would split it there as well; no scope has such characters.
    if scope.contains(['\u{1c}', '\u{1d}', '\u{1e}', '\u{1f}']) {
        return;
    }
    let mut target: Vec<&str> = scope.split_whitespace().collect();
    target.sort_unstable();
    let target = target.join(" ");
    let text = |name: &str| document.get_text(name).filter(|text| !text.is_empty());
    let time = |seconds: i128| Some((i128::from(NOW) + seconds).to_string());
    let expires_in = seconds(document, "expires_in").expect("compared above");
    let client = AZURE_CLI_CLIENT_ID;
    let TokenKey { environment, tenant, .. } = &wanted;
    let key = format!("{home_account_id}-{environment}-AccessToken-{client}-{tenant}-{target}");
    let entry = object(&[
        ("credential_type", Some("AccessToken".into())),
        ("secret", document.get_text("access_token")),
        ("home_account_id", Some(home_account_id.clone())),
        ("environment", Some(environment.clone())),
        ("client_id", Some(client.into())),
        ("target", Some(target)),
        ("realm", Some(tenant.clone())),
        ("token_type", Some(document.get_text("token_type").unwrap_or_else(|| "Bearer".into()))),
        ("cached_at", Some(NOW.to_string())),
        ("expires_on", time(expires_in)),
        ("extended_expires_on", time(seconds(document, "ext_expires_in").unwrap_or(expires_in))),
        ("refresh_on", seconds(document, "refresh_in").and_then(time)),
    ]);
    assert_same(&access_token, &key, &entry);
    let key = format!("{home_account_id}-{environment}-IdToken-{client}-{tenant}-");
    let entry = object(&[
        ("credential_type", Some("IdToken".into())),
        ("secret", document.get_text("id_token")),
        ("home_account_id", Some(home_account_id)),
        ("environment", Some(environment.clone())),
        ("realm", Some(tenant.clone())),
        ("client_id", Some(client.into())),
    ]);
    assert!(id_token.is_some() || text("id_token").is_none(), "an id token is missing");
    if let Some(id_token) = id_token {
        assert_same(&id_token, &key, &entry);
    }
    let entry = object(&[
        ("client_id", Some(client.into())),
        ("environment", Some(environment.clone())),
        ("family_id", document.get_text("foci")),
    ]);
    assert_same(&app_metadata, &format!("appmetadata-{environment}-{client}"), &entry);
}

fn assert_same((key, entry): &(String, impl AsRef<str>), expected_key: &str, expected: &Json) {
    assert_eq!(Json::read(key), Ok(Json::text(&expected_key.to_lowercase())));
    assert_eq!(Json::read(entry.as_ref()).as_ref(), Ok(expected));
}

fn object(fields: &[(&str, Option<String>)]) -> Json {
    fields.iter().fold(Json::empty(), |object, (name, value)| match value {
        Some(value) => object.with(name, Json::text(value)),
        None => object,
    })
}

/// What `int(…)` makes of a number of seconds.
fn seconds(document: &Json, name: &str) -> Option<i128> {
    match document.get(name)? {
        Json::Word(word) => word.parse().ok(),
        text => text.as_text()?.parse().ok(),
    }
}

/// `TokenCache.__parse_account`: the account of the client info.
fn home_account_id(document: &Json) -> Option<String> {
    let client_info = document.get_text("client_info")?;
    let decoded = URL_SAFE_NO_PAD.decode(client_info.trim_end_matches('=')).ok()?;
    let client_info = Json::read(std::str::from_utf8(&decoded).ok()?).ok()?.in_python();
    Some(format!("{}.{}", client_info.get_text("uid")?, client_info.get_text("utid")?))
}
