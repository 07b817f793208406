//! The access tokens that a cache has, each as the command that got it asked for it; and how one is dropped, so that the next az
//! gets another. What is not understood is none of them, and stays.

use crate::azure::AZURE_CLI_CLIENT_ID;
use crate::azure::clouds::Cloud;
use crate::credentials::msal::{self, Section, TokenCache};
use crate::failure::Result;
use crate::store::CredentialStore;
use crate::tokens::token_key::Who;
use crate::tokens::{TokenKey, managed_identity};

/// The tokens of all accounts in `cloud`, in the order of the cache.
///
/// # Errors
/// `CacheForeign` when a section is not what it should be.
pub fn held(cache: &TokenCache<'_>, cloud: &Cloud) -> Result<Vec<TokenKey>> {
    let accounts = msal::accounts(cache)?;
    let environment = cloud.active_directory.host();
    let mut found: Vec<TokenKey> = Vec::new();
    for entry in cache.entries(Section::AccessToken)? {
        let Ok(token) = entry.access_token() else { continue };
        if token.environment != environment || token.has_ext_cache_key {
            continue;
        }
        let owner = entry.owner();
        let account = accounts.iter().find(|account| Some(&account.id) == owner.as_ref());
        let (who, username) = match (account, &token.home_account_id) {
            (Some(account), _) if token.client_id == AZURE_CLI_CLIENT_ID => (Who::Person, account.username.clone()),
            (None, None) if token.client_id != AZURE_CLI_CLIENT_ID => (Who::Application, token.client_id.to_string()),
            _ => continue,
        };
        // Resources are asked for by this one; the others that stand beside it are what the endpoint made of it.
        let mut scopes = token.target.split(' ');
        let scope = scopes.clone().find(|scope| scope.ends_with("/.default")).or_else(|| scopes.next());
        let key = TokenKey {
            who,
            username,
            tenant: token.realm.to_string(),
            authority: cloud.active_directory.clone(),
            environment: environment.to_owned(),
            scope: scope.unwrap_or_default().to_owned(),
        };
        if !found.contains(&key) {
            found.push(key);
        }
    }
    Ok(found)
}

/// The tokens that azward keeps of the managed identity that commands use in `cloud`, if one it is, in the order in which it got them.
#[must_use]
pub fn held_of_identity(store: &CredentialStore<'_>, cloud: &Cloud) -> Vec<TokenKey> {
    managed_identity::held(store, cloud)
}

/// Drops the tokens that would serve for `wanted`, and says how many there were.
///
/// # Errors
/// Whatever kept the cache from being read or written.
pub fn drop_held(store: &CredentialStore<'_>, wanted: &TokenKey) -> Result<usize> {
    if wanted.who == Who::ManagedIdentity {
        return managed_identity::drop_held(store, wanted).map(usize::from);
    }
    let section = store.lock_cache()?;
    let cache = section.parse()?;
    let Some(account) = wanted.account(&cache)? else { return Ok(0) };
    let serving = wanted.serving(&cache, &account)?;
    let entries = cache.entries(Section::AccessToken)?;
    let count = entries.len();
    let left: Vec<_> = entries.into_iter().filter(|entry| !serving.has(entry.key)).collect();
    let dropped = count - left.len();
    if dropped > 0 {
        section.write(&cache.with_entries(Section::AccessToken, &left))?;
    }
    Ok(dropped)
}
