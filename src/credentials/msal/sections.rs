//! The JSON of a token cache: its sections and their members in the order of the text, each where it stands in it, so that
//! one of them can be written anew and every other byte stays. Whatever is read is borrowed. A text of another shape is
//! [`Kind::CacheForeign`], of which no value is quoted.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::credentials::document::Entry;
use crate::failure::{Failure, Kind, Result};

/// The sections that azward reads. Others are carried along unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Access tokens, one for each account, tenant and scope.
    AccessToken,
    /// Refresh tokens, one for each account and client or family.
    RefreshToken,
    /// Accounts, each known by its home account id and environment.
    Account,
    /// What MSAL knows of clients: their family.
    AppMetadata,
    /// Id tokens.
    IdToken,
}

impl Section {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::AccessToken, Self::RefreshToken, Self::Account, Self::AppMetadata, Self::IdToken];

    /// The section's name in the file (msal 1.39.0, `token_cache.py`, `TokenCache.CredentialType`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AccessToken => "AccessToken",
            Self::RefreshToken => "RefreshToken",
            Self::Account => "Account",
            Self::AppMetadata => "AppMetadata",
            Self::IdToken => "IdToken",
        }
    }
}

/// A cache's sections in their order.
pub(super) struct Sections<'a>(pub(super) Vec<SectionText<'a>>);

/// One of them: its name, and what that stands for.
pub(super) struct SectionText<'a> {
    pub(super) name: &'a RawValue,
    body: Body<'a>,
}

/// What a section's name stands for. Those that azward knows are read with the text, so that a large one is gone through
/// once.
enum Body<'a> {
    Read(Members<'a>),
    Raw(&'a RawValue),
}

impl<'a> Sections<'a> {
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &SectionText<'a>> {
        self.0.iter().filter(move |section| is_key(section.name, name))
    }
}

impl<'a> SectionText<'a> {
    /// Its entries, in their order.
    ///
    /// # Errors
    /// [`Kind::CacheForeign`] when it is not an object.
    pub(super) fn entries(&self) -> Result<Vec<Entry<'a>>> {
        match &self.body {
            Body::Read(members) => Ok(members.entries()),
            Body::Raw(raw) => {
                let members: Members<'a> = serde_json::from_str(raw.get()).map_err(|error| foreign(&error))?;
                Ok(members.entries())
            }
        }
    }

    pub(super) fn is_object(&self) -> bool {
        match &self.body {
            Body::Read(_) => true,
            Body::Raw(raw) => raw.get().starts_with('{'),
        }
    }

    /// Where in `text`, which is JSON, the section's object stands.
    pub(super) fn place(&self, text: &str) -> (usize, usize) {
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

/// A JSON object's members in their order, raw.
pub(in crate::credentials) struct Members<'a>(pub(in crate::credentials) Vec<(&'a RawValue, &'a RawValue)>);

impl<'a> Members<'a> {
    pub(in crate::credentials) fn named(&self, name: &str) -> impl Iterator<Item = &'a RawValue> {
        self.0.iter().filter(move |(key, _)| is_key(key, name)).map(|(_, value)| *value)
    }

    fn entries(&self) -> Vec<Entry<'a>> {
        self.0.iter().map(|(key, value)| Entry { key: key.get(), value: value.get() }).collect()
    }
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

fn is_key(raw: &RawValue, name: &str) -> bool {
    let key = raw.get();
    if !key.contains('\\') {
        return key.strip_prefix('"').and_then(|key| key.strip_suffix('"')) == Some(name);
    }
    serde_json::from_str::<Cow<'_, str>>(key).is_ok_and(|key| key == name)
}

/// Writes a section's object as it stands at depth one of an indented document.
pub(super) fn render(entries: &[Entry<'_>]) -> Zeroizing<String> {
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
pub(in crate::credentials) fn joined(parts: &[&str]) -> Zeroizing<String> {
    let mut whole = Zeroizing::new(String::with_capacity(parts.iter().map(|part| part.len()).sum()));
    for part in parts {
        whole.push_str(part);
    }
    whole
}

/// serde's messages name places, never contents, except for an unexpected value: those are cut off.
pub(super) fn foreign(reason: &dyn fmt::Display) -> Failure {
    not_understood("the token cache is not one", reason)
}

/// The same, of whatever file it is said to be not one of.
pub(in crate::credentials) fn not_understood(what: &str, reason: &dyn fmt::Display) -> Failure {
    let reason = reason.to_string();
    let place = reason.rfind(" at line ").map_or("", |start| &reason[start..]);
    let reason = if reason.starts_with("invalid") { format!("a value of the wrong kind{place}") } else { reason };
    Failure::new(
        Kind::CacheForeign,
        format!("{what} that azward understands: {reason}"),
        "azward left it as it is; move it aside, and the logins in the vault come back with the next command",
    )
}
