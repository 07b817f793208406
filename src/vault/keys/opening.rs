//! A key is got from the store that a vault's header names: what was opened already, then what the kernel keeps, then the
//! store itself. It answers, or says why not; what may be fine is never called lost.

use std::path::Path;

use super::keyring::Found;
use super::master_key::{KeyId, MasterKey};
use super::passphrase_file::PassphraseFile;
use super::systemd_creds::SealedCredential;
use super::{KeyStoreKind, KeyStores, Prompting};
use crate::failure::{Failure, Kind, Result};
use crate::sys;

impl KeyStores {
    /// The key called `id` from the store of `kind`.
    pub(in crate::vault) fn find(&self, kind: KeyStoreKind, id: KeyId, prompting: Prompting) -> Result<MasterKey> {
        match kind {
            KeyStoreKind::KeyFile => self.find_in_key_files(id),
            KeyStoreKind::Keyring => self.find_in_keyring(id, prompting),
            KeyStoreKind::SystemdCreds => self.open_sealed(id, || self.credential(id).open(self.search_path.as_ref())),
            KeyStoreKind::Passphrase => {
                self.open_sealed(id, || self.passphrases.open(&self.passphrase_file(id), prompting))
            }
        }
    }

    pub(super) fn credential(&self, id: KeyId) -> SealedCredential {
        SealedCredential::of(&self.azward_home, &self.binding(), id)
    }

    pub(super) fn passphrase_file(&self, id: KeyId) -> PassphraseFile {
        PassphraseFile::of(&self.azward_home, self.binding(), id)
    }

    /// What takes a while to open is kept open.
    fn open_sealed(&self, id: KeyId, open: impl FnOnce() -> Result<MasterKey>) -> Result<MasterKey> {
        if let Some(key) = self.open_already(id) {
            return Ok(key);
        }
        // Root with the home of somebody else: systemd-creds would seal for root, and a passphrase is the owner's to give.
        if !is_ours(&self.azward_home) {
            return Err(Failure::new(
                Kind::KeyUnavailable,
                format!("the key for `{}` is for the user that owns it to open", self.azward_home.display()),
                "run the command as that user",
            ));
        }
        let key = open()?;
        self.keep_open(&key);
        Ok(key)
    }

    fn find_in_key_files(&self, id: KeyId) -> Result<MasterKey> {
        let mut trouble = None;
        let mut instead = Instead::Nothing;
        for file in self.key_files() {
            match file.read() {
                Ok(Some(key)) if key.id() == id => return Ok(key),
                Ok(Some(_)) => instead = Instead::AnotherKey,
                Ok(None) => {}
                Err(failure) if failure.kind == Kind::KeyLost => {}
                Err(failure) => trouble = trouble.or(Some(failure)),
            }
        }
        let place = format!("`{}`", self.key_file().path().display());
        Err(trouble.unwrap_or_else(|| lost(instead, "key file", &place)))
    }

    /// The key called `id` if the keyring turns out to have it; `None` where it does not, or does not answer. Nobody is
    /// asked to unlock a keyring that shows nothing of it.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`] when the keyring has it and is locked.
    pub(in crate::vault) fn find_unnoted(&self, id: KeyId, prompting: Prompting) -> Result<Option<MasterKey>> {
        if let Some(key) = self.keyring().cached(id) {
            return Ok(Some(key));
        }
        match self.keyring().look(id, prompting) {
            Found::Key(key) => {
                self.kernel.keep(&key);
                Ok(Some(key))
            }
            Found::Locked(failure) => Err(failure),
            Found::Nothing => Ok(None),
        }
    }

    fn find_in_keyring(&self, id: KeyId, prompting: Prompting) -> Result<MasterKey> {
        let keyring = self.keyring();
        if let Some(key) = keyring.cached(id) {
            return Ok(key);
        }
        let mut keys = keyring.read(id, prompting)?;
        let instead = if keys.is_empty() { Instead::Nothing } else { Instead::AnotherKey };
        if let Some(at) = keys.iter().position(|key| key.id() == id) {
            let key = keys.swap_remove(at);
            self.kernel.keep(&key);
            return Ok(key);
        }
        // Root with the home of somebody else asks root's own keyring, which never had the key: nothing is lost.
        if !is_ours(&self.azward_home) {
            return Err(Failure::new(
                Kind::KeyUnavailable,
                format!("the key for `{}` is in the keyring of the user that owns it", self.azward_home.display()),
                "run the command as that user",
            ));
        }
        Err(lost(instead, "OS keyring", "the OS keyring"))
    }
}

/// Whether the directory belongs to the user that we act as.
pub(super) fn is_ours(directory: &Path) -> bool {
    directory.metadata().map_or(true, |metadata| sys::owner_id(&metadata) == sys::user_id())
}

/// What a key store has in the place of a key that is lost.
#[derive(Clone, Copy, Debug)]
enum Instead {
    Nothing,
    AnotherKey,
}

fn lost(instead: Instead, store: &str, place: &str) -> Failure {
    let what = match instead {
        Instead::AnotherKey => format!("{place} has another key than the one that sealed the vault"),
        Instead::Nothing => format!("the key that sealed the vault is no longer in {place}"),
    };
    Failure::new(
        Kind::KeyLost,
        what,
        format!("bring the {store} back as it was; or sign in to Azure again: the old vault stays beside the new one"),
    )
}
