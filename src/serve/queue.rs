//! Those who want a token for one resource, one after another: while the first asks the endpoint the others wait here, and find the token in the
//! cache when it is their turn. Who waited while it could not be had is told what the other was told, and does not ask once more.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::failure::{Failure, Result};

/// How many queues there are; two resources may have one together.
const QUEUES: usize = 16;

/// They.
#[derive(Debug, Default)]
pub(super) struct Queues([Mutex<Option<Refused>>; QUEUES]);

/// The last that was told in a queue that there is no token.
#[derive(Debug)]
struct Refused {
    at: Instant,
    resource: String,
    why: Failure,
}

impl Queues {
    /// Has `get` get the token for `resource` when it is its turn.
    ///
    /// # Errors
    /// Its own, or another's who was before it.
    pub(super) fn take_turn<T>(&self, resource: &str, get: impl FnOnce() -> Result<T>) -> Result<T> {
        let came = Instant::now();
        let mut hasher = DefaultHasher::new();
        resource.hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % QUEUES as u64).unwrap_or_default();
        let mut last = self.0[place].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(refused) = last.as_ref().filter(|refused| refused.at >= came && refused.resource == resource) {
            return Err(refused.why.clone());
        }
        let outcome = get();
        *last = outcome.as_ref().err().map(|why| Refused {
            at: Instant::now(),
            resource: resource.to_owned(),
            why: why.clone(),
        });
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::failure::Kind;

    #[test]
    fn who_waited_for_a_refusal_has_it_and_who_comes_later_asks_anew() {
        let (queues, asked) = (Queues::default(), AtomicUsize::new(0));
        let refuse = || {
            asked.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(200));
            Err::<(), _>(Failure::new(Kind::Refused, "no", "later"))
        };
        std::thread::scope(|scope| {
            let first = scope.spawn(|| queues.take_turn("a", refuse));
            while asked.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            let others: Vec<_> = (0..20).map(|_| scope.spawn(|| queues.take_turn("a", refuse))).collect();
            assert!(first.join().unwrap().is_err());
            assert!(others.into_iter().all(|other| other.join().unwrap().is_err()));
        });
        // One that came while nobody had been told yet, and was scheduled late, may have asked himself.
        assert!(asked.load(Ordering::SeqCst) <= 2, "{asked:?}");
        assert!(queues.take_turn("a", || Ok(())).is_ok());
    }
}
