//! Which certificates are trusted: those that az trusts, and no others. requests knows `REQUESTS_CA_BUNDLE`, then
//! `CURL_CA_BUNDLE`, else certifi's file beside az's own interpreter (requests 2.33, `sessions.py`,
//! `merge_environment_settings`; `adapters.py`, `cert_verify`), to which people append their proxy's authority. Neither
//! `SSL_CERT_FILE` nor the operating system's store is looked at.
//!
//! What cannot be had as az has it (a directory of certificates, a file that is not there, an az whose libraries are
//! elsewhere, verification switched off) is a [`TokenError`] that leaves the matter to the real az.

use std::path::{Path, PathBuf};

use crate::azure::installation::Installation;
use crate::context::Context;
use crate::tokens::entra::TokenError;

/// The file of trusted certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trust(PathBuf);

impl Trust {
    /// What the az at `real_az` would trust in this environment.
    ///
    /// # Errors
    /// A [`TokenError`] that leaves it to az.
    pub(super) fn of(context: &Context, real_az: &Path) -> Result<Self, TokenError> {
        let left = |why: &str| Err(TokenError::left_to_az(why));
        let switched_off = ["AZURE_CLI_DISABLE_CONNECTION_VERIFICATION", "ADAL_PYTHON_SSL_NO_VERIFY"];
        if switched_off.iter().any(|name| context.has_variable(name)) {
            return left("verification of its certificate is switched off");
        }
        for name in ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"] {
            let Some(path) = context.variable(name).map(Path::new) else { continue };
            return match std::fs::metadata(path) {
                Ok(metadata) if metadata.is_file() => Ok(Self(path.to_owned())),
                Ok(_) => left(&format!("{name} names no regular file")),
                Err(_) => left(&format!("{name} names a file that is not there")),
            };
        }
        let certifi = Installation::of(real_az).and_then(|az| az.certificates(context));
        certifi.map_or_else(|| left("the certificates that it trusts were not found"), |path| Ok(Self(path)))
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}
