//! What moves between an az's item in the keyring and the files of one config directory: whoever the profile lists moves, whole, and
//! nobody else does; what stays and what moves is all there was, and what was in the file stays but where the item has another.

use azward::azure::profile::Profile;
use azward::credentials::msal::{Listed, Section, TokenCache, with_entries_from, without_entries_of};
use azward::credentials::service_principals::{ServicePrincipals, all_in, listed_in, with_principals, without_listed};
use azward::credentials::{Document, Entry};

use super::Scratch;
use super::json::{Json, NotRead};

/// Stands between the item and the file.
const BETWEEN: u8 = 0;

/// Whom the profile lists: these, and no others of the corpus.
const PROFILE: &str = r#"{"subscriptions": [
    {"id": "1", "name": "one", "state": "Enabled", "tenantId": "t", "environmentName": "AzureCloud", "isDefault": true,
     "user": {"name": "Ann", "type": "user"}},
    {"id": "2", "name": "two", "state": "Enabled", "tenantId": "t", "environmentName": "AzureCloud", "isDefault": false,
     "user": {"name": "alice@contoso.onmicrosoft.com", "type": "user"}},
    {"id": "3", "name": "three", "state": "Enabled", "tenantId": "t", "environmentName": "AzureCloud", "isDefault": false,
     "user": {"name": "5e41ce00-0000-4000-8000-000000000001", "type": "servicePrincipal"}}]}"#;

thread_local! {
    static LISTED: Profile = Profile::read(&Scratch::new().write("azureProfile.json", PROFILE.as_bytes()));
}

/// Checks what is in the item, and then in the file; says whether both were understood.
pub(crate) fn check(bytes: &[u8]) -> bool {
    let mut parts = bytes.splitn(2, |byte| *byte == BETWEEN);
    let mut next = || std::str::from_utf8(parts.next().unwrap_or_default()).ok();
    let (Some(item), Some(file)) = (next(), next()) else { return false };
    let is_deep = |text: &str| Json::read(text) == Err(NotRead::TooDeep);
    if is_deep(item) || is_deep(file) {
        return false;
    }
    LISTED.with(|profile| match item.trim_start().starts_with('[') {
        true => principals_move(item, file, profile),
        false => entries_move(item, file, profile),
    })
}

/// All entries of a token cache, each with its section.
fn entries<'c>(cache: &'c TokenCache<'_>) -> Vec<(String, Entry<'c>)> {
    let names = cache.section_names();
    let all = names.into_iter().flat_map(|name| {
        let section = cache.section(&name).expect("the cache was understood");
        section.into_iter().map(move |entry| (name.to_string(), entry)).collect::<Vec<_>>()
    });
    all.collect()
}

fn entries_move(item: &str, file: &str, profile: &Profile) -> bool {
    let (Ok(item), Ok(file)) = (TokenCache::parse(item), TokenCache::parse(file)) else { return false };
    let Ok(listed) = Listed::of(&item, profile) else { return false };
    let (Ok(merged), Ok(left)) =
        (with_entries_from(&file, &item, |entry| listed.has(entry)), without_entries_of(&item, &listed))
    else {
        return false;
    };
    let (merged, left) = (TokenCache::parse(&merged).unwrap(), left);
    let left = TokenCache::parse(left.as_ref().map_or("", |text| text)).unwrap();
    let (before, there, after, stayed) = (entries(&item), entries(&file), entries(&merged), entries(&left));
    let is_nobodys = |name: &str| name == Section::AppMetadata.name();
    let moves = |name: &str, entry: &Entry<'_>| is_nobodys(name) || listed.has(entry);
    let is_in = |all: &[(String, Entry<'_>)], name: &str, entry: &Entry<'_>| {
        all.iter().any(|(own, other)| own == name && (other.key, other.value) == (entry.key, entry.value))
    };
    for (name, entry) in &before {
        // Of those with one key the last one counts, to MSAL too.
        let last = before.iter().rev().find(|(own, other)| own == name && other.key == entry.key && moves(own, other));
        match moves(name, entry) {
            true => assert!(last.is_some_and(|(_, last)| is_in(&after, name, last)), "{} did not move", entry.key),
            false => assert!(is_in(&stayed, name, entry), "{} is neither here nor there", entry.key),
        }
    }
    for (name, entry) in &stayed {
        assert!(is_in(&before, name, entry) && (is_nobodys(name) || !listed.has(entry)), "{} stayed", entry.key);
    }
    for (name, entry) in &there {
        let is_replaced = before.iter().any(|(own, other)| own == name && other.key == entry.key && moves(own, other));
        assert!(is_replaced || is_in(&after, name, entry), "{} of the file is gone", entry.key);
    }
    for (name, entry) in &after {
        let is_moved = is_in(&before, name, entry) && moves(name, entry);
        assert!(is_moved || is_in(&there, name, entry), "{} came from nowhere", entry.key);
    }
    true
}

fn principals_move(item: &str, file: &str, profile: &Profile) -> bool {
    let (Ok(item), Ok(file)) = (ServicePrincipals::parse(item), ServicePrincipals::parse(file)) else { return false };
    let moving = listed_in(&item, profile);
    let merged = with_principals(&file, &moving);
    let merged = ServicePrincipals::parse(&merged).unwrap();
    let left = without_listed(&item, profile);
    let left = ServicePrincipals::parse(left.as_ref().map_or("", |text| text)).unwrap();
    let of = |list: &ServicePrincipals<'_>| {
        let texts: Vec<_> = all_in(list).iter().map(|own| (own.key.to_owned(), own.value.to_owned())).collect();
        texts
    };
    let moving: Vec<_> = moving.iter().map(|own| (own.key.to_owned(), own.value.to_owned())).collect();
    let (before, there, after, stayed) = (of(&item), of(&file), of(&merged), of(&left));
    assert_eq!(moving.len() + stayed.len(), before.len());
    for own in &before {
        assert!(moving.contains(own) != stayed.contains(own), "{} is both or neither", own.0);
    }
    for own in &moving {
        let last = moving.iter().rev().find(|other| other.0 == own.0).unwrap();
        assert!(after.contains(last), "{} did not move", own.0);
    }
    for own in &there {
        assert!(after.contains(own) || moving.iter().any(|other| other.0 == own.0), "{} of the file is gone", own.0);
    }
    for own in &after {
        assert!(moving.contains(own) || there.contains(own), "{} came from nowhere", own.0);
    }
    true
}
