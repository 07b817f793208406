//! What was granted is stored as MSAL would have: the new refresh token in the vault first, then the access token in the
//! cache, and the refresh token there too if a run has the old one exposed. A vault that cannot be written (a full disk)
//! leaves the new refresh token in the cache, as az itself would have, for the next sweep to take in.

use crate::credentials::msal::{self, Redeemable};
use crate::credentials::service_principals;
use crate::failure::{Failure, Result};
use crate::store::CredentialStore;
use crate::store::section::VaultSection;
use crate::tokens::TokenKey;
use crate::tokens::entra::Granted;
use crate::tokens::principal::account_of;
use crate::tokens::source::{ClientCredential, TokenSource};
use crate::vault::Contents;
use crate::wait::ExtraTime;

/// Stores what was granted for `source`.
///
/// # Errors
/// Whatever kept it from being stored. The source is still where it was.
pub(super) fn commit(
    store: &CredentialStore<'_>,
    wanted: &TokenKey,
    source: &TokenSource,
    granted: &Granted,
) -> Result<()> {
    let redeemed = match source {
        TokenSource::RefreshToken(redeemed) => redeemed,
        TokenSource::ClientCredential(credential) => return commit_to_application(store, wanted, credential, granted),
    };
    let now = store.app.context.now();
    let Some(fields) = granted.fields() else { return Ok(()) };
    let _extra_time = ExtraTime::begin();
    // Held until the cache is written: nobody else's grant comes in between and is overwritten.
    let vault = store.unprepared().enter_vault();
    let (contents, stored) = commit_refresh_token(store, vault.as_ref(), redeemed, fields.refresh_token)?;
    let section = store.lock_cache()?;
    let cache = section.parse()?;
    // An account that was logged out meanwhile stays logged out.
    if wanted.account(&cache)?.as_ref() != Some(&redeemed.account) {
        return Ok(());
    }
    let additions = fields.additions(wanted, &redeemed.account.home_account_id, now);
    let homeless = stored.is_err().then_some(redeemed);
    section.write(&msal::add_tokens(&cache, &additions, &contents, homeless)?)?;
    stored
}

/// Stores what was granted to an application: an access token, and which of several secrets was accepted. What keeps the latter
/// from being noted leaves them as they were.
fn commit_to_application(
    store: &CredentialStore<'_>,
    wanted: &TokenKey,
    credential: &ClientCredential,
    granted: &Granted,
) -> Result<()> {
    let Some(fields) = granted.fields() else { return Ok(()) };
    let _extra_time = ExtraTime::begin();
    if let Some(record) = &credential.record
        && store.vault.exists()
        && let Ok(section) = store.unprepared().enter_vault()
        && let Ok(mut opened) = section.open()
    {
        let accepted = opened.change(|contents| service_principals::accept(contents, record, &credential.value));
        if accepted.is_ok() {
            opened.commit();
        }
    }
    let section = store.lock_cache()?;
    let cache = section.parse()?;
    // One that was logged out meanwhile stays logged out.
    if account_of(store, &cache, wanted)?.is_none() {
        return Ok(());
    }
    let additions = fields.additions(wanted, "", store.app.context.now());
    section.write(&msal::add_tokens(&cache, &additions, &Contents::default(), None)?).map(drop)
}

/// Puts a granted refresh token into the vault, or notes which of several was accepted: what the vault has then or was to
/// have, and what kept it from being stored.
fn commit_refresh_token(
    store: &CredentialStore<'_>,
    vault: std::result::Result<&VaultSection<'_>, &Failure>,
    redeemed: &Redeemable,
    granted: Option<&str>,
) -> Result<(Contents, Result<()>)> {
    let now = store.app.context.now();
    let replace = |contents: &mut Contents| match granted {
        Some(new) => msal::replace_refresh_token(contents, redeemed, new, now).map(|()| true),
        None => msal::accept(contents, redeemed),
    };
    let section = match vault {
        Ok(section) => section,
        Err(failure) => {
            // Nobody but us has it: what keeps it from the vault does not keep it from the cache.
            let mut contents = store.vault.load()?;
            replace(&mut contents)?;
            return Ok((contents, if granted.is_some() { Err(failure.clone()) } else { Ok(()) }));
        }
    };
    let mut opened = section.open()?;
    opened.change(replace)?;
    let committed = opened.commit();
    // Where that fails for want of a new one, they are rivals still.
    let stored = if granted.is_some() { committed.stored.clone() } else { Ok(()) };
    Ok((committed.into_contents(), stored))
}
