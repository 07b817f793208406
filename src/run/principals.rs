//! The end of what was exposed in the list of service principals that all see, beside the token cache's (`settling`): the sweep of
//! what a dead run or an unwrapped az left there, and the settling of a run. What fails is tried again by the next sweep, and
//! nothing is lost; none of it keeps the token cache from being settled.

use crate::credentials::CredentialFile;
use crate::credentials::origin::{Order, Origin};
use crate::credentials::service_principals::{Replaced, ServicePrincipals};
use crate::failure::Result;
use crate::run::settling::Forgotten;
use crate::run::sweep_record::SweepRecord;
use crate::store::lease::NobodyNeedsIt;
use crate::store::{CLIENT_SECRETS, CredentialStore, Forgetting, is_covered};
use crate::vault::Owner;

/// What it means that the list has a secret that the vault has replaced, where its `order` is known so far: in a list that
/// nobody runs with only somebody who signed in can have put it.
pub(super) fn replaced(order: Order) -> Replaced {
    match order {
        Order::Ran => Replaced::IsOld,
        Order::Successor | Order::Unknown => Replaced::IsBack,
    }
}

impl CredentialStore<'_> {
    /// Scrubs what a dead run or an unwrapped az left in the list, if anything; one that a living run needs is left. What is kept of
    /// managed identities that were signed out goes too.
    ///
    /// # Errors
    /// Whatever kept it from doing so; nothing is lost.
    pub(super) fn sweep_principals(&self) -> Result<()> {
        self.drop_outdated_identities();
        if !self.principals.is_there() || is_covered(self.principals.path()) {
            return Ok(());
        }
        let record = SweepRecord::of_principals(&self.app.context, self.config_dir);
        let has_leftover = self.principals.has_leftover();
        if !has_leftover && record.is_valid(&self.principals) {
            return Ok(());
        }
        if !has_leftover && self.exposed_secrets()? == 0 {
            record.renew(&self.principals);
            return Ok(());
        }
        #[cfg(target_os = "linux")]
        if self.has_principals_in_memory() && self.exposed_secrets().is_ok_and(|count| count == 0) {
            return self.lease.nobody()?.map_or(Ok(()), |nobody| self.bring_back_bare_principals(&nobody));
        }
        self.sweep_unneeded(&|nobody| self.settle_list(&[], Forgetting::Never, Origin::Sweep, Some(nobody)))
    }

    /// Takes what a living run's az has stored in the list into the vault.
    ///
    /// # Errors
    /// Whatever kept it from doing so; the list still has it.
    #[cfg(target_os = "linux")]
    pub(super) fn harvest_principals_in_place(&self, by: Origin<'_>) -> Result<()> {
        if !self.principals.is_there() || self.exposed_secrets()? == 0 {
            return Ok(());
        }
        let section = self.prepared()?.enter_vault()?;
        // Not before: who was signed out meanwhile is in it no more.
        let text = self.principals.read()?.unwrap_or_default();
        let list = ServicePrincipals::parse(&text)?;
        let mut opened = section.open_or_replace(&list)?;
        let order = by.order_at_the_end();
        opened.harvest_principals(&list, by, order, replaced(order))?;
        opened.commit().stored
    }

    /// Ends a run's exposure in the list, whose lease was given up: takes what it changed into the vault, and scrubs the list if
    /// no other run needs it. `before` are the principals that it had when the run began.
    ///
    /// # Errors
    /// Whatever kept it from doing so; nothing is lost, and the next invocation's sweep tries again.
    pub(super) fn settle_principals(&self, before: &[Owner], forgetting: Forgetting, by: Origin<'_>) -> Result<()> {
        let is_nothing = before.is_empty() && matches!(forgetting, Forgetting::Never | Forgetting::Vanished);
        if (is_nothing && !self.principals.is_there()) || !self.config_dir.path().is_dir() {
            return Ok(());
        }
        let _presence = self.app.context.home_lock.enter()?;
        let nobody = self.lease.nobody()?;
        #[cfg(target_os = "linux")]
        if !self.vault.exists() && self.has_principals_in_memory() && self.exposed_secrets()? == 0 {
            return nobody.map_or(Ok(()), |nobody| self.bring_back_bare_principals(&nobody));
        }
        if !self.vault.exists() && !self.has_clear_principals() {
            return Ok(());
        }
        // The lock of a list that is not there would be one more file in az's directory, and stay there if its holder is killed.
        if before.is_empty() && !self.principals.is_there() && !self.has_sealed_principals()? {
            return Ok(());
        }
        self.settle_list(before, forgetting, by, nobody.as_ref())
    }

    fn settle_list(
        &self,
        before: &[Owner],
        forgetting: Forgetting,
        by: Origin<'_>,
        nobody: Option<&NobodyNeedsIt>,
    ) -> Result<()> {
        let (vault, section) = self.prepared()?.enter_principals()?;
        let list = section.parse()?;
        let order = by.order_at_the_end();
        let mut opened = vault.open_or_replace(&list)?;
        opened.harvest_principals(&list, by, order, replaced(order))?;
        match Forgotten::of(&section, forgetting) {
            Forgotten::Nobody => {}
            Forgotten::Missing => opened.forget_principals(before, &list)?,
            Forgotten::SignedOut => opened.forget_principals(&self.unlisted_principals(opened.contents()), &list)?,
            Forgotten::SignedOutElsewhere => {
                let unlisted = self.unlisted_principals(opened.contents());
                opened.forget_principals(&unlisted, &ServicePrincipals::parse("")?)?;
            }
        }
        self.end_exposure(opened, &section, &list, by, CLIENT_SECRETS, nobody)
    }
}
