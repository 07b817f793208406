//! `accessTokens.json`, in which an az before 2.30 keeps its users' refresh tokens and its service principals' secrets: the file and
//! its format (azure-cli-core 2.29.2, `_profile.py`, `CredsCache`; adal 1.2.7, `token_cache.py`). Such an az reads it once, takes
//! no lock, and writes it whole and in place when it ends; so two that run at once lose what one of them stored. `AZURE_ACCESS_TOKEN_FILE`
//! names another file. azward's own changes take a lock of MSAL's kind beside it, which only azward knows.
//!
//! At rest an entry has an empty text for its secret: an az without azward works for as long as its access token does, and is then
//! refused by the endpoint.

mod entries;

use std::path::PathBuf;

pub use entries::AdalTokens;
pub(crate) use entries::{file_of, forget, harvest, inject};

use crate::credentials::CredentialFile;
use crate::credentials::file::WholeFile;

/// What the file is called in a config directory.
pub(crate) const NAME: &str = "accessTokens.json";

/// The file of one config directory, or the one that its az was told to use, or a run's copy of one.
#[derive(Clone, Debug)]
pub(crate) struct AdalFile(WholeFile);

impl AdalFile {
    /// The one at `path`; nothing is opened yet.
    #[must_use]
    pub(crate) fn at(path: PathBuf) -> Self {
        Self(WholeFile::at(path, "token file of an az before 2.30"))
    }
}

impl CredentialFile for AdalFile {
    fn file(&self) -> &WholeFile {
        &self.0
    }
}
