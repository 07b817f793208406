//! The end of keys: an uninstall takes this machine's out of every store, and a lock of the azward has the kernel forget
//! those that it keeps.

use super::master_key::{KeyId, hex, id_from_hex};
use super::notes::{NOTE, notes};
use super::{KeyStores, Prompting};
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
            keyring.forget_cached(id);
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
        for file in self.key_files() {
            files::remove(&file.draft())?;
            // What gives no key here is another machine's, or nobody's.
            if file.read().is_ok_and(|key| key.is_some()) {
                files::remove(file.path())?;
            }
        }
        Ok(())
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
        let ended: usize = ids.into_iter().map(|id| self.keyring().forget_cached(id)).sum();
        ended + self.keyring().forget_cached_of_first_version()
    }
}
