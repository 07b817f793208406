//! `config.json`, in which the first version had its settings: what may be in it, and nothing else. It is read as long as there is
//! no `config.toml`, and never written. A file that has more, or a value that is none, is not read as settings, and is no sign
//! of an azward home either.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};

use super::choice::{ExposureChoice, KeyStoreChoice};
use crate::failure::{Failure, Kind, Result};

/// The file's name under an azward home.
pub(crate) const NAME: &str = "config.json";

/// What it is called once `config.toml` has what it had.
pub(crate) const TAKEN_OVER: &str = "config.json.taken-over";

/// As `config.json` has them.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FirstVersion {
    pub(crate) real_az: Option<PathBuf>,
    #[serde(deserialize_with = "given")]
    pub(crate) key_store: Option<KeyStoreChoice>,
    #[serde(deserialize_with = "given")]
    pub(crate) exposure: Option<ExposureChoice>,
    pub(crate) key_cache_minutes: Option<u32>,
}

/// Reads the text of the file at `path`.
///
/// # Errors
/// [`Kind::Usage`].
pub(super) fn read(text: &[u8], path: &Path) -> Result<FirstVersion> {
    serde_json::from_slice(text).map_err(|error| {
        Failure::new(
            Kind::Usage,
            format!("the settings in `{}` cannot be understood: {error}", path.display()),
            "correct that file or remove it; until then the defaults hold",
        )
    })
}

/// A value that cannot be null.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> std::result::Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
