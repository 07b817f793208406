//! Watches files for changes (inotify).

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

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
        let queue = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self { queue: File::from(queue) })
    }

    /// Watches a directory for files that are closed after writing, or renamed into it.
    ///
    /// # Errors
    /// The operating system's.
    pub fn of_files_in(directory: &Path) -> io::Result<Self> {
        let watch = Self::new()?;
        watch.add(directory, WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO)?;
        Ok(watch)
    }

    /// Watches an open file for whoever closes it after writing, wherever it is mounted.
    ///
    /// # Errors
    /// The operating system's.
    pub fn add_file(&self, file: &File) -> io::Result<()> {
        self.add(&Path::new("/proc/self/fd").join(file.as_raw_fd().to_string()), WatchFlags::CLOSE_WRITE)
    }

    /// Watches a directory for files that are renamed into it.
    ///
    /// # Errors
    /// The operating system's.
    pub fn add_directory(&self, path: &Path) -> io::Result<()> {
        self.add(path, WatchFlags::MOVED_TO)
    }

    fn add(&self, path: &Path, events: WatchFlags) -> io::Result<()> {
        inotify::add_watch(&self.queue, path, events)?;
        Ok(())
    }

    /// Forgets what has happened until now.
    pub fn drain(&self) {
        let mut buffer = [0; 4096];
        while (&self.queue).read(&mut buffer).is_ok_and(|count| count > 0) {}
    }

    /// What is readable when something has happened.
    #[must_use]
    pub fn as_file(&self) -> &File {
        &self.queue
    }
}
