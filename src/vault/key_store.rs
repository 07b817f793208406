//! Where the master key is: the OS keyring or the key file. A vault's header says which of them sealed it and which key,
//! and that one is asked for that key, whatever the settings say now; the settings only choose for a new vault. All
//! vaults of one azward home share one key per store. Making a key is serialised by `$AZWARD_HOME/key.lock`, and what
//! was written is read back, so that two first runs end with one key.
//!
//! What fails: [`Kind::KeyUnavailable`] when a store does not answer, is locked or cannot be read (the key may be fine);
//! [`Kind::KeyLost`] when it answers and does not have the key that is asked for.

use std::fmt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::files;
use super::key_file::{Binding, KeyFile};
use super::keyring::Keyring;
use crate::failure::{Failure, Kind, Result};
use crate::home_lock::{HomeLock, Presence};
use crate::lock::{Lock, Mode};
use crate::secret::Secret;
use crate::settings::KeyStoreChoice;
use crate::sys;

/// How long the making of a key waits for another process that makes it.
const KEY_LOCK_DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);

/// The kinds of key store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStoreKind {
    /// The OS keyring: Secret Service, Keychain, Credential Manager.
    Keyring,
    /// The key file bound to this machine and user.
    KeyFile,
}

/// Tells one master key from another: eight bytes of SHA-256, and no way back.
pub(super) type KeyId = [u8; 8];

/// The 32 random bytes that seal the vaults.
#[derive(Debug)]
pub(super) struct MasterKey(Secret);

/// Whether a person may be asked to unlock the store, which takes as long as it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// A prompt may appear.
    Person,
    /// No prompt: there is no person, or a lock is held.
    Nobody,
}

/// What may become of a key file that does not give a key (torn, from another machine).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LostKey {
    /// It stays, and its failure is told.
    Keep,
    /// It is set aside, and a new key is made.
    Replace,
}

/// The right to make a key where azward is; dropping it releases it.
#[derive(Debug)]
pub(super) struct KeyLock {
    _lock: Lock,
    _presence: Presence,
}

/// The key stores of one azward home.
#[derive(Debug)]
pub(super) struct KeyStores {
    azward_home: PathBuf,
    home: HomeLock,
    choice: KeyStoreChoice,
    now: i64,
}

impl KeyStoreKind {
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Keyring),
            2 => Some(Self::KeyFile),
            _ => None,
        }
    }

    pub(super) fn to_byte(self) -> u8 {
        match self {
            Self::Keyring => 1,
            Self::KeyFile => 2,
        }
    }
}

impl fmt::Display for KeyStoreKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Keyring => "OS keyring",
            Self::KeyFile => "key file",
        })
    }
}

impl MasterKey {
    /// How many bytes a key has.
    pub(super) const LENGTH: usize = 32;

    /// A new one from the operating system's randomness.
    pub(super) fn generate() -> Result<Self> {
        let mut bytes = vec![0; Self::LENGTH];
        getrandom::fill(&mut bytes).map_err(|_| {
            Failure::new(
                Kind::KeyUnavailable,
                "the operating system gives no random bytes for a new key",
                "run the command again; `azward status` says where the key is kept",
            )
        })?;
        Ok(Self(Secret::new(bytes)))
    }

    /// The key that a store had, if it has a key's length.
    pub(super) fn from_secret(secret: Secret) -> Option<Self> {
        (secret.expose().len() == Self::LENGTH).then_some(Self(secret))
    }

    pub(super) fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    pub(super) fn id(&self) -> KeyId {
        let digest = Sha256::new().chain_update(b"azward master key id\0").chain_update(self.expose()).finalize();
        let mut id = KeyId::default();
        id.copy_from_slice(&digest[..size_of::<KeyId>()]);
        id
    }
}

impl KeyStores {
    /// The stores of `azward_home`; a key file that must make room is set aside under the time `now`.
    pub(super) fn new(home: &HomeLock, choice: KeyStoreChoice, now: i64) -> Self {
        Self { azward_home: home.azward_home().to_owned(), home: home.clone(), choice, now }
    }

    pub(super) fn keyring(&self) -> Keyring {
        Keyring::of(&self.azward_home)
    }

    pub(super) fn key_file(&self) -> KeyFile {
        KeyFile::new(&self.azward_home, Binding::here(&self.azward_home))
    }

    /// The key called `id` from the store of `kind`.
    pub(super) fn find(&self, kind: KeyStoreKind, id: KeyId, patience: Patience) -> Result<MasterKey> {
        match kind {
            KeyStoreKind::KeyFile => match self.key_file().read()? {
                Some(key) if key.id() == id => Ok(key),
                found => Err(lost(found.is_some(), "key file", &format!("`{}`", self.key_file().path().display()))),
            },
            KeyStoreKind::Keyring => self.find_in_keyring(id, patience),
        }
    }

    fn find_in_keyring(&self, id: KeyId, patience: Patience) -> Result<MasterKey> {
        let keyring = self.keyring();
        if let Some(key) = keyring.cached()
            && key.id() == id
        {
            return Ok(key);
        }
        let mut keys = keyring.read(patience)?;
        let any = !keys.is_empty();
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
        Err(lost(any, "OS keyring", "the OS keyring"))
    }

    /// The key that a new vault is sealed with, made if there is none yet.
    pub(super) fn for_new(&self, patience: Patience, on_lost: LostKey) -> Result<(KeyStoreKind, MasterKey)> {
        // An uninstall from here on is noticed before anything is sealed with the key.
        drop(self.home.enter()?);
        let key_file = || Ok((KeyStoreKind::KeyFile, self.key_file_or_new(on_lost)?));
        let keyring = |patience| Ok((KeyStoreKind::Keyring, self.keyring_or_new(patience)?));
        match self.choice {
            KeyStoreChoice::KeyFile => key_file(),
            KeyStoreChoice::Keyring => keyring(patience),
            // A keyring that is locked now does not answer: nobody is asked to unlock what they did not choose.
            KeyStoreChoice::Auto => keyring(Patience::Nobody).or_else(|_: Failure| key_file()),
        }
    }

    fn keyring_or_new(&self, patience: Patience) -> Result<MasterKey> {
        let keyring = self.keyring();
        let key = match keyring.read(patience)?.into_iter().next() {
            Some(key) => key,
            None => {
                let lock = self.lock_keys()?;
                // Unlocked by now, so nobody is waited for under the lock.
                match keyring.read(Patience::Nobody)?.into_iter().next() {
                    Some(key) => key,
                    None => {
                        // An entry that somebody removed while the kernel still has its key goes back as it was.
                        let key = keyring.cached().map_or_else(MasterKey::generate, Ok)?;
                        keyring.write_and_read_back(key, lock)?
                    }
                }
            }
        };
        keyring.cache(&key);
        Ok(key)
    }

    fn key_file_or_new(&self, on_lost: LostKey) -> Result<MasterKey> {
        let file = self.key_file();
        if let Ok(Some(key)) = file.read() {
            return Ok(key);
        }
        let _lock = self.lock_keys()?;
        match file.read() {
            Ok(Some(key)) => return Ok(key),
            Ok(None) => {}
            Err(failure) if failure.kind == Kind::KeyLost && on_lost == LostKey::Replace => file.set_aside(self.now)?,
            Err(failure) => return Err(failure),
        }
        file.make()
    }

    fn lock_keys(&self) -> Result<KeyLock> {
        let presence = self.home.enter()?;
        let path = self.azward_home.join("key.lock");
        let lock = Lock::acquire(&path, Mode::Exclusive, KEY_LOCK_DEADLINE)?;
        Ok(KeyLock { _lock: lock, _presence: presence })
    }

    /// Removes the key from every store. For when no vault is left that it could open.
    pub(super) fn remove(&self, patience: Patience) -> Result<()> {
        let keyring = self.keyring();
        keyring.forget_cached();
        // No keyring, or a locked one: a key that seals nothing may stay there.
        if keyring.read(patience).is_ok_and(|keys| !keys.is_empty()) {
            keyring.remove()?;
        }
        files::remove(self.key_file().path())
    }
}

/// Whether the directory belongs to the user that we act as.
fn is_ours(directory: &Path) -> bool {
    directory.metadata().map_or(true, |metadata| sys::owner_id(&metadata) == sys::user_id())
}

fn lost(other: bool, store: &str, place: &str) -> Failure {
    let what = if other {
        format!("{place} has another key than the one that sealed the vault")
    } else {
        format!("the key that sealed the vault is no longer in {place}")
    };
    Failure::new(
        Kind::KeyLost,
        what,
        format!("bring the {store} back as it was; or sign in to Azure again, and the old vault is set aside unopened"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stores(home: &Path) -> KeyStores {
        KeyStores::new(&HomeLock::of(home, None), KeyStoreChoice::KeyFile, 1000)
    }

    #[test]
    fn an_id_belongs_to_one_key() {
        let (one, two) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
        assert_eq!(one.id(), one.id());
        assert_ne!(one.id(), two.id());
        assert!(MasterKey::from_secret(Secret::new(vec![0; 31])).is_none());
    }

    #[test]
    fn the_key_of_a_new_vault_is_found_again() {
        let home = tempfile::tempdir().unwrap();
        let (kind, key) = stores(home.path()).for_new(Patience::Nobody, LostKey::Keep).unwrap();
        assert_eq!(kind, KeyStoreKind::KeyFile);
        assert_eq!(stores(home.path()).find(kind, key.id(), Patience::Nobody).unwrap().id(), key.id());
        let failure = stores(home.path()).find(kind, [0; 8], Patience::Nobody).unwrap_err();
        assert_eq!(failure.kind, Kind::KeyLost);
    }

    #[test]
    fn a_race_of_first_runs_ends_with_one_key() {
        let home = tempfile::tempdir().unwrap();
        let ids: Vec<KeyId> = std::thread::scope(|scope| {
            let make = || stores(home.path()).for_new(Patience::Nobody, LostKey::Keep).unwrap().1.id();
            let racers: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]));
        assert_eq!(files::list(home.path()).len(), 3, "the key, its lock and the home's");
    }

    #[test]
    fn a_torn_key_file_stays_until_a_key_must_be_made() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("key");
        std::fs::write(&path, "{\"version\":").unwrap();
        assert_eq!(stores(home.path()).for_new(Patience::Nobody, LostKey::Keep).unwrap_err().kind, Kind::KeyLost);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"version\":");
        stores(home.path()).for_new(Patience::Nobody, LostKey::Replace).unwrap();
        assert_eq!(std::fs::read_to_string(home.path().join("key.set-aside-1000")).unwrap(), "{\"version\":");
    }
}
