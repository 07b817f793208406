//! HTTPS to the token endpoint: the trust and the way that az has (`trust.rs`, `route.rs`), and a deadline that its
//! caller sets; a [`Helper`] sends it. What cannot be done as az does it is a [`TokenError`] that leaves the matter to the real az.
//!
//! It is here that what is redeemed is sent, and here that the host it is sent to is compared with the one that issued it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::DateTime;
use ureq::http::Uri;

use crate::azure::HttpsUrl;
use crate::azure::known_az::KnownAz;
use crate::azure::version::Version;
use crate::context::Context;
use crate::helper::{Exchange, Helper, Method};
use crate::secret::Secret;
use crate::sys;
use crate::tokens::entra::route::Route;
use crate::tokens::entra::trust::Trust;
use crate::tokens::entra::{Capability, GrantRequest, Granted, Reason, TokenError};

/// More than any token response is.
const BODY_BOUND: u64 = 1024 * 1024;

/// How to speak to an endpoint as az does, before anything is read or sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manner {
    trust: Trust,
    route: Route,
    capability: Capability,
    real_az: PathBuf,
}

/// A client of the token endpoint.
#[derive(Debug)]
pub struct Client {
    helper: Helper,
    trust: Trust,
    route: Route,
    capability: Capability,
    deadline: Duration,
}

impl Manner {
    /// How the az at `real_az` would speak to `endpoint` in this environment.
    ///
    /// # Errors
    /// A [`TokenError`] that leaves it to az, where only az can do as az does.
    pub fn of(context: &Context, real_az: &Path, endpoint: &HttpsUrl) -> Result<Self, TokenError> {
        Ok(Self {
            trust: Trust::of(context, real_az)?,
            route: Route::to(endpoint, context)?,
            capability: capability(context, real_az),
            real_az: real_az.to_owned(),
        })
    }

    /// The az that speaks so.
    #[must_use]
    pub fn real_az(&self) -> &Path {
        &self.real_az
    }

    /// What tells it from any other: another proxy, other certificates.
    #[must_use]
    pub fn text(&self) -> String {
        let path = self.trust.path();
        let state = sys::file_state(path).map(|state| state.text).unwrap_or_default();
        format!("{} {state} {:?}", path.display(), self.route)
    }
}

impl Client {
    /// The client that speaks in this manner, and takes no longer for a request than `deadline`.
    #[must_use]
    pub fn of(context: &Context, manner: &Manner, deadline: Duration) -> Self {
        let (trust, route, capability) = (manner.trust.clone(), manner.route.clone(), manner.capability);
        Self { helper: context.helper.clone(), trust, route, capability, deadline }
    }

    fn exchange(&self, method: Method, url: String) -> Exchange {
        let proxy = match &self.route {
            Route::Direct => None,
            Route::Proxy(host, port) => Some((host.clone(), *port)),
        };
        Exchange::new(method, url, self.deadline, BODY_BOUND).securely(self.trust.path().to_owned(), proxy)
    }

    /// What requests declare of it.
    #[must_use]
    pub fn capability(&self) -> Capability {
        self.capability
    }

    /// Sends the request to the host that issued what it redeems, and to no other, and reads the answer.
    ///
    /// # Errors
    /// A [`Denial`] when there is no access token in it, or nothing was sent.
    pub fn send(&self, request: &GrantRequest<'_>) -> Result<Granted, Denial> {
        let elsewhere = || {
            Denial::from(TokenError::left_to_az(
                "nothing was sent: the endpoint's host is not the one that issued what is redeemed",
            ))
        };
        let uri: Uri = request.url().parse().map_err(|_| elsewhere())?;
        if !goes_home(&uri, request) {
            return Err(elsewhere());
        }
        let text = |text: &str| Secret::from_text(text.to_owned());
        let mut exchange = self
            .exchange(Method::Post, request.url())
            .header("Content-Type", text("application/x-www-form-urlencoded"))
            .header("Accept", text("application/json"))
            .body(Secret::new(request.body().to_vec()));
        if let Some(mailbox) = request.anchor_mailbox() {
            exchange = exchange.header("X-AnchorMailbox", text(&mailbox));
        }
        let reply = self.helper.exchange(exchange).map_err(TokenError::from)?;
        let (status, retry_after) = (reply.status, reply.retry_after());
        let has_retry_after = reply.headers("retry-after").next().is_some();
        let body = reply.into_body();
        // What MSAL keeps too.
        let is_kept = status == 400 && !has_retry_after && !request.is_echoed_in(&body);
        let kept = is_kept.then(|| body.duplicate());
        match Granted::read(status, retry_after, body) {
            Ok(granted) => Ok(granted.for_request(request)?),
            Err(error) => Err(Denial { answer: kept.filter(|_| error.reason == Reason::Refused), error }),
        }
    }

    /// Asks `endpoint` for what anybody may read, and says what time it has, in seconds since the epoch, if it says so. Nothing is
    /// sent but the request.
    ///
    /// # Errors
    /// A [`TokenError`] where nothing that is HTTP answers, or only az can speak to it.
    pub fn greet(&self, endpoint: &HttpsUrl) -> Result<Option<i64>, TokenError> {
        // What MSAL asks for too, before anything else.
        let url = match endpoint.path() {
            "" => format!("{endpoint}/organizations/v2.0/.well-known/openid-configuration"),
            _ => format!("{endpoint}/.well-known/openid-configuration"),
        };
        let reply = self.helper.exchange(self.exchange(Method::Get, url))?;
        let date = reply.headers("date").next();
        Ok(date.and_then(|text| DateTime::parse_from_rfc2822(text).ok()).map(|date| date.timestamp()))
    }
}

/// Why there is no access token, and in which words the endpoint said so.
#[derive(Debug)]
pub struct Denial {
    /// Why.
    pub error: TokenError,
    /// What it answered, where that is a refusal as MSAL keeps it, and nothing of what it was sent is in it.
    pub answer: Option<Secret>,
}

impl From<TokenError> for Denial {
    fn from(error: TokenError) -> Self {
        Self { error, answer: None }
    }
}

/// What the az at `real_az` declares of itself (azure-cli-core 2.91.0, `auth/identity.py`). One that declares nothing could not
/// cope with what Entra then asks of it, and neither may one of which that is not known.
fn capability(context: &Context, real_az: &Path) -> Capability {
    let declares = || KnownAz::at(context, real_az).version().is_some_and(Version::declares_cp1);
    if !context.has_variable("AZURE_IDENTITY_DISABLE_CP1") && declares() { Capability::Cp1 } else { Capability::None }
}

/// Whether what a connection is about to be opened to is what the entry of what is redeemed names: read once more, by the
/// parser that the connection is opened with.
fn goes_home(uri: &Uri, request: &GrantRequest<'_>) -> bool {
    let endpoint = &request.wanted.authority;
    let authority = match endpoint.written_port() {
        Some(port) => format!("{}:{port}", request.environment),
        None => request.environment.to_owned(),
    };
    endpoint.host() == request.environment
        && uri.scheme_str() == Some("https")
        && uri.host() == Some(request.environment)
        && uri.authority().is_some_and(|read| read.as_str() == authority)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::TokenKey;
    use crate::tokens::token_key::tests::sample;

    #[test]
    fn a_token_only_goes_to_the_host_that_issued_it() {
        let goes = |authority: &str, environment: &str, uri: &str| {
            let wanted = TokenKey {
                authority: HttpsUrl::parse(authority).unwrap(),
                environment: "is not asked".into(),
                ..sample()
            };
            let request = GrantRequest { wanted: &wanted, home_account_id: "o.t", environment, form: Vec::new() };
            let uri = if uri.is_empty() { request.url() } else { uri.to_owned() };
            goes_home(&uri.parse().unwrap(), &request)
        };
        assert!(goes("https://login.example", "login.example", ""));
        assert!(goes("https://Login.Example:8443/", "login.example", ""));
        for environment in
            ["", "login.windows.net", "login.example:8443", "LOGIN.EXAMPLE", "other", "login.example@other"]
        {
            assert!(!goes("https://login.example:8443", environment, ""), "{environment}");
        }
        for uri in [
            "https://login.example:443@other/t",
            "http://login.example/t",
            "https://other/t",
            "https://login.example:1/",
        ] {
            assert!(!goes("https://login.example", "login.example", uri), "{uri}");
        }
    }
}
