//! The bell that one thread rings and another waits for, beside changes of files and moments in time.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsRawFd;
use std::sync::Mutex;
use std::time::Duration;

use super::{Watch, Woken};
use crate::sys::child::retry;

/// A bell that rings once.
#[derive(Debug)]
pub struct Alarm {
    reader: PipeReader,
    /// Closed when it rings.
    writer: Mutex<Option<PipeWriter>>,
}

impl Alarm {
    /// One that has not rung.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        Ok(Self { reader, writer: Mutex::new(Some(writer)) })
    }

    /// Rings.
    pub fn ring(&self) {
        self.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    }

    /// Waits for the alarm, for a change, or for `time` to pass.
    #[must_use]
    pub fn wait(&self, time: Duration, watch: Option<&Watch>) -> Woken {
        let polled = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // A negative descriptor is passed over.
        let mut both = [polled(self.reader.as_raw_fd()), polled(watch.map_or(-1, |watch| watch.as_file().as_raw_fd()))];
        let milliseconds = i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the pointer is to two live locals.
        let _ = retry(|| unsafe { libc::poll(both.as_mut_ptr(), 2, milliseconds) });
        match both.map(|polled| polled.revents != 0) {
            [true, _] => Woken::Rung,
            [_, true] => Woken::Changed,
            _ => Woken::Late,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rings_once_for_all() {
        let alarm = Alarm::new().unwrap();
        assert_eq!(alarm.wait(Duration::from_millis(1), None), Woken::Late);
        alarm.ring();
        assert_eq!(alarm.wait(Duration::from_secs(60), None), Woken::Rung);
        assert_eq!(alarm.wait(Duration::from_secs(60), None), Woken::Rung);
    }
}
