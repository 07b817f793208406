//! What was found out and is remembered, so that it is not tried again at every command: a small JSON file in the azward
//! home's `run`. One that cannot be read or written costs another try.

use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::home_lock::HomeLock;
use crate::private;

/// One such file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memo<'a> {
    name: &'static str,
    home: &'a HomeLock,
}

impl<'a> Memo<'a> {
    /// The one of that name in an azward home.
    #[must_use]
    pub(crate) fn named(name: &'static str, home: &'a HomeLock) -> Self {
        Self { name, home }
    }

    /// What is remembered; nothing where that cannot be read.
    #[must_use]
    pub(crate) fn recall<T: DeserializeOwned + Default>(&self) -> T {
        std::fs::read(self.path()).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    /// Remembers `known` in the place of what was remembered before.
    pub(crate) fn remember(&self, known: &impl Serialize) {
        // An azward home that is being uninstalled is not made anew.
        let Ok(_presence) = self.home.enter() else { return };
        private::note(&self.path(), &serde_json::to_vec(known).unwrap_or_default());
    }

    fn path(&self) -> PathBuf {
        self.home.azward_home().join("run").join(self.name)
    }
}
