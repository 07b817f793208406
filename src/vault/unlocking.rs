//! The keys of all vaults are got now, so that nobody is asked for them later: a person is asked where there is one, and the
//! kernel keeps what it may for the session.

use super::keys::{KeyId, KeyStores, Prompting};
use super::{KeyStoreKind, all_vaults};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::settings::Settings;

/// A key that was asked for.
#[derive(Debug)]
pub struct Unlocked {
    /// Its store.
    pub store: KeyStoreKind,
    /// Whether the kernel keeps it for this session.
    pub is_kept: bool,
    /// Why it was not got.
    pub trouble: Option<Failure>,
}

/// Asks every key store for the keys of this machine's vaults.
///
/// # Errors
/// [`Kind::Storage`](crate::failure::Kind::Storage) when the vaults cannot be listed.
pub fn unlock(context: &Context, settings: &Settings) -> Result<Vec<Unlocked>> {
    let mut keys: Vec<(KeyStoreKind, KeyId)> = Vec::new();
    for (_, vault) in all_vaults(context, settings)? {
        let known = vault.known().and_then(|candidate| Some((candidate.kind?, candidate.key_id?)));
        keys.extend(known.filter(|key| !keys.contains(key)));
    }
    let stores = KeyStores::new(context, settings);
    let prompting = if context.is_interactive { Prompting::Allowed } else { Prompting::Never };
    let ask = |(store, id)| match stores.find(store, id, prompting) {
        Ok(key) => {
            // That of a key file is at hand anyway. Of the others the lifetime begins anew.
            if store != KeyStoreKind::KeyFile {
                stores.keep_open(&key);
            }
            Unlocked { store, is_kept: stores.is_kept(id), trouble: None }
        }
        Err(failure) => Unlocked { store, is_kept: false, trouble: Some(failure) },
    };
    Ok(keys.into_iter().map(ask).collect())
}
