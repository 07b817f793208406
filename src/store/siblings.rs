//! The other config directories of a login: the views of it, and the one whose own it is. They have one vault and a token cache
//! each, so what is exposed in place in one of them has to follow what another redeems. Whoever opens the vault takes in what
//! an az has stored in any of them; whoever commits a new refresh token puts it in the place of the old one where that is
//! exposed, and whoever forgets a login signs it out of all of them. All of it under the vault's lock, one cache's lock at
//! a time beside one's own.
//!
//! A sibling that cannot be read or locked is left as it is: its own next run hands over what the vault has.

use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::azure::ConfigDir;
use crate::azure::profile::Profile;
use crate::credentials::msal::{self, AccountFields, TokenCache};
use crate::credentials::origin::{Order, Origin};
use crate::credentials::service_principals::ServicePrincipals;
use crate::credentials::{CredentialFile, Document, edit};
use crate::failure::Result;
use crate::store::CredentialStore;
use crate::vault::{Contents, Owner};

/// How long to wait for a sibling's cache. The own one may be locked meanwhile, and az gives up on that after 5 s.
const SIBLING_DEADLINE: Duration = Duration::from_secs(1);

impl CredentialStore<'_> {
    /// Whether the login is another directory's own.
    pub(crate) fn is_view(&self) -> bool {
        self.vault.login().is_viewed_in(self.config_dir)
    }

    /// The other config directories of the login that are there.
    pub(crate) fn siblings(&self) -> Vec<ConfigDir> {
        let there = self.other_directories().into_iter().filter(|directory| directory.is_dir());
        there.map(|directory| ConfigDir::at(&directory)).collect()
    }

    fn other_directories(&self) -> Vec<PathBuf> {
        let login = self.vault.login();
        let mut directories = login.views(&self.app.context);
        if self.is_view() {
            directories.push(login.directory().to_owned());
        }
        directories.retain(|directory| directory != self.config_dir.canonical());
        directories
    }

    /// Whether this account may be signed in in another directory of the login: one that has it, or lists its user, or
    /// cannot be seen or understood now.
    pub(crate) fn may_be_elsewhere(&self, account: &AccountFields) -> bool {
        self.other_directories().iter().any(|directory| {
            let config_dir = ConfigDir::at(directory);
            let profile = config_dir.profile();
            let lists = || Profile::read_whole(&profile).is_none_or(|profile| profile.names(&account.username));
            let cache = CredentialStore::new(self.app, &config_dir).cache.read().map(Option::unwrap_or_default);
            let owners = cache.and_then(|text| TokenCache::parse(&text)?.owners());
            !directory.is_dir()
                || !owners.is_ok_and(|owners| !owners.contains(&account.id))
                || profile.symlink_metadata().is_ok() && lists()
        })
    }

    /// Whether a sibling's cache has a refresh token in it at this moment: it may be newer than the vault's.
    pub(crate) fn is_exposed_in_a_sibling(&self) -> bool {
        let mut is_exposed = false;
        self.for_exposed_siblings(|_, _| {
            is_exposed = true;
            Ok(())
        });
        is_exposed
    }

    /// Does `work` with the text of each sibling's cache that has a refresh token in it at this moment.
    pub(super) fn for_exposed_siblings(
        &self,
        mut work: impl FnMut(&CredentialStore<'_>, &TokenCache<'_>) -> Result<()>,
    ) {
        for config_dir in &self.siblings() {
            let sibling = CredentialStore::new(self.app, config_dir);
            let Ok(Some(text)) = sibling.cache.read() else { continue };
            let Ok(cache) = TokenCache::parse(&text) else { continue };
            if cache.has_refresh_token().unwrap_or(false)
                && let Err(failure) = work(&sibling, &cache)
            {
                self.app.journal.warn(self.app.context.now(), &failure);
            }
        }
    }

    /// Puts the vault's refresh tokens into the place of those that they came after, where those are exposed.
    pub(super) fn renew_in_siblings(&self, contents: &Contents) {
        self.for_exposed_siblings(|sibling, cache| match edit::renew(cache, contents)? {
            // Locked only where there is something to do.
            Some(_) => sibling.edit_as_sibling(|cache| edit::renew(cache, contents)),
            None => Ok(()),
        });
    }

    /// Signs `accounts` out of the siblings' caches, as az does it.
    pub(super) fn sign_out_of_siblings(&self, accounts: &[Owner]) {
        for config_dir in &self.siblings() {
            let sibling = CredentialStore::new(self.app, config_dir);
            if let Err(failure) = sibling.edit_as_sibling(|cache| edit::sign_out(cache, accounts)) {
                self.app.journal.warn(self.app.context.now(), &failure);
            }
            if let Err(failure) = sibling.sign_out_principals(accounts) {
                self.app.journal.warn(self.app.context.now(), &failure);
            }
        }
    }

    /// Signs service principals out of the list, as az does it.
    fn sign_out_principals(&self, owners: &[Owner]) -> Result<()> {
        let Some(text) = self.principals.read()? else { return Ok(()) };
        if edit::sign_out(&ServicePrincipals::parse(&text)?, owners)?.is_none() {
            return Ok(());
        }
        let section = self.lock_file(&self.principals, SIBLING_DEADLINE)?;
        match edit::sign_out(&section.parse()?, owners)? {
            Some(text) => section.write(&text).map(drop),
            None => Ok(()),
        }
    }

    /// Puts the login's account of this name into the cache, without a refresh token, as a sign-in would have left it; says
    /// whether it is there now.
    ///
    /// # Errors
    /// Whatever keeps the vault from opening, or the cache from being read or written.
    pub(crate) fn seat_account(&self, username: &str) -> Result<bool> {
        let section = self.prepared()?.enter()?;
        let opened = section.vault.open()?;
        let cache = section.cache.parse()?;
        let is_user = |name: &str| name.eq_ignore_ascii_case(username);
        if let Some(text) = msal::seat(&cache, opened.contents(), is_user)? {
            section.cache.write(&text)?;
        }
        Ok(msal::vault_accounts(opened.contents())?.iter().any(|account| is_user(&account.username)))
    }

    /// Takes the refresh tokens of `text`, a token cache that is nobody's file, into the vault, and puts the rest of it into the
    /// cache.
    ///
    /// # Errors
    /// `CacheForeign`, and whatever keeps the vault or the cache from being written; then nothing is in the cache.
    pub(crate) fn import(&self, text: &str) -> Result<()> {
        let incoming = TokenCache::parse(text)?;
        let section = self.prepared()?.enter()?;
        let mut opened = section.vault.open_or_replace(&incoming)?;
        opened.harvest(&incoming, Origin::Import, Order::Unknown)?;
        let committed = opened.commit();
        committed.stored.clone()?;
        match committed.on_disk().scrub(self, &incoming)? {
            Some(scrubbed) => section.cache.write(&scrubbed).map(drop),
            None => section.cache.write(text).map(drop),
        }
    }

    /// Locks the cache, and writes what `edit` makes of it, if anything.
    fn edit_as_sibling(&self, edit: impl FnOnce(&TokenCache<'_>) -> Result<Option<Zeroizing<String>>>) -> Result<()> {
        let section = self.lock_cache_within(SIBLING_DEADLINE)?;
        match edit(&section.parse()?)? {
            Some(text) => section.write(&text).map(drop),
            None => Ok(()),
        }
    }
}
