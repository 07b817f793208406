//! The bell that one thread rings and another waits for, beside what a file has to tell and moments in time.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter};
use std::sync::Mutex;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;

use super::Woken;

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

    /// Waits for the alarm, for something to read in `beside`, or for `time` to pass.
    #[must_use]
    pub fn wait(&self, time: Duration, beside: Option<&File>) -> Woken {
        let mut polled = vec![PollFd::new(&self.reader, PollFlags::IN)];
        polled.extend(beside.map(|file| PollFd::new(file, PollFlags::IN)));
        // More than any system's poll takes would be an error, and as good as for ever.
        let time = Timespec::try_from(time.min(Duration::from_millis(i32::MAX as u64))).unwrap_or_default();
        let _ = retry_on_intr(|| poll(&mut polled, Some(&time)));
        let is_ready = |at: usize| polled.get(at).is_some_and(|polled| !polled.revents().is_empty());
        match [is_ready(0), is_ready(1)] {
            [true, _] => Woken::Rung,
            [_, true] => Woken::Readable,
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
