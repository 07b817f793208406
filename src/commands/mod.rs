//! The `azward` command, one file for each subcommand. These and the shim are the only places that print: facts go to
//! stdout, a failure's two lines to stderr.

#![expect(clippy::print_stdout, reason = "this is where azward speaks")]

pub mod install;
pub mod scrub;
pub mod start_up_files;
pub mod status;
pub mod uninstall;

use crate::azure::ConfigDir;
use crate::context::Context;
use crate::failure::Failure;
use crate::journal::Journal;
use crate::settings::Settings;

/// What every subcommand works with.
#[derive(Debug)]
pub struct Surroundings {
    /// What the process was started with.
    pub context: Context,
    /// What was set; the defaults when the file is not understood.
    pub settings: Settings,
    /// Why the settings are the defaults, if they could not be read.
    pub settings_failure: Option<Failure>,
    /// The config directory that az would use here.
    pub config_dir: ConfigDir,
    /// The journal.
    pub journal: Journal,
}

impl Surroundings {
    /// Reads them.
    #[must_use]
    pub fn of(context: Context) -> Self {
        let (settings, settings_failure) = match Settings::load(&context.azward_home) {
            Ok(settings) => (settings, None),
            Err(failure) => (Settings::default(), Some(failure)),
        };
        let config_dir = ConfigDir::of(&context);
        let journal = Journal::at(&context.azward_home);
        Self { context, settings, settings_failure, config_dir, journal }
    }
}
