//! What can be set, each setting with where it comes from: the environment, `$AZWARD_HOME/config.json`, which the user or the
//! installer writes, or nowhere, and then it is the default. A missing file means the defaults; a file that cannot be
//! understood or is not believed also means the defaults, and a warning, because az must still run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::private;
use crate::settings_file::InFile;
pub use crate::settings_file::{ExposureChoice, KeyStoreChoice};

/// Where a setting comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Provenance {
    /// Nobody set it.
    #[default]
    Default,
    /// `config.json`.
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
    /// One that `config.json` has.
    pub fn in_file(value: T) -> Self {
        Self { value, provenance: Provenance::File }
    }
}

/// The settings of one azward home.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The real az, by everybody who names one: the first that is there is taken, before PATH is searched. The file's was
    /// found at install.
    pub real_az: Vec<Setting<PathBuf>>,
    /// Where the master key of a new vault is kept.
    pub key_store: Setting<KeyStoreChoice>,
    /// How the secrets are handed to a run.
    pub exposure: Setting<ExposureChoice>,
    /// For how many minutes the kernel may keep a key that the keyring gave: none for eight hours, 0 for not at all.
    pub key_cache_minutes: Setting<Option<u32>>,
}

impl From<InFile> for Settings {
    fn from(file: InFile) -> Self {
        Self {
            real_az: file.real_az.map(Setting::in_file).into_iter().collect(),
            key_store: file.key_store.map(Setting::in_file).unwrap_or_default(),
            exposure: file.exposure.map(Setting::in_file).unwrap_or_default(),
            key_cache_minutes: file.key_cache_minutes.map(Some).map(Setting::in_file).unwrap_or_default(),
        }
    }
}

/// Names the real az, before everybody else who does.
const REAL_AZ: &str = "AZWARD_REAL_AZ";

/// How many minutes the kernel keeps a key if nothing is set.
const KEY_CACHE_MINUTES: u32 = 8 * 60;

impl Settings {
    /// How long the kernel may keep a key that the keyring gave; zero for not at all.
    #[must_use]
    pub fn key_cache(&self) -> Duration {
        Duration::from_secs(u64::from(self.key_cache_minutes.value.unwrap_or(KEY_CACHE_MINUTES)) * 60)
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
        serde_json::from_slice(&text).map(|file: InFile| file.into()).map_err(|error| {
            Failure::new(
                Kind::Usage,
                format!("the settings in `{}` cannot be understood: {error}", path.display()),
                "correct that file or remove it; until then the defaults hold",
            )
        })
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

    /// The text of the file that has what the file has of these, and names the defaults that hold.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a path that is no text.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let file = InFile {
            real_az: self.pinned().map(Path::to_owned),
            key_store: Some(self.key_store.value),
            exposure: Some(self.exposure.value),
            key_cache_minutes: self.key_cache_minutes.value,
        };
        let mut text = serde_json::to_vec_pretty(&file).map_err(|error| {
            Failure::new(Kind::Usage, format!("the settings cannot be written: {error}"), "report this")
        })?;
        text.push(b'\n');
        Ok(text)
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
    fn what_is_written_is_read_again_and_knows_where_it_comes_from() {
        let home = tempfile::tempdir().unwrap();
        let settings = Settings {
            real_az: vec![Setting::in_file("/usr/bin/az".into())],
            key_store: Setting::in_file(KeyStoreChoice::KeyFile),
            exposure: Setting::in_file(ExposureChoice::InPlace),
            key_cache_minutes: Setting::in_file(Some(0)),
        };
        std::fs::write(Settings::path(home.path()), settings.to_json().unwrap()).unwrap();
        assert_eq!(Settings::load(home.path()).unwrap(), settings);
        std::fs::write(Settings::path(home.path()), "{\"exposure\": \"auto\"}").unwrap();
        let settings = Settings::load(home.path()).unwrap();
        assert_eq!(settings.exposure, Setting::in_file(ExposureChoice::Auto));
        assert_eq!(settings.key_store.provenance, Provenance::Default);
        std::fs::write(Settings::path(home.path()), "{\"exposure\": null}").unwrap();
        assert_eq!(Settings::load(home.path()).unwrap_err().kind, Kind::Usage);
    }

    #[test]
    fn what_the_environment_names_comes_first_and_is_not_written() {
        let context = Context::new([(REAL_AZ.into(), "/opt/az".into())], None);
        let settings = Settings::default().pinning(Some("/usr/bin/az".into())).with_environment(&context);
        let paths: Vec<&Path> = settings.real_az.iter().map(|setting| &*setting.value).collect();
        assert_eq!(paths, [Path::new("/opt/az"), Path::new("/usr/bin/az")]);
        assert_eq!(settings.real_az[0].provenance, Provenance::Environment(REAL_AZ));
        let text = String::from_utf8(settings.to_json().unwrap()).unwrap();
        assert_eq!(
            text,
            "{\n  \"real_az\": \"/usr/bin/az\",\n  \"key_store\": \"auto\",\n  \"exposure\": \"auto\"\n}\n"
        );
        assert_eq!(settings.pinning(None).pinned(), None);
    }
}
