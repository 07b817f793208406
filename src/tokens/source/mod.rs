//! What an access token is redeemed for: a person's refresh token, or what a service principal signs in with. Each kind of source is a file here, which says
//! where it is kept, and builds the request that redeems it ([`GrantRequest`]); what is then sent, and where to, is `entra`'s.

mod assertion;
mod client_credential;
mod refresh_token;

pub use assertion::can_sign_with;
pub(crate) use assertion::hand_over_assertions;
pub use client_credential::ClientCredential;

use crate::credentials::msal::Redeemable;
use crate::failure::Result;
use crate::store::CredentialStore;
use crate::tokens::TokenKey;
use crate::tokens::entra::{Capability, GrantRequest};
use crate::tokens::token_key::Who;
use crate::vault::Contents;

/// Something that the token endpoint grants an access token for.
#[derive(Debug)]
pub enum TokenSource {
    /// A refresh token, taken out of the vault.
    RefreshToken(Redeemable),
    /// A secret or an assertion of a service principal.
    ClientCredential(ClientCredential),
}

impl TokenSource {
    /// What there is to redeem for `wanted`, the first one first, with what a living run changed in the file taken in. None
    /// when there is nothing for that account; more than one where it is not known which is the newest.
    ///
    /// # Errors
    /// Whatever kept vault or cache from being read.
    pub(super) fn all(store: &CredentialStore<'_>, wanted: &TokenKey) -> Result<Vec<Self>> {
        Ok(match wanted.who {
            Who::Person => refresh_token::all(store, wanted)?.into_iter().map(Self::RefreshToken).collect(),
            Who::Application => {
                client_credential::all(store, wanted)?.into_iter().map(Self::ClientCredential).collect()
            }
            Who::ManagedIdentity => Vec::new(),
        })
    }

    /// What tells it from any other, and gives nothing of it away.
    pub(super) fn fingerprint(&self) -> String {
        match self {
            Self::RefreshToken(redeemable) => redeemable.refresh_token.fingerprint(),
            Self::ClientCredential(credential) => credential.mark.clone(),
        }
    }

    /// A copy, for the thread that redeems it and may outlive its caller's wait.
    pub(super) fn duplicate(&self) -> Self {
        match self {
            Self::RefreshToken(redeemable) => Self::RefreshToken(redeemable.duplicate()),
            Self::ClientCredential(credential) => Self::ClientCredential(credential.duplicate()),
        }
    }

    /// The request that redeems it.
    #[must_use]
    pub fn request<'a>(&'a self, wanted: &'a TokenKey, capability: Capability) -> GrantRequest<'a> {
        match self {
            Self::RefreshToken(redeemable) => refresh_token::request(redeemable, wanted, capability),
            Self::ClientCredential(credential) => client_credential::request(credential, wanted, capability),
        }
    }
}

/// Whether it is not known which source for `wanted` is the newest: one of them has to be redeemed to know.
#[must_use]
pub(super) fn is_uncertain(store: &CredentialStore<'_>, wanted: &TokenKey) -> bool {
    match wanted.who {
        Who::Person => refresh_token::has_rivals(store, wanted),
        Who::Application => client_credential::has_rivals(store, wanted),
        Who::ManagedIdentity => false,
    }
}

/// What tells those credentials from others that the vault has for the service principal `id`.
#[must_use]
pub(super) fn marks_of(contents: &Contents, id: &str) -> Vec<String> {
    client_credential::marks_of(contents, id)
}

/// Whether azward can redeem anything for `wanted`, as far as that can be told without a key: the vault may have something, or
/// there is a certificate whose key it can sign with.
#[must_use]
pub(super) fn may_be_redeemed(store: &CredentialStore<'_>, wanted: &TokenKey) -> bool {
    match wanted.who {
        Who::Person => store.vault.exists(),
        Who::Application => client_credential::can_be_redeemed(store, wanted),
        Who::ManagedIdentity => false,
    }
}
