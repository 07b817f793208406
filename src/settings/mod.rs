//! What can be set, each setting with where it comes from: the environment, the file in the azward home, which the user,
//! `azward config` or the installer writes, or nowhere, and then it is the default. The file is `config.toml`; where there is
//! none, `config.json` of the first version counts. A missing file means the defaults; a file that cannot be understood or is
//! not believed also means the defaults, and a warning, because az must still run.
//!
//! It is in the azward home, not where the system has settings: whoever calls az with an environment of his own finds the same
//! ones by the program's place alone, and what names the real az is as closed to others as the vaults are.

mod choice;
mod edit;
mod file;
mod first_version;
mod key;
mod plain_lines;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::private;
pub use choice::{Choice, ConfirmChoice, ExposureChoice, JournalChoice, KeyStoreChoice, SealChoice};
pub use edit::{Change, Edited, edit};
pub(crate) use file::NAME;
pub(crate) use first_version::{FirstVersion, NAME as FIRST_VERSION, TAKEN_OVER};
pub use key::{Key, Value};

/// Where a setting comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Provenance {
    /// Nobody set it.
    #[default]
    Default,
    /// The file in the azward home.
    File,
    /// An environment variable, which it names.
    Environment(&'static str),
}

/// A setting, and where it comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting<T> {
    /// What is set.
    pub value: T,
    /// By whom.
    pub provenance: Provenance,
}

impl<T> Setting<T> {
    /// One that the file has.
    pub fn in_file(value: T) -> Self {
        Self { value, provenance: Provenance::File }
    }
}

/// The settings of one azward home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The real az, by everybody who names one: the first that is there is taken, before PATH is searched. The file's was
    /// found at install.
    pub real_az: Vec<Setting<PathBuf>>,
    /// Where the master key of a new vault is kept.
    pub key_store: Setting<KeyStoreChoice>,
    /// How the secrets are handed to a run.
    pub exposure: Setting<ExposureChoice>,
    /// What leaves the files when no run needs it.
    pub seal: Setting<SealChoice>,
    /// For how many minutes the kernel may keep a key that the keyring gave: 0 for not at all.
    pub key_cache_minutes: Setting<u32>,
    /// With how many minutes left a token is due; one that lives less than three times as long, with a third of its lifetime.
    pub window_minutes: Setting<u32>,
    /// Whether events are kept.
    pub journal: Setting<JournalChoice>,
    /// Whether a person is asked before a program gets a token.
    pub confirm: Setting<ConfirmChoice>,
}

impl Default for Settings {
    fn default() -> Self {
        let minutes = |value| Setting { value, provenance: Provenance::Default };
        Self {
            real_az: Vec::new(),
            key_store: Setting::default(),
            exposure: Setting::default(),
            seal: Setting::default(),
            key_cache_minutes: minutes(8 * 60),
            window_minutes: minutes(20),
            journal: Setting::default(),
            confirm: Setting::default(),
        }
    }
}

impl From<FirstVersion> for Settings {
    fn from(file: FirstVersion) -> Self {
        let default = Self::default();
        Self {
            real_az: file.real_az.map(Setting::in_file).into_iter().collect(),
            key_store: file.key_store.map(Setting::in_file).unwrap_or_default(),
            exposure: file.exposure.map(Setting::in_file).unwrap_or_default(),
            key_cache_minutes: file.key_cache_minutes.map_or(default.key_cache_minutes, Setting::in_file),
            ..default
        }
    }
}

/// Names the real az, before everybody else who does.
const REAL_AZ: &str = "AZWARD_REAL_AZ";

impl Settings {
    /// How long the kernel may keep a key that the keyring gave; zero for not at all.
    #[must_use]
    pub fn key_cache(&self) -> Duration {
        Duration::from_secs(u64::from(self.key_cache_minutes.value) * 60)
    }

    /// With how much left a token is due, if it lives long enough.
    #[must_use]
    pub fn window(&self) -> Duration {
        Duration::from_secs(u64::from(self.window_minutes.value) * 60)
    }

    /// The file's name under an azward home.
    #[must_use]
    pub fn path(azward_home: &Path) -> PathBuf {
        azward_home.join(NAME)
    }

    /// Every file's that azward has, or had, its settings in.
    #[must_use]
    pub fn paths(azward_home: &Path) -> [PathBuf; 2] {
        [NAME, FIRST_VERSION].map(|name| azward_home.join(name))
    }

    /// The file that counts, if there is one.
    #[must_use]
    pub fn file(azward_home: &Path) -> Option<PathBuf> {
        Self::paths(azward_home).into_iter().find(|path| path.symlink_metadata().is_ok())
    }

    /// Reads the settings of `azward_home`.
    ///
    /// # Errors
    /// [`Kind::Usage`] when the file is there and cannot be understood, [`Kind::Storage`] when it cannot be read or is not
    /// believed: another user's, or a link.
    pub fn load(azward_home: &Path) -> Result<Self> {
        let [path, first_version] = Self::paths(azward_home);
        if let Some(text) = read(&path)? {
            return file::read(&text).map_err(|failure| not_understood(&path, failure));
        }
        match read(&first_version)? {
            Some(text) => first_version::read(&text, &first_version).map(Into::into),
            None => Ok(Self::default()),
        }
    }

    /// The same with what the environment sets.
    #[must_use]
    pub fn with_environment(mut self, context: &Context) -> Self {
        if let Some(path) = context.variable(REAL_AZ) {
            let setting = Setting { value: path.into(), provenance: Provenance::Environment(REAL_AZ) };
            self.real_az.insert(0, setting);
        }
        self
    }

    /// The real az that the file names.
    #[must_use]
    pub fn pinned(&self) -> Option<&Path> {
        self.real_az.iter().find(|setting| setting.provenance == Provenance::File).map(|setting| &*setting.value)
    }

    /// The same with `real_az` as what the file names.
    #[must_use]
    pub fn pinning(&self, real_az: Option<PathBuf>) -> Self {
        let mut settings = self.clone();
        settings.real_az.retain(|setting| setting.provenance != Provenance::File);
        settings.real_az.extend(real_az.map(Setting::in_file));
        settings
    }
}

/// The bytes of a file of the azward home, if it is there.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match private::read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::storage("read", path, &error)),
    }
}

fn not_understood(path: &Path, failure: Failure) -> Failure {
    let what = format!("the settings in `{}` cannot be understood: {}", path.display(), failure.what);
    Failure::new(Kind::Usage, what, format!("{}; until that is corrected the defaults hold", failure.hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_means_default_and_nonsense_is_said() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(Settings::load(home.path()).unwrap(), Settings::default());
        for (name, text) in [(FIRST_VERSION, "{\"key_store\": \"teapot\"}"), (NAME, "key_store = \"teapot\"\n")] {
            std::fs::write(home.path().join(name), text).unwrap();
            let failure = Settings::load(home.path()).unwrap_err();
            assert_eq!(failure.kind, Kind::Usage);
            assert!(failure.what.contains(name) && failure.hint.ends_with("the defaults hold"), "{failure}");
        }
    }

    #[test]
    fn the_first_version_s_file_counts_while_there_is_no_other_and_it_is_known_what_it_has() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(FIRST_VERSION), "{\"exposure\": \"auto\", \"key_cache_minutes\": 0}").unwrap();
        let settings = Settings::load(home.path()).unwrap();
        assert_eq!(settings.exposure, Setting::in_file(ExposureChoice::Auto));
        assert_eq!(settings.key_cache(), Duration::ZERO);
        assert_eq!((settings.key_store.provenance, settings.window().as_secs()), (Provenance::Default, 1200));
        assert_eq!(Settings::file(home.path()), Some(home.path().join(FIRST_VERSION)));
        std::fs::write(home.path().join(FIRST_VERSION), "{\"exposure\": null}").unwrap();
        assert_eq!(Settings::load(home.path()).unwrap_err().kind, Kind::Usage);
        std::fs::write(home.path().join(NAME), "window_minutes = 30\n").unwrap();
        let settings = Settings::load(home.path()).unwrap();
        assert_eq!((settings.window().as_secs(), settings.exposure), (1800, Setting::default()));
        assert_eq!(Settings::file(home.path()), Some(Settings::path(home.path())));
    }

    #[test]
    fn what_the_environment_names_comes_first_and_is_not_the_file_s() {
        let context = Context::new([(REAL_AZ.into(), "/opt/az".into())], None);
        let settings = Settings::default().pinning(Some("/usr/bin/az".into())).with_environment(&context);
        let paths: Vec<&Path> = settings.real_az.iter().map(|setting| &*setting.value).collect();
        assert_eq!(paths, [Path::new("/opt/az"), Path::new("/usr/bin/az")]);
        assert_eq!(settings.real_az[0].provenance, Provenance::Environment(REAL_AZ));
        assert_eq!(settings.pinned(), Some(Path::new("/usr/bin/az")));
        assert_eq!(settings.pinning(None).pinned(), None);
    }

    #[test]
    fn the_words_are_the_same_in_both_files() {
        for (word, choice) in KeyStoreChoice::ALL {
            assert_eq!(serde_json::from_value::<KeyStoreChoice>((*word).into()).unwrap(), *choice);
        }
        for (word, choice) in ExposureChoice::ALL {
            assert_eq!(serde_json::from_value::<ExposureChoice>((*word).into()).unwrap(), *choice);
        }
    }
}
