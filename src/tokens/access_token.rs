//! Which access token a command is going to use, and where it is in the token cache: by the account, tenant and scope
//! string that az itself would look for (msal 1.39.0, `token_cache.py`, `search`; `application.py`,
//! `_acquire_token_silent_from_cache_and_possibly_refresh_it`). What is not understood is an error, and whoever asks then
//! leaves the matter to the real az.

use std::borrow::Cow;
use std::collections::HashSet;

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::azure::clouds::Cloud;
use crate::azure::profile::{Profile, Subscription};
use crate::azure::{AZURE_CLI_CLIENT_ID, ConfigDir, HttpsUrl, Owner};
use crate::context::Context;
use crate::credentials::msal::{Entry, Section, TokenCache};
use crate::failure::{Failure, Kind, Result};

/// A token with less than this left, in seconds, is rotated.
pub const WINDOW: i64 = 20 * 60;

/// How far, in seconds, the clocks of two machines that share a home may be apart.
const SKEW: i64 = 5 * 60;

/// A token with less than this left, in seconds, is of no use to az.
pub const USELESS: i64 = 5 * 60;

/// An access token as a command wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenKey {
    /// The account's user name.
    pub username: String,
    /// The tenant's id.
    pub tenant: String,
    /// The authority.
    pub authority: HttpsUrl,
    /// The authority's host, as the cache names it.
    pub environment: String,
    /// The scope, slash for slash.
    pub scope: String,
}

/// An access token found in the cache.
#[derive(Clone, Copy, Debug)]
pub struct CachedToken<'a> {
    /// The token, raw, with its quotes.
    pub secret: &'a str,
    /// When it expires, in seconds since the epoch.
    pub expires_on: i64,
    /// When it should be refreshed, if its issuer said so.
    pub refresh_on: Option<i64>,
    /// When it was stored; 0 where that is not told.
    pub cached_at: i64,
}

impl TokenKey {
    /// The token of the active subscription's account and tenant for Resource Manager. `None` for whoever has no refresh
    /// token (a service principal, a managed identity, Cloud Shell), for an agent's session, and where the active cloud
    /// is not understood.
    #[must_use]
    pub fn for_resource_manager(context: &Context, config_dir: &ConfigDir) -> Option<Self> {
        let cloud = Cloud::active(context, config_dir)?;
        let profile = Profile::read(&config_dir.profile());
        let subscription = profile.default_subscription(&cloud.name)?;
        Self::of(context, &cloud, subscription, None, cloud.resource_manager_scope()?)
    }

    /// The token of `subscription`'s user, for its own tenant or another. `None` as above, and for a tenant that is not
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
        let tenant = tenant.unwrap_or(&subscription.tenant_id).to_lowercase();
        if is_special || !subscription.user.is_person() || !is_guid(&tenant) {
            return None;
        }
        Some(Self {
            username: subscription.user.name.clone(),
            tenant,
            authority: cloud.active_directory.clone(),
            environment: cloud.active_directory.host().to_owned(),
            scope,
        })
    }

    /// The account that the token is of. `None` when the cache has none of that name, or two.
    ///
    /// # Errors
    /// `CacheForeign` when a section is not what it should be.
    pub fn account(&self, cache: &TokenCache<'_>) -> Result<Option<Owner>> {
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
        let serving = self.serving(cache, account)?;
        Ok(serving.into_iter().map(|(_, found)| found).find(|found| found.left(now) >= USELESS))
    }

    /// The keys of the tokens that would serve, if there are any and the last of them to expire is due for rotation, or
    /// has expired: runs that start together then find one fresh token instead of each asking for its own.
    ///
    /// # Errors
    /// `CacheForeign` when an entry is not what it should be.
    pub fn due(&self, cache: &TokenCache<'_>, now: i64) -> Result<Option<Vec<String>>> {
        let Some(account) = self.account(cache)? else { return Ok(None) };
        let serving = self.serving(cache, &account)?;
        let best = serving.iter().map(|(_, found)| *found).max_by_key(|found| found.expires_on);
        let is_due = best.is_some_and(|best| best.is_due(now));
        Ok(is_due.then(|| serving.iter().map(|(entry, _)| entry.key.to_owned()).collect()))
    }

    /// Every token that serves, whatever it has left: the one with the very scopes as MSAL's key first, then the others in
    /// the file's order. Entries are told by their keys, and those that say nothing of the scope are not read, so that a
    /// large cache need not be read through.
    fn serving<'a>(&self, cache: &TokenCache<'a>, account: &Owner) -> Result<Vec<(Entry<'a>, CachedToken<'a>)>> {
        let prefix = self.key_prefix(account);
        let scope = Finder::new(&self.scope);
        // What is escaped may say it in other letters.
        let may_serve = |value: &[u8]| scope.find(value).is_some() || memchr::memchr(b'\\', value).is_some();
        let mut serving = Vec::new();
        // Of a large cache nearly every one has that prefix.
        let mut keys = HashSet::new();
        for entry in cache.entries(Section::AccessToken)? {
            // One that is escaped may be another's equal.
            if entry.key.contains('\\') {
                return Err(foreign("the key of an access token is not a plain string"));
            }
            let Some(targets) = entry.key.strip_prefix(prefix.as_str()).map(|rest| rest.trim_end_matches('"')) else {
                continue;
            };
            // To MSAL only the last one is there.
            if !keys.insert(entry.key) {
                return Err(foreign("an access token stands twice"));
            }
            if !may_serve(entry.value.as_bytes()) {
                continue;
            }
            let token = entry.access_token()?;
            let serves = token.client_id == AZURE_CLI_CLIENT_ID
                && token.realm == self.tenant
                && token.home_account_id == account.home_account_id
                && token.environment == account.environment
                && !token.has_ext_cache_key
                && token.target.split(' ').any(|scope| scope == self.scope);
            if !serves {
                continue;
            }
            let found = token.found()?;
            if targets == self.scope.to_lowercase() {
                serving.insert(0, (entry, found));
            } else {
                serving.push((entry, found));
            }
        }
        Ok(serving)
    }

    /// The beginning of the keys that MSAL gives to this account's and tenant's tokens, raw.
    fn key_prefix(&self, account: &Owner) -> String {
        let Owner { home_account_id, environment } = account;
        format!("\"{home_account_id}-{environment}-accesstoken-{AZURE_CLI_CLIENT_ID}-{}-", self.tenant).to_lowercase()
    }
}

impl CachedToken<'_> {
    /// How many seconds are left.
    fn left(&self, now: i64) -> i64 {
        self.expires_on.saturating_sub(now)
    }

    /// Whether the token is to be rotated: it expires within [`WINDOW`], or its issuer wants it refreshed by now, or it was
    /// stored by a clock that was ahead, so that its times mean nothing.
    #[must_use]
    pub fn is_due(&self, now: i64) -> bool {
        self.left(now) < WINDOW
            || self.refresh_on.is_some_and(|time| time < now)
            || self.cached_at > now.saturating_add(SKEW)
    }
}

/// The fields of an access token entry, borrowed: there may be a thousand of them. Times are decimal strings in the file.
#[derive(Debug, Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    secret: &'a serde_json::value::RawValue,
    #[serde(borrow)]
    home_account_id: Cow<'a, str>,
    #[serde(borrow)]
    environment: Cow<'a, str>,
    #[serde(borrow)]
    client_id: Cow<'a, str>,
    #[serde(borrow)]
    realm: Cow<'a, str>,
    #[serde(borrow)]
    target: Cow<'a, str>,
    #[serde(borrow)]
    expires_on: Cow<'a, str>,
    #[serde(default)]
    refresh_on: Option<String>,
    #[serde(default)]
    cached_at: Option<String>,
    #[serde(default, rename = "ext_cache_key", deserialize_with = "is_there")]
    has_ext_cache_key: bool,
}

/// Whether a field is there, be it null.
fn is_there<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl<'a> Fields<'a> {
    fn found(&self) -> Result<CachedToken<'a>> {
        let secret = self.secret.get();
        if !secret.starts_with('"') || secret.contains('\\') {
            return Err(foreign("an access token is not a plain string"));
        }
        let number = |text: &str| text.parse::<i64>().map_err(|_| foreign("an access token's time is not a number"));
        Ok(CachedToken {
            secret,
            expires_on: number(&self.expires_on)?,
            refresh_on: self.refresh_on.as_deref().map(number).transpose()?,
            // MSAL does not look at it.
            cached_at: self.cached_at.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0),
        })
    }
}

impl<'a> Entry<'a> {
    fn access_token(&self) -> Result<Fields<'a>> {
        let lacking = || foreign("an access token's entry lacks what every one has");
        // serde takes a list for a record.
        if !self.value.starts_with('{') {
            return Err(lacking());
        }
        serde_json::from_str(self.value).map_err(|_| lacking())
    }
}

fn foreign(what: &str) -> Failure {
    Failure::new(Kind::CacheForeign, format!("the token cache is not understood: {what}"), "the real az reads it")
}

/// Whether `text` is a tenant's id, in lower case.
fn is_guid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "aaaaaaaa-1111-4a4a-8a8a-aaaaaaaaaaaa";

    fn wanted(scope: &str) -> TokenKey {
        TokenKey {
            username: "ann".into(),
            tenant: TENANT.into(),
            authority: HttpsUrl::parse("https://e").unwrap(),
            environment: "e".into(),
            scope: scope.into(),
        }
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
        wanted(scope).due(&TokenCache::parse(&text).unwrap(), 1000).unwrap().map_or(0, |keys| keys.len())
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
    fn a_list_is_no_entry() {
        let list = "[\"s\", \"h\", \"e\", \"c\", \"r\", \"t\", \"9\", null, null]";
        let record = "{\"secret\": \"s\", \"home_account_id\": \"h\", \"environment\": \"e\", \"client_id\": \"c\", \
                      \"realm\": \"r\", \"target\": \"t\", \"expires_on\": \"9\"}";
        assert!(Entry { key: "\"k\"", value: record }.access_token().is_ok());
        assert!(Entry { key: "\"k\"", value: list }.access_token().is_err());
    }

    #[test]
    fn two_accounts_with_one_name_are_none() {
        let two = "{\"Account\": {\"a\": {\"home_account_id\": \"h\", \"environment\": \"e\", \"username\": \"ann\"}, \
                   \"b\": {\"home_account_id\": \"i\", \"environment\": \"e\", \"username\": \"ANN\"}}}";
        assert!(wanted("x").account(&TokenCache::parse(two).unwrap()).unwrap().is_none());
    }

    #[test]
    fn a_domain_name_is_no_id() {
        assert!(is_guid(TENANT) && !is_guid("contoso.onmicrosoft.com") && !is_guid("organizations"));
    }
}
