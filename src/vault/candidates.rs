//! Which of the vaults that a config directory has is this machine's. A vault is named by config directory *and* key,
//! `<id>.<key id>.vault`, so that machines that share a home each have their own beside the others': a vault whose key
//! is not here is another machine's, or a lost key's, and is left as it is.
//!
//! Of several, in this order, and within each by the generation: one whose key is known to be this machine's (its key
//! file, or a keyring's key with a note that it is here); one whose key the keyring turns out to have; one whose key is
//! bound to the user alone, which any machine opens. Whoever begins a vault beside others counts on from their
//! generations, so the one that was begun last is the one that is used, whatever comes back later.
//!
//! The first version named vaults `<id>.vault`. They count like the others, by the key that their header names, and the
//! next commit renames them.

use std::collections::BTreeSet;
use std::path::Path;

use super::files::{self, Files};
use super::keys::{self, KeyId, KeyStoreKind, KeysHere};
use super::sealed::{Flaw, Header};

/// A vault by its name, and what its header says.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) files: Files,
    pub(super) naming: Naming,
    /// The key of its name; of a first version's name, that of its header.
    pub(super) key_id: Option<KeyId>,
    /// The key store, where a header was read.
    pub(super) kind: Option<KeyStoreKind>,
    /// The newest generation, 0 where no header was read.
    pub(super) generation: u64,
}

/// How a vault's file is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// `<id>.<key id>.vault`
    ByKey,
    /// `<id>.vault`
    FirstVersion,
}

/// Whose a vault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Its key is not here: another machine's, or a lost key's.
    Elsewhere,
    /// Its key is bound to the user alone.
    Shared,
    /// The keyring may have its key: nothing here says so.
    Undecided,
    /// Its key is this machine's.
    Own,
}

/// The vaults of the config directory `id` in `directory`, in no order.
pub(super) fn candidates(directory: &Path, id: &str) -> Vec<Candidate> {
    stems(directory, id).into_iter().filter_map(|stem| Candidate::at(directory, &stem)).collect()
}

/// The id that begins the name of a vault's file: its config directory's.
pub(super) fn id_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.split('.').next()
}

/// The names without their endings of the vaults of the config directory `id` in `directory`.
pub(super) fn stems(directory: &Path, id: &str) -> Vec<String> {
    let stems = files::list(directory).into_iter().filter_map(|path| stem(&path));
    let own: BTreeSet<String> = stems.filter(|stem| stem.split('.').next() == Some(id)).collect();
    own.into_iter().collect()
}

/// A generation's name without its ending: `<id>.<key id>`, or the first version's `<id>`.
pub(super) fn stem(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_suffix(".vault").or_else(|| name.strip_suffix(".vault.previous"))?;
    Some(stem.to_owned())
}

impl Candidate {
    fn at(directory: &Path, stem: &str) -> Option<Self> {
        let files = Files::new(directory, stem);
        let headers: Vec<Header> =
            [&files.current, &files.previous].into_iter().filter_map(|path| header(path)).collect();
        let kind = headers.first().map(|header| header.kind);
        let generation = headers.iter().map(|header| header.generation).max().unwrap_or(0);
        let (naming, key_id) = match stem.split_once('.') {
            Some((_, key)) => (Naming::ByKey, Some(keys::id_from_hex(key)?)),
            None => (Naming::FirstVersion, headers.first().map(|header| header.key_id)),
        };
        Some(Self { files, naming, key_id, kind, generation })
    }

    /// The vault of a name with a key in it; its files are not looked at.
    pub(super) fn named_by_key(directory: &Path, stem: &str) -> Option<Self> {
        let (_, key) = stem.split_once('.')?;
        let key_id = Some(keys::id_from_hex(key)?);
        Some(Self { files: Files::new(directory, stem), naming: Naming::ByKey, key_id, kind: None, generation: 0 })
    }

    /// Whose it is, as far as can be told without asking a keyring.
    pub(super) fn standing(&self, keys: &KeysHere) -> Standing {
        let has = |ids: &[KeyId]| self.key_id.is_some_and(|id| ids.contains(&id));
        match (self.naming, self.kind) {
            _ if has(&keys.own) => Standing::Own,
            // Of what cannot be read nobody knows the key; it is dealt with as damaged.
            (Naming::FirstVersion, None) => Standing::Own,
            (_, Some(KeyStoreKind::Keyring)) => Standing::Undecided,
            _ if has(&keys.shared) => Standing::Shared,
            _ => Standing::Elsewhere,
        }
    }
}

/// The header of a file; `None` for whatever is none.
pub(super) fn header(path: &Path) -> Option<Header> {
    let bytes = files::read(path).ok().flatten()?;
    match Header::parse(&bytes) {
        Ok((header, _)) => Some(header),
        Err(Flaw::Newer(_) | Flaw::Damaged(_)) => None,
    }
}
