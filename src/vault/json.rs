//! A vault's contents as the JSON that is sealed. A credential's entry is base64 within it: that way reading it needs no
//! unescaping, whose scratch buffers nobody would zero. Every buffer that a secret passes through is sized first, so that
//! none is left behind by a reallocation, and zeroed after.
//!
//! Format 2 has records of every kind, each with its owner. Format 1, which is read and no longer written, had refresh
//! tokens alone, and their owners only in their entries. A kind that this azward does not know is a newer azward's, and
//! such a vault is left as it is, for whoever rewrote it would lose it.

use std::borrow::Cow;
use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::contents::{Contents, KeptEntry};
use super::record::{CredentialKind, Owner, Record, Rival};
use crate::secret::Secret;

/// How the contents are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// That of the first version.
    First,
    /// The one that is written.
    Second,
}

/// Why a plaintext is not a vault's: said without any of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotContents {
    /// It makes no sense.
    Nonsense,
    /// It has what only a newer azward knows.
    Newer,
}

#[derive(Deserialize, Serialize)]
struct Document<'a> {
    #[serde(borrow)]
    records: Vec<WireRecord<'a>>,
    accounts: Vec<WireEntry<'a>>,
    app_metadata: Vec<WireEntry<'a>>,
}

#[derive(Deserialize, Serialize)]
struct WireRecord<'a> {
    kind: Cow<'a, str>,
    id: Cow<'a, str>,
    owner: Cow<'a, Owner>,
    /// Base64, so never escaped, so always borrowed from the buffer that is zeroed.
    entry: &'a str,
    predecessors: Cow<'a, [String]>,
    stored_at: i64,
    stored_by: Cow<'a, str>,
    brought_at: i64,
    #[serde(default, borrow, skip_serializing_if = "Vec::is_empty")]
    rivals: Vec<WireRival<'a>>,
}

#[derive(Deserialize, Serialize)]
struct WireRival<'a> {
    /// Base64, as above.
    entry: &'a str,
    stored_at: i64,
    stored_by: Cow<'a, str>,
}

#[derive(Deserialize, Serialize)]
struct WireEntry<'a> {
    key: Cow<'a, str>,
    entry: Cow<'a, str>,
}

/// Format 1's document.
#[derive(Deserialize)]
struct FirstDocument<'a> {
    #[serde(borrow)]
    refresh_tokens: Vec<FirstRecord<'a>>,
    accounts: Vec<WireEntry<'a>>,
    app_metadata: Vec<WireEntry<'a>>,
}

#[derive(Deserialize)]
struct FirstRecord<'a> {
    key: Cow<'a, str>,
    /// Base64, as above.
    entry: &'a str,
    predecessors: Cow<'a, [String]>,
    stored_at: i64,
    stored_by: Cow<'a, str>,
    /// Not known of what the oldest stored: then it was long ago.
    #[serde(default)]
    brought_at: i64,
    #[serde(default, borrow)]
    rivals: Vec<WireRival<'a>>,
}

impl Contents {
    /// The JSON that is sealed.
    pub(super) fn to_json(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        let encode = |entry: &Secret| Zeroizing::new(STANDARD.encode(entry.expose()));
        let encoded: Vec<Vec<Zeroizing<String>>> =
            self.records.iter().map(|record| record.entries().map(encode).collect()).collect();
        let document = Document {
            records: self.records.iter().zip(&encoded).map(|(record, entries)| to_wire(record, entries)).collect(),
            accounts: self.accounts.iter().map(KeptEntry::to_wire).collect(),
            app_metadata: self.app_metadata.iter().map(KeptEntry::to_wire).collect(),
        };
        let mut length = Counter(0);
        serde_json::to_writer(&mut length, &document)?;
        let mut json = Zeroizing::new(Vec::with_capacity(length.0));
        serde_json::to_writer(&mut *json, &document)?;
        Ok(json)
    }

    /// Reads what [`Self::to_json`] wrote, or what the first version did.
    pub(super) fn from_json(format: Format, json: &[u8]) -> Result<Self, NotContents> {
        let (records, accounts, app_metadata) = match format {
            Format::First => {
                let FirstDocument { refresh_tokens, accounts, app_metadata } = parse(json)?;
                (refresh_tokens.into_iter().map(first_from_wire).collect(), accounts, app_metadata)
            }
            Format::Second => {
                let Document { records, accounts, app_metadata } = parse(json)?;
                (records.into_iter().map(from_wire).collect(), accounts, app_metadata)
            }
        };
        let entries = |entries: Vec<WireEntry<'_>>| entries.into_iter().map(KeptEntry::from_wire).collect();
        let records: Result<_, NotContents> = records;
        Ok(Self { records: records?, accounts: entries(accounts), app_metadata: entries(app_metadata) })
    }
}

fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, NotContents> {
    serde_json::from_slice(json).map_err(|_| NotContents::Nonsense)
}

/// `encoded` are the record's [`Record::entries`].
fn to_wire<'a>(record: &'a Record, encoded: &'a [Zeroizing<String>]) -> WireRecord<'a> {
    let rival = |(rival, entry): (&'a Rival, &'a Zeroizing<String>)| WireRival {
        entry,
        stored_at: rival.stored_at,
        stored_by: Cow::Borrowed(&rival.stored_by),
    };
    WireRecord {
        kind: Cow::Borrowed(record.kind.name()),
        id: Cow::Borrowed(&record.id),
        owner: Cow::Borrowed(&record.owner),
        entry: encoded.first().map_or("", |entry| entry),
        rivals: record.rivals.iter().zip(encoded.iter().skip(1)).map(rival).collect(),
        predecessors: Cow::Borrowed(&record.predecessors),
        stored_at: record.stored_at,
        stored_by: Cow::Borrowed(&record.stored_by),
        brought_at: record.brought_at,
    }
}

fn from_wire(wire: WireRecord<'_>) -> Result<Record, NotContents> {
    Ok(Record {
        kind: CredentialKind::from_name(&wire.kind).ok_or(NotContents::Newer)?,
        id: wire.id.into_owned(),
        owner: wire.owner.into_owned(),
        entry: decode(wire.entry)?,
        rivals: wire.rivals.into_iter().map(rival_from_wire).collect::<Result<_, _>>()?,
        predecessors: wire.predecessors.into_owned(),
        stored_at: wire.stored_at,
        stored_by: wire.stored_by.into_owned(),
        brought_at: wire.brought_at,
    })
}

fn first_from_wire(wire: FirstRecord<'_>) -> Result<Record, NotContents> {
    let entry = decode(wire.entry)?;
    Ok(Record {
        kind: CredentialKind::RefreshToken,
        id: wire.key.into_owned(),
        // Whatever is an entry says it. What is none is nobody's, and is kept.
        owner: serde_json::from_str(entry.expose_text()).unwrap_or_default(),
        entry,
        rivals: wire.rivals.into_iter().map(rival_from_wire).collect::<Result<_, _>>()?,
        predecessors: wire.predecessors.into_owned(),
        stored_at: wire.stored_at,
        stored_by: wire.stored_by.into_owned(),
        brought_at: wire.brought_at,
    })
}

fn rival_from_wire(wire: WireRival<'_>) -> Result<Rival, NotContents> {
    Ok(Rival { entry: decode(wire.entry)?, stored_at: wire.stored_at, stored_by: wire.stored_by.into_owned() })
}

fn decode(entry: &str) -> Result<Secret, NotContents> {
    STANDARD.decode(entry).map(Secret::new).map_err(|_| NotContents::Nonsense)
}

impl KeptEntry {
    fn to_wire(&self) -> WireEntry<'_> {
        WireEntry { key: Cow::Borrowed(&self.key), entry: Cow::Borrowed(&self.entry) }
    }

    fn from_wire(wire: WireEntry<'_>) -> Self {
        Self { key: wire.key.into_owned(), entry: wire.entry.into_owned() }
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
    use super::super::contents::tests::sample;
    use super::*;

    /// The JSON that the first version wrote for the same contents, whose owners it did not note.
    pub(crate) fn first_version(contents: &Contents) -> Vec<u8> {
        let entry = |secret: &Secret| STANDARD.encode(secret.expose());
        let rival = |rival: &Rival| serde_json::json!({ "entry": entry(&rival.entry), "stored_at": rival.stored_at, "stored_by": rival.stored_by });
        let token = |record: &Record| {
            serde_json::json!({
                "key": record.id,
                "entry": entry(&record.entry),
                "predecessors": record.predecessors,
                "stored_at": record.stored_at,
                "stored_by": record.stored_by,
                "brought_at": record.brought_at,
                "rivals": record.rivals.iter().map(rival).collect::<Vec<_>>(),
            })
        };
        let kept = |kept: &Vec<KeptEntry>| {
            kept.iter().map(|kept| serde_json::json!({ "key": kept.key, "entry": kept.entry })).collect::<Vec<_>>()
        };
        let document = serde_json::json!({
            "refresh_tokens": contents.records.iter().map(token).collect::<Vec<_>>(),
            "accounts": kept(&contents.accounts),
            "app_metadata": kept(&contents.app_metadata),
        });
        document.to_string().into_bytes()
    }

    fn read(json: &[u8]) -> Contents {
        Contents::from_json(Format::Second, json).unwrap()
    }

    #[test]
    fn everything_comes_back_as_it_was() {
        let mut owned = sample("token");
        owned.records[1].owner = Owner { home_account_id: "h.\u{e9}\"".into(), environment: "e".into() };
        for contents in [sample("token"), owned, Contents::default()] {
            assert_eq!(read(&contents.to_json().unwrap()), contents);
        }
    }

    #[test]
    fn what_the_first_version_wrote_is_read() {
        let json = "{\"refresh_tokens\":[{\"key\":\"k\",\"entry\":\"e30=\",\"predecessors\":[],\"stored_at\":1,\
                    \"stored_by\":\"login\"}],\"accounts\":[],\"app_metadata\":[]}";
        let contents = Contents::from_json(Format::First, json.as_bytes()).unwrap();
        assert!(contents.records[0].rivals.is_empty());
        assert_eq!(contents.records[0].entry.expose(), b"{}");
        assert_eq!(read(&contents.to_json().unwrap()), contents);
        let written = "{\"records\":[{\"kind\":\"refresh_token\",\"id\":\"k\",\"owner\":{\"home_account_id\":\"\",\
                       \"environment\":\"\"},\"entry\":\"e30=\",\"predecessors\":[],\"stored_at\":1,\
                       \"stored_by\":\"login\",\"brought_at\":0}],\"accounts\":[],\"app_metadata\":[]}";
        assert_eq!(std::str::from_utf8(&contents.to_json().unwrap()).unwrap(), written);
        assert_eq!(Contents::from_json(Format::First, &first_version(&sample("t"))).unwrap(), sample("t"));
    }

    #[test]
    fn the_first_version_s_entries_say_whose_they_are() {
        let entry = "{\"secret\": \"s\", \"home_account_id\": \"h.t\", \"more\": [1], \"environment\": \"e\"}";
        let mut contents = sample("t");
        contents.records[0].entry = Secret::from_text(entry.into());
        let read = Contents::from_json(Format::First, &first_version(&contents)).unwrap();
        assert_eq!(read.records[0].owner, Owner { home_account_id: "h.t".into(), environment: "e".into() });
        assert_eq!(read.records[1].owner, Owner::default(), "what is no entry is nobody's");
    }

    #[test]
    fn what_only_a_newer_azward_knows_is_told_from_nonsense() {
        let json = String::from_utf8(sample("t").to_json().unwrap().to_vec()).unwrap();
        let newer = json.replacen("refresh_token", "moon_stone", 1);
        assert_eq!(Contents::from_json(Format::Second, newer.as_bytes()), Err(NotContents::Newer));
    }

    #[test]
    fn the_buffer_is_sized_once() {
        let json = sample("token").to_json().unwrap();
        assert_eq!(json.len(), json.capacity());
    }

    #[test]
    fn what_is_not_contents_is_refused() {
        let first = first_version(&sample("t"));
        let second = sample("t").to_json().unwrap();
        assert_eq!(Contents::from_json(Format::First, &second), Err(NotContents::Nonsense));
        assert_eq!(Contents::from_json(Format::Second, &first), Err(NotContents::Nonsense));
        for text in ["", "{}", "[]", "{\"refresh_tokens\":[],\"accounts\":[]}", "{\"records\":[]}", "\u{0}"] {
            for format in [Format::First, Format::Second] {
                assert_eq!(Contents::from_json(format, text.as_bytes()), Err(NotContents::Nonsense), "{text}");
            }
        }
    }
}
