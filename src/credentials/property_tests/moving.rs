//! Moving the entries of some users from one token cache to another: what moves and what stays are all there was, and no user is in
//! both.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::caches::cache;
use crate::azure::profile::Profile;
use crate::credentials::Document;
use crate::credentials::msal::{Listed, Section, TokenCache, with_entries_from, without_entries_of};

/// A profile that lists those of the users `u0` to `u3` whose bit is set.
fn profile(users: u8) -> Profile {
    let listed: Vec<String> = (0..4)
        .filter(|user| users & (1 << user) != 0)
        .map(|user| format!(r#"{{"id": "s{user}", "user": {{"name": "U{user}", "type": "user"}}}}"#))
        .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!(r#"{{"subscriptions": [{}]}}"#, listed.join(", "))).unwrap();
    Profile::read(file.path())
}

/// Every entry: section, key and value.
fn entries(text: &str) -> BTreeSet<(String, String, String)> {
    let cache = TokenCache::parse(text).unwrap();
    let of = |name: &str| cache.section(name).unwrap();
    let names = cache.section_names();
    let all = names.iter().flat_map(|name| of(name).into_iter().map(move |entry| (name, entry)));
    all.map(|(name, entry)| (name.to_string(), entry.key.to_owned(), entry.value.to_owned())).collect()
}

/// The keys of the accounts.
fn accounts(text: &str) -> BTreeSet<String> {
    let cache = TokenCache::parse(text).unwrap();
    cache.entries(Section::Account).unwrap().iter().map(|entry| entry.key.to_owned()).collect()
}

proptest! {
    #[test]
    fn what_moves_and_what_stays_are_all_there_was(text in cache(), users in 0u8..16) {
        let item = TokenCache::parse(&text).unwrap();
        let profile = profile(users);
        let listed = Listed::of(&item, &profile).unwrap();
        let nothing = TokenCache::parse("").unwrap();
        let moved = with_entries_from(&nothing, &item, |entry| listed.has(entry)).unwrap();
        let rest = without_entries_of(&item, &listed).unwrap().unwrap_or_default();
        prop_assert!(accounts(&moved).is_disjoint(&accounts(&rest)));
        let wanted = (0..4).filter(|user| users & (1 << user) != 0).map(|user| format!("\"h{user}-e-organizations\""));
        let wanted: BTreeSet<String> = wanted.filter(|key| accounts(&text).contains(key)).collect();
        prop_assert_eq!(accounts(&moved), wanted);
        let both = TokenCache::parse(&rest).unwrap();
        let both = with_entries_from(&both, &TokenCache::parse(&moved).unwrap(), |_| true).unwrap();
        prop_assert_eq!(entries(&both), entries(&text));
    }

    #[test]
    fn what_was_in_the_way_gives_way_and_the_rest_stays_byte_for_byte(text in cache(), other in cache(), users in 0u8..16) {
        let (item, file) = (TokenCache::parse(&text).unwrap(), TokenCache::parse(&other).unwrap());
        let profile = profile(users);
        let listed = Listed::of(&item, &profile).unwrap();
        let merged = with_entries_from(&file, &item, |entry| listed.has(entry)).unwrap();
        let (before, from) = (entries(&other), entries(&text));
        for (section, key, value) in entries(&merged) {
            let entry = (section, key, value);
            prop_assert!(before.contains(&entry) || from.contains(&entry));
        }
        let again = with_entries_from(&TokenCache::parse(&merged).unwrap(), &item, |entry| listed.has(entry)).unwrap();
        prop_assert_eq!(&*again, &*merged);
        if !listed.has_any_of(&item).unwrap() && item.entries(Section::AppMetadata).unwrap().is_empty() {
            prop_assert_eq!(&*merged, &other);
        }
    }
}
