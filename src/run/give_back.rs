//! The end of azward's care for one config directory: every refresh token of its vault goes back into the token cache for
//! good, every secret of a service principal into its list and every PEM file where it was, and the vault is removed when all of them
//! are there, on the disk. What came from az's items in the keyring goes back there (`az_keyring`). Critical section and order are
//! those of `section`. A vault of which one token cannot be given back stays whole, and so does the one whose cache is not
//! understood.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::azure::profile::Profile;
use crate::credentials::msal::{self, Section, TokenCache};
use crate::credentials::origin::{Order, Origin};
use crate::credentials::service_principals::{self, Replaced, ServicePrincipals, is_record_of};
use crate::credentials::{CredentialFile, Document, edit};
use crate::failure::{Failure, Kind, Result};
use crate::run::adal::take_in_dead;
use crate::run::certificates::put_back_certificates;
use crate::store::CredentialStore;
use crate::store::opened::Opened;
use crate::sys;
use crate::vault::{Contents, CredentialKind, Owner, Record};

/// Where something was put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The file.
    File,
    /// The item of the system's keyring that az has of its own.
    #[cfg_attr(not(any(target_os = "linux", target_os = "macos")), expect(dead_code, reason = "az has none there"))]
    Keyring,
}

impl CredentialStore<'_> {
    /// Gives everything back and says how many refresh tokens to which directory: to a view what the login's own directory does
    /// not know. The key was got before, so that nobody is waited for.
    ///
    /// # Errors
    /// Whatever kept it from doing so; the vault still has them.
    pub fn give_back(&self) -> Result<Vec<(PathBuf, usize)>> {
        let directory = self.config_dir.path();
        if !directory.is_dir() {
            return Err(Failure::new(
                Kind::NoPlace,
                format!("`{}` is not there any more", directory.display()),
                "bring it back; or run `azward uninstall --forget`, and its logins are dropped",
            ));
        }
        // What is put where a reboot takes it away is not given back.
        #[cfg(target_os = "linux")]
        self.bring_back_for_good()?;
        // What an unwrapped az has put there since, or renewed after an uninstall that was killed, is newer than the vault's.
        #[cfg(any(target_os = "linux", target_os = "macos"))]
        self.take_in_keyring_items();
        take_in_dead(self, &self.config_dir.profile())?;
        let section = self.unprepared().enter()?;
        let cache = section.cache.parse()?;
        let mut opened = section.vault.open()?;
        self.put_back_adal_file(opened.contents())?;
        self.put_back_adal_tokens(opened.contents())?;
        let mut given_secrets = 0;
        if opened.contents().records.iter().any(is_record_of) {
            given_secrets = self.give_back_principals(&mut opened)?;
        }
        // What an unwrapped az stored since is newer than what the vault has of it.
        opened.harvest(&cache, Origin::Uninstall, Order::Unknown)?;
        let profile = Profile::read(&self.config_dir.profile());
        let injected = msal::inject(&cache, opened.contents(), |name| profile.has_user(name))?;
        let whole = injected.as_deref().map_or(section.cache.text(), String::as_str);
        let place = self.put_in_keyring(whole)?;
        let written = match (place, &injected) {
            (Place::Keyring, _) => section.cache.leave(),
            (Place::File, Some(text)) => section.cache.write_whole(text)?,
            (Place::File, None) if section.cache.has_sealed() => section.cache.write_whole(whole)?,
            (Place::File, None) => section.cache.leave(),
        };
        let text = match place {
            Place::Keyring => Zeroizing::new(whole.to_owned()),
            Place::File => self.cache.read()?.unwrap_or_default(),
        };
        let count = TokenCache::parse(&text)?.refresh_token_count()? + given_secrets;
        let mut given = vec![(self.config_dir.path().to_owned(), count)];
        let there = ids_in(&TokenCache::parse(&text)?)?;
        let kept: Vec<&Record> = opened.contents().of(CredentialKind::RefreshToken).collect();
        let mut missing: Vec<&Record> = kept.iter().copied().filter(|record| !there.contains(&record.id)).collect();
        // A view has none that the login's own directory has.
        for config_dir in &self.siblings() {
            // One that cannot be read or written was given none.
            let view = CredentialStore::new(self.app, config_dir);
            let ids = view.give_to_view(opened.contents(), &missing).unwrap_or_default();
            missing.retain(|record| !ids.contains(&record.id));
            if !ids.is_empty() {
                given.push((config_dir.path().to_owned(), ids.len()));
            }
        }
        if !missing.is_empty() {
            return Err(not_put_back(missing.len(), kept.len(), self.cache.path()));
        }
        opened.give_up(&written)?;
        Ok(given)
    }

    /// Puts `whole`, the token cache's text, into az's own item of the keyring, where it came from there.
    fn put_in_keyring(&self, whole: &str) -> Result<Place> {
        #[cfg(any(target_os = "linux", target_os = "macos"))]
        if let Some(sign) = self.keyring_to_give_back_to() {
            self.put_cache_in_keyring(sign, whole)?;
            return Ok(Place::Keyring);
        }
        let _ = whole;
        Ok(Place::File)
    }

    /// The same with the list of service principals.
    fn put_list_in(&self, whole: &str) -> Result<Place> {
        #[cfg(any(target_os = "linux", target_os = "macos"))]
        if let Some(sign) = self.keyring_to_give_back_to()
            && self.put_list_in_keyring(sign, whole)?
        {
            return Ok(Place::Keyring);
        }
        let _ = whole;
        Ok(Place::File)
    }

    /// Puts the secrets of its service principals back into their list, durably, and says how many that has then.
    fn give_back_principals(&self, opened: &mut Opened<'_>) -> Result<usize> {
        put_back_certificates(opened.contents())?;
        let section = self.lock_principals()?;
        let list = section.parse()?;
        opened.harvest_principals(&list, Origin::Uninstall, Order::Unknown, Replaced::IsBack)?;
        let profile = Profile::read(&self.config_dir.profile());
        let is_listed = |id: &str| profile.has_application(id);
        let mut injected = service_principals::inject(&list, opened.contents(), is_listed)?;
        if injected.is_none() && list.has_stand_ins() {
            injected = Some(list.with_credentials(&list.credentials()?));
        }
        let whole = injected.as_deref().map_or(section.text(), String::as_str);
        let text = match (self.put_list_in(whole)?, &injected) {
            (Place::Keyring, _) => Zeroizing::new(whole.to_owned()),
            (Place::File, _) => {
                injected.as_deref().map_or(Ok(()), |text| section.write(text).map(drop))?;
                let target = self.principals.target();
                let directory = target.parent().unwrap_or(self.config_dir.path());
                sys::sync_dir(directory).map_err(|error| Failure::storage("sync", directory, &error))?;
                self.principals.read()?.unwrap_or_default()
            }
        };
        let list = ServicePrincipals::parse(&text)?;
        let there = list.credentials()?;
        let is_there = |record: &&Record| {
            record.kind == CredentialKind::ClientCertificate || there.iter().any(|own| record.is(own.kind, own.id))
        };
        let (found, missing): (Vec<&Record>, Vec<&Record>) =
            opened.contents().records.iter().filter(|record| is_record_of(record)).partition(is_there);
        match missing.len() {
            0 => Ok(list.secret_count()),
            count => Err(not_put_back(count, count + found.len(), self.principals.path())),
        }
    }

    /// Puts those of the records into a view's cache, durably, whose accounts it has, and takes the vault's others out. Says
    /// which ones it has then.
    fn give_to_view(&self, contents: &Contents, records: &[&Record]) -> Result<HashSet<String>> {
        #[cfg(target_os = "linux")]
        self.bring_back_for_good()?;
        let section = self.lock_cache()?;
        let cache = section.parse()?;
        let present = cache.owners()?;
        let belongs = |owner: &Owner| present.contains(owner) && records.iter().any(|record| record.owner == *owner);
        let Some(text) = edit::inject(&cache, contents, belongs)? else { return ids_in(&cache) };
        section.write(&text)?;
        let directory = self.config_dir.path();
        sys::sync_dir(directory).map_err(|error| Failure::storage("sync", directory, &error))?;
        ids_in(&TokenCache::parse(&text)?)
    }

    /// Takes every refresh token out of the token cache, for an owner who wants none of them kept, and says how many there
    /// were.
    ///
    /// # Errors
    /// Whatever kept it from doing so.
    pub fn drop_refresh_tokens(&self) -> Result<usize> {
        let section = self.lock_cache()?;
        let cache = section.parse()?;
        let count = cache.refresh_token_count()?;
        if count > 0 {
            section.write(&cache.with_entries(Section::RefreshToken, &[]))?;
        }
        Ok(count)
    }
}

fn not_put_back(missing: usize, all: usize, path: &Path) -> Failure {
    Failure::new(
        Kind::NoPlace,
        format!("{missing} of {all} logins could not be put back into `{}`", path.display()),
        "their users are no longer in that directory's profile; `azward uninstall --forget` drops these, and the others \
         stay where they were put",
    )
}

/// The ids of the refresh tokens in a cache.
fn ids_in(cache: &TokenCache<'_>) -> Result<HashSet<String>> {
    Ok(cache.entries(Section::RefreshToken)?.iter().map(|entry| entry.key.to_owned()).collect())
}
