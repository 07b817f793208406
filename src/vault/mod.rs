//! The vault: one sealed file per login and key, the only place where refresh tokens are when no az runs.
//!
//! What a commit leaves out is forgotten: no generation, no leftover and nothing set aside that opens here has it any
//! more when the commit returns, and it cannot come back from there. See `forgetting`.
//!
//! A caller that will change it calls [`Vault::prepare`] first, when no lock is held, because that may wait for a keyring
//! or for a person to unlock it; then [`Vault::lock`], [`Vault::open`], [`Guard::commit`]. A commit that has returned is
//! on the disk. A commit that failed changed nothing.
//!
//! Which of several vaults is this machine's `candidates` says. One that is another machine's, or whose key is lost, is
//! left as it is: while there is no other, `load` says so (`Kind::KeyLost`), and a commit begins a new one beside it.
//! What does not open with its own key is never overwritten and never removed. When the current generation is missing or
//! damaged and the previous one opens, that one is used and a warning kept for the journal. When neither opens, `load`
//! says why (`Kind::VaultDamaged`), and a commit after that sets them aside as `<name>.set-aside-<seconds>` and begins
//! a new vault. While the key store does not answer (`Kind::KeyUnavailable`), and when a newer azward wrote the file,
//! nothing is changed at all.

mod belongings;
mod beside;
mod candidates;
mod choosing;
mod committing;
mod contents;
mod files;
mod forgetting;
mod guard;
mod inventory;
mod json;
mod keys;
mod login;
mod moving;
mod reading;
mod record;
mod sealed;
#[cfg(test)]
mod tests;
mod trouble;
mod unlocking;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

pub use belongings::{Extent, forget_unclaimed};
pub(crate) use beside::DIRECTORY as DIRECTORY_BESIDE;
pub use beside::{Beside, forget_beside, ids_beside};
pub use contents::{Contents, KeptEntry};
pub use guard::Guard;
pub use inventory::{VaultState, all_vaults, forget_cached_key, remove_master_key, unclaimed_files};
pub use keys::KeyStoreKind;
pub use login::{Login, unregister_view};
pub use moving::{Move, MovedVault, OldKey};
pub use record::{CredentialKind, Owner, Record, Rival};
pub use unlocking::{Unlocked, unlock};

use self::keys::{KeyStores, LostKey, MasterKey, Prompting};
use self::sealed::Header;
use crate::azure::ConfigDir;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::home_lock::{HomeLock, Presence};
use crate::lock::{Lock, Mode};
use crate::private;
use crate::settings::Settings;

/// The vault of one login.
#[derive(Debug)]
pub struct Vault {
    /// Where the vaults are.
    vaults: PathBuf,
    login: Login,
    lock: PathBuf,
    stores: KeyStores,
    home: HomeLock,
    is_interactive: bool,
    now: i64,
    /// The key that was got last, so that it is got once.
    held: Mutex<Option<HeldKey>>,
    is_directory_made: OnceLock<()>,
    /// A file of this login's that was there when the directory was read.
    seen: OnceLock<PathBuf>,
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

impl Vault {
    /// The vault of the login of `config_dir`; nothing is read of it yet.
    #[must_use]
    pub fn of(context: &Context, settings: &Settings, config_dir: &ConfigDir) -> Self {
        Self::new(context, settings, Login::of(context, config_dir))
    }

    fn new(context: &Context, settings: &Settings, login: Login) -> Self {
        let now = context.now();
        let vaults = files::directory_of(&context.azward_home);
        Self {
            lock: vaults.join(format!("{}.lock", login.id())),
            vaults,
            login,
            stores: KeyStores::new(context, settings),
            home: context.home_lock.clone(),
            is_interactive: context.is_interactive,
            now,
            held: Mutex::default(),
            is_directory_made: OnceLock::new(),
            seen: OnceLock::new(),
            warnings: Mutex::default(),
        }
    }

    /// Whose it is.
    #[must_use]
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// The vault's file, where this machine has one. No keyring is asked.
    #[must_use]
    pub fn path(&self) -> Option<PathBuf> {
        self.known().map(|candidate| candidate.files.current)
    }

    /// The directory of all vaults of this azward home.
    #[must_use]
    pub fn parent(&self) -> &Path {
        &self.vaults
    }

    /// Whether there is a vault, be it another machine's. Nothing is read but the directory.
    #[must_use]
    pub fn exists(&self) -> bool {
        // Most that ask have opened it.
        if self.held().is_some_and(|held| self.files_of(held.key.id()).current.symlink_metadata().is_ok()) {
            return true;
        }
        if self.seen.get().is_some_and(|seen| seen.symlink_metadata().is_ok()) {
            return true;
        }
        let is_ours =
            |path: &PathBuf| candidates::stem(path).is_some_and(|stem| stem.split('.').next() == Some(self.login.id()));
        let found = files::list(&self.vaults).into_iter().find(is_ours);
        found.is_some_and(|found| {
            let _ = self.seen.set(found);
            true
        })
    }

    /// How the file of the vault that was opened looks now, from outside; `None` where none was, or where it is gone.
    #[cfg(target_os = "linux")]
    pub(crate) fn state(&self) -> Option<String> {
        let current = self.files_of(self.held()?.key.id()).current;
        crate::sys::file_state(&current).ok().map(|state| state.text)
    }

    /// Takes the vault lock, waiting no longer than `deadline`, with a share in the azward home's: what is committed under
    /// it is committed where azward is, with a key that is there.
    ///
    /// # Errors
    /// `Kind::Gone` when azward was uninstalled meanwhile, `Kind::Busy`, `Kind::Storage`.
    pub fn lock(&self, deadline: Duration) -> Result<VaultLock> {
        let presence = self.home.enter()?;
        if self.is_directory_made.get().is_none() {
            private::make_dir(&self.vaults)?;
            let _ = self.is_directory_made.set(());
        }
        let lock = Lock::acquire(&self.lock, Mode::Exclusive, deadline)?;
        Ok(VaultLock { _lock: lock, _presence: presence, path: self.lock.clone() })
    }

    /// What happened since this was last asked that the journal should have: a fallback to the previous generation, a
    /// file set aside.
    #[must_use]
    pub fn warnings(&self) -> Vec<Failure> {
        std::mem::take(&mut self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn warn(&self, failure: Failure) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
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
}
