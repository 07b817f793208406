//! Rotation by the real az, for authorities that azward does not speak to itself (ADFS, verification switched off): the
//! token that is due is set aside, az is asked for a fresh one, and if it has none to give the old one goes back, so
//! that an unreachable endpoint costs nobody a token that is still good.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::azure::access_token::Wanted;
use crate::azure::cache_file::CacheFile;
use crate::azure::msal_lock::MsalLock;
use crate::azure::token_cache::{Entry, Section, TokenCache};
use crate::failure::Result;
use crate::secret::Secret;
use crate::sys;

/// How long the real az may take for a fresh token before the old one has to do.
const DEADLINE: Duration = Duration::from_secs(8);

/// Asks the real az for a fresh token in the place of the one that is due; the refresh tokens are exposed already.
/// Says whether there is one now.
///
/// # Errors
/// When the cache cannot be edited; the old token is in it.
pub fn rotate(wanted: &Wanted, cache: &CacheFile, now: i64, mut az: Command) -> Result<bool> {
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
        cache.entries(Section::AccessToken)?.into_iter().partition(|entry| keys.iter().any(|key| key == entry.key));
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
