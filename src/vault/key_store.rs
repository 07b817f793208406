//! Where the master key is: the OS keyring or the key file. A vault's header says which of them sealed it and which key,
//! and that one is asked for that key, whatever the settings say now; the settings only choose for a new vault. All
//! vaults that one machine begins in an azward home share one key per store. Making a key is serialised by
//! `$AZWARD_HOME/key.lock`, and what was written is read back, so that two first runs end with one key.
//!
//! Which keys are this machine's can be told without asking a keyring: a key file is named by what it is bound to, and
//! beside the key files a note, an empty file `<binding>.<key id>.keyring`, says that the keyring of that machine and
//! user has that key. A note is made as soon as the key is in the keyring, before any vault is sealed with it.
//!
//! What fails: [`Kind::KeyUnavailable`] when a store does not answer, is locked or cannot be read (the key may be fine);
//! [`Kind::KeyLost`] when it answers and does not have the key that is asked for.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::candidates;
use super::files;
use super::key_file::{Binding, BoundWhere, KeyFile};
use super::keyring::{Found, Keyring};
use crate::failure::{Failure, Kind, Result};
use crate::home_lock::{HomeLock, Presence};
use crate::lock::{Lock, Mode};
use crate::private;
use crate::secret::Secret;
use crate::settings::{KeyStoreChoice, Settings};
use crate::sys;

/// How long the making of a key waits for another process that makes it.
const KEY_LOCK_DEADLINE: Duration = Duration::from_secs(10);

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
pub(super) enum Prompting {
    /// A prompt may appear.
    Allowed,
    /// No prompt: there is no person, or a lock is held.
    Never,
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

/// The keys that are known to be this machine's.
#[derive(Debug, Default)]
pub(super) struct KeysHere {
    /// Of this machine and user.
    pub(super) own: Vec<KeyId>,
    /// Of this user on any machine, where this machine has an id.
    pub(super) shared: Vec<KeyId>,
    /// Why a key file did not say which key it has, where it may be fine.
    pub(super) trouble: Option<Failure>,
}

/// The key stores of one azward home.
#[derive(Debug)]
pub(super) struct KeyStores {
    azward_home: PathBuf,
    home: HomeLock,
    choice: KeyStoreChoice,
    key_cache: Duration,
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
    pub(super) fn new(home: &HomeLock, settings: &Settings, now: i64) -> Self {
        let (choice, key_cache) = (settings.key_store.value, settings.key_cache());
        Self { azward_home: home.azward_home().to_owned(), home: home.clone(), choice, key_cache, now }
    }

    fn keyring(&self) -> Keyring {
        Keyring::of(&self.azward_home, self.key_cache)
    }

    fn binding(&self) -> Binding {
        Binding::here(&self.azward_home)
    }

    /// The key file that a new key would go into.
    pub(super) fn key_file(&self) -> KeyFile {
        KeyFile::new(&self.azward_home, self.binding())
    }

    /// The first version's key file, by everything that it may be bound to here: that version took whatever was in
    /// `/etc/machine-id` for an id.
    fn first_version_key_files(&self) -> [KeyFile; 3] {
        let here = self.binding();
        let of = |machine: &str| Binding { machine: Some(machine.to_owned()), ..here.clone() };
        let bindings = [here.clone(), of("uninitialized"), of("00000000000000000000000000000000")];
        bindings.map(|binding| KeyFile::first_version(&self.azward_home, binding))
    }

    /// Every key file that may give a key here, the own one first.
    fn key_files(&self) -> Vec<KeyFile> {
        let binding = self.binding();
        let of_user = binding.machine.is_some().then(|| KeyFile::new(&self.azward_home, binding.of_user()));
        let mut key_files = vec![self.key_file()];
        key_files.extend(self.first_version_key_files());
        key_files.extend(of_user);
        key_files
    }

    /// The keys that are known to be this machine's. No keyring is asked.
    pub(super) fn keys_here(&self) -> KeysHere {
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
    pub(super) fn bound_where(&self, id: KeyId) -> Option<BoundWhere> {
        let has = |file: &KeyFile| file.read().is_ok_and(|key| key.is_some_and(|key| key.id() == id));
        self.key_files().iter().find(|file| has(file)).map(KeyFile::bound_where)
    }

    /// Whether this machine has an id that a key can be bound to.
    pub(super) fn has_machine_id(&self) -> bool {
        self.binding().machine.is_some()
    }

    /// The keys that the keyring of `binding` is noted to have.
    fn noted(&self, binding: &Binding) -> Vec<KeyId> {
        let binding = binding.id();
        notes(&self.azward_home).into_iter().filter(|(of, _)| *of == binding).map(|(_, id)| id).collect()
    }

    /// Notes that the keyring here has the key called `id`.
    pub(super) fn note(&self, id: KeyId) -> Result<()> {
        let path = self.azward_home.join(format!("{}.{}{NOTE}", self.binding().id(), hex(id)));
        if path.symlink_metadata().is_ok() {
            return Ok(());
        }
        private::make(&path, b"")
            .and_then(|()| sys::sync_dir(&self.azward_home))
            .or_else(|error| if error.kind() == std::io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })
            .map_err(|error| Failure::storage("make", &path, &error))
    }

    /// The key called `id` from the store of `kind`.
    pub(super) fn find(&self, kind: KeyStoreKind, id: KeyId, prompting: Prompting) -> Result<MasterKey> {
        match kind {
            KeyStoreKind::KeyFile => self.find_in_key_files(id),
            KeyStoreKind::Keyring => self.find_in_keyring(id, prompting),
        }
    }

    fn find_in_key_files(&self, id: KeyId) -> Result<MasterKey> {
        let mut trouble = None;
        let mut has_other = false;
        for file in self.key_files() {
            match file.read() {
                Ok(Some(key)) if key.id() == id => return Ok(key),
                Ok(found) => has_other |= found.is_some(),
                Err(failure) if failure.kind == Kind::KeyLost => {}
                Err(failure) => trouble = trouble.or(Some(failure)),
            }
        }
        let place = format!("`{}`", self.key_file().path().display());
        Err(trouble.unwrap_or_else(|| lost(has_other, "key file", &place)))
    }

    /// The key called `id` if the keyring turns out to have it; `None` where it does not, or does not answer. Nobody is
    /// asked to unlock a keyring that shows nothing of it.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`] when the keyring has it and is locked.
    pub(super) fn find_unnoted(&self, id: KeyId, prompting: Prompting) -> Result<Option<MasterKey>> {
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
    pub(super) fn for_new(&self, prompting: Prompting, on_lost: LostKey) -> Result<(KeyStoreKind, MasterKey)> {
        // An uninstall from here on is noticed before anything is sealed with the key.
        drop(self.home.enter()?);
        let key_file = || Ok((KeyStoreKind::KeyFile, self.key_file_or_new(on_lost)?));
        let keyring = |prompting| Ok((KeyStoreKind::Keyring, self.keyring_or_new(prompting)?));
        match self.choice {
            KeyStoreChoice::KeyFile => key_file(),
            KeyStoreChoice::Keyring => keyring(prompting),
            // A keyring that is locked now does not answer: nobody is asked to unlock what they did not choose.
            KeyStoreChoice::Auto => match keyring(Prompting::Never) {
                Err(failure) if failure.kind != Kind::Interrupted => key_file(),
                other => other,
            },
        }
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
        keyring.cache(&key);
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
    pub(super) fn adopt_first_version(&self) -> Result<()> {
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

    /// Removes this machine's keys from every store. Other machines' stay.
    pub(super) fn remove(&self, prompting: Prompting) -> Result<()> {
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
    pub(super) fn forget_cached(&self) -> usize {
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

/// The ending of a note that a keyring has a key.
const NOTE: &str = ".keyring";

/// The notes in an azward home: the binding's id, and the key's.
fn notes(azward_home: &Path) -> Vec<(String, KeyId)> {
    let note = |path: &PathBuf| {
        let (binding, id) = path.file_name()?.to_str()?.strip_suffix(NOTE)?.split_once('.')?;
        Some((binding.to_owned(), id_from_hex(id)?))
    };
    let mut notes: Vec<_> = files::list(azward_home).iter().filter_map(note).collect();
    notes.sort();
    notes
}

/// A key's id as it stands in names.
pub(super) fn hex(id: KeyId) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What [`hex`] wrote.
pub(super) fn id_from_hex(text: &str) -> Option<KeyId> {
    let id = u64::from_str_radix(text, 16).ok()?.to_be_bytes();
    (hex(id) == text).then_some(id)
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
        format!("bring the {store} back as it was; or sign in to Azure again: the old vault stays beside the new one"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Setting;

    fn stores(home: &Path) -> KeyStores {
        KeyStores::new(
            &HomeLock::of(home, None),
            &Settings { key_store: Setting::in_file(KeyStoreChoice::KeyFile), ..Settings::default() },
            1000,
        )
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
        let (kind, key) = stores(home.path()).for_new(Prompting::Never, LostKey::Keep).unwrap();
        assert_eq!(kind, KeyStoreKind::KeyFile);
        assert_eq!(stores(home.path()).find(kind, key.id(), Prompting::Never).unwrap().id(), key.id());
        let failure = stores(home.path()).find(kind, [0; 8], Prompting::Never).unwrap_err();
        assert_eq!(failure.kind, Kind::KeyLost);
    }

    #[test]
    fn an_id_is_read_back_from_a_name_and_nothing_else_is() {
        for id in [[0; 8], [0xff; 8], [0, 1, 2, 3, 0xab, 0xcd, 0xef, 9]] {
            assert_eq!(id_from_hex(&hex(id)), Some(id));
        }
        for text in ["", "0", "+000000000000000", "000000000000000G", "00000000000000AB", "00000000000000000"] {
            assert_eq!(id_from_hex(text), None, "{text}");
        }
    }

    #[test]
    fn a_note_is_for_this_machine_alone() {
        let home = tempfile::tempdir().unwrap();
        let stores = stores(home.path());
        stores.note([7; 8]).unwrap();
        stores.note([7; 8]).unwrap();
        std::fs::write(home.path().join(format!("0123456789abcdef.{}{NOTE}", hex([9; 8]))), "").unwrap();
        assert_eq!(stores.keys_here().own, [[7; 8]]);
        assert!(stores.keys_here().trouble.is_none());
    }

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
