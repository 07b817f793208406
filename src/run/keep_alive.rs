//! What goes on beside a run, on a thread of its own, and ends with it. Keep alive: while the run lives (a deployment of two
//! hours), its access token is renewed before it expires and put where the running az finds it. In a private exposure,
//! what az stores goes into the vault at once, and what others renew comes to it. What fails here az does by itself, as it
//! always did, and the harvest at the end takes what was missed.

use std::time::{Duration, Instant};

use crate::credentials::CredentialFile;
use crate::credentials::msal::TokenCache;
use crate::credentials::origin::Origin;
use crate::run::exposure::private::PrivateCopy;
use crate::secret::wipe_stack;
use crate::sys::{Alarm, Woken};
use crate::tokens::access_token::{CachedToken, TokenKey, WINDOW};
use crate::tokens::rotate::{Rotated, Rotation};

/// Tells the thread that the run has ended.
pub type End = Alarm;

/// How long to wait at the most before looking again: the token may be another by then, and a machine may have slept.
const LONGEST: Duration = Duration::from_secs(60);

/// How long to wait after a rotation that was denied.
const AFTER_DENIAL: Duration = Duration::from_secs(60);

/// Keeps what a run needs up to date until its end comes.
pub fn keep_alive(rotation: &Rotation<'_>, wanted: Option<&TokenKey>, copy: Option<&PrivateCopy>, end: &End) {
    let watch = copy.and_then(|copy| copy.watch.as_ref());
    let mut wanted = wanted;
    let mut due = Instant::now() + wanted.map_or(LONGEST, |wanted| until_due(rotation, wanted));
    loop {
        wipe_stack();
        match end.wait(due.saturating_duration_since(Instant::now()), watch) {
            Woken::Rung => return,
            Woken::Changed => {
                if let Some((watch, copy)) = watch.zip(copy) {
                    watch.drain();
                    // What is stored here is told as well, and finds nothing left to do; to forget it would be to forget
                    // what az stores at the same moment.
                    keep_together(rotation, copy);
                }
            }
            Woken::Late => {
                let pause = wanted.map_or(LONGEST, |wanted| until_due(rotation, wanted));
                let pause = match wanted.filter(|_| pause.is_zero()).map(|wanted| (wanted, rotation.rotate(wanted))) {
                    None => pause,
                    Some((wanted, Rotated::Fresh)) => until_due(rotation, wanted).max(Duration::from_secs(1)),
                    Some((_, Rotated::Denied)) => AFTER_DENIAL,
                    Some((_, Rotated::LeftToAz)) => {
                        wanted = None;
                        LONGEST
                    }
                };
                due = Instant::now() + pause;
            }
        }
    }
}

/// Brings the vault and the run's copy up to date with one another; what fails now is done at the run's end.
fn keep_together(rotation: &Rotation<'_>, copy: &PrivateCopy) {
    let store = rotation.store;
    let outcome =
        store.harvest_living(copy, Origin::Command(rotation.command)).and_then(|()| store.refresh_living(copy));
    // A copy that az is writing at this moment is not whole; the next change tells of it again.
    let _ = outcome;
}

/// How long until the token is due; a token that is not there is az's to get.
fn until_due(rotation: &Rotation<'_>, wanted: &TokenKey) -> Duration {
    let now = rotation.store.app.context.now();
    let left = || {
        let text = rotation.store.cache.read().ok()??;
        let cache = TokenCache::parse(&text).ok()?;
        let account = wanted.account(&cache).ok()??;
        let found = wanted.find(&cache, &account, now).ok()??;
        Some(seconds_until_due(&found, now))
    };
    left().map_or(LONGEST, Duration::from_secs).min(LONGEST)
}

/// The seconds until the first at which a token counts as due. Its times are a file's, and may be any.
fn seconds_until_due(found: &CachedToken<'_>, now: i64) -> u64 {
    if found.is_due(now) {
        return 0;
    }
    let at_the_end = found.expires_on.saturating_sub(WINDOW);
    let due = found.refresh_on.map_or(at_the_end, |time| time.min(at_the_end));
    u64::try_from(due.saturating_add(1).saturating_sub(now)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_file_says_of_times_there_is_an_answer() {
        let now = 1_000_000;
        let until = |expires_on: i64, refresh_on: Option<i64>, cached_at: i64| {
            seconds_until_due(&CachedToken { secret: "", expires_on, refresh_on, cached_at }, now)
        };
        assert_eq!((until(now + 3600, None, now), until(now + 3600, Some(now + 5), now)), (2401, 6));
        for time in [i64::MIN, i64::MIN + 1, -1, 0, now, i64::MAX - 1, i64::MAX] {
            for other in [i64::MIN, 0, now, i64::MAX] {
                // Whatever it comes to, it comes to an end.
                until(time, Some(other), now);
                assert_eq!(until(now + 3600, Some(other), i64::MAX), 0, "cached in the future");
            }
        }
    }
}
