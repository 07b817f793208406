//! Rotation: an access token that is about to expire is renewed before the command runs. Here it is done by the real az,
//! for every authority that it knows: the old token is set aside, az is asked for a fresh one, and if it has none to give
//! the old one goes back, so that an unreachable endpoint costs nobody a token that is still good.
//!
//! One process at a time rotates one account's token for one tenant and scope; the others wait and find it done.

use std::collections::HashSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::azure::ConfigDir;
use crate::azure::cache_file::CacheFile;
use crate::azure::clouds::Cloud;
use crate::azure::msal_lock::MsalLock;
use crate::azure::profile::Profile;
use crate::azure::token_cache::{AccountId, Entry, Section, TokenCache};
use crate::context::Context;
use crate::failure::Result;
use crate::lock::{Lock, Mode};
use crate::run::edit;
use crate::secret::{Secret, fingerprint};
use crate::sys;

/// A token with less than this left, in seconds, is rotated.
pub const WINDOW: i64 = 20 * 60;

/// How long the real az may take for a fresh token before the old one has to do.
const DEADLINE: Duration = Duration::from_secs(8);

/// The client id of the Azure CLI (azure-cli-core 2.91.0, `auth/constants.py`).
pub const AZURE_CLI_CLIENT_ID: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";

/// Which token a command is going to use.
#[derive(Debug)]
pub struct Wanted {
    /// The account's user name.
    pub username: String,
    /// The tenant's id.
    pub tenant: String,
    /// The authority's host.
    pub environment: String,
    /// The scope.
    pub scope: String,
}

impl Wanted {
    /// The token of the active subscription's account and tenant for Resource Manager. `None` for whoever has no refresh
    /// token (a service principal, a managed identity, Cloud Shell), for an agent's session, and where the active cloud
    /// is not understood.
    #[must_use]
    pub fn for_resource_manager(context: &Context, config_dir: &ConfigDir) -> Option<Self> {
        if context.variable("COPILOT_AGENT_SESSION_ID").is_some() {
            return None;
        }
        let cloud = Cloud::active(context, config_dir)?;
        let profile = Profile::read(&config_dir.profile());
        let subscription = profile.default_subscription(&cloud.name).filter(|s| s.user.is_person())?;
        Some(Self {
            username: subscription.user.name.clone(),
            tenant: subscription.tenant_id.clone(),
            environment: cloud.environment()?,
            scope: cloud.resource_manager_scope(),
        })
    }

    /// The keys of the access tokens in `cache` that would serve, if the last of them to expire is due for rotation or has
    /// expired: runs that start together then find one fresh token instead of each asking for its own.
    ///
    /// # Errors
    /// `CacheForeign` when a section is not what it should be.
    pub fn due(&self, cache: &TokenCache<'_>, now: i64) -> Result<Option<HashSet<String>>> {
        let accounts: Vec<AccountId> = edit::accounts(cache)?
            .into_iter()
            .filter(|account| account.username.eq_ignore_ascii_case(&self.username))
            .map(|account| account.id)
            .collect();
        let mut keys = HashSet::new();
        let mut last = i64::MIN;
        for entry in cache.entries(Section::AccessToken)? {
            let token = entry.access_token()?;
            let serves = token.client_id == AZURE_CLI_CLIENT_ID
                && token.realm == self.tenant
                && token.account.environment == self.environment
                && accounts.contains(&token.account)
                && token.target.split(' ').any(|scope| scope == self.scope);
            if serves {
                last = last.max(token.expires_on.parse().unwrap_or(0));
                keys.insert(entry.key.to_owned());
            }
        }
        Ok((!keys.is_empty() && last - now < WINDOW).then_some(keys))
    }

    /// Takes the right to rotate this token: until it is dropped nobody else does.
    ///
    /// # Errors
    /// `Busy` when another process has it for longer than a rotation takes, `Storage` when the lock cannot be made.
    pub fn lock(&self, context: &Context, config_dir: &ConfigDir) -> Result<Lock> {
        let name = format!("{}\n{}\n{}\n{}", self.username, self.tenant, self.environment, self.scope);
        let directory = context.azward_home.join("run");
        sys::create_private_dir(&directory)
            .map_err(|error| crate::failure::Failure::storage("make", &directory, &error))?;
        let path = directory.join(format!("{}.rotate-{}", config_dir.id(), fingerprint(name.as_bytes())));
        Lock::acquire(&path, Mode::Exclusive, DEADLINE + Duration::from_secs(2))
    }
}

/// Whether the token that commands are about to use is due.
#[must_use]
pub fn is_due(wanted: &Wanted, cache: &CacheFile, now: i64) -> bool {
    let Ok(Some(text)) = cache.read() else { return false };
    TokenCache::parse(&text).and_then(|cache| wanted.due(&cache, now)).is_ok_and(|keys| keys.is_some())
}

/// Asks the real az for a fresh token in the place of the one that is due; the refresh tokens are exposed already.
/// Says whether there is one now.
///
/// # Errors
/// When the cache cannot be edited; the old token is in it.
pub fn through_az(wanted: &Wanted, cache: &CacheFile, now: i64, mut az: Command) -> Result<bool> {
    let Some(aside) = set_aside(wanted, cache, now)? else { return Ok(false) };
    az.args(["account", "get-access-token", "--output", "none", "--only-show-errors"]);
    az.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if succeeds(az) {
        return Ok(true);
    }
    put_back(&aside, cache)?;
    Ok(false)
}

/// An access token entry: its key and its raw value.
type Aside = Vec<(String, Secret)>;

/// How long to wait for MSAL's lock.
const LOCK_DEADLINE: Duration = Duration::from_secs(6);

fn set_aside(wanted: &Wanted, file: &CacheFile, now: i64) -> Result<Option<Aside>> {
    let _lock = MsalLock::acquire(file.path(), LOCK_DEADLINE)?;
    let Some(text) = file.read()? else { return Ok(None) };
    let cache = TokenCache::parse(&text)?;
    let Some(keys) = wanted.due(&cache, now)? else { return Ok(None) };
    let (aside, kept): (Vec<_>, Vec<_>) =
        cache.entries(Section::AccessToken)?.into_iter().partition(|entry| keys.contains(entry.key));
    file.replace(&cache.with_entries(Section::AccessToken, &kept))?;
    let secret = |entry: Entry<'_>| (entry.key.to_owned(), Secret::new(entry.value.as_bytes().to_vec()));
    Ok(Some(aside.into_iter().map(secret).collect()))
}

fn put_back(aside: &Aside, file: &CacheFile) -> Result<()> {
    let _lock = MsalLock::acquire(file.path(), LOCK_DEADLINE)?;
    let Some(text) = file.read()? else { return Ok(()) };
    let cache = TokenCache::parse(&text)?;
    let mut entries = cache.entries(Section::AccessToken)?;
    let newer: Vec<&str> = entries.iter().map(|entry| entry.key).collect();
    let missing = aside.iter().filter(|(key, _)| !newer.contains(&key.as_str()));
    entries.extend(missing.map(|(key, value)| Entry { key, value: value.expose_text() }));
    file.replace(&cache.with_entries(Section::AccessToken, &entries))
}

/// Runs to the end, within the deadline, unless a signal asks us to stop.
fn succeeds(mut az: Command) -> bool {
    let Ok(mut child) = az.spawn() else { return false };
    let end = Instant::now() + DEADLINE;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < end && sys::pending_signal().is_none() => {
                std::thread::sleep(Duration::from_millis(5));
            }
            _ => {
                sys::kill_child(&mut child);
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(expires_on: &[i64]) -> String {
        let tokens: Vec<String> = expires_on.iter().enumerate().map(|(place, time)| format!(
            "\"k{place}\": {{\"home_account_id\": \"h\", \"environment\": \"e\", \"client_id\": \"{AZURE_CLI_CLIENT_ID}\", \
             \"realm\": \"t\", \"target\": \"x/user_impersonation x//.default\", \"expires_on\": \"{time}\"}}")).collect();
        format!(
            "{{\"AccessToken\": {{{}}}, \"Account\": {{\"a\": {{\"home_account_id\": \"h\", \"environment\": \"e\", \
                 \"username\": \"Ann\"}}}}}}",
            tokens.join(", ")
        )
    }

    fn due(expires_on: &[i64], scope: &str) -> usize {
        let wanted =
            Wanted { username: "ann".into(), tenant: "t".into(), environment: "e".into(), scope: scope.into() };
        let text = cache(expires_on);
        wanted.due(&TokenCache::parse(&text).unwrap(), 1000).unwrap().map_or(0, |keys| keys.len())
    }

    #[test]
    fn the_window_opens_at_twenty_minutes() {
        let at = |left: i64| due(&[1000 + left], "x//.default");
        assert_eq!((at(1200), at(1199), at(-5)), (0, 1, 1));
    }

    #[test]
    fn only_the_very_scope_counts_and_a_second_token_that_lives_longer_serves() {
        assert_eq!(due(&[2000], "x/.default"), 0);
        assert_eq!(due(&[2000, 9000], "x//.default"), 0);
        assert_eq!(due(&[2000, 2100], "x//.default"), 2);
    }
}
