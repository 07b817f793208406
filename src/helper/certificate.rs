//! Which certificates of a bundle are authorities to OpenSSL. rustls takes any certificate that it is given for a root,
//! whatever that says of itself; az's OpenSSL does not (x509(7), "Certificate extensions"; openssl-verification-options(1)):
//! a root is issued by itself, is valid today, and may sign. A little DER is read for that; what is not read is no root,
//! and where a root is missing TLS fails and the real az asks.
//!
//! What is not checked of a root is how long a chain under it may be (its `pathLenConstraint`).

use chrono::NaiveDateTime;

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

/// 2.5.29.15, 2.5.29.19, 2.5.29.37; 1.3.6.1.5.5.7.3.1.
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const SERVER_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];

/// The bit of `KeyUsage` that lets a key sign certificates, in its first byte.
const KEY_CERT_SIGN: u8 = 0x04;

/// Whether `der` is a certificate that may stand at the root of a server's chain at the time `now`, in seconds since the
/// epoch.
#[must_use]
pub(super) fn is_root(der: &[u8], now: i64) -> bool {
    reads_as_root(der, now).unwrap_or(false)
}

fn reads_as_root(der: &[u8], now: i64) -> Option<bool> {
    let mut signed = Der(Der(der).expect(SEQUENCE)?);
    let mut fields = Der(signed.expect(SEQUENCE)?);
    // RFC 5280, 4.1: what has no version is of the first, which knows no extensions.
    let is_first_version = fields.optional(VERSION).is_none();
    fields.expect(INTEGER)?;
    fields.expect(SEQUENCE)?;
    let issuer = fields.expect(SEQUENCE)?;
    let mut validity = Der(fields.expect(SEQUENCE)?);
    let (not_before, not_after) = (validity.time()?, validity.time()?);
    let subject = fields.expect(SEQUENCE)?;
    fields.expect(SEQUENCE)?;
    if issuer != subject || now < not_before || not_after < now {
        return Some(false);
    }
    if is_first_version {
        return Some(true);
    }
    // The two unique identifiers, which nobody has.
    while fields.0.first().is_some_and(|tag| *tag != EXTENSIONS) {
        fields.next()?;
    }
    let mut extensions = Der(Der(fields.expect(EXTENSIONS)?).expect(SEQUENCE)?);
    let mut is_authority = false;
    while !extensions.0.is_empty() {
        let mut extension = Der(extensions.expect(SEQUENCE)?);
        let name = extension.expect(OBJECT_IDENTIFIER)?;
        extension.optional(BOOLEAN);
        let mut value = Der(extension.expect(OCTET_STRING)?);
        let permits = match name {
            BASIC_CONSTRAINTS => {
                is_authority = Der(value.expect(SEQUENCE)?).optional(BOOLEAN).is_some_and(|truth| truth != [0]);
                is_authority
            }
            KEY_USAGE => value.expect(BIT_STRING)?.get(1).is_some_and(|bits| bits & KEY_CERT_SIGN != 0),
            EXTENDED_KEY_USAGE => {
                let mut purposes = Der(value.expect(SEQUENCE)?);
                std::iter::from_fn(|| purposes.expect(OBJECT_IDENTIFIER)).any(|purpose| purpose == SERVER_AUTH)
            }
            _ => true,
        };
        if !permits {
            return Some(false);
        }
    }
    Some(is_authority)
}

/// What is left to be read.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next value: its tag and its content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next value, which has this tag.
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.optional(tag)
    }

    /// The same of a value that may be left out; nothing is read then.
    fn optional(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.0.first() != Some(&tag) {
            return None;
        }
        self.next().map(|(_, content)| content)
    }

    /// The next value, a time, in seconds since the epoch.
    fn time(&mut self) -> Option<i64> {
        let (tag, content) = self.next()?;
        let text = std::str::from_utf8(content).ok()?;
        let text = match tag {
            // RFC 5280, 4.1.2.5.1: until 2049.
            UTC_TIME if text < "5" => format!("20{text}"),
            UTC_TIME => format!("19{text}"),
            GENERALIZED_TIME => text.to_owned(),
            _ => return None,
        };
        NaiveDateTime::parse_from_str(&text, "%Y%m%d%H%M%SZ").ok().map(|time| time.and_utc().timestamp())
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
        date_time_ymd,
    };

    use super::*;

    /// In the middle of the year 2026.
    const NOW: i64 = 1_780_000_000;

    fn authority() -> CertificateParams {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) = (date_time_ymd(2025, 1, 1), date_time_ymd(2055, 1, 1));
        params
    }

    fn is_root_with(change: impl FnOnce(&mut CertificateParams)) -> bool {
        let mut params = authority();
        change(&mut params);
        is_root(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der(), NOW)
    }

    #[test]
    fn an_authority_that_issued_itself_is_one() {
        assert!(is_root_with(|_| {}));
        assert!(is_root_with(|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))));
        assert!(
            is_root_with(|params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign])
        );
        assert!(is_root_with(|params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        }));
    }

    #[test]
    fn what_openssl_takes_for_no_authority_is_none() {
        assert!(!is_root_with(|params| params.is_ca = IsCa::NoCa));
        assert!(!is_root_with(|params| params.is_ca = IsCa::ExplicitNoCa));
        assert!(!is_root_with(|params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature]));
        assert!(!is_root_with(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning]));
        assert!(!is_root_with(|params| params.not_after = date_time_ymd(2026, 1, 1)));
        assert!(!is_root_with(|params| params.not_before = date_time_ymd(2027, 1, 1)));
        // One that another issued: not without that other.
        let issuer = Issuer::new(authority(), KeyPair::generate().unwrap());
        let mut params = authority();
        params.distinguished_name.push(rcgen::DnType::CommonName, "between");
        assert!(!is_root(params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().der(), NOW));
    }

    #[test]
    fn whatever_is_no_certificate_comes_to_an_end() {
        let whole = authority().self_signed(&KeyPair::generate().unwrap()).unwrap();
        let whole = whole.der();
        assert!((0..whole.len()).all(|length| !is_root(&whole[..length], NOW)));
        for at in 0..whole.len() {
            for byte in [0, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = whole.to_vec();
                changed[at] = byte;
                // It may still be one.
                let _ = is_root(&changed, NOW);
            }
        }
    }
}
