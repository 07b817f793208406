//! A fresh access token that another config directory of the login has is taken over from there, so that directories which find
//! the same token due together cause one request. The copy stands in this one's cache as MSAL would have stored it. What
//! cannot be read there or written here is redeemed for, as if there were no other directory.

use crate::credentials::msal::{Section, TokenCache};
use crate::failure::Result;
use crate::store::CredentialStore;
use crate::tokens::TokenKey;

/// Takes over the token `wanted` of the account that it is of here, where a sibling has one that is not due; says whether there
/// is one in the cache now. The caller has the right to renew it.
///
/// # Errors
/// Whatever kept the own cache from being read or written.
pub(super) fn take_over(store: &CredentialStore<'_>, wanted: &TokenKey) -> Result<bool> {
    let (now, window) = (store.app.context.now(), store.app.settings.window());
    for config_dir in &store.siblings() {
        let Ok(Some(text)) = CredentialStore::new(store.app, config_dir).read_cache() else { continue };
        let Ok(theirs) = TokenCache::parse(&text) else { continue };
        let Ok(Some(account)) = wanted.account(&theirs) else { continue };
        let Ok(serving) = wanted.serving(&theirs, &account) else { continue };
        let Some(fresh) = serving.fresh(now, window) else { continue };
        let section = store.lock_cache()?;
        let own = section.parse()?;
        if wanted.account(&own)?.as_ref() == Some(&account) {
            section.write(&own.with_upserted(Section::AccessToken, &[fresh])?)?;
            return Ok(true);
        }
    }
    Ok(false)
}
