//! The assertion by which a service principal with a certificate proves who it is: a JWT signed with that one's key (RFC 7523), as az
//! has MSAL make it: RS256, and the certificate by its SHA-1 thumbprint (azure-cli-core 2.91.0, `auth/identity.py`,
//! `get_msal_client_credential`; msal 1.39.0, `application.py`, `_build_client`; `oauth2cli/assertion.py`). A key that is encrypted,
//! is none of RSA or is too short is the real az's to use.

use std::fmt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::azure::HttpsUrl;
use crate::azure::clouds::Cloud;
use crate::credentials::service_principals::{self, Principal, ServicePrincipals, pem_in};
use crate::failure::Result;
use crate::secret::Secret;
use crate::store::CredentialStore;
use crate::vault::{Contents, CredentialKind};

/// For how many seconds one is good that is redeemed at once.
pub(super) const LIFETIME: i64 = 600;

/// For how many seconds one is good that an az is handed, which may need it late in its run.
const LIFETIME_OF_HANDED: i64 = 3600;

/// A key, and what is said of its certificate.
pub(super) struct Signer {
    key: RsaKeyPair,
    thumbprint: String,
    /// The certificate as it stands in its file, where that is sent along.
    chain: Option<String>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Signer").field("thumbprint", &self.thumbprint).finish_non_exhaustive()
    }
}

impl Signer {
    /// That of the first key and the first certificate in a PEM file; `None` for what only az can use. With `sends_chain` the
    /// certificate is sent along.
    pub(super) fn of(pem: &[u8], use_cert_sn_issuer: bool) -> Option<Self> {
        let key = match PrivateKeyDer::from_pem_slice(pem).ok()? {
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).ok()?,
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()).ok()?,
            _ => return None,
        };
        let certificate = CertificateDer::from_pem_slice(pem).ok()?;
        let thumbprint = URL_SAFE.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &certificate));
        let chain = if use_cert_sn_issuer { Some(text_of_certificate(pem)?) } else { None };
        Some(Self { key, thumbprint, chain })
    }

    /// The certificate's.
    pub(super) fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// An assertion of the application `client_id` for `audience`, made at the time `now` and good for `lifetime` seconds.
    pub(super) fn sign(&self, client_id: &str, audience: &str, now: i64, lifetime: i64) -> Option<Secret> {
        let mut header = Map::new();
        header.insert("typ".to_owned(), json!("JWT"));
        header.insert("alg".to_owned(), json!("RS256"));
        if let Some(certificate) = &self.chain {
            header.insert("x5c".to_owned(), json!([certificate]));
        }
        header.insert("x5t".to_owned(), json!(self.thumbprint));
        let claims = json!({ "aud": audience, "iss": client_id, "sub": client_id, "exp": now.saturating_add(lifetime),
                             "iat": now, "jti": id()? });
        let [header, claims] = [Value::Object(header), claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).ok()?;
        Some(Secret::from_text(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}

/// The list `text` with an assertion in the place of each certificate whose PEM file the vault has and that is not where it was.
/// `None` where there is nobody to hand one to.
///
/// # Errors
/// `CacheForeign`.
pub(crate) fn hand_over_assertions(
    store: &CredentialStore<'_>,
    contents: &Contents,
    text: &str,
) -> Result<Option<Zeroizing<String>>> {
    if contents.of(CredentialKind::ClientCertificate).next().is_none() {
        return Ok(None);
    }
    let context = &store.app.context;
    let Some(cloud) = Cloud::active(context, store.config_dir) else { return Ok(None) };
    let sign = |principal: &Principal<'_>| {
        let certificate = principal.certificate.as_ref().filter(|one| !Path::new(&one.path).exists())?;
        let pem = pem_in(contents, &principal.id, &certificate.path)?;
        let audience = audience_of(&cloud.active_directory, &principal.tenant);
        let signer = Signer::of(pem.expose(), certificate.use_cert_sn_issuer)?;
        signer.sign(&principal.client_id, &audience, context.now(), LIFETIME_OF_HANDED)
    };
    Ok(service_principals::hand_over_assertions(&ServicePrincipals::parse(text)?, sign))
}

/// Whether azward can sign with the key of a PEM file.
#[must_use]
pub fn can_sign_with(pem: &[u8]) -> bool {
    Signer::of(pem, true).is_some()
}

/// Where the token endpoint is, as MSAL names it in an assertion.
pub(super) fn audience_of(authority: &HttpsUrl, tenant: &str) -> String {
    format!("{authority}/{tenant}/oauth2/v2.0/token")
}

/// The first certificate's text, without what stands around it.
fn text_of_certificate(pem: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(pem).ok()?;
    let (_, rest) = text.split_once("-----BEGIN CERTIFICATE-----")?;
    rest.split_once("-----END CERTIFICATE-----").map(|(own, _)| own.trim().to_owned())
}

/// A random id (RFC 9562, version 4).
fn id() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let number = u128::from_be_bytes(bytes);
    let hex = format!("{number:032x}");
    Some([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_rsa_key_with_a_certificate_is_az_s() {
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let garbage = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for pem in ["", "nonsense", encrypted, garbage] {
            assert!(Signer::of(pem.as_bytes(), true).is_none(), "{pem}");
        }
        let text = "x\n-----BEGIN CERTIFICATE-----\nAB\nCD\n-----END CERTIFICATE-----\n";
        assert_eq!(text_of_certificate(text.as_bytes()).as_deref(), Some("AB\nCD"));
        let (one, other) = (id().unwrap(), id().unwrap());
        assert!(one != other && one.len() == 36 && one.as_bytes()[14] == b'4', "{one}");
    }
}
