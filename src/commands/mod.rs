//! The `azward` command, one file for each subcommand. These and the shim are the only places that print: facts go to
//! stdout, by [`say`] and [`row`] alone, a failure's two lines to stderr.

pub mod clear;
pub mod forget;
pub mod install;
pub mod list;
pub mod lock;
pub mod scrub;
pub mod start_up_files;
pub mod status;
pub mod uninstall;

use std::io::Write;

use chrono::{DateTime, Local};

use crate::azure::ConfigDir;
use crate::context::Context;
use crate::failure::Failure;
use crate::home::{self, Care};
use crate::journal::Journal;
use crate::settings::Settings;
use crate::text;

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
}

impl Surroundings {
    /// Reads them.
    #[must_use]
    pub fn of(context: Context) -> Self {
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
        let config_dir = ConfigDir::of(&context);
        let journal = Journal::at(&context.azward_home);
        Self { context, settings, home_failure, settings_failure, config_dir, journal }
    }
}

/// Says one line on stdout. What others wrote (names, paths) is bounded and escaped; a stdout that is closed is no fault.
pub fn say(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stdout(), "{}", text::line(line.as_ref()));
}

/// Says one line of a table: a name of ours, and what it has.
pub fn row(name: &str, value: &str) {
    say(format!("{name:<17} {value}"));
}

/// A time, in seconds since the epoch, as people here tell it.
#[must_use]
pub fn time(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0).map_or_else(
        || "at an unknown time".to_owned(),
        |time| time.with_timezone(&Local).format("%Y-%m-%d %H:%M").to_string(),
    )
}
