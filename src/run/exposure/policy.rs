//! Which exposure a run gets: private where the system allows it and nothing speaks against it, else in place. What the
//! system refused is remembered until the next boot, and an az that replaces its cache by rename, which no mount lets it
//! do, until that az changes; so neither is tried twice. A memory that cannot be read or written costs another try.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::azure::Command;
use crate::azure::cache_writer::replaces_by_rename;
use crate::azure::command::{AccountEffect, Programs};
use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::private;
use crate::settings::ExposureChoice;
use crate::sys::{self, PrivateMount, Program, Refused, WaitingChild};

/// What is to be done with the secrets of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Private exposure.
    Private,
    /// In-place exposure, and why.
    InPlace(String),
    /// None: the command needs no secret, or removes the file.
    Nothing,
}

/// How the secrets of a run are at hand for its az.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExposureKind {
    /// In the run's private copy.
    Private,
    /// In the real token cache, or not at all.
    InPlace,
}

/// What was learned about this system and this az.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Memory {
    /// The boot and the namespaces in which the system refused, and what it said.
    refused: Option<(String, String)>,
    /// The az that was looked at last, how its file looked, and whether it replaces its cache by rename.
    az: Option<(PathBuf, String, bool)>,
}

/// Decides for one run.
#[derive(Debug)]
pub struct Exposure<'a> {
    app: &'a App,
    choice: ExposureChoice,
    real_az: &'a Path,
}

impl<'a> Exposure<'a> {
    /// Nothing is asked yet.
    #[must_use]
    pub fn new(app: &'a App, real_az: &'a Path) -> Self {
        Self { app, choice: app.settings.exposure.value, real_az }
    }

    /// What is set.
    #[must_use]
    pub fn choice(&self) -> ExposureChoice {
        self.choice
    }

    /// The az that all this is about.
    #[must_use]
    pub fn real_az(&self) -> &Path {
        self.real_az
    }

    /// What to do for a command.
    #[must_use]
    pub fn plan(&self, command: &Command<'_>) -> Plan {
        if command.effect() == AccountEffect::Clear {
            return Plan::Nothing;
        }
        match self.in_general() {
            Plan::Private if self.choice == ExposureChoice::Auto && opens_a_browser(&self.app.context, command) => {
                Plan::InPlace("a browser must not be started in a namespace".to_owned())
            }
            plan => plan,
        }
    }

    /// What to do for a command about which nothing is known.
    #[must_use]
    pub fn in_general(&self) -> Plan {
        match self.choice {
            ExposureChoice::Private => Plan::Private,
            ExposureChoice::InPlace => Plan::InPlace("it is set so in config.json".to_owned()),
            ExposureChoice::Auto => self.objection().map_or(Plan::Private, Plan::InPlace),
        }
    }

    /// What a run would get now, tried out with a process that ends at once. What was remembered wrongly is forgotten.
    #[must_use]
    pub fn try_out(&self) -> Plan {
        let known = self.in_general();
        let is_remembered = self.choice == ExposureChoice::Auto && self.recall().refused.is_some();
        if known != Plan::Private && !is_remembered {
            return known;
        }
        let instead = |reason: String| match self.choice {
            ExposureChoice::Private => Plan::Nothing,
            _ => Plan::InPlace(reason),
        };
        match self.enter_somewhere() {
            Ok(Ok(())) => {
                self.forget_refusal();
                self.in_general()
            }
            Ok(Err(reason)) => instead(reason),
            Err(error) => instead(error.to_string()),
        }
    }

    /// Has a child enter a private mount over this very program, by way of a directory that is always there.
    fn enter_somewhere(&self) -> std::io::Result<Result<(), String>> {
        let program = self.app.context.executable.as_deref().ok_or(ErrorKind::NotFound)?;
        let mount = match PrivateMount::over(program, Path::new("/proc"), 0o600)? {
            Ok(mount) => mount,
            Err(reason) => return Ok(Err(reason.to_owned())),
        };
        let child = WaitingChild::fork(&Program::new(program, &[], [])?, Some(&mount))?;
        Ok(child.private_file()?.map(drop).map_err(|refused| reason_of(&refused)))
    }

    /// What speaks against private exposure, as far as is known.
    fn objection(&self) -> Option<String> {
        if !cfg!(target_os = "linux") {
            return Some("this system has no mount namespaces".to_owned());
        }
        let memory = self.recall();
        let refused = memory.refused.filter(|(place, _)| *place == sys::boot_and_namespaces());
        if let Some((_, reason)) = refused {
            return Some(reason);
        }
        let state = sys::file_state(self.real_az).ok()?.text;
        let renames = match memory.az {
            Some((az, seen, renames)) if az == self.real_az && seen == state => renames,
            _ => {
                let renames = replaces_by_rename(self.real_az);
                self.note_writer(state, renames);
                renames
            }
        };
        renames.then(|| format!("`{}` replaces its token cache by rename", self.real_az.display()))
    }

    /// Remembers what the system refused, if it will refuse it again.
    pub fn note_refusal(&self, refused: &Refused) -> String {
        let reason = reason_of(refused);
        let is_lasting = matches!(refused.error.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported)
            // `user.max_user_namespaces` at 0 is told as a full disk.
            || refused.error.kind() == ErrorKind::StorageFull;
        if is_lasting {
            self.remember(|memory| memory.refused = Some((sys::boot_and_namespaces(), reason.clone())));
        }
        reason
    }

    /// Remembers that this az replaces its cache by rename: it has just tried.
    pub fn note_rename(&self) {
        if let Ok(state) = sys::file_state(self.real_az) {
            let renames = true;
            self.note_writer(state.text, renames);
        }
    }

    fn note_writer(&self, state: String, renames: bool) {
        self.remember(|memory| memory.az = Some((self.real_az.to_owned(), state, renames)));
    }

    /// Forgets what the system refused: something may have been done about it.
    pub fn forget_refusal(&self) {
        if self.recall().refused.is_some() {
            self.remember(|memory| memory.refused = None);
        }
    }

    fn path(&self) -> PathBuf {
        self.app.context.azward_home.join("run").join("exposure.json")
    }

    fn recall(&self) -> Memory {
        let text = std::fs::read(self.path()).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    fn remember(&self, change: impl FnOnce(&mut Memory)) {
        let mut memory = self.recall();
        change(&mut memory);
        let Ok(_presence) = self.app.context.home_lock.enter() else { return };
        private::note(&self.path(), &serde_json::to_vec(&memory).unwrap_or_default());
    }
}

fn reason_of(refused: &Refused) -> String {
    let restriction = std::fs::read_to_string("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
    let help = if restriction.is_ok_and(|text| text.trim() == "1") && sys::user_id() != "0" {
        " (AppArmor wants a profile for azward, which comes with it: install/apparmor)"
    } else {
        ""
    };
    format!("this system refuses {}: {}{help}", refused.step, refused.error)
}

/// The failure of a run that was to be exposed privately and nothing else.
#[must_use]
pub fn refused(reason: &str) -> Failure {
    Failure::new(
        Kind::Storage,
        format!("nothing was handed to az, because {reason}"),
        "set `exposure` to `auto` in azward's config.json, or see the README on what private exposure needs",
    )
}

/// Whether a browser may be started: one that was started in a namespace would stay there for as long as it runs, and
/// some (snaps) do not start there at all. Root's namespace keeps nothing from anybody.
fn opens_a_browser(context: &Context, command: &Command<'_>) -> bool {
    let has_display = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| context.variable(name).is_some());
    command.programs() == Programs::Browser && has_display && sys::user_id() != "0"
}
