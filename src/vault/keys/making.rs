//! The key that a new vault is sealed with, found or made. Whoever makes one holds the key lock, and looks again once it
//! has it.

use std::time::Duration;

use super::opening::is_ours;
use super::{KeyStoreKind, KeyStores, LostKey, MasterKey, Prompting, named_files, passphrase_file, systemd_creds};
use crate::failure::{Failure, Kind, Result};
use crate::home_lock::Presence;
use crate::lock::{Lock, Mode};
use crate::settings::KeyStoreChoice;
use crate::vault::files;

/// How long the making of a key waits for another process that makes it.
const KEY_LOCK_DEADLINE: Duration = Duration::from_secs(10);

/// The right to make a key where azward is; dropping it releases it.
#[derive(Debug)]
pub(super) struct KeyLock {
    _lock: Lock,
    _presence: Presence,
}

impl KeyStores {
    /// The key that a new vault is sealed with, made if there is none yet.
    pub(in crate::vault) fn for_new(
        &self,
        prompting: Prompting,
        on_lost: LostKey,
    ) -> Result<(KeyStoreKind, MasterKey)> {
        let of = |kind, prompting| Ok((kind, self.for_new_in(kind, prompting, on_lost)?));
        match self.choice {
            KeyStoreChoice::Keyring => of(KeyStoreKind::Keyring, prompting),
            KeyStoreChoice::SystemdCreds => of(KeyStoreKind::SystemdCreds, prompting),
            KeyStoreChoice::Passphrase => of(KeyStoreKind::Passphrase, prompting),
            KeyStoreChoice::KeyFile => of(KeyStoreKind::KeyFile, prompting),
            // A keyring that is locked now does not answer: nobody is asked to unlock what they did not choose.
            KeyStoreChoice::Auto => match of(KeyStoreKind::Keyring, Prompting::Never) {
                Err(failure) if failure.kind != Kind::Interrupted => self.without_keyring(on_lost),
                other => other,
            },
        }
    }

    /// The key that a new vault is sealed with where there is no keyring and nobody chose.
    fn without_keyring(&self, on_lost: LostKey) -> Result<(KeyStoreKind, MasterKey)> {
        // Where the kernel keeps nothing every run would wait for a TPM, which nobody chose.
        let is_at_hand = is_ours(&self.azward_home) && self.kernel.can_keep();
        if is_at_hand && systemd_creds::is_to_be_had(&self.home, self.search_path.as_ref())? {
            let kind = KeyStoreKind::SystemdCreds;
            match self.for_new_in(kind, Prompting::Never, on_lost) {
                Err(failure) if failure.kind != Kind::Interrupted => {}
                other => return Ok((kind, other?)),
            }
        }
        Ok((KeyStoreKind::KeyFile, self.for_new_in(KeyStoreKind::KeyFile, Prompting::Never, on_lost)?))
    }

    /// The key that this machine has in the store of `kind`, made if there is none yet.
    pub(in crate::vault) fn for_new_in(
        &self,
        kind: KeyStoreKind,
        prompting: Prompting,
        on_lost: LostKey,
    ) -> Result<MasterKey> {
        // An uninstall from here on is noticed before anything is sealed with the key.
        drop(self.home.enter()?);
        match kind {
            KeyStoreKind::Keyring => self.keyring_or_new(prompting),
            KeyStoreKind::KeyFile => self.key_file_or_new(on_lost),
            KeyStoreKind::SystemdCreds | KeyStoreKind::Passphrase => self.sealed_or_new(kind, prompting, on_lost),
        }
    }

    /// Whether the store of `kind` can be had here. Nobody is asked, and nothing is made.
    pub(in crate::vault) fn try_out(&self, kind: KeyStoreKind) -> Result<()> {
        match kind {
            KeyStoreKind::KeyFile | KeyStoreKind::Passphrase => Ok(()),
            KeyStoreKind::Keyring => self.noted_in_keyring(Prompting::Never).map(drop),
            KeyStoreKind::SystemdCreds => systemd_creds::try_out(self.search_path.as_ref()),
        }
    }

    /// Has a person unlock, or choose, what the making of a key in the store of `kind` needs.
    pub(in crate::vault) fn ask_for_new(&self, kind: KeyStoreKind, prompting: Prompting) -> Result<()> {
        match kind {
            KeyStoreKind::KeyFile => Ok(()),
            KeyStoreKind::Passphrase => self.passphrases.choose(prompting),
            KeyStoreKind::Keyring => self.noted_in_keyring(prompting).map(drop),
            KeyStoreKind::SystemdCreds => systemd_creds::try_out(self.search_path.as_ref()),
        }
    }

    /// The first key that a store of sealed files has here and opens, or a new one.
    fn sealed_or_new(&self, kind: KeyStoreKind, prompting: Prompting, on_lost: LostKey) -> Result<MasterKey> {
        match self.first_sealed(kind, prompting, LostKey::Keep) {
            Ok(Some(key)) => return Ok(key),
            Err(failure) if failure.kind == Kind::KeyLost && on_lost == LostKey::Replace => {}
            other => drop(other?),
        }
        if kind == KeyStoreKind::Passphrase {
            self.passphrases.choose(prompting)?;
        }
        let _lock = self.lock_keys()?;
        // What another process made meanwhile nobody is asked for under the lock.
        if let Some(key) = self.first_sealed(kind, Prompting::Never, on_lost)? {
            return Ok(key);
        }
        let key = MasterKey::generate()?;
        let id = key.id();
        // What counts is what the next run will read.
        let read_back = match kind {
            KeyStoreKind::Passphrase => {
                let (file, passphrase) = (self.passphrase_file(id), self.passphrases.chosen(prompting)?);
                file.make(&key, &passphrase)?;
                file.open(&passphrase)?
            }
            _ => {
                self.credential(id).make(self.search_path.as_ref(), &key)?;
                Some(self.credential(id).open(self.search_path.as_ref())?)
            }
        };
        let key = read_back.filter(|key| key.id() == id).ok_or_else(|| not_read_back(kind))?;
        self.keep_open(&key);
        Ok(key)
    }

    fn first_sealed(&self, kind: KeyStoreKind, prompting: Prompting, on_lost: LostKey) -> Result<Option<MasterKey>> {
        let ending = match kind {
            KeyStoreKind::Passphrase => passphrase_file::ENDING,
            _ => systemd_creds::ENDING,
        };
        let mut lost = None;
        for id in named_files::ids_of(&self.azward_home, &self.binding(), ending) {
            match self.find(kind, id, prompting) {
                Ok(key) => return Ok(Some(key)),
                Err(failure) if failure.kind == Kind::KeyLost && on_lost == LostKey::Replace => {
                    let path = named_files::path_of(&self.azward_home, &self.binding(), id, ending);
                    std::fs::rename(&path, files::free_name(&path, self.now))
                        .map_err(|error| Failure::storage("set aside", &path, &error))?;
                }
                Err(failure) if failure.kind == Kind::KeyLost => lost = lost.or(Some(failure)),
                Err(failure) => return Err(failure),
            }
        }
        lost.map_or(Ok(None), Err)
    }

    fn keyring_or_new(&self, prompting: Prompting) -> Result<MasterKey> {
        let keyring = self.keyring();
        let key = match self.noted_in_keyring(prompting)? {
            Some(key) => key,
            None => {
                let lock = self.lock_keys()?;
                // Unlocked by now, so nobody is waited for under the lock.
                match self.noted_in_keyring(Prompting::Never)? {
                    Some(key) => key,
                    None => {
                        // An entry that somebody removed while the kernel still has its key goes back as it was.
                        let cached = self.noted(&self.binding()).into_iter().find_map(|id| keyring.cached(id));
                        let key = keyring.write_and_read_back(cached.map_or_else(MasterKey::generate, Ok)?, lock)?;
                        self.note(key.id())?;
                        key
                    }
                }
            }
        };
        self.kernel.keep(&key);
        Ok(key)
    }

    /// The first key that this machine's keyring is noted to have and has, or the one that the first version made there.
    fn noted_in_keyring(&self, prompting: Prompting) -> Result<Option<MasterKey>> {
        for id in self.noted(&self.binding()) {
            if let Some(key) = self.keyring().read(id, prompting)?.into_iter().find(|key| key.id() == id) {
                return Ok(Some(key));
            }
        }
        let key = self.keyring().read_first_version(prompting)?.into_iter().next();
        if let Some(key) = &key {
            self.note(key.id())?;
        }
        Ok(key)
    }

    fn key_file_or_new(&self, on_lost: LostKey) -> Result<MasterKey> {
        let file = self.key_file();
        if let Ok(Some(key)) = file.read() {
            return Ok(key);
        }
        let _lock = self.lock_keys()?;
        self.rename_first_version()?;
        match file.read() {
            Ok(Some(key)) => return Ok(key),
            Ok(None) => {}
            Err(failure) if failure.kind == Kind::KeyLost && on_lost == LostKey::Replace => file.set_aside(self.now)?,
            Err(failure) => return Err(failure),
        }
        file.make()
    }

    /// Gives the first version's key file the name of its binding, where it is this machine's.
    pub(in crate::vault) fn adopt_first_version(&self) -> Result<()> {
        if self.azward_home.join("key").symlink_metadata().is_err() {
            return Ok(());
        }
        let _lock = self.lock_keys()?;
        self.rename_first_version()
    }

    fn rename_first_version(&self) -> Result<()> {
        let [file, ..] = self.first_version_key_files();
        if file.read().is_ok_and(|key| key.is_some()) { file.rename_first_version() } else { Ok(()) }
    }

    fn lock_keys(&self) -> Result<KeyLock> {
        let presence = self.home.enter()?;
        let path = self.azward_home.join("key.lock");
        let lock = Lock::acquire(&path, Mode::Exclusive, KEY_LOCK_DEADLINE)?;
        Ok(KeyLock { _lock: lock, _presence: presence })
    }
}

fn not_read_back(kind: KeyStoreKind) -> Failure {
    Failure::new(
        Kind::KeyUnavailable,
        format!("the {kind} did not give back the key that it was given"),
        "run the command again; nothing was sealed with that key",
    )
}

#[cfg(test)]
mod tests {
    use super::super::stores::tests::stores;
    use super::*;
    use crate::vault::keys::KeyId;

    #[test]
    fn a_race_of_first_runs_ends_with_one_key() {
        let home = tempfile::tempdir().unwrap();
        let ids: Vec<KeyId> = std::thread::scope(|scope| {
            let make = || stores(home.path()).for_new(Prompting::Never, LostKey::Keep).unwrap().1.id();
            let racers: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]));
        assert_eq!(files::list(home.path()).len(), 4, "the key, its lock, the home's, and its marker");
    }

    #[test]
    fn a_torn_key_file_stays_until_a_key_must_be_made() {
        let home = tempfile::tempdir().unwrap();
        let path = stores(home.path()).key_file().path().to_owned();
        std::fs::write(&path, "{\"version\":").unwrap();
        assert_eq!(stores(home.path()).for_new(Prompting::Never, LostKey::Keep).unwrap_err().kind, Kind::KeyLost);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"version\":");
        stores(home.path()).for_new(Prompting::Never, LostKey::Replace).unwrap();
        let aside = format!("{}.set-aside-1000", path.display());
        assert_eq!(std::fs::read_to_string(aside).unwrap(), "{\"version\":");
    }
}
