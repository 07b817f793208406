//! Where it is played: one stand-in, one login, and two config directories that begin alike, of which azward has one and the
//! bare az the other.

use std::ffi::{OsStr, OsString};
use std::fs;

use entra::{Entra, Fault, Knobs, Rolling};

use crate::scenario::Place;
use crate::support::{ConfigDir, Sandbox};

/// A box with both.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) entra: Entra,
    copy: ConfigDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let (sandbox, entra, copy) = crate::support::native::with_copy();
        Self { sandbox, entra, copy }
    }

    /// The config directory of a place.
    pub(crate) fn config(&self, place: Place) -> ConfigDir {
        match place {
            Place::Azward => self.sandbox.config(),
            Place::BareAz => self.copy.clone(),
        }
    }

    /// What tells the place to a caller.
    pub(crate) fn environment(&self, place: Place) -> Vec<(&'static str, OsString)> {
        match place {
            Place::Azward => Vec::new(),
            Place::BareAz => {
                let path = self.sandbox.environment()[OsStr::new("PATH")].clone();
                let shim = self.sandbox.root().join("bin");
                let others = std::env::split_paths(&path).filter(|part| *part != shim);
                let path = std::env::join_paths(others).expect("no colon in it");
                vec![("PATH", path), ("AZURE_CONFIG_DIR", self.copy.path().into())]
            }
        }
    }

    /// All is well again: nothing goes wrong from now on, and nobody remembers that it did.
    pub(crate) fn mend(&self, place: Place) {
        self.entra.knobs(|knobs| *knobs = Knobs { rolling: Rolling::Entra, ..Knobs::default() });
        self.entra.clear_journal();
        // There is none where nobody was refused.
        let _ = fs::remove_file(self.config(place).path().join("msal_http_cache.bin"));
        for entry in fs::read_dir(self.sandbox.azward_home().join("run")).unwrap().flatten() {
            if entry.file_name().to_string_lossy().contains(".rotate-") {
                fs::write(entry.path(), "").unwrap();
            }
        }
    }

    /// From now on this goes wrong.
    pub(crate) fn break_it(&self, fault: Fault) {
        self.entra.knobs(|knobs| knobs.faults = vec![fault]);
    }
}
