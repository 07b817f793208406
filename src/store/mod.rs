//! The credentials of one config directory: its token cache, its list of service principals (`principals`) and the vault of its
//! login, and what exposures, sweeps and rotations ask of them; what the login's other directories have to do with it is in `siblings`. Whatever changes
//! either is done in the critical section (`section`): what is new in the file goes into the vault, durably; only then is
//! the file touched.
//!
//! Fails open and loses nothing: what cannot be read is left alone, what cannot be stored is not scrubbed, and the caller
//! is told so that az can run all the same.

mod at_rest;
mod identities;
#[cfg(target_os = "linux")]
mod in_memory;
mod kept_answers;
pub(crate) mod lease;
pub(crate) mod opened;
mod principals;
pub(crate) mod section;
mod siblings;

use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::app::App;
use crate::azure::profile::Profile;
use crate::azure::{ConfigDir, TokenStorage, token_storage};
use crate::credentials::file::WriteMode;
use crate::credentials::msal::{self, TokenCache, TokenCacheFile};
use crate::credentials::origin::Order;
use crate::credentials::service_principals::ServicePrincipalsFile;
use crate::credentials::{CredentialFile, Document, MsalLock};
use crate::failure::{Kind, Result, persist};
use crate::journal::{Action, Event};
use crate::store::lease::Lease;
#[cfg(target_os = "linux")]
use crate::sys;
use crate::vault::{Contents, Owner, Vault};

/// How long to wait for the vault's lock and for MSAL's. az gives up on the latter after 5 s.
pub(crate) const LOCK_DEADLINE: Duration = Duration::from_secs(6);

/// How often, and how far apart, a cache that is found empty or torn is read again.
const READINGS: u32 = 20;
const READING_PAUSE: Duration = Duration::from_millis(5);

/// What is taken in from where.
pub(crate) const REFRESH_TOKENS: &str = "refresh token(s)";
pub(crate) const CLIENT_SECRETS: &str = "secret(s) of service principals";

/// The token cache of one config directory and the vault of its login.
#[derive(Debug)]
pub struct CredentialStore<'a> {
    pub(crate) app: &'a App,
    pub(crate) config_dir: &'a ConfigDir,
    /// The token cache's file.
    pub cache: TokenCacheFile,
    /// The file with its service principals.
    pub principals: ServicePrincipalsFile,
    /// The vault.
    pub vault: Vault,
    pub(crate) lease: Lease,
}

/// What a run may have done to the accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgetting {
    /// Nothing: an account that is missing afterwards was lost, not forgotten.
    Never,
    /// `az logout` succeeded: the accounts that it took out of the cache are forgotten.
    Vanished,
    /// `az account clear` succeeded: a removed cache means that all accounts are forgotten.
    Removed,
    /// One of the two ended, and how is not known: accounts that neither the cache nor the profile has any more are
    /// forgotten.
    IfProven,
    /// One of the two succeeded in an az that keeps its tokens elsewhere: accounts that the profile no longer has are forgotten.
    Unlisted,
}

impl<'a> CredentialStore<'a> {
    /// Nothing is opened yet.
    #[must_use]
    pub fn new(app: &'a App, config_dir: &'a ConfigDir) -> Self {
        Self::with_vault(app, config_dir, Vault::of(&app.context, &app.settings, config_dir))
    }

    /// The same with a vault whose key was got already.
    #[must_use]
    pub fn with_vault(app: &'a App, config_dir: &'a ConfigDir, vault: Vault) -> Self {
        Self {
            app,
            config_dir,
            cache: TokenCacheFile::of(config_dir),
            principals: ServicePrincipalsFile::of(config_dir),
            vault,
            lease: Lease::of(&app.context, config_dir),
        }
    }

    /// The config directory, as az names it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.config_dir.path()
    }

    /// Whether the config directory holds a refresh token or a service principal's secret at this moment, as far as can be seen
    /// without a lock.
    #[must_use]
    pub fn is_in_the_clear(&self) -> bool {
        self.has_clear_tokens() || self.has_clear_principals()
    }

    /// Whether the token cache does.
    pub(crate) fn has_clear_tokens(&self) -> bool {
        self.cache.has_leftover() || self.exposed_tokens().is_ok_and(|count| count > 0)
    }

    /// Whether root is at work in the config directory of somebody else.
    #[cfg(target_os = "linux")]
    pub(crate) fn is_another_user_s(&self) -> bool {
        self.config_dir.path().metadata().is_ok_and(|directory| sys::owner_id(&directory) != sys::user_id())
    }

    /// Whether what covers the cache for this process was left by a run that is over, in the mount where something that its az
    /// started lives on: nobody has a mount, or there is nothing in it of what the vault has.
    #[must_use]
    pub fn is_left_behind(&self) -> bool {
        let is_bare = |count: Result<usize>| count.is_ok_and(|count| count == 0);
        self.lease.no_mounts().is_some()
            || self.vault.exists() && is_bare(self.exposed_tokens()) && is_bare(self.exposed_secrets())
    }

    /// Has a cache come back whose name leads to what is in memory no more; what keeps it away is the next run's to tell.
    pub fn bring_back_lost(&self) {
        #[cfg(target_os = "linux")]
        if self.cache.file().is_lost() || self.principals.file().is_lost() {
            let _ = self.sweep();
        }
    }

    /// How many refresh tokens are in the file at this moment.
    ///
    /// # Errors
    /// `CacheForeign` or `Storage`.
    pub fn exposed_tokens(&self) -> Result<usize> {
        let Some(text) = self.cache.read()? else { return Ok(0) };
        TokenCache::parse(&text)?.refresh_token_count()
    }

    /// Whether a run needs what is exposed in place now.
    ///
    /// # Errors
    /// `Storage`.
    pub fn is_needed(&self) -> Result<bool> {
        // Whoever needs it has made the lease's file; to ask is not to make it.
        Ok(self.lease.path().symlink_metadata().is_ok() && self.lease.nobody()?.is_none()
            || self.lease.login_since()?.is_some())
    }

    /// The token cache's text, for a look without a lock; nothing if there is no file. az truncates the file before it
    /// writes it, so one that is found empty or torn, with a vault that knows of a login, is read again for a moment.
    ///
    /// # Errors
    /// `CacheForeign` or `Storage`.
    pub fn read_settled(&self) -> Result<Zeroizing<String>> {
        let is_whole = |text: &str| !text.is_empty() && TokenCache::parse(text).is_ok();
        for _ in 1..READINGS {
            let Some(text) = self.read_cache()? else { return Ok(Zeroizing::default()) };
            if is_whole(&text) || !self.vault.exists() {
                return Ok(text);
            }
            std::thread::sleep(READING_PAUSE);
        }
        Ok(self.read_cache()?.unwrap_or_default())
    }

    /// What is known of the order of a refresh token in the real file and the vault's.
    pub(crate) fn order(&self) -> Order {
        match self.is_needed() {
            Ok(true) => Order::Ran,
            _ => Order::Unknown,
        }
    }

    /// Whether there is nothing to hand over and nothing to take: nobody has logged in yet, az keeps its tokens elsewhere, or
    /// the config directory is not there.
    pub(crate) fn has_nothing(&self) -> bool {
        let has_any = || self.is_in_the_clear() || self.has_sealed() || self.is_to_be_put_at_rest();
        !self.config_dir.path().is_dir() || (!self.vault.exists() && !has_any())
    }

    /// Where az keeps its tokens.
    #[must_use]
    pub fn token_storage(&self) -> TokenStorage {
        TokenStorage::of(&self.app.context, &self.app.settings, self.config_dir)
    }

    /// Gets the master key before any lock is held. A lost one is no obstacle: the commit begins a new vault.
    ///
    /// # Errors
    /// `KeyUnavailable`, `VaultDamaged`, `Storage`.
    pub fn prepare_vault(&self) -> Result<()> {
        match self.vault.prepare() {
            Err(failure) if failure.kind != Kind::KeyLost => Err(failure),
            _ => Ok(()),
        }
    }

    pub(crate) fn accounts(&self) -> Vec<Owner> {
        let text = self.cache.read().ok().flatten().unwrap_or_default();
        let owners = TokenCache::parse(&text).and_then(|cache| cache.owners()).unwrap_or_default();
        owners.into_iter().collect()
    }

    /// The users whose refresh token a broker of the operating system's has (WAM on Windows; on macOS where az was told to): it is in no
    /// file, and the vault has none of theirs.
    #[must_use]
    pub fn brokered_users(&self) -> Vec<String> {
        let text = self.cache.read().ok().flatten().unwrap_or_default();
        let accounts = TokenCache::parse(&text).and_then(|cache| msal::accounts(&cache)).unwrap_or_default();
        let mut users: Vec<String> =
            accounts.into_iter().filter(msal::AccountFields::is_brokered).map(|account| account.username).collect();
        users.sort_unstable();
        users.dedup();
        users
    }

    /// The vault's accounts whose user the profile no longer lists. What a view never had it cannot have lost, and what a view
    /// has the login has.
    pub(crate) fn signed_out(&self, contents: &Contents) -> Result<Vec<Owner>> {
        if self.is_view() {
            return Ok(Vec::new());
        }
        let profile = Profile::read(&self.config_dir.profile());
        let accounts = msal::vault_accounts(contents)?;
        Ok(accounts
            .into_iter()
            .filter(|account| !profile.has_user(&account.username) && !self.may_be_elsewhere(account))
            .map(|account| account.id)
            .collect())
    }

    /// Replaces the text of one of the credential files, by a means that takes no private mount away: `unless_mounted`, where
    /// there is none.
    ///
    /// # Errors
    /// `Storage`; the file then has its old text.
    pub(crate) fn replace<F: CredentialFile>(
        &self,
        file: &F,
        lock: &MsalLock,
        text: &str,
        unless_mounted: WriteMode,
    ) -> Result<()> {
        let is_cache = file.path() == self.cache.path();
        let written = is_cache.then(|| token_storage::written_before_a_sign(self.config_dir)).flatten();
        let written = written.filter(|_| !self.token_storage().is_file());
        // Held until it is done: nobody can come to mount something meanwhile.
        let replaced = match self.lease.no_mounts() {
            Some(_no_mounts) => persist(|| file.replace(lock, text, unless_mounted)),
            None => persist(|| file.replace(lock, text, WriteMode::Overwrite)),
        };
        if let Some(time) = written {
            // One that az no longer reads is not to look as if it did.
            let _ = self.cache.set_written(time);
        }
        replaced
    }

    /// What the vault did that its owner should know of: it fell back, it set something aside.
    pub(crate) fn note_warnings(&self) {
        for warning in self.vault.warnings() {
            self.app.journal.warn(self.app.context.now(), &warning);
        }
    }

    /// Notes how many refresh tokens were adopted, or why what was `taken` could not be `stored`: then it stays in the
    /// file, and what the vault has is handed over all the same.
    pub(crate) fn note_taken_in(&self, taken: usize, stored: &Result<()>) {
        match stored {
            Ok(()) => self.note_adoption(taken, REFRESH_TOKENS),
            Err(failure) => self.app.journal.warn(self.app.context.now(), failure),
        }
    }

    pub(crate) fn note_adoption(&self, count: usize, what: &str) {
        if count > 0 {
            let outcome = format!("{count} {what} that azward had not put there were taken into the vault");
            self.app.journal.record(&Event::new(self.app.context.now(), Action::Adoption, outcome));
        }
    }

    pub(crate) fn note_forgetting(&self, names: &[String]) {
        for name in names {
            let mut event = Event::new(self.app.context.now(), Action::Forgetting, "az logged it out");
            event.account = Some(name.clone());
            self.app.journal.record(&event);
        }
    }
}

/// Whether `path` is covered, for this process, by a file of a run above it.
#[must_use]
pub fn is_covered(path: &Path) -> bool {
    #[cfg(target_os = "linux")]
    let is_covered = crate::sys::is_privately_mounted(path);
    #[cfg(not(target_os = "linux"))]
    let is_covered = {
        let _ = path;
        false
    };
    is_covered
}
