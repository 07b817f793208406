//! Which session plain az works in: `azward use` notes its config directory in `in-use` in the azward home, and every shim that was
//! not told of a config directory in its environment reads that. What cannot be read or understood is no session, and az works
//! in the user's own directory; one whose directory is gone stays in use, for another subscription than that is nobody's wish.

use std::ffi::OsString;

use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::private;

/// What az is given in its environment to work in a session.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct InUse {
    /// The config directory.
    pub config_dir: String,
    /// Where the extensions are that it works with, where that is not below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<String>,
}

/// The file's name in an azward home.
const NAME: &str = "in-use";

impl InUse {
    /// What is in use in this azward home, if anything.
    #[must_use]
    pub fn read(context: &Context) -> Option<Self> {
        // Nearly always there is none, and every answer asks.
        let path = context.azward_home.join(NAME);
        path.symlink_metadata().ok()?;
        serde_json::from_slice(&private::read(&path).ok()?).ok()
    }

    /// The process as one that works there, unless it was told of a config directory, or to pass everything on.
    #[must_use]
    pub fn apply(context: Context) -> Context {
        if context.has_variable("AZURE_CONFIG_DIR") || context.variable("AZWARD_BYPASS").is_some() {
            return context;
        }
        let Some(in_use) = Self::read(&context) else { return context };
        let extensions = in_use.extensions.filter(|_| !context.has_variable("AZURE_EXTENSION_DIR"));
        let directory = (OsString::from("AZURE_CONFIG_DIR"), OsString::from(in_use.config_dir));
        let extensions = extensions.map(|directory| ("AZURE_EXTENSION_DIR".into(), directory.into()));
        context.with(std::iter::once(directory).chain(extensions))
    }

    /// Has plain az work there from now on.
    ///
    /// # Errors
    /// `Storage`, `Gone`.
    pub fn write(&self, context: &Context) -> Result<()> {
        let _presence = context.home_lock.enter()?;
        let path = context.azward_home.join(NAME);
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        private::replace(&path, &bytes, 0o600).map_err(|error| Failure::storage("write", &path, &error))
    }

    /// Has plain az work in the user's own directory again; says whether it did not.
    ///
    /// # Errors
    /// `Storage`.
    pub fn remove(context: &Context) -> Result<bool> {
        let path = context.azward_home.join(NAME);
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Failure::storage("remove", &path, &error)),
        }
    }
}
