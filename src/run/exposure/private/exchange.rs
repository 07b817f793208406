//! What goes to and fro between a run's private copy, the vault and the real token cache: into the copy before az begins, both
//! ways while it runs, and out of it at the end. Critical section and order are those of `section`.

use std::sync::PoisonError;

use zeroize::Zeroizing;

use super::{PrivateCopy, Untouched};
use crate::azure::profile::Profile;
use crate::credentials::merge::{Base, Missing, gone_elsewhere, merge};
use crate::credentials::msal::{self, Entry, Section, TokenCache};
use crate::credentials::origin::{Order, Origin};
use crate::credentials::{Credential, CredentialFile};
use crate::failure::Result;
use crate::run::exposure::GivenCredentials;
use crate::store::opened::{OnDisk, Opened};
use crate::store::section::CacheSection;
use crate::store::{CredentialStore, Forgetting};
use crate::vault::Owner;

/// What became of the vault at a run's end.
struct Settled {
    on_disk: Option<OnDisk>,
    has_forgotten: bool,
}

impl CredentialStore<'_> {
    /// Puts the whole cache into the copy, without the access tokens `left_out`, taking in first what is new in the real one.
    ///
    /// # Errors
    /// Whatever kept it from doing so; az can run all the same, with what the real file has.
    pub(super) fn expose_privately(&self, copy: &mut PrivateCopy, by: Origin<'_>, left_out: &[String]) -> Result<()> {
        if self.has_nothing() || copy.given == GivenCredentials::None {
            // Where there is nothing there is nothing to guard either: a lock that a killed shim leaves is in az's way.
            let locked = (!self.has_nothing()).then(|| self.lock_cache()).transpose()?;
            let unlocked = if locked.is_none() { self.read_cache()? } else { None };
            let text =
                locked.as_ref().map_or_else(|| unlocked.as_deref().map_or("", String::as_str), CacheSection::text);
            let cache = TokenCache::parse(text)?;
            let handed = match cache.has_refresh_token()? {
                false => Zeroizing::new(text.to_owned()),
                true => cache.with_entries(Section::RefreshToken, &[]),
            };
            copy.base = Base::of(&cache, &TokenCache::parse(&handed)?, self.app.context.now())?;
            return copy.write(&handed);
        }
        let section = self.prepared()?.enter()?;
        let cache = section.cache.parse()?;
        let mut opened = section.vault.open_or_replace(&cache)?;
        opened.harvest(&cache, by, self.order())?;
        let committed = opened.commit();
        self.note_taken_in(committed.taken, &committed.stored);
        let profile = Profile::read(&self.config_dir.profile());
        let injected = msal::inject(&cache, committed.contents(), |name| profile.has_user(name))?;
        let whole = injected.as_deref().map_or_else(|| section.cache.text(), String::as_str);
        let handed = TokenCache::parse(whole)?;
        copy.base = Base::of(&cache, &handed, self.app.context.now())?;
        if left_out.is_empty() {
            copy.write(whole)?;
            // With a refresh token in it, or as a placeholder, the real cache is looked at again whatever the run does.
            let is_done_with =
                committed.stored.is_ok() && !cache.has_refresh_token()? && !section.cache.text().trim().is_empty();
            copy.untouched = is_done_with.then(|| Untouched::of(&copy.file, self.cache.path())).flatten();
            return Ok(());
        }
        copy.base.leave_out(Section::AccessToken.name(), left_out);
        let mut tokens = handed.entries(Section::AccessToken)?;
        tokens.retain(|entry| !left_out.iter().any(|key| key == entry.key));
        copy.write(&handed.with_entries(Section::AccessToken, &tokens))
    }

    /// Ends a run's private exposure: takes what it changed into the vault and the rest into the real cache, and wipes the
    /// copy. What the vault cannot take goes into the real cache, as az itself would have left it.
    ///
    /// # Errors
    /// Whatever kept it from doing so. A copy that az left torn is `CacheForeign`, and the login is as it was before.
    pub(super) fn settle_privately(
        &self,
        copy: &mut PrivateCopy,
        forgetting: Forgetting,
        by: Origin<'_>,
    ) -> Result<()> {
        let text = copy.read()?;
        let after = TokenCache::parse(&text)?;
        let brought = std::mem::take(copy.brought.get_mut().unwrap_or_else(PoisonError::into_inner));
        copy.base.add(Section::AccessToken.name(), brought);
        // An empty copy is a write cut short, not a logout.
        let forgetting = if text.trim().is_empty() { Forgetting::Never } else { forgetting };
        let stored = self.settle_vault(&copy.base, &after, forgetting, by);
        let homeless = if stored.is_err() { copy.base.stored_since(&after)? } else { Vec::new() };
        let homeless: Vec<Entry<'_>> = homeless.iter().map(Credential::as_entry).collect();

        // From here on the mount may go. azward may not: what is scrubbed below is in the vault.
        let presence = self.app.context.home_lock.enter();
        if let Some(mount_lock) = copy.mount_lock.take() {
            // While it is held the cache is written over instead of replaced.
            let _ = mount_lock.give_up();
        }
        let section = self.lock_cache()?;
        let real = section.parse()?;
        // az logs out of an account of which the vault has nothing, too.
        let has_logged_out = match forgetting {
            Forgetting::Vanished | Forgetting::Removed => stored.is_ok(),
            Forgetting::Never | Forgetting::IfProven | Forgetting::Unlisted => {
                stored.as_ref().is_ok_and(|settled| settled.has_forgotten)
            }
        };
        let missing = if has_logged_out { Missing::LoggedOut } else { Missing::Lost };
        let is_whole = !text.trim().is_empty();
        let mut new = if is_whole { merge(&copy.base, &after, &real, missing)? } else { None };
        if !homeless.is_empty() {
            let whole = TokenCache::parse(new.as_deref().map_or(section.text(), String::as_str))?;
            new = Some(whole.with_upserted(Section::RefreshToken, &homeless)?);
        }
        // What the vault has on disk may be scrubbed, but for what another run needs in place.
        let (on_disk, outcome) = match stored {
            Ok(settled) => (settled.on_disk, Ok(())),
            Err(failure) => (None, Err(failure)),
        };
        if let Some(on_disk) = on_disk
            && presence.is_ok()
            && self.lease.nobody()?.is_some()
        {
            let whole = TokenCache::parse(new.as_deref().map_or(section.text(), String::as_str))?;
            new = on_disk.scrub(self, &whole)?.or(new);
        }
        match &new {
            Some(text) => _ = section.write(text)?,
            None => self.remove_placeholder(&section)?,
        }
        let rest = TokenCache::parse(new.as_deref().map_or(section.text(), String::as_str))?;
        let rest = rest.with_entries(Section::RefreshToken, &[]);
        match self.seals_all() {
            true => copy.write(&msal::without_short_lived(&TokenCache::parse(&rest)?))?,
            false => copy.write(&rest)?,
        }
        outcome
    }

    /// Takes what the run changed, and what an unwrapped az may have stored meanwhile, into the vault.
    fn settle_vault(
        &self,
        base: &Base,
        after: &TokenCache<'_>,
        forgetting: Forgetting,
        by: Origin<'_>,
    ) -> Result<Settled> {
        let real_text = self.cache.read().ok().flatten().unwrap_or_default();
        // A real cache that somebody is writing at this moment tells nothing.
        let real = TokenCache::parse(&real_text).or_else(|_| TokenCache::parse(""))?;
        let is_empty = |cache: &TokenCache<'_>| cache.has_refresh_token().is_ok_and(|has_one| !has_one);
        if !self.vault.exists() && is_empty(after) && is_empty(&real) {
            return Ok(Settled { on_disk: None, has_forgotten: false });
        }
        let section = self.prepared()?.enter_vault()?;
        let mut opened = section.open_or_replace(after)?;
        opened.harvest(&real, by, self.order())?;
        self.take_in(base, after, &real, &mut opened, by)?;
        match forgetting {
            Forgetting::Never => {}
            Forgetting::IfProven | Forgetting::Unlisted => {
                opened.forget(&self.signed_out(opened.contents())?, after)?;
            }
            Forgetting::Vanished | Forgetting::Removed => opened.forget(base.handed(), after)?,
        }
        let committed = opened.commit();
        committed.stored.clone()?;
        let has_forgotten = !committed.forgotten.is_empty();
        Ok(Settled { on_disk: Some(committed.on_disk()), has_forgotten })
    }

    /// Takes the refresh tokens that az has just stored in its copy into the vault, if there are any that it does not have.
    ///
    /// # Errors
    /// Whatever kept it from doing so; the copy still has them.
    pub(super) fn harvest_living(&self, copy: &PrivateCopy, by: Origin<'_>) -> Result<()> {
        let text = copy.read()?;
        let after = TokenCache::parse(&text)?;
        if !after.has_refresh_token()? {
            return Ok(());
        }
        let section = self.prepared()?.enter_vault()?;
        let real_text = self.cache.read()?.unwrap_or_default();
        let mut opened = section.open_or_replace(&after)?;
        self.take_in(&copy.base, &after, &TokenCache::parse(&real_text)?, &mut opened, by)?;
        opened.commit().stored
    }

    /// Gives a living run what others have renewed since: refresh tokens of its accounts, and access tokens that are newer
    /// than its own.
    ///
    /// # Errors
    /// Whatever kept it from doing so; the copy is as it was.
    pub(super) fn refresh_living(&self, copy: &PrivateCopy) -> Result<()> {
        if !self.vault.exists() || copy.given == GivenCredentials::None {
            return Ok(());
        }
        let section = self.prepared()?.enter()?;
        let text = copy.read()?;
        if text.trim().is_empty() {
            return Ok(());
        }
        let own = TokenCache::parse(&text)?;
        let real = section.cache.parse()?;
        let mut opened = section.vault.open()?;
        // What az stored a moment ago and nobody has taken in yet is the newest there is.
        self.take_in(&copy.base, &own, &real, &mut opened, Origin::Run)?;
        let committed = opened.commit();
        committed.stored.clone()?;
        let mut newer = msal::inject_present(&own, committed.contents())?;
        let held = own.entries(Section::AccessToken)?;
        let mut brought = copy.brought.lock().unwrap_or_else(PoisonError::into_inner);
        // What the copy had and has no longer az has removed: a logout is not undone.
        let is_removed = |entry: &Entry<'_>| copy.base.had(Section::AccessToken.name(), entry) || brought.has(entry);
        let renewed: Vec<Entry<'_>> = real
            .entries(Section::AccessToken)?
            .into_iter()
            .filter(|entry| match held.iter().find(|other| other.key == entry.key) {
                Some(other) => other.value != entry.value && other.cached_at() < entry.cached_at(),
                None => !is_removed(entry),
            })
            .collect();
        if !renewed.is_empty() {
            let whole = newer.as_ref().unwrap_or(&text);
            newer = Some(TokenCache::parse(whole)?.with_upserted(Section::AccessToken, &renewed)?);
        }
        if let Some(text) = newer {
            copy.write(&text)?;
            brought.note(&renewed);
        }
        Ok(())
    }

    /// Harvests a copy, but for the accounts that somebody else logged out meanwhile.
    fn take_in(
        &self,
        base: &Base,
        after: &TokenCache<'_>,
        real: &TokenCache<'_>,
        opened: &mut Opened<'_>,
        by: Origin<'_>,
    ) -> Result<()> {
        let accounts = msal::vault_accounts(opened.contents())?;
        let kept: Vec<Owner> = accounts.into_iter().map(|account| account.id).collect();
        let gone = gone_elsewhere(base, real)?;
        let is_gone = |owner: &Owner| gone.contains(owner) && !kept.contains(owner);
        let tokens = after.entries(Section::RefreshToken)?;
        let mut own = tokens.clone();
        own.retain(|entry| !entry.owner().is_some_and(|owner| is_gone(&owner)));
        if own.len() == tokens.len() {
            return opened.harvest(after, by, Order::Successor);
        }
        let text = after.with_entries(Section::RefreshToken, &own);
        opened.harvest(&TokenCache::parse(&text)?, by, Order::Successor)
    }
}
