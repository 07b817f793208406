//! The credentials of one config directory: its token cache and the vault that belongs to it, and what exposures, sweeps and
//! rotations ask of the two. Whatever changes either is done in the critical section (`section`): what is new in the file
//! goes into the vault, durably; only then is the file touched.
//!
//! Fails open and loses nothing: what cannot be read is left alone, what cannot be stored is not scrubbed, and the caller
//! is told so that az can run all the same.

pub mod lease;
pub(crate) mod section;

use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::app::App;
use crate::azure::ConfigDir;
use crate::azure::command::AccountEffect;
use crate::azure::profile::Profile;
use crate::credentials::edit::{self, Redeemable};
use crate::credentials::file::WriteMode;
use crate::credentials::msal::{Section, TokenCache, TokenCacheFile};
use crate::credentials::origin::Origin;
use crate::credentials::rivals::{self, Order};
use crate::credentials::{CredentialFile, MsalLock};
use crate::failure::{Kind, Result, persist};
use crate::journal::{Action, Event};
use crate::store::lease::Lease;
use crate::store::section::Committed;
use crate::tokens::access_token::TokenKey;
use crate::tokens::entra::Granted;
use crate::vault::{Contents, Owner, Vault};
use crate::wait::Stubborn;

/// How long to wait for the vault's lock and for MSAL's. az gives up on the latter after 5 s.
pub(crate) const DEADLINE: Duration = Duration::from_secs(6);

/// How often, and how far apart, a cache that is found empty or torn is read again.
const READINGS: u32 = 20;
const READING_PAUSE: Duration = Duration::from_millis(5);

/// The token cache of one config directory and the vault that belongs to it.
#[derive(Debug)]
pub struct CredentialStore<'a> {
    pub(crate) app: &'a App,
    pub(crate) config_dir: &'a ConfigDir,
    /// The token cache's file.
    pub cache: TokenCacheFile,
    /// The vault.
    pub vault: Vault,
    pub(crate) lease: Lease,
}

/// What an az is handed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Handed {
    /// Every refresh token of an account that the cache has.
    #[default]
    All,
    /// No refresh token: it signs in, may wait for a person meanwhile, and uses what it then stores itself.
    Nothing,
}

impl Handed {
    /// What a command is handed that does this to the accounts.
    #[must_use]
    pub fn to(effect: AccountEffect) -> Self {
        if effect == AccountEffect::SignIn { Self::Nothing } else { Self::All }
    }
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
            vault,
            lease: Lease::of(&app.context, config_dir),
        }
    }

    /// The config directory, as az names it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.config_dir.path()
    }

    /// Whether the config directory holds a refresh token at this moment, as far as can be seen without a lock.
    #[must_use]
    pub fn is_in_the_clear(&self) -> bool {
        self.cache.has_leftover() || self.exposed_tokens().is_ok_and(|count| count > 0)
    }

    /// How many refresh tokens are in the file at this moment.
    ///
    /// # Errors
    /// `CacheForeign` or `Storage`.
    pub fn exposed_tokens(&self) -> Result<usize> {
        let Some(text) = self.cache.read()? else { return Ok(0) };
        Ok(TokenCache::parse(&text)?.entries(Section::RefreshToken)?.len())
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

    /// Whether an az runs now, whatever its exposure.
    ///
    /// # Errors
    /// `Storage`.
    pub fn has_run(&self) -> Result<bool> {
        Ok(self.is_needed()? || self.lease.no_mounts().is_none())
    }

    /// The token cache's text, for a look without a lock; nothing if there is no file. az truncates the file before it
    /// writes it, so one that is found empty or torn, with a vault that knows of a login, is read again for a moment.
    ///
    /// # Errors
    /// `CacheForeign` or `Storage`.
    pub fn read_settled(&self) -> Result<Zeroizing<String>> {
        let is_whole = |text: &str| !text.is_empty() && TokenCache::parse(text).is_ok();
        for _ in 1..READINGS {
            let Some(text) = self.cache.read()? else { return Ok(Zeroizing::default()) };
            if is_whole(&text) || !self.vault.exists() {
                return Ok(text);
            }
            std::thread::sleep(READING_PAUSE);
        }
        Ok(self.cache.read()?.unwrap_or_default())
    }

    /// The refresh tokens to redeem for `wanted`, the first one first, with what a living run changed in the file taken in.
    /// None when the vault has none for that account; more than one where it is not known which is the newest.
    ///
    /// # Errors
    /// Whatever kept vault or cache from being read.
    pub fn redeemables(&self, wanted: &TokenKey) -> Result<Vec<Redeemable>> {
        let text = self.read_settled()?;
        let cache = TokenCache::parse(&text)?;
        let Some(account) = wanted.account(&cache)? else { return Ok(Vec::new()) };
        let contents = match edit::refresh_token_count(&cache)? {
            0 => self.vault.load()?,
            _ => {
                let section = self.prepared()?.enter_vault()?;
                let mut opened = section.open()?;
                opened.harvest(&cache, Origin::Rotation, self.order())?;
                let committed = opened.commit();
                committed.stored.clone()?;
                committed.into_contents()
            }
        };
        let Some(preferred) = edit::redeemable(&contents, &account)? else { return Ok(Vec::new()) };
        let mut redeemables = rivals::rivals(&contents, &preferred)?;
        redeemables.insert(0, preferred);
        Ok(redeemables)
    }

    /// Whether it is not known which refresh token of the account of `wanted` is the newest.
    #[must_use]
    pub fn has_rivals(&self, wanted: &TokenKey) -> bool {
        let has = |contents: &Contents| contents.records.iter().any(|kept| !kept.rivals.is_empty());
        // Looked up without the file first, which is all there is to it nearly always.
        self.vault.exists()
            && self.vault.load().is_ok_and(|contents| has(&contents))
            && self.redeemables(wanted).is_ok_and(|redeemables| redeemables.len() > 1)
    }

    /// What is known of the order of a refresh token in the real file and the vault's.
    pub(crate) fn order(&self) -> Order {
        match self.is_needed() {
            Ok(true) => Order::Ran,
            _ => Order::Unknown,
        }
    }

    /// Stores what was granted, as MSAL would have: the new refresh token in the vault first, then the access token in the
    /// cache, and the refresh token there too if a run has the old one exposed. A vault that cannot be written (a full disk)
    /// leaves the new refresh token in the cache, as az itself would have, for the next sweep to take in.
    ///
    /// # Errors
    /// Whatever kept it from being stored. The old refresh token is still in the vault.
    pub fn store_granted(&self, wanted: &TokenKey, redeemed: &Redeemable, granted: &Granted) -> Result<()> {
        let now = self.app.context.now();
        let Some(fields) = granted.fields() else { return Ok(()) };
        let _stubborn = Stubborn::begin();
        let (contents, stored) = self.store_refresh_token(redeemed, fields.refresh_token)?;
        let section = self.lock_cache()?;
        let cache = section.parse()?;
        // An account that was logged out meanwhile stays logged out.
        if wanted.account(&cache)?.as_ref() != Some(&redeemed.account) {
            return Ok(());
        }
        let additions = fields.additions(wanted, &redeemed.account.home_account_id, now);
        let homeless = stored.is_err().then_some(redeemed);
        section.write(&edit::add_tokens(&cache, &additions, &contents, homeless)?)?;
        stored
    }

    /// Puts a granted refresh token into the vault, or notes which of several was accepted: what the vault has then or was
    /// to have, and what kept it from being stored.
    fn store_refresh_token(&self, redeemed: &Redeemable, granted: Option<&str>) -> Result<(Contents, Result<()>)> {
        let now = self.app.context.now();
        let replace = |contents: &mut Contents| match granted {
            Some(new) => edit::replace_refresh_token(contents, redeemed, new, now).map(|()| true),
            None => rivals::accept(contents, redeemed),
        };
        let section = match self.unprepared().enter_vault() {
            Ok(section) => section,
            Err(failure) => {
                // Nobody but us has it: what keeps it from the vault does not keep it from the cache.
                let mut contents = self.vault.load()?;
                replace(&mut contents)?;
                return Ok((contents, if granted.is_some() { Err(failure) } else { Ok(()) }));
            }
        };
        let mut opened = section.open()?;
        opened.change(replace)?;
        let committed = opened.commit();
        // Where that fails for want of a new one, they are rivals still.
        let stored = if granted.is_some() { committed.stored.clone() } else { Ok(()) };
        Ok((committed.into_contents(), stored))
    }

    /// Whether there is nothing to hand over and nothing to take: nobody has logged in yet, az keeps its tokens elsewhere, or
    /// the config directory is not there.
    pub(crate) fn has_nothing(&self) -> bool {
        !self.config_dir.path().is_dir() || (!self.vault.exists() && !self.is_in_the_clear())
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
        TokenCache::parse(&text).and_then(|cache| edit::account_ids(&cache)).unwrap_or_default()
    }

    /// The vault's accounts whose user the profile no longer lists.
    pub(crate) fn signed_out(&self, contents: &Contents) -> Result<Vec<Owner>> {
        let profile = Profile::read(&self.config_dir.profile());
        let accounts = edit::vault_accounts(contents)?;
        Ok(accounts
            .into_iter()
            .filter(|account| !profile.has_user(&account.username))
            .map(|account| account.id)
            .collect())
    }

    /// Replaces the real cache's text, by a means that takes no private mount away.
    ///
    /// # Errors
    /// `Storage`; the file then has its old text.
    pub(crate) fn replace(&self, lock: &MsalLock, text: &str) -> Result<()> {
        // Held until it is done: nobody can come to mount something meanwhile.
        match self.lease.no_mounts() {
            Some(_no_mounts) => persist(|| self.cache.replace(lock, text, WriteMode::Rename)),
            None => persist(|| self.cache.replace(lock, text, WriteMode::Overwrite)),
        }
    }

    /// What the vault did that its owner should know of: it fell back, it set something aside.
    pub(crate) fn note_warnings(&self) {
        for warning in self.vault.warnings() {
            self.app.journal.warn(self.app.context.now(), &warning);
        }
    }

    /// Notes what was adopted, or why it could not be: then it stays in the file, and what the vault has is handed over all
    /// the same.
    pub(crate) fn note_taken_in(&self, committed: &Committed<'_>) {
        match &committed.stored {
            Ok(()) => self.note_adoption(committed.taken),
            Err(failure) => self.app.journal.warn(self.app.context.now(), failure),
        }
    }

    pub(crate) fn note_adoption(&self, count: usize) {
        if count > 0 {
            let outcome = format!("{count} refresh token(s) that azward had not put there were taken into the vault");
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
