//! The Azure CLI's config directory: where it is, and the one name that azward knows it by. Nothing here fails: a
//! directory that is not there yet has its path all the same.

use std::path::{Path, PathBuf};

#[cfg(windows)]
use crate::azure::encryption_setting;
use crate::context::Context;
use crate::secret::fingerprint;

/// One Azure config directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigDir {
    path: PathBuf,
    canonical: PathBuf,
    id: String,
    /// Whether an az that uses it seals its files, as it does on Windows.
    #[cfg(windows)]
    is_sealed: bool,
}

impl ConfigDir {
    /// The directory that az uses in this process: `AZURE_CONFIG_DIR`, else `~/.azure`
    /// (azure-cli-core 2.91.0, `_environment.py`, `get_config_dir`).
    #[must_use]
    pub fn of(context: &Context) -> Self {
        let path = context.variable("AZURE_CONFIG_DIR").map_or_else(|| context.home.join(".azure"), PathBuf::from);
        // MSAL's persistence expands a tilde itself (msal-extensions 1.3.1, `persistence.py`, `FilePersistence`).
        let own = Self::at(&context.expand_user(&path));
        #[cfg(windows)]
        let own = Self { is_sealed: encryption_setting::is_sealing_by(context).unwrap_or(own.is_sealed), ..own };
        own
    }

    /// Whether `AZURE_CONFIG_DIR` is set to nothing, which leads az nowhere: it fails, and there is nothing to hand to it
    /// (knack 0.13, `config.py`, `CLIConfig.__init__`).
    #[must_use]
    pub fn is_nowhere(context: &Context) -> bool {
        context.has_variable("AZURE_CONFIG_DIR") && context.variable("AZURE_CONFIG_DIR").is_none()
    }

    /// The directory at `path`.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let canonical = canonicalise(&path);
        Self {
            #[cfg(windows)]
            is_sealed: encryption_setting::is_sealing_there(&path.join("config")),
            path,
            id: fingerprint(canonical.as_os_str().as_encoded_bytes()),
            canonical,
        }
    }

    /// The directory as az names it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory with every link resolved: what its vault is bound to.
    #[must_use]
    pub fn canonical(&self) -> &Path {
        &self.canonical
    }

    /// A short name for files that belong to this directory: the same for every path that leads to it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// MSAL's token cache.
    #[must_use]
    pub fn token_cache(&self) -> PathBuf {
        self.path.join(self.file_of("msal_token_cache"))
    }

    /// What service principals sign in with.
    #[must_use]
    pub fn service_principals(&self) -> PathBuf {
        self.path.join(self.file_of("service_principal_entries"))
    }

    /// The name of a file that az may seal (azure-cli-core 2.91.0, `auth/persistence.py`, `build_persistence`).
    fn file_of(&self, name: &str) -> String {
        #[cfg(windows)]
        if self.is_sealed {
            return format!("{name}.bin");
        }
        format!("{name}.json")
    }

    /// The profile: subscriptions, and who sees them.
    #[must_use]
    pub fn profile(&self) -> PathBuf {
        self.path.join("azureProfile.json")
    }
}

/// Resolves links in as much of `path` as exists, so that a directory has one name before and after az makes it.
fn canonicalise(path: &Path) -> PathBuf {
    let mut missing = Vec::new();
    let mut existing = path;
    loop {
        if let Ok(canonical) = std::fs::canonicalize(existing) {
            return missing.iter().rev().fold(canonical, |path, part| path.join(part));
        }
        let (Some(parent), Some(name)) = (existing.parent(), existing.file_name()) else { return path.to_owned() };
        missing.push(name);
        existing = parent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_id_before_and_after_it_is_made_and_through_a_link() {
        let home = tempfile::tempdir().unwrap();
        let real = home.path().join("real");
        let before = ConfigDir::at(&real).id().to_owned();
        std::fs::create_dir(&real).unwrap();
        assert_eq!(ConfigDir::at(&real).id(), before);
        #[cfg(unix)]
        {
            let link = home.path().join("link");
            std::os::unix::fs::symlink(&real, &link).unwrap();
            assert_eq!(ConfigDir::at(&link).id(), before);
            assert_ne!(ConfigDir::at(&link).path(), ConfigDir::at(&real).path());
        }
    }
}
