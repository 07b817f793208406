//! The way to the endpoint: direct, or through the proxy that az would take. requests asks urllib for the environment's
//! proxies and passes them over as `no_proxy` says (requests 2.33, `utils.py`, `should_bypass_proxies`, `select_proxy`;
//! CPython 3.11, `urllib/request.py`, `getproxies_environment`, `proxy_bypass_environment`). `HTTP_PROXY` does not serve
//! https. The HTTP client reads none of this itself.
//!
//! A proxy of a kind that this client cannot use as az does (SOCKS, TLS to the proxy, a user's name) is a [`TokenError`] that
//! leaves the matter to the real az, and so is a proxy of the operating system's.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use crate::azure::HttpsUrl;
use crate::azure::https_url::host_and_port;
use crate::context::Context;
use crate::sys;
use crate::tokens::entra::TokenError;

/// The port of a proxy that names none (urllib3 2.7, `connection.py`, `port_by_scheme`).
const HTTP_PORT: u16 = 80;

/// The way to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// No proxy.
    Direct,
    /// `CONNECT` at this HTTP proxy: its host and port.
    Proxy(String, u16),
}

impl Route {
    /// The way that az would take to `endpoint` in this environment.
    ///
    /// # Errors
    /// A [`TokenError`] that leaves it to az.
    pub(super) fn to(endpoint: &HttpsUrl, context: &Context) -> Result<Self, TokenError> {
        let left = |why: &str| Err(TokenError::left_to_az(why));
        let proxies = proxies(context).ok_or_else(|| TokenError::left_to_az("a proxy variable is not text"))?;
        if proxies.keys().any(|scheme| scheme.contains("://")) {
            return left("a proxy is set for one host alone");
        }
        match is_passed_over(endpoint.host(), endpoint.written_port(), context, &proxies) {
            Some(true) => return Ok(Self::Direct),
            Some(false) => {}
            None => return left("NO_PROXY is not understood"),
        }
        // requests asks the operating system where the environment has no proxy of any kind.
        if proxies.is_empty() {
            return if sys::has_system_proxy() { left("the system has a proxy of its own") } else { Ok(Self::Direct) };
        }
        let Some(proxy) = proxies.get("https").or_else(|| proxies.get("all")) else { return Ok(Self::Direct) };
        let lower = proxy.to_ascii_lowercase();
        let rest = lower.strip_prefix("http://").unwrap_or(&lower);
        match host_and_port(rest.strip_suffix('/').unwrap_or(rest)) {
            Some((host, port)) => Ok(Self::Proxy(host.to_owned(), port.unwrap_or(HTTP_PORT))),
            None => left("its proxy is not a plain HTTP proxy"),
        }
    }
}

/// The environment's proxies by scheme, in lower case; `None` when one of them is not text. A name in lower case wins, be it
/// set to nothing; else the one that comes last would, so that two that differ are not guessed at.
fn proxies(context: &Context) -> Option<HashMap<String, String>> {
    const SUFFIX: &str = "_proxy";
    let mut lower = HashMap::new();
    let mut upper: HashMap<String, String> = HashMap::new();
    for (name, value) in context.variables() {
        let Some(name) = name.to_str() else { continue };
        let Some(scheme) = name.to_ascii_lowercase().strip_suffix(SUFFIX).map(str::to_owned) else { continue };
        let value = value.to_str()?.to_owned();
        if name.ends_with(SUFFIX) {
            if lower.insert(scheme, value.clone()).is_some_and(|other| other != value) {
                return None;
            }
        } else if !value.is_empty() && upper.insert(scheme, value.clone()).is_some_and(|other| other != value) {
            return None;
        }
    }
    upper.extend(lower);
    upper.retain(|_, value| !value.is_empty());
    Some(upper)
}

/// Whether az would speak plain HTTP to `host` without a proxy. One that it would take, or may, is its own to take.
///
/// # Errors
/// A [`TokenError`] that leaves it to az.
pub(in crate::tokens) fn be_direct_over_http(
    host: &str,
    port: Option<u16>,
    context: &Context,
) -> Result<(), TokenError> {
    let left = |why: &str| Err(TokenError::left_to_az(why));
    let proxies = proxies(context).ok_or_else(|| TokenError::left_to_az("a proxy variable is not text"))?;
    if proxies.keys().any(|scheme| scheme.contains("://")) {
        return left("a proxy is set for one host alone");
    }
    match is_passed_over(host, port, context, &proxies) {
        Some(true) => Ok(()),
        None => left("NO_PROXY is not understood"),
        Some(false) if proxies.is_empty() && sys::has_system_proxy() => left("the system has a proxy of its own"),
        Some(false) if proxies.contains_key("http") || proxies.contains_key("all") => {
            left("a proxy is on the way to it")
        }
        Some(false) => Ok(()),
    }
}

/// Whether `no_proxy` passes the proxies over for an endpoint; `None` when an entry is not understood.
fn is_passed_over(
    host: &str,
    written_port: Option<u16>,
    context: &Context,
    proxies: &HashMap<String, String>,
) -> Option<bool> {
    // requests reads the variables itself, urllib by way of the proxies: the two differ where one is set to nothing.
    let own = ["no_proxy", "NO_PROXY"].iter().find_map(|name| context.variable(name));
    let own = own.map_or(Some(""), |value| value.to_str())?;
    let urllib_s = proxies.get("no").map_or("", String::as_str);
    let with_port = written_port.map(|port| format!("{host}:{port}"));
    let is_named = |name: &str| {
        let name = name.trim_start_matches('.');
        let ends = |whole: &str| whole == name || whole.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
        ends(host) || with_port.as_deref().is_some_and(ends)
    };
    let entries = || own.split(',').map(|entry| entry.replace(' ', "")).filter(|entry| !entry.is_empty());
    let by_requests = match host.parse::<Ipv4Addr>() {
        Err(_) => entries().any(|entry| is_named(&entry)),
        Ok(address) => {
            let mut is_in = false;
            for entry in entries() {
                is_in |= if entry.contains('/') { is_in_network(address, &entry)? } else { entry == host };
            }
            is_in
        }
    };
    let by_urllib = urllib_s == "*"
        || urllib_s.split(',').map(|entry| entry.trim().to_lowercase()).any(|entry| {
            // urllib is given the name without a port.
            let entry = entry.trim_start_matches('.');
            !entry.is_empty() && (host == entry || host.strip_suffix(entry).is_some_and(|rest| rest.ends_with('.')))
        });
    Some(by_requests || by_urllib)
}

/// Whether an address is in a network in CIDR notation (requests 2.33, `utils.py`, `is_valid_cidr`,
/// `address_in_network`); `None` where Python's reading may be another.
fn is_in_network(address: Ipv4Addr, network: &str) -> Option<bool> {
    let (base, bits) = network.split_once('/')?;
    let base: Ipv4Addr = base.parse().ok()?;
    let is_plain = bits.bytes().all(|byte| byte.is_ascii_digit()) && !bits.starts_with('0');
    let bits: u32 = bits.parse().ok().filter(|bits| is_plain && *bits <= 32)?;
    let mask = u32::MAX << (32 - bits);
    Some(u32::from(address) & mask == u32::from(base) & mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(endpoint: &str, variables: &[(&str, &str)]) -> Option<Route> {
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let context = Context::new(variables.collect::<Vec<_>>(), None);
        Route::to(&HttpsUrl::parse(endpoint).unwrap(), &context).ok()
    }

    fn proxy(host: &str, port: u16) -> Option<Route> {
        Some(Route::Proxy(host.to_owned(), port))
    }

    const LOGIN: &str = "https://login.example:8443";

    #[test]
    fn plain_http_goes_past_proxies_that_are_not_meant_for_it_and_through_none() {
        let is_direct = |variables: &[(&str, &str)]| {
            let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
            let context = Context::new(variables.collect::<Vec<_>>(), None);
            be_direct_over_http("169.254.169.254", None, &context).is_ok()
        };
        for variables in [
            &[("HTTPS_PROXY", "http://p:1")][..],
            &[("HTTP_PROXY", "http://p:1"), ("NO_PROXY", "169.254.169.254")],
            &[("all_proxy", "http://p:1"), ("no_proxy", "x,169.254.0.0/16")],
            &[("http_proxy", ""), ("HTTP_PROXY", "http://p:1")],
        ] {
            assert!(is_direct(variables), "{variables:?}");
        }
        for variables in [
            &[("HTTP_PROXY", "http://p:1")][..],
            &[("http_proxy", "http://p:1"), ("NO_PROXY", "169.254.169")],
            &[("ALL_PROXY", "socks5://p:1")],
            &[("HTTPS_PROXY", "http://p:1"), ("http://169.254.169.254_proxy", "http://p:1")],
        ] {
            assert!(!is_direct(variables), "{variables:?}");
        }
    }

    #[test]
    fn proxies_are_those_that_requests_takes() {
        for (variables, expected) in [
            (&[("HTTPS_PROXY", "http://p:1")][..], proxy("p", 1)),
            (&[("https_proxy", "P.Example:3128")], proxy("p.example", 3128)),
            (&[("https_proxy", "http://p/")], proxy("p", 80)),
            (&[("Https_Proxy", "http://10.0.0.1:8080")], proxy("10.0.0.1", 8080)),
            (&[("HTTPS_PROXY", "http://a:1"), ("https_proxy", "http://b:2")], proxy("b", 2)),
            (&[("HTTPS_PROXY", "http://a:1"), ("https_proxy", ""), ("X_PROXY", "y")], Some(Route::Direct)),
            (&[("HTTP_PROXY", "http://a:1"), ("http_proxy", "http://a:1")], Some(Route::Direct)),
            (&[("ALL_PROXY", "http://a:1")], proxy("a", 1)),
            (&[("all_proxy", "http://a:1"), ("HTTPS_PROXY", "http://b:2")], proxy("b", 2)),
            // What is left to az.
            (&[("HTTPS_PROXY", "https://p:1")], None),
            (&[("HTTPS_PROXY", "socks5://p:1")], None),
            (&[("ALL_PROXY", "socks5h://p:1")], None),
            (&[("HTTPS_PROXY", "http://user:pass@p:1")], None),
            (&[("HTTPS_PROXY", "http://p:1@other:2")], None),
            (&[("HTTPS_PROXY", "http://p:1/path")], None),
            (&[("HTTPS_PROXY", "http://p:0x10")], None),
            (&[("HTTPS_PROXY", "http://p\\@q:1")], None),
            (&[("HTTPS_PROXY", "http://[::1]:1")], None),
            (&[("HTTPS_PROXY", "http:p")], None),
            (&[("HTTPS_PROXY", "http://2130706433:1")], None),
            (&[("HTTPS_PROXY", "http://a:1"), ("Https_proxy", "http://b:1"), ("https_proxy", "http://c:1")], None),
            (&[("https://login.example_proxy", "http://p:1")], None),
        ] {
            assert_eq!(route(LOGIN, variables), expected, "{variables:?}");
        }
    }

    #[test]
    fn no_proxy_passes_over_what_requests_passes_over() {
        let with =
            |endpoint: &str, no_proxy: &str| route(endpoint, &[("HTTPS_PROXY", "http://p:1"), ("NO_PROXY", no_proxy)]);
        for (no_proxy, is_direct) in [
            ("login.example", true),
            ("example", true),
            (".example", true),
            ("..example", true),
            ("login.example:8443", true),
            ("login.example:443", false),
            (".example:8443", true),
            ("ogin.example", false),
            ("*", true),
            ("*.example", false),
            ("other, login.example ", true),
            ("LOGIN.example", true),
            ("", false),
            (",,", false),
            ("localhost,127.0.0.1", false),
        ] {
            assert_eq!(with(LOGIN, no_proxy) == Some(Route::Direct), is_direct, "{no_proxy:?}");
        }
        for (no_proxy, expected) in [
            ("10.0.0.0/8", Some(true)),
            ("10.1.2.3/32", Some(true)),
            ("10.1.2.4/32", Some(false)),
            ("10.1.2.3", Some(true)),
            ("10.1.2", Some(false)),
            ("x,10.1.0.0/16", Some(true)),
            ("10.0.0.0/0", None),
            ("10/8", None),
            ("10.0.0.0/08", None),
            ("fe80::/10", None),
        ] {
            let route = with("https://10.1.2.3", no_proxy);
            assert_eq!(route.map(|route| route == Route::Direct), expected, "{no_proxy:?}");
        }
        if cfg!(windows) {
            // There is one of that name, in whatever case.
            return;
        }
        // In lower case it wins, to requests unless it is empty, to urllib in any case.
        let both =
            |lower: &str| route(LOGIN, &[("ALL_PROXY", "p:1"), ("NO_PROXY", "login.example"), ("no_proxy", lower)]);
        assert_eq!((both("other"), both("")), (proxy("p", 1), Some(Route::Direct)));
    }
}
