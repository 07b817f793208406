//! A run that changed nothing in the token cache that all see: what it was handed is there as it was, and so is the regular file
//! that has its name back at the end, in which no credential is. Then there is nothing to take in or to scrub, and nothing is
//! written: the names change places, and what is on the disk is what was there before. Most runs are such, because MSAL writes
//! nothing while its tokens are good. Whatever speaks against it has all of it looked at.

use super::InPlace;
use crate::credentials::CredentialFile;
use crate::credentials::msal::TokenCache;
use crate::failure::Result;
use crate::run::exposure::{AzEnd, Ending};
use crate::store::section::CacheSection;
use crate::store::{CredentialStore, Forgetting};
use crate::sys;

/// How all of it looked, from outside, when az had been handed the credentials.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Untouched {
    /// What has the cache's name.
    exposed: String,
    /// The regular file beside it.
    aside: String,
    /// The vault, which has what was handed over.
    vault: String,
}

impl Untouched {
    /// How it looks now; `None` where nobody can tell, and where something is not there.
    fn of(store: &CredentialStore<'_>) -> Option<Self> {
        let file = store.cache.file();
        let exposed = sys::file_state(store.cache.path()).ok()?.text;
        Some(Self { exposed, aside: file.aside()?, vault: store.vault.state()? })
    }
}

/// Whether the regular file, as it is in the `section` that has `cache` for its text, is what is to be there when nobody needs anything.
pub(super) fn is_at_rest(section: &CacheSection<'_>, cache: &TokenCache<'_>) -> bool {
    let store = section.store();
    !section.is_in_memory()
        && !section.is_missing()
        && !section.has_sealed()
        && !store.seals_all()
        && cache.has_refresh_token().is_ok_and(|has_some| !has_some)
}

impl InPlace {
    /// Notes how it looks when all is exposed, while the cache is still locked, and whether the vault has all of it.
    pub(super) fn note_untouched(&mut self, store: &CredentialStore<'_>, stored: &Result<()>) {
        if let (Some(held), Ok(())) = (&mut self.held, stored) {
            held.untouched = Untouched::of(store);
        }
    }

    /// Whether an az that ended so may have changed nothing. One that failed may have been killed over something, and one that logs
    /// out is to be believed by what it left.
    fn may_be_untouched(ending: &Ending<'_>) -> bool {
        (ending.az, ending.forgetting) == (AzEnd::Succeeded, Forgetting::Never)
    }

    /// Has the regular file take its name back where nothing came of the run, or says that there is more to it.
    pub(super) fn puts_back(untouched: Option<&Untouched>, store: &CredentialStore<'_>, ending: &Ending<'_>) -> bool {
        let Some(then) = untouched.filter(|_| Self::may_be_untouched(ending)) else { return false };
        store.put_back(&|| Untouched::of(store).as_ref() == Some(then)).unwrap_or(false)
    }
}
