//! The connections that are open, a thread each and never more than [`MOST`]; more than that wait where the system keeps them. Where there are
//! as many, the one that has been slow at asking for longest is hung up on, so that nobody who asks slowly keeps others away. Who asked, or is
//! about to, never is.

use std::collections::BTreeMap;
use std::net::Shutdown;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::desk::Desk;
use super::request::Request;
use crate::client::Stream;

/// How many are open at most.
const MOST: usize = 256;

/// How soon to look again whether one has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// They.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: Mutex<Open>,
    has_ended: Condvar,
}

#[derive(Debug, Default)]
struct Open {
    count: usize,
    next: u64,
    /// Those that are slow at asking, the oldest first.
    slow: BTreeMap<u64, Stream>,
}

impl Connections {
    /// Has whoever is at the other end of `stream` answered at `desk`. Returns when there is room for it.
    pub(super) fn take(self: &Arc<Self>, mut stream: Stream, desk: &Arc<Desk>) {
        let mut open = self.open();
        while open.count >= MOST {
            if let Some((_, slow)) = open.slow.pop_first() {
                slow.shut(Shutdown::Both);
            }
            open = self.has_ended.wait_timeout(open, LOOK_EVERY).unwrap_or_else(PoisonError::into_inner).0;
        }
        open.count += 1;
        let number = open.next;
        open.next += 1;
        drop(open);
        let (connections, desk) = (self.clone(), desk.clone());
        let answer = move || {
            let place = Place { connections, number };
            let request = Request::read(&mut stream, |stream| place.is_slow(stream));
            place.connections.open().slow.remove(&number);
            if let Some(response) = desk.answer(request, &stream) {
                response.send(&mut stream);
            }
        };
        if std::thread::Builder::new().name("serve".to_owned()).spawn(answer).is_err() {
            // The closure is gone, and the connection with it; its place was never taken.
            self.end(number);
        }
    }

    /// Waits until those that are being answered are, for `patience` at most. Who has not asked is not waited for.
    pub(super) fn close(&self, patience: Duration) {
        let end = Instant::now() + patience;
        let mut open = self.open();
        loop {
            let slow = std::mem::take(&mut open.slow);
            slow.values().for_each(|stream| stream.shut(Shutdown::Both));
            if open.count == 0 || Instant::now() >= end {
                return;
            }
            open = self.has_ended.wait_timeout(open, LOOK_EVERY).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn end(&self, number: u64) {
        let mut open = self.open();
        open.slow.remove(&number);
        open.count -= 1;
        self.has_ended.notify_all();
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection, free again when that has ended, however it does.
struct Place {
    connections: Arc<Connections>,
    number: u64,
}

impl Place {
    /// Notes that who is at the other end of `stream` takes his time.
    fn is_slow(&self, stream: &Stream) {
        if let Ok(other) = stream.duplicate() {
            self.connections.open().slow.insert(self.number, other);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.end(self.number);
    }
}
