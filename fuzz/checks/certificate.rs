//! The PEM file of a certificate: what azward signs with has a certificate and a key of those kinds in it, whole, between their lines;
//! what has not is az's.

use azward::tokens::can_sign_with;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The kinds of keys that azward knows.
const KEYS: [&str; 2] = ["PRIVATE KEY", "RSA PRIVATE KEY"];

/// Checks one PEM file; says whether azward could sign with it.
pub(crate) fn check(bytes: &[u8]) -> bool {
    let is_usable = can_sign_with(bytes);
    if is_usable {
        let text = std::str::from_utf8(bytes).expect("the certificate is sent along as text");
        assert!(has(text, "CERTIFICATE"), "there is no certificate in it");
        assert!(KEYS.iter().any(|key| has(text, key)), "there is no key in it");
    }
    is_usable
}

/// Whether there is something of this kind, in base64.
fn has(text: &str, kind: &str) -> bool {
    let (begin, end) = (format!("-----BEGIN {kind}-----"), format!("-----END {kind}-----"));
    text.match_indices(&begin).any(|(at, _)| {
        let rest = &text[at + begin.len()..];
        let inner: Option<String> = rest.split_once(&end).map(|(own, _)| own.split_whitespace().collect());
        inner.is_some_and(|inner| STANDARD.decode(inner).is_ok_and(|bytes| !bytes.is_empty()))
    })
}
