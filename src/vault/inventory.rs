//! What there is: the state of one vault for `azward status`, and for an uninstall all vaults of an azward home and the
//! key they share. The config directory of a vault's login is in
//! its header in clear, so every login can be given back to where it came from; what cannot be given back is listed and
//! left where it is, and the key that might still open it with it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::candidates::{self, Standing, candidates};
use super::files;
use super::keys::BoundWhere;
use super::keys::{self, KeyId, KeyStores, Prompting};
use super::{Contents, KeyStoreKind, Login, Vault};
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::settings::Settings;
use crate::sys;

/// What `azward status` shows of a vault.
#[derive(Debug)]
pub struct VaultState {
    /// Where the vault is; the directory of the vaults where this machine has none.
    pub path: PathBuf,
    /// Whether there is one.
    pub exists: bool,
    /// The vaults of this config directory whose key is not here: another machine's, or a lost key's.
    pub elsewhere: Vec<PathBuf>,
    /// The key store that has its key, where its header can be read.
    pub key_store: Option<KeyStoreKind>,
    /// Where its key is and what that is bound to, in words that claim no more than holds.
    pub key: Option<&'static str>,
    /// Whether the kernel keeps its key for this session.
    pub is_kept: bool,
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
        let (contents, trouble) = match self.load_with(Prompting::Never) {
            Ok(contents) => (Some(contents), None),
            Err(failure) => (None, Some(failure)),
        };
        let ranked = self.ranked();
        let (elsewhere, ours): (Vec<_>, Vec<_>) =
            ranked.into_iter().partition(|(standing, _)| *standing == Standing::Elsewhere);
        // One that the keyring was asked for in vain is nobody's here.
        let is_ours = |standing: Standing| standing != Standing::Undecided || contents.is_some();
        let (ours, undecided): (Vec<_>, Vec<_>) = ours.into_iter().partition(|(standing, _)| is_ours(*standing));
        let ours = ours.into_iter().next().map(|(_, candidate)| candidate);
        let elsewhere = elsewhere.into_iter().chain(undecided).map(|(_, candidate)| candidate.files.current);
        let set_aside =
            candidates(&self.vaults, self.login.id()).into_iter().flat_map(|one| one.files.set_aside_files());
        VaultState {
            path: ours.as_ref().map_or_else(|| self.vaults.clone(), |ours| ours.files.current.clone()),
            exists: ours.is_some(),
            elsewhere: elsewhere.collect(),
            key_store: ours.as_ref().and_then(|ours| ours.kind),
            key: ours.as_ref().and_then(|ours| self.key_in_words(ours.kind, ours.key_id?)),
            is_kept: ours.as_ref().and_then(|ours| ours.key_id).is_some_and(|id| self.stores.is_kept(id)),
            generation: ours.filter(|ours| ours.kind.is_some()).map(|ours| ours.generation),
            contents,
            trouble,
            set_aside: set_aside.collect(),
        }
    }

    /// `kind` is the header's; where that cannot be read (a newer azward's), the key may be here all the same.
    fn key_in_words(&self, kind: Option<KeyStoreKind>, id: KeyId) -> Option<&'static str> {
        let key_file = match (kind, self.stores.bound_where(id)) {
            (Some(KeyStoreKind::Keyring), _) => return Some("in the OS keyring"),
            (Some(KeyStoreKind::SystemdCreds), _) => return Some(sealed_in_words()),
            (Some(KeyStoreKind::Passphrase), _) => return Some("behind a passphrase"),
            (Some(KeyStoreKind::KeyFile), bound) => bound?,
            (None, Some(bound)) => bound,
            (None, None) => return self.stores.is_noted(id).then_some("in the OS keyring"),
        };
        Some(match (key_file, self.stores.has_machine_id()) {
            (BoundWhere::MachineAndUser, _) => "in a key file bound to this machine and user",
            (BoundWhere::User, false) => "in a key file bound to this user only, because this system has no machine id",
            (BoundWhere::User, true) => {
                "in a key file bound to this user only, because there was no machine id when it was made"
            }
        })
    }
}

fn sealed_in_words() -> &'static str {
    match sys::user_id().as_str() {
        "0" => "sealed by systemd-creds for root on this system",
        _ => "sealed by systemd-creds for this user on this system",
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
    let stems = files::list(&directory).into_iter().filter_map(|path| candidates::stem(&path));
    let ids: BTreeSet<String> = stems.map(|stem| stem.split('.').next().unwrap_or_default().to_owned()).collect();
    let vaults = ids.into_iter().filter_map(|id| {
        let of_config_dir = candidates(&directory, &id).into_iter().find_map(|candidate| {
            let files = [candidate.files.current, candidate.files.previous];
            files.iter().find_map(|path| candidates::header(path)).map(|header| header.directory)
        })?;
        let vault = Vault::new(context, settings, Login::named(id, of_config_dir.clone()));
        Some((of_config_dir, vault))
    });
    Ok(vaults.collect())
}

/// The files beside the vaults that no vault of [`all_vaults`] would open: what was set aside, what is damaged, what a
/// newer azward made. They may be the only copy of what is in them, which what a killed commit left beside a vault never is.
#[must_use]
pub fn unclaimed_files(context: &Context, settings: &Settings) -> Vec<PathBuf> {
    let vaults: Vec<Vault> =
        all_vaults(context, settings).unwrap_or_default().into_iter().map(|(_, vault)| vault).collect();
    let of_vaults = vaults.iter().flat_map(|vault| candidates(&vault.vaults, vault.login.id()));
    let generations: Vec<PathBuf> = of_vaults.flat_map(|candidate| candidate.files.generations()).collect();
    let is_unfinished = |path: &Path| {
        let id = candidates::id_of(path);
        files::is_unfinished(path) && vaults.iter().any(|vault| Some(vault.login.id()) == id)
    };
    let is_lock = |path: &Path| path.extension().is_some_and(|extension| extension == "lock");
    let mut found = files::list(&files::directory_of(&context.azward_home));
    found.retain(|path| !generations.contains(path) && !is_lock(path) && !is_unfinished(path));
    found.sort();
    found
}

/// Has the kernel forget the master keys, where it keeps them for a session, and says how many there were.
pub fn forget_cached_key(context: &Context) -> usize {
    KeyStores::new(context, &Settings::default()).forget_cached()
}

/// Removes this machine's master keys from every key store: the last step of an uninstall. Other machines' keys, and
/// those of vaults that are another machine's, are not touched.
///
/// # Errors
/// [`Kind::Storage`] while there is any vault, or anything set aside, that a key of this machine may still open;
/// [`Kind::KeyUnavailable`] when the keyring has it and does not let it go.
pub fn remove_master_key(context: &Context, settings: &Settings) -> Result<()> {
    let prompting = if context.is_interactive { Prompting::Allowed } else { Prompting::Never };
    let stores = KeyStores::new(context, settings);
    let here = stores.keys_here();
    let is_elsewhere =
        |path: &Path| key_of(path).is_some_and(|id| !here.own.contains(&id) && !here.shared.contains(&id));
    let mut left = files::list(&files::directory_of(&context.azward_home));
    left.retain(|path| path.extension().is_none_or(|extension| extension != "lock") && !is_elsewhere(path));
    if let Some(path) = left.first() {
        return Err(Failure::new(
            Kind::Storage,
            format!("the master key stays, because `{}` may need it", path.display()),
            "remove that file if what is in it is no longer wanted, then uninstall again",
        ));
    }
    stores.remove(prompting)
}

/// The key that a file beside the vaults was sealed with, by its name or its header.
pub(super) fn key_of(path: &Path) -> Option<KeyId> {
    let mut parts = path.file_name()?.to_str()?.split('.').skip(1);
    let named = parts.next().and_then(keys::id_from_hex);
    named.or_else(|| candidates::header(path).map(|header| header.key_id))
}
