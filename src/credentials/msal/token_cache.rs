//! MSAL's token cache as a document: read without copying, edited by splicing one section, so that every byte azward does
//! not mean to change stays as it was, whatever fields and sections a later MSAL adds. A text that is not such a
//! document is [`Kind::CacheForeign`] and is never edited. What it is made of, and where each part stands, is `sections`.
//!
//! The layout written is that of `json.dumps(..., indent=4)` (msal 1.39.0, `token_cache.py`,
//! `SerializableTokenCache.serialize`).
//!
//! [`Kind::CacheForeign`]: crate::failure::Kind::CacheForeign

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use zeroize::Zeroizing;

use crate::credentials::document::{Absence, Change, Credential, Document, Entry};
use crate::credentials::msal::sections::{Section, SectionText, Sections, foreign, joined, render};
use crate::failure::Result;
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
        self.sections.named(name).next().map_or_else(|| Ok(Vec::new()), SectionText::entries)
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
            CredentialKind::ClientSecret
            | CredentialKind::ClientAssertion
            | CredentialKind::ClientCertificate
            | CredentialKind::AdalTokens
            | CredentialKind::AdalRefreshToken
            | CredentialKind::AdalClientSecret => None,
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
        let sections = self.sections.0.iter().filter(|section| section.is_object());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;

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
