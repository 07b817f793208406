//! `service_principal_entries.json`, in which az keeps what its service principals sign in with: the file, its format, and what
//! only it has. Format and lock are az's (azure-cli-core 2.91.0, `auth/identity.py`, `ServicePrincipalStore`, and
//! `auth/persistence.py`, `SecretStore`): a list, rewritten whole and in place, under a lock of MSAL's kind beside it; readers
//! take none. The path of a certificate is no secret and stays.
//!
//! At rest an entry has an empty text for its secret, which is none to az: one without azward works for as long as its access
//! token does, then says that the endpoint wants a secret. Whatever it does with the list meanwhile is taken over.

mod certificates;
mod entries;
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod moving;
mod principals;

pub(crate) use certificates::{file_of, hand_over_assertions, pem_in, record_of};
pub use entries::{Certificate, Principal, ServicePrincipals};
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub use moving::{all_in, listed_in, with_principals, without_listed};
pub(crate) use principals::{Replaced, accept, forget, harvest, inject, is_record_of, name_of, seat};

use crate::azure::ConfigDir;
use crate::credentials::CredentialFile;
use crate::credentials::file::WholeFile;

/// The service principals of one config directory.
#[derive(Clone, Debug)]
pub struct ServicePrincipalsFile(WholeFile);

impl ServicePrincipalsFile {
    /// That of `config_dir`; nothing is opened yet.
    #[must_use]
    pub fn of(config_dir: &ConfigDir) -> Self {
        Self(WholeFile::at(config_dir.service_principals(), "list of service principals"))
    }

    /// Whether there is something of that name, or of what a killed process leaves beside it.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.path().symlink_metadata().is_ok() || self.has_leftover()
    }
}

impl CredentialFile for ServicePrincipalsFile {
    fn file(&self) -> &WholeFile {
        &self.0
    }
}
