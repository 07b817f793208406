//! The token endpoint of Microsoft Entra ID: one request redeems a refresh token for an access token, as MSAL sends it, and
//! its answer is read as MSAL reads it. It goes to the host that issued the refresh token, over the trust and the way that
//! az has, or not at all. Nothing here takes a lock. What the endpoint refuses, and what cannot be reached or understood,
//! is a [`Denial`], which says how long not to ask again.

mod certificate;
mod client;
mod denial;
mod refresh_request;
mod resolver;
mod route;
mod token_response;
mod trust;

pub use client::{Client, Manner};
pub use denial::{Denial, LONGEST_QUIET, Reason};
pub use refresh_request::RefreshRequest;
pub use token_response::{Additions, Granted, GrantedFields};
