//! The parsed text of a credential file, whatever its format: sections of entries, of which some are credentials. Everything
//! that is done to such a text is an edit of whole sections, and every byte outside of them stays.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use zeroize::Zeroizing;

use crate::failure::Result;
use crate::secret::{Secret, fingerprint};
use crate::vault::{CredentialKind, Owner, Record};

/// The kinds of credentials that are long-lived: those that are kept in the vault, and out of the files while no az runs.
const LONG_LIVED: [CredentialKind; 5] = [
    CredentialKind::RefreshToken,
    CredentialKind::ClientSecret,
    CredentialKind::ClientAssertion,
    CredentialKind::AdalRefreshToken,
    CredentialKind::AdalClientSecret,
];

/// The longest secret that is one, in bytes.
const LONGEST_SECRET: usize = 64 * 1024;

/// One entry of a section, as the bytes that stand in the document.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The entry's key, raw: in JSON with its quotes.
    pub key: &'a str,
    /// The entry's value, raw.
    pub value: &'a str,
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Entry").field("key", &self.key).finish_non_exhaustive()
    }
}

/// An entry that is a credential.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential<'a> {
    /// What it is.
    pub kind: CredentialKind,
    /// Its key, raw: what tells it from the others of its kind.
    pub id: &'a str,
    /// Whose it is.
    pub owner: Owner,
    /// The secret in it, raw: a JSON string with its quotes.
    pub secret: &'a str,
    /// The whole entry, raw.
    pub entry: &'a str,
    /// When it changed last, in seconds since the epoch, by its own account.
    pub changed_at: Option<i64>,
}

impl<'a> Credential<'a> {
    /// The entry that it is.
    #[must_use]
    pub fn as_entry(&self) -> Entry<'a> {
        Entry { key: self.id, value: self.entry }
    }

    /// What tells its secret from any other.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(self.secret.as_bytes())
    }

    /// Whether its secret is none.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        is_blank(self.secret)
    }
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credential").field("kind", &self.kind).field("id", &self.id).finish_non_exhaustive()
    }
}

/// A section of which an edit changes the entries.
#[derive(Debug)]
pub struct Change<'a> {
    /// Its name.
    pub section: &'a str,
    /// All that it has afterwards.
    pub entries: Vec<Entry<'a>>,
}

/// What it means that an entry is missing from a run's copy of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// The run has removed it.
    Removal,
    /// It may have been lost, unless the run signed somebody out.
    Doubtful,
}

/// The parsed text of a credential file.
pub trait Document {
    /// In which section credentials of that kind stand; `None` where this format has none.
    fn section_of(kind: CredentialKind) -> Option<&'static str>;

    /// Reads an entry that stands in that section, here or in the vault, as the credential that it is.
    ///
    /// # Errors
    /// `CacheForeign` when it is none.
    fn credential<'e>(section: &str, entry: Entry<'e>) -> Result<Credential<'e>>;

    /// Whose an entry is, be it a credential or not; `None` for one that is nobody's.
    fn owner(entry: Entry<'_>) -> Option<Owner>;

    /// When an entry that is renewed was stored, in seconds since the epoch; `None` for what is not renewed.
    fn renewed_at(section: &str, entry: Entry<'_>) -> Option<i64>;

    /// What it means that an entry of that section is missing.
    fn absence(section: &str) -> Absence;

    /// The names of all sections in their order, those included that azward does not know.
    fn section_names(&self) -> Vec<Cow<'_, str>>;

    /// The entries of the section of that name, in their order; none when it is absent.
    ///
    /// # Errors
    /// `CacheForeign` when it is no section.
    fn section(&self, name: &str) -> Result<Vec<Entry<'_>>>;

    /// Who is signed in, as the document has it.
    ///
    /// # Errors
    /// `CacheForeign` when a section is not what it should be.
    fn owners(&self) -> Result<HashSet<Owner>>;

    /// Whether something stands in it for a run that is no credential of anybody's, and in no text with other credentials.
    fn has_stand_ins(&self) -> bool {
        false
    }

    /// The text with these changes; every other byte stays. A section that is absent is added.
    fn edit(&self, changes: &[Change<'_>]) -> Zeroizing<String>;

    /// Its long-lived credentials, in their order.
    ///
    /// # Errors
    /// `CacheForeign` when a section or an entry is not what it should be.
    fn credentials(&self) -> Result<Vec<Credential<'_>>> {
        let mut found = Vec::new();
        for section in credential_sections::<Self>() {
            for entry in self.section(section)? {
                found.push(Self::credential(section, entry)?);
            }
        }
        Ok(found)
    }

    /// The text with these credentials and no other long-lived ones.
    fn with_credentials(&self, credentials: &[Credential<'_>]) -> Zeroizing<String> {
        let is_there = |name: &str| self.section_names().iter().any(|other| other == name);
        let mut changes = Vec::new();
        for section in credential_sections::<Self>() {
            let own = credentials.iter().filter(|credential| Self::section_of(credential.kind) == Some(section));
            let entries: Vec<_> = own.map(Credential::as_entry).collect();
            if !entries.is_empty() || is_there(section) {
                changes.push(Change { section, entries });
            }
        }
        self.edit(&changes)
    }
}

/// Whether a secret, raw and with its quotes, is none: nothing but blanks, however they are written, or absurdly long.
pub(super) fn is_blank(secret: &str) -> bool {
    let is_nothing = |text: Cow<'_, str>| text.chars().all(|letter| letter.is_whitespace() || letter.is_control());
    // What is no Unicode is something.
    secret.len() > LONGEST_SECRET || serde_json::from_str(secret).is_ok_and(is_nothing)
}

/// Reads an entry that the vault keeps with a record: its own, or a rival's.
///
/// # Errors
/// `CacheForeign` when it is none of this format's, which the vault never holds.
pub(super) fn recorded<'r, D: Document>(record: &'r Record, entry: &'r Secret) -> Result<Credential<'r>> {
    let section = D::section_of(record.kind).unwrap_or_default();
    D::credential(section, Entry { key: &record.id, value: entry.expose_text() })
}

/// The sections that hold long-lived credentials, each once.
pub(super) fn credential_sections<D: Document + ?Sized>() -> Vec<&'static str> {
    let mut sections: Vec<_> = LONG_LIVED.into_iter().filter_map(D::section_of).collect();
    sections.dedup();
    sections
}
