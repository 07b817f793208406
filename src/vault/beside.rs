//! What is sealed beside the vaults and can be had again: access tokens, in `$AZWARD_HOME/tokens` (mode 0700, files 0600), a file
//! for each config directory and kind. It is sealed with the key of the vault of that directory's login, so it needs no key of
//! its own; where there is no vault yet, with the key that one would get. Whoever writes it holds the lock of what it belongs to.
//!
//! To lose it costs a renewal and no more. So what is missing, torn, another directory's or sealed with a key that is not here, or
//! was until the vaults got another one, is nothing, and nobody is asked to unlock anything for it; the next writing replaces it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::candidates::Standing;
use super::keys::Prompting;
use super::sealed::{self, Header};
use super::{Vault, files};
use crate::azure::ConfigDir;
use crate::failure::{Failure, Result};
use crate::private;

/// The directory's name in an azward home.
pub(crate) const DIRECTORY: &str = "tokens";

/// What is sealed beside a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// The access and ID tokens of a token cache.
    TokenCache,
    /// The access tokens of managed identities, which az keeps nowhere.
    ManagedIdentities,
}

impl Beside {
    const ALL: [Self; 2] = [Self::TokenCache, Self::ManagedIdentities];

    fn ending(self) -> &'static str {
        match self {
            Self::TokenCache => "cache",
            Self::ManagedIdentities => "identities",
        }
    }

    fn path(self, azward_home: &Path, config_dir: &str) -> PathBuf {
        azward_home.join(DIRECTORY).join(format!("{config_dir}.{}", self.ending()))
    }
}

impl Vault {
    /// Whether there is something sealed for `config_dir`, be it of any use or not.
    #[must_use]
    pub fn has_beside(&self, what: Beside, config_dir: &ConfigDir) -> bool {
        self.path_beside(what, config_dir).symlink_metadata().is_ok()
    }

    /// When what is sealed for `config_dir` was last written, if it is there.
    #[must_use]
    pub fn beside_written(&self, what: Beside, config_dir: &ConfigDir) -> Option<SystemTime> {
        self.path_beside(what, config_dir).symlink_metadata().ok()?.modified().ok()
    }

    /// What is sealed for `config_dir`, if it can be opened now.
    #[must_use]
    pub fn open_beside(&self, what: Beside, config_dir: &ConfigDir) -> Option<Zeroizing<String>> {
        let bytes = files::read(&self.path_beside(what, config_dir)).ok()??;
        let (header, _) = Header::parse_beside(&bytes).ok()?;
        if header.directory != config_dir.canonical() {
            return None;
        }
        let key = self.key_for(&header, Prompting::Never).ok()?;
        sealed::open_beside(&bytes, &key.key).ok()
    }

    /// Seals `text` for `config_dir`, in the place of what is there.
    ///
    /// # Errors
    /// `KeyUnavailable`, `Storage`; what was there stays.
    pub fn seal_beside(&self, what: Beside, config_dir: &ConfigDir, text: &str) -> Result<()> {
        let path = self.path_beside(what, config_dir);
        let _presence = self.home.enter()?;
        let failed = |error| Failure::storage("write", &path, &error);
        let directory = path.parent().unwrap_or(&path);
        private::make_dir(directory)?;
        let key = self.key_beside()?;
        let sealed = sealed::seal_beside(text, key.kind, &key.key, config_dir.canonical()).map_err(failed)?;
        private::replace_from(&path.with_extension(format!("{}.new", what.ending())), &path, &sealed, 0o600)
            .map_err(failed)
    }

    /// Removes what is sealed for `config_dir`, if anything.
    ///
    /// # Errors
    /// `Storage`.
    pub fn remove_beside(&self, what: Beside, config_dir: &ConfigDir) -> Result<()> {
        files::remove(&self.path_beside(what, config_dir))
    }

    /// The key of this machine's vault, or the one that a new vault would get.
    fn key_beside(&self) -> Result<super::HeldKey> {
        if self.held().is_none()
            && let Some((standing, candidate)) = self.ranked().into_iter().next()
            && standing != Standing::Elsewhere
            && let Some(header) = self.header(&candidate.files.current)?
        {
            return self.key_for(&header, Prompting::Never);
        }
        self.key_for_new()
    }

    fn path_beside(&self, what: Beside, config_dir: &ConfigDir) -> PathBuf {
        what.path(self.vaults.parent().unwrap_or(&self.vaults), config_dir.id())
    }
}

/// The ids of the config directories for which something is sealed.
#[must_use]
pub fn ids_beside(azward_home: &Path) -> Vec<String> {
    let files = files::list(&azward_home.join(DIRECTORY));
    let ids = files.iter().filter_map(|path| path.file_name()?.to_str()?.split('.').next().map(str::to_owned));
    ids.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Removes everything that is sealed for the config directory of this id.
///
/// # Errors
/// `Storage`.
pub fn forget_beside(azward_home: &Path, config_dir: &str) -> Result<()> {
    Beside::ALL.into_iter().try_for_each(|what| files::remove(&what.path(azward_home, config_dir)))
}
