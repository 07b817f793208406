//! An az that keeps its tokens in the system's keyring itself finds none of those that azward has. When one has failed so, this
//! says why, and what has it use them again.

use crate::azure::TokenStorage;
use crate::azure::encryption_setting::By;
use crate::azure::token_storage::Clue;
use crate::failure::{Failure, Kind};
use crate::store::CredentialStore;
use crate::text;

impl CredentialStore<'_> {
    /// Why the login in the vault was of no use to an az with this `storage`, if there is one. Who says so to this very az knows.
    pub(super) fn login_left_unused(&self, storage: TokenStorage) -> Option<Failure> {
        let clue = storage.clue().filter(|clue| !matches!(clue, Clue::Told(By::Variable(_))) && self.vault.exists())?;
        Some(Failure::new(
            Kind::Usage,
            format!(
                "az keeps its tokens in the system's keyring itself, because {}: the login that azward has for `{}` is not used",
                clue.words(),
                text::path(self.config_dir.path())
            ),
            format!("to use it again, {}", clue.remedy()),
        ))
    }
}
