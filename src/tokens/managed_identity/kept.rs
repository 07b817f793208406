//! The tokens of managed identities that a config directory has, sealed beside its vault (`vault::beside`): az keeps none, and so there
//! is nothing of them in the config directory. One is found by the identity, the tenant, the very endpoint that gave it and the scope.
//!
//! Whoever writes holds `run/<directory>.identities`. A file that cannot be opened is nothing, and to lose it costs a request. What is
//! older than the profile is nothing either: somebody may have signed out since.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::client::Granted;
use crate::failure::Result;
use crate::lock::{Lock, Mode};
use crate::private;
use crate::store::CredentialStore;
use crate::sys;
use crate::tokens::TokenKey;
use crate::tokens::access_token::CachedToken;
use crate::vault::Beside;

/// How many tokens are kept; those that were got first go first.
const MOST: usize = 64;

/// How long to wait for who writes.
const LOCK_DEADLINE: Duration = Duration::from_secs(1);

/// All that is kept.
#[derive(Default, Deserialize, Serialize)]
struct Kept<'a> {
    #[serde(borrow)]
    tokens: Vec<Token<'a>>,
}

/// One of them.
#[derive(Deserialize, Serialize)]
struct Token<'a> {
    #[serde(borrow)]
    identity: Cow<'a, str>,
    #[serde(borrow)]
    tenant: Cow<'a, str>,
    #[serde(borrow)]
    endpoint: Cow<'a, str>,
    #[serde(borrow)]
    scope: Cow<'a, str>,
    #[serde(borrow)]
    secret: &'a RawValue,
    expires_on: i64,
    cached_at: i64,
}

impl Token<'_> {
    fn is(&self, wanted: &TokenKey) -> bool {
        self.identity == wanted.username
            && self.tenant == wanted.tenant
            && self.endpoint == wanted.environment
            && self.scope == wanted.scope
    }
}

/// What is kept for the store's config directory.
pub(super) fn open(store: &CredentialStore<'_>) -> Option<Zeroizing<String>> {
    match store.are_identities_outdated() {
        true => None,
        false => store.vault.open_beside(Beside::ManagedIdentities, store.config_dir),
    }
}

/// The token for `wanted` in what is kept, whatever it has left.
pub(super) fn find<'a>(text: &'a str, wanted: &TokenKey) -> Option<CachedToken<'a>> {
    let kept: Kept<'a> = serde_json::from_str(text).ok()?;
    let token = kept.tokens.iter().find(|token| token.is(wanted))?;
    let secret = token.secret.get();
    let is_plain = secret.starts_with('"') && !secret.contains('\\');
    is_plain.then_some(CachedToken {
        secret,
        expires_on: token.expires_on,
        refresh_on: None,
        cached_at: token.cached_at,
    })
}

/// The scopes for which `identity` has something of `endpoint`, in the order in which they were got.
pub(super) fn scopes(text: &str, identity: &str, tenant: &str, endpoint: &str) -> Vec<String> {
    let kept: Kept<'_> = serde_json::from_str(text).unwrap_or_default();
    let own = |token: &&Token<'_>| token.identity == identity && token.tenant == tenant && token.endpoint == endpoint;
    kept.tokens.iter().filter(own).map(|token| token.scope.to_string()).collect()
}

/// How the profile looked, for [`keep`].
pub(super) fn look(store: &CredentialStore<'_>) -> Option<String> {
    sys::file_state(&store.config_dir.profile()).ok().map(|state| state.text)
}

/// Keeps what was granted for `wanted`; not where the profile looks otherwise by then than before it was asked for.
///
/// # Errors
/// `KeyUnavailable`, `Busy`, `Storage`; what was kept stays.
pub(super) fn keep(
    store: &CredentialStore<'_>,
    wanted: &TokenKey,
    granted: &Granted,
    look_before: Option<&str>,
    now: i64,
) -> Result<()> {
    let _lock = lock(store)?;
    let text = open(store).unwrap_or_default();
    store.vault.seal_beside(Beside::ManagedIdentities, store.config_dir, &with(&text, wanted, granted, now))?;
    // Who signed out meanwhile has looked before this was there.
    if look(store).as_deref() != look_before {
        store.vault.remove_beside(Beside::ManagedIdentities, store.config_dir)?;
    }
    Ok(())
}

/// Drops the token for `wanted`, and says whether there was one.
///
/// # Errors
/// As above.
pub(super) fn drop_one(store: &CredentialStore<'_>, wanted: &TokenKey) -> Result<bool> {
    let _lock = lock(store)?;
    let Some(text) = open(store) else { return Ok(false) };
    let mut kept: Kept<'_> = serde_json::from_str(&text).unwrap_or_default();
    let count = kept.tokens.len();
    kept.tokens.retain(|token| !token.is(wanted));
    if kept.tokens.len() == count {
        return Ok(false);
    }
    store.vault.seal_beside(Beside::ManagedIdentities, store.config_dir, &written(&kept))?;
    Ok(true)
}

fn lock(store: &CredentialStore<'_>) -> Result<Lock> {
    let context = &store.app.context;
    let _presence = context.home_lock.enter()?;
    let directory = context.azward_home.join("run");
    private::make_dir(&directory)?;
    let path = directory.join(format!("{}.identities", store.config_dir.id()));
    Lock::acquire(&path, Mode::Exclusive, LOCK_DEADLINE)
}

fn with(text: &str, wanted: &TokenKey, granted: &Granted, now: i64) -> Zeroizing<String> {
    let mut kept: Kept<'_> = serde_json::from_str(text).unwrap_or_default();
    kept.tokens.retain(|token| !token.is(wanted) && token.expires_on > now);
    if let Ok(secret) = serde_json::from_str(granted.secret.expose_text()) {
        kept.tokens.push(Token {
            identity: wanted.username.as_str().into(),
            tenant: wanted.tenant.as_str().into(),
            endpoint: wanted.environment.as_str().into(),
            scope: wanted.scope.as_str().into(),
            secret,
            expires_on: granted.expires_on,
            cached_at: now,
        });
    }
    kept.tokens.drain(..kept.tokens.len().saturating_sub(MOST));
    written(&kept)
}

fn written(kept: &Kept<'_>) -> Zeroizing<String> {
    Zeroizing::new(serde_json::to_string(kept).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use crate::tokens::Who;
    use crate::tokens::token_key::tests::sample;

    const NOW: i64 = 1_000_000;

    fn wanted() -> TokenKey {
        TokenKey { who: Who::ManagedIdentity, username: "MSI".into(), environment: "http://a".into(), ..sample() }
    }

    fn granted(secret: &str, expires_on: i64) -> Granted {
        Granted { secret: Secret::from_text(format!("\"{secret}\"")), expires_on }
    }

    #[test]
    fn a_token_is_found_by_all_that_it_is_of_and_replaced() {
        let text = with("", &wanted(), &granted("one", NOW + 9), NOW);
        let found = find(&text, &wanted()).unwrap();
        assert_eq!((found.secret, found.expires_on, found.cached_at), ("\"one\"", NOW + 9, NOW));
        for other in [
            TokenKey { username: "MSIClient-a".into(), ..wanted() },
            TokenKey { tenant: "other".into(), ..wanted() },
            TokenKey { environment: "http://b".into(), ..wanted() },
            TokenKey { scope: "https://other/.default".into(), ..wanted() },
        ] {
            assert!(find(&text, &other).is_none(), "{other:?}");
            let both = with(&text, &other, &granted("two", NOW + 9), NOW);
            assert_eq!(
                (find(&both, &wanted()).unwrap().secret, find(&both, &other).unwrap().secret),
                ("\"one\"", "\"two\"")
            );
        }
        let newer = with(&text, &wanted(), &granted("three", NOW + 99), NOW + 1);
        assert_eq!(find(&newer, &wanted()).unwrap().secret, "\"three\"");
        assert!(!newer.contains("one"));
    }

    #[test]
    fn what_has_expired_goes_and_so_do_the_oldest() {
        let other = TokenKey { scope: "https://other/.default".into(), ..wanted() };
        let text = with("", &other, &granted("old", NOW), NOW - 5);
        assert!(find(&with(&text, &wanted(), &granted("new", NOW + 9), NOW), &other).is_none());
        let mut text = Zeroizing::new(String::new());
        let numbered = |number: usize| TokenKey { scope: format!("https://{number}/.default"), ..wanted() };
        for number in 0..=MOST {
            text = with(&text, &numbered(number), &granted("t", NOW + 9), NOW);
        }
        assert!(find(&text, &numbered(0)).is_none() && find(&text, &numbered(1)).is_some());
    }

    #[test]
    fn what_is_not_understood_is_nothing() {
        for text in ["", "[]", "{\"tokens\": [[]]}", "{\"tokens\": 7}", "\u{0}"] {
            assert!(find(text, &wanted()).is_none(), "{text:?}");
            assert!(find(&with(text, &wanted(), &granted("t", NOW + 9), NOW), &wanted()).is_some(), "{text:?}");
        }
    }
}
