//! What a service principal signs in with: its secret or federated token, from the vault, or an assertion signed with its
//! certificate's key, and the request that redeems it, field by field as MSAL sends it (msal 1.39.0, `oauth2cli/oauth2.py`,
//! `_obtain_token`; `application.py`, `_build_client`, `_acquire_token_for_client`). It goes to a host that has granted this
//! application a token before, as its own entry in the token cache has it.

use zeroize::Zeroizing;

use super::assertion::{LIFETIME, Signer, audience_of};
use crate::credentials::CredentialFile;
use crate::credentials::msal::TokenCache;
use crate::credentials::service_principals::{Principal, ServicePrincipals};
use crate::failure::Result;
use crate::secret::{Secret, fingerprint};
use crate::store::CredentialStore;
use crate::tokens::TokenKey;
use crate::tokens::entra::{CP1, Capability, Field, GrantRequest};
use crate::tokens::principal::{listed, pem_of};
use crate::vault::{Contents, CredentialKind};

/// What an assertion is said to be (RFC 7523, section 2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What proves to the endpoint who a service principal is.
#[derive(Debug)]
pub struct ClientCredential {
    /// The application's id.
    pub client_id: String,
    /// The host that has granted it a token.
    pub environment: String,
    /// Whether it is a secret or an assertion.
    pub kind: CredentialKind,
    /// It.
    pub value: Secret,
    /// Its record's id in the vault; of what is signed here there is none.
    pub record: Option<String>,
    /// What tells what is behind it from anything else.
    pub mark: String,
}

impl ClientCredential {
    /// A copy, for the thread that redeems it.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self {
            client_id: self.client_id.clone(),
            environment: self.environment.clone(),
            kind: self.kind,
            value: self.value.duplicate(),
            record: self.record.clone(),
            mark: self.mark.clone(),
        }
    }
}

/// What there is to redeem for a token that is an application's; see [`TokenSource::all`](super::TokenSource::all).
///
/// # Errors
/// Whatever kept vault, list or cache from being read.
pub(super) fn all(store: &CredentialStore<'_>, wanted: &TokenKey) -> Result<Vec<ClientCredential>> {
    let text = store.read_settled()?;
    let Some(account) = wanted.account(&TokenCache::parse(&text)?)? else { return Ok(Vec::new()) };
    let Some(listed) = listed(store, wanted)? else { return Ok(Vec::new()) };
    let own = |kind, value: Secret, record: Option<String>, mark: String| ClientCredential {
        client_id: wanted.username.clone(),
        environment: account.environment.clone(),
        kind,
        value,
        record,
        mark,
    };
    let now = store.app.context.now();
    if let Some(certificate) = &listed.certificate {
        let signer = pem_of(store, &listed.id, certificate);
        let signer = signer.and_then(|pem| Signer::of(pem.expose(), certificate.use_cert_sn_issuer));
        let made = signer.and_then(|signer| {
            let audience = audience_of(&wanted.authority, &wanted.tenant);
            let assertion = signer.sign(&wanted.username, &audience, now, LIFETIME)?;
            Some(own(CredentialKind::ClientAssertion, assertion, None, signer.thumbprint().to_owned()))
        });
        return Ok(made.into_iter().collect());
    }
    let mut found: Vec<(CredentialKind, Secret)> = Vec::new();
    // What an az has stored a moment ago is the newest.
    let list_text = store.principals.read()?.unwrap_or_default();
    let list = ServicePrincipals::parse(&list_text)?;
    let exposed = list.principals().find(|own| own.id == listed.id).and_then(|own| own.secret);
    found.extend(exposed.and_then(|(kind, raw)| Some((kind, plain(raw)?))));
    if store.vault.exists() {
        found.extend(kept(&store.vault.load()?, &listed.id));
    }
    let mut credentials: Vec<ClientCredential> = Vec::new();
    for (kind, value) in found {
        let mark = fingerprint(value.expose());
        let is_over = kind == CredentialKind::ClientAssertion && expires_at(&value).is_some_and(|time| time <= now);
        if !is_over && !credentials.iter().any(|other| other.mark == mark) {
            credentials.push(own(kind, value, Some(listed.id.clone()), mark));
        }
    }
    Ok(credentials)
}

/// What the vault has for a principal, and what may be newer than that.
fn kept(contents: &Contents, id: &str) -> Vec<(CredentialKind, Secret)> {
    let kinds = [CredentialKind::ClientSecret, CredentialKind::ClientAssertion];
    let records = kinds.into_iter().filter_map(|kind| contents.get(kind, id));
    let entries = records.flat_map(|record| record.entries());
    entries
        .filter_map(|entry| {
            let (kind, raw) = Principal::read(entry.expose_text()).ok()?.secret?;
            Some((kind, plain(raw)?))
        })
        .collect()
}

/// What tells what the vault has for a principal from anything else.
pub(super) fn marks_of(contents: &Contents, id: &str) -> Vec<String> {
    kept(contents, id).iter().map(|(_, value)| fingerprint(value.expose())).collect()
}

/// Whether the key of a certificate is one that azward can sign with; of anything else whether it is there is seen when it is
/// redeemed.
pub(super) fn can_be_redeemed(store: &CredentialStore<'_>, wanted: &TokenKey) -> bool {
    let Ok(Some(listed)) = listed(store, wanted) else { return false };
    match &listed.certificate {
        Some(certificate) => {
            pem_of(store, &listed.id, certificate).is_some_and(|pem| Signer::of(pem.expose(), false).is_some())
        }
        None => store.vault.exists(),
    }
}

/// Whether it is not known which of several secrets is good.
pub(super) fn has_rivals(store: &CredentialStore<'_>, wanted: &TokenKey) -> bool {
    let has = |contents: &Contents, id: &str| {
        contents.records.iter().any(|record| record.id == id && !record.rivals.is_empty())
    };
    store.vault.exists()
        && listed(store, wanted)
            .is_ok_and(|listed| listed.is_some_and(|one| store.vault.load().is_ok_and(|kept| has(&kept, &one.id))))
}

/// A JSON string as the text that it is.
fn plain(raw: &str) -> Option<Secret> {
    if !raw.contains('\\') {
        return Some(Secret::new(raw.trim_matches('"').as_bytes().to_vec()));
    }
    serde_json::from_str::<String>(raw).ok().map(Secret::from_text)
}

/// When an assertion is over, in seconds since the epoch, if it says so.
fn expires_at(assertion: &Secret) -> Option<i64> {
    use base64::Engine;
    #[derive(serde::Deserialize)]
    struct Claims {
        exp: f64,
    }
    let claims = assertion.expose_text().split('.').nth(1)?;
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    let claims: Claims = serde_json::from_slice(&Zeroizing::new(claims)).ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "whatever it says, it is compared with a time")]
    Some(claims.exp as i64)
}

/// The request that redeems it.
pub(super) fn request<'a>(
    credential: &'a ClientCredential,
    wanted: &'a TokenKey,
    capability: Capability,
) -> GrantRequest<'a> {
    let mut form = vec![
        ("client_id", Field::from(credential.client_id.as_str())),
        ("grant_type", Field::from("client_credentials")),
    ];
    let proof = Field::Secret(&credential.value);
    match credential.kind {
        CredentialKind::ClientAssertion => {
            let kind = ("client_assertion_type", Field::from(JWT_BEARER));
            form.extend([("client_assertion", proof), ("client_info", Field::from("1")), kind]);
        }
        // There is no other kind of these.
        CredentialKind::ClientSecret
        | CredentialKind::RefreshToken
        | CredentialKind::ClientCertificate
        | CredentialKind::AdalTokens
        | CredentialKind::AdalRefreshToken
        | CredentialKind::AdalClientSecret => {
            form.extend([("client_info", Field::from("1")), ("client_secret", proof)]);
        }
    }
    if capability == Capability::Cp1 {
        form.push(("claims", Field::from(CP1)));
    }
    form.push(("scope", Field::from(wanted.scope.as_str())));
    GrantRequest { wanted, environment: &credential.environment, home_account_id: "", form }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::token_key::tests::sample;

    #[test]
    fn the_body_has_msal_s_fields_in_msal_s_order() {
        let wanted = TokenKey { scope: "https://m//.default".into(), ..sample() };
        let credential = |kind| ClientCredential {
            client_id: "c".into(),
            environment: "e".into(),
            kind,
            value: Secret::from_text("8Q~/s".into()),
            record: None,
            mark: "m".into(),
        };
        let body = |kind, capability| {
            let credential = credential(kind);
            let request = request(&credential, &wanted, capability);
            assert!(!format!("{request:?}").contains("8Q"), "a request tells its secret");
            String::from_utf8(request.body().to_vec()).unwrap()
        };
        assert_eq!(
            body(CredentialKind::ClientSecret, Capability::None),
            "client_id=c&grant_type=client_credentials&client_info=1&client_secret=8Q~%2Fs&scope=https%3A%2F%2Fm%2F%2F.default"
        );
        assert_eq!(
            body(CredentialKind::ClientAssertion, Capability::Cp1),
            "client_id=c&grant_type=client_credentials&client_assertion=8Q~%2Fs&client_info=1\
             &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
             &claims=%7B%22access_token%22%3A+%7B%22xms_cc%22%3A+%7B%22values%22%3A+%5B%22CP1%22%5D%7D%7D%7D\
             &scope=https%3A%2F%2Fm%2F%2F.default"
        );
    }

    #[test]
    fn an_assertion_says_when_it_is_over() {
        let says = |text: &str| expires_at(&Secret::from_text(text.into()));
        // {"exp": 1700000000.5}
        assert_eq!(says("e30.eyJleHAiOiAxNzAwMDAwMDAwLjV9.c2ln"), Some(1_700_000_000));
        for text in ["", "a.b", "a.e30.c", "e30"] {
            assert_eq!(says(text), None, "{text}");
        }
        assert_eq!(plain("\"a\\u0062\"").unwrap().expose_text(), "ab");
    }
}
