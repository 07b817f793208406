//! What Leapp keeps of its Azure integrations: in the OS keyring, under its own name, a profile, an account and a refresh token
//! each, as JSON (Leapp 0.26, `azure-persistence-service.ts`, `setAzureSecrets`). They are read and copied; nothing of Leapp's is
//! changed. What is not understood is no integration, and a refresh token goes from there into the vault and touches no file.

#[cfg_attr(target_os = "linux", path = "secret_service.rs")]
#[cfg_attr(not(target_os = "linux"), path = "elsewhere.rs")]
mod keyring;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::NamedLogin;
use super::directory::write_whole_profile;
use crate::app::App;
use crate::failure::{Failure, Kind, Result};
use crate::secret::Secret;
use crate::store::CredentialStore;

/// Leapp's name in the keyring.
const SERVICE: &str = "Leapp";

/// What its entries of integrations are called, before the integration's id.
const PROFILE: &str = "azure-integration-profile-";
const ACCOUNT: &str = "azure-integration-account-";
const REFRESH_TOKEN: &str = "azure-integration-refresh-token-";

/// One integration.
#[derive(Debug)]
pub struct Integration {
    /// Leapp's id of it.
    pub id: String,
    /// Who is signed in.
    pub user: String,
    /// The subscriptions' names.
    pub subscriptions: Vec<String>,
    profile: Secret,
    account: Secret,
    refresh_token: Secret,
}

/// A profile, as far as it is shown.
#[derive(Deserialize)]
struct Profile {
    subscriptions: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Account<'a> {
    #[serde(borrow)]
    username: Cow<'a, str>,
}

impl Integration {
    fn of(id: &str, profile: Secret, account: Secret, refresh_token: Secret) -> Option<Self> {
        let Profile { subscriptions } = serde_json::from_slice(profile.expose()).ok()?;
        let (_, entry) = entry_of(&account)?;
        let Account { username } = serde_json::from_str(entry.get()).ok()?;
        entry_of(&refresh_token)?;
        Some(Self {
            id: id.to_owned(),
            user: username.into_owned(),
            subscriptions: subscriptions.into_iter().map(|named| named.name).collect(),
            profile,
            account,
            refresh_token,
        })
    }

    /// A token cache with what it has.
    fn token_cache(&self) -> Option<Zeroizing<String>> {
        let (account_key, account) = entry_of(&self.account)?;
        let (token_key, token) = entry_of(&self.refresh_token)?;
        let sections = format!(
            "{{\"AccessToken\": {{}}, \"Account\": {{{account_key}: {account}}}, \"IdToken\": {{}}, \
             \"RefreshToken\": {{{token_key}: {token}}}, \"AppMetadata\": {{}}}}"
        );
        Some(Zeroizing::new(sections))
    }
}

/// The key and the value of one entry of MSAL's, raw: Leapp keeps it as a list of the two.
fn entry_of(secret: &Secret) -> Option<(&RawValue, &RawValue)> {
    let (key, value): (&RawValue, &RawValue) = serde_json::from_slice(secret.expose()).ok()?;
    (key.get().starts_with('"') && value.get().starts_with('{')).then_some((key, value))
}

/// The integrations that the keyring has, and that are signed in.
///
/// # Errors
/// `KeyUnavailable` where the keyring does not answer or is locked, `Usage` where it cannot be searched.
pub fn integrations() -> Result<Vec<Integration>> {
    let mut entries = keyring::entries(SERVICE)?;
    let ids: Vec<String> =
        entries.iter().filter_map(|(name, _)| name.strip_prefix(REFRESH_TOKEN)).map(str::to_owned).collect();
    let mut take = |name: String| {
        let place = entries.iter().position(|(other, _)| *other == name)?;
        Some(entries.swap_remove(place).1)
    };
    let mut found = Vec::new();
    for id in ids {
        let parts =
            (take(format!("{PROFILE}{id}")), take(format!("{ACCOUNT}{id}")), take(format!("{REFRESH_TOKEN}{id}")));
        if let (Some(profile), Some(account), Some(refresh_token)) = parts {
            found.extend(Integration::of(&id, profile, account, refresh_token));
        }
    }
    found.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(found)
}

/// Makes `login` of an integration: its refresh token is in the vault, its profile and its account in the login's directory.
///
/// # Errors
/// `Usage` for a login that is there already, `CacheForeign` for an entry that is none of MSAL's, and whatever keeps the vault
/// from being written.
pub fn adopt(app: &App, login: &NamedLogin, integration: &Integration) -> Result<()> {
    if login.is_there() {
        return Err(Failure::new(
            Kind::Usage,
            format!("there is a login `{}` already", login.name),
            "choose another name, or sign that one out first",
        ));
    }
    let cache = integration.token_cache().ok_or_else(|| {
        Failure::new(Kind::CacheForeign, "what Leapp keeps is none of MSAL's entries", "sign in with az instead")
    })?;
    login.make(&app.context, None)?;
    let store = CredentialStore::new(app, &login.config_dir);
    let adopted =
        store.import(&cache).and_then(|()| write_whole_profile(&login.config_dir, integration.profile.expose()));
    if adopted.is_err() {
        // What is in the vault by then is forgotten with the directory's login, by whoever names it.
        let _ = std::fs::remove_dir_all(login.config_dir.path());
    }
    adopted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::from_text(text.to_owned())
    }

    #[test]
    fn an_integration_is_a_token_cache_and_what_is_torn_is_none() {
        let profile = "{\"installationId\": \"i\", \"subscriptions\": [{\"name\": \"One\"}]}";
        let account = "[\"h-e-r\", {\"home_account_id\": \"h\", \"username\": \"ann@x\"}]";
        let token = "[\"h-e-refreshtoken\", {\"secret\": \"s\"}]";
        let whole = Integration::of("1", secret(profile), secret(account), secret(token)).unwrap();
        assert_eq!((whole.user.as_str(), &whole.subscriptions[..]), ("ann@x", &["One".to_owned()][..]));
        let cache: serde_json::Value = serde_json::from_str(&whole.token_cache().unwrap()).unwrap();
        assert_eq!(cache["RefreshToken"]["h-e-refreshtoken"]["secret"], "s");
        assert!(!format!("{whole:?}").contains("\"s\""));
        for (profile, account, token) in [
            ("null", account, token),
            (profile, "null", token),
            (profile, "[\"k\"]", token),
            (profile, account, "null"),
            (profile, account, "[1, {}]"),
            (profile, account, "[\"k\", \"v\"]"),
            (profile, account, ""),
        ] {
            assert!(Integration::of("1", secret(profile), secret(account), secret(token)).is_none(), "{token}");
        }
    }
}
