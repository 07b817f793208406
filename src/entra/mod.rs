//! The token endpoint of Microsoft Entra ID: one request redeems a refresh token for an access token, as MSAL sends it, and
//! its answer is read as MSAL reads it. Nothing here touches a file or takes a lock. What the endpoint refuses, and what
//! cannot be reached or understood, is a [`Denial`], which says how long not to ask again.

mod client;
mod refresh_request;
mod resolver;
mod token_response;

pub use client::Client;
pub use refresh_request::RefreshRequest;
pub use token_response::{Additions, Granted, GrantedFields};

/// Why there is no access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// What happened, for the journal: an error's code, a status, never a token.
    pub what: String,
    /// For how many seconds the same request should not be sent again.
    pub quiet_for: i64,
    /// Whether what answered is no token endpoint of Entra's at all: its authority is then the real az's to speak to.
    pub is_foreign: bool,
    /// Whether the endpoint said that this refresh token does not do.
    pub is_refusal: bool,
}

impl Denial {
    /// The endpoint could not be reached or did not answer in time. MSAL asks again at every use; a caller that still
    /// has a good token should not wait for the same silence each time.
    #[must_use]
    pub fn unreachable(what: impl Into<String>) -> Self {
        Self { what: what.into(), quiet_for: 15, is_foreign: false, is_refusal: false }
    }

    /// What answered is no token endpoint.
    #[must_use]
    pub fn foreign(what: impl Into<String>) -> Self {
        Self { what: what.into(), quiet_for: 0, is_foreign: true, is_refusal: false }
    }

    /// The endpoint refused. MSAL keeps a refusal for a minute
    /// (msal 1.39.0, `throttled_http_client.py`, `ThrottledHttpClientBase`).
    #[must_use]
    pub fn refused(what: impl Into<String>) -> Self {
        Self { what: what.into(), quiet_for: 60, is_foreign: false, is_refusal: true }
    }

    /// The endpoint is busy or broken and says for how long, in seconds; MSAL takes 5 where it does not say
    /// (msal 1.39.0, `throttled_http_client.py`, `_parse_http_429_5xx_retry_after`).
    #[must_use]
    pub fn busy(what: impl Into<String>, retry_after: Option<i64>) -> Self {
        let quiet_for = retry_after.unwrap_or(5).clamp(1, 3600);
        Self { what: what.into(), quiet_for, is_foreign: false, is_refusal: false }
    }
}
