//! What azward does to a list of service principals beyond what it does to any document (`edit`). The list knows no clock: of
//! two secrets the one that somebody signed in with last is in the file, also where it is an older one again, and a principal
//! that has a certificate now has no use for the secret that it had. Pure functions, like those of `edit`.

use std::collections::HashSet;

use zeroize::Zeroizing;

use super::certificates::bare_entry;
use super::entries::{Principal, ServicePrincipals};
use crate::credentials::document::{Change, Document, Entry};
use crate::credentials::edit::{self, Harvest};
use crate::credentials::list::BARE;
use crate::credentials::origin::{Order, Origin};
use crate::credentials::rivals;
use crate::failure::Result;
use crate::secret::Secret;
use crate::vault::{Contents, CredentialKind, Owner, Record};

/// What it means that a list has a secret that the vault had, and has replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replaced {
    /// Nothing: it lay there meanwhile.
    IsOld,
    /// Somebody has signed in with it again.
    IsBack,
}

/// Whether the vault keeps that record for a service principal.
pub(crate) fn is_record_of(record: &Record) -> bool {
    record.kind == CredentialKind::ClientCertificate || ServicePrincipals::section_of(record.kind).is_some()
}

/// The application's id, of a record that is a service principal's.
pub(crate) fn name_of(record: &Record) -> Option<String> {
    if !is_record_of(record) {
        return None;
    }
    let id: String = serde_json::from_str(&record.id).ok()?;
    id.split(' ').next().map(str::to_owned)
}

/// Puts the vault's secrets into the list: of those that are there without one, and of those that it has lost and that
/// `is_listed` still knows. `None` when there is nothing to do.
///
/// # Errors
/// `CacheForeign` for what the vault never holds.
pub(crate) fn inject(
    list: &ServicePrincipals<'_>,
    contents: &Contents,
    is_listed: impl Fn(&str) -> bool,
) -> Result<Option<Zeroizing<String>>> {
    let lost: HashSet<Owner> = missing(list, contents, is_listed).map(|record| record.owner.clone()).collect();
    let there: HashSet<Owner> =
        list.principals().filter(|own| own.certificate.is_none()).map(Principal::owner).collect();
    edit::inject(list, contents, |owner| there.contains(owner) || lost.contains(owner))
}

/// Puts those back into the list that it has lost and that `is_listed` still knows, without their secrets. `None` when there
/// are none.
///
/// # Errors
/// `CacheForeign` for what the vault never holds.
pub(crate) fn seat(
    list: &ServicePrincipals<'_>,
    contents: &Contents,
    is_listed: impl Fn(&str) -> bool,
) -> Result<Option<Zeroizing<String>>> {
    let mut lost = Vec::new();
    for record in missing(list, contents, is_listed) {
        lost.push((&*record.id, bare_entry(record)?));
    }
    if lost.is_empty() {
        return Ok(None);
    }
    let mut entries = list.section(BARE)?;
    entries.extend(lost.iter().map(|(key, value)| Entry { key, value }));
    Ok(Some(list.edit(&[Change { section: BARE, entries }])))
}

/// The vault's records of principals that the list has not, and that `is_listed` knows by their application's id.
fn missing<'c>(
    list: &ServicePrincipals<'_>,
    contents: &'c Contents,
    is_listed: impl Fn(&str) -> bool,
) -> impl Iterator<Item = &'c Record> {
    let there: HashSet<String> = list.principals().map(|own| own.id.clone()).collect();
    let records = contents.records.iter().filter(|record| is_record_of(record));
    records.filter(move |record| !there.contains(&record.id) && name_of(record).is_some_and(|name| is_listed(&name)))
}

/// Takes what is new in the list into `contents` (see [`edit::harvest`]), and forgets what it has displaced.
///
/// # Errors
/// `CacheForeign` for what the vault never holds.
pub(crate) fn harvest(
    list: &ServicePrincipals<'_>,
    contents: &mut Contents,
    now: i64,
    by: Origin<'_>,
    order: Order,
    replaced: Replaced,
) -> Result<Harvest> {
    let count = contents.records.len();
    for principal in list.principals() {
        let kind = principal.secret.map(|(kind, _)| kind);
        // A certificate, or a secret of another kind. The file that azward took in is still its owner's.
        let is_displaced = |record: &Record| {
            is_record_of(record)
                && record.kind != CredentialKind::ClientCertificate
                && record.id == principal.id
                && !principal.is_bare()
                && Some(record.kind) != kind
        };
        contents.records.retain(|record| !is_displaced(record));
    }
    let is_displaced = contents.records.len() != count;
    if replaced == Replaced::IsBack {
        rivals::let_back(contents, list.credentials()?);
    }
    let mut harvest = edit::harvest(list, contents, now, by, order)?;
    harvest.is_changed |= is_displaced;
    Ok(harvest)
}

/// Forgets the principals that were in the list before and are not there now, as `az logout` leaves it. The ids of their
/// applications are returned. A certificate whose file was taken in stays: az removes no such file.
///
/// # Errors
/// Never, as the list was read.
pub(crate) fn forget(before: &[Owner], after: &ServicePrincipals<'_>, contents: &mut Contents) -> Result<Vec<String>> {
    let after = after.owners()?;
    let is_gone = |record: &Record| {
        is_record_of(record)
            && record.kind != CredentialKind::ClientCertificate
            && before.contains(&record.owner)
            && !after.contains(&record.owner)
    };
    let names = contents.records.iter().filter(|record| is_gone(record)).filter_map(name_of).collect();
    contents.records.retain(|record| !is_gone(record));
    Ok(names)
}

/// The endpoint has accepted this secret of the record `id`: it is preferred from now on, and its rivals are old. Says whether that
/// is news.
///
/// # Errors
/// `CacheForeign` for what the vault never holds.
pub(crate) fn accept(contents: &mut Contents, id: &str, secret: &Secret) -> Result<bool> {
    let is_it = |record: &&mut Record| ServicePrincipals::section_of(record.kind).is_some() && record.id == id;
    let mut records = contents.records.iter_mut().filter(is_it);
    records.next().map_or(Ok(false), |record| rivals::accept::<ServicePrincipals<'_>>(record, secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[(&str, &str, &str)]) -> String {
        let entry = |(client, member, secret): &(&str, &str, &str)| {
            format!(
                "    {{\n        \"client_id\": \"{client}\",\n        \"tenant\": \"t\",\n        \"{member}\": \
                 \"{secret}\"\n    }}"
            )
        };
        format!("[\n{}\n]", entries.iter().map(entry).collect::<Vec<_>>().join(",\n"))
    }

    fn taken(text: &str, contents: &mut Contents, order: Order, replaced: Replaced) -> bool {
        let list = ServicePrincipals::parse(text).unwrap();
        harvest(&list, contents, 1, Origin::Run, order, replaced).unwrap().is_changed
    }

    fn handed(text: &str, contents: &Contents) -> String {
        let list = ServicePrincipals::parse(text).unwrap();
        inject(&list, contents, |name| name == "listed")
            .unwrap()
            .map_or_else(|| text.to_owned(), |text| text.to_string())
    }

    #[test]
    fn the_secret_that_was_signed_in_with_last_is_the_one() {
        let [first, second] = ["one", "two"].map(|secret| list(&[("a", "client_secret", secret)]));
        let bare = list(&[("a", "client_secret", "")]);
        let mut contents = Contents::default();
        assert!(taken(&first, &mut contents, Order::Unknown, Replaced::IsBack));
        assert!(taken(&second, &mut contents, Order::Successor, Replaced::IsBack));
        assert!(!taken(&first, &mut contents, Order::Ran, Replaced::IsOld), "it lay there");
        assert_eq!(handed(&bare, &contents), second);
        assert!(taken(&first, &mut contents, Order::Unknown, Replaced::IsBack));
        assert_eq!(handed(&bare, &contents), first);
        assert_eq!(contents.records[0].rivals.len(), 1, "nobody knows whether the other is good");
    }

    #[test]
    fn what_a_principal_signs_in_with_displaces_what_it_had() {
        let secret = list(&[("a", "client_secret", "s"), ("b", "client_secret", "s")]);
        let assertion = list(&[("a", "client_assertion", "j"), ("b", "client_secret", "")]);
        let certificate = list(&[("a", "certificate", "/pem"), ("b", "client_secret", "")]);
        let mut contents = Contents::default();
        for (text, kinds) in [
            (&secret, vec![CredentialKind::ClientSecret, CredentialKind::ClientSecret]),
            (&assertion, vec![CredentialKind::ClientSecret, CredentialKind::ClientAssertion]),
            (&certificate, vec![CredentialKind::ClientSecret]),
        ] {
            assert!(taken(text, &mut contents, Order::Successor, Replaced::IsBack));
            assert_eq!(contents.records.iter().map(|record| record.kind).collect::<Vec<_>>(), kinds);
        }
        assert_eq!(handed(&certificate, &contents), list(&[("a", "certificate", "/pem"), ("b", "client_secret", "s")]));
    }

    #[test]
    fn what_the_list_has_lost_comes_back_if_the_profile_lists_it() {
        let whole = list(&[("listed", "client_secret", "s"), ("other", "client_assertion", "j")]);
        let mut contents = Contents::default();
        taken(&whole, &mut contents, Order::Unknown, Replaced::IsBack);
        assert_eq!(handed("", &contents), list(&[("listed", "client_secret", "s")]));
        let seated = seat(&ServicePrincipals::parse("").unwrap(), &contents, |name| name == "listed").unwrap().unwrap();
        assert_eq!(*seated, list(&[("listed", "client_secret", "")]));
        assert!(
            seat(&ServicePrincipals::parse(&seated).unwrap(), &contents, |name| name == "listed").unwrap().is_none()
        );
    }

    #[test]
    fn who_is_gone_is_forgotten_and_nobody_else() {
        let whole = list(&[("a", "client_secret", "s"), ("b", "client_secret", "s")]);
        let mut contents = Contents::default();
        taken(&whole, &mut contents, Order::Unknown, Replaced::IsBack);
        let before: Vec<Owner> = ServicePrincipals::parse(&whole).unwrap().owners().unwrap().into_iter().collect();
        let after = list(&[("b", "client_secret", "")]);
        let names = forget(&before, &ServicePrincipals::parse(&after).unwrap(), &mut contents).unwrap();
        assert_eq!((names, contents.records.len()), (vec!["a".to_owned()], 1));
    }
}
