//! In-place exposure: the refresh tokens go into the real token cache for as long as a run needs them, which a share in the
//! lease says; and the sweep, which scrubs what a dead run or an unwrapped az left behind. Critical sections and order are
//! those of `custody`.

use crate::azure::msal_lock::MsalLock;
use crate::azure::profile::Profile;
use crate::azure::token_cache::{AccountId, TokenCache};
use crate::failure::{Failure, Result, persist};
use crate::run::custody::{Custody, DEADLINE, Forgetting, Handed};
use crate::run::edit;
use crate::run::lease::{NobodyNeedsIt, Share, Turn};
use crate::run::origin::Origin;
use crate::run::rivals::Order;
use crate::run::stamp::Stamp;
use crate::sys;

/// What a run holds while the secrets are exposed to it.
#[derive(Debug)]
pub struct Exposed {
    pub(super) share: Option<Share>,
    /// The accounts that the cache had when the run began: those that az can forget.
    pub(super) before: Vec<AccountId>,
}

impl Custody<'_> {
    /// Scrubs what a dead run or an unwrapped az left behind, if anything; a file that a living run needs is left.
    ///
    /// # Errors
    /// Whatever kept it from doing so; nothing is lost.
    pub fn sweep(&self) -> Result<()> {
        let stamp = Stamp::of(self.context, self.config_dir);
        // What a run above us has for itself alone is not lying anywhere.
        if sys::is_privately_mounted(self.cache.path()) {
            return Ok(());
        }
        self.forget_logged_out();
        if stamp.is_valid(&self.cache) && !self.cache.has_leftover() {
            return Ok(());
        }
        if !self.is_in_the_clear() {
            stamp.renew(&self.cache);
            return Ok(());
        }
        if self.lease.nobody()?.is_none() {
            return Ok(());
        }
        // Nobody is waited for with a lock in hand.
        self.prepare_vault()?;
        let _presence = self.context.home_lock.enter()?;
        persist(|| match self.lease.nobody()? {
            Some(nobody) => self.settle_file(&[], Forgetting::Never, Origin::Sweep, Some(&nobody)),
            None => Ok(()),
        })
    }

    /// Makes the secrets readable to a run, taking in first what is new in the file, in the `order` that was known before.
    ///
    /// # Errors
    /// Whatever kept it from doing so; az can run all the same, with what the file has.
    pub fn expose(&self, by: Origin<'_>, order: Order) -> Result<Exposed> {
        // Before a refresh token is in it, by us or by az.
        self.cache.close()?;
        if self.has_nothing() {
            // Nothing to hand over, no key needed. The share is for what a login is about to write.
            return Ok(Exposed { share: Some(self.lease.share()?), before: self.accounts() });
        }
        self.prepare_vault()?;
        let _presence = self.context.home_lock.enter()?;
        let share = self.lease.share()?;
        let vault_lock = self.vault.lock(DEADLINE)?;
        let _msal_lock = MsalLock::acquire(self.cache.path(), DEADLINE)?;
        self.cache.clear_leftovers();
        let text = self.cache.read()?.unwrap_or_default();
        let cache = TokenCache::parse(&text)?;
        let (mut contents, was_lost) = self.open_vault(&cache)?;
        let harvest = edit::harvest(&cache, &mut contents, self.context.now(), by, order)?;
        if harvest.is_changed || was_lost {
            match self.commit(&vault_lock, &contents) {
                Ok(()) => self.note_adoption(harvest.taken.len()),
                // What could not be stored stays in the file, and what the vault has is handed over all the same.
                Err(failure) => self.journal.warn(self.context.now(), &failure),
            }
            self.note_warnings();
        }
        let profile = Profile::read(&self.config_dir.profile());
        if let Some(text) = edit::inject(&cache, &contents, |name| profile.has_user(name))? {
            self.replace(&text)?;
        }
        Ok(Exposed { share: Some(share), before: edit::account_ids(&cache)? })
    }

    /// See [`Lease::turn`].
    #[must_use]
    pub fn turn(&self) -> Option<Turn> {
        self.lease.turn()
    }

    /// What a run holds to which nothing was exposed: it may still log in.
    #[must_use]
    pub fn unexposed(&self, handed: Handed) -> Exposed {
        if let Err(failure) = self.cache.close() {
            self.journal.warn(self.context.now(), &failure);
        }
        let share = match handed {
            Handed::All => self.lease.share(),
            Handed::Nothing => self.lease.share_of_login(),
        };
        Exposed { share: share.ok(), before: self.accounts() }
    }

    /// Ends a run's exposure: takes what it changed into the vault, and scrubs the file if no other run needs it.
    ///
    /// # Errors
    /// Whatever kept it from doing so; nothing is lost, and the next invocation's sweep tries again.
    pub fn settle(&self, exposed: Exposed, forgetting: Forgetting, by: Origin<'_>) -> Result<()> {
        let Exposed { share, before } = exposed;
        // The guardian has the same share, and scrubs when ours cannot be given up.
        let given_up = share.map_or(Ok(()), Share::give_up);
        let _presence = self.context.home_lock.enter()?;
        let nobody = self.lease.nobody()?;
        if !self.has_nothing() {
            self.settle_file(&before, forgetting, by, nobody.as_ref())?;
        }
        given_up.map_err(|error| Failure::storage("unlock", self.lease.path(), &error))
    }

    fn settle_file(
        &self,
        before: &[AccountId],
        forgetting: Forgetting,
        by: Origin<'_>,
        nobody: Option<&NobodyNeedsIt>,
    ) -> Result<()> {
        self.prepare_vault()?;
        let vault_lock = self.vault.lock(DEADLINE)?;
        let _msal_lock = MsalLock::acquire(self.cache.path(), DEADLINE)?;
        self.cache.clear_leftovers();
        let text = self.cache.read()?;
        let is_removed = text.is_none();
        let text = text.unwrap_or_default();
        let cache = TokenCache::parse(&text)?;
        let (mut contents, was_lost) = self.open_vault(&cache)?;
        let harvest = edit::harvest(&cache, &mut contents, self.context.now(), by, by.order_at_the_end())?;
        let forgotten = match forgetting {
            Forgetting::Never => Vec::new(),
            // An empty text is a write cut short, not a logout.
            Forgetting::Vanished if text.trim().is_empty() => Vec::new(),
            Forgetting::Removed if !is_removed => Vec::new(),
            Forgetting::Vanished | Forgetting::Removed => edit::forget(before, &cache, &mut contents)?,
            Forgetting::IfProven if text.trim().is_empty() && !is_removed => Vec::new(),
            Forgetting::IfProven => edit::forget(&self.signed_out(&contents)?, &cache, &mut contents)?,
        };
        let mut stored = Ok(());
        if harvest.is_changed || was_lost || !forgotten.is_empty() {
            stored = self.commit(&vault_lock, &contents);
            self.note_warnings();
        }
        match &stored {
            Ok(()) => {
                if by == Origin::Sweep {
                    self.note_adoption(harvest.taken.len());
                }
                self.note_forgetting(&forgotten);
            }
            // What the vault has on disk may be scrubbed, what it could not take may not.
            Err(_) => contents = self.vault.load().unwrap_or_default(),
        }
        if nobody.is_some()
            && let Some(text) = self.scrubbed(&cache, contents)?
        {
            self.replace(&text)?;
        }
        stored
    }
}
