//! What applications prove themselves with: secrets, certificates that somebody registered, and the tokens of an identity provider that
//! is trusted. Each is looked at as Entra ID does: an assertion's signature, its thumbprint and every claim.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use webpki::EndEntityCert;

use crate::directory::ServicePrincipal;
use crate::random;
use crate::refusals::OauthError;
use crate::server::now;

/// For how many seconds an assertion may be good, with a minute for a clock that is fast: as long as the tokens that Kubernetes gives
/// for federation are by default. MSAL's own are good for ten minutes.
const LONGEST_ASSERTION: f64 = 3660.0;

/// The text that every federated token carries in its signature.
pub const CLIENT_ASSERTION_CANARY: &str = "CANARYCLIENTASSERTION";

/// What a signed assertion says of itself (RFC 7523, section 2.2).
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What applications have been given beside their first secret.
#[derive(Debug, Default)]
pub(crate) struct Applications {
    secrets: Vec<(&'static str, String)>,
    certificates: Vec<(&'static str, Vec<u8>)>,
    federated: Vec<(&'static str, String, u64)>,
}

/// One request to prove who one is.
pub(crate) struct Proving<'a> {
    pub(crate) application: &'static ServicePrincipal,
    pub(crate) assertion_type: &'a str,
    pub(crate) assertion: &'a str,
    /// The URL that the assertion is to be for.
    pub(crate) audience: String,
}

impl Applications {
    pub(crate) fn add_secret(&mut self, application: &'static ServicePrincipal, secret: &str) {
        self.secrets.push((application.client_id, secret.to_owned()));
    }

    pub(crate) fn has_secret(&self, application: &ServicePrincipal, secret: &str) -> bool {
        self.secrets.iter().any(|(id, own)| *id == application.client_id && own == secret)
    }

    pub(crate) fn revoke_secret(&mut self, secret: &str) {
        self.secrets.retain(|(_, own)| own != secret);
    }

    /// Registers the first certificate in a PEM file.
    pub(crate) fn register(&mut self, application: &'static ServicePrincipal, pem: &str) {
        let der = certificates(pem).into_iter().next().expect("there is a certificate in it");
        self.certificates.push((application.client_id, der));
    }

    /// Makes a token of a trusted identity provider, which stands for the application for so many seconds.
    pub(crate) fn federate(&mut self, application: &'static ServicePrincipal, lifetime: u64) -> String {
        let expires_at = now() + lifetime;
        let claims = json!({ "iss": "https://token.actions.example", "sub": "repo:contoso/deploy",
                             "aud": "api://AzureADTokenExchange", "exp": expires_at });
        let [header, payload] =
            [json!({"typ": "JWT", "alg": "RS256"}), claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let token = format!("{header}.{payload}.{CLIENT_ASSERTION_CANARY}{}", random::text(321));
        self.federated.push((application.client_id, token.clone(), expires_at));
        token
    }

    /// Verifies an assertion.
    pub(crate) fn verify(&mut self, proving: &Proving<'_>) -> Result<(), OauthError> {
        let invalid = |number, text: &str| Err(OauthError::new("invalid_client", number, text));
        if proving.assertion_type != JWT_BEARER {
            return invalid(700_021, "Client assertion application identifier doesn't match the required format.");
        }
        let is_own = |id: &str| id == proving.application.client_id;
        if let Some((id, _, expires_at)) = self.federated.iter().find(|(_, token, _)| token == proving.assertion) {
            return match is_own(id) {
                true if *expires_at > now() => Ok(()),
                true => invalid(700_024, "Client assertion is not within its valid time range."),
                false => invalid(700_213, "No matching federated identity record found for presented assertion."),
            };
        }
        let Some((header, claims)) = parts(proving.assertion) else {
            return invalid(50_027, "JWT token is invalid or malformed.");
        };
        let own = self.certificates.iter().filter(|(id, _)| is_own(id)).map(|(_, der)| der);
        let Some(certificate) = own.into_iter().find(|der| is_named_in(der, &header)) else {
            return invalid(
                700_027,
                "The certificate with identifier used to sign the client assertion is not registered.",
            );
        };
        if !is_signed_by(certificate, &header, proving.assertion) {
            return invalid(700_027, "Client assertion failed signature validation.");
        }
        let is = |name: &str, wanted: &str| claims[name] == wanted;
        if !is("aud", &proving.audience)
            || !is("iss", proving.application.client_id)
            || !is("sub", proving.application.client_id)
        {
            return invalid(700_023, "Client assertion audience claim does not match Realm issuer.");
        }
        let time = |name: &str| claims[name].as_f64().unwrap_or_default();
        let time_now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let time_now = time_now.map_or(0.0, |since| since.as_secs_f64());
        // As MSAL makes it there is no time before which it is not good.
        let is_in_time =
            time("exp") > time_now && time("exp") < time_now + LONGEST_ASSERTION && time("iat") <= time_now + 1.0;
        if !is_in_time {
            return invalid(700_024, "Client assertion is not within its valid time range.");
        }
        match claims["jti"].as_str() {
            // MSAL redeems one for nine minutes (msal 1.39.0, `oauth2cli/assertion.py`, `AutoRefresher`).
            Some(id) if id.len() == 36 => Ok(()),
            _ => invalid(50_027, "JWT token is invalid or malformed."),
        }
    }
}

/// Header and claims of a JWT.
fn parts(token: &str) -> Option<(Value, Value)> {
    let mut parts = token.split('.');
    let mut next = || serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts.next()?).ok()?).ok();
    Some((next()?, next()?))
}

/// Whether the header names that certificate, by a thumbprint, as MSAL pads it, and whole where it is sent along.
fn is_named_in(certificate: &[u8], header: &Value) -> bool {
    let digest = |algorithm| URL_SAFE.encode(ring::digest::digest(algorithm, certificate));
    let sha1 = digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    let is_named = header["x5t"] == sha1 || header["x5t#S256"] == digest(&ring::digest::SHA256);
    let is_whole = header["x5c"].as_array().is_none_or(|chain| {
        // MSAL leaves the lines that it has in its file.
        let first = chain.first().and_then(Value::as_str).unwrap_or_default();
        first.split_whitespace().collect::<String>() == STANDARD.encode(certificate)
    });
    is_named && is_whole && header["typ"] == "JWT"
}

fn is_signed_by(certificate: &[u8], header: &Value, token: &str) -> bool {
    let algorithm = match header["alg"].as_str() {
        Some("RS256") if header.get("x5t").is_some() => webpki::ring::RSA_PKCS1_2048_8192_SHA256,
        Some("PS256") if header.get("x5t#S256").is_some() => webpki::ring::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        _ => return false,
    };
    let Some((signed, signature)) = token.rsplit_once('.') else { return false };
    let certificate = CertificateDer::from(certificate);
    let verified = EndEntityCert::try_from(&certificate).ok().zip(URL_SAFE_NO_PAD.decode(signature).ok());
    verified.is_some_and(|(own, signature)| own.verify_signature(algorithm, signed.as_bytes(), &signature).is_ok())
}

/// The certificates in a PEM file.
fn certificates(pem: &str) -> Vec<Vec<u8>> {
    let blocks = pem.split("-----BEGIN CERTIFICATE-----").skip(1);
    let texts = blocks.filter_map(|block| block.split("-----END CERTIFICATE-----").next());
    texts.filter_map(|text| STANDARD.decode(text.split_whitespace().collect::<String>()).ok()).collect()
}
