//! The one reader of URLs that anything is ever sent to: the authority of a cloud, and the proxy on the way to it. What
//! comes out is the host, the port and the path that a connection is opened with, and that a credential's `environment` is
//! compared with, so that there are no two readings of one text.
//!
//! The grammar is closed, and narrower than any standard: what two parsers could read differently (user information,
//! backslashes, escapes, control characters, empty labels, numbers that are addresses in disguise, empty or padded ports)
//! is `None`, and whoever asks leaves the matter to the real az.

use std::fmt;
use std::net::Ipv4Addr;

/// The longest name that DNS knows.
const LONGEST_NAME: usize = 253;

/// The longest label of one.
const LONGEST_LABEL: usize = 63;

/// A URL with the scheme `https`, in lower case, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsUrl {
    host: String,
    port: Option<u16>,
    path: String,
}

impl HttpsUrl {
    /// Reads a URL, in any case and with any number of slashes at its end, which az takes off
    /// (azure-cli-core 2.91.0, `auth/identity.py`, `_get_authority_url`).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_end_matches('/').to_ascii_lowercase();
        let rest = text.strip_prefix("https://")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = host_and_port(authority)?;
        let is_segment = |segment: &str| {
            !matches!(segment, "" | "." | "..")
                && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
        };
        let has_plain_path = path.is_empty() || path[1..].split('/').all(is_segment);
        has_plain_path.then(|| Self { host: host.to_owned(), port, path: path.to_owned() })
    }

    /// The host's name or its IPv4 address: what MSAL takes for the `environment`
    /// (msal 1.39.0, `authority.py`, `canonicalize`).
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port as it is written, if it is.
    #[must_use]
    pub fn written_port(&self) -> Option<u16> {
        self.port
    }

    /// The path, empty or with a slash in front and none at its end.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for HttpsUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "https://{}", self.host)?;
        if let Some(port) = self.port {
            write!(formatter, ":{port}")?;
        }
        formatter.write_str(&self.path)
    }
}

/// Reads `host` or `host:port`, in lower case.
#[must_use]
pub(crate) fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.split_once(':') {
        None => (text, None),
        Some((host, digits)) => {
            let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
            (host, Some(digits.parse().ok().filter(|_| is_plain)?))
        }
    };
    is_host(host).then_some((host, port))
}

/// Whether it is a name of letters, digits and hyphens, or a plain IPv4 address. A last label that begins with a digit
/// makes an address of some kind to many a parser.
fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LONGEST_LABEL).contains(&label.len())
            && label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_name = text.len() <= LONGEST_NAME && text.split('.').all(is_label);
    let last = text.rsplit('.').next().unwrap_or_default();
    match last.starts_with(|first: char| first.is_ascii_digit()) {
        true => text.parse::<Ipv4Addr>().is_ok_and(|address| address.to_string() == text),
        false => is_name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(String, Option<u16>, String)> {
        HttpsUrl::parse(text).map(|url| (url.host, url.port, url.path))
    }

    #[test]
    fn what_every_parser_reads_alike_is_read() {
        for (text, host, port, path, again) in [
            ("https://login.microsoftonline.com", "login.microsoftonline.com", None, "", ""),
            ("https://login.microsoftonline.com//", "login.microsoftonline.com", None, "", ""),
            (
                "HTTPS://Login.Example:8443/ADFS/",
                "login.example",
                Some(8443),
                "/adfs",
                "https://login.example:8443/adfs",
            ),
            ("https://localhost:1", "localhost", Some(1), "", ""),
            ("https://127.0.0.1:65535/a/b-c_d.e~f", "127.0.0.1", Some(65535), "/a/b-c_d.e~f", ""),
            ("https://xn--bcher-kva.example", "xn--bcher-kva.example", None, "", ""),
            ("https://3com.example:443", "3com.example", Some(443), "", ""),
        ] {
            assert_eq!(parts(text), Some((host.to_owned(), port, path.to_owned())), "{text}");
            let again = if again.is_empty() { text.trim_end_matches('/') } else { again };
            assert_eq!(HttpsUrl::parse(text).unwrap().to_string(), again);
        }
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_not() {
        let long_label = format!("https://{}.example", "a".repeat(64));
        let long_name = format!("https://{}example", "a.".repeat(124));
        for text in [
            // User information, and what some take for its end or its beginning.
            "https://login.example:443@other.example:9446",
            "https://login.example@other.example",
            "https://login.example:443@other.example",
            "https://user:pass@login.example",
            "https://@login.example",
            "https://login.example%40other.example",
            r"https://login.example\@other.example",
            r"https://login.example\.other.example",
            r"https:\\login.example",
            r"https://login.example/\other.example",
            "https://login.example/@other.example",
            "https://login.example#@other.example",
            "https://login.example?@other.example",
            "https://login.example/a?b",
            "https://login.example/a#b",
            "https://login.example/a;b",
            // Schemes.
            "http://login.example",
            "https:login.example",
            "https:/login.example",
            "https:///login.example",
            "//login.example",
            "login.example",
            "",
            "https://",
            " https://login.example",
            "https://login.example ",
            // Characters that some drop and some keep.
            "https://login.example\t",
            "https://login\t.example",
            "https://login\n.example",
            "https://login\r.example",
            "https://login\0.example",
            "https://login .example",
            "https://login.example\u{7f}",
            "https://login\u{200b}.example",
            "https://login\u{3002}example",
            "https://\u{ff4c}ogin.example",
            "https://login.ex\u{e4}mple",
            "https://\u{212a}ogin.example",
            "https://login%2eexample",
            "https://login_a.example",
            "https://login*.example",
            "https://login,other.example",
            // Labels.
            "https://login..example",
            "https://.login.example",
            "https://login.example.",
            "https://-login.example",
            "https://login-.example",
            &long_label,
            &long_name,
            // Ports.
            "https://login.example:",
            "https://login.example:0",
            "https://login.example:0443",
            "https://login.example:00443",
            "https://login.example:65536",
            "https://login.example:+443",
            "https://login.example:-1",
            "https://login.example:443:444",
            "https://login.example:4 43",
            "https://login.example:\u{664}\u{664}\u{663}",
            "https://login.example:0x1bb",
            "https://:443",
            // Addresses in disguise.
            "https://2130706433",
            "https://127.1",
            "https://127.0.0.1.",
            "https://0177.0.0.1",
            "https://0x7f.0.0.1",
            "https://0x7f000001",
            "https://127.0.0.01",
            "https://1.2.3.256",
            "https://1.2.3.4.5",
            "https://login.example.0x7f",
            "https://[::1]",
            "https://[::1]:443",
            "https://[login.example]",
            "https://::1",
            // Paths.
            "https://login.example/../other",
            "https://login.example/./a",
            "https://login.example/%2e%2e/a",
            "https://login.example//a",
            "https://login.example/a//b",
        ] {
            assert_eq!(parts(text), None, "{text:?}");
        }
    }
}
