//! The entries of some of a token cache's users, moved from one cache to another: from that which an az keeps in a keyring for every
//! config directory into that of one directory, and back. Pure: nothing is read but the two, and what neither moves nor is in the
//! way stays byte for byte.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::azure::Owner;
use crate::azure::profile::Profile;
use crate::credentials::document::{Change, Document, Entry};
use crate::credentials::msal::accounts::accounts;
use crate::credentials::msal::sections::Section;
use crate::credentials::msal::token_cache::TokenCache;
use crate::failure::Result;

/// Whose entries move: those of the users whom a profile lists.
#[derive(Debug)]
pub struct Listed<'p> {
    profile: &'p Profile,
    persons: HashSet<Owner>,
}

/// Whose an entry is that no person has.
#[derive(Deserialize)]
struct Application<'a> {
    #[serde(borrow)]
    client_id: Cow<'a, str>,
}

impl<'p> Listed<'p> {
    /// Those of `cache` whom `profile` lists.
    ///
    /// # Errors
    /// `CacheForeign` when a section is not what it should be.
    pub fn of(cache: &TokenCache<'_>, profile: &'p Profile) -> Result<Self> {
        let listed = accounts(cache)?.into_iter().filter(|account| profile.has_user(&account.username));
        Ok(Self { profile, persons: listed.map(|account| account.id).collect() })
    }

    /// Whether `cache` has an entry of one of them.
    ///
    /// # Errors
    /// `CacheForeign` when a section is not what it should be.
    pub fn has_any_of(&self, cache: &TokenCache<'_>) -> Result<bool> {
        for name in cache.section_names() {
            if cache.section(&name)?.iter().any(|entry| self.has(entry)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether an entry is of one of them.
    #[must_use]
    pub fn has(&self, entry: &Entry<'_>) -> bool {
        match entry.owner() {
            Some(owner) => self.persons.contains(&owner),
            None => serde_json::from_str(entry.value)
                .is_ok_and(|own: Application<'_>| self.profile.has_application(&own.client_id)),
        }
    }
}

/// The text of `cache` with those entries of `from` that `is_moving`, each in the place of its own with that key; and with what `from`
/// knows of applications, which is nobody's.
///
/// # Errors
/// `CacheForeign` when a section is not what it should be.
pub fn with_entries_from(
    cache: &TokenCache<'_>,
    from: &TokenCache<'_>,
    is_moving: impl Fn(&Entry<'_>) -> bool,
) -> Result<Zeroizing<String>> {
    let names = from.section_names();
    let mut changes = Vec::new();
    for name in &names {
        let entries = from.section(name)?;
        let moving = entries.into_iter().filter(|entry| name == Section::AppMetadata.name() || is_moving(entry));
        let mut all = cache.section(name)?;
        let count = all.len();
        let mut is_changed = false;
        for entry in moving {
            is_changed = true;
            match all[..count].iter_mut().find(|old| old.key == entry.key) {
                Some(old) => *old = entry,
                None => all.push(entry),
            }
        }
        if is_changed {
            changes.push(Change { section: name, entries: all });
        }
    }
    Ok(cache.edit(&changes))
}

/// The text of `cache` without the entries of those who are `listed`; `None` where nobody else has any.
///
/// # Errors
/// `CacheForeign` when a section is not what it should be.
pub fn without_entries_of(cache: &TokenCache<'_>, listed: &Listed<'_>) -> Result<Option<Zeroizing<String>>> {
    let names = cache.section_names();
    let mut changes = Vec::new();
    let mut is_anybody_s = false;
    for name in names.iter().filter(|name| **name != Section::AppMetadata.name()) {
        let mut entries = cache.section(name)?;
        entries.retain(|entry| !listed.has(entry));
        is_anybody_s |= !entries.is_empty();
        changes.push(Change { section: name, entries });
    }
    Ok(is_anybody_s.then(|| cache.edit(&changes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(kind: &str, who: &str, secret: &str) -> String {
        format!(
            r#""{who}-{kind}": {{"home_account_id": "{who}", "environment": "e", "client_id": "c", "secret": "{secret}"}}"#
        )
    }

    fn cache(users: &[(&str, &str)]) -> String {
        let tokens =
            |kind: &str| users.iter().map(|(who, secret)| token(kind, who, secret)).collect::<Vec<_>>().join(", ");
        let accounts: Vec<String> = users
            .iter()
            .map(|(who, _)| {
                format!(r#""{who}": {{"home_account_id": "{who}", "environment": "e", "username": "{who}@x"}}"#)
            })
            .collect();
        format!(
            r#"{{"AccessToken": {{{}}}, "Account": {{{}}}, "RefreshToken": {{{}}}, "AppMetadata": {{"m": {{}}}}, "Tomorrow": {{}}}}"#,
            tokens("at"),
            accounts.join(", "),
            tokens("rt")
        )
    }

    fn profile(users: &[&str]) -> Profile {
        let listed: Vec<String> = users
            .iter()
            .map(|user| {
                format!(
                    r#"{{"id": "s", "name": "n", "state": "Enabled", "tenantId": "t", "environmentName": "AzureCloud", "isDefault": false, "user": {{"name": "{user}@x", "type": "user"}}}}"#
                )
            })
            .collect();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("azureProfile.json");
        std::fs::write(&path, format!(r#"{{"subscriptions": [{}]}}"#, listed.join(", "))).unwrap();
        Profile::read(&path)
    }

    fn secrets(text: &str) -> Vec<String> {
        let cache = TokenCache::parse(text).unwrap();
        let section = |section| cache.entries(section).unwrap();
        let all = section(Section::AccessToken).into_iter().chain(section(Section::RefreshToken));
        all.map(|entry| {
            serde_json::from_str::<serde_json::Value>(entry.value).unwrap()["secret"].as_str().unwrap().to_owned()
        })
        .collect()
    }

    #[test]
    fn who_is_listed_moves_whole_and_nobody_else() {
        let (item, file) = (cache(&[("a", "1"), ("b", "2")]), cache(&[("b", "old"), ("c", "3")]));
        let (item, file) = (TokenCache::parse(&item).unwrap(), TokenCache::parse(&file).unwrap());
        let profile = profile(&["B"]);
        let listed = Listed::of(&item, &profile).unwrap();
        assert_eq!(secrets(&with_entries_from(&file, &item, |entry| listed.has(entry)).unwrap()), ["2", "3", "2", "3"]);
        assert_eq!(secrets(&without_entries_of(&item, &listed).unwrap().unwrap()), ["1", "1"]);
    }

    #[test]
    fn an_empty_cache_is_filled_and_one_that_nobody_has_anything_in_is_none() {
        let item = cache(&[("a", "1")]);
        let item = TokenCache::parse(&item).unwrap();
        let both = profile(&["a", "z"]);
        let listed = Listed::of(&item, &both).unwrap();
        let moved = with_entries_from(&TokenCache::parse("").unwrap(), &item, |entry| listed.has(entry)).unwrap();
        assert_eq!(secrets(&moved), ["1", "1"]);
        assert!(moved.contains("AppMetadata"), "{}", *moved);
        assert!(without_entries_of(&item, &listed).unwrap().is_none());
        let nobody = profile(&[]);
        let listed = Listed::of(&item, &nobody).unwrap();
        assert_eq!(
            secrets(&with_entries_from(&TokenCache::parse("").unwrap(), &item, |entry| listed.has(entry)).unwrap()),
            [""; 0]
        );
        assert_eq!(secrets(&without_entries_of(&item, &listed).unwrap().unwrap()), ["1", "1"]);
    }

    #[test]
    fn what_an_application_got_is_its_own() {
        let item = r#"{"AccessToken": {"k": {"home_account_id": null, "environment": "e", "client_id": "app", "secret": "1"}}}"#;
        let item = TokenCache::parse(item).unwrap();
        let nobody = profile(&["a"]);
        let listed = Listed::of(&item, &nobody).unwrap();
        assert!(without_entries_of(&item, &listed).unwrap().is_some());
    }
}
