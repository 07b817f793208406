//! In-place exposure: the refresh tokens go into the real token cache for as long as a run needs them, which a share in the
//! lease says; and the sweep, which scrubs what a dead run or an unwrapped az left behind. Critical section and order are
//! those of `section`.

use crate::azure::profile::Profile;
use crate::credentials::msal;
use crate::credentials::origin::Origin;
use crate::credentials::rivals::Order;
use crate::credentials::{CredentialFile, Document};
use crate::failure::{Failure, Result, persist};
use crate::run::sweep_record::SweepRecord;
use crate::store::lease::{NobodyNeedsIt, Share, WriterLock};
use crate::store::{CredentialStore, Forgetting, Handed};
use crate::sys;
use crate::vault::Owner;

/// What a run holds while the secrets are exposed to it.
#[derive(Debug)]
pub struct Exposed {
    pub(in crate::run) share: Option<Share>,
    /// The accounts that the cache had when the run began: those that az can forget.
    pub(in crate::run) before: Vec<Owner>,
}

impl CredentialStore<'_> {
    /// Scrubs what a dead run or an unwrapped az left behind, if anything; a file that a living run needs is left.
    ///
    /// # Errors
    /// Whatever kept it from doing so; nothing is lost.
    pub fn sweep(&self) -> Result<()> {
        let record = SweepRecord::of(&self.app.context, self.config_dir);
        // What a run above us has for itself alone is not lying anywhere.
        if sys::is_privately_mounted(self.cache.path()) {
            return Ok(());
        }
        self.forget_logged_out();
        if record.is_valid(&self.cache) && !self.cache.has_leftover() {
            return Ok(());
        }
        if !self.is_in_the_clear() {
            record.renew(&self.cache);
            return Ok(());
        }
        if self.lease.nobody()?.is_none() {
            return Ok(());
        }
        // Nobody is waited for with a lock in hand.
        self.prepare_vault()?;
        let _presence = self.app.context.home_lock.enter()?;
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
        let prepared = self.prepared()?;
        let _presence = self.app.context.home_lock.enter()?;
        let share = self.lease.share()?;
        let section = prepared.enter()?;
        let cache = section.cache.parse()?;
        let mut opened = section.vault.open_or_replace(&cache)?;
        opened.harvest(&cache, by, order)?;
        let committed = opened.commit();
        self.note_taken_in(&committed);
        let profile = Profile::read(&self.config_dir.profile());
        if let Some(text) = msal::inject(&cache, committed.contents(), |name| profile.has_user(name))? {
            section.cache.write(&text)?;
        }
        Ok(Exposed { share: Some(share), before: cache.owners()?.into_iter().collect() })
    }

    /// See [`Lease::writer_lock`].
    #[must_use]
    pub fn writer_lock(&self) -> Option<WriterLock> {
        self.lease.writer_lock()
    }

    /// What a run holds to which nothing was exposed: it may still log in.
    #[must_use]
    pub fn unexposed(&self, handed: Handed) -> Exposed {
        if let Err(failure) = self.cache.close() {
            self.app.journal.warn(self.app.context.now(), &failure);
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
        let _presence = self.app.context.home_lock.enter()?;
        let nobody = self.lease.nobody()?;
        if !self.has_nothing() {
            self.settle_file(&before, forgetting, by, nobody.as_ref())?;
        }
        given_up.map_err(|error| Failure::storage("unlock", self.lease.path(), &error))
    }

    fn settle_file(
        &self,
        before: &[Owner],
        forgetting: Forgetting,
        by: Origin<'_>,
        nobody: Option<&NobodyNeedsIt>,
    ) -> Result<()> {
        let section = self.prepared()?.enter()?;
        let cache = section.cache.parse()?;
        let is_removed = section.cache.is_missing();
        let is_empty = section.cache.text().trim().is_empty();
        let mut opened = section.vault.open_or_replace(&cache)?;
        opened.harvest(&cache, by, by.order_at_the_end())?;
        match forgetting {
            Forgetting::Never => {}
            // An empty text is a write cut short, not a logout.
            Forgetting::Vanished if is_empty => {}
            Forgetting::IfProven if is_empty && !is_removed => {}
            Forgetting::Removed if !is_removed => {}
            Forgetting::Vanished | Forgetting::Removed => opened.forget(before, &cache)?,
            Forgetting::IfProven => opened.forget(&self.signed_out(opened.contents())?, &cache)?,
        }
        let committed = opened.commit();
        if by == Origin::Sweep && committed.stored.is_ok() {
            self.note_adoption(committed.taken);
        }
        let stored = committed.stored.clone();
        // What the vault has on disk may be scrubbed, what it could not take may not.
        if nobody.is_some()
            && let Some(text) = committed.on_disk().scrub(self, &cache)?
        {
            section.cache.write(&text)?;
        }
        stored
    }
}
