//! Which access token a command is going to use, and where it is in the token cache: by the account, tenant and scope
//! string that az itself would look for (msal 1.39.0, `token_cache.py`, `search`; `application.py`,
//! `_acquire_token_silent_from_cache_and_possibly_refresh_it`). What is not understood is an error, and whoever asks then
//! leaves the matter to the real az.

use std::time::Duration;

use memchr::memmem::Finder;

use crate::azure::clouds::Cloud;
use crate::azure::command::TokenRequest;
use crate::azure::managed_identity::ManagedIdentity;
use crate::azure::profile::{Profile, Subscription};
use crate::azure::{AZURE_CLI_CLIENT_ID, ConfigDir, HttpsUrl, Owner};
use crate::context::Context;
use crate::credentials::msal::{Entry, Section, TokenCache};
use crate::failure::Result;
use crate::tokens::access_token::{CachedToken, USELESS, foreign};

/// From how many bytes on access tokens are looked through with all that the processor can.
const LARGE: usize = 256 * 1024;

/// Who a token is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A person, who signed in to the Azure CLI.
    Person,
    /// A service principal, which is a client itself.
    Application,
    /// What the machine is, of which no cache has anything (`managed_identity`).
    ManagedIdentity,
}

/// An access token as a command wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenKey {
    /// Who it is of.
    pub who: Who,
    /// The account's user name; an application's id; what az has for a managed identity's.
    pub username: String,
    /// The tenant's id.
    pub tenant: String,
    /// The authority.
    pub authority: HttpsUrl,
    /// The authority's host, as the cache names it; of a managed identity the endpoint that it is asked of.
    pub environment: String,
    /// The scope, slash for slash.
    pub scope: String,
}

/// Every token in a cache that would serve, whatever it has left, and the keys of their entries; in the order in which az
/// takes them.
#[derive(Debug)]
pub(super) struct Serving<'a>(Vec<(Entry<'a>, CachedToken<'a>)>);

impl TokenKey {
    /// The token of the active subscription's account and tenant for Resource Manager. `None` for a managed identity and Cloud
    /// Shell, of which the cache has nothing, for an agent's session, and where the active cloud is not understood.
    #[must_use]
    pub fn for_resource_manager(context: &Context, config_dir: &ConfigDir) -> Option<Self> {
        let cloud = Cloud::active(context, config_dir)?;
        let profile = Profile::read(&config_dir.profile());
        let subscription = profile.default_subscription(&cloud.name)?;
        let key = Self::of(context, &cloud, subscription, None, cloud.resource_manager_scope()?)?;
        (key.who != Who::ManagedIdentity).then_some(key)
    }

    /// The token that a `get-access-token` asks for, and the subscription whose user it is of. `None` for what only az can tell:
    /// Cloud Shell's, an agent's session's, a managed identity's where its endpoint is az's to ask.
    #[must_use]
    pub fn requested(
        context: &Context,
        config_dir: &ConfigDir,
        cloud: &Cloud,
        request: &TokenRequest,
    ) -> Option<(Self, Subscription)> {
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let (tenant, subscription) = (given(&request.tenant), given(&request.subscription));
        if tenant.is_some() && subscription.is_some() {
            return None;
        }
        let profile = Profile::read(&config_dir.profile());
        let subscription = profile.subscription(&cloud.name, subscription.as_deref())?.clone();
        let key = Self::of(context, cloud, &subscription, tenant.as_deref(), request.scope_in(cloud)?)?;
        Some((key, subscription))
    }

    /// The token of `subscription`'s user, for its own tenant or another. `None` as there, and for a tenant that is not
    /// given by its id: only the endpoint knows what a domain name stands for.
    #[must_use]
    pub fn of(
        context: &Context,
        cloud: &Cloud,
        subscription: &Subscription,
        tenant: Option<&str>,
        scope: String,
    ) -> Option<Self> {
        let is_special = ["COPILOT_AGENT_SESSION_ID", "ACC_CLOUD"].iter().any(|name| context.has_variable(name));
        // To an AD FS a tenant means nothing, and MSAL files its tokens under its own name (azure-cli-core 2.91.0,
        // `auth/identity.py`, `_get_authority_url`; msal 1.39.0, `authority.py`).
        let is_adfs = cloud.active_directory.path() == "/adfs";
        let given = tenant;
        let tenant = if is_adfs { "adfs" } else { tenant.unwrap_or(&subscription.tenant_id) };
        let user = &subscription.user;
        if ManagedIdentity::of(user).is_some() && !is_special && !is_adfs && is_guid(&subscription.tenant_id) {
            return Self::of_identity(context, &cloud.active_directory, subscription, given, scope);
        }
        let who = match tenant {
            _ if user.is_person() => Who::Person,
            // az looks it up in its list letter by letter.
            tenant if user.is_application() && is_guid(tenant) && is_guid(&user.name) => Who::Application,
            _ => return None,
        };
        let tenant = tenant.to_lowercase();
        if is_special || !(is_adfs || is_guid(&tenant)) {
            return None;
        }
        Some(Self {
            who,
            username: user.name.clone(),
            tenant,
            authority: cloud.active_directory.clone(),
            environment: cloud.active_directory.host().to_owned(),
            scope,
        })
    }

    /// The client that got the token.
    #[must_use]
    pub fn client_id(&self) -> &str {
        match self.who {
            Who::Person => AZURE_CLI_CLIENT_ID,
            Who::Application | Who::ManagedIdentity => &self.username,
        }
    }

    /// The account that the token is of. `None` when the cache has none of that name, or two. An application has none but itself,
    /// and none where no endpoint of that host has ever granted it a token.
    ///
    /// # Errors
    /// `CacheForeign` when a section is not what it should be.
    pub fn account(&self, cache: &TokenCache<'_>) -> Result<Option<Owner>> {
        if self.who == Who::ManagedIdentity {
            return Ok(None);
        }
        if self.who == Who::Application {
            let key = format!("\"appmetadata-{}-{}\"", self.environment, self.username);
            let is_known = cache.entries(Section::AppMetadata)?.iter().any(|entry| entry.key == key);
            let itself = Owner { home_account_id: String::new(), environment: self.environment.clone() };
            return Ok(is_known.then_some(itself));
        }
        let mut found: Option<Owner> = None;
        for entry in cache.entries(Section::Account)? {
            let account = entry.account()?;
            let is_ours =
                account.id.environment == self.environment && account.username.eq_ignore_ascii_case(&self.username);
            if is_ours && found.as_ref().is_some_and(|other| *other != account.id) {
                return Ok(None);
            }
            if is_ours {
                found = Some(account.id);
            }
        }
        Ok(found)
    }

    /// The first token that serves and has more than [`USELESS`] seconds left.
    ///
    /// # Errors
    /// `CacheForeign` when an entry is not what it should be.
    pub fn find<'a>(&self, cache: &TokenCache<'a>, account: &Owner, now: i64) -> Result<Option<CachedToken<'a>>> {
        Ok(self.serving(cache, account)?.first(now))
    }

    /// The keys of the tokens that would serve, if there are any and the last of them to expire is due for rotation (`window` before that), or
    /// has expired: runs that start together then find one fresh token instead of each asking for its own.
    ///
    /// # Errors
    /// `CacheForeign` when an entry is not what it should be.
    pub fn due(&self, cache: &TokenCache<'_>, now: i64, window: Duration) -> Result<Option<Vec<String>>> {
        let Some(account) = self.account(cache)? else { return Ok(None) };
        let serving = self.serving(cache, &account)?;
        Ok(serving.are_due(now, window).then(|| serving.0.iter().map(|(entry, _)| entry.key.to_owned()).collect()))
    }

    /// Every token that serves: the one with the very scopes as MSAL's key first, then the others in the file's order.
    /// Entries are told by their keys, and those that say nothing of the scope are not read, so that a
    /// large cache need not be read through.
    ///
    /// # Errors
    /// `CacheForeign` when an entry is not what it should be.
    pub(super) fn serving<'a>(&self, cache: &TokenCache<'a>, account: &Owner) -> Result<Serving<'a>> {
        let prefix = self.key_prefix(account);
        let entries = cache.entries(Section::AccessToken)?;
        let may_serve = self.filter(&entries);
        let mut serving = Vec::new();
        for entry in &entries {
            // One that is escaped may be another's equal.
            if entry.key.contains('\\') {
                return Err(foreign("the key of an access token is not a plain string"));
            }
            let Some(targets) = entry.key.strip_prefix(prefix.as_str()).map(|rest| rest.trim_end_matches('"')) else {
                continue;
            };
            if !may_serve(entry.value) {
                continue;
            }
            // To MSAL only the last one is there.
            if entries.iter().filter(|other| other.key == entry.key).count() > 1 {
                return Err(foreign("an access token stands twice"));
            }
            let token = entry.access_token()?;
            let home = (self.who == Who::Person).then_some(account.home_account_id.as_str());
            let serves = token.client_id == self.client_id()
                && token.realm == self.tenant
                && token.home_account_id.as_deref() == home
                && token.environment == account.environment
                && !token.has_ext_cache_key
                && token.target.split(' ').any(|scope| scope == self.scope);
            if !serves {
                continue;
            }
            let found = token.found()?;
            if targets == self.scope.to_lowercase() {
                serving.insert(0, (*entry, found));
            } else {
                serving.push((*entry, found));
            }
        }
        Ok(Serving(serving))
    }

    /// Tells, without reading it, an entry that may serve from one that says nothing of the scope. What is escaped may say it
    /// in other letters.
    fn filter<'s>(&'s self, entries: &[Entry<'_>]) -> Box<dyn Fn(&str) -> bool + 's> {
        // To ask the processor what it can, which a virtual machine answers slowly, pays for a large cache only.
        if entries.iter().map(|entry| entry.value.len()).sum::<usize>() < LARGE {
            // From behind: MSAL writes the scopes after the token, which is most of an entry.
            return Box::new(|value| value.rfind(self.scope.as_str()).is_some() || value.contains('\\'));
        }
        let scope = Finder::new(&self.scope);
        Box::new(move |value| {
            scope.find(value.as_bytes()).is_some() || memchr::memchr(b'\\', value.as_bytes()).is_some()
        })
    }

    /// The beginning of the keys that MSAL gives to this account's and tenant's tokens, raw.
    fn key_prefix(&self, account: &Owner) -> String {
        let Owner { home_account_id, environment } = account;
        let client_id = self.client_id();
        format!("\"{home_account_id}-{environment}-accesstoken-{client_id}-{}-", self.tenant).to_lowercase()
    }
}

impl<'a> Serving<'a> {
    /// The first that has more than [`USELESS`] seconds left.
    pub(super) fn first(&self, now: i64) -> Option<CachedToken<'a>> {
        self.0.iter().map(|(_, found)| *found).find(|found| found.left(now) >= USELESS)
    }

    /// Whether the entry with this key is one of them.
    pub(super) fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(entry, _)| entry.key == key)
    }

    /// The entry of the first that is not due.
    pub(super) fn fresh(&self, now: i64, window: Duration) -> Option<Entry<'a>> {
        self.0.iter().find(|(_, found)| !found.is_due(now, window)).map(|(entry, _)| *entry)
    }

    /// Whether there are any, and the last of them to expire is due or has expired.
    pub(super) fn are_due(&self, now: i64, window: Duration) -> bool {
        let last = self.0.iter().map(|(_, found)| *found).max_by_key(|found| found.expires_on);
        last.is_some_and(|last| last.is_due(now, window))
    }
}

/// Whether `text` is a tenant's id, in lower case.
fn is_guid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const TENANT: &str = "aaaaaaaa-1111-4a4a-8a8a-aaaaaaaaaaaa";

    /// A token that somebody wants.
    pub(in crate::tokens) fn sample() -> TokenKey {
        TokenKey {
            who: Who::Person,
            username: "u".into(),
            tenant: "t".into(),
            authority: HttpsUrl::parse("https://e").unwrap(),
            environment: "e".into(),
            scope: "s".into(),
        }
    }

    fn wanted(scope: &str) -> TokenKey {
        TokenKey { username: "ann".into(), tenant: TENANT.into(), scope: scope.into(), ..sample() }
    }

    /// A cache of one account and, for each pair, a token with that time of expiry and further fields.
    fn cache(tokens: &[(i64, &str)]) -> String {
        let tokens: Vec<String> = tokens
            .iter()
            .enumerate()
            .map(|(place, (time, more))| {
                format!(
                    "\"h-e-accesstoken-{AZURE_CLI_CLIENT_ID}-{TENANT}-x{place}\": {{\"secret\": \"s{place}\", \
                     \"home_account_id\": \"h\", \"environment\": \"e\", \"client_id\": \"{AZURE_CLI_CLIENT_ID}\", \
                     \"realm\": \"{TENANT}\", \"target\": \"x/user_impersonation x//.default\", \
                     \"expires_on\": \"{time}\"{more}}}"
                )
            })
            .collect();
        let account = "{\"home_account_id\": \"h\", \"environment\": \"e\", \"username\": \"Ann\"}";
        format!("{{\"AccessToken\": {{{}}}, \"Account\": {{\"a\": {account}}}}}", tokens.join(", "))
    }

    fn due(tokens: &[(i64, &str)], scope: &str) -> usize {
        let text = cache(tokens);
        wanted(scope)
            .due(&TokenCache::parse(&text).unwrap(), 1000, Duration::from_secs(1200))
            .unwrap()
            .map_or(0, |keys| keys.len())
    }

    fn found(tokens: &[(i64, &str)], scope: &str) -> Option<String> {
        let text = cache(tokens);
        let cache = TokenCache::parse(&text).unwrap();
        let wanted = wanted(scope);
        let account = wanted.account(&cache).unwrap().unwrap();
        wanted.find(&cache, &account, 1000).unwrap().map(|found| found.secret.to_owned())
    }

    #[test]
    fn the_window_opens_at_twenty_minutes_or_when_the_issuer_says_so() {
        let at = |left: i64, more: &str| due(&[(1000 + left, more)], "x//.default");
        assert_eq!((at(1200, ""), at(1199, ""), at(-5, "")), (0, 1, 1));
        assert_eq!((at(9000, ", \"refresh_on\": \"999\""), at(9000, ", \"refresh_on\": \"1001\"")), (1, 0));
        let cached = |time: &str| at(9000, &format!(", \"cached_at\": \"{time}\""));
        assert_eq!((cached("1000"), cached("1300"), cached("1301"), cached("9223372036854775807")), (0, 0, 1, 1));
        assert_eq!((cached("-9223372036854775808"), cached("soon")), (0, 0));
    }

    #[test]
    fn only_the_very_scope_counts_and_a_second_token_that_lives_longer_serves() {
        assert_eq!(due(&[(2000, "")], "x/.default"), 0);
        assert_eq!(due(&[(2000, ""), (9000, "")], "x//.default"), 0);
        assert_eq!(due(&[(2000, ""), (2100, "")], "x//.default"), 2);
    }

    #[test]
    fn the_first_with_five_minutes_left_is_found_and_an_agent_s_is_not() {
        assert_eq!(found(&[(1299, ""), (1300, "")], "x//.default").as_deref(), Some("\"s1\""));
        assert_eq!(found(&[(9000, ", \"ext_cache_key\": \"k\"")], "x//.default"), None);
        assert_eq!(found(&[(9000, ", \"ext_cache_key\": null")], "x//.default"), None);
        assert_eq!(found(&[(9000, "")], "x/.default"), None);
        assert_eq!(found(&[(i64::MIN, "")], "x//.default"), None);
    }

    #[test]
    fn a_token_that_stands_twice_is_not_guessed() {
        let text = cache(&[(9000, ""), (9000, "")]);
        let wanted = wanted("x//.default");
        for text in [text.replace("x1", "x0"), text.replace("-x1", "-\\u00780")] {
            let cache = TokenCache::parse(&text).unwrap();
            let account = wanted.account(&cache).unwrap().unwrap();
            assert!(wanted.find(&cache, &account, 1000).is_err(), "{text}");
        }
    }

    #[test]
    fn two_accounts_with_one_name_are_none() {
        let two = "{\"Account\": {\"a\": {\"home_account_id\": \"h\", \"environment\": \"e\", \"username\": \"ann\"}, \
                   \"b\": {\"home_account_id\": \"i\", \"environment\": \"e\", \"username\": \"ANN\"}}}";
        assert!(wanted("x").account(&TokenCache::parse(two).unwrap()).unwrap().is_none());
    }

    #[test]
    fn an_application_s_tokens_are_nobody_s_account_s() {
        let app = "5e41ce00-0000-4000-8000-000000000001";
        let token = |home: &str, more: &str| {
            format!(
                "\"-e-accesstoken-{app}-{TENANT}-x//.default\": {{\"secret\": \"s\", \"home_account_id\": {home}, \
                 \"environment\": \"e\", \"client_id\": \"{app}\", \"realm\": \"{TENANT}\", \"target\": \"x//.default\", \
                 \"expires_on\": \"9000\"{more}}}"
            )
        };
        let wanted = TokenKey { who: Who::Application, username: app.into(), ..wanted("x//.default") };
        let found = |token: &str, metadata: &str| {
            let text = format!(
                "{{\"AccessToken\": {{{token}}}, \"AppMetadata\": {{\"appmetadata-{metadata}-{app}\": {{}}}}}}"
            );
            let cache = TokenCache::parse(&text).unwrap();
            let account = wanted.account(&cache).unwrap()?;
            wanted.find(&cache, &account, 1000).unwrap().map(|found| found.expires_on)
        };
        assert_eq!(found(&token("null", ""), "e"), Some(9000));
        assert_eq!(found(&token("null", ""), "other"), None, "no endpoint of that host has granted it anything");
        assert_eq!(found(&token("\"\"", ""), "e"), None, "what MSAL would not take");
        assert_eq!(found(&token("null", ", \"ext_cache_key\": \"k\""), "e"), None);
    }

    #[test]
    fn a_domain_name_is_no_id() {
        assert!(is_guid(TENANT) && !is_guid("contoso.onmicrosoft.com") && !is_guid("organizations"));
    }
}
