//! The end of keys: an uninstall takes this machine's out of every store, a move those that seal nothing any more, and a lock
//! of the azward has the kernel forget those that it keeps.

use super::master_key::{KeyId, hex, id_from_hex};
use super::notes::{NOTE, notes};
use super::{KeyStoreKind, KeyStores, Prompting, named_files, passphrase_file, systemd_creds};
use crate::failure::Result;
use crate::vault::{candidates, files};

impl KeyStores {
    /// Removes this machine's keys from every store. Other machines' stay.
    pub(in crate::vault) fn remove(&self, prompting: Prompting) -> Result<()> {
        let keyring = self.keyring();
        let bindings = [self.binding(), self.binding().of_user()].map(|binding| binding.id());
        for (binding, id) in notes(&self.azward_home) {
            if !bindings.contains(&binding) {
                continue;
            }
            self.kernel.forget(id);
            // No keyring, or a locked one: a key that seals nothing may stay there.
            if keyring.read(id, prompting).is_ok_and(|keys| !keys.is_empty()) {
                keyring.remove(id)?;
            }
            files::remove(&self.azward_home.join(format!("{binding}.{}{NOTE}", hex(id))))?;
        }
        keyring.forget_cached_of_first_version();
        if keyring.read_first_version(prompting).is_ok_and(|keys| !keys.is_empty()) {
            keyring.remove_first_version()?;
        }
        for ending in [systemd_creds::ENDING, passphrase_file::ENDING] {
            for id in named_files::ids_of(&self.azward_home, &self.binding(), ending) {
                self.kernel.forget(id);
                self.remove_named(id, ending)?;
            }
        }
        for file in self.key_files() {
            files::remove(&file.draft())?;
            // What gives no key here is another machine's, or nobody's.
            if file.read().is_ok_and(|key| key.is_some()) {
                files::remove(file.path())?;
            }
        }
        Ok(())
    }

    /// The keys that are this machine's and user's alone, each with its store. No keyring is asked.
    pub(in crate::vault) fn own_keys(&self) -> Vec<(KeyStoreKind, KeyId)> {
        let binding = self.binding();
        let ids = |ending| named_files::ids_of(&self.azward_home, &binding, ending).into_iter();
        let mut own: Vec<_> = ids(NOTE).map(|id| (KeyStoreKind::Keyring, id)).collect();
        own.extend(ids(systemd_creds::ENDING).map(|id| (KeyStoreKind::SystemdCreds, id)));
        own.extend(ids(passphrase_file::ENDING).map(|id| (KeyStoreKind::Passphrase, id)));
        let mut files = vec![self.key_file()];
        files.extend(self.first_version_key_files());
        own.extend(files.iter().filter_map(|file| Some((KeyStoreKind::KeyFile, file.read().ok()??.id()))));
        own
    }

    /// Removes one of [`Self::own_keys`], which seals nothing any more, from its store and from the kernel. Nobody is asked to
    /// unlock a keyring.
    pub(in crate::vault) fn remove_own(&self, kind: KeyStoreKind, id: KeyId) -> Result<()> {
        self.kernel.forget(id);
        match kind {
            KeyStoreKind::Keyring => {
                let keyring = self.keyring();
                // Its note goes last: while that is there, the key is looked for.
                if !keyring.read(id, Prompting::Never)?.is_empty() {
                    keyring.remove(id)?;
                }
                if keyring.read_first_version(Prompting::Never)?.iter().any(|key| key.id() == id) {
                    keyring.remove_first_version()?;
                }
                self.unnote(id)
            }
            KeyStoreKind::SystemdCreds => self.remove_named(id, systemd_creds::ENDING),
            KeyStoreKind::Passphrase => self.remove_named(id, passphrase_file::ENDING),
            KeyStoreKind::KeyFile => {
                let mut files = vec![self.key_file()];
                files.extend(self.first_version_key_files());
                for file in files {
                    if file.read().is_ok_and(|key| key.is_some_and(|key| key.id() == id)) {
                        files::remove(&file.draft())?;
                        files::remove(file.path())?;
                    }
                }
                Ok(())
            }
        }
    }

    fn remove_named(&self, id: KeyId, ending: &str) -> Result<()> {
        named_files::remove(&named_files::path_of(&self.azward_home, &self.binding(), id, ending))
    }

    /// Has the kernel forget every key that a name in the azward home tells of, and says how many there were.
    pub(in crate::vault) fn forget_cached(&self) -> usize {
        let vaults = files::list(&files::directory_of(&self.azward_home));
        let named = vaults.iter().filter_map(|path| candidates::stem(path)).filter_map(|stem| {
            let (_, id) = stem.split_once('.')?;
            id_from_hex(id)
        });
        let mut ids: Vec<KeyId> = named.chain(notes(&self.azward_home).into_iter().map(|(_, id)| id)).collect();
        ids.sort_unstable();
        ids.dedup();
        let ended: usize = ids.into_iter().map(|id| self.kernel.forget(id)).sum();
        ended + self.keyring().forget_cached_of_first_version()
    }
}
