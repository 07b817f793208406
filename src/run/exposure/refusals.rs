//! What was learned about this system and this az: what the system refuses of private exposure, remembered until the next
//! boot, and an az that replaces its cache by rename, which no mount lets it do, until that az changes; so neither is tried
//! twice. A memory that cannot be read or written costs another try.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::azure::cache_writer::replaces_by_rename;
use crate::azure::command::alone;
use crate::azure::installation::Installation;
use crate::context::Context;
use crate::memo::Memo;
use crate::run::exposure::kind::ExposureKind;
use crate::sys::{self, CoveredFile, PrivateMount, Program, Refused, WaitingChild};

/// What was learned, for one az.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusals<'a> {
    /// What the process was started with.
    pub context: &'a Context,
    /// The real az.
    pub real_az: &'a Path,
}

/// What is remembered.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Known {
    /// The boot and the namespaces in which the system refused, and what it said.
    refused: Option<(String, String)>,
    /// The az that was looked at last.
    az: Option<KnownAz>,
}

/// What is known of an az.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct KnownAz {
    path: PathBuf,
    /// How its file looked.
    state: String,
    /// Whether it replaces its cache by rename.
    renames: bool,
    /// Whether it did not open the file in memory: it runs where that is not to be seen.
    #[serde(default)]
    is_elsewhere: bool,
    /// Where its version is one of which it is known what starts no program.
    listed: Option<Listed>,
}

/// An az of such a version.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Listed {
    libraries: PathBuf,
    /// The file that names the version, and how that looked: an upgrade takes it away.
    metadata: PathBuf,
    state: String,
}

impl Listed {
    fn of(az: &Path) -> Option<Self> {
        let (libraries, metadata) = alone::package_of(az)?;
        let state = sys::file_state(&metadata).ok()?.text;
        Some(Self { libraries, metadata, state })
    }

    fn is_still(&self) -> bool {
        sys::file_state(&self.metadata).is_ok_and(|now| now.text == self.state)
    }
}

impl Refusals<'_> {
    /// What speaks against an exposure, as far as is known.
    #[must_use]
    pub(crate) fn objection(&self, kind: ExposureKind) -> Option<String> {
        let known = self.recall();
        let refused = known.refused.filter(|(place, _)| *place == sys::boot_and_namespaces());
        if let Some((_, reason)) = refused
            && kind == ExposureKind::Private
        {
            return Some(reason);
        }
        let az = self.known_az(known.az)?;
        if kind == ExposureKind::Private && az.listed.is_none() {
            return Some(format!("it is not known what `{}` starts", self.real_az.display()));
        }
        if az.is_elsewhere {
            return Some(format!("`{}` runs where it does not see what is in memory", self.real_az.display()));
        }
        az.renames.then(|| format!("`{}` replaces its token cache by rename", self.real_az.display()))
    }

    /// The libraries of this az, where it is known which of its own commands start no program.
    #[must_use]
    pub(crate) fn listed(&self) -> Option<PathBuf> {
        Some(self.known_az(self.recall().az)?.listed?.libraries)
    }

    /// What is known of this az, looked at where it is another than last time; `None` where it is not there.
    fn known_az(&self, known: Option<KnownAz>) -> Option<KnownAz> {
        let state = sys::file_state(self.real_az).ok()?.text;
        let is_same = |az: &KnownAz| az.path == self.real_az && az.state == state;
        let known = known.filter(|az| is_same(az) && az.listed.as_ref().is_none_or(Listed::is_still));
        known.or_else(|| {
            let (path, renames) = (self.real_az.to_owned(), replaces_by_rename(self.real_az));
            let az = KnownAz { path, state, renames, is_elsewhere: false, listed: Listed::of(self.real_az) };
            self.remember(|known| known.az = Some(az.clone()));
            Some(az)
        })
    }

    /// Whether it is remembered that the system refused.
    #[must_use]
    pub(crate) fn are_remembered(&self) -> bool {
        self.recall().refused.is_some()
    }

    /// Has a child enter a private mount over this very program, by way of a directory that is always there; what was
    /// remembered otherwise is forgotten then, because something may have been done about it.
    ///
    /// # Errors
    /// What refuses it, in words.
    pub(crate) fn try_out(&self) -> Result<(), String> {
        self.enter_somewhere().map_err(|error| error.to_string())??;
        if self.are_remembered() {
            self.remember(|known| known.refused = None);
        }
        Ok(())
    }

    fn enter_somewhere(&self) -> std::io::Result<Result<(), String>> {
        let program = self.context.executable.as_deref().ok_or(ErrorKind::NotFound)?;
        let covered = [CoveredFile { path: program, name: "program", mode: 0o600 }];
        let mount = match PrivateMount::over(&covered, Path::new("/etc"))? {
            Ok(mount) => mount,
            Err(reason) => return Ok(Err(reason.to_owned())),
        };
        let child = WaitingChild::fork_into(&mount, &Program::new(program, &[], [])?)?;
        Ok(child.private_files()?.map(drop).map_err(|refused| reason_of(&refused)))
    }

    /// Remembers what the system refused, if it will refuse it again, and says it in words.
    #[must_use]
    pub(crate) fn note_refusal(&self, refused: &Refused) -> String {
        let reason = reason_of(refused);
        let is_lasting = matches!(refused.error.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported)
            // `user.max_user_namespaces` at 0 is told as a full disk.
            || refused.error.kind() == ErrorKind::StorageFull;
        if is_lasting {
            self.remember(|known| known.refused = Some((sys::boot_and_namespaces(), reason.clone())));
        }
        reason
    }

    /// Remembers that this az replaces its cache by rename: it has just tried.
    pub(crate) fn note_rename(&self) {
        let az = self.known_az(self.recall().az).map(|az| KnownAz { renames: true, ..az });
        self.remember(|known| known.az = az);
    }

    /// Remembers that this az did not open the file with its credentials, or forgets it where it did not open the real one
    /// either. An az whose libraries are here runs here, whatever it did not come to.
    pub(crate) fn note_never_opened(&self, kind: ExposureKind) {
        let az = self.known_az(self.recall().az).filter(|_| Installation::of(self.real_az).is_none());
        if let Some(az) = az.filter(|az| az.is_elsewhere != (kind == ExposureKind::Memory)) {
            self.remember(|known| known.az = Some(KnownAz { is_elsewhere: kind == ExposureKind::Memory, ..az }));
        }
    }

    fn memo(&self) -> Memo<'_> {
        Memo::named("exposure.json", &self.context.home_lock)
    }

    fn recall(&self) -> Known {
        self.memo().recall()
    }

    fn remember(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.recall();
        change(&mut known);
        self.memo().remember(&known);
    }
}

fn reason_of(refused: &Refused) -> String {
    let restriction = std::fs::read_to_string("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
    let help = if restriction.is_ok_and(|text| text.trim() == "1") && sys::user_id() != "0" {
        " (AppArmor wants a profile for azward, which comes with it: install/apparmor)"
    } else {
        ""
    };
    format!("this system refuses {}: {}{help}", refused.step, refused.error)
}
