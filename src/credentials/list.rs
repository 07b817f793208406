//! What is common to the credential files that are a list of objects, edited by splicing: each entry stands in two sections, in
//! [`BARE`] without its secret, and in [`WHOLE`] as it is, if it has one. A list that keeps its entries and their order keeps every
//! other byte; any other is written anew in its writer's layout.

use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::credentials::document::{Change, Entry};
use crate::credentials::msal::{Members, joined};

/// All entries, each without its secret.
pub(super) const BARE: &str = "entries";

/// Those that have a secret, whole.
pub(super) const WHOLE: &str = "credentials";

/// An entry where it stands.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    /// What tells it from the others.
    pub(super) key: &'p str,
    /// Its text.
    pub(super) raw: &'p str,
    /// Its text without its secret.
    pub(super) bare: &'p str,
    /// Whether there is a secret in it.
    pub(super) has_secret: bool,
}

/// What a writer puts around and between the entries of a list that it writes.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub(super) before: &'static str,
    pub(super) between: &'static str,
    pub(super) after: &'static str,
}

/// A list in its text.
pub(super) struct List<'p> {
    pub(super) text: &'p str,
    pub(super) places: Vec<Place<'p>>,
    pub(super) layout: Layout,
}

impl<'p> List<'p> {
    /// The entries of that section; none where there is no such section.
    pub(super) fn section(&self, name: &str) -> Vec<Entry<'p>> {
        match name {
            BARE => self.places.iter().map(|place| Entry { key: place.key, value: place.bare }).collect(),
            WHOLE => {
                let whole = self.places.iter().filter(|place| place.has_secret);
                whole.map(|place| Entry { key: place.key, value: place.raw }).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The text with these changes.
    pub(super) fn edit(&self, changes: &[Change<'_>]) -> Zeroizing<String> {
        let changed = |name: &str| changes.iter().find(|change| change.section == name);
        let (bare, whole) = (self.section(BARE), self.section(WHOLE));
        let credentials = changed(WHOLE).map_or(&whole, |change| &change.entries);
        let mut entries = changed(BARE).map_or(bare, |change| change.entries.clone());
        for entry in &mut entries {
            if let Some(credential) = credentials.iter().find(|other| other.key == entry.key) {
                *entry = *credential;
            }
        }
        // An entry that is taken out goes with its secret; one that is put in comes with it.
        if changed(WHOLE).is_some() {
            let is_new = |credential: &&Entry<'_>| !entries.iter().any(|entry| entry.key == credential.key);
            let new: Vec<Entry<'_>> = credentials.iter().filter(is_new).copied().collect();
            entries.extend(new);
        }
        match self.places.iter().map(|place| place.key).eq(entries.iter().map(|entry| entry.key)) {
            true => self.splice(&entries),
            false => self.render(&entries),
        }
    }

    /// The text with these entries in the places of the old ones.
    fn splice(&self, entries: &[Entry<'_>]) -> Zeroizing<String> {
        let (mut parts, mut done) = (Vec::new(), 0);
        for (place, entry) in self.places.iter().zip(entries) {
            let start = place.raw.as_ptr() as usize - self.text.as_ptr() as usize;
            parts.extend([&self.text[done..start], entry.value]);
            done = start + place.raw.len();
        }
        parts.push(&self.text[done..]);
        joined(&parts)
    }

    fn render(&self, entries: &[Entry<'_>]) -> Zeroizing<String> {
        if entries.is_empty() {
            return joined(&["[]"]);
        }
        let mut parts = Vec::with_capacity(2 * entries.len() + 1);
        for (place, entry) in entries.iter().enumerate() {
            parts.extend([if place == 0 { self.layout.before } else { self.layout.between }, entry.value]);
        }
        parts.push(self.layout.after);
        joined(&parts)
    }
}

/// The one member of that name. Of two a reader has one, and what is edited would be another.
///
/// # Errors
/// What is wrong with who has it twice.
pub(super) fn only<'a>(members: &Members<'a>, name: &str) -> Result<Option<&'a RawValue>, String> {
    let mut named = members.named(name);
    match (named.next(), named.next()) {
        (found, None) => Ok(found),
        _ => Err(format!("has {name} twice")),
    }
}

/// Whether all keys are another's: of two with one key nobody knows which a reader takes.
pub(super) fn are_distinct<'k>(keys: impl Iterator<Item = &'k str>) -> bool {
    let mut keys: Vec<&str> = keys.collect();
    keys.sort_unstable();
    keys.is_sorted_by(|one, next| one < next)
}

/// The text `raw` with an empty text for `secret`, which is a part of it.
pub(super) fn with_empty(raw: &str, secret: &str) -> String {
    let start = secret.as_ptr() as usize - raw.as_ptr() as usize;
    [&raw[..start], "\"\"", &raw[start + secret.len()..]].concat()
}
