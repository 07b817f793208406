//! A run that changed nothing: az was handed its copy, did what it was told, and neither the copy nor the real cache is any
//! other than when the copy was made. Then there is nothing to take in, to merge or to scrub, and the copy is wiped. Most
//! runs are such, because MSAL writes nothing while its tokens are good. Whatever speaks against it has all of it looked at.

use std::fs::File;
use std::path::Path;

use super::{PrivateCopy, Untouched, is_without_effect};
use crate::credentials::msal::{Section, TokenCache};
use crate::credentials::{CredentialFile, MsalLock};
use crate::failure::Result;
use crate::run::exposure::Ending;
use crate::store::CredentialStore;
use crate::sys;

impl Untouched {
    /// That of a copy that has just been written, while the real cache at `real` is still locked; `None` where nobody can tell.
    pub(super) fn of(copy: &File, real: &Path) -> Option<Self> {
        Some(Self { copy: sys::state_of(copy).ok()?.text, real: sys::file_state(real).ok()?.text })
    }
}

impl PrivateCopy {
    /// Whether nothing came of the run. An az that failed may have been killed over something, one that logs out is to be
    /// believed by what it left, and a lock that somebody left is in the next az's way.
    pub(super) fn is_to_be_wiped_only(&self, store: &CredentialStore<'_>, ending: &Ending<'_>) -> bool {
        let looks_so = |then: &Untouched| {
            sys::state_of(&self.file).is_ok_and(|now| now.text == then.copy)
                && sys::file_state(store.cache.path()).is_ok_and(|now| now.text == then.real)
        };
        is_without_effect(ending)
            && self.untouched.as_ref().is_some_and(looks_so)
            && !store.cache.has_leftover()
            && !MsalLock::is_taken(store.cache.path())
    }
}

impl CredentialStore<'_> {
    /// Wipes a copy that nobody touched, as every copy is: what az needs no secret for stays. Says whether the real cache could
    /// be read for it.
    ///
    /// # Errors
    /// `Storage`, when the copy cannot be written.
    pub(super) fn wipe_untouched(&self, copy: &mut PrivateCopy) -> Result<bool> {
        let Ok(Some(text)) = self.cache.read() else { return Ok(false) };
        let Ok(real) = TokenCache::parse(&text) else { return Ok(false) };
        if let Some(mount_lock) = copy.mount_lock.take() {
            // As for every copy: it goes with its last holder where this fails.
            let _ = mount_lock.give_up();
        }
        copy.write(&real.with_entries(Section::RefreshToken, &[]))?;
        Ok(true)
    }
}
