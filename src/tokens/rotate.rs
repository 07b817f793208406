//! Rotation: an access token that is due is renewed before the command runs, by one request of our own; the refresh token
//! goes from the vault to the endpoint and never touches a file.
//!
//! Single flight: of any number of processes that find the same token due, the holder of its rotation lock asks, and the
//! others wait for the lock and find the fresh token. A holder that is killed loses the lock to the next at once. An error
//! is noted in the lock's file, and until its time is over nobody asks again with the same refresh token. Whatever goes
//! wrong, the old token stays where it is.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::azure::command::Group;
use crate::credentials::edit::Redeemable;
use crate::credentials::msal::TokenCache;
use crate::failure::{Kind, Result};
use crate::journal::{Action, Event};
use crate::lock::{Lock, Mode};
use crate::private;
use crate::secret::fingerprint;
use crate::store::CredentialStore;
use crate::sys;
use crate::tokens::access_token::TokenKey;
use crate::tokens::entra::{Client, Granted, LONGEST_QUIET, Manner, Reason, RefreshRequest, TokenError};
use crate::tokens::renewal::Renewal;
use crate::wait::{self, Unheard};

/// How long to wait for another process's request: as long as one can take, and a little.
const PATIENCE: Duration = Duration::from_millis(6500);

/// How long to wait for the endpoint at the most: longer than the client does.
const LONGEST: Duration = Duration::from_secs(10);

/// How long an answer may take that was on its way when a signal came: a refresh token in it may be the only one.
const GRACE: Duration = Duration::from_secs(2);

/// How many refresh tokens are tried for one rotation.
const ATTEMPTS: usize = 4;

/// What became of a rotation.
#[derive(Debug, PartialEq, Eq)]
pub enum Rotated {
    /// There is a fresh token in the cache, by us or by somebody else.
    Fresh,
    /// There is none, and no reason to ask another way.
    Denied,
    /// This authority, or this environment, is the real az's to speak to.
    LeftToAz,
}

/// Renews tokens of one config directory.
#[derive(Debug)]
pub struct Rotation<'a> {
    /// Its cache and vault.
    pub store: &'a CredentialStore<'a>,
    /// The real az, whose trust and way to the endpoint are ours.
    pub real_az: &'a Path,
    /// The command that it is for.
    pub command: &'a Group,
}

/// What the rotation lock's file says of the last error.
#[derive(Debug, Default, Deserialize, Serialize)]
struct LastError {
    /// The fingerprint of the refresh token that was denied, or [`THROUGH_AZ`].
    refresh_token: String,
    /// When that was, in seconds since the epoch.
    #[serde(default)]
    noted_at: i64,
    /// Until when nobody asks again, in seconds since the epoch.
    quiet_until: i64,
}

/// Stands for whichever refresh token the real az redeems.
const THROUGH_AZ: &str = "the real az's";

/// For how many seconds the real az is not asked to renew a token after it could not: it takes seconds to say so.
const QUIET_AFTER_AZ: i64 = 60;

impl Rotation<'_> {
    /// Renews the token `wanted`, if it is still due or missing when it is our turn.
    pub fn rotate(&self, wanted: &TokenKey) -> Rotated {
        let renewal = Renewal { context: &self.store.app.context, real_az: self.real_az };
        let Ok(manner) = renewal.manner(&wanted.authority) else { return self.left_to_az(wanted) };
        let began = Instant::now();
        match self.rotate_with(wanted, &manner) {
            Ok(None) => Rotated::Fresh,
            Ok(Some((rotated, outcome))) => {
                if rotated == Rotated::LeftToAz {
                    renewal.remember(&wanted.authority, &manner, &outcome);
                }
                self.note(wanted, outcome, began);
                rotated
            }
            Err(failure) if failure.kind == Kind::Interrupted => Rotated::Denied,
            Err(failure) => {
                self.note(wanted, failure.what, began);
                Rotated::Denied
            }
        }
    }

    /// The real az renews it, unless it could not a moment ago.
    fn left_to_az(&self, wanted: &TokenKey) -> Rotated {
        let file = File::open(self.lock_path(wanted));
        let last = file.map(LastError::read).unwrap_or_default();
        match last.holds(THROUGH_AZ, self.store.app.context.now()) {
            true => Rotated::Denied,
            false => Rotated::LeftToAz,
        }
    }

    /// Notes that the real az could not renew it. The caller holds the [`lock`](Self::lock).
    pub fn note_az_s_failure(&self, wanted: &TokenKey) {
        if let Ok(file) = private::open(&self.lock_path(wanted)) {
            LastError::of(THROUGH_AZ, self.store.app.context.now(), QUIET_AFTER_AZ).write(&file);
        }
    }

    /// Takes the right to rotate this token: until it is dropped nobody else does.
    ///
    /// # Errors
    /// `Busy` when another process has it for longer than a rotation takes, `Storage` when the lock cannot be made.
    pub fn lock(&self, wanted: &TokenKey) -> Result<Lock> {
        let presence = self.store.app.context.home_lock.enter()?;
        private::make_dir(&self.directory())?;
        drop(presence);
        let lock = Lock::acquire(&self.lock_path(wanted), Mode::Exclusive, PATIENCE)?;
        // An uninstall waits for whoever has this lock, unless it was there while we waited.
        drop(self.store.app.context.home_lock.enter()?);
        Ok(lock)
    }

    fn directory(&self) -> PathBuf {
        self.store.app.context.azward_home.join("run")
    }

    fn lock_path(&self, wanted: &TokenKey) -> PathBuf {
        let TokenKey { username, tenant, environment, scope, .. } = wanted;
        let name = format!("{}\n{tenant}\n{environment}\n{scope}", username.to_lowercase());
        self.directory().join(format!("{}.rotate-{}", self.store.config_dir.id(), fingerprint(name.as_bytes())))
    }

    /// `None` when somebody else did it while we waited, else what became of our own request.
    fn rotate_with(&self, wanted: &TokenKey, manner: &Manner) -> Result<Option<(Rotated, String)>> {
        let denied = |outcome: &str| Ok(Some((Rotated::Denied, outcome.to_owned())));
        self.store.prepare_vault()?;
        let lock = self.lock(wanted)?;
        if !self.is_needed(wanted)? && !self.store.has_rivals(wanted) {
            return Ok(None);
        }
        let Some(mut redeemable) = self.store.redeemables(wanted)?.into_iter().next() else {
            return denied("the vault has no refresh token for this account");
        };
        let last = LastError::read(lock.as_file());
        if last.holds(&redeemable.refresh_token.fingerprint(), self.store.app.context.now()) {
            return denied("not asked: the same request was denied a moment ago");
        }
        let client = match Client::of(&self.store.app.context, manner) {
            Ok(client) => Arc::new(client),
            Err(token_error) => return Ok(Some((Rotated::LeftToAz, token_error.what))),
        };
        let mut refused = Vec::new();
        loop {
            let TokenError { what, quiet_for, reason } = match redeem(&client, wanted, &redeemable)? {
                Ok(granted) => {
                    self.store.store_granted(wanted, &redeemable, &granted)?;
                    return Ok(Some((Rotated::Fresh, "renewed".to_owned())));
                }
                Err(TokenError { what, reason: Reason::LeftToAz, .. }) => return Ok(Some((Rotated::LeftToAz, what))),
                Err(token_error) => token_error,
            };
            // Where a refresh token is good for one use, a rotation for another scope may have spent this one meanwhile; and
            // where it is not known which of several is the newest, it may be another.
            refused.push(redeemable.refresh_token.fingerprint());
            let current = if reason == Reason::Refusal { self.store.redeemables(wanted)? } else { Vec::new() };
            let preferred = current.first().map(|first| first.refresh_token.fingerprint());
            let mut others = current.into_iter().filter(|one| !refused.contains(&one.refresh_token.fingerprint()));
            if refused.len() < ATTEMPTS
                && let Some(other) = others.next()
            {
                redeemable = other;
                continue;
            }
            let refresh_token = preferred.unwrap_or_else(|| refused.swap_remove(0));
            LastError::of(&refresh_token, self.store.app.context.now(), quiet_for).write(lock.as_file());
            return denied(&what);
        }
    }

    /// Notes a rotation in the journal.
    pub fn note(&self, wanted: &TokenKey, outcome: String, began: Instant) {
        let mut event = Event::new(self.store.app.context.now(), Action::Rotation, outcome);
        event.command = Some(self.command.to_string());
        event.account = Some(wanted.username.clone());
        event.tenant = Some(wanted.tenant.clone());
        event.scope = Some(wanted.scope.clone());
        event.milliseconds = u64::try_from(began.elapsed().as_millis()).ok();
        event.caller = sys::process_name(sys::parent_id());
        self.store.app.journal.record(&event);
    }

    /// Whether the cache has no token that serves and is not due.
    fn is_needed(&self, wanted: &TokenKey) -> Result<bool> {
        let text = self.store.read_settled()?;
        let cache = TokenCache::parse(&text)?;
        let now = self.store.app.context.now();
        let Some(account) = wanted.account(&cache)? else { return Ok(true) };
        Ok(wanted.find(&cache, &account, now)?.is_none_or(|found| found.is_due(now)))
    }
}

/// Asks the endpoint, on a thread that a signal does not interrupt. From here on signals do not end this process: whoever
/// called asks for them when it is over.
///
/// # Errors
/// `Interrupted` when a signal came and no answer soon after it.
fn redeem(
    client: &Arc<Client>,
    wanted: &TokenKey,
    redeemable: &Redeemable,
) -> Result<std::result::Result<Granted, TokenError>> {
    sys::take_signals();
    let (client, wanted) = (Arc::clone(client), wanted.clone());
    let account = redeemable.account.clone();
    // A copy for the thread, which may outlive its caller's wait.
    let refresh_token = redeemable.refresh_token.duplicate();
    let ask = move || {
        client.redeem(&RefreshRequest {
            wanted: &wanted,
            home_account_id: &account.home_account_id,
            environment: &account.environment,
            refresh_token: &refresh_token,
            declares_cp1: client.declares_cp1(),
        })
    };
    match wait::for_work("rotation", LONGEST, GRACE, ask) {
        Ok(answer) => Ok(answer),
        Err(Unheard::Interrupted) => Err(wait::interrupted("the token endpoint")),
        Err(_) => Ok(Err(TokenError::unreachable("the endpoint could not be asked".to_owned()))),
    }
}

impl LastError {
    fn of(refresh_token: &str, noted_at: i64, quiet_for: i64) -> Self {
        Self { refresh_token: refresh_token.to_owned(), noted_at, quiet_until: noted_at.saturating_add(quiet_for) }
    }

    /// Whether this refresh token is not to be redeemed yet. What was noted by a clock that was ahead means nothing, and
    /// neither does a quiet that is longer than there is any.
    fn holds(&self, refresh_token: &str, now: i64) -> bool {
        self.refresh_token == refresh_token
            && (self.noted_at..self.quiet_until).contains(&now)
            && self.quiet_until.saturating_sub(self.noted_at) <= LONGEST_QUIET
    }

    fn read(mut file: impl Read + Seek) -> Self {
        let mut text = String::new();
        // A file that cannot be read denies nothing.
        let _ = file.rewind().and_then(|()| file.take(1024).read_to_string(&mut text));
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn write(&self, mut file: &File) {
        let text = serde_json::to_vec(self).unwrap_or_default();
        // A note that cannot be written costs a request more, no more.
        let _ = file.rewind().and_then(|()| file.write_all(&text)).and_then(|()| file.set_len(text.len() as u64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_holds_for_its_token_and_its_time_and_never_from_the_future() {
        let now = 1_000_000;
        let holds = |noted_at: i64, quiet_until: i64| {
            LastError { refresh_token: "a".to_owned(), noted_at, quiet_until }.holds("a", now)
        };
        assert!(holds(now, now + 60) && holds(now - 59, now + 1) && holds(now - 1, now - 1 + LONGEST_QUIET));
        assert!(!LastError::of("a", now, 60).holds("b", now));
        for (noted_at, quiet_until) in [
            (now - 60, now),
            // The clock was ahead, by a second, by a year, by all there is.
            (now + 1, now + 61),
            (now + 31_536_000, now + 31_536_060),
            (i64::MAX - 60, i64::MAX),
            // No error is that long, whatever its clock was.
            (now, now + LONGEST_QUIET + 1),
            (now - 1, i64::MAX),
            (i64::MIN, i64::MAX),
        ] {
            assert!(!holds(noted_at, quiet_until), "{noted_at} {quiet_until}");
        }
        // As it was written before the time of the error was.
        let old: LastError = serde_json::from_str("{\"refresh_token\":\"a\",\"quiet_until\":1000050}").unwrap();
        assert!(!old.holds("a", now));
    }
}
