//! Waits that listen. Whoever waits here for others (a lock, an endpoint, a keyring, a person) stops as soon as the wait has
//! lost its point: a signal has arrived that no az is there to have, or the run has ended beside which it went on. What
//! needs no wait is done all the same, so that what was exposed is settled after a signal too; and what would be lost
//! otherwise is waited for a little longer ([`ExtraTime`]).
//!
//! Before a process takes signals (`sys::take_signals`) they end it as they always do, and nothing of this matters.

#![allow(clippy::missing_const_for_thread_local, reason = "it is const; clippy for Windows and macOS does not see it")]

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::failure::{Failure, Kind};
use crate::secret::wipe_stack;
use crate::sys;

/// How often to look for a signal while somebody else works: nobody feels it, and it costs nothing.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How often at least a lock is tried that others have.
pub(crate) const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// How long what is irreplaceable may wait after that: a refresh token just granted, that nobody else has.
const EXTRA: Duration = Duration::from_secs(3);

thread_local! {
    /// Until when this thread's waits go on although they have lost their point, and whether they do: see [`ExtraTime`].
    static EXTRA_TIME: Cell<Option<Option<Instant>>> = const { Cell::new(None) };
    /// What says that the run is over beside which this thread works.
    static RUN_HAS_ENDED: RefCell<Option<Arc<AtomicBool>>> = const { RefCell::new(None) };
}

/// Why nobody heard what came of some work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unheard {
    /// It took longer than its deadline.
    Late,
    /// It lost its point.
    Interrupted,
    /// It ended without a word: a panic, or no thread to do it on.
    Lost,
    /// Somebody else has done it.
    Overtaken,
}

/// Whether this thread's waits have lost their point.
#[must_use]
pub(crate) fn is_over() -> bool {
    let has_ended = |flag: &Arc<AtomicBool>| flag.load(Ordering::SeqCst);
    let is_over =
        sys::pending_signal().is_some() || RUN_HAS_ENDED.with_borrow(|flag| flag.as_ref().is_some_and(has_ended));
    match EXTRA_TIME.get() {
        Some(end) if is_over => {
            let now = Instant::now();
            let end = end.unwrap_or(now + EXTRA);
            EXTRA_TIME.set(Some(Some(end)));
            now >= end
        }
        _ => is_over,
    }
}

/// For as long as this lives, this thread's waits go on for a few seconds after they have lost their point: for what would
/// otherwise be lost.
#[derive(Debug)]
pub(crate) struct ExtraTime(());

impl ExtraTime {
    /// From here on.
    #[must_use]
    pub(crate) fn begin() -> Self {
        EXTRA_TIME.set(Some(None));
        Self(())
    }
}

impl Drop for ExtraTime {
    fn drop(&mut self) {
        EXTRA_TIME.set(None);
    }
}

/// Says of this thread that it works beside a run, which is over as soon as `has_ended` is set.
pub(crate) fn is_beside(has_ended: Arc<AtomicBool>) {
    RUN_HAS_ENDED.set(Some(has_ended));
}

/// Whether this thread works beside a run: the terminal is az's then, and nobody is asked anything there.
#[must_use]
pub(crate) fn is_terminal_az_s() -> bool {
    RUN_HAS_ENDED.with_borrow(Option::is_some)
}

/// The failure of a wait that lost its point. Nobody reads it but the journal: the process is about to end.
#[must_use]
pub(crate) fn interrupted(what: &str) -> Failure {
    Failure::new(Kind::Interrupted, format!("{what} was not waited for any longer: a signal came, or az ended"), HINT)
}

const HINT: &str = "nothing need be done; what was left is done by the guardian or the next command";

/// Tries to take `lock`, which others may have, until it is had: again after `pause`, then after twice as long each time,
/// and at least every [`LOCK_PAUSE`]. `held` is the failure when that takes longer than `deadline`.
///
/// # Errors
/// An attempt's; `held`'s; [`Kind::Interrupted`] when the wait loses its point.
pub(crate) fn for_lock<T>(
    lock: fmt::Arguments<'_>,
    deadline: Duration,
    mut pause: Duration,
    mut attempt: impl FnMut() -> Result<Option<T>, Failure>,
    held: impl FnOnce() -> Failure,
) -> Result<T, Failure> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(taken) = attempt()? {
            return Ok(taken);
        }
        if is_over() {
            return Err(interrupted(&lock.to_string()));
        }
        if Instant::now() >= end {
            return Err(held());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LOCK_PAUSE);
    }
}

/// Does `work` on a thread of its own, because it cannot be interrupted, and waits for it until `deadline`; for `grace` from
/// when the wait has lost its point, so that an answer on its way is not lost.
///
/// # Errors
/// [`Unheard`]; the work may still go on then.
pub(crate) fn for_work<T: Send + 'static>(
    name: &str,
    deadline: Duration,
    grace: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Unheard> {
    for_work_unless(name, deadline, grace, work, || false)
}

/// The same, for what somebody else may do meanwhile: `is_overtaken` is asked again and again.
///
/// # Errors
/// As above.
pub(crate) fn for_work_unless<T: Send + 'static>(
    name: &str,
    deadline: Duration,
    grace: Duration,
    work: impl FnOnce() -> T + Send + 'static,
    mut is_overtaken: impl FnMut() -> bool,
) -> Result<T, Unheard> {
    let (answer, answered) = mpsc::sync_channel(1);
    let on_thread = move || {
        // Nobody may be there any more to hear it.
        let _ = answer.send(work());
        wipe_stack();
    };
    if std::thread::Builder::new().name(name.to_owned()).spawn(on_thread).is_err() {
        return Err(Unheard::Lost);
    }
    let end = Instant::now() + deadline;
    let mut last = None;
    loop {
        let now = Instant::now();
        if last.is_none() && is_over() {
            last = Some(now + grace);
        }
        match answered.recv_timeout(LOOK_EVERY) {
            Ok(outcome) => return Ok(outcome),
            Err(RecvTimeoutError::Disconnected) => return Err(Unheard::Lost),
            Err(RecvTimeoutError::Timeout) if last.is_some_and(|last| now >= last) => return Err(Unheard::Interrupted),
            Err(RecvTimeoutError::Timeout) if last.is_none() && now >= end => return Err(Unheard::Late),
            Err(RecvTimeoutError::Timeout) if last.is_none() && is_overtaken() => return Err(Unheard::Overtaken),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_heard_or_said_to_be_late_or_lost() {
        let wait = |deadline, work: fn() -> u32| for_work("test", deadline, Duration::ZERO, work);
        assert_eq!(wait(Duration::from_secs(20), || 7), Ok(7));
        let slow = || {
            std::thread::sleep(Duration::from_secs(30));
            7
        };
        assert_eq!(wait(Duration::from_millis(20), slow), Err(Unheard::Late));
        assert_eq!(wait(Duration::from_secs(20), || panic!("on purpose")), Err(Unheard::Lost));
    }

    #[test]
    fn the_end_of_the_run_beside_it_ends_a_wait_and_no_other_thread_s() {
        let has_ended = Arc::new(AtomicBool::new(true));
        let beside = std::thread::spawn(move || {
            is_beside(has_ended);
            let slow = || std::thread::sleep(Duration::from_secs(30));
            (is_over(), for_work("test", Duration::from_secs(20), Duration::from_millis(30), slow))
        });
        assert_eq!(beside.join().unwrap(), (true, Err(Unheard::Interrupted)));
        assert!(!is_over());
    }

    #[test]
    fn what_would_be_lost_is_waited_for_a_little_longer() {
        let beside = std::thread::spawn(|| {
            is_beside(Arc::new(AtomicBool::new(true)));
            let extra_time = ExtraTime::begin();
            let meanwhile = is_over();
            std::thread::sleep(EXTRA + Duration::from_millis(10));
            let later = is_over();
            drop(extra_time);
            (meanwhile, later, is_over())
        });
        assert_eq!(beside.join().unwrap(), (false, true, true));
    }
}
