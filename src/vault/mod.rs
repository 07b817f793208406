//! The vault: one sealed file per config directory, the only place where refresh tokens are when no az runs.
//!
//! A caller that will change it calls [`Vault::prepare`] first, when no lock is held, because that may wait for a keyring
//! or for a person to unlock it; then [`Vault::lock`], [`Vault::load`], [`Vault::commit`]. A commit that has returned is
//! on the disk. A commit that failed changed nothing.
//!
//! What does not open is never overwritten and never removed. When the current generation is missing, damaged, or sealed
//! with a key that is gone, and the previous one opens, that one is used and a warning kept for the journal. When neither
//! opens, `load` says why ([`Kind::VaultDamaged`], [`Kind::KeyLost`]), and a commit after that sets aside what does not
//! open as `<id>.vault.set-aside-<seconds>` and begins a new vault. While the key store does not answer
//! ([`Kind::KeyUnavailable`]), and when a newer azward wrote the file, nothing is changed at all.

mod contents;
mod files;
mod inventory;
mod key_file;
mod key_store;
mod keyring;
mod sealed;
#[cfg(target_os = "linux")]
mod secret_service;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use contents::{Contents, KeptEntry, KeptToken};
pub use inventory::{VaultState, all_vaults, forget_cached_key, forget_unclaimed, remove_master_key, unclaimed_files};
pub use key_store::KeyStoreKind;

use self::files::Files;
use self::key_store::{KeyStores, LostKey, MasterKey, Patience};
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
    files: Files,
    directory: PathBuf,
    stores: KeyStores,
    home: HomeLock,
    is_interactive: bool,
    now: i64,
    /// The key that was got last, so that it is got once.
    held: Mutex<Option<HeldKey>>,
    warnings: Mutex<Vec<Failure>>,
}

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
        Self {
            files: Files::new(&context.azward_home, id),
            directory: directory.to_owned(),
            stores: KeyStores::new(&context.home_lock, settings.key_store, now),
            home: context.home_lock.clone(),
            is_interactive: context.is_interactive,
            now,
            held: Mutex::default(),
            warnings: Mutex::default(),
        }
    }

    /// The vault's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.files.current
    }

    /// Whether there is a vault: its current or its previous generation.
    #[must_use]
    pub fn exists(&self) -> bool {
        [&self.files.current, &self.files.previous].iter().any(|path| path.symlink_metadata().is_ok())
    }

    /// Takes the vault lock, waiting no longer than `deadline`, with a share in the azward home's: what is committed under
    /// it is committed where azward is, with a key that is there.
    ///
    /// # Errors
    /// [`Kind::Gone`] when azward was uninstalled meanwhile, [`Kind::Busy`], [`Kind::Storage`].
    pub fn lock(&self, deadline: Duration) -> Result<VaultLock> {
        let presence = self.home.enter()?;
        // The azward home first: whoever could write there could replace all that is in it.
        for directory in self.files.directory.parent().into_iter().chain([self.files.directory.as_path()]) {
            private::make_dir(directory)?;
        }
        let lock = Lock::acquire(&self.files.lock, Mode::Exclusive, deadline)?;
        Ok(VaultLock { _lock: lock, _presence: presence, path: self.files.lock.clone() })
    }

    /// Gets the master key, making one for a vault that is not there yet, so that [`Self::load`] and [`Self::commit`] ask
    /// no key store any more. Only here, and in a `load` without it, can a person be asked to unlock the keyring.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`], [`Kind::KeyLost`] (a commit would begin a new vault), [`Kind::VaultDamaged`] for one that
    /// a newer azward made, [`Kind::Busy`], [`Kind::Storage`].
    pub fn prepare(&self) -> Result<()> {
        let mut lost = None;
        for path in [&self.files.current, &self.files.previous] {
            let Some(header) = self.header(path)? else { continue };
            match self.key_for(&header, self.patience()) {
                // The previous generation may still open, and is what `load` then gives.
                Err(failure) if failure.kind == Kind::KeyLost => lost = lost.or(Some(failure)),
                outcome => return outcome.map(drop),
            }
        }
        if let Some(failure) = lost {
            return Err(failure);
        }
        let (kind, key) = self.stores.for_new(self.patience(), LostKey::Keep)?;
        self.hold(kind, key);
        Ok(())
    }

    /// Reads the vault; empty contents when there is none.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`], [`Kind::KeyLost`], [`Kind::VaultDamaged`], [`Kind::Storage`].
    pub fn load(&self) -> Result<Contents> {
        self.load_with(self.patience())
    }

    fn load_with(&self, patience: Patience) -> Result<Contents> {
        let current = match self.examine(&self.files.current, patience)? {
            Generation::Opens { contents, .. } => return Ok(contents),
            Generation::Closed(failure) => Some(failure),
            Generation::Absent => None,
        };
        match (self.examine(&self.files.previous, patience)?, current) {
            (Generation::Opens { contents, .. }, reason) => {
                self.warn(self.fell_back(reason));
                Ok(contents)
            }
            (_, Some(failure)) | (Generation::Closed(failure), None) => Err(failure),
            (Generation::Absent, None) => Ok(Contents::default()),
        }
    }

    /// Seals `contents` as the vault's next generation. It is on the disk when this returns; when it fails, the vault is as
    /// it was. Nobody is asked to unlock a keyring, because a lock is held.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`], [`Kind::VaultDamaged`] for a vault that a newer azward made, [`Kind::Busy`],
    /// [`Kind::Storage`].
    pub fn commit(&self, lock: &VaultLock, contents: &Contents) -> Result<()> {
        debug_assert_eq!(lock.path, self.files.lock, "the lock of another vault");
        let current = self.examine(&self.files.current, Patience::Nobody)?;
        if let Generation::Opens { number, key, .. } = &current {
            self.write(contents, key, number.saturating_add(1))?;
            return self.or_discard(self.files.keep_previous().and_then(|()| self.files.publish()));
        }
        let previous = self.examine(&self.files.previous, Patience::Nobody)?;
        match &previous {
            Generation::Opens { number, key, .. } => self.write(contents, key, number.saturating_add(1))?,
            _ => self.write(contents, &self.key_for_new()?, 1)?,
        }
        self.or_discard(self.replace_closed(&current, &previous))
    }

    /// Puts the new generation in force after setting aside the ones that do not open.
    fn replace_closed(&self, current: &Generation, previous: &Generation) -> Result<()> {
        for (generation, path) in [(current, &self.files.current), (previous, &self.files.previous)] {
            if let Generation::Closed(failure) = generation {
                let aside = self.files.set_aside(path, self.now)?;
                self.warn(set_aside(failure, &aside));
            }
        }
        self.files.publish()?;
        if matches!(previous, Generation::Closed(_)) {
            self.files.drop_previous()?;
        }
        Ok(())
    }

    /// Removes the vault, after everything in it was given back. What was set aside stays.
    ///
    /// # Errors
    /// [`Kind::Storage`].
    pub fn remove(&self, lock: &VaultLock) -> Result<()> {
        debug_assert_eq!(lock.path, self.files.lock, "the lock of another vault");
        self.files.remove_all()
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
    fn examine(&self, path: &Path, patience: Patience) -> Result<Generation> {
        let Some(bytes) = files::read(path)? else { return Ok(Generation::Absent) };
        let header = match Header::parse(&bytes) {
            Ok((header, _)) => header,
            Err(Flaw::Newer(version)) => return Err(newer(path, version)),
            Err(Flaw::Damaged(why)) => return Ok(Generation::Closed(damaged(path, why))),
        };
        if header.directory != self.directory {
            let why = format!("belongs to another config directory, `{}`", header.directory.display());
            return Ok(Generation::Closed(damaged(path, &why)));
        }
        let key = match self.key_for(&header, patience) {
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

    fn key_for(&self, header: &Header, patience: Patience) -> Result<HeldKey> {
        if let Some(held) = self.held()
            && held.kind == header.kind
            && held.key.id() == header.key_id
        {
            return Ok(held);
        }
        self.home.note();
        let key = self.stores.find(header.kind, header.key_id, patience)?;
        Ok(self.hold(header.kind, key))
    }

    fn key_for_new(&self) -> Result<HeldKey> {
        if let Some(held) = self.held() {
            return Ok(held);
        }
        let (kind, key) = self.stores.for_new(Patience::Nobody, LostKey::Replace)?;
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

    fn patience(&self) -> Patience {
        if self.is_interactive { Patience::Person } else { Patience::Nobody }
    }

    fn write(&self, contents: &Contents, held: &HeldKey, generation: u64) -> Result<()> {
        let sealed = sealed::seal(contents, held.kind, &held.key, generation, &self.directory)
            .map_err(|error| Failure::storage("seal", &self.files.current, &error))?;
        self.files.write(&sealed)
    }

    fn or_discard(&self, outcome: Result<()>) -> Result<()> {
        if outcome.is_err() {
            self.files.discard();
        }
        outcome
    }

    fn warn(&self, failure: Failure) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
    }

    fn fell_back(&self, reason: Option<Failure>) -> Failure {
        let missing = || format!("`{}` is missing", self.files.current.display());
        let (kind, why) = reason.map_or_else(|| (Kind::VaultDamaged, missing()), |reason| (reason.kind, reason.what));
        Failure::new(
            kind,
            format!("{why}; the previous generation was used"),
            "nothing need be done; if an account has to sign in again, its last login was only in the newer one",
        )
    }
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
