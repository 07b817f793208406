//! The token endpoint of Microsoft Entra ID: one request, as MSAL sends it, is granted an access token, and its answer is
//! read as MSAL reads it. It goes to the host that issued what is redeemed, over the trust and the way that
//! az has, or not at all. Nothing here takes a lock. What the endpoint refuses, and what cannot be reached or understood,
//! is a [`TokenError`], which says how long not to ask again.

mod client;
mod grant_request;
mod granted_entries;
mod granted_fields;
mod route;
mod token_error;
mod token_response;
mod trust;

pub use client::{Client, Denial, Manner};
pub(in crate::tokens) use grant_request::CP1;
pub use grant_request::{Capability, Field, GrantRequest};
pub use granted_fields::GrantedFields;
pub(in crate::tokens) use route::be_direct_over_http;
pub use token_error::{LONGEST_RETRY_AFTER, RETRY_AFTER_SILENCE, Reason, TokenError};
pub use token_response::Granted;
