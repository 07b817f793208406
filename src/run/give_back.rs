//! The end of azward's care for one config directory: every refresh token of its vault goes back into the token cache for
//! good, and the vault is removed when all of them are there, on the disk. Critical section and order are those of
//! `section`. A vault of which one token cannot be given back stays whole, and so does the one whose cache is not
//! understood.

use std::collections::HashSet;

use crate::azure::profile::Profile;
use crate::credentials::CredentialFile;
use crate::credentials::msal::{self, Section, TokenCache};
use crate::credentials::origin::Origin;
use crate::credentials::rivals::Order;
use crate::failure::{Failure, Kind, Result};
use crate::store::CredentialStore;
use crate::vault::CredentialKind;

impl CredentialStore<'_> {
    /// Gives everything back and says how many refresh tokens there were. The key was got before, so that nobody is
    /// waited for.
    ///
    /// # Errors
    /// Whatever kept it from doing so; the vault still has them.
    pub fn give_back(&self) -> Result<usize> {
        let directory = self.config_dir.path();
        if !directory.is_dir() {
            return Err(Failure::new(
                Kind::NoPlace,
                format!("`{}` is not there any more", directory.display()),
                "bring it back; or run `azward uninstall --forget`, and its logins are dropped",
            ));
        }
        let section = self.unprepared().enter()?;
        let cache = section.cache.parse()?;
        let mut opened = section.vault.open()?;
        // What an unwrapped az stored since is newer than what the vault has of it.
        opened.harvest(&cache, Origin::Uninstall, Order::Unknown)?;
        let profile = Profile::read(&self.config_dir.profile());
        let written = match msal::inject(&cache, opened.contents(), |name| profile.has_user(name))? {
            Some(text) => section.cache.write(&text)?,
            None => section.cache.leave(),
        };
        let text = self.cache.read()?.unwrap_or_default();
        let there = TokenCache::parse(&text)?;
        let there: HashSet<&str> = there.entries(Section::RefreshToken)?.iter().map(|entry| entry.key).collect();
        let kept: HashSet<&str> =
            opened.contents().of(CredentialKind::RefreshToken).map(|kept| kept.id.as_str()).collect();
        let missing = kept.difference(&there).count();
        if missing > 0 {
            return Err(Failure::new(
                Kind::NoPlace,
                format!(
                    "{missing} of {} logins could not be put back into `{}`",
                    kept.len(),
                    self.cache.path().display()
                ),
                "their users are no longer in that directory's profile; `azward uninstall --forget` drops these, and the others stay \
                 where they were put",
            ));
        }
        let count = there.len();
        opened.give_up(&written)?;
        Ok(count)
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
