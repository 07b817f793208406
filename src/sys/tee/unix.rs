//! The tee on Unix: descriptor 1 is another one meanwhile.

use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::{Errno, dup2, fcntl_dupfd_cloexec, retry_on_intr};
use rustix::stdio::stdout;
use zeroize::Zeroizing;

use super::Passage;

/// How often whoever waits for more asks whether there can be more.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// Sees standard output on its way.
#[derive(Debug)]
pub struct Tee {
    /// The caller's own.
    callers: OwnedFd,
    /// Whether nobody whose words are the caller's writes any more.
    is_over: Arc<AtomicBool>,
    pump: JoinHandle<Passage>,
}

impl Tee {
    /// From here on; `None` where the caller's is neither a pipe nor a socket.
    ///
    /// # Errors
    /// The operating system's; all is as it was then.
    pub fn begin() -> io::Result<Option<Self>> {
        let (reader, writer) = match FileType::from_raw_mode(fstat(stdout())?.st_mode) {
            FileType::Fifo => std::io::pipe().map(|(reader, writer)| (OwnedFd::from(reader), OwnedFd::from(writer)))?,
            FileType::Socket => UnixStream::pair().map(|(one, other)| (OwnedFd::from(one), OwnedFd::from(other)))?,
            _ => return Ok(None),
        };
        // Above the standard ones, which may be closed here and are az's.
        let (callers, own) = (fcntl_dupfd_cloexec(stdout(), 3)?, fcntl_dupfd_cloexec(stdout(), 3)?);
        let reader = fcntl_dupfd_cloexec(reader, 3)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let pump = {
            let is_over = Arc::clone(&is_over);
            std::thread::Builder::new().spawn(move || pump(File::from(reader), File::from(own), &is_over))?
        };
        let tee = Self { callers, is_over, pump };
        match put_in_place(&writer) {
            Ok(()) => Ok(Some(tee)),
            Err(error) => {
                drop(writer);
                drop(tee.end());
                Err(error)
            }
        }
    }

    /// Gives the caller's back, and says what was written meanwhile.
    #[must_use]
    pub fn end(self) -> Passage {
        // Nothing can be done about a failure, and there is no reason for one.
        let _ = put_in_place(&self.callers);
        self.is_over.store(true, Ordering::SeqCst);
        self.pump.join().unwrap_or_else(|_| Passage::begin())
    }
}

/// Makes descriptor 1 another name of `file`.
fn put_in_place(file: &OwnedFd) -> io::Result<()> {
    // SAFETY: descriptor 1 is open, has no other owner here, and is not closed by this one.
    let mut place = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(stdout().as_raw_fd()) });
    Ok(dup2(file, &mut place)?)
}

/// Hands on what comes, until nobody can write any more, or whose words are the caller's has ended: what it started itself may
/// hold its output open for as long as it likes.
fn pump(mut from: File, mut to: File, is_over: &AtomicBool) -> Passage {
    let mut passage = Passage::begin();
    let mut chunk = Zeroizing::new(vec![0; 64 * 1024]);
    loop {
        // In this order: what was written before the end is there at the end.
        let was_over = is_over.load(Ordering::SeqCst);
        let Ok(is_ready) = wait_for(&from, PollFlags::IN, Some(&LOOK_EVERY)) else { return passage };
        if !is_ready {
            if was_over {
                return passage;
            }
            continue;
        }
        match from.read(&mut chunk) {
            Ok(0) => return passage,
            Ok(count) => {
                if !passage.note(&chunk[..count], hand_on(&mut to, &chunk[..count]).is_ok()) {
                    // Whoever writes more is told by its end, as the caller's would have.
                    return passage;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return passage,
        }
    }
}

/// Writes all of it, also where the caller's is not to be waited for.
fn hand_on(to: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wait_for(to, PollFlags::OUT, None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn wait_for(file: &File, events: PollFlags, patience: Option<&Timespec>) -> Result<bool, Errno> {
    retry_on_intr(|| poll(&mut [PollFd::from_borrowed_fd(file.as_fd(), events)], patience)).map(|count| count > 0)
}
