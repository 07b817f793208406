//! HTTP and HTTPS as they are asked for: one request, the certificates and the proxy that are named and no others, no redirect, and nothing
//! read from the environment by the HTTP client itself. What this client cannot do as az does is left to the real
//! az.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use ureq::http::{HeaderValue, Request};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Proxy, ProxyProtocol};
use zeroize::Zeroizing;

use super::certificate::is_root;
use super::exchange::{Exchange, Fault, Method, Reply};
use super::resolver::OnThread;
use super::transit::InTransit;
use crate::secret::Secret;

/// Sends the request, and reads the answer.
///
/// # Errors
/// Why there is none.
pub(super) fn send(exchange: Exchange) -> Result<Reply, Fault> {
    let tls = TlsConfig::builder().provider(TlsProvider::Rustls);
    let tls = tls.unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let tls = match &exchange.trusted {
        Some(path) => tls.root_certs(roots(path)?),
        None => tls,
    };
    let proxy = exchange.proxy.as_ref().map(|(host, port)| {
        let proxy = Proxy::builder(ProxyProtocol::Http).host(host).port(*port).build();
        proxy.map_err(|_| Fault::left_to_az("its proxy is not understood"))
    });
    let config = Agent::config_builder()
        .tls_config(tls.build())
        .proxy(proxy.transpose()?)
        .https_only(exchange.trusted.is_some())
        .max_redirects(0)
        .http_status_as_error(false)
        .timeout_global(Some(exchange.deadline))
        .user_agent(concat!("azward/", env!("CARGO_PKG_VERSION")))
        .build();
    let agent = Agent::with_parts(config, DefaultConnector::default(), OnThread);
    let failed = |error: ureq::Error| fault_of(&error, exchange.proxy.as_ref());
    let mut response = match exchange.method {
        Method::Get => {
            let mut get = agent.get(&exchange.url);
            for (name, value) in &exchange.query {
                get = get.query(name, value);
            }
            for (name, value) in &exchange.headers {
                get = get.header(name, header(&value.0)?);
            }
            get.call()
        }
        Method::Post => {
            let mut post = Request::post(&exchange.url);
            for (name, value) in &exchange.headers {
                post = post.header(name, header(&value.0)?);
            }
            let post = post.body(exchange.body.0.expose());
            agent.run(post.map_err(|_| Fault::left_to_az("its URL is not understood"))?)
        }
    }
    .map_err(failed)?;
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
    let (status, headers) = (response.status().as_u16(), headers.collect());
    let body = response.body_mut().with_config().limit(exchange.bound).read_to_vec();
    let body = InTransit(Secret::new(body.map_err(failed)?));
    Ok(Reply { status, headers, body })
}

fn header(value: &Secret) -> Result<HeaderValue, Fault> {
    let bytes = Zeroizing::new(value.expose().to_vec());
    HeaderValue::from_bytes(&bytes).map_err(|_| Fault::left_to_az("a header is not understood"))
}

/// The roots in a file.
///
/// # Errors
/// It is left to az, for a file that OpenSSL may well refuse as a whole, or that has no root.
fn roots(path: &Path) -> Result<RootCerts, Fault> {
    let left = || Fault::left_to_az("the file of the certificates that it trusts is not understood");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let pem = std::fs::read(path).map_err(|_| left())?;
    let mut roots = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| left())?;
        if is_root(&certificate, now) {
            roots.push(Certificate::from_der(&certificate).to_owned());
        }
    }
    if roots.is_empty() {
        return Err(left());
    }
    Ok(RootCerts::from(roots))
}

/// Why the request failed on its way. A proxy that is there and breaks off, or says something else than HTTP, may treat az
/// otherwise; one that is not there is not there for az either.
fn fault_of(error: &ureq::Error, proxy: Option<&(String, u16)>) -> Fault {
    use ureq::Error;
    let silence = |why: &str| Fault::Unreachable(format!("the endpoint could not be reached: {why}"));
    match error {
        // A proxy that wants to know who asks, or that does not go there: az may be let through.
        Error::ConnectProxyFailed(_) => Fault::left_to_az("the proxy refused"),
        Error::Rustls(_) | Error::Tls(_) | Error::Pem(_) | Error::TlsRequired => untrusted(),
        Error::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => untrusted(),
        Error::Io(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => Fault::Silent,
        Error::Io(error) if proxy.is_some() && breaks_off(error.kind()) => Fault::left_to_az("the proxy failed"),
        Error::Io(error) => silence(reason_of(error.kind())),
        Error::Timeout(_) => Fault::Silent,
        Error::HostNotFound => silence("no such host"),
        Error::Protocol(_) if proxy.is_some() => Fault::left_to_az("the proxy failed"),
        _ => silence("what answered is not HTTP"),
    }
}

/// TLS failed; OpenSSL, which az has, takes certificates that rustls does not.
fn untrusted() -> Fault {
    Fault::left_to_az("there is no TLS to be had with the endpoint")
}

fn breaks_off(kind: ErrorKind) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

fn reason_of(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ConnectionRefused => "connection refused",
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => "connection lost",
        ErrorKind::UnexpectedEof => "connection closed",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => "no way there",
        _ => "connection failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_failure_on_the_way_only_its_kind_is_told() {
        let hush = || "hush".to_owned();
        for error in [
            ureq::Error::Io(std::io::Error::other("hush")),
            ureq::Error::Io(std::io::Error::other(rustls::Error::General(hush()))),
            ureq::Error::BadUri(hush()),
            ureq::Error::RequireHttpsOnly(hush()),
            ureq::Error::ConnectProxyFailed(hush()),
            ureq::Error::Rustls(rustls::Error::General(hush())),
            ureq::Error::Other("hush".into()),
        ] {
            let fault = fault_of(&error, None);
            assert!(!format!("{fault:?}").contains("hush"), "{fault:?}");
            let is_az_s = !matches!(error, ureq::Error::Io(ref error) if !error.get_ref().unwrap().is::<rustls::Error>())
                && !matches!(error, ureq::Error::BadUri(_) | ureq::Error::RequireHttpsOnly(_) | ureq::Error::Other(_));
            assert_eq!(matches!(fault, Fault::LeftToAz(_)), is_az_s, "{error}");
        }
    }
}
