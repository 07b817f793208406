//! What an access token is redeemed for: today a refresh token of the vault. Each kind of source is a file here, which says
//! where it is kept, and builds the request that redeems it ([`GrantRequest`]); what is then sent, and where to, is `entra`'s.

mod refresh_token;

use crate::credentials::msal::Redeemable;
use crate::failure::Result;
use crate::store::CredentialStore;
use crate::tokens::TokenKey;
use crate::tokens::entra::{Capability, GrantRequest};

/// Something that the token endpoint grants an access token for.
#[derive(Debug)]
pub enum TokenSource {
    /// A refresh token, taken out of the vault.
    RefreshToken(Redeemable),
}

impl TokenSource {
    /// What there is to redeem for `wanted`, the first one first, with what a living run changed in the file taken in. None
    /// when there is nothing for that account; more than one where it is not known which is the newest.
    ///
    /// # Errors
    /// Whatever kept vault or cache from being read.
    pub(super) fn all(store: &CredentialStore<'_>, wanted: &TokenKey) -> Result<Vec<Self>> {
        Ok(refresh_token::all(store, wanted)?.into_iter().map(Self::RefreshToken).collect())
    }

    /// What tells it from any other, and gives nothing of it away.
    pub(super) fn fingerprint(&self) -> String {
        match self {
            Self::RefreshToken(redeemable) => redeemable.refresh_token.fingerprint(),
        }
    }

    /// A copy, for the thread that redeems it and may outlive its caller's wait.
    pub(super) fn duplicate(&self) -> Self {
        match self {
            Self::RefreshToken(redeemable) => Self::RefreshToken(redeemable.duplicate()),
        }
    }

    /// The request that redeems it.
    #[must_use]
    pub fn request<'a>(&'a self, wanted: &'a TokenKey, capability: Capability) -> GrantRequest<'a> {
        match self {
            Self::RefreshToken(redeemable) => refresh_token::request(redeemable, wanted, capability),
        }
    }
}

/// Whether it is not known which source for `wanted` is the newest: one of them has to be redeemed to know.
#[must_use]
pub(super) fn is_uncertain(store: &CredentialStore<'_>, wanted: &TokenKey) -> bool {
    refresh_token::has_rivals(store, wanted)
}
