//! Single flight: of any number of processes that find the same token of one login due, in whichever of its config
//! directories, the holder of its rotation lock asks, and the others wait for the lock and find the fresh token. A holder
//! that is killed loses the lock to the next at once. An error is noted in the lock's file, and until its time is over
//! nobody asks again with what was denied.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failure::Result;
use crate::lock::{Lock, Mode};
use crate::private;
use crate::secret::fingerprint;
use crate::store::CredentialStore;
use crate::tokens::TokenKey;
use crate::tokens::entra::LONGEST_RETRY_AFTER;

/// How long to wait for another process's request: as long as one can take, and a little.
const LOCK_DEADLINE: Duration = Duration::from_millis(6500);

/// For how many seconds the real az is not asked to renew a token after it could not: it takes seconds to say so.
const RETRY_AFTER_AZ: i64 = 60;

/// Stands for whatever the real az redeems.
const BY_AZ: &str = "the real az's";

/// The right to renew one token: until it is dropped nobody else does.
#[derive(Debug)]
pub struct Flight(Lock);

/// What the rotation lock's file says of the last error.
#[derive(Debug, Default, Deserialize, Serialize)]
struct BackOff {
    /// The fingerprint of what was denied, or [`BY_AZ`].
    #[serde(rename = "refresh_token")]
    source: String,
    /// When that was, in seconds since the epoch.
    #[serde(default)]
    noted_at: i64,
    /// Until when nobody asks again, in seconds since the epoch.
    #[serde(rename = "quiet_until")]
    retry_at: i64,
}

impl Flight {
    /// Takes the right to renew the token `wanted`.
    ///
    /// # Errors
    /// `Busy` when another process has it for longer than a request takes, `Storage` when the lock cannot be made.
    pub(super) fn enter(store: &CredentialStore<'_>, wanted: &TokenKey) -> Result<Self> {
        let home_lock = &store.app.context.home_lock;
        let presence = home_lock.enter()?;
        private::make_dir(&directory(store))?;
        drop(presence);
        let lock = Lock::acquire(&lock_path(store, wanted), Mode::Exclusive, LOCK_DEADLINE)?;
        // An uninstall waits for whoever has this lock, unless it was there while we waited.
        drop(home_lock.enter()?);
        Ok(Self(lock))
    }

    /// Whether what has this fingerprint was denied a moment ago.
    pub(super) fn backs_off(&self, source: &str, now: i64) -> bool {
        BackOff::read(self.0.as_file()).holds(source, now)
    }

    /// Notes that it was denied, and for how many seconds nobody is to ask with it again.
    pub(super) fn back_off(&self, source: &str, now: i64, seconds: i64) {
        BackOff::of(source, now, seconds).write(self.0.as_file());
    }

    /// Notes that the real az could not renew it.
    pub fn back_off_from_az(&self, now: i64) {
        self.back_off(BY_AZ, now, RETRY_AFTER_AZ);
    }
}

/// Whether the real az could not renew the token a moment ago.
pub(super) fn backs_off_from_az(store: &CredentialStore<'_>, wanted: &TokenKey) -> bool {
    let last = File::open(lock_path(store, wanted)).map(BackOff::read).unwrap_or_default();
    last.holds(BY_AZ, store.app.context.now())
}

fn directory(store: &CredentialStore<'_>) -> PathBuf {
    store.app.context.azward_home.join("run")
}

fn lock_path(store: &CredentialStore<'_>, wanted: &TokenKey) -> PathBuf {
    let TokenKey { username, tenant, environment, scope, .. } = wanted;
    let name = format!("{}\n{tenant}\n{environment}\n{scope}", username.to_lowercase());
    directory(store).join(format!("{}.rotate-{}", store.vault.login().id(), fingerprint(name.as_bytes())))
}

impl BackOff {
    fn of(source: &str, noted_at: i64, seconds: i64) -> Self {
        Self { source: source.to_owned(), noted_at, retry_at: noted_at.saturating_add(seconds) }
    }

    /// Whether this is not to be redeemed yet. What was noted by a clock that was ahead means nothing, and neither does a
    /// time that is longer than any is.
    fn holds(&self, source: &str, now: i64) -> bool {
        self.source == source
            && (self.noted_at..self.retry_at).contains(&now)
            && self.retry_at.saturating_sub(self.noted_at) <= LONGEST_RETRY_AFTER
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
        let holds =
            |noted_at: i64, retry_at: i64| BackOff { source: "a".to_owned(), noted_at, retry_at }.holds("a", now);
        assert!(holds(now, now + 60) && holds(now - 59, now + 1) && holds(now - 1, now - 1 + LONGEST_RETRY_AFTER));
        assert!(!BackOff::of("a", now, 60).holds("b", now));
        for (noted_at, retry_at) in [
            (now - 60, now),
            // The clock was ahead, by a second, by a year, by all there is.
            (now + 1, now + 61),
            (now + 31_536_000, now + 31_536_060),
            (i64::MAX - 60, i64::MAX),
            // No error is that long, whatever its clock was.
            (now, now + LONGEST_RETRY_AFTER + 1),
            (now - 1, i64::MAX),
            (i64::MIN, i64::MAX),
        ] {
            assert!(!holds(noted_at, retry_at), "{noted_at} {retry_at}");
        }
        // As it was written before the time of the error was.
        let old: BackOff = serde_json::from_str("{\"refresh_token\":\"a\",\"quiet_until\":1000050}").unwrap();
        assert!(!old.holds("a", now));
    }
}
