//! The token endpoint of Microsoft Entra ID: one request redeems a refresh token for an access token, as MSAL sends it, and
//! its answer is read as MSAL reads it. It goes to the host that issued the refresh token, over the trust and the way that
//! az has, or not at all. Nothing here takes a lock. What the endpoint refuses, and what cannot be reached or understood,
//! is a [`TokenError`], which says how long not to ask again.

mod certificate;
mod client;
mod granted_entries;
mod granted_fields;
mod refresh_request;
mod resolver;
mod route;
mod token_error;
mod token_response;
mod trust;

pub use client::{Client, Manner};
pub use granted_fields::GrantedFields;
pub use refresh_request::RefreshRequest;
pub use token_error::{LONGEST_QUIET, Reason, TokenError};
pub use token_response::Granted;
