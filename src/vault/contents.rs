//! What a vault holds, and what one generation lacks of what another had. Whole entries are kept as the text that az wrote,
//! so that they go back byte for byte.

use super::record::{CredentialKind, Record};
use crate::secret::Secret;

/// All that one vault holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The credentials.
    pub records: Vec<Record>,
    /// The accounts that the credentials belong to.
    pub accounts: Vec<KeptEntry>,
    /// MSAL's notes about applications ("this client is in a family").
    pub app_metadata: Vec<KeptEntry>,
}

/// One entry without a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptEntry {
    /// The entry's key in its section, as raw JSON text with its quotes.
    pub key: String,
    /// The whole entry, raw JSON text.
    pub entry: String,
}

/// What a commit takes out of a vault, by id and key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Gone {
    records: Vec<(CredentialKind, String)>,
    accounts: Vec<String>,
    /// Fingerprints of whole entries.
    rivals: Vec<String>,
}

impl Gone {
    /// What `new` no longer has of `old`.
    pub(super) fn between(old: &Contents, new: &Contents) -> Self {
        Self::everything_in(old).but_for(new)
    }

    /// All that can be forgotten of `contents`; there is no secret in it.
    pub(super) fn everything_in(contents: &Contents) -> Self {
        let rivals = contents.records.iter().flat_map(|kept| &kept.rivals);
        Self {
            records: contents.records.iter().map(|kept| (kept.kind, kept.id.clone())).collect(),
            accounts: contents.accounts.iter().map(|kept| kept.key.clone()).collect(),
            rivals: rivals.map(|rival| rival.entry.fingerprint()).collect(),
        }
    }

    /// Of this, what `new` does not have.
    pub(super) fn but_for(&self, new: &Contents) -> Self {
        // Nearly always there are none.
        let entries = |kept: &Record| kept.entries().map(Secret::fingerprint).collect::<Vec<_>>();
        let kept: Vec<String> = match self.rivals.is_empty() {
            true => Vec::new(),
            false => new.records.iter().flat_map(entries).collect(),
        };
        let has_record = |(kind, id): &&(CredentialKind, String)| new.get(*kind, id).is_some();
        let has_account = |key: &String| new.accounts.iter().any(|kept| kept.key == *key);
        Self {
            records: self.records.iter().filter(|record| !has_record(record)).cloned().collect(),
            accounts: self.accounts.iter().filter(|key| !has_account(key)).cloned().collect(),
            rivals: self.rivals.iter().filter(|rival| !kept.contains(rival)).cloned().collect(),
        }
    }

    /// Whether nothing is forgotten.
    pub(super) fn is_nothing(&self) -> bool {
        self.records.is_empty() && self.accounts.is_empty() && self.rivals.is_empty()
    }

    /// Takes it out of other contents, and says whether there was any of it.
    pub(super) fn take_from(&self, contents: &mut Contents) -> bool {
        let count = |contents: &Contents| {
            contents.accounts.len() + contents.records.iter().map(|kept| kept.entries().count()).sum::<usize>()
        };
        let before = count(contents);
        contents.records.retain(|kept| !self.records.iter().any(|(kind, id)| kept.is(*kind, id)));
        contents.accounts.retain(|kept| !self.accounts.contains(&kept.key));
        for kept in &mut contents.records {
            kept.rivals.retain(|rival| !self.rivals.contains(&rival.entry.fingerprint()));
        }
        before != count(contents)
    }
}

impl Contents {
    /// The credentials of one kind.
    pub fn of(&self, kind: CredentialKind) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(move |record| record.kind == kind)
    }

    /// The credential of this kind and id.
    #[must_use]
    pub fn get(&self, kind: CredentialKind, id: &str) -> Option<&Record> {
        self.records.iter().find(|record| record.is(kind, id))
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, kind: CredentialKind, id: &str) -> Option<&mut Record> {
        self.records.iter_mut().find(|record| record.is(kind, id))
    }

    /// Has `record`, in the place of the one of its kind and id.
    pub fn put(&mut self, record: Record) {
        self.records.retain(|other| !other.is(record.kind, &record.id));
        self.records.push(record);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::record::{Owner, Rival};
    use super::*;

    /// Contents with everything awkward in them: escapes, unknown fields, odd spacing, an empty list, raw bytes.
    pub(crate) fn sample(token: &str) -> Contents {
        Contents {
            records: vec![
                Record {
                    kind: CredentialKind::RefreshToken,
                    owner: Owner::default(),
                    id: "\"home-login.microsoftonline.com-refreshtoken-1\\u00e9\"".into(),
                    entry: Secret::from_text(format!(
                        "{{ \"secret\":\"{token}\\n\\\"\",\n  \"new_field\": [1.0, null] }}"
                    )),
                    predecessors: vec!["0011223344556677".into()],
                    stored_at: 1_760_000_000,
                    stored_by: "login".into(),
                    brought_at: 1_759_000_000,
                    rivals: vec![Rival {
                        entry: Secret::from_text("{\"secret\": \"rival\"}".into()),
                        stored_at: 7,
                        stored_by: "sweep".into(),
                    }],
                },
                Record {
                    kind: CredentialKind::RefreshToken,
                    owner: Owner::default(),
                    id: "\"b\"".into(),
                    entry: Secret::new(vec![0xff, 0, b'"']),
                    predecessors: Vec::new(),
                    stored_at: -1,
                    stored_by: String::new(),
                    brought_at: 0,
                    rivals: Vec::new(),
                },
            ],
            accounts: vec![KeptEntry { key: "\"a\"".into(), entry: "{\"name\": \"J\\u00f6rg 🦀\\\\\"}".into() }],
            app_metadata: vec![KeptEntry { key: "\"\"".into(), entry: "{}".into() }],
        }
    }

    #[test]
    fn a_rival_that_is_dropped_is_gone_and_one_that_was_preferred_is_not() {
        let (old, mut new) = (sample("t"), sample("t"));
        assert!(Gone::between(&old, &new).is_nothing());
        let rival = new.records[0].rivals.remove(0);
        let gone = Gone::between(&old, &new);
        assert!(!gone.is_nothing());
        let mut other = sample("t");
        assert!(gone.take_from(&mut other));
        assert_eq!(other, new);
        assert!(!gone.take_from(&mut other));
        new.records[0].entry = rival.entry;
        assert!(Gone::between(&old, &new).is_nothing());
    }
}
