//! Notes of what the keyring has: beside the key files an empty file `<binding>.<key id>.keyring` says that the keyring of
//! that machine and user has that key. A note is made as soon as the key is in the keyring, before any vault is sealed
//! with it.

use std::path::{Path, PathBuf};

use super::KeyStores;
use super::binding::Binding;
use super::master_key::KeyId;
use super::named_files;
use crate::failure::{Failure, Result};
use crate::private;
use crate::sys;
use crate::vault::files;

/// The ending of a note that a keyring has a key.
pub(super) const NOTE: &str = ".keyring";

/// The notes in an azward home: the binding's id, and the key's.
pub(super) fn notes(azward_home: &Path) -> Vec<(String, KeyId)> {
    named_files::named(azward_home, NOTE)
}

impl KeyStores {
    /// The keys that the keyring of `binding` is noted to have.
    pub(super) fn noted(&self, binding: &Binding) -> Vec<KeyId> {
        named_files::ids_of(&self.azward_home, binding, NOTE)
    }

    /// Whether the keyring here is noted to have the key called `id`.
    pub(in crate::vault) fn is_noted(&self, id: KeyId) -> bool {
        self.note_of(id).symlink_metadata().is_ok()
    }

    fn note_of(&self, id: KeyId) -> PathBuf {
        named_files::path_of(&self.azward_home, &self.binding(), id, NOTE)
    }

    /// Takes the note back.
    pub(super) fn unnote(&self, id: KeyId) -> Result<()> {
        files::remove(&self.note_of(id))
    }

    /// Notes that the keyring here has the key called `id`.
    pub(in crate::vault) fn note(&self, id: KeyId) -> Result<()> {
        let path = self.note_of(id);
        if path.symlink_metadata().is_ok() {
            return Ok(());
        }
        private::make(&path, b"")
            .and_then(|()| sys::sync_dir(&self.azward_home))
            .or_else(|error| if error.kind() == std::io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })
            .map_err(|error| Failure::storage("make", &path, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::super::master_key::hex;
    use super::super::stores::tests::stores;
    use super::*;

    #[test]
    fn a_note_is_for_this_machine_alone() {
        let home = tempfile::tempdir().unwrap();
        let stores = stores(home.path());
        stores.note([7; 8]).unwrap();
        stores.note([7; 8]).unwrap();
        std::fs::write(home.path().join(format!("0123456789abcdef.{}{NOTE}", hex([9; 8]))), "").unwrap();
        assert_eq!(stores.keys_here().own, [[7; 8]]);
        assert!(stores.is_noted([7; 8]) && !stores.is_noted([9; 8]));
        assert!(stores.keys_here().trouble.is_none());
    }
}
