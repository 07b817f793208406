//! The service principals of a config directory, as far as it takes no run: what is seen of them without a lock, who is signed out,
//! and their places in the list, which another az may have lost. Their secrets and the list's lock are beside the token cache's
//! and never in its way: a list that is none keeps nobody's refresh token from him.

use std::path::Path;

use crate::azure::profile::Profile;
#[cfg(target_os = "linux")]
use crate::credentials::merge::Base;
use crate::credentials::service_principals::{ServicePrincipals, is_record_of, name_of, seat};
use crate::credentials::{CredentialFile, Document};
use crate::failure::Result;
use crate::store::CredentialStore;
#[cfg(target_os = "linux")]
use crate::store::lease::NobodyNeedsIt;
use crate::vault::{Contents, Owner};

impl CredentialStore<'_> {
    /// How many secrets of service principals are in the list at this moment.
    ///
    /// # Errors
    /// `CacheForeign` or `Storage`.
    pub fn exposed_secrets(&self) -> Result<usize> {
        let Some(text) = self.principals.read()? else { return Ok(0) };
        Ok(ServicePrincipals::parse(&text)?.secret_count())
    }

    /// Whether the list holds a secret at this moment, as far as can be seen without a lock.
    #[must_use]
    pub fn has_clear_principals(&self) -> bool {
        self.principals.is_there()
            && (self.principals.has_leftover() || self.exposed_secrets().is_ok_and(|count| count > 0))
    }

    /// Whether the vault has any of them; nobody is asked to unlock a keyring for it.
    ///
    /// # Errors
    /// Whatever keeps it from opening.
    pub(crate) fn has_sealed_principals(&self) -> Result<bool> {
        Ok(self.vault.load_unasked()?.records.iter().any(is_record_of))
    }

    /// Whether a certificate of one of them is in a file, as far as can be seen: one that azward took in is not.
    pub(crate) fn has_certificate_files(&self) -> bool {
        let text = self.principals.read().ok().flatten().unwrap_or_default();
        ServicePrincipals::parse(&text).map_or(true, |list| {
            let mut certificates = list.principals().filter_map(|own| own.certificate.as_ref());
            certificates.any(|one| Path::new(&one.path).symlink_metadata().is_ok())
        })
    }

    /// The service principals that the list has.
    pub(crate) fn principal_owners(&self) -> Vec<Owner> {
        let text = self.principals.read().ok().flatten().unwrap_or_default();
        let owners = ServicePrincipals::parse(&text).and_then(|list| list.owners()).unwrap_or_default();
        owners.into_iter().collect()
    }

    /// The vault's service principals of which the profile no longer knows, where nobody else has the login.
    pub(crate) fn unlisted_principals(&self, contents: &Contents) -> Vec<Owner> {
        if self.is_view() || !self.siblings().is_empty() {
            return Vec::new();
        }
        let Some(profile) = Profile::read_whole(&self.config_dir.profile()) else { return Vec::new() };
        let records = contents.records.iter().filter(|record| is_record_of(record));
        let gone = records.filter(|record| !name_of(record).is_some_and(|name| profile.names(&name)));
        gone.map(|record| record.owner.clone()).collect()
    }

    /// Puts those of the vault's service principals back into a list that is not there, without their secrets, that the profile
    /// still lists: az reads nothing else of who they are. What keeps it from that is told where they are handed over.
    pub(crate) fn seat_lost_principals(&self) {
        let is_lost = self.vault.exists() && self.config_dir.path().is_dir() && !self.principals.is_there();
        let profile = || Profile::read(&self.config_dir.profile());
        if !is_lost || !profile().subscriptions.iter().any(|listed| listed.user.is_application()) {
            return;
        }
        let seated = || -> Result<()> {
            let contents = self.vault.load_unasked()?;
            let profile = profile();
            let is_listed = |id: &str| profile.has_application(id);
            if seat(&ServicePrincipals::parse("")?, &contents, is_listed)?.is_none() {
                return Ok(());
            }
            let _presence = self.app.context.home_lock.enter()?;
            let section = self.lock_principals()?;
            match seat(&section.parse()?, &contents, is_listed)? {
                Some(text) => section.write(&text).map(drop),
                None => Ok(()),
            }
        };
        let _ = seated();
    }

    /// Takes every secret out of the list, for an owner who wants none of them kept, and says how many there were.
    ///
    /// # Errors
    /// Whatever kept it from doing so.
    pub fn drop_client_secrets(&self) -> Result<usize> {
        if !self.principals.is_there() {
            return Ok(0);
        }
        let section = self.lock_principals()?;
        let list = section.parse()?;
        let count = list.secret_count();
        if count > 0 {
            section.write(&list.without_secrets())?;
        }
        Ok(count)
    }
}

#[cfg(target_os = "linux")]
impl CredentialStore<'_> {
    /// Whether the list is in memory, or was when a run was killed.
    #[must_use]
    pub(crate) fn has_principals_in_memory(&self) -> bool {
        self.principals.file().is_in_memory()
    }

    /// Brings a list back from memory in which no secret is: no vault is needed for that.
    ///
    /// # Errors
    /// Whatever kept it from doing so.
    pub(crate) fn bring_back_bare_principals(&self, nobody: &NobodyNeedsIt) -> Result<()> {
        let section = self.lock_principals()?;
        match section.parse()?.secret_count() {
            0 => section.bring_back(section.text(), nobody),
            _ => Ok(()),
        }
    }

    /// Brings a list back whose vault does not open now: what the run stored in it goes to the disk, as az would have left it,
    /// and what was handed to it the vault has.
    ///
    /// # Errors
    /// Whatever kept it from doing so; it is in memory still.
    pub(crate) fn bring_back_unsettled_principals(&self, handed: &Base) -> Result<()> {
        let Some(nobody) = self.lease.nobody()? else { return Ok(()) };
        let section = self.lock_principals()?;
        let list = section.parse()?;
        let homeless = handed.stored_since(&list)?;
        section.bring_back(&list.with_credentials(&homeless), &nobody)
    }
}
