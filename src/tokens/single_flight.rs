//! Single flight: of any number of processes that find the same token of one login due, in whichever of its config
//! directories, the holder of its rotation lock asks, and the others wait for the lock and find the fresh token. A holder
//! that is killed loses the lock to the next at once. One that hears nothing for some seconds has, of those who wait, one
//! beside him who asks once more, the holder of a second lock.
//!
//! An error is noted in the lock's file, and until its time is over nobody asks again with what was denied. That there was
//! no answer is noted before the request is sent, for a time that begins some seconds later: a caller whose patience is over
//! kills who asked, and the next is to know.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Kind, Result};
use crate::lock::{Lock, Mode};
use crate::private;
use crate::secret::fingerprint;
use crate::store::CredentialStore;
use crate::tokens::TokenKey;
use crate::tokens::budget::{Budget, Patience};
use crate::tokens::entra::{LONGEST_RETRY_AFTER, RETRY_AFTER_SILENCE};
use crate::wait;

/// How soon a lock is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(1);

/// After how many seconds without an answer the endpoint counts as silent, should nobody be there any more to say so.
const SILENT_AFTER: i64 = 5;

/// For how many seconds the real az is not asked to renew a token after it could not: it takes seconds to say so.
const RETRY_AFTER_AZ: i64 = 300;

/// Stands for whatever the real az redeems.
const BY_AZ: &str = "the real az's";

/// The right to renew one token: until it is dropped nobody else does, but for one more where the first hears nothing.
#[derive(Debug)]
pub struct Flight {
    /// What was denied is noted in the file of the first.
    lock: Lock,
    place: Place,
    /// The name of the first one's file.
    name: String,
}

/// Which of those it is who may ask at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    First,
    Second,
}

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
    /// Whether that is only for those who have a token and do not wait.
    #[serde(default)]
    is_for_the_hasty: bool,
    /// Whether the endpoint said that it does not do, which no time changes.
    #[serde(default)]
    is_refused: bool,
    /// When an az that was to hand the token out failed last, in seconds since the epoch.
    #[serde(default)]
    az_failed_at: i64,
}

impl Flight {
    /// Takes the right to renew the token `wanted`, as the second to do so where the first has had it for long.
    ///
    /// # Errors
    /// `Busy` when others have it for longer than the budget lasts, `Storage` when the lock cannot be made.
    pub(super) fn enter(store: &CredentialStore<'_>, wanted: &TokenKey, budget: &Budget) -> Result<Self> {
        Self::take(store, wanted, budget, Place::Second)
    }

    /// The same, as the first or not at all.
    ///
    /// # Errors
    /// As above.
    pub(super) fn enter_first(store: &CredentialStore<'_>, wanted: &TokenKey, budget: &Budget) -> Result<Self> {
        Self::take(store, wanted, budget, Place::First)
    }

    fn take(store: &CredentialStore<'_>, wanted: &TokenKey, budget: &Budget, last: Place) -> Result<Self> {
        let home_lock = &store.app.context.home_lock;
        let presence = home_lock.enter()?;
        private::make_dir(&directory(store))?;
        drop(presence);
        let first = lock_path(store, wanted);
        let mut second = first.clone().into_os_string();
        second.push("-2");
        let second = PathBuf::from(second);
        let attempt = || {
            if let Some(lock) = Lock::attempt(&first, Mode::Exclusive)? {
                return Ok(Some((lock, Place::First)));
            }
            match last == Place::Second && budget.is_late() {
                true => Ok(Lock::attempt(&second, Mode::Exclusive)?.map(|lock| (lock, Place::Second))),
                false => Ok(None),
            }
        };
        let held = || Failure::new(Kind::Busy, "others ask for this token, and hear nothing", "run the command again");
        let what = first.display();
        let (lock, place) = wait::for_lock(format_args!("`{what}`"), budget.left(), FIRST_PAUSE, attempt, held)?;
        // An uninstall waits for whoever has this lock, unless it was there while we waited.
        drop(home_lock.enter()?);
        let name = first.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { lock, place, name })
    }

    /// Whether another has the right too, and has had it for longer.
    pub(super) fn is_second(&self) -> bool {
        self.place == Place::Second
    }

    /// Whether another token of the same login is being renewed by somebody who was not refused all of these as well.
    pub(super) fn is_another_under_way(&self, store: &CredentialStore<'_>, refused: &[String]) -> bool {
        let beginning = format!("{}.rotate-", store.vault.login().id());
        let entries = std::fs::read_dir(directory(store)).into_iter().flatten().flatten();
        let others = entries.filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with(&beginning) && name.trim_end_matches("-2") != self.name
        });
        let was_refused = |path: &Path| {
            let last = File::open(path).map(BackOff::read).unwrap_or_default();
            last.is_refused && refused.contains(&last.source)
        };
        // Shared: who wants it finds it free all the same, a moment later.
        let is_held = |path: &Path| !matches!(Lock::attempt(path, Mode::Shared), Ok(Some(_)));
        others.into_iter().any(|entry| is_held(&entry.path()) && !was_refused(&entry.path()))
    }

    /// Whether what has this fingerprint was denied a moment ago, to somebody who would have waited as long.
    pub(super) fn backs_off(&self, source: &str, now: i64, patience: Patience) -> bool {
        match self.place {
            Place::First => BackOff::read(self.lock.as_file()).holds(source, now, patience),
            // What stands there is the first one's, who has heard nothing yet.
            Place::Second => false,
        }
    }

    /// Whether what was denied last was refused, which no time changes.
    pub(super) fn is_refused(&self) -> bool {
        BackOff::read(self.lock.as_file()).is_refused
    }

    /// Notes that it was denied, and for how many seconds nobody is to ask with it again.
    pub(super) fn back_off(&self, source: &str, now: i64, seconds: i64) {
        self.note(&BackOff::of(source, now, seconds));
    }

    /// Notes that it was refused: who has no token is az's to tell from now on, until there is something else to redeem.
    pub(super) fn back_off_from_refusal(&self, source: &str, now: i64, seconds: i64) {
        self.note(&BackOff { is_refused: true, ..BackOff::of(source, now, seconds) });
    }

    /// Notes that there was no answer for as long as `patience` was.
    pub(super) fn back_off_from_silence(&self, source: &str, now: i64, patience: Patience) {
        let is_for_the_hasty = patience == Patience::Second;
        self.note(&BackOff { is_for_the_hasty, ..BackOff::of(source, now, RETRY_AFTER_SILENCE) });
    }

    /// Notes the same before it is known: from a few seconds on it holds, unless it is taken back.
    pub(super) fn expect_silence(&self, source: &str, now: i64, patience: Patience) {
        if patience == Patience::AsForAz {
            self.back_off(source, now.saturating_add(SILENT_AFTER), RETRY_AFTER_SILENCE);
        }
    }

    /// Notes that nothing is denied.
    pub(super) fn clear(&self) {
        self.note(&BackOff::default());
    }

    /// Notes that the real az could not renew it.
    pub fn back_off_from_az(&self, now: i64) {
        self.back_off(BY_AZ, now, RETRY_AFTER_AZ);
    }

    /// Notes that an az which was to hand the token out has failed.
    pub(super) fn note_failed_az(&self, now: i64) {
        self.note(&BackOff { az_failed_at: now, ..BackOff::read(self.lock.as_file()) });
    }

    fn note(&self, back_off: &BackOff) {
        if self.place == Place::First {
            back_off.write(self.lock.as_file());
        }
    }
}

/// Whether the real az could not renew the token a moment ago.
pub(super) fn backs_off_from_az(store: &CredentialStore<'_>, wanted: &TokenKey) -> bool {
    last(store, wanted).holds(BY_AZ, store.app.context.now(), Patience::Second)
}

/// When an az that was to hand the token out failed last, in seconds since the epoch.
pub(super) fn az_failed_at(store: &CredentialStore<'_>, wanted: &TokenKey) -> i64 {
    last(store, wanted).az_failed_at
}

/// When the endpoint refused what has one of these fingerprints for this token, in seconds since the epoch, as long as that is
/// remembered.
pub(super) fn refused_at(store: &CredentialStore<'_>, wanted: &TokenKey, sources: &[String]) -> Option<i64> {
    let last = last(store, wanted);
    let is_ours = last.is_refused && sources.contains(&last.source);
    (is_ours && last.holds(&last.source, store.app.context.now(), Patience::AsForAz)).then_some(last.noted_at)
}

fn last(store: &CredentialStore<'_>, wanted: &TokenKey) -> BackOff {
    File::open(lock_path(store, wanted)).map(BackOff::read).unwrap_or_default()
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
        let retry_at = noted_at.saturating_add(seconds);
        Self { source: source.to_owned(), noted_at, retry_at, ..Self::default() }
    }

    /// Whether this is not to be redeemed yet. What was noted by a clock that was ahead means nothing, and neither does a
    /// time that is longer than any is.
    fn holds(&self, source: &str, now: i64, patience: Patience) -> bool {
        let retry_at = match patience {
            Patience::AsForAz if self.is_for_the_hasty => return false,
            Patience::AsForAz if self.is_refused => self.noted_at.saturating_add(LONGEST_RETRY_AFTER),
            _ => self.retry_at,
        };
        self.source == source
            && (self.noted_at..retry_at).contains(&now)
            && retry_at.saturating_sub(self.noted_at) <= LONGEST_RETRY_AFTER
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
        let note = |noted_at: i64, retry_at: i64| BackOff { retry_at, ..BackOff::of("a", noted_at, 0) };
        let holds = |noted_at: i64, retry_at: i64| note(noted_at, retry_at).holds("a", now, Patience::AsForAz);
        assert!(holds(now, now + 60) && holds(now - 59, now + 1) && holds(now - 1, now - 1 + LONGEST_RETRY_AFTER));
        assert!(!BackOff::of("a", now, 60).holds("b", now, Patience::Second));
        let hasty = BackOff { is_for_the_hasty: true, ..note(now, now + 60) };
        assert!(hasty.holds("a", now, Patience::Second) && !hasty.holds("a", now, Patience::AsForAz));
        let refused = BackOff { is_refused: true, ..note(now - 70, now - 10) };
        assert!(!refused.holds("a", now, Patience::Second) && refused.holds("a", now, Patience::AsForAz));
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
        assert!(!old.holds("a", now, Patience::Second));
    }
}
