//! systemd-creds as a key store: the master key, sealed by the host's key or its TPM for this user (for the system where that is
//! root), in `$AZWARD_HOME/<binding>.<key id>.systemd-creds`. It is the text that the program makes, under the name
//! `azward-<binding>-<key id>`: a copy of the file opens nowhere else, and under no other name.
//!
//! A seal that does not open is [`Kind::KeyLost`] where the program opens what it has just sealed, for then the host's key or
//! TPM is another one, or the file is; where it does not do that either, it is [`Kind::KeyUnavailable`]. In the choice
//! `auto` it is used where a trial went well, and the kernel keeps keys. What came of a trial is remembered until the next boot, or until the program
//! is another one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::binding::Binding;
use super::master_key::{KeyId, MasterKey, hex};
use super::named_files;
use super::systemd_tool::{Scope, Tool, Trouble};
use crate::failure::{Failure, Kind, Result};
use crate::home_lock::HomeLock;
use crate::memo::Memo;
use crate::secret::Secret;
use crate::sys;
use crate::vault::files;

/// The ending of its name.
pub(super) const ENDING: &str = ".systemd-creds";

/// The seal of one key.
#[derive(Debug)]
pub(super) struct SealedCredential {
    path: PathBuf,
    /// Under which the program seals it.
    name: String,
    id: KeyId,
}

/// What came of a trial.
#[derive(Default, Deserialize, Serialize)]
struct Tried {
    /// The program, this boot and this user.
    of: String,
    went_well: bool,
}

impl SealedCredential {
    /// The one of the key called `id`; nothing is read of it yet.
    pub(super) fn of(azward_home: &Path, binding: &Binding, id: KeyId) -> Self {
        let name = format!("azward-{}-{}", binding.id(), hex(id));
        Self { path: named_files::path_of(azward_home, binding, id, ENDING), name, id }
    }

    /// Seals `key`. The caller holds the key lock.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`], [`Kind::Storage`].
    pub(super) fn make(&self, search_path: Option<&OsString>, key: &MasterKey) -> Result<()> {
        let sealed = Tool::find(search_path)?.seal(&self.name, &Secret::new(key.expose().to_vec()))?;
        named_files::put(&self.path, sealed.expose())
    }

    /// The key.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`], [`Kind::KeyLost`].
    pub(super) fn open(&self, search_path: Option<&OsString>) -> Result<MasterKey> {
        let unavailable = |failure: Failure| Failure::new(Kind::KeyUnavailable, failure.what, failure.hint);
        let sealed = files::read(&self.path).map_err(unavailable)?.ok_or_else(|| self.lost("is gone"))?;
        let tool = Tool::find(search_path)?;
        match tool.unseal(&self.name, Secret::new(sealed)) {
            Ok(key) => {
                let key = MasterKey::from_secret(key).filter(|key| key.id() == self.id);
                key.ok_or_else(|| self.lost("has another key than the one that it is named by"))
            }
            Err(Trouble::Refused) if tool.try_out().is_ok() => {
                Err(self.lost("was sealed by another system, host key or TPM, or was changed"))
            }
            Err(trouble) => Err(trouble.into()),
        }
    }

    fn lost(&self, what: &str) -> Failure {
        Failure::new(
            Kind::KeyLost,
            format!("the sealed credential `{}` {what}", self.path.display()),
            "bring it and the system's key back as they were; or sign in to Azure again: the old vault stays beside the new one",
        )
    }
}

/// Whether it seals for this user and opens that again, as was found out since this system started. Nothing of the system's is
/// made for that.
///
/// # Errors
/// [`Kind::Interrupted`]: then nothing was found out.
pub(super) fn is_to_be_had(home: &HomeLock, search_path: Option<&OsString>) -> Result<bool> {
    let Ok(tool) = Tool::find(search_path) else { return Ok(false) };
    if tool.would_set_up() {
        return Ok(false);
    }
    let program = sys::file_state(tool.program()).map(|state| state.text).unwrap_or_default();
    let of = format!("{program} {} {:?} {}", this_boot(), Scope::here(), sys::user_id());
    let memo = Memo::named("systemd-creds.json", home);
    let known: Tried = memo.recall();
    if known.of == of {
        return Ok(known.went_well);
    }
    match tool.try_out() {
        Err(Trouble::Interrupted) => Err(Trouble::Interrupted.into()),
        outcome => {
            let went_well = outcome.is_ok();
            memo.remember(&Tried { of, went_well });
            Ok(went_well)
        }
    }
}

/// Seals something and opens it again.
///
/// # Errors
/// [`Kind::KeyUnavailable`], and why.
pub(super) fn try_out(search_path: Option<&OsString>) -> Result<()> {
    Ok(Tool::find(search_path)?.try_out()?)
}

#[cfg(target_os = "linux")]
fn this_boot() -> String {
    sys::boot_and_namespaces()
}

/// Only Linux has the program.
#[cfg(not(target_os = "linux"))]
fn this_boot() -> String {
    String::new()
}
