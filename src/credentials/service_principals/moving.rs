//! Service principals moved, whole, from one list to another: from that which an az keeps in a keyring for every config directory
//! into that of one directory, and back. Pure, and what does not move stays byte for byte.

use zeroize::Zeroizing;

use super::entries::ServicePrincipals;
use crate::azure::profile::Profile;
use crate::credentials::document::{Change, Document, Entry};
use crate::credentials::list::{BARE, WHOLE};

/// All of `list`, as they stand there.
#[must_use]
pub fn all_in<'l>(list: &'l ServicePrincipals<'_>) -> Vec<Entry<'l>> {
    list.texts().map(|(raw, _, own)| Entry { key: &own.id, value: raw }).collect()
}

/// Those of `list` whom `profile` lists, as they stand there.
#[must_use]
pub fn listed_in<'l>(list: &'l ServicePrincipals<'_>, profile: &Profile) -> Vec<Entry<'l>> {
    let listed = list.texts().filter(|(_, _, own)| profile.has_application(&own.client_id));
    listed.map(|(raw, _, own)| Entry { key: &own.id, value: raw }).collect()
}

/// The text of `list` with these principals, each in the place of its own; new ones at the end.
#[must_use]
pub fn with_principals(list: &ServicePrincipals<'_>, new: &[Entry<'_>]) -> Zeroizing<String> {
    let mut entries = all_in(list);
    for entry in new {
        match entries.iter_mut().find(|old| old.key == entry.key) {
            Some(old) => *old = *entry,
            None => entries.push(*entry),
        }
    }
    with_exactly(list, &entries)
}

/// The text of `list` without those whom `profile` lists; `None` where nobody else is in it.
#[must_use]
pub fn without_listed(list: &ServicePrincipals<'_>, profile: &Profile) -> Option<Zeroizing<String>> {
    let others = list.texts().filter(|(_, _, own)| !profile.has_application(&own.client_id));
    let entries: Vec<Entry<'_>> = others.map(|(raw, _, own)| Entry { key: &own.id, value: raw }).collect();
    (!entries.is_empty()).then(|| with_exactly(list, &entries))
}

/// One with a secret stands in both sections, and has it in both.
fn with_exactly(list: &ServicePrincipals<'_>, entries: &[Entry<'_>]) -> Zeroizing<String> {
    let change = |section| Change { section, entries: entries.to_vec() };
    list.edit(&[change(BARE), change(WHOLE)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(principals: &[(&str, &str)]) -> String {
        let entries: Vec<String> = principals
            .iter()
            .map(|(id, secret)| {
                format!(r#"{{"client_id": "{id}", "tenant": "t", "client_secret": "{secret}", "more": 1}}"#)
            })
            .collect();
        format!("[{}]", entries.join(", "))
    }

    fn profile(ids: &[&str]) -> Profile {
        let listed: Vec<String> = ids
            .iter()
            .map(|id| {
                format!(
                    r#"{{"id": "s", "name": "n", "state": "Enabled", "tenantId": "t", "environmentName": "AzureCloud", "isDefault": false, "user": {{"name": "{id}", "type": "servicePrincipal"}}}}"#
                )
            })
            .collect();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("azureProfile.json");
        std::fs::write(&path, format!(r#"{{"subscriptions": [{}]}}"#, listed.join(", "))).unwrap();
        Profile::read(&path)
    }

    #[test]
    fn who_is_listed_moves_whole_and_nobody_else() {
        let (item, file) = (list(&[("a", "1"), ("b", "2")]), list(&[("b", "old"), ("c", "3")]));
        let (item, file) = (ServicePrincipals::parse(&item).unwrap(), ServicePrincipals::parse(&file).unwrap());
        let listed = profile(&["b"]);
        assert_eq!(*with_principals(&file, &listed_in(&item, &listed)), list(&[("b", "2"), ("c", "3")]));
        let rest = without_listed(&item, &listed).unwrap();
        let rest = ServicePrincipals::parse(&rest).unwrap();
        assert_eq!(rest.principals().map(|own| own.client_id.as_str()).collect::<Vec<_>>(), ["a"]);
        assert_eq!(rest.secret_count(), 1);
        assert!(without_listed(&item, &profile(&["a", "b"])).is_none());
        let nothing = ServicePrincipals::parse("").unwrap();
        let filled = with_principals(&nothing, &listed_in(&item, &listed));
        assert_eq!(ServicePrincipals::parse(&filled).unwrap().secret_count(), 1);
    }
}
