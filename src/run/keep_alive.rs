//! What goes on beside a run, on a thread of its own, and ends with it. Keep alive: while the run lives (a deployment of two
//! hours), its access token is renewed before it expires and put where the running az finds it. In a private exposure,
//! what az stores goes into the vault at once, and what others renew comes to it. What fails here az does by itself, as it
//! always did, and the harvest at the end takes what was missed.

use std::time::{Duration, Instant};

use crate::credentials::msal::TokenCache;
use crate::credentials::origin::Origin;
use crate::run::exposure::Exposure;
use crate::secret::wipe_stack;
use crate::sys::{Alarm, Woken};
use crate::tokens::{Acquired, Renew, TokenKey, Tokens};

/// Tells the thread that the run has ended.
pub(super) type End = Alarm;

/// How long to wait at the most before looking again: the token may be another by then, and a machine may have slept.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long to wait at the least after a renewal.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// How long to wait after a renewal that was denied.
const PAUSE_AFTER_DENIAL: Duration = Duration::from_secs(60);

/// Keeps what a run needs up to date until its end comes.
pub(super) fn keep_alive(tokens: &Tokens<'_>, wanted: Option<&TokenKey>, exposure: &dyn Exposure, end: &End) {
    let mut wanted = wanted;
    let mut due = Instant::now() + if wanted.is_some() { Duration::ZERO } else { LONGEST_PAUSE };
    loop {
        match end.wait(due.saturating_duration_since(Instant::now()), exposure.watched()) {
            Woken::Rung => return,
            Woken::Readable => exposure.keep_together(tokens.store, Origin::Command(tokens.command)),
            Woken::Late => {
                let pause = match wanted.map(|wanted| keep_fresh(tokens, wanted)) {
                    None => LONGEST_PAUSE,
                    Some(Acquired::Cached(token)) => Duration::from_secs(token.due_in),
                    Some(Acquired::Fresh(token)) => Duration::from_secs(token.due_in).max(SHORTEST_PAUSE),
                    Some(Acquired::Denied(_)) => PAUSE_AFTER_DENIAL,
                    Some(Acquired::LeftToAz) => {
                        wanted = None;
                        LONGEST_PAUSE
                    }
                };
                due = Instant::now() + pause.min(LONGEST_PAUSE);
            }
        }
        wipe_stack();
    }
}

/// Renews the token if it is due. A cache that cannot be read at this moment is looked at again.
fn keep_fresh(tokens: &Tokens<'_>, wanted: &TokenKey) -> Acquired {
    let text = tokens.store.read_cache().ok().flatten().unwrap_or_default();
    match TokenCache::parse(&text) {
        Ok(cache) => tokens.acquire_from(&cache, wanted, Renew::IfDue),
        Err(_) => Acquired::Denied(None),
    }
}
