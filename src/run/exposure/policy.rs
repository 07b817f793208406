//! Which exposure a run gets: private for those of az's own commands that start no other program, in memory for all others,
//! each where the system allows it and nothing speaks against it (`refusals`); in place last.

use std::path::Path;
#[cfg(target_os = "linux")]
use std::path::PathBuf;

use crate::app::App;
use crate::azure::Command;
use crate::azure::command::{AccountEffect, Programs};
#[cfg(target_os = "linux")]
use crate::azure::{ConfigDir, shown};
use crate::failure::{Failure, Kind};
#[cfg(target_os = "linux")]
use crate::run::exposure::refusals::Refusals;
use crate::run::exposure::{ExposureKind, Finding};
use crate::settings::ExposureChoice;

/// What is to be done with the secrets of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Private exposure.
    Private,
    /// Memory exposure.
    Memory,
    /// In-place exposure, and why.
    InPlace(String),
    /// None: the command needs no secret, or removes the file.
    Nothing,
}

/// Decides for one run.
#[derive(Debug)]
pub(crate) struct Policy<'a> {
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "what is exposed privately"))]
    app: &'a App,
    choice: ExposureChoice,
    real_az: &'a Path,
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "what is exposed privately"))]
    started: Started,
}

/// What is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Started {
    /// The real az, of which it is remembered what comes to light.
    Az,
    /// Another program in its place, of which nothing is.
    Program,
}

impl<'a> Policy<'a> {
    /// Nothing is asked yet.
    #[must_use]
    pub(crate) fn new(app: &'a App, real_az: &'a Path, started: Started) -> Self {
        Self { app, choice: app.settings.exposure.value, real_az, started }
    }

    /// The az that all this is about.
    #[must_use]
    pub(crate) fn real_az(&self) -> &Path {
        self.real_az
    }

    /// What to do for a command.
    #[must_use]
    pub(crate) fn plan(&self, command: &Command<'_>) -> Plan {
        match command.effect() {
            AccountEffect::Clear => Plan::Nothing,
            _ => self.plan_for(self.programs(command)),
        }
    }

    /// The programs that a command of this az may start: one of az's own that starts none is another's where an extension has
    /// a part in it.
    fn programs(&self, command: &Command<'_>) -> Programs {
        #[cfg(target_os = "linux")]
        let App { context, .. } = self.app;
        match command.programs() {
            #[cfg(target_os = "linux")]
            Programs::None if self.choice == ExposureChoice::Auto => {
                let word = command.group().as_str().split(' ').next().unwrap_or_default();
                let is_own = |libraries: PathBuf| {
                    shown::is_own_command(self.real_az, &libraries, context, &ConfigDir::of(context), word)
                };
                if self.refusals().listed().is_some_and(is_own) { Programs::None } else { Programs::Any }
            }
            programs => programs,
        }
    }

    /// What to do for a command that starts such programs.
    #[must_use]
    pub(crate) fn plan_for(&self, programs: Programs) -> Plan {
        match self.choice {
            ExposureChoice::Private => Plan::Private,
            ExposureChoice::Memory => Plan::Memory,
            ExposureChoice::InPlace => Plan::InPlace("it is set so".to_owned()),
            ExposureChoice::Auto => match programs {
                Programs::None if self.objection(ExposureKind::Private).is_none() => Plan::Private,
                Programs::None | Programs::Any => {
                    self.objection(ExposureKind::Memory).map_or(Plan::Memory, Plan::InPlace)
                }
            },
        }
    }

    /// What a run gets for which `planned` cannot be had.
    #[must_use]
    pub(crate) fn instead(&self, planned: ExposureKind, reason: String) -> Plan {
        match (self.choice, planned) {
            (ExposureChoice::Private | ExposureChoice::Memory, _) => Plan::Nothing,
            (ExposureChoice::Auto, ExposureKind::Private) => {
                self.objection(ExposureKind::Memory).map_or(Plan::Memory, Plan::InPlace)
            }
            _ => Plan::InPlace(reason),
        }
    }

    /// What a run that starts such programs would get now, tried out with a process that ends at once. What was remembered
    /// wrongly is forgotten.
    #[must_use]
    pub(crate) fn try_out(&self, programs: Programs) -> Plan {
        let known = self.plan_for(programs);
        let is_private = known == Plan::Private || programs == Programs::None && self.remembers_refusal();
        match is_private.then(|| self.try_private()) {
            None => known,
            Some(Ok(())) => self.plan_for(programs),
            Some(Err(reason)) => self.instead(ExposureKind::Private, reason),
        }
    }
}

#[cfg(target_os = "linux")]
impl Policy<'_> {
    /// What was learned of this system and this az.
    #[must_use]
    pub(crate) fn refusals(&self) -> Refusals<'_> {
        Refusals { context: &self.app.context, real_az: self.real_az }
    }

    /// Remembers what came to light about this az.
    pub(crate) fn note(&self, finding: Finding) {
        match finding {
            _ if self.started == Started::Program => {}
            Finding::Nothing => {}
            Finding::Renames => self.refusals().note_rename(),
            Finding::NeverOpened(kind) => self.refusals().note_never_opened(kind),
        }
    }

    fn objection(&self, kind: ExposureKind) -> Option<String> {
        if self.started == Started::Program && kind == ExposureKind::Memory {
            return None;
        }
        self.refusals().objection(kind)
    }

    fn remembers_refusal(&self) -> bool {
        self.choice == ExposureChoice::Auto && self.refusals().are_remembered()
    }

    fn try_private(&self) -> Result<(), String> {
        self.refusals().try_out()
    }
}

#[cfg(not(target_os = "linux"))]
impl Policy<'_> {
    /// Nothing of note comes to light here.
    pub(crate) fn note(&self, _finding: Finding) {}

    fn objection(&self, kind: ExposureKind) -> Option<String> {
        match kind {
            ExposureKind::Private => Some(NO_NAMESPACES.to_owned()),
            ExposureKind::Memory => Some(NO_MEMORY.to_owned()),
            ExposureKind::InPlace => None,
        }
    }

    fn remembers_refusal(&self) -> bool {
        false
    }

    fn try_private(&self) -> Result<(), String> {
        Err(NO_NAMESPACES.to_owned())
    }
}

/// Why there is no private exposure elsewhere.
#[cfg(not(target_os = "linux"))]
pub(crate) const NO_NAMESPACES: &str = "this system has no mount namespaces";

/// Why there is no memory exposure elsewhere.
#[cfg(not(target_os = "linux"))]
pub(crate) const NO_MEMORY: &str = "this system has no files in memory";

/// The failure of a run that was to be exposed in one way and no other.
#[must_use]
pub(crate) fn refused(reason: &str) -> Failure {
    Failure::new(
        Kind::Storage,
        format!("nothing was handed to az, because {reason}"),
        "run `azward config set exposure auto`, or see the README on what each exposure needs",
    )
}
