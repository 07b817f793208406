//! The pure part of a private exposure's harvest: what a run changed in its own copy of a document, told by comparing the copy
//! with what it was made of, is done to the real one; what others changed there meanwhile stays. Long-lived credentials are no
//! part of it: they go to the vault.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::credentials::document::{Absence, Change, Credential, Document, Entry, credential_sections};
use crate::failure::Result;
use crate::vault::Owner;

/// What a private copy was made of, without any of its secrets: whoever harvests it may be another process.
#[derive(Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Base {
    /// By section and key, what tells each entry from any other.
    entries: HashMap<String, HashMap<String, u64>>,
    /// Who was signed in, as the real document has it.
    owners: Vec<Owner>,
    /// Who was signed in, as what was handed to the run has it: more than those where the real document had lost one.
    handed: Vec<Owner>,
    /// By id, what tells each credential that was handed to the run from any other.
    handed_credentials: HashMap<String, u64>,
    /// When it was made, in seconds since the epoch.
    began: i64,
    /// The names in the config directory at that time.
    names: Vec<String>,
}

impl Base {
    /// The base that the real document is to a copy that was `handed` over.
    ///
    /// # Errors
    /// `CacheForeign` when a section is not what it should be.
    pub(crate) fn of<D: Document>(real: &D, handed: &D, now: i64) -> Result<Self> {
        let credentials = credential_sections::<D>();
        let mut entries = HashMap::new();
        for name in names(&[real]).into_iter().filter(|name| !credentials.contains(&name.as_str())) {
            let known = marks(&real.section(&name)?);
            entries.insert(name, known);
        }
        let mut handed_credentials = HashMap::new();
        for section in credentials {
            handed_credentials.extend(marks(&handed.section(section)?));
        }
        Ok(Self {
            entries,
            owners: real.owners()?.into_iter().collect(),
            handed: handed.owners()?.into_iter().collect(),
            handed_credentials,
            began: now,
            names: Vec::new(),
        })
    }

    /// Takes entries out of a section of it that were left out of the copy: that they are not there is not the run's doing.
    #[cfg(any(target_os = "linux", test))]
    pub(crate) fn leave_out(&mut self, section: &str, keys: &[String]) {
        if let Some(known) = self.entries.get_mut(section) {
            known.retain(|key, _| !keys.contains(key));
        }
    }

    /// Whether the copy was made with this very entry in that section, or got it later: if it has it no longer, the run has
    /// removed it.
    #[must_use]
    pub(crate) fn had(&self, section: &str, entry: &Entry<'_>) -> bool {
        self.mark(section, entry.key) == Some(mark(entry.value))
    }

    /// Whether this very credential was handed over.
    #[must_use]
    pub(crate) fn handed_over(&self, entry: &Entry<'_>) -> bool {
        self.handed_credentials.get(entry.key) == Some(&mark(entry.value))
    }

    /// Notes which names the config directory has.
    #[cfg(any(target_os = "linux", test))]
    pub(crate) fn note_names(&mut self, names: Vec<String>) {
        self.names = names;
    }

    /// Whether the config directory had something of that name when the copy was made.
    #[must_use]
    #[cfg(any(target_os = "linux", test))]
    pub(crate) fn was_there(&self, name: &str) -> bool {
        self.names.iter().any(|other| other == name)
    }

    /// Notes what came to a section of the living run's copy since.
    #[cfg(any(target_os = "linux", test))]
    pub(crate) fn add(&mut self, section: &str, brought: Brought) {
        self.entries.entry(section.to_owned()).or_default().extend(brought.0);
    }

    /// When it was made, in seconds since the epoch.
    #[must_use]
    #[cfg(any(target_os = "linux", test))]
    pub(crate) fn began(&self) -> i64 {
        self.began
    }

    /// The credentials that the run has stored in its copy.
    ///
    /// # Errors
    /// `CacheForeign` when a section is not what it should be.
    pub(crate) fn stored_since<'c, D: Document>(&self, after: &'c D) -> Result<Vec<Credential<'c>>> {
        let mut credentials = after.credentials()?;
        credentials.retain(|credential| !self.handed_over(&credential.as_entry()));
        Ok(credentials)
    }

    /// Who was signed in when it was handed to the run: those that it can forget.
    #[must_use]
    pub(crate) fn handed(&self) -> &[Owner] {
        &self.handed
    }

    fn mark(&self, section: &str, key: &str) -> Option<u64> {
        self.entries.get(section)?.get(key).copied()
    }
}

/// Entries that came to a living run's copy after it was made, by key, with what tells each from any other.
#[cfg(any(target_os = "linux", test))]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Brought(HashMap<String, u64>);

#[cfg(any(target_os = "linux", test))]
impl Brought {
    /// Notes entries.
    pub(crate) fn note(&mut self, entries: &[Entry<'_>]) {
        self.0.extend(marks(entries));
    }

    /// Whether this very entry came.
    #[must_use]
    pub(crate) fn has(&self, entry: &Entry<'_>) -> bool {
        self.0.get(entry.key) == Some(&mark(entry.value))
    }
}

/// What it means that somebody who was signed in is missing from a run's copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The run logged them out.
    LoggedOut,
    /// The copy lost them by mishap.
    Lost,
}

/// Does to `real` what a run did to its copy, `after`. Accounts only vanish from it if the run logged them out. An account
/// that somebody else logged out meanwhile stays logged out. `None` when there is nothing to do.
///
/// # Errors
/// `CacheForeign` when a section is not what it should be.
pub(crate) fn merge<D: Document>(
    base: &Base,
    after: &D,
    real: &D,
    missing: Missing,
) -> Result<Option<Zeroizing<String>>> {
    let gone = gone_elsewhere(base, real)?;
    let left = after.owners()?;
    // An entry is only read where somebody was logged out: a large cache has many.
    let is_forgotten = |entry: Entry<'_>| {
        let is_out = |owner: &Owner| base.handed.contains(owner) && !left.contains(owner);
        missing == Missing::LoggedOut && D::owner(entry).is_some_and(|owner| is_out(&owner))
    };
    let credentials = credential_sections::<D>();
    let names = names(&[after, real]);
    let mut changes = Vec::new();
    for name in &names {
        let has = |document: &D| document.section_names().iter().any(|own| own == name);
        // In the order in which az made them, and one that is empty (of credentials here always) as well.
        let is_new = has(after) && !has(real);
        if credentials.contains(&name.as_str()) {
            changes.extend(is_new.then(|| Change { section: name, entries: Vec::new() }));
            continue;
        }
        let old = real.section(name)?;
        let mut new = old.clone();
        let copied = after.section(name)?;
        for entry in &copied {
            if base.had(name, entry) || D::owner(*entry).is_some_and(|owner| gone.contains(&owner)) {
                continue;
            }
            match new.iter_mut().find(|other| other.key == entry.key) {
                Some(other) if is_newer::<D>(name, base, other, entry) => {}
                Some(other) => *other = *entry,
                None => new.push(*entry),
            }
        }
        let keys: HashSet<&str> = copied.iter().map(|entry| entry.key).collect();
        let may_vanish = missing == Missing::LoggedOut || D::absence(name) == Absence::Removal;
        new.retain(|entry| {
            let is_removed = may_vanish && !keys.contains(entry.key) && base.had(name, entry);
            !is_removed && !is_forgotten(*entry)
        });
        if is_new || new != old {
            changes.push(Change { section: name, entries: new });
        }
    }
    Ok((!changes.is_empty()).then(|| real.edit(&changes)))
}

/// Who was signed in as the real document had it, and is not any more: somebody else logged them out.
///
/// # Errors
/// `CacheForeign` when a section is not what it should be.
pub(crate) fn gone_elsewhere<D: Document>(base: &Base, real: &D) -> Result<HashSet<Owner>> {
    let present = real.owners()?;
    Ok(base.owners.iter().filter(|owner| !present.contains(owner)).cloned().collect())
}

/// Whether what the real document has was renewed by somebody else, later than the run renewed its own.
fn is_newer<D: Document>(section: &str, base: &Base, real: &Entry<'_>, copied: &Entry<'_>) -> bool {
    !base.had(section, real) && D::renewed_at(section, *real) > D::renewed_at(section, *copied)
}

/// The names of the sections, each once, in the order in which they stand: but for those that stand twice in a document.
fn names<D: Document>(documents: &[&D]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut doubtful = HashSet::new();
    for document in documents {
        let mut own = HashSet::new();
        for name in document.section_names() {
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
    entries.iter().map(|entry| (entry.key.to_owned(), mark(entry.value))).collect()
}

/// What tells one entry's value from another. Tokens are long and random: there is no way back from 64 bits.
fn mark(value: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::msal::{Section, TokenCache};

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
