//! The pure part of a private exposure's harvest: what a run changed in its own copy of the token cache, told by comparing
//! the copy with what it was made of, is done to the real one; what others changed there meanwhile stays. Refresh tokens
//! are no part of it: they go to the vault.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::credentials::edit;
use crate::credentials::msal::{Entry, Section, TokenCache};
use crate::failure::Result;
use crate::vault::Owner;

/// What a private copy was made of, without any of its secrets: whoever harvests it may be another process.
#[derive(Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Base {
    /// By section and key, what tells each entry from any other.
    entries: HashMap<String, HashMap<String, u64>>,
    /// The accounts of the real cache.
    accounts: Vec<Owner>,
    /// The accounts that were handed to the run: more than those where the cache had lost one.
    handed: Vec<Owner>,
    /// By key, what tells each refresh token entry that was handed to the run from any other.
    handed_tokens: HashMap<String, u64>,
    /// When it was made, in seconds since the epoch.
    began: i64,
    /// The names in the config directory at that time.
    names: Vec<String>,
}

impl Base {
    /// The base that the real cache is to a copy that was `handed` over.
    ///
    /// # Errors
    /// `CacheForeign` when a section is not what it should be.
    pub fn of(real: &TokenCache<'_>, handed: &TokenCache<'_>, now: i64) -> Result<Self> {
        let mut entries = HashMap::new();
        for name in names(&[real]).into_iter().filter(|name| name != Section::RefreshToken.name()) {
            let known = marks(&real.entries_named(&name)?);
            entries.insert(name, known);
        }
        Ok(Self {
            entries,
            accounts: edit::account_ids(real)?,
            handed: edit::account_ids(handed)?,
            handed_tokens: marks(&handed.entries(Section::RefreshToken)?),
            began: now,
            names: Vec::new(),
        })
    }

    /// Takes access tokens out of it that were left out of the copy: that they are not there is not the run's doing.
    pub fn leave_out(&mut self, keys: &[String]) {
        if let Some(known) = self.entries.get_mut(Section::AccessToken.name()) {
            known.retain(|key, _| !keys.contains(key));
        }
    }

    /// Whether the copy was made with this very entry in that section, or got it later: if it has it no longer, the run has
    /// removed it.
    #[must_use]
    pub fn had(&self, section: Section, entry: &Entry<'_>) -> bool {
        self.mark(section.name(), entry.key) == Some(mark(entry))
    }

    /// The same, of a refresh token or of anything else that was handed over.
    #[must_use]
    pub fn handed_over(&self, section: Section, entry: &Entry<'_>) -> bool {
        match section {
            Section::RefreshToken => self.handed_tokens.get(entry.key) == Some(&mark(entry)),
            _ => self.had(section, entry),
        }
    }

    /// Notes which names the config directory has.
    pub fn note_names(&mut self, names: Vec<String>) {
        self.names = names;
    }

    /// Whether the config directory had something of that name when the copy was made.
    #[must_use]
    pub fn was_there(&self, name: &str) -> bool {
        self.names.iter().any(|other| other == name)
    }

    /// Notes what came to the living run's copy since.
    pub fn add(&mut self, section: Section, brought: Brought) {
        self.entries.entry(section.name().to_owned()).or_default().extend(brought.0);
    }

    /// When it was made, in seconds since the epoch.
    #[must_use]
    pub fn began(&self) -> i64 {
        self.began
    }

    /// The refresh tokens that the run has stored in its copy.
    ///
    /// # Errors
    /// `CacheForeign` when the section is not what it should be.
    pub fn stored_since<'c>(&self, after: &TokenCache<'c>) -> Result<Vec<Entry<'c>>> {
        let mut tokens = after.entries(Section::RefreshToken)?;
        tokens.retain(|entry| self.handed_tokens.get(entry.key) != Some(&mark(entry)));
        Ok(tokens)
    }

    /// The accounts that were handed to the run: those that it can forget.
    #[must_use]
    pub fn handed(&self) -> &[Owner] {
        &self.handed
    }

    fn mark(&self, section: &str, key: &str) -> Option<u64> {
        self.entries.get(section)?.get(key).copied()
    }
}

/// Entries that came to a living run's copy after it was made, by key, with what tells each from any other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brought(HashMap<String, u64>);

impl Brought {
    /// Notes entries.
    pub fn note(&mut self, entries: &[Entry<'_>]) {
        self.0.extend(marks(entries));
    }

    /// Whether this very entry came.
    #[must_use]
    pub fn has(&self, entry: &Entry<'_>) -> bool {
        self.0.get(entry.key) == Some(&mark(entry))
    }
}

/// What it means that an account is missing from a run's copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The run logged it out.
    LoggedOut,
    /// The copy lost it by mishap.
    Lost,
}

/// Does to `real` what a run did to its copy, `after`. Accounts only vanish from it if the run logged them out. An account
/// that somebody else logged out meanwhile stays logged out. `None` when there is nothing to do.
///
/// # Errors
/// `CacheForeign` when a section is not what it should be.
pub fn merge(
    base: &Base,
    after: &TokenCache<'_>,
    real: &TokenCache<'_>,
    missing: Missing,
) -> Result<Option<Zeroizing<String>>> {
    let gone = gone_elsewhere(base, real)?;
    let left: HashSet<Owner> = edit::account_ids(after)?;
    let is_forgotten =
        |owner: &Owner| missing == Missing::LoggedOut && base.handed.contains(owner) && !left.contains(owner);
    let mut merged: Option<Zeroizing<String>> = None;
    for name in names(&[after, real]) {
        let is_missing = |cache: &TokenCache<'_>| !cache.section_names().iter().any(|own| *own == name);
        if is_missing(real) && !is_missing(after) {
            // In the order in which az made them, and one that is empty (of refresh tokens here always) as well.
            merged = Some(match &merged {
                Some(text) => TokenCache::parse(text)?.with_section(&name),
                None => real.with_section(&name),
            });
        }
        if name == Section::RefreshToken.name() {
            continue;
        }
        let old = real.entries_named(&name)?;
        let mut new = old.clone();
        let copied = after.entries_named(&name)?;
        for entry in &copied {
            let is_unchanged = base.mark(&name, entry.key) == Some(mark(entry));
            if is_unchanged || entry.owner().is_some_and(|owner| gone.contains(&owner)) {
                continue;
            }
            match new.iter_mut().find(|other| other.key == entry.key) {
                Some(other) if is_newer(&name, base, other, entry) => {}
                Some(other) => *other = *entry,
                None => new.push(*entry),
            }
        }
        let stays = missing == Missing::LoggedOut || !matches!(&*name, ACCOUNT | APP_METADATA);
        new.retain(|entry| {
            let is_removed = stays
                && base.mark(&name, entry.key) == Some(mark(entry))
                && !copied.iter().any(|other| other.key == entry.key);
            !is_removed && !entry.owner().is_some_and(|owner| is_forgotten(&owner))
        });
        if new != old {
            let text = match &merged {
                Some(text) => TokenCache::parse(text)?.with_entries_named(&name, &new),
                None => real.with_entries_named(&name, &new),
            };
            merged = Some(text);
        }
    }
    Ok(merged)
}

const ACCOUNT: &str = "Account";
const APP_METADATA: &str = "AppMetadata";

/// The accounts that were in the real cache and are not any more: somebody else logged them out.
///
/// # Errors
/// `CacheForeign` when a section is not what it should be.
pub fn gone_elsewhere(base: &Base, real: &TokenCache<'_>) -> Result<HashSet<Owner>> {
    let present: HashSet<Owner> = edit::account_ids(real)?;
    Ok(base.accounts.iter().filter(|account| !present.contains(account)).cloned().collect())
}

/// Whether the real cache's access token was renewed by somebody else, later than the run renewed its own.
fn is_newer(section: &str, base: &Base, real: &Entry<'_>, copied: &Entry<'_>) -> bool {
    section == Section::AccessToken.name()
        && base.mark(section, real.key) != Some(mark(real))
        && real.cached_at() > copied.cached_at()
}

/// The names of the sections, each once, in the order in which they stand: but for those that stand twice in a cache.
fn names(caches: &[&TokenCache<'_>]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut doubtful = HashSet::new();
    for cache in caches {
        let mut own = HashSet::new();
        for name in cache.section_names() {
            if !own.insert(name.to_string()) {
                doubtful.insert(name.to_string());
            }
            if !names.iter().any(|other| *other == name) {
                names.push(name.into_owned());
            }
        }
    }
    names.retain(|name| !doubtful.contains(name));
    names
}

fn marks(entries: &[Entry<'_>]) -> HashMap<String, u64> {
    entries.iter().map(|entry| (entry.key.to_owned(), mark(entry))).collect()
}

/// What tells one entry's value from another. Access tokens are long and random: there is no way back from 64 bits.
fn mark(entry: &Entry<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    entry.value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(tokens: &[(&str, &str, u32)], accounts: &[&str]) -> String {
        let entry = |(key, secret, time): &(&str, &str, u32)| {
            let owner = key.split('-').next().unwrap();
            format!(
                "\"{key}\": {{\"secret\": \"{secret}\", \"home_account_id\": \"{owner}\", \"environment\": \"e\", \
                 \"cached_at\": \"{time}\"}}"
            )
        };
        let account = |name: &&str| {
            format!(
                "\"{name}-e\": {{\"home_account_id\": \"{name}\", \"environment\": \"e\", \"username\": \"{name}\"}}"
            )
        };
        let tokens: Vec<String> = tokens.iter().map(entry).collect();
        let accounts: Vec<String> = accounts.iter().map(account).collect();
        format!("{{\"AccessToken\": {{{}}}, \"Account\": {{{}}}}}", tokens.join(", "), accounts.join(", "))
    }

    /// Keys and secrets of the access tokens, and the accounts' keys, after a merge.
    fn merged(base: &str, after: &str, real: &str, missing: Missing) -> Option<(Vec<String>, Vec<String>)> {
        let parse = |text: &'static str| TokenCache::parse(text).unwrap();
        let leak = |text: &str| -> &'static str { text.to_owned().leak() };
        let base = parse(leak(base));
        let base = Base::of(&base, &base, 0).unwrap();
        let text = merge(&base, &parse(leak(after)), &parse(leak(real)), missing).unwrap()?;
        let cache = TokenCache::parse(&text).unwrap();
        let secret = |entry: &Entry<'_>| entry.value.split('"').nth(3).unwrap().to_owned();
        let tokens = cache.entries(Section::AccessToken).unwrap();
        let accounts = cache.entries(Section::Account).unwrap();
        Some((
            tokens.iter().map(|entry| format!("{}={}", entry.key.trim_matches('"'), secret(entry))).collect(),
            accounts.iter().map(|entry| entry.key.trim_matches('"').to_owned()).collect(),
        ))
    }

    #[test]
    fn what_the_run_changed_is_done_and_what_others_changed_stays() {
        let base = cache(&[("u-1", "a", 1), ("u-2", "b", 1)], &["u"]);
        let after = cache(&[("u-1", "new", 5), ("u-2", "b", 1), ("u-3", "c", 5)], &["u"]);
        let real = cache(&[("u-1", "a", 1), ("u-2", "theirs", 4)], &["u"]);
        let (tokens, accounts) = merged(&base, &after, &real, Missing::Lost).unwrap();
        assert_eq!(tokens, ["u-1=new", "u-2=theirs", "u-3=c"]);
        assert_eq!(accounts, ["u-e"]);
        assert!(merged(&base, &base, &real, Missing::LoggedOut).is_none());
    }

    #[test]
    fn of_two_renewals_the_later_stays() {
        let base = cache(&[("u-1", "a", 1)], &["u"]);
        let after = cache(&[("u-1", "ours", 5)], &["u"]);
        assert!(merged(&base, &after, &cache(&[("u-1", "theirs", 6)], &["u"]), Missing::Lost).is_none());
        let (tokens, _) = merged(&base, &after, &cache(&[("u-1", "theirs", 4)], &["u"]), Missing::Lost).unwrap();
        assert_eq!(tokens, ["u-1=ours"]);
    }

    #[test]
    fn a_logout_takes_all_of_the_account_and_a_mishap_none() {
        let base = cache(&[("u-1", "a", 1), ("v-1", "b", 1)], &["u", "v"]);
        let after = cache(&[("u-1", "a", 1)], &["u"]);
        let real = cache(&[("u-1", "a", 1), ("v-1", "renewed", 2)], &["u", "v"]);
        let (tokens, accounts) = merged(&base, &after, &real, Missing::LoggedOut).unwrap();
        assert_eq!((tokens, accounts), (vec!["u-1=a".to_owned()], vec!["u-e".to_owned()]));
        assert!(merged(&base, &after, &real, Missing::Lost).is_none());
    }

    #[test]
    fn an_account_that_was_logged_out_elsewhere_does_not_come_back() {
        let base = cache(&[("v-1", "b", 1)], &["u", "v"]);
        let after = cache(&[("v-1", "renewed", 2)], &["u", "v"]);
        assert!(merged(&base, &after, &cache(&[], &["u"]), Missing::Lost).is_none());
    }

    #[test]
    fn a_first_login_fills_an_empty_cache() {
        let after = cache(&[("u-1", "a", 1)], &["u"]);
        let (tokens, accounts) = merged("", &after, "", Missing::Lost).unwrap();
        assert_eq!((tokens.len(), accounts.len()), (1, 1));
    }
}
