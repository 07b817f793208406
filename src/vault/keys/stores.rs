//! The key stores of one azward home, and which of them has a key.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::binding::{Binding, BoundWhere};
use super::key_file::KeyFile;
use super::keyring::{Found, Keyring};
use super::master_key::{KeyId, MasterKey};
use super::{KeyStoreKind, Prompting};
use crate::failure::{Failure, Kind, Result};
use crate::home_lock::HomeLock;
use crate::settings::{KeyStoreChoice, Settings};
use crate::sys;

/// The keys that are known to be this machine's.
#[derive(Debug, Default)]
pub(in crate::vault) struct KeysHere {
    /// Of this machine and user.
    pub(in crate::vault) own: Vec<KeyId>,
    /// Of this user on any machine, where this machine has an id.
    pub(in crate::vault) shared: Vec<KeyId>,
    /// Why a key file did not say which key it has, where it may be fine.
    pub(in crate::vault) trouble: Option<Failure>,
}

/// The key stores of one azward home.
#[derive(Debug)]
pub(in crate::vault) struct KeyStores {
    pub(super) azward_home: PathBuf,
    pub(super) home: HomeLock,
    pub(super) choice: KeyStoreChoice,
    key_cache: Duration,
    pub(super) now: i64,
}

impl KeyStores {
    /// The stores of `azward_home`; a key file that must make room is set aside under the time `now`.
    pub(in crate::vault) fn new(home: &HomeLock, settings: &Settings, now: i64) -> Self {
        let (choice, key_cache) = (settings.key_store.value, settings.key_cache());
        Self { azward_home: home.azward_home().to_owned(), home: home.clone(), choice, key_cache, now }
    }

    pub(super) fn keyring(&self) -> Keyring {
        Keyring::of(&self.azward_home, self.key_cache)
    }

    pub(super) fn binding(&self) -> Binding {
        Binding::here(&self.azward_home)
    }

    /// The key file that a new key would go into.
    pub(in crate::vault) fn key_file(&self) -> KeyFile {
        KeyFile::new(&self.azward_home, self.binding())
    }

    /// The first version's key file, by everything that it may be bound to here: that version took whatever was in
    /// `/etc/machine-id` for an id.
    pub(super) fn first_version_key_files(&self) -> [KeyFile; 3] {
        let here = self.binding();
        let of = |machine: &str| Binding { machine: Some(machine.to_owned()), ..here.clone() };
        let bindings = [here.clone(), of("uninitialized"), of("00000000000000000000000000000000")];
        bindings.map(|binding| KeyFile::first_version(&self.azward_home, binding))
    }

    /// Every key file that may give a key here, the own one first.
    pub(super) fn key_files(&self) -> Vec<KeyFile> {
        let binding = self.binding();
        let of_user = binding.machine.is_some().then(|| KeyFile::new(&self.azward_home, binding.of_user()));
        let mut key_files = vec![self.key_file()];
        key_files.extend(self.first_version_key_files());
        key_files.extend(of_user);
        key_files
    }

    /// The keys that are known to be this machine's. No keyring is asked.
    pub(in crate::vault) fn keys_here(&self) -> KeysHere {
        let binding = self.binding();
        let mut keys = KeysHere { own: self.noted(&binding), ..KeysHere::default() };
        let mut own_files = vec![self.key_file()];
        own_files.extend(self.first_version_key_files());
        for file in own_files {
            match file.read() {
                Ok(Some(key)) => keys.own.push(key.id()),
                Err(failure) if failure.kind != Kind::KeyLost => keys.trouble = Some(failure),
                _ => {}
            }
        }
        if binding.machine.is_some() {
            keys.shared = self.noted(&binding.of_user());
            let of_user = KeyFile::new(&self.azward_home, binding.of_user());
            keys.shared.extend(of_user.read().ok().flatten().map(|key| key.id()));
        }
        keys
    }

    /// What the key called `id` is bound to, where a key file has it.
    pub(in crate::vault) fn bound_where(&self, id: KeyId) -> Option<BoundWhere> {
        let has = |file: &KeyFile| file.read().is_ok_and(|key| key.is_some_and(|key| key.id() == id));
        self.key_files().iter().find(|file| has(file)).map(KeyFile::bound_where)
    }

    /// Whether this machine has an id that a key can be bound to.
    pub(in crate::vault) fn has_machine_id(&self) -> bool {
        self.binding().machine.is_some()
    }

    /// The key called `id` if the key file of this machine and user has it.
    pub(in crate::vault) fn find_in_own_key_file(&self, id: KeyId) -> Option<MasterKey> {
        self.key_file().read().ok().flatten().filter(|key| key.id() == id)
    }

    /// The key called `id` from the store of `kind`.
    pub(in crate::vault) fn find(&self, kind: KeyStoreKind, id: KeyId, prompting: Prompting) -> Result<MasterKey> {
        match kind {
            KeyStoreKind::KeyFile => self.find_in_key_files(id),
            KeyStoreKind::Keyring => self.find_in_keyring(id, prompting),
        }
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
                self.keyring().cache(&key);
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
            keyring.cache(&key);
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
fn is_ours(directory: &Path) -> bool {
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

#[cfg(test)]
pub(super) mod tests {
    use super::super::LostKey;
    use super::*;
    use crate::settings::Setting;

    pub(crate) fn stores(home: &Path) -> KeyStores {
        KeyStores::new(
            &HomeLock::of(home, None),
            &Settings { key_store: Setting::in_file(KeyStoreChoice::KeyFile), ..Settings::default() },
            1000,
        )
    }

    #[test]
    fn the_key_of_a_new_vault_is_found_again() {
        let home = tempfile::tempdir().unwrap();
        let (kind, key) = stores(home.path()).for_new(Prompting::Never, LostKey::Keep).unwrap();
        assert_eq!(kind, KeyStoreKind::KeyFile);
        assert_eq!(stores(home.path()).find(kind, key.id(), Prompting::Never).unwrap().id(), key.id());
        let failure = stores(home.path()).find(kind, [0; 8], Prompting::Never).unwrap_err();
        assert_eq!(failure.kind, Kind::KeyLost);
    }
}
