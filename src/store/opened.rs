//! The vault in the critical section, from when it is open until the token cache may be touched: what it takes in and forgets,
//! its commit, and what follows from that.

use zeroize::Zeroizing;

use crate::credentials::adal::{self, AdalTokens};
use crate::credentials::edit::Harvest;
use crate::credentials::msal::{self, TokenCache};
use crate::credentials::origin::{Order, Origin};
use crate::credentials::service_principals::{self, Replaced, ServicePrincipals};
use crate::credentials::{CredentialFile, Document, edit};
use crate::failure::{Failure, Result, persist};
use crate::store::CredentialStore;
use crate::sys;
use crate::vault::{Contents, Guard, Owner};

/// The vault is open, and may be changed.
#[derive(Debug)]
pub(crate) struct Opened<'s> {
    store: &'s CredentialStore<'s>,
    vault: Guard<'s>,
    change: Change,
    taken: usize,
    forgotten: Vec<String>,
    signed_out: Vec<Owner>,
}

/// Whether a vault that is open is to be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Some,
}

/// What was to be stored is on the disk, or why it is not.
#[derive(Debug)]
pub(crate) struct Committed<'s> {
    store: &'s CredentialStore<'s>,
    contents: Contents,
    /// Why it could not be stored.
    pub(crate) stored: Result<()>,
    /// How many credentials were new.
    pub(crate) taken: usize,
    /// Whose logins were forgotten.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "private exposure asks for it"))]
    pub(crate) forgotten: Vec<String>,
}

/// What the vault has on the disk.
#[derive(Debug)]
pub(crate) struct OnDisk(Contents);

/// The token cache has what it is to have.
#[derive(Debug)]
pub(crate) struct Written(());

impl<'s> Opened<'s> {
    pub(super) fn of(store: &'s CredentialStore<'s>, vault: Guard<'s>, change: Change) -> Self {
        Self { store, vault, change, taken: 0, forgotten: Vec::new(), signed_out: Vec::new() }
    }

    /// What the vault is going to have.
    pub(crate) fn contents(&self) -> &Contents {
        &self.vault.contents
    }

    /// Takes in what is new in `cache`; see [`msal::harvest`].
    ///
    /// # Errors
    /// `CacheForeign`.
    pub(crate) fn harvest(&mut self, cache: &TokenCache<'_>, by: Origin<'_>, order: Order) -> Result<()> {
        let harvest = msal::harvest(cache, &mut self.vault.contents, self.store.app.context.now(), by, order)?;
        self.note_harvest(&harvest);
        Ok(())
    }

    /// Forgets those of `accounts` that `after` does not have; see [`msal::forget`].
    ///
    /// # Errors
    /// `CacheForeign`.
    pub(crate) fn forget(&mut self, accounts: &[Owner], after: &TokenCache<'_>) -> Result<()> {
        let forgotten = msal::forget(accounts, after, &mut self.vault.contents)?;
        self.note_forgotten(forgotten, accounts, after)
    }

    /// Takes in what is new in the list of service principals; see [`service_principals::harvest`].
    ///
    /// # Errors
    /// `CacheForeign`.
    pub(crate) fn harvest_principals(
        &mut self,
        list: &ServicePrincipals<'_>,
        by: Origin<'_>,
        order: Order,
        replaced: Replaced,
    ) -> Result<()> {
        let now = self.store.app.context.now();
        let harvest = service_principals::harvest(list, &mut self.vault.contents, now, by, order, replaced)?;
        self.note_harvest(&harvest);
        Ok(())
    }

    /// Forgets those of the service principals that `after` does not have; see [`service_principals::forget`].
    ///
    /// # Errors
    /// `CacheForeign`.
    pub(crate) fn forget_principals(&mut self, principals: &[Owner], after: &ServicePrincipals<'_>) -> Result<()> {
        let forgotten = service_principals::forget(principals, after, &mut self.vault.contents)?;
        self.note_forgotten(forgotten, principals, after)
    }

    /// Takes in what is new in ADAL's list; see [`adal::harvest`].
    ///
    /// # Errors
    /// `CacheForeign`.
    pub(crate) fn harvest_adal(
        &mut self,
        tokens: &AdalTokens<'_>,
        by: Origin<'_>,
        order: Order,
        replaced: Replaced,
    ) -> Result<()> {
        let now = self.store.app.context.now();
        let harvest = adal::harvest(tokens, &mut self.vault.contents, now, by, order, replaced)?;
        self.note_harvest(&harvest);
        Ok(())
    }

    /// Forgets those of `owners` that `after` does not have; see [`adal::forget`].
    ///
    /// # Errors
    /// `CacheForeign`.
    pub(crate) fn forget_adal(&mut self, owners: &[Owner], after: &AdalTokens<'_>) -> Result<()> {
        let forgotten = adal::forget(owners, after, &mut self.vault.contents)?;
        if !forgotten.is_empty() {
            self.change = Change::Some;
        }
        self.forgotten.extend(forgotten);
        Ok(())
    }

    fn note_harvest(&mut self, harvest: &Harvest) {
        self.taken += harvest.taken.len();
        if harvest.is_changed {
            self.change = Change::Some;
        }
    }

    /// Notes who was forgotten, and which of `owners` are not in the file any more.
    fn note_forgotten(&mut self, forgotten: Vec<String>, owners: &[Owner], after: &impl Document) -> Result<()> {
        if !forgotten.is_empty() {
            self.change = Change::Some;
        }
        self.forgotten.extend(forgotten);
        let after = after.owners()?;
        self.signed_out.extend(owners.iter().filter(|owner| !after.contains(*owner)).cloned());
        Ok(())
    }

    /// Has `edit` change the contents, if it says that it did.
    ///
    /// # Errors
    /// Those of `edit`.
    pub(crate) fn change(&mut self, edit: impl FnOnce(&mut Contents) -> Result<bool>) -> Result<()> {
        if edit(&mut self.vault.contents)? {
            self.change = Change::Some;
        }
        Ok(())
    }

    /// Stores what has changed, trying again where that may help, notes who was forgotten, and has the login's other
    /// directories follow.
    pub(crate) fn commit(mut self) -> Committed<'s> {
        let mut stored = Ok(());
        if !self.signed_out.is_empty() {
            // Before it is forgotten: what a sibling still has then would be taken in again.
            self.store.sign_out_of_siblings(&self.signed_out);
        }
        if self.change == Change::Some {
            stored = persist(|| self.vault.commit());
            self.store.note_warnings();
            if stored.is_ok() {
                self.store.renew_in_siblings(&self.vault.contents);
            }
        }
        if stored.is_ok() {
            self.store.note_forgetting(&self.forgotten);
        }
        let Self { store, vault, taken, forgotten, .. } = self;
        Committed { store, contents: vault.contents, stored, taken, forgotten }
    }

    /// Lets the vault go, when the cache has everything that it had, and the cache's name is on the disk.
    ///
    /// # Errors
    /// `Storage`.
    pub(crate) fn give_up(self, _written: &Written) -> Result<()> {
        let target = self.store.cache.target();
        let directory = target.parent().unwrap_or(self.store.config_dir.path());
        sys::sync_dir(directory).map_err(|error| Failure::storage("sync", directory, &error))?;
        self.vault.remove()
    }
}

impl Committed<'_> {
    /// What the vault has, or was to have.
    pub(crate) fn contents(&self) -> &Contents {
        &self.contents
    }

    /// The same, to keep.
    pub(crate) fn into_contents(self) -> Contents {
        self.contents
    }

    /// What may be scrubbed: all of it if it could be stored, else what the vault had before.
    pub(crate) fn on_disk(self) -> OnDisk {
        match self.stored {
            Ok(()) => OnDisk(self.contents),
            Err(_) => OnDisk(self.store.vault.load().unwrap_or_default()),
        }
    }
}

impl OnDisk {
    /// The text of `document` without the credentials that the vault has; `None` when there are none to take. While somebody
    /// signs in, what an az has stored since that began stays, and so does what was redeemed for it: it may be what the login
    /// still needs.
    ///
    /// # Errors
    /// `CacheForeign` or `Storage`.
    pub(crate) fn scrub(
        mut self,
        store: &CredentialStore<'_>,
        document: &impl Document,
    ) -> Result<Option<Zeroizing<String>>> {
        if let Some(since) = store.lease.login_since()? {
            self.0.records.retain(|kept| kept.brought_at < since);
        }
        edit::scrub(document, &self.0)
    }
}

impl Written {
    /// Of a cache that is whole: for the section that has it locked.
    pub(super) fn whole() -> Self {
        Self(())
    }
}
