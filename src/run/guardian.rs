//! The guardian: a process of its own beside every run, which outlives a shim that is killed. It waits for the run's az to
//! end and then harvests and scrubs in the shim's place. It is this very program, executed anew under another name, so
//! that it holds no secret until there is something to harvest; what it needs it is told over a channel, with the files
//! of the run attached. It ends when the shim says that the run is over, and it keeps the run's share in the lease only
//! for as long as it watches. A guardian that cannot be had leaves its work to the next invocation's sweep.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::azure::ConfigDir;
use crate::azure::command::{AccountEffect, Group};
use crate::context::Context;
use crate::credentials::origin::Origin;
use crate::failure::Result;
use crate::journal::{Action, Event};
use crate::run::exposure::in_place::Exposed;
use crate::run::exposure::policy::ExposureKind;
use crate::run::exposure::private::PrivateCopy;
use crate::run::exposure::temp_cache;
use crate::settings::Settings;
use crate::store::lease::{MountLock, Share};
use crate::store::{CredentialStore, Forgetting, Handed};
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
    /// How the secrets are exposed to it.
    exposure: ExposureKind,
    /// What the files that come along are for, in their order: two messages may arrive as one.
    files: Vec<Role>,
    /// Its command; none as long as that has done nothing, whatever it is.
    command: Option<Group>,
}

/// What a file that comes along is for.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Role {
    /// The run's private copy of the token cache.
    Copy,
    /// What that was made of.
    Base,
    /// The run's mount lock.
    MountLock,
    /// The run's share in the lease.
    Share,
    /// The run's mount namespace; only to be kept: az and the shim are not to wait until the kernel has taken it down.
    Namespace,
    /// The run's watch; only to be kept, for the same reason.
    Watch,
}

impl Role {
    const ALL: [Self; 6] = [Self::Copy, Self::Base, Self::MountLock, Self::Share, Self::Namespace, Self::Watch];
}

// Each comes once at the most, so whatever there is to be told fits into one message.
const _: () = assert!(Role::ALL.len() <= sys::MOST_FILES);

/// The files that came along, by what they are for.
#[derive(Debug, Default)]
struct Files(Vec<(Role, File)>);

impl Files {
    /// The first `roles.len()` of the files that arrived; `None` when there are fewer: then nobody knows which is which.
    fn of(roles: &[Role], arrived: &mut Vec<File>) -> Option<Self> {
        let are_all_there = arrived.len() >= roles.len();
        let own = arrived.drain(..roles.len().min(arrived.len()));
        let own = roles.iter().copied().zip(own).collect();
        are_all_there.then_some(Self(own))
    }

    fn take(&mut self, role: Role) -> Option<File> {
        let place = self.0.iter().position(|(other, _)| *other == role)?;
        Some(self.0.swap_remove(place).1)
    }
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
    /// behind.
    pub fn watch_waiting(&self, process: u32) {
        self.tell(process, ExposureKind::InPlace, None, &[]);
    }

    /// Has it watch the az that waits in `process`, to which the file is exposed in place.
    pub fn watch_in_place(&self, process: u32, share: Option<&Share>, command: &Group) {
        let share = share.map(|share| (Role::Share, share.as_file()));
        self.tell(process, ExposureKind::InPlace, Some(command), &share.into_iter().collect::<Vec<_>>());
        self.reap();
    }

    /// Has it watch the az that waits in `process`, to which `copy` is exposed.
    pub fn watch_private(&self, process: u32, copy: &PrivateCopy, command: &Group) {
        let base = serde_json::to_vec(&copy.base).unwrap_or_default();
        let Ok(mut file) = sys::memory_file() else { return };
        if file.write_all(&base).is_ok() {
            let mount_lock = copy.mount_lock.as_ref().map(MountLock::as_file);
            let others = [
                (Role::MountLock, mount_lock),
                (Role::Namespace, copy.namespace.as_ref()),
                (Role::Watch, copy.watch.as_ref().map(Watch::as_file)),
            ];
            let others = others.into_iter().filter_map(|(role, file)| Some((role, file?)));
            let files = [(Role::Copy, &copy.file), (Role::Base, &file)].into_iter().chain(others);
            self.tell(process, ExposureKind::Private, Some(command), &files.collect::<Vec<_>>());
        }
        self.reap();
    }

    fn tell(&self, process: u32, exposure: ExposureKind, command: Option<&Group>, files: &[(Role, &File)]) {
        let Some(channel) = &self.channel else { return };
        let start = sys::process_start(process).unwrap_or(0);
        let (roles, files): (Vec<Role>, Vec<&File>) = files.iter().copied().unzip();
        let watched = Watched { process, start, exposure, files: roles, command: command.cloned() };
        let mut line = serde_json::to_vec(&watched).unwrap_or_default();
        line.push(b'\n');
        // One that is gone leaves its work to the next sweep.
        let _ = channel.send(&line, &files);
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
pub fn guard(context: Context) {
    let Ok(channel) = sys::Channel::of_detached(c"azward-guardian") else { return };
    let Some((watched, files)) = hear_out(&channel) else { return };
    sys::wait_for_end_of(watched.process, watched.start);
    let settings = Settings::load(&context.azward_home).unwrap_or_default();
    let app = App::with(context, settings);
    let App { context, journal, .. } = &app;
    let config_dir = ConfigDir::of(context);
    let store = CredentialStore::new(&app, &config_dir);
    match settle(&store, &watched, files) {
        Ok(()) => {
            journal.record(&Event::new(context.now(), Action::Run, "its shim was killed; the guardian cleaned up"));
        }
        Err(failure) => journal.warn(context.now(), &failure),
    }
}

/// Listens until the shim is gone: what it left behind, or `None` when all is settled.
fn hear_out(channel: &sys::Channel) -> Option<(Watched, Files)> {
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
                last = Some(match Files::of(&watched.files, &mut attached) {
                    Some(files) => (watched, files),
                    // What lies in the real cache can still be settled.
                    None => (Watched { exposure: ExposureKind::InPlace, ..watched }, Files::default()),
                });
            }
        }
    }
}

fn settle(store: &CredentialStore<'_>, watched: &Watched, mut files: Files) -> Result<()> {
    let origin = watched.command.as_ref().map_or(Origin::Run, Origin::Command);
    let effect = watched.command.as_ref().map_or(AccountEffect::Nothing, Group::effect);
    // How az ended is only told to its parent.
    let forgetting = match effect {
        AccountEffect::SignOut | AccountEffect::Clear => Forgetting::IfProven,
        AccountEffect::Nothing | AccountEffect::SignIn => Forgetting::Never,
    };
    if watched.exposure == ExposureKind::InPlace {
        let share = files.take(Role::Share).map(Share::from_file);
        return store.settle(Exposed { share, before: Vec::new() }, forgetting, origin);
    }
    let Some((file, mut base)) = files.take(Role::Copy).zip(files.take(Role::Base)) else { return Ok(()) };
    let mount_lock = files.take(Role::MountLock).map(MountLock::from_file);
    let mut text = Vec::new();
    let read = base.rewind().and_then(|()| base.read_to_end(&mut text));
    let base = read.ok().and_then(|_| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let mut copy = PrivateCopy {
        file,
        namespace: None,
        base,
        handed: Handed::to(effect),
        mount_lock,
        brought: Mutex::default(),
        watch: None,
    };
    let temp_caches = temp_cache::take_in(store, &copy)?;
    let settled = store.settle_privately(&mut copy, forgetting, origin);
    if settled.is_ok() {
        temp_cache::clear_up(store, &temp_caches)?;
    }
    if settled.is_err() {
        drop(copy);
        // A shim that was killed while it wiped the copy left it torn, and MSAL's lock behind.
        store.settle(Exposed { share: None, before: Vec::new() }, Forgetting::Never, origin)?;
    }
    settled
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::azure::Command;

    #[test]
    fn what_is_told_of_the_command_is_its_words_and_what_it_does() {
        let arguments = ["logout", "--username", "secret"].map(OsString::from);
        let command = Some(Command::parse(&arguments).group().clone());
        let told = Watched { process: 7, start: 8, exposure: ExposureKind::Private, files: vec![Role::Copy], command };
        let line = serde_json::to_string(&told).unwrap();
        assert_eq!(
            line,
            "{\"process\":7,\"start\":8,\"exposure\":\"private\",\"files\":[\"copy\"],\
             \"command\":{\"words\":\"logout\",\"effect\":\"sign-out\"}}"
        );
        let heard: Watched = serde_json::from_str(&line).unwrap();
        assert_eq!(heard.exposure, ExposureKind::Private);
        assert_eq!(heard.command, told.command);
        let waiting: Watched =
            serde_json::from_str(&line.replace("{\"words\":\"logout\",\"effect\":\"sign-out\"}", "null")).unwrap();
        assert_eq!(waiting.command, None);
    }

    #[test]
    fn files_are_known_by_their_roles_and_none_is_taken_for_another() {
        let named = |names: &[&str]| -> Vec<File> {
            let file = |name: &&str| {
                let mut file = tempfile::tempfile().unwrap();
                file.write_all(name.as_bytes()).unwrap();
                file.rewind().unwrap();
                file
            };
            names.iter().map(file).collect()
        };
        let text = |file: Option<File>| {
            let mut text = String::new();
            file.map(|mut file| file.read_to_string(&mut text).unwrap()).map(|_| text)
        };
        let mut arrived = named(&["watch", "copy", "next message's"]);
        let mut files = Files::of(&[Role::Watch, Role::Copy], &mut arrived).unwrap();
        assert_eq!(text(files.take(Role::Copy)).as_deref(), Some("copy"));
        assert_eq!(text(files.take(Role::MountLock)), None);
        assert_eq!(text(files.take(Role::Watch)).as_deref(), Some("watch"));
        assert_eq!(arrived.len(), 1);
        // One that was dropped on the way leaves nobody to know which the others are.
        assert!(Files::of(&[Role::Copy, Role::Base], &mut arrived).is_none() && arrived.is_empty());
    }
}
