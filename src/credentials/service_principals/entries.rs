//! The list of service principals as a document: read without copying, edited by splicing, so that every byte that azward does
//! not mean to change stays as it was, whatever members a later az adds (`list`). A text that is not such a list is
//! [`Kind::CacheForeign`] and is never edited.
//!
//! [`Kind::CacheForeign`]: crate::failure::Kind::CacheForeign

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::certificates;
use crate::credentials::document::{Absence, Change, Credential, Document, Entry, is_blank};
use crate::credentials::list::{BARE, Layout, List, Place, WHOLE, are_distinct, only, with_empty};
use crate::credentials::msal::{Members, not_understood};
use crate::failure::{Failure, Result};
use crate::vault::{CredentialKind, Owner};

/// As az writes the list: `json.dumps(…, indent=4)`.
const LAYOUT: Layout = Layout { before: "[\n    ", between: ",\n    ", after: "\n]" };

/// The members that are secrets, by what they are.
const SECRETS: [(&str, CredentialKind); 2] =
    [("client_secret", CredentialKind::ClientSecret), ("client_assertion", CredentialKind::ClientAssertion)];

/// A list of service principals, borrowed from its text.
pub struct ServicePrincipals<'a> {
    text: &'a str,
    places: Vec<Placed<'a>>,
}

/// A principal in its list.
struct Placed<'a> {
    raw: &'a str,
    bare: Cow<'a, str>,
    principal: Principal<'a>,
}

/// A service principal, as far as azward reads it.
#[derive(Clone, PartialEq, Eq)]
pub struct Principal<'a> {
    /// What tells it from others: its client id and tenant, as JSON text.
    pub id: String,
    /// The application's id.
    pub client_id: String,
    /// The tenant that it signs in to.
    pub tenant: String,
    /// Its secret, raw and with its quotes.
    pub secret: Option<(CredentialKind, &'a str)>,
    /// The file with its certificate and key.
    pub certificate: Option<Certificate>,
    /// Whether an assertion has been put in the place of that certificate, for a run.
    pub is_handed: bool,
}

/// The certificate of a service principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its file, as az was told, which resolves it where it runs.
    pub path: String,
    /// Whether the certificate is sent along, so that its subject name and issuer are enough.
    pub use_cert_sn_issuer: bool,
}

impl fmt::Debug for ServicePrincipals<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ServicePrincipals").field("length", &self.text.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Principal<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Principal").field("id", &self.id).finish_non_exhaustive()
    }
}

impl<'a> Principal<'a> {
    /// Reads an entry of a list.
    ///
    /// # Errors
    /// `CacheForeign` when it lacks what every one has, or has more than one thing to sign in with.
    pub fn read(raw: &'a str) -> Result<Self> {
        let members: Members<'a> = serde_json::from_str(raw).map_err(|error| foreign(&error))?;
        let text = |name| {
            let text: Option<String> = member(&members, name)?;
            text.ok_or_else(|| foreign(&format_args!("a service principal has no {name}")))
        };
        let (client_id, tenant) = (text("client_id")?, text("tenant")?);
        let mut secret = None;
        let mut ways = 0;
        for (name, kind) in SECRETS {
            let Some(raw) = one(&members, name)?.filter(|raw| raw.get() != "null") else { continue };
            if !raw.get().starts_with('"') {
                return Err(foreign(&format_args!("a {name} is not a string")));
            }
            // What is blank but not empty is one to az, and none to anybody else: it stays.
            if !is_blank(raw.get()) {
                secret = Some((kind, raw.get()));
            }
            ways += usize::from(raw.get() != "\"\"");
        }
        let path: Option<String> = member(&members, "certificate")?;
        let mut certificate = path.filter(|path| !path.is_empty());
        ways += usize::from(certificate.is_some());
        let set_aside: Option<String> = member(&members, "azward_certificate")?;
        let is_handed = set_aside.is_some() && certificate.is_none() && certificates::at_rest(raw).is_some();
        if is_handed {
            (certificate, secret) = (set_aside, None);
        }
        if ways > 1 {
            return Err(foreign(&"a service principal has more than one thing to sign in with"));
        }
        let use_cert_sn_issuer = member(&members, "use_cert_sn_issuer")?.unwrap_or(false);
        Ok(Self {
            id: serde_json::Value::from(format!("{client_id} {tenant}")).to_string(),
            client_id,
            tenant,
            secret,
            certificate: certificate.map(|path| Certificate { path, use_cert_sn_issuer }),
            is_handed,
        })
    }

    /// Whose its credential is: the application's in that tenant, whatever host it signs in at.
    #[must_use]
    pub fn owner(&self) -> Owner {
        Owner { home_account_id: format!("{}.{}", self.client_id, self.tenant), environment: String::new() }
    }

    /// Whether it is there without anything to sign in with: its secret is elsewhere.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.secret.is_none() && self.certificate.is_none()
    }
}

impl<'a> ServicePrincipals<'a> {
    /// Reads a text. One without anything but white space is an empty list.
    ///
    /// # Errors
    /// [`Kind::CacheForeign`](crate::failure::Kind::CacheForeign) when it is not JSON, or not a list of principals.
    pub fn parse(text: &'a str) -> Result<Self> {
        if text.trim().is_empty() {
            return Ok(Self { text: "[]", places: Vec::new() });
        }
        let raws: Vec<&'a RawValue> = serde_json::from_str(text).map_err(|error| foreign(&error))?;
        let place = |raw: &'a RawValue| {
            let principal = Principal::read(raw.get())?;
            Ok(Placed { bare: without_secret(raw.get(), &principal), raw: raw.get(), principal })
        };
        let places: Vec<Placed<'a>> = raws.into_iter().map(place).collect::<Result<_>>()?;
        // az has the first of two, and removes both.
        match are_distinct(places.iter().map(|place| &*place.principal.id)) {
            true => Ok(Self { text, places }),
            false => Err(foreign(&"a service principal stands twice")),
        }
    }

    /// The principals, in their order.
    pub fn principals(&self) -> impl Iterator<Item = &Principal<'a>> {
        self.places.iter().map(|place| &place.principal)
    }

    /// How many of them have their secret in it, or what was put in the place of their certificate.
    #[must_use]
    pub fn secret_count(&self) -> usize {
        self.principals().filter(|principal| principal.secret.is_some() || principal.is_handed).count()
    }

    /// All entries as they are at rest, but for secrets, each with what is read of it.
    pub(crate) fn raw_entries(&self) -> impl Iterator<Item = (&str, &Principal<'a>)> {
        self.places.iter().map(|place| (&*place.bare, &place.principal))
    }

    /// The texts of all entries, as they are and without their secrets.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &str, &Principal<'a>)> {
        self.places.iter().map(|place| (place.raw, &*place.bare, &place.principal))
    }

    /// The text without any secret.
    #[must_use]
    pub fn without_secrets(&self) -> Zeroizing<String> {
        self.with_credentials(&[])
    }

    fn list(&self) -> List<'_> {
        let places = self.places.iter().map(|own| Place {
            key: &own.principal.id,
            raw: own.raw,
            bare: &own.bare,
            has_secret: own.principal.secret.is_some(),
        });
        List { text: self.text, places: places.collect(), layout: LAYOUT }
    }
}

impl Document for ServicePrincipals<'_> {
    fn section_of(kind: CredentialKind) -> Option<&'static str> {
        match kind {
            CredentialKind::ClientSecret | CredentialKind::ClientAssertion => Some(WHOLE),
            // What the vault has of a certificate no list has.
            CredentialKind::RefreshToken
            | CredentialKind::ClientCertificate
            | CredentialKind::AdalTokens
            | CredentialKind::AdalRefreshToken
            | CredentialKind::AdalClientSecret => None,
        }
    }

    fn credential<'e>(_section: &str, entry: Entry<'e>) -> Result<Credential<'e>> {
        let principal = Principal::read(entry.value)?;
        let (kind, secret) = principal.secret.ok_or_else(|| foreign(&"a service principal has no secret"))?;
        let owner = principal.owner();
        Ok(Credential { kind, id: entry.key, owner, secret, entry: entry.value, changed_at: None })
    }

    fn owner(entry: Entry<'_>) -> Option<Owner> {
        Principal::read(entry.value).ok().map(|principal| principal.owner())
    }

    fn renewed_at(_section: &str, _entry: Entry<'_>) -> Option<i64> {
        None
    }

    fn absence(_section: &str) -> Absence {
        Absence::Doubtful
    }

    fn section_names(&self) -> Vec<Cow<'_, str>> {
        vec![Cow::Borrowed(BARE), Cow::Borrowed(WHOLE)]
    }

    fn section(&self, name: &str) -> Result<Vec<Entry<'_>>> {
        Ok(self.list().section(name))
    }

    fn owners(&self) -> Result<HashSet<Owner>> {
        Ok(self.principals().map(Principal::owner).collect())
    }

    fn has_stand_ins(&self) -> bool {
        self.principals().any(|principal| principal.is_handed)
    }

    fn edit(&self, changes: &[Change<'_>]) -> Zeroizing<String> {
        self.list().edit(changes)
    }
}

/// An entry with an empty text for its secret, or with its certificate again.
pub(super) fn without_secret<'a>(raw: &'a str, principal: &Principal<'_>) -> Cow<'a, str> {
    if principal.is_handed {
        return certificates::at_rest(raw).map_or(Cow::Borrowed(raw), Cow::Owned);
    }
    let Some((_, secret)) = principal.secret else { return Cow::Borrowed(raw) };
    Cow::Owned(with_empty(raw, secret))
}

/// The one member of that name: of two Python has the last, and what is edited would be another.
fn one<'a>(members: &Members<'a>, name: &str) -> Result<Option<&'a RawValue>> {
    only(members, name).map_err(|reason| foreign(&format_args!("a service principal {reason}")))
}

fn member<T: DeserializeOwned>(members: &Members<'_>, name: &str) -> Result<Option<T>> {
    let Some(raw) = one(members, name)? else { return Ok(None) };
    serde_json::from_str(raw.get()).map_err(|error| foreign(&error))
}

fn foreign(reason: &dyn fmt::Display) -> Failure {
    not_understood("the list of service principals is not one", reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;

    const LIST: &str = r#"[
    {
        "client_id": "c",
        "tenant": "t",
        "client_secret": "hu\u0073h",
        "from_tomorrow": [1, 2.50]
    },
    {"tenant": "t2", "certificate": "/home/u/c.pem", "client_id": "c", "use_cert_sn_issuer": true},
    { "client_id" : "d", "tenant":"t", "client_assertion":"ey.J" }
]
"#;

    #[test]
    fn secrets_are_taken_out_and_put_back_and_every_other_byte_stays() {
        let list = ServicePrincipals::parse(LIST).unwrap();
        let credentials = list.credentials().unwrap();
        let found: Vec<_> = credentials.iter().map(|found| (found.kind, found.id, found.secret)).collect();
        assert_eq!(
            found,
            [
                (CredentialKind::ClientSecret, "\"c t\"", "\"hu\\u0073h\""),
                (CredentialKind::ClientAssertion, "\"d t\"", "\"ey.J\""),
            ]
        );
        let without = list.without_secrets();
        assert_eq!(*without, LIST.replace("\"hu\\u0073h\"", "\"\"").replace("\"ey.J\"", "\"\""));
        assert_eq!(*ServicePrincipals::parse(&without).unwrap().with_credentials(&credentials), LIST);
        assert!(!format!("{list:?} {credentials:?}").contains("hu"));
        let certificate = list.principals().nth(1).unwrap();
        assert!(certificate.certificate.as_ref().is_some_and(|one| one.use_cert_sn_issuer) && !certificate.is_bare());
    }

    #[test]
    fn a_list_that_loses_or_gains_somebody_is_written_as_az_does() {
        let list = ServicePrincipals::parse(LIST).unwrap();
        let mut entries = list.section(BARE).unwrap();
        entries.drain(..2);
        let fewer = list.edit(&[Change { section: BARE, entries }]);
        assert_eq!(*fewer, "[\n    { \"client_id\" : \"d\", \"tenant\":\"t\", \"client_assertion\":\"ey.J\" }\n]");
        assert_eq!(*list.edit(&[Change { section: BARE, entries: Vec::new() }]), "[]");
    }

    #[test]
    fn what_is_no_list_of_principals_is_foreign_and_is_not_quoted() {
        for text in [
            "{}",
            "[7]",
            "[{\"client_id\": \"hush\"}",
            "[{\"client_id\": \"hush\"}]",
            "[{\"client_id\": \"hush\", \"tenant\": 7}]",
            "[{\"client_id\": \"c\", \"tenant\": \"t\", \"client_secret\": {\"hush\": 1}}]",
            "[{\"client_id\": \"c\", \"tenant\": \"t\", \"client_secret\": \"hush\", \"certificate\": \"p\"}]",
            "[{\"client_id\": \"c\", \"tenant\": \"t\", \"client_secret\": \"hush\", \"client_secret\": \"b\"}]",
            "[{\"client_id\": \"c\", \"tenant\": \"t\"}, {\"client_id\": \"c\", \"tenant\": \"t\"}]",
        ] {
            let failure = ServicePrincipals::parse(text).unwrap_err();
            assert_eq!(failure.kind, Kind::CacheForeign, "{text}");
            assert!(!failure.to_string().contains("hush"), "{failure}");
        }
        for text in ["", " \n", "[]"] {
            assert!(ServicePrincipals::parse(text).unwrap().owners().unwrap().is_empty());
        }
    }
}
