//! MSAL's token cache: what azward reads in it is there, what it edits is changed as meant and nothing else is, what it takes
//! out comes back, and a token that it would answer with is one that MSAL would use.

use std::time::Duration;

use azward::azure::{AZURE_CLI_CLIENT_ID, HttpsUrl};
use azward::credentials::edit;
use azward::credentials::msal::{self, Additions, Entry, Section, TokenCache};
use azward::credentials::origin::{Order, Origin};
use azward::tokens::access_token::USELESS;
use azward::tokens::{TokenKey, Who};
use azward::vault::{Contents, CredentialKind, Owner, Record, Rival};
use zeroize::Zeroizing;

use super::json::{Json, NotRead};

/// Checks one token cache; says whether it was understood.
pub(crate) fn check(bytes: &[u8]) -> bool {
    // What is not UTF-8 is refused when the file is read.
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(cache) = TokenCache::parse(text) else { return false };
    let document = match Json::read(text) {
        _ if text.trim().is_empty() => Json::empty(),
        Ok(document) => document,
        Err(NotRead::TooDeep) => return false,
        Err(NotRead::Malformed) => panic!("no JSON, and read all the same"),
    };
    for section in Section::ALL {
        entries_are_all_there(&cache, &document, section);
        a_section_is_edited_alone(&cache, &document, section);
    }
    fields_are_set(&cache);
    nothing_is_lost(&cache, &document);
    tokens_are_added(&cache, &document);
    answers_are_msal_s(&cache, &document);
    true
}

fn entries_are_all_there(cache: &TokenCache<'_>, document: &Json, section: Section) {
    let entries = cache.entries(section).expect("the cache was understood");
    let expected = document.get(section.name()).map(Json::members).unwrap_or_default();
    assert_eq!(entries.len(), expected.len(), "{section:?}");
    for (entry, (key, value)) in entries.iter().zip(expected) {
        assert_eq!(Json::read(entry.key).as_ref(), Ok(&Json::Text(key.clone())));
        assert_eq!(Json::read(entry.value).as_ref(), Ok(value));
    }
}

fn a_section_is_edited_alone(cache: &TokenCache<'_>, document: &Json, section: Section) {
    let entries = cache.entries(section).expect("the cache was understood");
    let is_there = document.get(section.name()).is_some();
    let without = cache.with_entries(section, &[]);
    let expected = if is_there { document.clone().with(section.name(), Json::empty()) } else { document.clone() };
    assert_eq!(parsed(&without), expected, "{section:?} emptied");
    let emptied = TokenCache::parse(&without).expect("azward wrote it");
    assert_eq!(parsed(&emptied.with_entries(section, &entries)), *document, "{section:?} put back");
    let upserted = cache.with_upserted(section, &entries).expect("the cache was understood");
    assert_eq!(parsed(&upserted).in_python(), document.in_python(), "{section:?} put where it is");
    let new = Entry { key: "\"new\"", value: "{\"is\": [\"new\"]}" };
    let upserted = cache.with_upserted(section, &[new]).expect("the cache was understood");
    let mut members = document.get(section.name()).cloned().unwrap_or(Json::empty()).in_python();
    members = members.with("new", Json::read(new.value).unwrap());
    assert_eq!(parsed(&upserted).in_python(), document.in_python().with(section.name(), members), "{section:?}");
}

fn fields_are_set(cache: &TokenCache<'_>) {
    for entry in cache.entries(Section::RefreshToken).expect("the cache was understood") {
        let text = entry.with_fields(&[("secret", "\"set\""), ("added", "[1.0]")]).expect("it is an object");
        let expected = parsed(entry.value).in_python().with("secret", Json::text("set"));
        let expected = expected.with("added", Json::List(vec![Json::Word("1.0".into())]));
        assert_eq!(parsed(&text).in_python(), expected);
    }
}

/// Harvest, scrub, inject: every refresh token is in the vault, none is in the file, all of them are back.
fn nothing_is_lost(cache: &TokenCache<'_>, document: &Json) {
    let document = document.in_python();
    let mut contents = Contents::default();
    msal::harvest(cache, &mut contents, 0, Origin::Sweep, Order::Unknown).expect("the cache was understood");
    let tokens = document.get("RefreshToken").map(Json::members).unwrap_or_default();
    let kept = |key: &[u16], value: &Json| {
        let is_it = |key: &[u16], text: &str| parsed(text) == Json::Text(key.to_vec());
        let mut kept = contents.of(CredentialKind::RefreshToken).filter(|kept| is_it(key, &kept.id));
        kept.any(|kept| parsed(kept.entry.expose_text()).in_python() == *value)
    };
    for (key, value) in tokens {
        assert!(kept(key, value), "a refresh token is not in the vault");
    }
    let again = msal::harvest(cache, &mut duplicate(&contents), 1, Origin::Rotation, Order::Unknown)
        .expect("the cache was understood");
    assert!(!again.is_changed, "a second harvest found {again:?}");

    let scrubbed = edit::scrub(cache, &contents).expect("the cache was understood");
    assert_eq!(scrubbed.is_some(), !tokens.is_empty());
    let scrubbed = scrubbed.unwrap_or_else(|| Zeroizing::new(String::new()));
    if tokens.is_empty() {
        return;
    }
    let without = document.clone().with("RefreshToken", Json::empty());
    assert_eq!(parsed(&scrubbed).in_python(), without, "scrubbed");

    let scrubbed = TokenCache::parse(&scrubbed).expect("azward wrote it");
    let injected = msal::inject(&scrubbed, &contents, |_| false).expect("azward wrote it");
    let injected = injected.map_or_else(|| without.clone(), |text| parsed(&text).in_python());
    let accounts = document.get("Account").map(Json::members).unwrap_or_default();
    let owner = |entry: &Json| (entry.get_text("home_account_id"), entry.get_text("environment"));
    let has_account = |token: &Json| accounts.iter().any(|(_, account)| owner(account) == owner(token));
    let back = tokens.iter().filter(|(_, token)| has_account(token)).cloned().collect();
    assert_eq!(injected, document.clone().with("RefreshToken", Json::Object(back)), "injected");
}

/// What a rotation adds is there, and nothing else has changed.
fn tokens_are_added(cache: &TokenCache<'_>, document: &Json) {
    let entry = |key: &str| (format!("\"{key}\""), Zeroizing::new("{\"secret\": \"fresh\"}".to_owned()));
    let additions = Additions { access_token: entry("at"), id_token: Some(entry("it")), app_metadata: entry("am") };
    let text = msal::add_tokens(cache, &additions, &Contents::default(), None).expect("the cache was understood");
    let mut expected = document.in_python();
    for (section, key) in [("AccessToken", "at"), ("IdToken", "it"), ("AppMetadata", "am")] {
        let members = expected.get(section).cloned().unwrap_or(Json::empty());
        let members = members.with(key, Json::empty().with("secret", Json::text("fresh")));
        expected = expected.with(section, members);
    }
    assert_eq!(parsed(&text).in_python(), expected);
}

/// For every account and every access token there is: what azward finds, MSAL would use.
fn answers_are_msal_s(cache: &TokenCache<'_>, document: &Json) {
    let document = document.in_python();
    let entries = |name: &str| {
        let members = document.get(name).map(Json::members).unwrap_or_default();
        members.iter().map(|(_, entry)| entry.clone()).collect::<Vec<_>>()
    };
    let (accounts, tokens) = (entries("Account"), entries("AccessToken"));
    for account in accounts.iter().take(4) {
        for token in tokens.iter().take(8) {
            let text = |entry: &Json, name: &str| entry.get_text(name).unwrap_or_default();
            for scope in text(token, "target").split_whitespace().take(2) {
                let wanted = TokenKey {
                    who: Who::Person,
                    username: text(account, "username"),
                    tenant: text(token, "realm"),
                    authority: HttpsUrl::parse("https://login.example").expect("it is plain"),
                    environment: text(token, "environment").to_lowercase(),
                    scope: scope.to_owned(),
                };
                let expires_on: i64 = text(token, "expires_on").parse().unwrap_or_default();
                for now in [0, 1_760_000_000, expires_on.saturating_sub(USELESS).max(0)] {
                    compare(cache, &document, &wanted, now);
                }
            }
        }
    }
}

/// How long before its expiry a token is due.
const WINDOW: Duration = Duration::from_secs(20 * 60);

fn compare(cache: &TokenCache<'_>, document: &Json, wanted: &TokenKey, now: i64) {
    // Whatever these come to, they come to an end.
    let _ = wanted.due(cache, now, WINDOW);
    let Ok(Some(account)) = wanted.account(cache) else { return };
    assert_eq!(accounts_of(document, wanted), std::slice::from_ref(&account.home_account_id), "{wanted:?}");
    let Ok(Some(found)) = wanted.find(cache, &account, now) else { return };
    let _ = found.is_due(now, WINDOW);
    let used = tokens_of(document, wanted, &account, now);
    let secret = parsed(found.secret);
    let is_used = used
        .iter()
        .any(|entry| entry.get("secret") == Some(&secret) && expires_on(entry) == Some(found.expires_on.into()));
    assert!(is_used, "MSAL would not use this token for {wanted:?}: {found:?}");
}

/// msal 1.39.0, `application.py`, `get_accounts`: the home account ids of the accounts of that name.
fn accounts_of(document: &Json, wanted: &TokenKey) -> Vec<String> {
    let mut found = Vec::new();
    for (_, account) in document.get("Account").map(Json::members).unwrap_or_default() {
        let text = |name: &str| account.get_text(name).unwrap_or_default();
        let is_it = text("environment") == wanted.environment
            && text("username").to_lowercase() == wanted.username.to_lowercase();
        if is_it && !found.contains(&text("home_account_id")) {
            found.push(text("home_account_id"));
        }
    }
    found
}

/// msal 1.39.0, `token_cache.py`, `TokenCache.search`: the access tokens that serve and have five minutes left.
fn tokens_of<'a>(document: &'a Json, wanted: &TokenKey, account: &Owner, now: i64) -> Vec<&'a Json> {
    let mut found = Vec::new();
    for (_, token) in document.get("AccessToken").map(Json::members).unwrap_or_default() {
        let is = |name: &str, value: &str| token.get_text(name).as_deref() == Some(value);
        let target = token.get_text("target").unwrap_or_default();
        let serves = is("home_account_id", &account.home_account_id)
            && is("environment", &wanted.environment)
            && is("client_id", AZURE_CLI_CLIENT_ID)
            && is("realm", &wanted.tenant)
            && target.split_whitespace().any(|scope| scope == wanted.scope)
            && token.get("ext_cache_key").is_none()
            && expires_on(token).is_some_and(|time| time - i128::from(now) >= i128::from(USELESS));
        if serves {
            found.push(token);
        }
    }
    found
}

/// `int(entry["expires_on"])`.
fn expires_on(token: &Json) -> Option<i128> {
    token.get_text("expires_on")?.parse().ok()
}

/// What a text that azward kept or wrote says.
fn parsed(text: &str) -> Json {
    Json::read(text).unwrap_or_else(|_| panic!("azward has what is no JSON: {} bytes", text.len()))
}

fn duplicate(contents: &Contents) -> Contents {
    let rival = |kept: &Rival| Rival {
        entry: kept.entry.duplicate(),
        stored_at: kept.stored_at,
        stored_by: kept.stored_by.clone(),
    };
    let record = |kept: &Record| Record {
        kind: kept.kind,
        id: kept.id.clone(),
        owner: kept.owner.clone(),
        entry: kept.entry.duplicate(),
        predecessors: kept.predecessors.clone(),
        stored_at: kept.stored_at,
        stored_by: kept.stored_by.clone(),
        brought_at: kept.brought_at,
        rivals: kept.rivals.iter().map(rival).collect(),
    };
    Contents {
        records: contents.records.iter().map(record).collect(),
        accounts: contents.accounts.clone(),
        app_metadata: contents.app_metadata.clone(),
    }
}
