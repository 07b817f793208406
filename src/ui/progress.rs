//! What is being waited for, in one line at the bottom of a person's terminal, once the wait takes longer than a moment. It
//! makes room for whatever else is written and is gone when the wait is over. Where stderr is no terminal nothing is said.

use std::io::Write;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::look::Look;
use super::table;
use crate::sys;

/// How long something may take before it is named, and how long after something else was written it is named again.
const MOMENT: Duration = Duration::from_millis(500);

/// The terminal's last line: whether what is being waited for is on it. Whoever writes to the terminal has its lock.
#[derive(Clone, Debug, Default)]
pub(super) struct LastLine(Arc<Mutex<bool>>);

/// Names what is being waited for, for as long as this lives.
#[derive(Debug)]
#[must_use]
pub struct Progress {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// On the terminal that `look` is of, where there is one.
    pub(super) fn begin(line: &LastLine, look: Look, what: &str) -> Self {
        if !look.is_terminal {
            return Self { stop: None, thread: None };
        }
        let (stop, stopped) = mpsc::channel();
        // The last column stays free, so that no terminal begins a new line.
        let what = table::cut(&format!("azward: waiting for {what} …"), look.width.map(|width| width - 1));
        let line = line.clone();
        let show = move || match look.takes_escapes {
            true => line.show_until(&stopped, &what),
            false => line.tell_once(&stopped, &what),
        };
        // Without a thread nothing is said of it.
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(show).ok();
        Self { stop: Some(stop), thread }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl LastLine {
    /// Writes something else.
    pub(super) fn make_room<T>(&self, write: impl FnOnce() -> T) -> T {
        let mut is_shown = self.lock();
        erase(&mut is_shown);
        write()
    }

    fn show_until(&self, stopped: &Receiver<()>, what: &str) {
        while stopped.recv_timeout(MOMENT) == Err(RecvTimeoutError::Timeout) {
            let mut is_shown = self.lock();
            if !*is_shown && !sys::is_asking() {
                put(what);
                *is_shown = true;
            }
        }
        erase(&mut self.lock());
    }

    /// Where nothing can be taken back.
    fn tell_once(&self, stopped: &Receiver<()>, what: &str) {
        if stopped.recv_timeout(MOMENT) == Err(RecvTimeoutError::Timeout) {
            self.make_room(|| put(&format!("{what}\n")));
            let _ = stopped.recv();
        }
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn erase(is_shown: &mut bool) {
    if std::mem::take(is_shown) {
        put("\r\x1b[K");
    }
}

fn put(text: &str) {
    // A terminal that has gone away has nobody before it.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
