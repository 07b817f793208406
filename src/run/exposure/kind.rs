//! Which exposures there are, by name.

use serde::{Deserialize, Serialize};

/// How the credentials of a run are at hand for its az.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ExposureKind {
    /// In the run's private copy.
    Private,
    /// In the token cache that all see, which is in memory for as long as that is needed.
    Memory,
    /// In the real token cache, or not at all.
    InPlace,
}

impl ExposureKind {
    /// Whether all such runs share one file.
    #[must_use]
    pub(crate) fn is_shared(self) -> bool {
        self != Self::Private
    }
}
