//! Keep alive: while a run lives (a deployment of two hours), its access token is renewed before it expires and put where
//! the running az finds it. A thread waits beside the run and ends with it; what it cannot renew az renews by itself, as
//! it always did.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::azure::access_token::{WINDOW, Wanted};
use crate::azure::token_cache::TokenCache;
use crate::run::rotate::{Rotated, Rotation};

/// How long to wait at the most before looking again: the token may be another by then, and a machine may have slept.
const LONGEST: Duration = Duration::from_secs(60);

/// How long to wait after a rotation that was denied.
const AFTER_DENIAL: Duration = Duration::from_secs(60);

/// Tells the thread that the run has ended.
#[derive(Debug, Default)]
pub struct End {
    has_come: Mutex<bool>,
    signal: Condvar,
}

impl End {
    /// The run has ended.
    pub fn come(&self) {
        *self.has_come.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.signal.notify_all();
    }

    /// Waits for the end, no longer than `time`, and says whether it has come.
    fn wait(&self, time: Duration) -> bool {
        let has_come = self.has_come.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.signal.wait_timeout_while(has_come, time, |has_come| !*has_come);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Renews `wanted` whenever it is due, until the end comes or the authority turns out to be the real az's to speak to.
pub fn keep_alive(rotation: &Rotation<'_>, wanted: &Wanted, end: &End) {
    let mut pause = until_due(rotation, wanted);
    while !end.wait(pause) {
        pause = until_due(rotation, wanted);
        if pause.is_zero() {
            pause = match rotation.rotate(wanted) {
                Rotated::Fresh => until_due(rotation, wanted).max(Duration::from_secs(1)),
                Rotated::Denied => AFTER_DENIAL,
                Rotated::LeftToAz => return,
            };
        }
    }
}

/// How long until the token is due; a token that is not there is az's to get.
fn until_due(rotation: &Rotation<'_>, wanted: &Wanted) -> Duration {
    let now = rotation.context.now();
    let left = || {
        let text = rotation.in_place.cache.read().ok()??;
        let cache = TokenCache::parse(&text).ok()?;
        let account = wanted.account(&cache).ok()??;
        let found = wanted.find(&cache, &account, now).ok()??;
        let due = found.refresh_on.map_or(found.expires_on - WINDOW, |time| time.min(found.expires_on - WINDOW));
        // The first second at which it counts as due.
        Some(u64::try_from(due + 1 - now).unwrap_or(0))
    };
    left().map_or(LONGEST, Duration::from_secs).min(LONGEST)
}
