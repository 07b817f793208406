//! A logout by an az without azward: an account that neither the profile nor the token cache has any more, while nobody ran, is
//! forgotten by the vault too, and so is a service principal that neither the profile nor its list has. az rewrites both files without a lock that would tell, so this wants certainty: nobody is
//! at work, both files have been at rest for a while, the profile parses and lists no such user, and the cache parses and has
//! no such account, or was removed. A file that is torn, empty or unreadable, or a missing profile, proves nothing.
//!
//! An account that a view of the login has, or may have, is not gone; what a view lacks it may never have had, so nobody
//! asks in one. Asked before a run and with every sweep; a stamp of the files' looks keeps the vault closed where nothing
//! changed.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use crate::azure::profile::Profile;
use crate::credentials::msal::{self, AccountFields, Section, TokenCache};
use crate::credentials::service_principals::ServicePrincipals;
use crate::credentials::{CredentialFile, Document};
use crate::failure::Result;
use crate::private;
use crate::store::CredentialStore;
use crate::sys;
use crate::vault::{Contents, Owner};

/// How long both files must have been at rest: az writes one soon after the other.
const REST: Duration = Duration::from_secs(2);

impl CredentialStore<'_> {
    /// Forgets who was logged out without us. What keeps it from knowing keeps the login.
    pub fn forget_logged_out(&self) {
        // What a view does not have it may never have had.
        if !self.vault.exists() || self.is_view() {
            return;
        }
        let Some(look) = self.look_at_rest() else { return };
        let stamp = self.app.context.azward_home.join("run").join(format!("{}.asked", self.config_dir.id()));
        if std::fs::read(&stamp).is_ok_and(|seen| seen == look.as_bytes()) {
            return;
        }
        if let Ok(true) = self.ask_who_was_logged_out(&look) {
            self.note_asked(&stamp, &look);
        }
    }

    /// How both files look, and those of the login's views, if they have been at rest.
    fn look_at_rest(&self) -> Option<String> {
        let look = |path: PathBuf| match sys::file_state(&path) {
            Ok(state) if state.unchanged_for >= REST => Some(state.text),
            Err(error) if error.kind() == ErrorKind::NotFound => Some("none".to_owned()),
            _ => None,
        };
        let files = [self.config_dir.profile(), self.cache.path().to_owned(), self.principals.path().to_owned()];
        let mut looks = files.into_iter().map(look).collect::<Option<Vec<_>>>()?;
        for view in self.siblings() {
            looks.extend([look(view.profile())?, look(view.token_cache())?]);
        }
        Some(looks.join("\n"))
    }

    /// Says whether it was asked for good.
    fn ask_who_was_logged_out(&self, look: &str) -> Result<bool> {
        let Some(profile) = Profile::read_whole(&self.config_dir.profile()) else { return Ok(false) };
        // What a keyring would have to be unlocked for can wait.
        let before = self.vault.load_unasked()?;
        if self.gone(&before, &profile)?.is_empty() {
            return Ok(true);
        }
        let _presence = self.app.context.home_lock.enter()?;
        // A login that goes on may be in the vault before it is in any file.
        let (Some(_nobody), Some(_no_mounts)) = (self.lease.nobody()?, self.lease.no_mounts()) else {
            return Ok(false);
        };
        let section = self.unprepared().enter()?;
        let mut opened = section.vault.open_unasked()?;
        let gone = self.gone(opened.contents(), &profile)?;
        if gone.is_empty() || self.look_at_rest().as_deref() != Some(look) {
            return Ok(false);
        }
        // First: the other forgets all that is theirs.
        opened.forget_principals(&gone, &ServicePrincipals::parse("")?)?;
        opened.forget(&gone, &TokenCache::parse("")?)?;
        opened.commit().stored?;
        Ok(true)
    }

    /// The vault's accounts that neither file has, nor any view of the login.
    fn gone(&self, contents: &Contents, profile: &Profile) -> Result<Vec<Owner>> {
        let text = self.cache.read()?;
        let text = match &text {
            // A write cut short.
            Some(text) if text.trim().is_empty() => return Ok(Vec::new()),
            Some(text) => text.as_str(),
            None => "",
        };
        let cache = TokenCache::parse(text)?;
        let present = msal::accounts(&cache)?;
        let tokens = cache.entries(Section::RefreshToken)?;
        let is_read = self.token_storage().is_file();
        let is_there = |id: &Owner, name: &str| {
            profile.names(name)
                // One that az no longer reads says nothing of who is signed in.
                || is_read && present.iter().any(|other| other.id == *id || other.username.eq_ignore_ascii_case(name))
                || is_read && tokens.iter().any(|token| token.owner().is_none_or(|owner| owner == *id))
        };
        let accounts = msal::vault_accounts(contents)?;
        let is_gone =
            |account: &AccountFields| !is_there(&account.id, &account.username) && !self.may_be_elsewhere(account);
        let accounts = accounts.into_iter().filter(is_gone).map(|account| account.id);
        Ok(accounts.chain(self.gone_principals(contents)).collect())
    }

    /// The vault's service principals that neither the profile nor their list has. A list that is none proves nothing.
    fn gone_principals(&self, contents: &Contents) -> Vec<Owner> {
        let mut gone = self.unlisted_principals(contents);
        let there = match self.principals.read() {
            Ok(Some(text)) if text.trim().is_empty() => return Vec::new(),
            Ok(text) => {
                ServicePrincipals::parse(text.as_deref().map_or("", String::as_str)).and_then(|list| list.owners())
            }
            Err(failure) => Err(failure),
        };
        let Ok(there) = there else { return Vec::new() };
        gone.retain(|owner| !there.contains(owner));
        gone
    }

    fn note_asked(&self, stamp: &std::path::Path, look: &str) {
        // Without it the vault is opened the next time.
        let Ok(_presence) = self.app.context.home_lock.enter() else { return };
        private::note(stamp, look.as_bytes());
    }
}
