//! In-place exposure: the refresh tokens go into the real token cache for as long as a run needs them. Everything that
//! changes cache or vault happens in one critical section under the vault's lock and then MSAL's, and in this order:
//! what is new in the file goes into the vault, durably; only then is the file touched.
//!
//! Fails open and loses nothing: what cannot be read is left alone, what cannot be stored is not scrubbed, and the caller
//! is told so that az can run all the same.

use std::time::Duration;

use crate::azure::ConfigDir;
use crate::azure::access_token::Wanted;
use crate::azure::cache_file::CacheFile;
use crate::azure::msal_lock::MsalLock;
use crate::azure::profile::Profile;
use crate::azure::token_cache::{AccountId, Section, TokenCache};
use crate::context::Context;
use crate::entra::Granted;
use crate::failure::{Failure, Kind, Result};
use crate::journal::{Deed, Event, Journal};
use crate::run::edit::{self, Redeemable};
use crate::run::lease::{Lease, NobodyNeedsIt, Share, Turn};
use crate::settings::Settings;
use crate::vault::{Contents, Vault};

/// How long to wait for the vault's lock and for MSAL's. az gives up on the latter after 5 s.
const DEADLINE: Duration = Duration::from_secs(6);

/// The token cache of one config directory and the vault that belongs to it.
#[derive(Debug)]
pub struct InPlace<'a> {
    context: &'a Context,
    config_dir: &'a ConfigDir,
    /// The token cache's file.
    pub cache: CacheFile,
    /// The vault.
    pub vault: Vault,
    lease: Lease,
    journal: &'a Journal,
}

/// What a run holds while the secrets are exposed to it.
#[derive(Debug)]
pub struct Exposed {
    share: Option<Share>,
    /// The accounts that the cache had when the run began: those that az can forget.
    before: Vec<AccountId>,
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
}

impl<'a> InPlace<'a> {
    /// Nothing is opened yet.
    #[must_use]
    pub fn new(context: &'a Context, settings: &Settings, config_dir: &'a ConfigDir, journal: &'a Journal) -> Self {
        Self {
            context,
            config_dir,
            cache: CacheFile::at(config_dir.token_cache()),
            vault: Vault::of(context, settings, config_dir),
            lease: Lease::of(context, config_dir),
            journal,
        }
    }

    /// Scrubs what a dead run or an unwrapped az left behind, if anything; a file that a living run needs is left.
    ///
    /// # Errors
    /// Whatever kept it from doing so; nothing is lost.
    pub fn sweep(&self) -> Result<()> {
        if !self.is_in_the_clear() {
            return Ok(());
        }
        match self.lease.nobody()? {
            Some(nobody) => self.settle_file(&[], Forgetting::Never, "sweep", Some(&nobody)),
            None => Ok(()),
        }
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

    /// Whether a run holds a share in the lease now.
    ///
    /// # Errors
    /// `Storage`.
    pub fn is_needed(&self) -> Result<bool> {
        Ok(self.lease.nobody()?.is_none())
    }

    /// Makes the secrets readable to a run, taking in first what is new in the file.
    ///
    /// # Errors
    /// Whatever kept it from doing so; az can run all the same, with what the file has.
    pub fn expose(&self, by: &str) -> Result<Exposed> {
        if self.has_nothing() {
            // Nothing to hand over, no key needed. The share is for what a login is about to write.
            return Ok(Exposed { share: Some(self.lease.share()?), before: self.accounts() });
        }
        self.prepare_vault()?;
        let share = self.lease.share()?;
        let vault_lock = self.vault.lock(DEADLINE)?;
        let _msal_lock = MsalLock::acquire(self.cache.path(), DEADLINE)?;
        self.cache.remove_leftover();
        let text = self.cache.read()?.unwrap_or_default();
        let cache = TokenCache::parse(&text)?;
        let (mut contents, was_lost) = self.open_vault(&cache)?;
        let harvest = edit::harvest(&cache, &mut contents, self.context.now(), by)?;
        if harvest.is_changed || was_lost {
            match self.vault.commit(&vault_lock, &contents) {
                Ok(()) => self.note_adoption(harvest.taken.len()),
                // What could not be stored stays in the file, and what the vault has is handed over all the same.
                Err(failure) => self.journal.warn(self.context.now(), &failure),
            }
            self.note_warnings();
        }
        let profile = Profile::read(&self.config_dir.profile());
        if let Some(text) = edit::inject(&cache, &contents, |name| profile.has_user(name))? {
            self.cache.replace(&text)?;
        }
        Ok(Exposed { share: Some(share), before: edit::account_ids(&cache)? })
    }

    /// See [`Lease::turn`].
    #[must_use]
    pub fn turn(&self) -> Option<Turn> {
        self.lease.turn()
    }

    /// What a run holds to which nothing could be exposed: it may still log in.
    #[must_use]
    pub fn unexposed(&self) -> Exposed {
        Exposed { share: self.lease.share().ok(), before: self.accounts() }
    }

    /// Ends a run's exposure: takes what it changed into the vault, and scrubs the file if no other run needs it.
    ///
    /// # Errors
    /// Whatever kept it from doing so; nothing is lost, and the next invocation's sweep tries again.
    pub fn settle(&self, exposed: Exposed, forgetting: Forgetting, by: &str) -> Result<()> {
        let Exposed { share, before } = exposed;
        drop(share);
        let nobody = self.lease.nobody()?;
        if self.has_nothing() {
            return Ok(());
        }
        self.settle_file(&before, forgetting, by, nobody.as_ref())
    }

    /// The refresh token to redeem for `wanted`, with what a living run changed in the file taken in first. `None` when
    /// the vault has none for that account.
    ///
    /// # Errors
    /// Whatever kept vault or cache from being read.
    pub fn redeemable(&self, wanted: &Wanted) -> Result<Option<Redeemable>> {
        let text = self.cache.read()?.unwrap_or_default();
        let cache = TokenCache::parse(&text)?;
        let Some(account) = wanted.account(&cache)? else { return Ok(None) };
        let mut contents = self.vault.load()?;
        if !cache.entries(Section::RefreshToken)?.is_empty() {
            let lock = self.vault.lock(DEADLINE)?;
            contents = self.vault.load()?;
            if edit::harvest(&cache, &mut contents, self.context.now(), "rotation")?.is_changed {
                self.vault.commit(&lock, &contents)?;
            }
        }
        edit::redeemable(&contents, &account)
    }

    /// Stores what was granted, as MSAL would have: the new refresh token in the vault first, then the access token in the
    /// cache, and the refresh token there too if a run has the old one exposed. A vault that cannot be written (a full disk)
    /// leaves the new refresh token in the cache, as az itself would have, for the next sweep to take in.
    ///
    /// # Errors
    /// Whatever kept it from being stored. The old refresh token is still in the vault.
    pub fn store(&self, wanted: &Wanted, redeemed: &Redeemable, granted: &Granted) -> Result<()> {
        let now = self.context.now();
        let Some(fields) = granted.fields() else { return Ok(()) };
        let vault_lock = self.vault.lock(DEADLINE)?;
        let mut contents = self.vault.load()?;
        let mut stored = Ok(());
        if let Some(refresh_token) = fields.refresh_token {
            edit::replace_refresh_token(&mut contents, redeemed, refresh_token, now)?;
            stored = self.vault.commit(&vault_lock, &contents);
        }
        let _msal_lock = MsalLock::acquire(self.cache.path(), DEADLINE)?;
        self.cache.remove_leftover();
        let text = self.cache.read()?.unwrap_or_default();
        let cache = TokenCache::parse(&text)?;
        // An account that was logged out meanwhile stays logged out.
        if wanted.account(&cache)?.as_ref() != Some(&redeemed.account) {
            return Ok(());
        }
        let additions = fields.additions(wanted, &redeemed.account.home_account_id, now);
        let homeless = stored.is_err().then_some(redeemed);
        self.cache.replace(&edit::add_tokens(&cache, &additions, &contents, homeless)?)?;
        stored
    }

    /// Puts every refresh token of the vault back into the file for good and says how many there are: the end of
    /// azward's care for this directory.
    ///
    /// # Errors
    /// Whatever kept it from doing so; the vault still has them.
    pub fn give_back(&self) -> Result<usize> {
        drop(self.expose("uninstall")?);
        let tokens = self.exposed_tokens()?;
        let kept = self.vault.load()?.refresh_tokens.len();
        if tokens < kept {
            return Err(Failure::new(
                Kind::CacheForeign,
                format!(
                    "{} of {kept} logins could not be put back into `{}`",
                    kept - tokens,
                    self.cache.path().display()
                ),
                "their users are no longer in that directory's profile; the vault keeps them",
            ));
        }
        let lock = self.vault.lock(DEADLINE)?;
        self.vault.remove(&lock)?;
        Ok(tokens)
    }

    fn settle_file(
        &self,
        before: &[AccountId],
        forgetting: Forgetting,
        by: &str,
        nobody: Option<&NobodyNeedsIt>,
    ) -> Result<()> {
        self.prepare_vault()?;
        let vault_lock = self.vault.lock(DEADLINE)?;
        let _msal_lock = MsalLock::acquire(self.cache.path(), DEADLINE)?;
        self.cache.remove_leftover();
        let text = self.cache.read()?;
        let is_removed = text.is_none();
        let text = text.unwrap_or_default();
        let cache = TokenCache::parse(&text)?;
        let (mut contents, was_lost) = self.open_vault(&cache)?;
        let harvest = edit::harvest(&cache, &mut contents, self.context.now(), by)?;
        let forgotten = match forgetting {
            Forgetting::Never => Vec::new(),
            // An empty text is a write cut short, not a logout.
            Forgetting::Vanished if text.trim().is_empty() => Vec::new(),
            Forgetting::Removed if !is_removed => Vec::new(),
            Forgetting::Vanished | Forgetting::Removed => edit::forget(before, &cache, &mut contents)?,
        };
        let mut stored = Ok(());
        if harvest.is_changed || was_lost || !forgotten.is_empty() {
            stored = self.vault.commit(&vault_lock, &contents);
            self.note_warnings();
        }
        match &stored {
            Ok(()) => {
                if by == "sweep" {
                    self.note_adoption(harvest.taken.len());
                }
                self.note_forgetting(&forgotten);
            }
            // What the vault has on disk may be scrubbed, what it could not take may not.
            Err(_) => contents = self.vault.load().unwrap_or_default(),
        }
        if nobody.is_some()
            && let Some(text) = edit::scrub(&cache, &contents)?
        {
            self.cache.replace(&text)?;
        }
        stored
    }

    /// Whether there is nothing to hand over and nothing to take: nobody has logged in yet, az keeps its tokens elsewhere, or
    /// the config directory is not there.
    fn has_nothing(&self) -> bool {
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

    /// The vault's contents. One that is damaged or whose key is lost gives way to a new one as soon as there is something
    /// to store, and is set aside by the commit, which `true` asks for.
    fn open_vault(&self, cache: &TokenCache<'_>) -> Result<(Contents, bool)> {
        let loaded = self.vault.load();
        self.note_warnings();
        match loaded {
            Ok(contents) => Ok((contents, false)),
            Err(failure) if matches!(failure.kind, Kind::KeyLost | Kind::VaultDamaged) => {
                if cache.entries(Section::RefreshToken)?.is_empty() {
                    return Err(failure);
                }
                self.journal.warn(self.context.now(), &failure);
                Ok((Contents::default(), true))
            }
            Err(failure) => Err(failure),
        }
    }

    fn accounts(&self) -> Vec<AccountId> {
        let text = self.cache.read().ok().flatten().unwrap_or_default();
        TokenCache::parse(&text).and_then(|cache| edit::account_ids(&cache)).unwrap_or_default()
    }

    /// What the vault did that its owner should know of: it fell back, it set something aside.
    fn note_warnings(&self) {
        for warning in self.vault.warnings() {
            self.journal.warn(self.context.now(), &warning);
        }
    }

    fn note_adoption(&self, count: usize) {
        if count > 0 {
            let outcome = format!("{count} refresh token(s) that azward had not put there were taken into the vault");
            self.journal.record(&Event::new(self.context.now(), Deed::Adoption, outcome));
        }
    }

    fn note_forgetting(&self, names: &[String]) {
        for name in names {
            let mut event = Event::new(self.context.now(), Deed::Forgetting, "az logged it out");
            event.account = Some(name.clone());
            self.journal.record(&event);
        }
    }
}
