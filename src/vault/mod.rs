//! The vault: one sealed file per config directory and key, the only place where refresh tokens are when no az runs.
//!
//! What a commit leaves out is forgotten: no generation, no leftover and nothing set aside that opens here has it any
//! more when the commit returns, and it cannot come back from there. See `forgetting`.
//!
//! A caller that will change it calls [`Vault::prepare`] first, when no lock is held, because that may wait for a keyring
//! or for a person to unlock it; then [`Vault::lock`], [`Vault::open`], [`Guard::commit`]. A commit that has returned is
//! on the disk. A commit that failed changed nothing.
//!
//! Which of several vaults is this machine's `candidates` says. One that is another machine's, or whose key is lost, is
//! left as it is: while there is no other, `load` says so ([`Kind::KeyLost`]), and a commit begins a new one beside it.
//! What does not open with its own key is never overwritten and never removed. When the current generation is missing or
//! damaged and the previous one opens, that one is used and a warning kept for the journal. When neither opens, `load`
//! says why ([`Kind::VaultDamaged`]), and a commit after that sets them aside as `<name>.set-aside-<seconds>` and begins
//! a new vault. While the key store does not answer ([`Kind::KeyUnavailable`]), and when a newer azward wrote the file,
//! nothing is changed at all.

mod belongings;
mod candidates;
mod contents;
mod files;
mod forgetting;
mod guard;
mod inventory;
mod json;
mod key_file;
mod key_store;
mod keyring;
mod record;
mod sealed;
#[cfg(target_os = "linux")]
mod secret_service;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use belongings::{Extent, forget_unclaimed};
pub use contents::{Contents, KeptEntry};
pub use guard::Guard;
pub use inventory::{VaultState, all_vaults, forget_cached_key, remove_master_key, unclaimed_files};
pub use key_store::KeyStoreKind;
pub use record::{CredentialKind, Owner, Record, Rival};

use self::candidates::{Candidate, Naming, Standing, candidates};
use self::contents::Gone;
use self::files::Files;
use self::key_store::{KeyId, KeyStores, KeysHere, LostKey, MasterKey, Prompting};
use self::sealed::{Flaw, Header};
use crate::azure::ConfigDir;
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::home_lock::{HomeLock, Presence};
use crate::lock::{Lock, Mode};
use crate::private;
use crate::settings::Settings;

/// The vault of one config directory.
#[derive(Debug)]
pub struct Vault {
    /// Where the vaults are.
    vaults: PathBuf,
    /// The config directory's name in those of its vaults.
    id: String,
    lock: PathBuf,
    directory: PathBuf,
    stores: KeyStores,
    home: HomeLock,
    is_interactive: bool,
    now: i64,
    /// The key that was got last, so that it is got once.
    held: Mutex<Option<HeldKey>>,
    warnings: Mutex<Vec<Failure>>,
}

/// How often a vault is looked for that was there a moment ago.
const ATTEMPTS: u32 = 3;

/// A held vault lock; dropping it releases it.
#[derive(Debug)]
pub struct VaultLock {
    _lock: Lock,
    _presence: Presence,
    path: PathBuf,
}

#[derive(Clone, Debug)]
struct HeldKey {
    kind: KeyStoreKind,
    key: Arc<MasterKey>,
}

/// Which vault is this machine's.
enum Chosen {
    Ours(Candidate),
    /// There are others, and why none of them is.
    Elsewhere(Failure),
    Nothing,
}

/// One generation, looked at.
enum Generation {
    Absent,
    Opens { number: u64, key: HeldKey, contents: Contents },
    Closed(Failure),
}

impl Vault {
    /// The vault of `config_dir`; nothing is read yet.
    #[must_use]
    pub fn of(context: &Context, settings: &Settings, config_dir: &ConfigDir) -> Self {
        Self::new(context, settings, &config_dir.id(), config_dir.canonical())
    }

    fn new(context: &Context, settings: &Settings, id: &str, directory: &Path) -> Self {
        let now = context.now();
        let vaults = files::directory_of(&context.azward_home);
        Self {
            lock: vaults.join(format!("{id}.lock")),
            vaults,
            id: id.to_owned(),
            directory: directory.to_owned(),
            stores: KeyStores::new(&context.home_lock, settings, now),
            home: context.home_lock.clone(),
            is_interactive: context.is_interactive,
            now,
            held: Mutex::default(),
            warnings: Mutex::default(),
        }
    }

    /// The name of its config directory in those of its files.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The vault's file, where this machine has one. No keyring is asked.
    #[must_use]
    pub fn path(&self) -> Option<PathBuf> {
        self.known().map(|candidate| candidate.files.current)
    }

    /// The vault that is this machine's, as far as can be told without asking a keyring.
    fn known(&self) -> Option<Candidate> {
        let (standing, candidate) = self.ranked(&self.stores.keys_here()).into_iter().next()?;
        (standing != Standing::Elsewhere).then_some(candidate)
    }

    /// The directory of all vaults of this azward home.
    #[must_use]
    pub fn parent(&self) -> &Path {
        &self.vaults
    }

    /// Whether there is a vault, be it another machine's. Nothing is read but the directory.
    #[must_use]
    pub fn exists(&self) -> bool {
        let is_ours =
            |path: &PathBuf| candidates::stem(path).is_some_and(|stem| stem.split('.').next() == Some(&*self.id));
        files::list(&self.vaults).iter().any(is_ours)
    }

    /// Takes the vault lock, waiting no longer than `deadline`, with a share in the azward home's: what is committed under
    /// it is committed where azward is, with a key that is there.
    ///
    /// # Errors
    /// [`Kind::Gone`] when azward was uninstalled meanwhile, [`Kind::Busy`], [`Kind::Storage`].
    pub fn lock(&self, deadline: Duration) -> Result<VaultLock> {
        let presence = self.home.enter()?;
        // The azward home first: whoever could write there could replace all that is in it.
        for directory in self.vaults.parent().into_iter().chain([self.vaults.as_path()]) {
            private::make_dir(directory)?;
        }
        let lock = Lock::acquire(&self.lock, Mode::Exclusive, deadline)?;
        Ok(VaultLock { _lock: lock, _presence: presence, path: self.lock.clone() })
    }

    /// Gets the master key, making one for a vault that is not there yet, so that [`Self::load`] and [`Self::commit`] ask
    /// no key store any more. Only here, and in a `load` without it, can a person be asked to unlock the keyring.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`], [`Kind::KeyLost`] (a commit would begin a new vault), [`Kind::VaultDamaged`] for one that
    /// a newer azward made, [`Kind::Busy`], [`Kind::Storage`].
    pub fn prepare(&self) -> Result<()> {
        let candidate = match self.choose(self.prompting())? {
            Chosen::Ours(candidate) => candidate,
            Chosen::Elsewhere(failure) => return Err(failure),
            Chosen::Nothing => {
                let (kind, key) = self.stores.for_new(self.prompting(), LostKey::Keep)?;
                self.hold(kind, key);
                return Ok(());
            }
        };
        let mut lost = None;
        for path in [&candidate.files.current, &candidate.files.previous] {
            let Some(header) = self.header(path)? else { continue };
            if candidate.key_id != Some(header.key_id) {
                continue;
            }
            match self.key_for(&header, self.prompting()) {
                Err(failure) if failure.kind == Kind::KeyLost => lost = lost.or(Some(failure)),
                outcome => return outcome.map(drop),
            }
        }
        if let Some(failure) = lost {
            return Err(failure);
        }
        let (kind, key) = self.stores.for_new(self.prompting(), LostKey::Keep)?;
        self.hold(kind, key);
        Ok(())
    }

    /// Reads the vault; empty contents when there is none.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`], [`Kind::KeyLost`], [`Kind::VaultDamaged`], [`Kind::Storage`].
    pub fn load(&self) -> Result<Contents> {
        self.load_with(self.prompting())
    }

    /// The same, and nobody is asked to unlock a keyring for it.
    ///
    /// # Errors
    /// Those of [`Self::load`].
    pub fn load_unasked(&self) -> Result<Contents> {
        self.load_with(Prompting::Never)
    }

    fn load_with(&self, prompting: Prompting) -> Result<Contents> {
        for _ in 0..ATTEMPTS {
            let candidate = match self.choose(prompting)? {
                Chosen::Ours(candidate) => candidate,
                Chosen::Elsewhere(failure) => return Err(failure),
                Chosen::Nothing => break,
            };
            // One that is gone by now was renamed, and is found under its new name.
            if let Some(contents) = self.newest(&candidate, prompting)? {
                return Ok(contents);
            }
        }
        Ok(Contents::default())
    }

    /// The contents of the newest generation that opens; `None` when there is no file any more.
    fn newest(&self, candidate: &Candidate, prompting: Prompting) -> Result<Option<Contents>> {
        let current = match self.examine(candidate, &candidate.files.current, prompting)? {
            Generation::Opens { contents, .. } => return Ok(Some(contents)),
            Generation::Closed(failure) => Some(failure),
            Generation::Absent => None,
        };
        match (self.examine(candidate, &candidate.files.previous, prompting)?, current) {
            (Generation::Opens { contents, .. }, reason) => {
                self.warn(fell_back(&candidate.files.current, reason));
                Ok(Some(contents))
            }
            (_, Some(failure)) | (Generation::Closed(failure), None) => Err(failure),
            (Generation::Absent, None) => Ok(None),
        }
    }

    /// The current generation, where that opens and has the name and place that it is to have.
    fn open_current(&self, candidate: &Candidate, prompting: Prompting) -> Result<Option<(u64, HeldKey, Contents)>> {
        if candidate.naming != Naming::ByKey {
            return Ok(None);
        }
        match self.examine(candidate, &candidate.files.current, prompting)? {
            Generation::Opens { number, key, contents } => Ok(Some((number, key, contents))),
            Generation::Closed(_) | Generation::Absent => Ok(None),
        }
    }

    /// The vault that is this machine's. Whether a keyring has the key of one of which that is not known is asked only
    /// where no other is this machine's.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`] while it cannot be told, because a key store does not answer.
    fn choose(&self, prompting: Prompting) -> Result<Chosen> {
        let mut keys = self.stores.keys_here();
        // What was got stays got, whatever becomes of its store meanwhile.
        keys.own.extend(self.held().map(|held| held.key.id()));
        let mut chosen = Chosen::Nothing;
        for (standing, candidate) in self.ranked(&keys) {
            match standing {
                Standing::Own => return Ok(Chosen::Ours(candidate)),
                Standing::Undecided if self.is_in_keyring(&candidate, prompting)? => {
                    return Ok(Chosen::Ours(candidate));
                }
                Standing::Undecided => {}
                Standing::Shared | Standing::Elsewhere if keys.trouble.is_some() => {
                    return keys.trouble.map_or(Ok(Chosen::Nothing), Err);
                }
                Standing::Shared => return Ok(Chosen::Ours(candidate)),
                Standing::Elsewhere => {}
            }
            chosen = Chosen::Elsewhere(elsewhere(&candidate.files.current));
        }
        Ok(chosen)
    }

    /// The vaults of the config directory, the one to use first.
    fn ranked(&self, keys: &KeysHere) -> Vec<(Standing, Candidate)> {
        let found = candidates(&self.vaults, &self.id);
        let mut ranked: Vec<_> = found.into_iter().map(|candidate| (candidate.standing(keys), candidate)).collect();
        ranked.sort_by_key(|(standing, candidate)| std::cmp::Reverse((*standing, candidate.generation)));
        ranked
    }

    /// Whether the keyring has the key of `candidate`, which is then noted and held.
    fn is_in_keyring(&self, candidate: &Candidate, prompting: Prompting) -> Result<bool> {
        let Some(id) = candidate.key_id else { return Ok(false) };
        let found = match candidate.naming {
            Naming::ByKey => self.stores.find_unnoted(id, prompting)?,
            // The first version made no notes: a keyring that does not answer may well have its key.
            Naming::FirstVersion => match self.stores.find(KeyStoreKind::Keyring, id, prompting) {
                Ok(key) => Some(key),
                Err(failure) if failure.kind == Kind::KeyLost => None,
                Err(failure) => return Err(failure),
            },
        };
        let Some(key) = found else { return Ok(false) };
        // Without a note the keyring is asked again the next time.
        let _ = self.stores.note(id);
        self.hold(KeyStoreKind::Keyring, key);
        Ok(true)
    }

    /// Seals `contents` as the vault's next generation. It is on the disk when this returns; when it fails, the vault is as
    /// it was. Nobody is asked to unlock a keyring, because a lock is held.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`], [`Kind::VaultDamaged`] for a vault that a newer azward made, [`Kind::Busy`],
    /// [`Kind::Storage`].
    pub fn commit(&self, lock: &VaultLock, contents: &Contents) -> Result<()> {
        debug_assert_eq!(lock.path, self.lock, "the lock of another vault");
        let Chosen::Ours(candidate) = self.choose(Prompting::Never)? else { return self.begin(contents) };
        let files = &self.renamed(&candidate)?;
        let current = self.examine(&candidate, &files.current, Prompting::Never)?;
        if let Generation::Opens { number, key, contents: old } = &current {
            return self.commit_next(files, contents, key, number.saturating_add(1), &Gone::between(old, contents));
        }
        let previous = self.examine(&candidate, &files.previous, Prompting::Never)?;
        if let Generation::Opens { number, key, contents: old } = &previous {
            let number = number.saturating_add(1);
            let gone = Gone::between(old, contents);
            if gone.is_nothing() {
                self.write(files, contents, key, number)?;
                return or_discard(files, self.set_aside(files, &current).and_then(|()| files.publish()));
            }
            self.set_aside(files, &current)?;
            // Under the current one's name it is not missed while the next one takes its place.
            files.restore_previous()?;
            return self.commit_forgetting(files, contents, key, number, &gone);
        }
        if current.is_lost() || previous.is_lost() {
            return self.begin(contents);
        }
        self.replace_damaged(contents, files, &current, &previous)
    }

    /// Commits `contents` as the generation that comes after a current one that opens; `gone` is what that one had and they
    /// have not.
    fn commit_next(&self, files: &Files, contents: &Contents, key: &HeldKey, number: u64, gone: &Gone) -> Result<()> {
        if !gone.is_nothing() {
            return self.commit_forgetting(files, contents, key, number, gone);
        }
        self.write(files, contents, key, number)?;
        or_discard(files, files.keep_previous().and_then(|()| files.publish()))
    }

    /// Begins a vault, beside those that are there.
    fn begin(&self, contents: &Contents) -> Result<()> {
        let files = self.write_first(contents)?;
        or_discard(&files, files.publish())
    }

    /// Begins a vault in the place of one of which neither generation opens with its own key.
    fn replace_damaged(
        &self,
        contents: &Contents,
        damaged: &Files,
        current: &Generation,
        previous: &Generation,
    ) -> Result<()> {
        let files = self.write_first(contents)?;
        let aside = [(current, &damaged.current), (previous, &damaged.previous)];
        let replaced = aside.iter().try_for_each(|(generation, path)| self.set_aside_at(damaged, generation, path));
        or_discard(&files, replaced.and_then(|()| files.publish()))?;
        for (generation, path) in aside {
            if matches!(generation, Generation::Closed(_)) && *path != files.current {
                files::remove(path)?;
            }
        }
        Ok(())
    }

    /// Writes a new vault's first generation, which counts on from what is there.
    fn write_first(&self, contents: &Contents) -> Result<Files> {
        let key = self.key_for_new()?;
        let files = self.files_of(key.key.id());
        let highest = candidates(&self.vaults, &self.id).iter().map(|candidate| candidate.generation).max();
        self.write(&files, contents, &key, highest.unwrap_or(0).saturating_add(1))?;
        Ok(files)
    }

    /// Gives a vault with a first version's name, and the key file with one, the names that they have now.
    fn renamed(&self, candidate: &Candidate) -> Result<Files> {
        let (Naming::FirstVersion, Some(id)) = (candidate.naming, candidate.key_id) else {
            return Ok(candidate.files.clone());
        };
        // The key's name hinders nothing.
        let _ = self.stores.adopt_first_version();
        let files = self.files_of(id);
        if files.is_there() {
            return Ok(candidate.files.clone());
        }
        candidate.files.rename_to(&files)?;
        Ok(files)
    }

    fn files_of(&self, id: KeyId) -> Files {
        Files::new(&self.vaults, &format!("{}.{}", self.id, key_store::hex(id)))
    }

    fn set_aside(&self, files: &Files, current: &Generation) -> Result<()> {
        self.set_aside_at(files, current, &files.current)
    }

    /// Gives what is damaged another name as well.
    fn set_aside_at(&self, files: &Files, generation: &Generation, path: &Path) -> Result<()> {
        if let Generation::Closed(failure) = generation {
            let aside = files.set_aside(path, self.now)?;
            self.warn(set_aside(failure, &aside));
        }
        Ok(())
    }

    /// Removes the vault, after everything in it was given back. What was set aside stays.
    ///
    /// # Errors
    /// [`Kind::Storage`].
    pub fn remove(&self, lock: &VaultLock) -> Result<()> {
        debug_assert_eq!(lock.path, self.lock, "the lock of another vault");
        match self.choose(Prompting::Never)? {
            Chosen::Ours(candidate) => candidate.files.remove_all(),
            Chosen::Elsewhere(_) | Chosen::Nothing => Ok(()),
        }
    }

    /// What happened since this was last asked that the journal should have: a fallback to the previous generation, a
    /// file set aside.
    #[must_use]
    pub fn warnings(&self) -> Vec<Failure> {
        std::mem::take(&mut self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The header of a generation; `None` when there is none or it is damaged.
    fn header(&self, path: &Path) -> Result<Option<Header>> {
        let Some(bytes) = files::read(path)? else { return Ok(None) };
        match Header::parse(&bytes) {
            Ok((header, _)) => Ok(Some(header)),
            Err(Flaw::Damaged(_)) => Ok(None),
            Err(Flaw::Newer(version)) => Err(newer(path, version)),
        }
    }

    /// Looks at one generation. What may be fine and cannot be opened now is an error; what is not fine is `Closed`.
    fn examine(&self, candidate: &Candidate, path: &Path, prompting: Prompting) -> Result<Generation> {
        let Some(bytes) = files::read(path)? else { return Ok(Generation::Absent) };
        let header = match Header::parse(&bytes) {
            Ok((header, _)) => header,
            Err(Flaw::Newer(version)) => return Err(newer(path, version)),
            Err(Flaw::Damaged(why)) => return Ok(Generation::Closed(damaged(path, why))),
        };
        if candidate.naming == Naming::ByKey && candidate.key_id != Some(header.key_id) {
            return Ok(Generation::Closed(damaged(path, "asks for another key than the one it is named by")));
        }
        if header.directory != self.directory {
            let why = format!("belongs to another config directory, `{}`", header.directory.display());
            return Ok(Generation::Closed(damaged(path, &why)));
        }
        let key = match self.key_for(&header, prompting) {
            Ok(key) => key,
            Err(failure) if failure.kind == Kind::KeyLost => return Ok(Generation::Closed(failure)),
            Err(failure) => return Err(failure),
        };
        match sealed::open(&bytes, &key.key) {
            Ok(contents) => Ok(Generation::Opens { number: header.generation, key, contents }),
            Err(Flaw::Newer(version)) => Err(newer(path, version)),
            Err(Flaw::Damaged(why)) => Ok(Generation::Closed(damaged(path, why))),
        }
    }

    fn key_for(&self, header: &Header, prompting: Prompting) -> Result<HeldKey> {
        if let Some(held) = self.held()
            && held.kind == header.kind
            && held.key.id() == header.key_id
        {
            return Ok(held);
        }
        self.home.note();
        let key = self.stores.find(header.kind, header.key_id, prompting)?;
        Ok(self.hold(header.kind, key))
    }

    fn key_for_new(&self) -> Result<HeldKey> {
        if let Some(held) = self.held() {
            return Ok(held);
        }
        let (kind, key) = self.stores.for_new(Prompting::Never, LostKey::Replace)?;
        Ok(self.hold(kind, key))
    }

    fn held(&self) -> Option<HeldKey> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn hold(&self, kind: KeyStoreKind, key: MasterKey) -> HeldKey {
        let held = HeldKey { kind, key: Arc::new(key) };
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(held.clone());
        held
    }

    fn prompting(&self) -> Prompting {
        if self.is_interactive { Prompting::Allowed } else { Prompting::Never }
    }

    fn write(&self, files: &Files, contents: &Contents, held: &HeldKey, generation: u64) -> Result<Vec<u8>> {
        let sealed = sealed::seal(contents, held.kind, &held.key, generation, &self.directory)
            .map_err(|error| Failure::storage("seal", &files.current, &error))?;
        files.write(&sealed)?;
        Ok(sealed)
    }

    fn warn(&self, failure: Failure) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
    }
}

impl Generation {
    /// Whether its key store answered and does not have its key.
    fn is_lost(&self) -> bool {
        matches!(self, Self::Closed(failure) if failure.kind == Kind::KeyLost)
    }
}

fn or_discard(files: &Files, outcome: Result<()>) -> Result<()> {
    if outcome.is_err() {
        files.discard();
    }
    outcome
}

fn fell_back(current: &Path, reason: Option<Failure>) -> Failure {
    let missing = || format!("`{}` is missing", current.display());
    let (kind, why) = reason.map_or_else(|| (Kind::VaultDamaged, missing()), |reason| (reason.kind, reason.what));
    Failure::new(
        kind,
        format!("{why}; the previous generation was used"),
        "nothing need be done; if an account has to sign in again, its last login was only in the newer one",
    )
}

fn elsewhere(path: &Path) -> Failure {
    Failure::new(
        Kind::KeyLost,
        format!("the vault `{}` belongs to another machine or user, or its key is gone", path.display()),
        "use it where its key is; or sign in to Azure here too: it stays as it is, and a new one is begun beside it",
    )
}

fn damaged(path: &Path, why: &str) -> Failure {
    Failure::new(
        Kind::VaultDamaged,
        format!("the vault `{}` {why}", path.display()),
        "restore it from a backup; or sign in to Azure again, and it is set aside unopened",
    )
}

fn newer(path: &Path, version: u16) -> Failure {
    Failure::new(
        Kind::VaultDamaged,
        format!("the vault `{}` was made by a newer azward (version {version}); it is left as it is", path.display()),
        "update azward, then run the command again",
    )
}

fn set_aside(failure: &Failure, aside: &Path) -> Failure {
    Failure::new(
        failure.kind,
        format!("{}; it was set aside as `{}`", failure.what, aside.display()),
        "keep that file if its key or a backup may come back; it is sealed, and can be removed otherwise",
    )
}
