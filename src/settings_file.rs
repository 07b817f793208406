//! `config.json` as it stands in the azward home: what may be in it, and nothing else. A file that has more, or a value that is
//! none, is not read as settings, and is no sign of an azward home either.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

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
    /// Private for what starts no other program, else in memory, each where the system allows it; in place last.
    #[default]
    Auto,
    /// In a mount namespace of the run's own, or not at all.
    Private,
    /// In the token cache that all see, while that is in memory and on no disk, or not at all.
    Memory,
    /// In the real token cache, for as long as a run needs it.
    InPlace,
}

/// As `config.json` has them.
#[derive(Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct InFile {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) real_az: Option<PathBuf>,
    #[serde(deserialize_with = "given")]
    pub(crate) key_store: Option<KeyStoreChoice>,
    #[serde(deserialize_with = "given")]
    pub(crate) exposure: Option<ExposureChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key_cache_minutes: Option<u32>,
}

/// A value that cannot be null.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> std::result::Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
