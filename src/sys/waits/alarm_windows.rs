//! The bell that one thread rings and another waits for.

use std::fs::File;
use std::io;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::Woken;

/// A bell that rings once.
#[derive(Debug, Default)]
pub struct Alarm {
    has_rung: Mutex<bool>,
    bell: Condvar,
}

impl Alarm {
    /// One that has not rung.
    ///
    /// # Errors
    /// None here.
    pub fn new() -> io::Result<Self> {
        Ok(Self::default())
    }

    /// Rings.
    pub fn ring(&self) {
        *self.has_rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_all();
    }

    /// Waits for the alarm or for `time` to pass; no file has anything to tell here.
    #[must_use]
    pub fn wait(&self, time: Duration, _beside: Option<&File>) -> Woken {
        let has_rung = self.has_rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.bell.wait_timeout_while(has_rung, time, |has_rung| !*has_rung);
        if *waited.unwrap_or_else(PoisonError::into_inner).0 { Woken::Rung } else { Woken::Late }
    }
}
