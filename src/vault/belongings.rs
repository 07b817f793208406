//! All that belongs to the login of one config directory, and how it is dropped when its owner does not want it any more: every
//! generation, finished or not, and what was set aside. What another machine's key seals is that machine's, and goes only
//! where that is asked for; so does what a lost key sealed, which nobody can tell from it.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::files;
use super::inventory::key_of;
use super::keys::{KeyStores, KeysHere};
use super::{Vault, VaultLock};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::home_lock::Alone;
use crate::settings::Settings;
use crate::sys;

/// Whose files are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Those that a key of this machine opens, or that no key can be told of.
    Ours,
    /// Those of other machines and of lost keys as well.
    Everyones,
}

impl Vault {
    /// Every file that may hold a login of this config directory.
    #[must_use]
    pub fn belongings(&self, extent: Extent) -> Vec<PathBuf> {
        let here = self.stores.keys_here();
        let beginning = format!("{}.", self.login.id());
        let mut found = files::list(&self.vaults);
        found.retain(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            *path != self.lock && name.starts_with(&beginning) && (extent == Extent::Everyones || is_ours(path, &here))
        });
        found.sort();
        found
    }

    /// Removes what a killed commit left, where a key of this machine opens it: whoever calls this knows a vault that has
    /// all that is in them, or has given that back.
    pub(super) fn remove_unfinished(&self) -> Result<()> {
        let left = self.belongings(Extent::Ours);
        left.iter().filter(|path| files::is_unfinished(path)).try_for_each(|path| files::remove(path))
    }

    /// When one of its files was last written, in seconds since the epoch; `None` where there is none.
    #[must_use]
    pub fn last_written(&self) -> Option<i64> {
        let times = self.belongings(Extent::Everyones).into_iter().filter_map(|path| {
            let written = path.metadata().and_then(|metadata| metadata.modified()).ok()?;
            i64::try_from(written.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
        });
        times.max()
    }

    /// Removes them, and says which. Nobody may be at work in this config directory.
    ///
    /// # Errors
    /// [`Kind::Storage`](crate::failure::Kind::Storage); what was not removed can be removed again.
    pub fn forget(&self, _lock: &VaultLock, extent: Extent) -> Result<Vec<PathBuf>> {
        let found = self.belongings(extent);
        for path in &found {
            files::remove(path)?;
        }
        sys::sync_dir(&self.vaults).map_err(|error| Failure::storage("sync", &self.vaults, &error))?;
        Ok(found)
    }

    /// Removes the lock of a vault that is gone.
    pub fn remove_lock(&self, _alone: &Alone) {
        if self.belongings(Extent::Everyones).is_empty() {
            let _ = std::fs::remove_file(&self.lock);
        }
    }
}

/// Removes those of the [`unclaimed_files`](super::unclaimed_files) that are meant, and says which.
///
/// # Errors
/// [`Kind::Storage`](crate::failure::Kind::Storage).
pub fn forget_unclaimed(
    context: &Context,
    settings: &Settings,
    extent: Extent,
    _alone: &Alone,
) -> Result<Vec<PathBuf>> {
    let here = KeyStores::new(context, settings).keys_here();
    let mut found = super::unclaimed_files(context, settings);
    found.retain(|path| extent == Extent::Everyones || is_ours(path, &here));
    for path in &found {
        files::remove(path)?;
    }
    Ok(found)
}

fn is_ours(path: &Path, here: &KeysHere) -> bool {
    key_of(path).is_none_or(|id| here.own.contains(&id) || here.shared.contains(&id))
}
