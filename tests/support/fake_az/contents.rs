//! What the fake az puts into a cache and a profile: users whose ids are made of their names, with entries as MSAL has them.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::json::{Json, object};

pub(crate) const ARM_SCOPE: &str = "https://management.core.windows.net//.default";

const CLIENT: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
const ENVIRONMENT: &str = "login.microsoftonline.com";
/// The sections of which a logout leaves nothing that is the user's.
pub(crate) const OF_A_USER: [&str; 4] = ["AccessToken", "Account", "IdToken", "RefreshToken"];

pub(crate) const NO_TOKEN: &str = "Can't find token from MSAL cache.\nTo re-authenticate, please run:\naz login";

/// The ids of a user, made of the name.
pub(crate) struct Who {
    object: String,
    pub(crate) tenant: String,
    /// MSAL's home account id.
    pub(crate) home: String,
}

impl Who {
    pub(crate) fn named(user: &str) -> Self {
        let (object, tenant) = (guid(user), guid(user.rsplit('@').next().unwrap_or_default()));
        Self { home: format!("{object}.{tenant}"), object, tenant }
    }

    fn key(&self, kind: &str, end: &str) -> String {
        format!("{}-{ENVIRONMENT}-{kind}-{CLIENT}-{end}", self.home).to_lowercase()
    }
}

/// Adds what a login leaves in the cache.
pub(crate) fn add_login(document: &mut Json, who: &Who, user: &str) {
    let realm = "organizations";
    section(document, "Account").set(
        &format!("{}-{ENVIRONMENT}-{realm}", who.home),
        object([
            ("home_account_id", who.home.as_str().into()),
            ("environment", ENVIRONMENT.into()),
            ("realm", realm.into()),
            ("local_account_id", who.object.as_str().into()),
            ("username", user.into()),
            ("authority_type", "MSSTS".into()),
            ("account_source", "urn:ietf:params:oauth:grant-type:device_code".into()),
        ]),
    );
    section(document, "IdToken").set(
        &who.key("idtoken", &format!("{realm}-")),
        object([
            ("credential_type", "IdToken".into()),
            ("secret", "eyJ0eXAiOiJKV1QifQ.e30.x".into()),
            ("home_account_id", who.home.as_str().into()),
            ("environment", ENVIRONMENT.into()),
            ("realm", realm.into()),
            ("client_id", CLIENT.into()),
        ]),
    );
    section(document, "RefreshToken").set(
        &who.key("refreshtoken", &format!("-{ARM_SCOPE}")),
        object([
            ("credential_type", "RefreshToken".into()),
            ("secret", refresh_token().into()),
            ("home_account_id", who.home.as_str().into()),
            ("environment", ENVIRONMENT.into()),
            ("client_id", CLIENT.into()),
            ("target", ARM_SCOPE.into()),
            ("last_modification_time", now().to_string().into()),
            ("family_id", "1".into()),
        ]),
    );
    section(document, "AppMetadata").set(
        &format!("appmetadata-{ENVIRONMENT}-{CLIENT}"),
        object([("client_id", CLIENT.into()), ("environment", ENVIRONMENT.into()), ("family_id", "1".into())]),
    );
    add_access_token(document, who, ARM_SCOPE);
}

/// The subscription that a user has.
pub(crate) fn subscription_of(who: &Who, user: &str) -> Json {
    object([
        ("id", guid(&format!("subscription of {user}")).into()),
        ("name", format!("Subscription of {user}").into()),
        ("state", "Enabled".into()),
        ("user", object([("name", user.into()), ("type", "user".into())])),
        ("isDefault", true.into()),
        ("tenantId", who.tenant.as_str().into()),
        ("environmentName", "AzureCloud".into()),
        ("homeTenantId", who.tenant.as_str().into()),
        ("managedByTenants", Json::List(Vec::new())),
    ])
}

pub(crate) fn section<'a>(document: &'a mut Json, name: &str) -> &'a mut Json {
    if document.get(name).is_none() {
        document.set(name, Json::Object(Vec::new()));
    }
    document.get_mut(name).expect("it was just put there")
}

pub(crate) fn name_of_user(subscription: &Json) -> &str {
    subscription.get("user").map_or("", |user| user.text("name"))
}

pub(crate) fn own_refresh_token<'a>(document: &'a mut Json, who: &Who) -> Option<&'a mut Json> {
    let Json::Object(tokens) = section(document, "RefreshToken") else { return None };
    tokens.iter_mut().map(|(_, entry)| entry).find(|entry| entry.text("home_account_id") == who.home)
}

pub(crate) fn roll(document: &mut Json, who: &Who) -> Result<(), String> {
    let entry = own_refresh_token(document, who).ok_or(NO_TOKEN)?;
    let before: u64 = entry.text("last_modification_time").parse().unwrap_or(0);
    entry.set("secret", refresh_token());
    entry.set("last_modification_time", now().max(before + 1).to_string());
    Ok(())
}

pub(crate) fn add_access_token(document: &mut Json, who: &Who, scope: &str) {
    let lifetime = std::env::var("FAKE_AZ_LIFETIME").ok().and_then(|text| text.parse().ok()).unwrap_or(3600);
    let (issued, realm) = (now(), who.tenant.as_str());
    section(document, "AccessToken").set(
        &who.key("accesstoken", &format!("{realm}-{scope}")),
        object([
            ("credential_type", "AccessToken".into()),
            ("secret", format!("eyJ0eXAiOiJKV1QifQ.e30.fake-{issued}-{}", std::process::id()).into()),
            ("home_account_id", who.home.as_str().into()),
            ("environment", ENVIRONMENT.into()),
            ("client_id", CLIENT.into()),
            ("target", scope.into()),
            ("realm", realm.into()),
            ("token_type", "Bearer".into()),
            ("cached_at", issued.to_string().into()),
            ("expires_on", (issued + lifetime).to_string().into()),
            ("extended_expires_on", (issued + lifetime).to_string().into()),
        ]),
    );
}

/// A refresh token of the usual size, with the canary near its start and its end, unlike any before.
fn refresh_token() -> String {
    // Written backwards, so that this program's own file does not hold the canary.
    let canary: String = "NEKOTHSERFERYRANAC".chars().rev().collect();
    let unique = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    format!("1.AFAKE.{canary}-{unique}-{}-{}{canary}_end", std::process::id(), "x".repeat(1400))
}

fn guid(of: &str) -> String {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    let hash = hasher.finish();
    format!("{:08x}-{:04x}-4fff-8fff-{:012x}", hash >> 32, hash & 0xffff, hash & 0xffff_ffff_ffff)
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
