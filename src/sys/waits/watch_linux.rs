//! Watches files for changes (inotify) and waits for one, for the end of a run, or for a moment in time.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Tells of changes to what it was told to watch. To close the last descriptor of one costs the kernel milliseconds.
#[derive(Debug)]
pub struct Watch {
    queue: File,
}

impl Watch {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes a number only.
        let queue = unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) };
        if queue < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call succeeded, so the descriptor is new and nobody else's.
        Ok(Self { queue: unsafe { File::from_raw_fd(queue) } })
    }

    /// Watches an open file for whoever closes it after writing, wherever it is mounted.
    ///
    /// # Errors
    /// The operating system's.
    pub fn add_file(&self, file: &File) -> io::Result<()> {
        self.add(&Path::new("/proc/self/fd").join(file.as_raw_fd().to_string()), libc::IN_CLOSE_WRITE)
    }

    /// Watches a directory for files that are renamed into it.
    ///
    /// # Errors
    /// The operating system's.
    pub fn add_directory(&self, path: &Path) -> io::Result<()> {
        self.add(path, libc::IN_MOVED_TO)
    }

    fn add(&self, path: &Path, events: u32) -> io::Result<()> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        // SAFETY: the string is NUL-terminated and alive.
        let code = unsafe { libc::inotify_add_watch(self.queue.as_raw_fd(), path.as_ptr(), events) };
        if code < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Forgets what has happened until now.
    pub fn drain(&self) {
        let mut buffer = [0_u8; 4096];
        // SAFETY: the pointer is to a live local of that length.
        while unsafe { libc::read(self.queue.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) } > 0 {}
    }

    /// What is readable when something has happened.
    #[must_use]
    pub fn as_file(&self) -> &File {
        &self.queue
    }
}
