//! The guardian, as the shim has it: a process of its own beside every run, which outlives a shim that is killed. It waits for
//! the run's az to end and then harvests and scrubs in the shim's place (`guard`). It is this very program, executed anew under
//! another name, so that it holds no secret until there is something to harvest; what it needs it is told over a channel, with
//! the files of the run attached. It ends when the shim says that the run is over, and it keeps the run's share in the lease
//! only for as long as it watches. Where a lock is its holder's alone (on Windows) it has a share of its own, which it takes before
//! anything is exposed and gives up before that is settled: both are waited for. A guardian that cannot be had leaves its work to
//! the next invocation's sweep.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use crate::azure::command::Group;
use crate::context::Context;
use crate::run::exposure::kind::ExposureKind;
use crate::run::manifest::{Manifest, Role};
use crate::sys;

/// The name under which this program is a guardian.
const NAME: &str = "azward-guardian";

/// How long the shim waits for a guardian that it dismissed: it has nothing left to do.
const FAREWELL: Duration = Duration::from_millis(200);

/// How long the shim waits for a guardian to take a share or to give it up: it may still be starting.
#[cfg(windows)]
const PATIENCE: Duration = Duration::from_secs(10);

/// What a dismissed guardian is told.
pub(super) const DISMISSED: &[u8] = b"over\n";

/// What a guardian is told that is to give up the share that it has taken.
#[cfg(windows)]
pub(super) const GIVE_UP: &[u8] = b"give up\n";

/// The shim's end of it.
#[derive(Debug)]
pub struct Guardian {
    channel: Option<sys::Channel>,
    /// What az is given in its environment beside the shim's own.
    added: Vec<(Vec<u8>, Vec<u8>)>,
    /// The process that it was told of last, and when that started.
    told: Cell<Option<(u32, u64)>>,
}

/// The farewell to a guardian that was dismissed. Dropped, its end is waited for.
#[derive(Debug)]
#[must_use]
pub struct Farewell<'g>(Option<&'g sys::Channel>);

impl Drop for Farewell<'_> {
    fn drop(&mut self) {
        if let Some(channel) = self.0 {
            channel.wait_for_end(FAREWELL);
        }
    }
}

impl Guardian {
    /// Starts one for a run in the environment of `context`, which costs a fork. It has this process's own, and is told of the
    /// rest.
    #[must_use]
    pub fn start(context: &Context) -> Self {
        let bytes = |text: &OsStr| sys::path_to_bytes(Path::new(text));
        let added = context.added().map(|(name, value)| (bytes(name), bytes(value))).collect();
        Self { channel: sys::detach(OsStr::new(NAME)).ok(), added, told: Cell::new(None) }
    }

    /// Has it watch the az that waits in `process`, to which nothing is exposed yet: a shim that is killed may leave a lock
    /// behind.
    pub fn watch_waiting(&self, process: Option<u32>) {
        self.tell(process, ExposureKind::InPlace, None, &[]);
    }

    /// Has it watch the az in `process`, to which credentials are exposed for `command`, and settle that with `files`.
    pub(super) fn watch(&self, process: Option<u32>, command: &Group, exposure: ExposureKind, files: &[(Role, &File)]) {
        self.tell(process, exposure, Some(command), files);
    }

    fn tell(&self, process: Option<u32>, exposure: ExposureKind, command: Option<&Group>, files: &[(Role, &File)]) {
        let Some(channel) = &self.channel else { return };
        // Where there is none yet, nothing is waited for: what was exposed to it has nobody who needs it.
        let process = process.unwrap_or(0);
        let start = self.start_of(process);
        let (roles, files): (Vec<Role>, Vec<&File>) = files.iter().copied().unzip();
        let (command, added) = (command.cloned(), self.added.clone());
        let manifest = Manifest { process, start, exposure, files: roles, command, added };
        let mut line = serde_json::to_vec(&manifest).unwrap_or_default();
        line.push(b'\n');
        // One that is gone leaves its work to the next sweep.
        let _ = channel.send(&line, &files);
        #[cfg(windows)]
        if !files.is_empty() {
            channel.wait_for_answer(PATIENCE);
        }
    }

    /// Has it give up the share that it has taken, which would keep us from settling; it goes on watching.
    #[cfg(windows)]
    pub(super) fn have_share_given_up(&self) {
        if let Some(channel) = &self.channel {
            let _ = channel.send(GIVE_UP, &[]);
            channel.wait_for_answer(PATIENCE);
        }
    }

    /// When a process started. The one that waits to become az is told of more than once.
    fn start_of(&self, process: u32) -> u64 {
        if let Some((told, start)) = self.told.get()
            && told == process
        {
            return start;
        }
        let start = sys::process_start(process);
        self.told.set(start.map(|start| (process, start)));
        start.unwrap_or(0)
    }

    /// Waits for the process in between, which has ended by now or is about to.
    pub(super) fn reap(&self) {
        self.channel.iter().for_each(sys::Channel::reap);
    }

    /// Says that the run is over and settled.
    pub fn dismiss(&self) -> Farewell<'_> {
        let channel = self.channel.as_ref();
        channel.iter().for_each(|channel| _ = channel.send(DISMISSED, &[]));
        Farewell(channel)
    }
}

/// Whether this program was executed under `name` to be a guardian. Both programs ask this first of all.
#[must_use]
pub fn is_called_for(name: Option<&OsStr>) -> bool {
    name == Some(OsStr::new(NAME))
}
