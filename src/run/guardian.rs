//! The guardian: a process of its own beside every run, which outlives a shim that is killed. It waits for the run's az to
//! end and then harvests and scrubs in the shim's place. It is this very program, executed anew under another name, so
//! that it holds no secret until there is something to harvest; what it needs it is told over a channel, with the files
//! of the run attached. It ends when the shim says that the run is over, and it keeps the run's share in the lease only
//! for as long as it watches. A guardian that cannot be had leaves its work to the next invocation's sweep.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::azure::ConfigDir;
use crate::context::Context;
use crate::failure::Result;
use crate::journal::{Deed, Event, Journal};
use crate::run::custody::{Custody, Forgetting};
use crate::run::in_place::Exposed;
use crate::run::lease::{Attendance, Share};
use crate::run::private::PrivateCopy;
use crate::run::stray;
use crate::settings::Settings;
use crate::sys::{self, Watch};

/// The name under which this program is a guardian.
pub const NAME: &str = "azward-guardian";

/// How long the shim waits for a guardian that it dismissed: it has nothing left to do.
const FAREWELL: Duration = Duration::from_millis(200);

/// What a dismissed guardian is told.
const DISMISSED: &[u8] = b"over\n";

/// The shim's end of it.
#[derive(Debug)]
pub struct Guardian {
    channel: Option<sys::Channel>,
}

/// What a guardian is told of the az that it is to watch.
#[derive(Debug, Deserialize, Serialize)]
struct Watched {
    /// az's process.
    process: u32,
    /// When that started, to tell it from a later one with the same id.
    start: u64,
    /// Whether the exposure is private: then a copy and its base come along, else a share in the lease.
    is_private: bool,
    /// How many files come along: two messages may arrive as one.
    files: usize,
    /// The command's group.
    deed: String,
}

impl Guardian {
    /// Starts one, which costs a fork.
    #[must_use]
    pub fn start() -> Self {
        Self { channel: sys::detach(OsStr::new(NAME)).ok() }
    }

    /// None: for what needs no guarding.
    #[must_use]
    pub fn none() -> Self {
        Self { channel: None }
    }

    /// Has it watch the az that waits in `process`, to which nothing is exposed yet: a shim that is killed may leave a lock
    /// behind. Whatever the command is, it has done nothing yet.
    pub fn watch_waiting(&self, process: u32) {
        self.tell(process, false, "run", &[]);
    }

    /// Has it watch the az that waits in `process`, to which the file is exposed in place.
    pub fn watch_in_place(&self, process: u32, share: Option<&Share>, deed: &str) {
        self.tell(process, false, deed, &share.map(Share::as_file).into_iter().collect::<Vec<_>>());
        self.reap();
    }

    /// Has it watch the az that waits in `process`, to which `copy` is exposed.
    pub fn watch_private(&self, process: u32, copy: &PrivateCopy, deed: &str) {
        let base = serde_json::to_vec(&copy.base).unwrap_or_default();
        let Ok(mut file) = sys::memory_file() else { return };
        if file.write_all(&base).is_ok() {
            let attendance = copy.attendance.as_ref().map(Attendance::as_file);
            // The last two are only to be kept: az and the shim are not to wait until the kernel has taken them down.
            let watch = copy.watch.as_ref().map(Watch::as_file);
            let kept = copy.namespace.as_ref().into_iter().chain(watch);
            let files = [&copy.file, &file].into_iter().chain(attendance).chain(kept);
            self.tell(process, true, deed, &files.collect::<Vec<_>>());
        }
        self.reap();
    }

    fn tell(&self, process: u32, is_private: bool, deed: &str, files: &[&File]) {
        let Some(channel) = &self.channel else { return };
        let start = sys::process_start(process).unwrap_or(0);
        let watched = Watched { process, start, is_private, files: files.len(), deed: deed.to_owned() };
        let mut line = serde_json::to_vec(&watched).unwrap_or_default();
        line.push(b'\n');
        // One that is gone leaves its work to the next sweep.
        let _ = channel.send(&line, files);
    }

    /// Waits for the process in between: az's caller is not to find a dead process beside az.
    fn reap(&self) {
        self.channel.iter().for_each(sys::Channel::reap);
    }

    /// Says that the run is over and settled, and waits for the guardian's end.
    pub fn dismiss(&self) {
        if let Some(channel) = &self.channel {
            let _ = channel.send(DISMISSED, &[]);
            channel.wait_for_end(FAREWELL);
        }
    }
}

/// Is the guardian of the run whose shim is at the other end of the channel. Returns when there is nothing left to guard.
pub fn guard(context: &Context) {
    sys::set_process_name(c"azward-guardian");
    let Ok(channel) = sys::Channel::of_detached() else { return };
    let Some((watched, files)) = hear_out(&channel) else { return };
    sys::wait_for_end_of(watched.process, watched.start);
    let journal = Journal::at(&context.azward_home);
    let settings = Settings::load(&context.azward_home).unwrap_or_default();
    let config_dir = ConfigDir::of(context);
    let custody = Custody::new(context, &settings, &config_dir, &journal);
    match settle(&custody, watched, files) {
        Ok(()) => journal.record(&Event::new(context.now(), Deed::Run, "its shim was killed; the guardian cleaned up")),
        Err(failure) => journal.warn(context.now(), &failure),
    }
}

/// Listens until the shim is gone: what it left behind, or `None` when all is settled.
fn hear_out(channel: &sys::Channel) -> Option<(Watched, Vec<File>)> {
    let mut last = None;
    let mut heard = Vec::new();
    let mut attached: Vec<File> = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let (count, files) = channel.receive(&mut buffer).ok()?;
        if count == 0 {
            return last;
        }
        heard.extend_from_slice(&buffer[..count]);
        attached.extend(files);
        while let Some(end) = heard.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = heard.drain(..=end).collect();
            if line == DISMISSED {
                // Nobody is to wait until the kernel has taken down what is still open here.
                channel.hang_up();
                return None;
            }
            if let Ok(watched) = serde_json::from_slice::<Watched>(&line) {
                let files = attached.drain(..watched.files.min(attached.len())).collect();
                last = Some((watched, files));
            }
        }
    }
}

fn settle(custody: &Custody<'_>, watched: Watched, mut files: Vec<File>) -> Result<()> {
    let Watched { is_private, deed, .. } = watched;
    // How az ended is only told to its parent.
    let forgetting =
        if matches!(&*deed, "logout" | "account clear") { Forgetting::IfProven } else { Forgetting::Never };
    if !is_private {
        let share = files.pop().map(Share::from_file);
        return custody.settle(Exposed { share, before: Vec::new() }, forgetting, &deed);
    }
    let mut files = files.into_iter();
    let Some((file, mut base)) = files.next().zip(files.next()) else { return Ok(()) };
    let attendance = files.next().map(Attendance::from_file);
    let mut text = Vec::new();
    let read = base.rewind().and_then(|()| base.read_to_end(&mut text));
    let base = read.ok().and_then(|_| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let mut copy = PrivateCopy { file, namespace: None, base, attendance, watch: None };
    stray::take_in(custody, &copy)?;
    let settled = custody.settle_privately(&mut copy, forgetting, &deed);
    if settled.is_err() {
        drop(copy);
        // A shim that was killed while it wiped the copy left it torn, and MSAL's lock behind.
        custody.settle(Exposed { share: None, before: Vec::new() }, Forgetting::Never, &deed)?;
    }
    settled
}
