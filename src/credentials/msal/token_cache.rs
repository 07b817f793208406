//! MSAL's token cache as a document: read without copying, edited by splicing one section, so that every byte azward does
//! not mean to change stays as it was, whatever fields and sections a later MSAL adds. A text that is not such a
//! document is [`Kind::CacheForeign`] and is never edited.
//!
//! The layout written is that of `json.dumps(..., indent=4)` (msal 1.39.0, `token_cache.py`,
//! `SerializableTokenCache.serialize`).

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::credentials::document::{Absence, Change, Credential, Document, Entry};
use crate::credentials::msal::cache_entry::Section;
use crate::failure::{Failure, Kind, Result};
use crate::vault::{CredentialKind, Owner};

/// A token cache, borrowed from its text.
pub struct TokenCache<'a> {
    text: &'a str,
    sections: Sections<'a>,
}

impl fmt::Debug for TokenCache<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TokenCache").field("length", &self.text.len()).finish_non_exhaustive()
    }
}

impl<'a> TokenCache<'a> {
    /// Reads a text. One without anything but white space is an empty cache, as MSAL takes it.
    ///
    /// # Errors
    /// [`Kind::CacheForeign`] when it is not JSON, or not of MSAL's shape in a section that azward edits.
    pub fn parse(text: &'a str) -> Result<Self> {
        if text.trim().is_empty() {
            return Ok(Self { text: "{}", sections: Sections(Vec::new()) });
        }
        let sections: Sections<'a> = serde_json::from_str(text).map_err(|error| foreign(&error))?;
        let cache = Self { text, sections };
        for section in Section::ALL {
            if cache.sections.named(section.name()).count() > 1 {
                return Err(foreign(&format_args!("the section {} stands twice", section.name())));
            }
        }
        for section in [Section::RefreshToken, Section::Account, Section::AppMetadata] {
            cache.refuse_twins(section)?;
        }
        for entry in cache.entries(Section::RefreshToken)? {
            entry.refresh_token()?;
        }
        for entry in cache.entries(Section::Account)? {
            entry.account()?;
        }
        Ok(cache)
    }

    /// Of two entries with one key Python has the last only, and what is kept by its key would be another one.
    fn refuse_twins(&self, section: Section) -> Result<()> {
        let key = |entry: &Entry<'a>| serde_json::from_str(entry.key).map_err(|error| foreign(&error));
        let mut keys: Vec<Cow<'_, str>> = self.entries(section)?.iter().map(key).collect::<Result<_>>()?;
        keys.sort_unstable();
        match keys.is_sorted_by(|one, next| one < next) {
            true => Ok(()),
            false => Err(foreign(&format_args!("an entry of the section {} stands twice", section.name()))),
        }
    }

    /// The entries of a section, in the file's order; none when the section is absent.
    ///
    /// # Errors
    /// [`Kind::CacheForeign`] when the section is not an object.
    pub fn entries(&self, section: Section) -> Result<Vec<Entry<'a>>> {
        self.entries_named(section.name())
    }

    fn entries_named(&self, name: &str) -> Result<Vec<Entry<'a>>> {
        match self.sections.named(name).next().map(|section| &section.body) {
            None => Ok(Vec::new()),
            Some(Body::Read(members)) => Ok(members.entries()),
            Some(Body::Raw(raw)) => {
                let members: Members<'a> = serde_json::from_str(raw.get()).map_err(|error| foreign(&error))?;
                Ok(members.entries())
            }
        }
    }

    /// Whether it has a refresh token.
    ///
    /// # Errors
    /// [`Kind::CacheForeign`] when the section is not an object.
    pub fn has_refresh_token(&self) -> Result<bool> {
        Ok(self.refresh_token_count()? > 0)
    }

    /// How many refresh tokens it has.
    ///
    /// # Errors
    /// [`Kind::CacheForeign`] when the section is not an object.
    pub fn refresh_token_count(&self) -> Result<usize> {
        Ok(self.entries(Section::RefreshToken)?.len())
    }

    /// The document's text with `new` put in: each in the place of the one with its key, or at the section's end, as MSAL's
    /// dictionaries have it.
    ///
    /// # Errors
    /// [`Kind::CacheForeign`] when the section is not an object.
    pub fn with_upserted(&self, section: Section, new: &[Entry<'_>]) -> Result<Zeroizing<String>> {
        Ok(self.with_entries(section, &self.upsertion(section, new)?.entries))
    }

    /// The change that puts `new` in.
    ///
    /// # Errors
    /// [`Kind::CacheForeign`] when the section is not an object.
    pub(super) fn upsertion<'e>(&self, section: Section, new: &[Entry<'e>]) -> Result<Change<'e>>
    where
        'a: 'e,
    {
        let mut entries: Vec<Entry<'e>> = self.entries(section)?;
        for entry in new {
            match entries.iter_mut().find(|old| old.key == entry.key) {
                Some(old) => *old = *entry,
                None => entries.push(*entry),
            }
        }
        Ok(Change { section: section.name(), entries })
    }

    /// The document's text with the entries of `section` replaced; everything else stays byte for byte. A section that
    /// is absent is added at the end, unless there is nothing to put in it.
    #[must_use]
    pub fn with_entries(&self, section: Section, entries: &[Entry<'_>]) -> Zeroizing<String> {
        let change = Change { section: section.name(), entries: entries.to_vec() };
        let is_nothing = entries.is_empty() && self.sections.named(section.name()).next().is_none();
        self.edit(if is_nothing { &[] } else { std::slice::from_ref(&change) })
    }
}

impl Document for TokenCache<'_> {
    fn section_of(kind: CredentialKind) -> Option<&'static str> {
        match kind {
            CredentialKind::RefreshToken => Some(Section::RefreshToken.name()),
        }
    }

    fn credential<'e>(_section: &str, entry: Entry<'e>) -> Result<Credential<'e>> {
        let token = entry.refresh_token()?;
        Ok(Credential {
            kind: CredentialKind::RefreshToken,
            id: entry.key,
            owner: token.account,
            secret: token.secret.get(),
            entry: entry.value,
            changed_at: token.last_modification_time.and_then(|time| time.parse().ok()),
        })
    }

    fn owner(entry: Entry<'_>) -> Option<Owner> {
        entry.owner()
    }

    fn renewed_at(section: &str, entry: Entry<'_>) -> Option<i64> {
        (section == Section::AccessToken.name()).then(|| entry.cached_at())
    }

    fn absence(section: &str) -> Absence {
        let is_doubtful = [Section::Account, Section::AppMetadata].iter().any(|doubtful| doubtful.name() == section);
        if is_doubtful { Absence::Doubtful } else { Absence::Removal }
    }

    fn section_names(&self) -> Vec<Cow<'_, str>> {
        let sections = self.sections.0.iter().filter(|section| section.body.is_object());
        sections.filter_map(|section| serde_json::from_str(section.name.get()).ok()).collect()
    }

    fn section(&self, name: &str) -> Result<Vec<Entry<'_>>> {
        self.entries_named(name)
    }

    fn owners(&self) -> Result<HashSet<Owner>> {
        self.entries(Section::Account)?.iter().map(|entry| Ok(entry.account()?.id)).collect()
    }

    fn edit(&self, changes: &[Change<'_>]) -> Zeroizing<String> {
        let bodies: Vec<Zeroizing<String>> = changes.iter().map(|change| render(&change.entries)).collect();
        let (mut there, mut absent) = (Vec::new(), Vec::new());
        for (change, body) in changes.iter().zip(&bodies) {
            match self.sections.named(change.section).next() {
                Some(section) => there.push((section.place(self.text), body.as_str())),
                None => absent.push((serde_json::Value::from(change.section).to_string(), body.as_str())),
            }
        }
        there.sort_unstable();
        let (mut parts, mut done) = (Vec::new(), 0);
        for ((start, end), body) in there {
            parts.extend([&self.text[done..start], body]);
            done = end;
        }
        if !absent.is_empty() {
            let end = self.text.rfind('}').unwrap_or(self.text.len());
            parts.push(self.text[done..end].trim_end());
            let mut comma = if self.sections.0.is_empty() { "" } else { "," };
            for (key, body) in &absent {
                parts.extend([std::mem::replace(&mut comma, ","), "\n    ", key, ": ", body]);
            }
            parts.push("\n");
            done = end;
        }
        parts.push(&self.text[done..]);
        joined(&parts)
    }
}

/// Writes a section's object as it stands at depth one of an indented document.
fn render(entries: &[Entry<'_>]) -> Zeroizing<String> {
    if entries.is_empty() {
        return Zeroizing::new("{}".to_owned());
    }
    let size = entries.iter().map(|entry| entry.key.len() + entry.value.len() + 12).sum::<usize>() + 8;
    // Made large enough at once: a buffer that grows leaves copies behind that nobody zeroes.
    let mut body = Zeroizing::new(String::with_capacity(size));
    body.push('{');
    for (place, entry) in entries.iter().enumerate() {
        if place > 0 {
            body.push(',');
        }
        body.push_str("\n        ");
        body.push_str(entry.key);
        body.push_str(": ");
        body.push_str(entry.value);
    }
    body.push_str("\n    }");
    body
}

/// Where in `text` a part of it stands: the difference of their addresses.
pub(super) fn place_of(part: &RawValue, text: &str) -> (usize, usize) {
    let start = part.get().as_ptr() as usize - text.as_ptr() as usize;
    (start, start + part.get().len())
}

/// One text of several, in a buffer that is large enough at once.
pub(super) fn joined(parts: &[&str]) -> Zeroizing<String> {
    let mut whole = Zeroizing::new(String::with_capacity(parts.iter().map(|part| part.len()).sum()));
    for part in parts {
        whole.push_str(part);
    }
    whole
}

/// serde's messages name places, never contents, except for an unexpected value: those are cut off.
pub(super) fn foreign(reason: &dyn fmt::Display) -> Failure {
    let reason = reason.to_string();
    let place = reason.rfind(" at line ").map_or("", |start| &reason[start..]);
    let reason = if reason.starts_with("invalid") { format!("a value of the wrong kind{place}") } else { reason };
    Failure::new(
        Kind::CacheForeign,
        format!("the token cache is not one that azward understands: {reason}"),
        "azward left it as it is; move it aside, and the logins in the vault come back with the next command",
    )
}

/// A cache's sections in their order.
struct Sections<'a>(Vec<SectionText<'a>>);

struct SectionText<'a> {
    name: &'a RawValue,
    body: Body<'a>,
}

/// What a section's name stands for. Those that azward knows are read with the text, so that a large one is gone through
/// once.
enum Body<'a> {
    Read(Members<'a>),
    Raw(&'a RawValue),
}

impl<'a> Sections<'a> {
    fn named(&self, name: &str) -> impl Iterator<Item = &SectionText<'a>> {
        self.0.iter().filter(move |section| is_key(section.name, name))
    }
}

impl SectionText<'_> {
    /// Where in `text`, which is JSON, the section's object stands.
    fn place(&self, text: &str) -> (usize, usize) {
        let members = match &self.body {
            Body::Raw(raw) => return place_of(raw, text),
            Body::Read(members) => members,
        };
        let (_, name_end) = place_of(self.name, text);
        let start = text[name_end..].find('{').map_or(name_end, |brace| name_end + brace);
        let last_end = members.0.last().map_or(start + 1, |(_, value)| place_of(value, text).1);
        let end = text[last_end..].find('}').map_or(last_end, |brace| last_end + brace + 1);
        (start, end)
    }
}

impl Body<'_> {
    fn is_object(&self) -> bool {
        match self {
            Body::Read(_) => true,
            Body::Raw(raw) => raw.get().starts_with('{'),
        }
    }
}

/// A JSON object's members in their order, raw.
pub(super) struct Members<'a>(pub(super) Vec<(&'a RawValue, &'a RawValue)>);

impl<'a> Members<'a> {
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &'a RawValue> {
        self.0.iter().filter(move |(key, _)| is_key(key, name)).map(|(_, value)| *value)
    }

    fn entries(&self) -> Vec<Entry<'a>> {
        self.0.iter().map(|(key, value)| Entry { key: key.get(), value: value.get() }).collect()
    }
}

impl<'de> Deserialize<'de> for Sections<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Sections<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
                let mut sections = Vec::new();
                while let Some(name) = map.next_key::<&'de RawValue>()? {
                    let body = match Section::ALL.iter().any(|section| is_key(name, section.name())) {
                        true => Body::Read(map.next_value()?),
                        false => Body::Raw(map.next_value()?),
                    };
                    sections.push(SectionText { name, body });
                }
                Ok(Sections(sections))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

fn is_key(raw: &RawValue, name: &str) -> bool {
    serde_json::from_str::<Cow<'_, str>>(raw.get()).is_ok_and(|key| key == name)
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<&'de RawValue, &'de RawValue>().map_err(de::Error::custom)? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CACHE: &str = r#"{
    "AccessToken": {},
    "RefreshToken": {
        "h.t-env-refreshtoken-c--s": {
            "credential_type": "RefreshToken",
            "secret": "hush",
            "home_account_id": "h.t",
            "environment": "env",
            "from_tomorrow": [1, 2.50, "\u00e4"]
        }
    },
    "Account": {
        "h.t-env-organizations": {"home_account_id": "h.t", "environment": "env", "username": "u@x"}
    },
    "Tomorrow": {"a": 1e3}
}"#;

    #[test]
    fn a_debug_text_shows_nothing_of_it() {
        let cache = TokenCache::parse(CACHE).unwrap();
        let entries = cache.entries(Section::RefreshToken).unwrap();
        let token = entries[0].refresh_token().unwrap();
        let shown = format!("{cache:?} {entries:?} {token:?}");
        assert!(!shown.contains("hush") && shown.contains("h.t-env-refreshtoken-c--s"), "{shown}");
    }

    #[test]
    fn a_section_taken_out_and_put_back_leaves_the_same_bytes() {
        let cache = TokenCache::parse(CACHE).unwrap();
        let entries = cache.entries(Section::RefreshToken).unwrap();
        let without = cache.with_entries(Section::RefreshToken, &[]);
        assert!(!without.contains("hush") && without.contains("\"RefreshToken\": {},\n    \"Account\""));
        let scrubbed = TokenCache::parse(&without).unwrap();
        assert_eq!(*scrubbed.with_entries(Section::RefreshToken, &entries), CACHE);
    }

    #[test]
    fn an_absent_section_is_added_and_an_empty_one_is_not() {
        let cache = TokenCache::parse("{\n    \"AccessToken\": {}\n}").unwrap();
        let entry = Entry { key: "\"k\"", value: "{\"a\": 1}" };
        assert_eq!(*cache.with_entries(Section::Account, &[]), "{\n    \"AccessToken\": {}\n}");
        assert_eq!(
            *cache.with_entries(Section::AppMetadata, &[entry]),
            "{\n    \"AccessToken\": {},\n    \"AppMetadata\": {\n        \"k\": {\"a\": 1}\n    }\n}"
        );
    }

    #[test]
    fn an_upserted_entry_keeps_its_place() {
        let cache = TokenCache::parse("{\"AppMetadata\": {\"a\": {}, \"b\": {}}}").unwrap();
        let entries = [Entry { key: "\"a\"", value: "{\"x\": 1}" }, Entry { key: "\"c\"", value: "{}" }];
        let text = cache.with_upserted(Section::AppMetadata, &entries).unwrap();
        let keys: Vec<_> = TokenCache::parse(&text)
            .unwrap()
            .entries(Section::AppMetadata)
            .unwrap()
            .into_iter()
            .map(|entry| format!("{}{}", entry.key, entry.value))
            .collect();
        assert_eq!(keys, ["\"a\"{\"x\": 1}", "\"b\"{}", "\"c\"{}"]);
    }

    #[test]
    fn several_sections_are_edited_at_once_and_absent_ones_stand_at_the_end() {
        let cache = TokenCache::parse("{\n  \"B\": {\"x\": 1},\"C\":3, \"A\" : {\"y\": {}}\n}\n").unwrap();
        let change = |section, keys: &[&'static str]| Change {
            section,
            entries: keys.iter().map(|key| Entry { key, value: "{}" }).collect(),
        };
        let changes = [change("New", &["\"n\""]), change("A", &["\"a\""]), change("Empty", &[]), change("B", &[])];
        assert_eq!(
            *cache.edit(&changes),
            "{\n  \"B\": {},\"C\":3, \"A\" : {\n        \"a\": {}\n    },\n    \"New\": {\n        \"n\": {}\n    },\n    \
             \"Empty\": {}\n}\n"
        );
        assert_eq!(*cache.edit(&[]), cache.text);
        assert_eq!(*TokenCache::parse("").unwrap().edit(&changes[2..3]), "{\n    \"Empty\": {}\n}");
    }

    #[test]
    fn an_empty_file_is_an_empty_cache() {
        let cache = TokenCache::parse(" \n").unwrap();
        let entry = Entry { key: "\"k\"", value: "{}" };
        assert_eq!(
            *cache.with_entries(Section::Account, &[entry]),
            "{\n    \"Account\": {\n        \"k\": {}\n    }\n}"
        );
    }

    #[test]
    fn what_is_not_a_cache_is_foreign_and_is_not_quoted() {
        let twice = r#"{"RefreshToken": {}, "RefreshToken": {}}"#;
        for text in [
            "[]",
            "{",
            "nonsense",
            "{\"RefreshToken\": 7}",
            "{\"AccessToken\": 1}",
            "{\"RefreshToken\": {\"k\": {\"secret\": 1}}}",
            twice,
            "{\"AppMetadata\": {\"k\": {}, \"\\u006b\": {}}}",
        ] {
            assert_eq!(TokenCache::parse(text).unwrap_err().kind, Kind::CacheForeign, "{text}");
        }
        let failure = TokenCache::parse(r#"{"RefreshToken": "hush"}"#).unwrap_err();
        assert!(!failure.to_string().contains("hush"), "{failure}");
    }
}
