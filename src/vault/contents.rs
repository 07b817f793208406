//! What a vault holds, and its JSON. Whole entries are kept as the text that MSAL wrote, so that they go back byte for
//! byte. A refresh token's entry is base64 within the JSON: that way reading it needs no unescaping, whose scratch
//! buffers nobody would zero. Every buffer that a secret passes through is sized first, so that none is left behind by
//! a reallocation, and zeroed after.

use std::borrow::Cow;
use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::record::{CredentialKind, Record, Rival};
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

#[derive(Deserialize, Serialize)]
struct Document<'a> {
    #[serde(borrow)]
    refresh_tokens: Vec<TokenRecord<'a>>,
    accounts: Vec<EntryRecord<'a>>,
    app_metadata: Vec<EntryRecord<'a>>,
}

#[derive(Deserialize, Serialize)]
struct TokenRecord<'a> {
    key: Cow<'a, str>,
    /// Base64, so never escaped, so always borrowed from the buffer that is zeroed.
    entry: &'a str,
    predecessors: Cow<'a, [String]>,
    stored_at: i64,
    stored_by: Cow<'a, str>,
    /// Not known of what the first version stored: then it was long ago.
    #[serde(default, skip_serializing_if = "is_unknown")]
    brought_at: i64,
    /// The first version had none.
    #[serde(default, borrow, skip_serializing_if = "Vec::is_empty")]
    rivals: Vec<RivalRecord<'a>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_unknown(time: &i64) -> bool {
    *time == 0
}

#[derive(Deserialize, Serialize)]
struct RivalRecord<'a> {
    /// Base64, as above.
    entry: &'a str,
    stored_at: i64,
    stored_by: Cow<'a, str>,
}

#[derive(Deserialize, Serialize)]
struct EntryRecord<'a> {
    key: Cow<'a, str>,
    entry: Cow<'a, str>,
}

/// Why a plaintext is not a vault's: said without any of it.
#[derive(Debug)]
pub(super) struct NotContents;

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

    /// The JSON that is sealed.
    pub(super) fn to_json(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        let encode = |entry: &Secret| Zeroizing::new(STANDARD.encode(entry.expose()));
        let encoded: Vec<Vec<Zeroizing<String>>> =
            self.records.iter().map(|record| record.entries().map(encode).collect()).collect();
        let document = Document {
            refresh_tokens: self.records.iter().zip(&encoded).map(|(record, entry)| to_wire(record, entry)).collect(),
            accounts: self.accounts.iter().map(KeptEntry::record).collect(),
            app_metadata: self.app_metadata.iter().map(KeptEntry::record).collect(),
        };
        let mut length = Counter(0);
        serde_json::to_writer(&mut length, &document)?;
        let mut json = Zeroizing::new(Vec::with_capacity(length.0));
        serde_json::to_writer(&mut *json, &document)?;
        Ok(json)
    }

    /// Reads what [`Self::to_json`] wrote.
    pub(super) fn from_json(json: &[u8]) -> Result<Self, NotContents> {
        let document: Document<'_> = serde_json::from_slice(json).map_err(|_| NotContents)?;
        let records = document.refresh_tokens.into_iter().map(from_wire);
        Ok(Self {
            records: records.collect::<Result<_, _>>()?,
            accounts: document.accounts.into_iter().map(KeptEntry::from_record).collect(),
            app_metadata: document.app_metadata.into_iter().map(KeptEntry::from_record).collect(),
        })
    }
}

/// `encoded` are the record's [`Record::entries`].
fn to_wire<'a>(record: &'a Record, encoded: &'a [Zeroizing<String>]) -> TokenRecord<'a> {
    let rival = |(rival, entry): (&'a Rival, &'a Zeroizing<String>)| RivalRecord {
        entry,
        stored_at: rival.stored_at,
        stored_by: Cow::Borrowed(&rival.stored_by),
    };
    TokenRecord {
        key: Cow::Borrowed(&record.id),
        entry: encoded.first().map_or("", |entry| entry),
        rivals: record.rivals.iter().zip(encoded.iter().skip(1)).map(rival).collect(),
        predecessors: Cow::Borrowed(&record.predecessors),
        stored_at: record.stored_at,
        stored_by: Cow::Borrowed(&record.stored_by),
        brought_at: record.brought_at,
    }
}

fn from_wire(record: TokenRecord<'_>) -> Result<Record, NotContents> {
    let decode = |entry: &str| STANDARD.decode(entry).map(Secret::new).map_err(|_| NotContents);
    let rival = |record: RivalRecord<'_>| {
        Ok(Rival {
            entry: decode(record.entry)?,
            stored_at: record.stored_at,
            stored_by: record.stored_by.into_owned(),
        })
    };
    let entry = decode(record.entry)?;
    Ok(Record {
        kind: CredentialKind::RefreshToken,
        id: record.key.into_owned(),
        // Whatever is an entry says it. What is none is nobody's, and is kept.
        owner: serde_json::from_str(entry.expose_text()).unwrap_or_default(),
        entry,
        rivals: record.rivals.into_iter().map(rival).collect::<Result<_, _>>()?,
        predecessors: record.predecessors.into_owned(),
        stored_at: record.stored_at,
        stored_by: record.stored_by.into_owned(),
        brought_at: record.brought_at,
    })
}

impl KeptEntry {
    fn record(&self) -> EntryRecord<'_> {
        EntryRecord { key: Cow::Borrowed(&self.key), entry: Cow::Borrowed(&self.entry) }
    }

    fn from_record(record: EntryRecord<'_>) -> Self {
        Self { key: record.key.into_owned(), entry: record.entry.into_owned() }
    }
}

/// Counts what is written to it.
struct Counter(usize);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::record::Owner;
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
    fn everything_comes_back_as_it_was() {
        let json = sample("token").to_json().unwrap();
        assert_eq!(Contents::from_json(&json).unwrap(), sample("token"));
        assert_eq!(Contents::from_json(&Contents::default().to_json().unwrap()).unwrap(), Contents::default());
    }

    #[test]
    fn what_the_first_version_wrote_is_read() {
        let json = "{\"refresh_tokens\":[{\"key\":\"k\",\"entry\":\"e30=\",\"predecessors\":[],\"stored_at\":1,\
                    \"stored_by\":\"login\"}],\"accounts\":[],\"app_metadata\":[]}";
        let contents = Contents::from_json(json.as_bytes()).unwrap();
        assert!(contents.records[0].rivals.is_empty());
        assert_eq!(std::str::from_utf8(&contents.to_json().unwrap()).unwrap(), json);
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

    #[test]
    fn the_buffer_is_sized_once() {
        let json = sample("token").to_json().unwrap();
        assert_eq!(json.len(), json.capacity());
    }

    #[test]
    fn what_is_not_contents_is_refused() {
        for text in ["", "{}", "[]", "{\"refresh_tokens\":[],\"accounts\":[]}", "\u{0}"] {
            assert!(Contents::from_json(text.as_bytes()).is_err(), "{text}");
        }
    }
}
