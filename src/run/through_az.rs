//! Rotation by the real az, for authorities that azward does not speak to itself (ADFS, verification switched off): an az
//! is run that does not see the token that is due, and so gets a fresh one. In private exposure the token is left out of
//! that az's copy; in place it is set aside, and goes back if az has none to give, so that an unreachable endpoint costs
//! nobody a token that is still good.

use std::ffi::OsString;
use std::time::Duration;

use crate::azure::command::TokenRequest;
use crate::credentials::msal::{Entry, Section, TokenCache};
use crate::failure::Result;
use crate::run::exposure::AzEnd;
use crate::run::launch::Launch;
use crate::secret::Secret;
use crate::store::{CredentialStore, Forgetting};
use crate::tokens::TokenKey;

/// How long the real az may take for a fresh token before the old one has to do.
const RENEWAL_DEADLINE: Duration = Duration::from_secs(8);

/// The arguments that have az renew the token that is asked for; without a request that for Resource Manager.
pub(super) fn arguments(request: Option<&TokenRequest>) -> Vec<OsString> {
    let always = ["account", "get-access-token", "--output", "none", "--only-show-errors"].map(OsString::from);
    always.into_iter().chain(request.map(TokenRequest::options).unwrap_or_default()).collect()
}

/// Asks an az for a fresh token that does not see the one that is due in its private copy. Says whether there is one now.
///
/// # Errors
/// When the copy cannot be had.
pub(super) fn rotate_privately(
    wanted: &TokenKey,
    store: &CredentialStore<'_>,
    launch: Launch<'_>,
    now: i64,
) -> Result<bool> {
    let held = launch.begin()?.hold()?;
    let Some(text) = store.read_cache()? else { return Ok(false) };
    let due = wanted.due(&TokenCache::parse(&text)?, now, store.app.settings.window())?.unwrap_or_default();
    if due.is_empty() {
        return Ok(false);
    }
    let (exposed, outcome) = held.expose(&due)?;
    outcome?;
    let ended = exposed.run_within(RENEWAL_DEADLINE);
    let has_renewed = ended.az() == AzEnd::Succeeded;
    ended.settle(Forgetting::Never)?;
    Ok(has_renewed)
}

/// Asks an az for a fresh token in the place of the one that is due; the refresh tokens are exposed in place already, and
/// another az of the same run is going to settle that. Says whether there is one now.
///
/// # Errors
/// When the cache cannot be edited; the old token is in it.
pub(super) fn rotate_in_place(
    wanted: &TokenKey,
    store: &CredentialStore<'_>,
    launch: Launch<'_>,
    now: i64,
) -> Result<bool> {
    let (exposed, outcome) = launch.begin_beside()?.expose(&[])?;
    outcome?;
    let Some(aside) = set_aside(wanted, store, now)? else {
        exposed.abandon()?;
        return Ok(false);
    };
    let ended = exposed.run_within(RENEWAL_DEADLINE);
    let has_renewed = ended.az() == AzEnd::Succeeded;
    // Nothing is settled that could fail: the lease is given up.
    let _ = ended.settle(Forgetting::Never);
    if has_renewed {
        return Ok(true);
    }
    put_back(&aside, store)?;
    Ok(false)
}

/// An access token entry: its key and its raw value.
type Aside = Vec<(String, Secret)>;

fn set_aside(wanted: &TokenKey, store: &CredentialStore<'_>, now: i64) -> Result<Option<Aside>> {
    let section = store.lock_cache()?;
    if section.is_missing() {
        return Ok(None);
    }
    let cache = section.parse()?;
    let Some(keys) = wanted.due(&cache, now, store.app.settings.window())? else { return Ok(None) };
    let (aside, kept): (Vec<_>, Vec<_>) =
        cache.entries(Section::AccessToken)?.into_iter().partition(|entry| keys.iter().any(|key| key == entry.key));
    section.write(&cache.with_entries(Section::AccessToken, &kept))?;
    let secret = |entry: Entry<'_>| (entry.key.to_owned(), Secret::new(entry.value.as_bytes().to_vec()));
    Ok(Some(aside.into_iter().map(secret).collect()))
}

fn put_back(aside: &Aside, store: &CredentialStore<'_>) -> Result<()> {
    let section = store.lock_cache()?;
    if section.is_missing() {
        return Ok(());
    }
    let cache = section.parse()?;
    let mut entries = cache.entries(Section::AccessToken)?;
    let newer: Vec<&str> = entries.iter().map(|entry| entry.key).collect();
    let missing = aside.iter().filter(|(key, _)| !newer.contains(&key.as_str()));
    entries.extend(missing.map(|(key, value)| Entry { key, value: value.expose_text() }));
    section.write(&cache.with_entries(Section::AccessToken, &entries)).map(drop)
}
