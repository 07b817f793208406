//! The certificates of service principals whose PEM files azward has taken in: how the vault keeps one, and what az is handed in its
//! place. An entry at rest is as az wrote it and names a file that is not there. For a run it has an assertion that was signed
//! with that file's key beside the name, under a name of azward's own: whatever az does with the list, its entry at rest can be
//! made of it again, byte for byte, and nobody has ever been handed the key. Pure functions.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::entries::{Principal, ServicePrincipals, without_secret};
use crate::credentials::document::{Change, Document, Entry};
use crate::credentials::list::BARE;
use crate::credentials::msal::joined;
use crate::failure::Result;
use crate::secret::Secret;
use crate::vault::{Contents, CredentialKind, Record};

/// The member with the path of a certificate, as az has it.
const CERTIFICATE: &str = "\"certificate\"";

/// The same in an entry that has an assertion in its place.
const SET_ASIDE: &str = "\"azward_certificate\"";

/// The member that az is handed.
const ASSERTION: &str = "\"client_assertion\"";

/// What the vault keeps of one.
#[derive(Deserialize)]
struct Kept<'a> {
    /// The entry at rest.
    #[serde(borrow)]
    entry: &'a RawValue,
    pem: Cow<'a, str>,
}

/// The record of a principal with a certificate: its `entry` as it stands in the list, and its PEM file's text.
#[must_use]
pub(crate) fn record_of(entry: &str, principal: &Principal<'_>, pem: &str, now: i64) -> Record {
    let quoted = Zeroizing::new(serde_json::to_string(pem).unwrap_or_default());
    let entry = joined(&["{\"entry\": ", entry, ", \"pem\": ", &quoted, "}"]);
    Record {
        kind: CredentialKind::ClientCertificate,
        id: principal.id.clone(),
        owner: principal.owner(),
        entry: Secret::new(entry.as_bytes().to_vec()),
        predecessors: Vec::new(),
        stored_at: now,
        stored_by: "vault seal-certificate".to_owned(),
        brought_at: now,
        rivals: Vec::new(),
    }
}

/// The entry at rest of a record that is a certificate's.
pub(super) fn entry_of(record: &Record) -> Option<&str> {
    Some(kept(record)?.entry.get())
}

/// The path of the PEM file that it was, and its text.
#[must_use]
pub(crate) fn file_of(record: &Record) -> Option<(String, Secret)> {
    let kept = kept(record)?;
    let path = Principal::read(kept.entry.get()).ok()?.certificate?.path;
    Some((path, Secret::new(kept.pem.as_bytes().to_vec())))
}

/// The text of the PEM file of a principal, if the vault has it, and the principal still has that certificate.
#[must_use]
pub(crate) fn pem_in(contents: &Contents, principal: &str, path: &str) -> Option<Secret> {
    let (own, pem) = file_of(contents.get(CredentialKind::ClientCertificate, principal)?)?;
    (own == path).then_some(pem)
}

/// The text with an assertion, where `sign` makes one, for each principal that has a certificate. `None` when it makes none.
#[must_use]
pub(crate) fn hand_over_assertions(
    list: &ServicePrincipals<'_>,
    mut sign: impl FnMut(&Principal<'_>) -> Option<Secret>,
) -> Option<Zeroizing<String>> {
    let mut texts = Vec::new();
    let mut has_handed = false;
    for (raw, bare, principal) in list.texts() {
        let place = certificate_of(raw).filter(|_| principal.certificate.is_some() && !principal.is_handed);
        let assertion = place.and_then(|place| Some((place, sign(principal)?)));
        has_handed |= assertion.is_some();
        texts.push(match assertion {
            Some((place, assertion)) => {
                let rest = &raw[place + CERTIFICATE.len()..];
                joined(&[&raw[..place], ASSERTION, ": \"", assertion.expose_text(), "\", ", SET_ASIDE, rest])
            }
            // Another run has it.
            None if principal.is_handed => Zeroizing::new(raw.to_owned()),
            None => Zeroizing::new(bare.to_owned()),
        });
    }
    let keys = list.principals().map(|principal| &*principal.id);
    let entries = keys.zip(&texts).map(|(key, text)| Entry { key, value: text }).collect();
    has_handed.then(|| list.edit(&[Change { section: BARE, entries }]))
}

/// An entry that was handed over as it is at rest; `None` for one that was not, or that somebody has taken apart.
pub(super) fn at_rest(raw: &str) -> Option<String> {
    let aside = raw.find(SET_ASIDE)?;
    let assertion = raw[..aside].rfind(ASSERTION)?;
    Some([&raw[..assertion], CERTIFICATE, &raw[aside + SET_ASIDE.len()..]].concat())
}

/// An entry of the vault's as it stands in a list without a secret.
pub(super) fn bare_entry(record: &Record) -> Result<Cow<'_, str>> {
    if let Some(entry) = entry_of(record) {
        return Ok(Cow::Borrowed(entry));
    }
    let entry = record.entry.expose_text();
    Ok(without_secret(entry, &Principal::read(entry)?))
}

fn kept(record: &Record) -> Option<Kept<'_>> {
    let is_one = record.kind == CredentialKind::ClientCertificate;
    is_one.then(|| serde_json::from_str(record.entry.expose_text()).ok()).flatten()
}

/// Where the member with the certificate's path begins; `None` where it is written in another way than az does.
fn certificate_of(raw: &str) -> Option<usize> {
    let place = raw.find(CERTIFICATE)?;
    (raw[place + CERTIFICATE.len()..].trim_start().starts_with(':') && raw.matches(CERTIFICATE).count() == 1)
        .then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"[
    {
        "client_id": "c",
        "tenant": "t",
        "certificate": "/home/u/c\u002epem",
        "use_cert_sn_issuer": true
    },
    {"client_id": "d", "tenant": "t", "client_secret": "hush"},
    { "tenant":"t2","certificate" : "/d.pem", "client_id":"c" }
]
"#;

    fn handed(text: &str) -> Option<String> {
        let list = ServicePrincipals::parse(text).unwrap();
        let sign = |own: &Principal<'_>| (own.tenant == "t").then(|| Secret::from_text("ey.J".into()));
        hand_over_assertions(&list, sign).map(|text| text.to_string())
    }

    #[test]
    fn what_was_handed_over_is_at_rest_again_byte_for_byte() {
        let whole = handed(LIST).unwrap();
        assert_eq!(
            whole,
            LIST.replacen("\"certificate\"", "\"client_assertion\": \"ey.J\", \"azward_certificate\"", 1)
        );
        let list = ServicePrincipals::parse(&whole).unwrap();
        let first = list.principals().next().unwrap();
        assert!(first.is_handed && first.secret.is_none() && !first.is_bare());
        assert_eq!(first.certificate.as_ref().unwrap().path, "/home/u/c.pem");
        assert_eq!(list.secret_count(), 2);
        let secrets = list.credentials().unwrap();
        assert_eq!((secrets.len(), list.with_credentials(&secrets).as_str()), (1, LIST));
        assert_eq!(*list.without_secrets(), LIST.replace("hush", ""));
        // Once is enough.
        assert_eq!(handed(&whole), None);
    }

    #[test]
    fn what_az_writes_of_it_is_at_rest_again_as_az_writes() {
        let entry = |certificate: &str| {
            format!(
                "[\n    {{\n        \"client_id\": \"c\",\n        \"tenant\": \"t\",\n        {certificate}\n    }}\n]"
            )
        };
        let own = "\"certificate\": \"/c.pem\"";
        let rewritten = entry("\"client_assertion\": \"ey.J\",\n        \"azward_certificate\": \"/c.pem\"");
        let list = ServicePrincipals::parse(&rewritten).unwrap();
        assert_eq!(*list.without_secrets(), entry(own));
        let apart = entry("\"azward_certificate\": \"/c.pem\",\n        \"client_assertion\": \"ey.J\"");
        let list = ServicePrincipals::parse(&apart).unwrap();
        assert!(list.principals().all(|own| !own.is_handed && own.secret.is_some()));
    }

    #[test]
    fn a_record_has_entry_and_file() {
        let list = ServicePrincipals::parse(LIST).unwrap();
        let (raw, own) = list.raw_entries().next().unwrap();
        let record = record_of(raw, own, "-----BEGIN\n\"hush\"\n", 7);
        assert_eq!(entry_of(&record), Some(raw));
        let (path, pem) = file_of(&record).unwrap();
        assert_eq!((&*path, pem.expose_text()), ("/home/u/c.pem", "-----BEGIN\n\"hush\"\n"));
        assert!(!format!("{record:?}").contains("hush"));
        let contents = Contents { records: vec![record], ..Contents::default() };
        assert!(
            pem_in(&contents, &own.id, "/home/u/c.pem").is_some() && pem_in(&contents, "\"c t2\"", "/d.pem").is_none()
        );
    }
}
