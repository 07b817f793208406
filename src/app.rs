//! What everything here works with, made once in each `main` and passed down as one reference: what the process was started
//! with, what was set, and where what happened is noted. A home that is not believed, or settings that are not understood, are
//! the defaults and a failure that is told by whoever has somebody to tell it to.

use crate::context::Context;
use crate::failure::Failure;
use crate::home::{self, Care};
use crate::in_use::InUse;
use crate::journal::Journal;
use crate::settings::Settings;

/// One process of azward's.
#[derive(Debug)]
pub struct App {
    /// What it was started with.
    pub context: Context,
    /// What was set; the defaults where that cannot be known.
    pub settings: Settings,
    /// Where it notes what happened.
    pub journal: Journal,
    /// Why the azward home is not believed, if it is not: nothing in it is to be read or written then.
    pub home_failure: Option<Failure>,
    /// Why the settings are the defaults, if they could not be read.
    pub settings_failure: Option<Failure>,
}

impl App {
    /// Looks at the azward home, mending it or not, and reads the settings in it.
    #[must_use]
    pub fn new(context: Context, care: Care) -> Self {
        let home_failure = home::examine(&context, care).err();
        let loaded = match home_failure {
            Some(_) => Ok(Settings::default()),
            None => Settings::load(&context.azward_home),
        };
        let (settings, settings_failure) = match loaded {
            Ok(settings) => (settings, None),
            Err(failure) => (Settings::default(), Some(failure)),
        };
        let context = if home_failure.is_none() { InUse::apply(context) } else { context };
        Self { home_failure, settings_failure, ..Self::with(context, settings) }
    }

    /// One with these settings, and what the environment sets. Nothing is looked at.
    #[must_use]
    pub fn with(context: Context, settings: Settings) -> Self {
        let settings = settings.with_environment(&context);
        let journal = Journal::at(&context.azward_home).keeping(settings.journal.value);
        Self { context, settings, journal, home_failure: None, settings_failure: None }
    }
}
