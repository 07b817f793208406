//! The `azward` command, one file for each subcommand. What one has to say it says through [`Ui`]: facts on stdout, a
//! failure's two lines on stderr.

pub mod clear;
pub mod forget;
pub mod install;
pub mod list;
pub mod lock;
pub mod scrub;
pub mod start_up_files;
pub mod status;
pub mod uninstall;

use chrono::{DateTime, Local};

use crate::azure::ConfigDir;
use crate::context::Context;
use crate::failure::Failure;
use crate::home::{self, Care};
use crate::journal::Journal;
use crate::settings::Settings;
use crate::ui::Ui;

/// What every subcommand works with.
#[derive(Debug)]
pub struct Surroundings {
    /// What the process was started with.
    pub context: Context,
    /// What was set; the defaults when the file is not understood.
    pub settings: Settings,
    /// Why the azward home is not believed, if it is not: nothing in it is to be read or written then.
    pub home_failure: Option<Failure>,
    /// Why the settings are the defaults, if they could not be read.
    pub settings_failure: Option<Failure>,
    /// The config directory that az would use here.
    pub config_dir: ConfigDir,
    /// The journal.
    pub journal: Journal,
    /// Where its output goes.
    pub ui: Ui,
}

impl Surroundings {
    /// Reads them.
    #[must_use]
    pub fn of(context: Context, ui: Ui) -> Self {
        let home_failure = home::examine(&context, Care::Mend).err();
        let loaded = match home_failure {
            Some(_) => Ok(Settings::default()),
            None => Settings::load(&context.azward_home),
        };
        let (settings, settings_failure) = match loaded {
            Ok(settings) => (settings, None),
            Err(failure) => (Settings::default(), Some(failure)),
        };
        if home_failure.is_none() {
            home::close_files(&context);
        }
        let settings = settings.with_environment(&context);
        let config_dir = ConfigDir::of(&context);
        let journal = Journal::at(&context.azward_home);
        Self { context, settings, home_failure, settings_failure, config_dir, journal, ui }
    }
}

/// A time, in seconds since the epoch, as people here tell it.
#[must_use]
pub fn time(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0).map_or_else(
        || "at an unknown time".to_owned(),
        |time| time.with_timezone(&Local).format("%Y-%m-%d %H:%M").to_string(),
    )
}
