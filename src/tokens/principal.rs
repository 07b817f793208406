//! The service principal that a token is of, as az finds it in its list: under that very tenant, and with what it signs in with. az
//! takes another tenant's entry with a warning, and fails where there is none or its certificate is not there: all that is its
//! own to say.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::azure::Owner;
use crate::credentials::CredentialFile;
use crate::credentials::msal::TokenCache;
use crate::credentials::service_principals::{Certificate, ServicePrincipals, pem_in};
use crate::failure::Result;
use crate::secret::Secret;
use crate::store::CredentialStore;
use crate::tokens::TokenKey;
use crate::tokens::token_key::Who;

/// The longest PEM file that is read.
const LONGEST_PEM: u64 = 256 * 1024;

/// A service principal in its list.
#[derive(Debug)]
pub(super) struct Listed {
    /// Its record's id in the vault.
    pub(super) id: String,
    /// Its certificate, if that is what it signs in with.
    pub(super) certificate: Option<Certificate>,
}

/// The account that the token is of, if az would find it; see [`TokenKey::account`].
///
/// # Errors
/// `CacheForeign` or `Storage`.
pub(super) fn account_of(
    store: &CredentialStore<'_>,
    cache: &TokenCache<'_>,
    wanted: &TokenKey,
) -> Result<Option<Owner>> {
    if wanted.who == Who::Application {
        let Some(listed) = listed(store, wanted)? else { return Ok(None) };
        if listed.certificate.is_some_and(|certificate| pem_of(store, &listed.id, &certificate).is_none()) {
            return Ok(None);
        }
    }
    wanted.account(cache)
}

/// The principal of a token that is an application's.
///
/// # Errors
/// `CacheForeign` or `Storage`.
pub(super) fn listed(store: &CredentialStore<'_>, wanted: &TokenKey) -> Result<Option<Listed>> {
    let Some(text) = store.principals.read()? else { return Ok(None) };
    let list = ServicePrincipals::parse(&text)?;
    let is_it = |own: &&_| {
        let own: &crate::credentials::service_principals::Principal<'_> = own;
        own.client_id == wanted.username && own.tenant == wanted.tenant
    };
    let found = list.principals().find(is_it);
    Ok(found.map(|own| Listed { id: own.id.clone(), certificate: own.certificate.clone() }))
}

/// The PEM file of the certificate of the service principal `id`, with a certificate in it: where az would read it or, where that
/// is not, as the vault has it. Nobody is asked for a key.
pub(super) fn pem_of(store: &CredentialStore<'_>, id: &str, certificate: &Certificate) -> Option<Secret> {
    if Path::new(&certificate.path).exists() || !store.vault.exists() {
        return read_pem(&certificate.path);
    }
    pem_in(&store.vault.load_unasked().ok()?, id, &certificate.path)
}

/// What is in a PEM file with a certificate in it. A relative path is relative to where az runs, which is here.
pub(crate) fn read_pem(path: &str) -> Option<Secret> {
    let metadata = std::fs::metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > LONGEST_PEM {
        return None;
    }
    let pem = Secret::new(std::fs::read(path).ok()?);
    CertificateDer::from_pem_slice(pem.expose()).is_ok().then_some(pem)
}
