//! HTTPS to the token endpoint: the platform's trusted roots, or those that `REQUESTS_CA_BUNDLE` or `SSL_CERT_FILE` name
//! as az has them; the proxies of the environment; deadlines that leave room in the ten seconds that an SDK gives az. Where
//! az would do something that this client does not (verification switched off, a directory of certificates) there is no
//! client, and the real az does the asking.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
use ureq::unversioned::transport::DefaultConnector;

use crate::context::Context;
use crate::entra::resolver::OnThread;
use crate::entra::{Denial, Granted, RefreshRequest};
use crate::secret::Secret;

/// How long a connection may take, TLS included.
const CONNECT: Duration = Duration::from_secs(3);

/// How long the whole request may take.
const TOTAL: Duration = Duration::from_millis(5500);

/// More than any token response is.
const BODY_BOUND: u64 = 1024 * 1024;

/// A client of the token endpoint.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    declares_cp1: bool,
}

impl Client {
    /// The client for this environment; `None` where only az can do as az does.
    #[must_use]
    pub fn of(context: &Context) -> Option<Self> {
        let switched_off = ["AZURE_CLI_DISABLE_CONNECTION_VERIFICATION", "ADAL_PYTHON_SSL_NO_VERIFY"];
        if switched_off.iter().any(|name| context.has_variable(name)) {
            return None;
        }
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(roots(context)?)
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .https_only(true)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(TOTAL))
            .user_agent(concat!("azward/", env!("CARGO_PKG_VERSION")))
            .build();
        let agent = Agent::with_parts(config, DefaultConnector::default(), OnThread);
        Some(Self { agent, declares_cp1: !context.has_variable("AZURE_IDENTITY_DISABLE_CP1") })
    }

    /// Whether requests declare the capability CP1.
    #[must_use]
    pub fn declares_cp1(&self) -> bool {
        self.declares_cp1
    }

    /// Sends the request and reads the answer.
    ///
    /// # Errors
    /// A [`Denial`] when there is no access token in it.
    pub fn redeem(&self, request: &RefreshRequest<'_>) -> Result<Granted, Denial> {
        let sent = self
            .agent
            .post(request.url())
            .content_type("application/x-www-form-urlencoded")
            .header("Accept", "application/json")
            .header("X-AnchorMailbox", request.anchor_mailbox())
            .send(request.body().as_slice());
        let mut response = sent.map_err(|error| unreachable(&error))?;
        let status = response.status().as_u16();
        let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let retry_after = header.and_then(|text| text.trim().parse().ok());
        let body =
            response.body_mut().with_config().limit(BODY_BOUND).read_to_vec().map_err(|error| unreachable(&error))?;
        Granted::read(status, retry_after, Secret::new(body))
    }
}

fn unreachable(error: &ureq::Error) -> Denial {
    Denial::unreachable(format!("the endpoint could not be reached: {error}"))
}

/// The roots that az would trust (requests 2.32, `sessions.py`, `merge_environment_settings`).
fn roots(context: &Context) -> Option<RootCerts> {
    let named =
        ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"].iter().find_map(|name| context.variable(name));
    let Some(path) = named.map(Path::new) else { return Some(RootCerts::PlatformVerifier) };
    let pem = std::fs::read(path).ok()?;
    let certificates: Vec<Certificate<'static>> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    (!certificates.is_empty()).then(|| RootCerts::new_with_certs(&certificates))
}
