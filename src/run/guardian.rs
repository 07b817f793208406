//! The guardian: a process of its own beside every run, which outlives a shim that is killed. It waits for the run's az to
//! end and then harvests and scrubs in the shim's place. It is this very program, executed anew under another name, so
//! that it holds no secret until there is something to harvest; what it needs it is told over a channel, with the files
//! of the run attached. It ends when the shim says that the run is over, and it keeps the run's share in the lease only
//! for as long as it watches. A guardian that cannot be had leaves its work to the next invocation's sweep.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::File;
use std::time::Duration;

use crate::app::App;
use crate::azure::ConfigDir;
use crate::azure::command::{AccountEffect, Group};
use crate::context::Context;
use crate::credentials::origin::Origin;
use crate::failure::Result;
use crate::journal::{Action, Event};
use crate::run::exposure::{self, AzEnd, Ending, ExposureKind, GivenCredentials, Recipient};
use crate::run::manifest::{Files, Manifest, Role};
use crate::settings::Settings;
use crate::store::{CredentialStore, Forgetting};
use crate::sys;

/// The name under which this program is a guardian.
const NAME: &str = "azward-guardian";

/// How long the shim waits for a guardian that it dismissed: it has nothing left to do.
const FAREWELL: Duration = Duration::from_millis(200);

/// What a dismissed guardian is told.
const DISMISSED: &[u8] = b"over\n";

/// The shim's end of it.
#[derive(Debug)]
pub struct Guardian {
    channel: Option<sys::Channel>,
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
    /// Starts one, which costs a fork.
    #[must_use]
    pub fn start() -> Self {
        Self { channel: sys::detach(OsStr::new(NAME)).ok(), told: Cell::new(None) }
    }

    /// Has it watch the az that waits in `process`, to which nothing is exposed yet: a shim that is killed may leave a lock
    /// behind.
    pub fn watch_waiting(&self, process: Option<u32>) {
        self.tell(process, ExposureKind::InPlace, None, &[]);
    }

    /// Has it watch `az`, to which credentials are exposed, and settle that with `files`.
    pub fn watch(&self, az: &Recipient<'_>, exposure: ExposureKind, files: &[(Role, &File)]) {
        self.tell(az.process, exposure, Some(az.command), files);
    }

    fn tell(&self, process: Option<u32>, exposure: ExposureKind, command: Option<&Group>, files: &[(Role, &File)]) {
        let Some((channel, process)) = self.channel.as_ref().zip(process) else { return };
        let start = self.start_of(process);
        let (roles, files): (Vec<Role>, Vec<&File>) = files.iter().copied().unzip();
        let manifest = Manifest { process, start, exposure, files: roles, command: command.cloned() };
        let mut line = serde_json::to_vec(&manifest).unwrap_or_default();
        line.push(b'\n');
        // One that is gone leaves its work to the next sweep.
        let _ = channel.send(&line, &files);
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

/// Is the guardian of the run whose shim is at the other end of the channel. Returns when there is nothing left to guard.
pub fn guard(context: Context) {
    let Ok(channel) = sys::Channel::of_detached(c"azward-guardian") else { return };
    let Some((manifest, files)) = hear_out(&channel) else { return };
    sys::wait_for_end_of(manifest.process, manifest.start);
    let settings = Settings::load(&context.azward_home).unwrap_or_default();
    let app = App::with(context, settings);
    let App { context, journal, .. } = &app;
    let config_dir = ConfigDir::of(context);
    let store = CredentialStore::new(&app, &config_dir);
    match settle(&store, &manifest, files) {
        Ok(()) => {
            journal.record(&Event::new(context.now(), Action::Run, "its shim was killed; the guardian cleaned up"));
        }
        Err(failure) => journal.warn(context.now(), &failure),
    }
}

/// Listens until the shim is gone: what it left behind, or `None` when all is settled.
fn hear_out(channel: &sys::Channel) -> Option<(Manifest, Files)> {
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
            if let Ok(manifest) = serde_json::from_slice::<Manifest>(&line) {
                last = Some(match Files::of(&manifest.files, &mut attached) {
                    Some(files) => (manifest, files),
                    // What lies in the real cache can still be settled.
                    None => (Manifest { exposure: ExposureKind::InPlace, ..manifest }, Files::default()),
                });
            }
        }
    }
}

fn settle(store: &CredentialStore<'_>, manifest: &Manifest, mut files: Files) -> Result<()> {
    let origin = manifest.command.as_ref().map_or(Origin::Run, Origin::Command);
    let effect = manifest.command.as_ref().map_or(AccountEffect::Nothing, Group::effect);
    // How az ended is only told to its parent.
    let forgetting = match effect {
        AccountEffect::SignOut | AccountEffect::Clear => Forgetting::IfProven,
        AccountEffect::Nothing | AccountEffect::SignIn => Forgetting::Never,
    };
    let given = GivenCredentials::to(effect);
    let ending = Ending { forgetting, origin, az: AzEnd::Failed };
    let Some(exposure) = exposure::handed_over(manifest.exposure, given, &mut files) else { return Ok(()) };
    let settled = exposure.settle(store, ending).map(drop);
    if settled.is_err() && manifest.exposure != ExposureKind::InPlace {
        // A shim that was killed while it wiped the copy left it torn, and MSAL's lock behind.
        let in_place = exposure::handed_over(ExposureKind::InPlace, given, &mut Files::default());
        let ending = Ending { forgetting: Forgetting::Never, ..ending };
        in_place.map_or(Ok(()), |in_place| in_place.settle(store, ending).map(drop))?;
    }
    settled
}
