//! Somebody who looks at a directory without pause: reads every file in it flat out, and whatever the kernel tells of at the
//! moment it is told, and remembers where there was a refresh token.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use entra::Entra;
use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use rustix::fs::{Mode, OFlags};

use crate::support::canary;

/// The one who looks.
pub(crate) struct Watcher {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
    began: SystemTime,
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// How often the whole directory was read.
    pub(crate) rounds: u64,
    /// How many events the kernel told of.
    pub(crate) events: u64,
    /// The names of all files that there ever were.
    pub(crate) names: BTreeSet<OsString>,
    /// Where there was a refresh token.
    pub(crate) found: BTreeSet<PathBuf>,
}

impl Watcher {
    /// Looks at `directory` from now on, and from its beginning if it is not there yet.
    pub(crate) fn of(directory: PathBuf) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let own = is_over.clone();
        let began = SystemTime::now();
        let thread = std::thread::spawn(move || look(&directory, &own));
        Self { is_over, thread, began }
    }

    pub(crate) fn finish(self) -> (Seen, SystemTime) {
        self.is_over.store(true, Ordering::SeqCst);
        (self.thread.join().expect("the watcher does not fail"), self.began)
    }
}

impl Seen {
    fn look_at(&mut self, directory: &Path, name: &OsStr) {
        let path = directory.join(name);
        self.names.insert(name.to_owned());
        // What a link leads to is elsewhere.
        let read = || {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut text = Vec::new();
            fs::File::from(rustix::fs::open(&path, flags, Mode::empty())?).read_to_end(&mut text)?;
            Ok::<_, std::io::Error>(text)
        };
        if read().is_ok_and(|text| canary::is_in(&text)) {
            self.found.insert(path);
        }
    }
}

fn look(directory: &Path, is_over: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let mut events = None;
    while !is_over.load(Ordering::SeqCst) {
        if events.is_none() {
            events = watch(directory);
        }
        for name in events.iter().flat_map(told) {
            seen.events += 1;
            seen.look_at(directory, &name);
        }
        let Ok(entries) = fs::read_dir(directory) else { continue };
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                seen.look_at(directory, &entry.file_name());
            }
        }
        seen.rounds += 1;
    }
    seen
}

fn watch(directory: &Path) -> Option<OwnedFd> {
    let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).expect("the kernel has inotify");
    let what = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE;
    inotify::add_watch(&events, directory, what).ok()?;
    Some(events)
}

/// The names of the files of which there is something to tell.
fn told(events: &OwnedFd) -> Vec<OsString> {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = Reader::new(events, &mut buffer);
    let mut names = Vec::new();
    while let Ok(event) = reader.next() {
        names.extend(event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()).to_owned()));
    }
    names
}

/// The files of the whole machine, as far as anybody can write there, that were changed since `began` and hold a refresh
/// token of this very stand-in.
pub(crate) fn on_the_machine(entra: &Entra, began: SystemTime) -> Vec<PathBuf> {
    // Both halves of a token have the canary and what tells the token from others behind or before it.
    let parts = |token: String| {
        let first = token.find(entra::REFRESH_TOKEN_CANARY).expect("every token has it");
        let last = token.rfind(entra::REFRESH_TOKEN_CANARY).expect("every token has it");
        [token[first..first + 40].to_owned(), token[last - 30..last + 10].to_owned()]
    };
    let parts: Vec<String> = entra.refresh_tokens_issued().into_iter().flat_map(parts).collect();
    assert!(!parts.is_empty(), "there is something to look for");
    let temporary = std::env::temp_dir();
    let mut left: Vec<PathBuf> = ["/tmp", "/dev/shm", "/var/tmp", "/run"].map(PathBuf::from).into();
    let is_within = left.iter().any(|directory| temporary.starts_with(directory));
    left.extend((!is_within).then_some(temporary));
    let began = began - Duration::from_secs(2);
    let mut found = Vec::new();
    while let Some(path) = left.pop() {
        for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
            // What vanishes meanwhile was another test's.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                left.push(entry.path());
            } else if metadata.is_file() && metadata.modified().is_ok_and(|time| time >= began) {
                let text = fs::read(entry.path()).unwrap_or_default();
                if canary::is_in(&text) && parts.iter().any(|part| canary::holds(&text, part)) {
                    found.push(entry.path());
                }
            }
        }
    }
    found
}
