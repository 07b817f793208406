//! The end of what was exposed in the token cache that all see: the sweep, which scrubs what a dead run or an unwrapped az left
//! behind, and the settling of a run, which takes what it changed into the vault and scrubs what no other run needs. A cache
//! that is in memory comes back from there with it. What fails is tried again by the next sweep, and nothing is lost.

use crate::app::App;
use crate::azure::known_az::KnownAz;
use crate::azure::real_az;
use crate::credentials::msal::TokenCache;
#[cfg(target_os = "linux")]
use crate::credentials::origin::Order;
use crate::credentials::origin::Origin;
use crate::credentials::{CredentialFile, Document};
use crate::failure::{Result, persist};
use crate::run::sweep_record::SweepRecord;
use crate::store::lease::{NobodyNeedsIt, WriterLock};
use crate::store::opened::Opened;
use crate::store::section::FileSection;
use crate::store::{CredentialStore, Forgetting, REFRESH_TOKENS, is_covered};
use crate::vault::Owner;

/// Who is forgotten, as a file is that was exposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forgotten {
    /// Nobody.
    Nobody,
    /// Whoever was in it and is not.
    Missing,
    /// Whom neither it nor the profile has any more.
    SignedOut,
    /// Whom the profile does not have any more: what the file has is nobody's.
    SignedOutElsewhere,
}

impl Forgotten {
    /// Of what may be forgotten, what this file shows.
    pub(super) fn of<F: CredentialFile>(section: &FileSection<'_, F>, forgetting: Forgetting) -> Self {
        let is_removed = section.is_missing();
        let is_empty = section.text().trim().is_empty();
        match forgetting {
            Forgetting::Never => Self::Nobody,
            // An empty text is a write cut short, not a logout.
            Forgetting::Vanished if is_empty => Self::Nobody,
            Forgetting::IfProven if is_empty && !is_removed => Self::Nobody,
            Forgetting::Removed if !is_removed => Self::Nobody,
            Forgetting::Vanished | Forgetting::Removed => Self::Missing,
            Forgetting::IfProven => Self::SignedOut,
            Forgetting::Unlisted => Self::SignedOutElsewhere,
        }
    }
}

impl CredentialStore<'_> {
    /// Takes in what az has in the system's keyring, too, and sweeps. Says how many refresh tokens and secrets were in the keyring.
    ///
    /// # Errors
    /// Those of [`Self::sweep`], and what kept what is in a keyring that is open from being taken in.
    pub fn adopt(&self) -> Result<usize> {
        #[cfg(any(target_os = "linux", target_os = "macos"))]
        let taken = self.take_in_open_keyring();
        #[cfg(not(any(target_os = "linux", target_os = "macos")))]
        let taken = Ok(0);
        let swept = self.sweep();
        let App { context, settings, .. } = self.app;
        let real_az = || real_az::find(context, settings, &[]).ok();
        self.take_in_adal(|| KnownAz::at(context, &real_az()?).version());
        swept.and(taken)
    }

    /// Scrubs what a dead run or an unwrapped az left behind, if anything; a file that a living run needs is left.
    ///
    /// # Errors
    /// Whatever kept it from doing so; nothing is lost.
    pub fn sweep(&self) -> Result<()> {
        let swept = self.sweep_cache();
        let principals = self.sweep_principals();
        swept.and(principals)
    }

    fn sweep_cache(&self) -> Result<()> {
        let record = SweepRecord::of(&self.app.context, self.config_dir, self.app.settings.seal.value);
        // What a run above us has for itself alone is not lying anywhere.
        if is_covered(self.cache.path()) {
            return Ok(());
        }
        self.forget_logged_out();
        self.blank_kept_answers();
        let is_unsealed = self.seals_all() || !self.has_sealed();
        if record.is_valid(&self.cache) && !self.cache.has_leftover() && is_unsealed {
            return Ok(());
        }
        if !self.has_clear_tokens() && !self.is_to_be_put_at_rest() {
            record.renew(&self.cache);
            return Ok(());
        }
        #[cfg(target_os = "linux")]
        if self.is_unexposed_in_memory() {
            return self.lease.nobody()?.map_or(Ok(()), |nobody| self.bring_back_unexposed(&nobody));
        }
        self.sweep_unneeded(&|nobody| self.settle_file(&[], Forgetting::Never, Origin::Sweep, Some(nobody)))
    }

    /// Has `settle` take in and scrub a file with a secret in it, where no run needs that.
    pub(super) fn sweep_unneeded(&self, settle: &dyn Fn(&NobodyNeedsIt) -> Result<()>) -> Result<()> {
        if self.lease.nobody()?.is_none() {
            return Ok(());
        }
        // Nobody is waited for with a lock in hand.
        self.prepare_vault()?;
        let _presence = self.app.context.home_lock.enter()?;
        persist(|| self.lease.nobody()?.map_or(Ok(()), |nobody| settle(&nobody)))
    }

    /// Takes what a living run's az has stored in the file into the vault.
    ///
    /// # Errors
    /// Whatever kept it from doing so; the file still has it.
    #[cfg(target_os = "linux")]
    pub(super) fn harvest_in_place(&self, by: Origin<'_>) -> Result<()> {
        let section = self.prepared()?.enter_vault()?;
        // Not before: who was signed out meanwhile is in it no more.
        let text = self.cache.read()?.unwrap_or_default();
        let cache = TokenCache::parse(&text)?;
        if !cache.has_refresh_token()? {
            return Ok(());
        }
        let mut opened = section.open_or_replace(&cache)?;
        opened.harvest(&cache, by, Order::Ran)?;
        opened.commit().stored
    }

    /// See [`Lease::writer_lock`].
    #[must_use]
    pub fn writer_lock(&self) -> Option<WriterLock> {
        self.lease.writer_lock()
    }

    /// Ends a run's exposure, whose lease was given up: takes what it changed into the vault, and scrubs the file if no other
    /// run needs it.
    ///
    /// # Errors
    /// Whatever kept it from doing so; nothing is lost, and the next invocation's sweep tries again.
    pub(super) fn settle_in_place(&self, before: &[Owner], forgetting: Forgetting, by: Origin<'_>) -> Result<()> {
        let _presence = self.app.context.home_lock.enter()?;
        let nobody = self.lease.nobody()?;
        #[cfg(target_os = "linux")]
        if !self.vault.exists() && self.is_unexposed_in_memory() {
            return nobody.map_or(Ok(()), |nobody| self.bring_back_unexposed(&nobody));
        }
        if self.has_nothing() {
            #[cfg(target_os = "linux")]
            if self.is_another_user_s() && self.config_dir.path().is_dir() {
                self.remove_placeholder(&self.lock_cache()?)?;
            }
            return Ok(());
        }
        self.settle_file(before, forgetting, by, nobody.as_ref())
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
        let mut opened = section.vault.open_or_replace(&cache)?;
        opened.harvest(&cache, by, by.order_at_the_end())?;
        match Forgotten::of(&section.cache, forgetting) {
            Forgotten::Nobody => {}
            Forgotten::Missing => opened.forget(before, &cache)?,
            Forgotten::SignedOut => opened.forget(&self.signed_out(opened.contents())?, &cache)?,
            Forgotten::SignedOutElsewhere => {
                opened.forget(&self.signed_out(opened.contents())?, &TokenCache::parse("")?)?;
            }
        }
        self.end_exposure(opened, &section.cache, &cache, by, REFRESH_TOKENS, nobody)
    }

    /// Commits what was taken in, and scrubs the file, which has `document` in it, where nobody needs that; `what` its secrets are
    /// called.
    ///
    /// # Errors
    /// Whatever kept it from doing so; nothing is lost.
    pub(super) fn end_exposure<F: CredentialFile>(
        &self,
        opened: Opened<'_>,
        section: &FileSection<'_, F>,
        document: &impl Document,
        by: Origin<'_>,
        what: &str,
        nobody: Option<&NobodyNeedsIt>,
    ) -> Result<()> {
        let committed = opened.commit();
        if by == Origin::Sweep && committed.stored.is_ok() {
            self.note_adoption(committed.taken, what);
        }
        let stored = committed.stored.clone();
        let Some(nobody) = nobody else { return stored };
        // What the vault has on disk may be scrubbed, what it could not take may not.
        let scrubbed = committed.on_disk().scrub(self, document)?;
        let own = section.is_to_be_put_at_rest().then(|| section.text());
        if let Some(text) = scrubbed.as_deref().map(String::as_str).or(own) {
            section.end_exposure(text, nobody)?;
        }
        stored
    }
}
