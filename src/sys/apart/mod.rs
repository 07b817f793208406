//! A short-lived program that is asked for something: apart from this process's terminal and session, so that a shell that
//! thinks itself interactive takes nobody's keyboard, with nothing to read, and for no longer than a time. It and what it
//! started are killed then.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How often it is looked whether it has ended.
const PAUSE: Duration = Duration::from_millis(5);

/// The most that is read of what it says, in bytes.
const MOST: u64 = 1024 * 1024;

/// Has a program run apart from this process's terminal and session, for no longer than the thread that starts it.
#[cfg(target_os = "linux")]
pub fn set_apart_for_this_thread(command: &mut Command) {
    platform::set_apart_for_this_thread(command);
}

/// What a program said on its standard output, and whether it ended well; `None` where it could not be started, or did not end
/// in time.
#[must_use]
pub fn ask(command: &mut Command, deadline: Duration) -> Option<(Vec<u8>, bool)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    platform::set_apart(command);
    let began = Instant::now();
    let mut child = command.spawn().ok()?;
    let stdout = child.stdout.take()?;
    // On a thread: what it left behind may hold the pipe open for as long as it likes.
    let (said, hear) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stdout.take(MOST).read_to_end(&mut bytes);
        let _ = said.send(bytes);
    });
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if began.elapsed() < deadline => std::thread::sleep(PAUSE),
            _ => break None,
        }
    };
    let Some(status) = status else {
        platform::end(&mut child);
        return None;
    };
    // What lives on by itself is its own affair, and so is what it says.
    let bytes = hear.recv_timeout(deadline.saturating_sub(began.elapsed()).max(PAUSE)).ok()?;
    Some((bytes, status.success()))
}
