//! The key stores of one azward home, and which of them has a key.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::binding::{Binding, BoundWhere};
use super::kernel_cache::KernelCache;
use super::key_file::KeyFile;
use super::keyring::Keyring;
use super::master_key::{KeyId, MasterKey};
use super::passphrase::{self, Passphrases};
use super::{named_files, passphrase_file, systemd_creds};
use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::helper::Helper;
use crate::home_lock::HomeLock;
use crate::settings::{KeyStoreChoice, Settings};
use crate::vault::files;

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
    pub(super) kernel: KernelCache,
    pub(super) passphrases: Passphrases,
    helper: Helper,
    /// Where programs are looked for.
    pub(super) search_path: Option<OsString>,
    /// The keys that took somebody a while to open, for this process: the kernel may keep none.
    opened: Mutex<Vec<MasterKey>>,
    pub(super) now: i64,
}

impl KeyStores {
    /// The stores of an azward home; a key file that must make room is set aside under the time that it is now.
    pub(in crate::vault) fn new(context: &Context, settings: &Settings) -> Self {
        Self {
            azward_home: context.azward_home.clone(),
            home: context.home_lock.clone(),
            choice: settings.key_store.value,
            kernel: KernelCache { lifetime: settings.key_cache() },
            passphrases: Passphrases::new(context.variable(passphrase::VARIABLE).map(PathBuf::from)),
            helper: context.helper.clone(),
            search_path: context.variable("PATH").map(OsString::from),
            opened: Mutex::default(),
            now: context.now(),
        }
    }

    /// The directory of all vaults of this azward home.
    pub(in crate::vault) fn vaults_directory(&self) -> PathBuf {
        files::directory_of(&self.azward_home)
    }

    pub(super) fn keyring(&self) -> Keyring {
        Keyring::of(&self.azward_home, self.kernel, &self.helper)
    }

    /// A key that this process has opened, or the kernel has; not the keyring's, which may be locked by now.
    pub(super) fn open_already(&self, id: KeyId) -> Option<MasterKey> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let own = opened.iter().find(|key| key.id() == id).map(MasterKey::duplicate);
        own.or_else(|| self.kernel.get(id))
    }

    /// Whether the kernel keeps the key called `id` for this session.
    pub(in crate::vault) fn is_kept(&self, id: KeyId) -> bool {
        self.kernel.get(id).is_some()
    }

    /// Keeps a key open for this process, and has the kernel keep it for the session.
    pub(in crate::vault) fn keep_open(&self, key: &MasterKey) {
        self.kernel.keep(key);
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).push(key.duplicate());
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
        keys.own.extend(self.sealed_here());
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

    /// The keys that systemd-creds or a passphrase has for this machine and user.
    pub(super) fn sealed_here(&self) -> Vec<KeyId> {
        let endings = [systemd_creds::ENDING, passphrase_file::ENDING].into_iter();
        endings.flat_map(|ending| named_files::ids_of(&self.azward_home, &self.binding(), ending)).collect()
    }

    /// Whether systemd-creds or a passphrase has the key called `id` for this machine and user. Two looks, and nothing is read.
    pub(in crate::vault) fn is_sealed_here(&self, id: KeyId) -> bool {
        let binding = self.binding();
        let path = |ending| named_files::path_of(&self.azward_home, &binding, id, ending);
        [systemd_creds::ENDING, passphrase_file::ENDING].map(path).iter().any(|path| path.symlink_metadata().is_ok())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use super::super::{KeyStoreKind, LostKey, Prompting};
    use super::*;
    use crate::settings::Setting;

    pub(crate) fn stores(home: &Path) -> KeyStores {
        let context = Context::new([("AZWARD_HOME".into(), home.into())], None);
        let settings = Settings { key_store: Setting::in_file(KeyStoreChoice::KeyFile), ..Settings::default() };
        KeyStores { now: 1000, ..KeyStores::new(&context, &settings) }
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
