//! The tokens of a cache that are good for an hour or a day, access tokens and ID tokens, taken out of it and put back: pure
//! functions over texts, so that what is split and joined again has every entry as it was.

use zeroize::Zeroizing;

use super::{Entry, Section, TokenCache};
use crate::credentials::document::{Change, Document};
use crate::failure::Result;

/// The sections of what is short-lived.
const SHORT_LIVED: [Section; 2] = [Section::AccessToken, Section::IdToken];

/// How many there are.
///
/// # Errors
/// `CacheForeign` when a section is not an object.
pub fn count_short_lived(cache: &TokenCache<'_>) -> Result<usize> {
    SHORT_LIVED.into_iter().try_fold(0, |count, section| Ok(count + cache.entries(section)?.len()))
}

/// A token cache with nothing else in it.
///
/// # Errors
/// `CacheForeign` when a section is not an object.
pub fn only_short_lived(cache: &TokenCache<'_>) -> Result<Zeroizing<String>> {
    edited(&TokenCache::parse("")?, |section| cache.entries(section))
}

/// A token cache without it; its sections stay.
#[must_use]
pub fn without_short_lived(cache: &TokenCache<'_>) -> Zeroizing<String> {
    let is_there = |section: &Section| cache.section_names().iter().any(|name| name == section.name());
    let changes: Vec<_> = SHORT_LIVED
        .into_iter()
        .filter(is_there)
        .map(|section| Change { section: section.name(), entries: Vec::new() })
        .collect();
    cache.edit(&changes)
}

/// The cache `text` with what `sealed` has and it has not; of accounts that it does not have any more it is left out.
///
/// # Errors
/// `CacheForeign` when one of the two is no token cache.
pub fn with_short_lived(text: &str, sealed: &str) -> Result<Zeroizing<String>> {
    let (cache, sealed) = (TokenCache::parse(text)?, TokenCache::parse(sealed)?);
    let owners = cache.owners()?;
    let is_of_somebody = |entry: &Entry<'_>| {
        entry.owner().is_none_or(|owner| owner.home_account_id.is_empty() || owners.contains(&owner))
    };
    edited(&cache, |section| {
        let own = cache.entries(section)?;
        let mut entries = sealed.entries(section)?;
        entries.retain(is_of_somebody);
        for entry in own {
            match entries.iter_mut().find(|other| other.key == entry.key) {
                Some(other) => *other = entry,
                None => entries.push(entry),
            }
        }
        Ok(entries)
    })
}

/// `cache` with these entries in its short-lived sections.
fn edited<'e>(
    cache: &TokenCache<'_>,
    entries: impl Fn(Section) -> Result<Vec<Entry<'e>>>,
) -> Result<Zeroizing<String>> {
    let mut changes = Vec::new();
    for section in SHORT_LIVED {
        let entries = entries(section)?;
        if !entries.is_empty() {
            changes.push(Change { section: section.name(), entries });
        }
    }
    Ok(cache.edit(&changes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CACHE: &str = r#"{"AccessToken": {"a": {"home_account_id": "u.t", "environment": "e", "secret": "AT", "n": [1.0]},
        "s": {"home_account_id": null, "environment": "e", "secret": "APP"}},
    "Account": {"u": {"home_account_id": "u.t", "environment": "e", "username": "u"}},
    "RefreshToken": {}, "IdToken": {"i": {"home_account_id": "u.t", "environment": "e", "secret": "ID"}}, "AppMetadata": {}}"#;

    fn split(text: &str) -> (String, String) {
        let cache = TokenCache::parse(text).unwrap();
        (without_short_lived(&cache).to_string(), only_short_lived(&cache).unwrap().to_string())
    }

    #[test]
    fn what_is_split_is_joined_again_with_every_entry_as_it_was() {
        let (bare, sealed) = split(CACHE);
        assert!(["AT", "APP", "\"ID\""].iter().all(|secret| !bare.contains(secret) && sealed.contains(secret)));
        let count = |text: &str| count_short_lived(&TokenCache::parse(text).unwrap()).unwrap();
        assert_eq!((count(&bare), count(CACHE), count(&sealed)), (0, 3, 3));
        let whole = with_short_lived(&bare, &sealed).unwrap();
        let (whole, before) = (TokenCache::parse(&whole).unwrap(), TokenCache::parse(CACHE).unwrap());
        for section in Section::ALL {
            assert_eq!(whole.entries(section).unwrap(), before.entries(section).unwrap(), "{section:?}");
        }
        let (again, sealed_again) = split(&with_short_lived(&bare, &sealed).unwrap());
        assert_eq!((again, sealed_again), (bare, sealed));
    }

    #[test]
    fn the_file_s_is_the_newer_and_who_is_gone_has_nothing_left() {
        let (bare, sealed) = split(CACHE);
        let newer = CACHE.replace("AT", "NEWER");
        let whole = with_short_lived(&newer, &sealed).unwrap();
        let (whole, before) = (TokenCache::parse(&whole).unwrap(), TokenCache::parse(&newer).unwrap());
        for section in Section::ALL {
            assert_eq!(whole.entries(section).unwrap(), before.entries(section).unwrap(), "{section:?}");
        }
        let cache = TokenCache::parse(&bare).unwrap();
        let signed_out = cache.with_entries(Section::Account, &[]);
        let whole = with_short_lived(&signed_out, &sealed).unwrap();
        assert!(!whole.contains("AT") && !whole.contains("\"ID\"") && whole.contains("APP"), "{}", *whole);
        // Sections that a cache does not have are added.
        assert!(with_short_lived("{}", &sealed).unwrap().contains("APP"));
        assert!(with_short_lived("[]", &sealed).is_err());
    }
}
