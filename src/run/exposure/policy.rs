//! Which exposure a run gets: private where the system allows it and nothing speaks against it (`refusals`), else in place.

use std::path::Path;

use crate::app::App;
use crate::azure::Command;
use crate::azure::command::{AccountEffect, Programs};
use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::run::exposure::Finding;
#[cfg(target_os = "linux")]
use crate::run::exposure::refusals::Refusals;
use crate::settings::ExposureChoice;
use crate::sys;

/// What is to be done with the secrets of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Private exposure.
    Private,
    /// In-place exposure, and why.
    InPlace(String),
    /// None: the command needs no secret, or removes the file.
    Nothing,
}

/// Decides for one run.
#[derive(Debug)]
pub(crate) struct Policy<'a> {
    app: &'a App,
    choice: ExposureChoice,
    real_az: &'a Path,
}

impl<'a> Policy<'a> {
    /// Nothing is asked yet.
    #[must_use]
    pub(crate) fn new(app: &'a App, real_az: &'a Path) -> Self {
        Self { app, choice: app.settings.exposure.value, real_az }
    }

    /// The az that all this is about.
    #[must_use]
    pub(crate) fn real_az(&self) -> &Path {
        self.real_az
    }

    /// What to do for a command.
    #[must_use]
    pub(crate) fn plan(&self, command: &Command<'_>) -> Plan {
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
    pub(crate) fn in_general(&self) -> Plan {
        match self.choice {
            ExposureChoice::Private => Plan::Private,
            ExposureChoice::InPlace => Plan::InPlace("it is set so in config.json".to_owned()),
            ExposureChoice::Auto => self.objection().map_or(Plan::Private, Plan::InPlace),
        }
    }

    /// What a run gets for which private exposure was planned and cannot be had.
    #[must_use]
    pub(crate) fn instead(&self, reason: String) -> Plan {
        match self.choice {
            ExposureChoice::Private => Plan::Nothing,
            _ => Plan::InPlace(reason),
        }
    }

    /// What a run would get now, tried out with a process that ends at once. What was remembered wrongly is forgotten.
    #[must_use]
    pub(crate) fn try_out(&self) -> Plan {
        let known = self.in_general();
        if known != Plan::Private && !self.remembers_refusal() {
            return known;
        }
        match self.try_private() {
            Ok(()) => self.in_general(),
            Err(reason) => self.instead(reason),
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
        if finding == Finding::Renames {
            self.refusals().note_rename();
        }
    }

    fn objection(&self) -> Option<String> {
        self.refusals().objection()
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

    fn objection(&self) -> Option<String> {
        Some(NO_NAMESPACES.to_owned())
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

/// The failure of a run that was to be exposed privately and nothing else.
#[must_use]
pub(crate) fn refused(reason: &str) -> Failure {
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
