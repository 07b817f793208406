//! What there is: the state of one vault for `azward status`, and for an uninstall all vaults of an azward home and the
//! key they share. A vault's config directory is in
//! its header in clear, so every login can be given back to where it came from; what cannot be given back is listed and
//! left where it is, and the key that might still open it with it.

use std::path::{Path, PathBuf};

use super::files::{self, Files};
use super::key_store::{KeyStores, Patience};
use super::keyring::Keyring;
use super::sealed::Header;
use super::{Contents, KeyStoreKind, Vault};
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::settings::Settings;
use crate::sys;

/// What `azward status` shows of a vault.
#[derive(Debug)]
pub struct VaultState {
    /// Where the vault is, or would be.
    pub path: PathBuf,
    /// Whether there is one.
    pub exists: bool,
    /// The key store that has its key, where its header can be read.
    pub key_store: Option<KeyStoreKind>,
    /// How many times it has been committed, where its header can be read.
    pub generation: Option<u64>,
    /// What it holds, when it opens.
    pub contents: Option<Contents>,
    /// Why it does not open.
    pub trouble: Option<Failure>,
    /// What was set aside, oldest first.
    pub set_aside: Vec<PathBuf>,
}

impl Vault {
    /// What `azward status` shows. Nobody is asked to unlock a keyring, and nothing is changed.
    #[must_use]
    pub fn describe(&self) -> VaultState {
        let header = self.header(&self.files.current).ok().flatten();
        let header = header.or_else(|| self.header(&self.files.previous).ok().flatten());
        let (contents, trouble) = match self.load_with(Patience::Nobody) {
            Ok(contents) => (Some(contents), None),
            Err(failure) => (None, Some(failure)),
        };
        VaultState {
            path: self.files.current.clone(),
            exists: self.exists(),
            key_store: header.as_ref().map(|header| header.kind),
            generation: header.map(|header| header.generation),
            contents,
            trouble,
            set_aside: self.files.set_aside_files(),
        }
    }

    /// Removes every file of this vault, what was set aside of it included, and says how many there were. For what its owner
    /// does not want any more; the caller has the azward home's lock alone.
    ///
    /// # Errors
    /// [`Kind::Storage`].
    pub fn forget(&self) -> Result<usize> {
        let files = self.all_files();
        for path in &files {
            files::remove(path)?;
        }
        files::remove(&self.files.lock)?;
        if let Err(error) = sys::sync_dir(&self.files.directory) {
            return Err(Failure::storage("sync", &self.files.directory, &error));
        }
        Ok(files.len())
    }

    /// Every file of this vault that may hold a login: all generations, finished or not, and what was set aside.
    #[must_use]
    pub fn all_files(&self) -> Vec<PathBuf> {
        let current = self.files.current.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut found = files::list(&self.files.directory);
        found.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&current)));
        found.sort();
        found
    }
}

/// The vaults of an azward home, each with its config directory. Those whose header cannot be read are not among them:
/// see [`unclaimed_files`].
///
/// # Errors
/// [`Kind::Storage`] when the directory of the vaults cannot be read.
pub fn all_vaults(context: &Context, settings: &Settings) -> Result<Vec<(PathBuf, Vault)>> {
    let directory = files::directory_of(&context.azward_home);
    match std::fs::read_dir(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Failure::storage("list", &directory, &error));
        }
        _ => {}
    }
    let mut ids: Vec<String> = files::list(&directory).iter().filter_map(|path| id_of(path)).collect();
    ids.sort();
    ids.dedup();
    let vaults = ids.into_iter().filter_map(|id| {
        let files = Files::new(&context.azward_home, &id);
        let directory = [&files.current, &files.previous].into_iter().find_map(|path| {
            let bytes = files::read(path).ok().flatten()?;
            Header::parse(&bytes).ok().map(|(header, _)| header.directory)
        })?;
        let vault = Vault::new(context, settings, &id, &directory);
        Some((directory, vault))
    });
    Ok(vaults.collect())
}

/// The files beside the vaults that no vault of [`all_vaults`] would open: what was set aside, what is damaged, what a
/// newer azward made. They may be the only copy of what is in them.
#[must_use]
pub fn unclaimed_files(context: &Context, settings: &Settings) -> Vec<PathBuf> {
    let claimed: Vec<PathBuf> = all_vaults(context, settings)
        .unwrap_or_default()
        .into_iter()
        .flat_map(|(_, vault)| [vault.files.current, vault.files.previous])
        .collect();
    let is_lock = |path: &Path| path.extension().is_some_and(|extension| extension == "lock");
    let mut found = files::list(&files::directory_of(&context.azward_home));
    found.retain(|path| !claimed.contains(path) && !is_lock(path));
    found.sort();
    found
}

/// Removes one of the [`unclaimed_files`]. For when its owner does not want it any more.
///
/// # Errors
/// [`Kind::Storage`].
pub fn forget_unclaimed(path: &Path) -> Result<()> {
    files::remove(path)
}

/// Has the kernel forget the master key, where it was cached for the session.
pub fn forget_cached_key(context: &Context) {
    Keyring::of(&context.azward_home).forget_cached();
}

/// Removes the master key from every key store: the last step of an uninstall.
///
/// # Errors
/// [`Kind::Storage`] while there is any vault, or anything set aside, that the key may still open;
/// [`Kind::KeyUnavailable`] when the keyring has it and does not let it go.
pub fn remove_master_key(context: &Context, settings: &Settings) -> Result<()> {
    let left = files::list(&files::directory_of(&context.azward_home));
    if let Some(path) = left.iter().find(|path| path.extension().is_none_or(|extension| extension != "lock")) {
        return Err(Failure::new(
            Kind::Storage,
            format!("the master key stays, because `{}` may need it", path.display()),
            "remove that file if what is in it is no longer wanted, then uninstall again",
        ));
    }
    let patience = if context.is_interactive { Patience::Person } else { Patience::Nobody };
    KeyStores::new(&context.home_lock, settings.key_store, context.now()).remove(patience)
}

/// The id in the name of a vault's current or previous generation.
fn id_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let id = name.strip_suffix(".vault").or_else(|| name.strip_suffix(".vault.previous"))?;
    Some(id.to_owned())
}
