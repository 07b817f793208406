//! `$AZWARD_HOME/config.json`: the few things a user or the installer can set. A missing file means the defaults; a file
//! that cannot be understood or is not believed also means the defaults, and a warning, because az must still run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Kind, Result};
use crate::private;

/// Where the master key is kept.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyStoreChoice {
    /// The OS keyring where it answers, else the key file.
    #[default]
    Auto,
    /// The OS keyring and nothing else.
    Keyring,
    /// The key file bound to this machine and user.
    KeyFile,
}

/// How the secrets are handed to a run.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExposureChoice {
    /// Private where the system allows it, else in place.
    #[default]
    Auto,
    /// In a mount namespace of the run's own, or not at all.
    Private,
    /// In the real token cache, for as long as a run needs it.
    InPlace,
}

/// The settings of one azward home.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The real az, found at install: taken before PATH is searched, as long as it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub real_az: Option<PathBuf>,
    /// Where the master key of a new vault is kept.
    pub key_store: KeyStoreChoice,
    /// How the secrets are handed to a run.
    pub exposure: ExposureChoice,
    /// For how many minutes the kernel may keep a key that the keyring gave: none for eight hours, 0 for not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_cache_minutes: Option<u32>,
}

/// How many minutes the kernel keeps a key if nothing is set.
const KEY_CACHE_MINUTES: u32 = 8 * 60;

impl Settings {
    /// How long the kernel may keep a key that the keyring gave; zero for not at all.
    #[must_use]
    pub fn key_cache(&self) -> Duration {
        Duration::from_secs(u64::from(self.key_cache_minutes.unwrap_or(KEY_CACHE_MINUTES)) * 60)
    }

    /// The file's name under an azward home.
    #[must_use]
    pub fn path(azward_home: &Path) -> PathBuf {
        azward_home.join("config.json")
    }

    /// Reads the settings of `azward_home`.
    ///
    /// # Errors
    /// [`Kind::Usage`] when the file is there and cannot be understood, [`Kind::Storage`] when it cannot be read or is not
    /// believed: another user's, or a link.
    pub fn load(azward_home: &Path) -> Result<Self> {
        let path = Self::path(azward_home);
        let text = match private::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Failure::storage("read", &path, &error)),
        };
        serde_json::from_slice(&text).map_err(|error| {
            Failure::new(
                Kind::Usage,
                format!("the settings in `{}` cannot be understood: {error}", path.display()),
                "correct that file or remove it; until then the defaults hold",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_means_default_and_nonsense_is_said() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(Settings::load(home.path()).unwrap(), Settings::default());
        std::fs::write(Settings::path(home.path()), "{\"key_store\": \"teapot\"}").unwrap();
        assert_eq!(Settings::load(home.path()).unwrap_err().kind, Kind::Usage);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let home = tempfile::tempdir().unwrap();
        let settings = Settings {
            real_az: Some("/usr/bin/az".into()),
            key_store: KeyStoreChoice::KeyFile,
            exposure: ExposureChoice::InPlace,
            key_cache_minutes: Some(0),
        };
        std::fs::write(Settings::path(home.path()), serde_json::to_vec(&settings).unwrap()).unwrap();
        assert_eq!(Settings::load(home.path()).unwrap(), settings);
    }
}
