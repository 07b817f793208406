//! Whether a person has to sign in before az gets a token here, as far as a look at files tells: nobody is asked, at no endpoint
//! and at no keyring. A refusal is known for an hour after it was met. What is az's own affair (managed identities, an az that
//! keeps its tokens in a keyring) counts as signed in where the profile lists it. Nothing here fails.

use crate::app::App;
use crate::azure::clouds::Cloud;
use crate::azure::known_az::KnownAz;
use crate::azure::profile::{Profile, Subscription};
use crate::azure::real_az;
use crate::credentials::service_principals::{self, ServicePrincipals};
use crate::credentials::{CredentialFile, adal, msal};
use crate::failure::{Failure, Kind};
use crate::store::CredentialStore;
use crate::text;
use crate::tokens::single_flight::refused_at;
use crate::tokens::{TokenKey, source};
use crate::vault::{Contents, Record};

/// Why a person has to sign in, as [`Kind::SignInNeeded`]; `None` where nobody has to, and where that cannot be told: a vault
/// that could not be opened for the moment is `vault`'s failure and no lack of a login. `vault` is what the login's vault has,
/// or why it does not open.
#[must_use]
pub fn sign_in_needed(store: &CredentialStore<'_>, vault: std::result::Result<&Contents, &Failure>) -> Option<Failure> {
    let directory = || text::path(store.directory());
    let Some(subscription) = used(store) else {
        return Some(needed(format!("nobody is signed in in `{}`", directory())));
    };
    if !store.token_storage().is_file() {
        return None;
    }
    if subscription.user.is_application() {
        return application_needs(store, &subscription.user.name, vault);
    }
    if !subscription.user.is_person() {
        return None;
    }
    let user = &subscription.user.name;
    if store.brokered_users().iter().any(|brokered| brokered.eq_ignore_ascii_case(user)) {
        return None;
    }
    let contents = match vault {
        Ok(contents) => contents,
        Err(failure) if matches!(failure.kind, Kind::KeyLost | Kind::VaultDamaged) => &Contents::default(),
        Err(_) => return None,
    };
    // What is in the file is taken in by the next az, whosever it is.
    if store.exposed_tokens().is_ok_and(|count| count > 0) {
        return None;
    }
    let accounts = msal::vault_accounts(contents).unwrap_or_default();
    let ours = accounts.iter().filter(|account| account.username.eq_ignore_ascii_case(user));
    let held: Vec<String> = ours
        .filter_map(|account| msal::redeemable(contents, &account.id).ok().flatten())
        .map(|redeemable| redeemable.refresh_token.fingerprint())
        .collect();
    if held.is_empty() && has_adal_tokens(store, contents, user) {
        return None;
    }
    let user = text::name(user);
    if held.is_empty() {
        return Some(needed(format!("azward has no login of {user} for `{}`", directory())));
    }
    let wanted = TokenKey::for_resource_manager(&store.app.context, store.config_dir)?;
    refused_at(store, &wanted, &held).map(|_| needed(format!("the token endpoint refused the login of {user}")))
}

/// Why somebody has to sign the application in again.
fn application_needs(
    store: &CredentialStore<'_>,
    client_id: &str,
    vault: std::result::Result<&Contents, &Failure>,
) -> Option<Failure> {
    let contents = match vault {
        Ok(contents) => contents,
        Err(failure) if matches!(failure.kind, Kind::KeyLost | Kind::VaultDamaged) => &Contents::default(),
        Err(_) => return None,
    };
    let text = store.principals.read().ok()?.unwrap_or_default();
    let list = ServicePrincipals::parse(&text).ok()?;
    let own: Vec<_> = list.principals().filter(|own| own.client_id == client_id).collect();
    // A list that is lost comes back with the next az.
    let held: Vec<String> = match own.is_empty() {
        true => contents
            .records
            .iter()
            .filter(|record| service_principals::name_of(record).is_some_and(|name| name == client_id))
            .flat_map(|record| source::marks_of(contents, &record.id))
            .collect(),
        false if own.iter().any(|own| !own.is_bare()) => return None,
        false => own.iter().flat_map(|own| source::marks_of(contents, &own.id)).collect(),
    };
    if held.is_empty() && has_adal_tokens(store, contents, client_id) {
        return None;
    }
    let name = text::name(client_id);
    if held.is_empty() {
        return Some(needed(format!("azward has nothing that the application {name} signs in with")));
    }
    let wanted = TokenKey::for_resource_manager(&store.app.context, store.config_dir)?;
    refused_at(store, &wanted, &held)
        .map(|_| needed(format!("the token endpoint refused what the application {name} signs in with")))
}

/// Whether the az is one before 2.30, and what that signs `name` in with is in the vault: nobody but az redeems it.
fn has_adal_tokens(store: &CredentialStore<'_>, contents: &Contents, name: &str) -> bool {
    let App { context, settings, .. } = store.app;
    let is_of_them = |record: &Record| adal::file_of(record).is_some() && record.owner.home_account_id == name;
    let keeps_adal_tokens =
        || real_az::find(context, settings, &[]).is_ok_and(|path| KnownAz::at(context, &path).keeps_adal_tokens());
    contents.records.iter().any(is_of_them) && keeps_adal_tokens()
}

/// The subscription that commands use, or one of the active cloud's where they would have to be told which.
fn used(store: &CredentialStore<'_>) -> Option<Subscription> {
    let profile = Profile::read(&store.config_dir.profile());
    // A cloud that is not understood is az's to know.
    let cloud = Cloud::active(&store.app.context, store.config_dir).map(|cloud| cloud.name);
    let default = cloud.as_ref().and_then(|cloud| profile.default_subscription(cloud)).cloned();
    let mut all = profile.subscriptions.into_iter();
    default.or_else(|| all.find(|one| cloud.as_ref().is_none_or(|cloud| one.environment_name == *cloud)))
}

fn needed(what: String) -> Failure {
    Failure::new(Kind::SignInNeeded, what, "sign in with az, in that config directory")
}
