//! `service_principal_entries.json`: who is in it is who az would find, its secrets and nothing else are taken out, and all of it
//! comes back.

use azward::credentials::origin::{Order, Origin};
use azward::credentials::service_principals::ServicePrincipals;
use azward::credentials::{Document, edit};
use azward::vault::Contents;

use super::json::{Json, NotRead};

/// The members that are secrets.
const SECRETS: [&str; 2] = ["client_secret", "client_assertion"];

/// Checks one list; says whether it was understood.
pub(crate) fn check(bytes: &[u8]) -> bool {
    // What is not UTF-8 is refused when the file is read.
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(list) = ServicePrincipals::parse(text) else { return false };
    let document = match Json::read(text) {
        _ if text.trim().is_empty() => Json::List(Vec::new()),
        Ok(document) => document,
        Err(NotRead::TooDeep) => return false,
        Err(NotRead::Malformed) => panic!("no JSON, and read all the same"),
    };
    let Json::List(entries) = &document else { panic!("no list, and read all the same") };
    let principals: Vec<_> = list.principals().collect();
    assert_eq!(principals.len(), entries.len());
    for (principal, entry) in principals.iter().zip(entries) {
        let entry = entry.in_python();
        assert_eq!(entry.get_text("client_id").as_ref(), Some(&principal.client_id));
        assert_eq!(entry.get_text("tenant").as_ref(), Some(&principal.tenant));
        let certificate = principal.certificate.as_ref().map(|certificate| certificate.path.clone());
        assert_eq!(entry.get_text("certificate").filter(|path| !path.is_empty()), certificate);
        // What is blank is none that is worth keeping.
        let secret = SECRETS.iter().find_map(|name| entry.get(name).filter(|value| !is_blank(value)));
        let own = principal.secret.map(|(_, raw)| Json::read(raw).unwrap());
        assert_eq!(own.as_ref(), secret);
    }
    let mut contents = Contents::default();
    edit::harvest(&list, &mut contents, 0, Origin::Sweep, Order::Unknown).expect("the list was understood");
    assert_eq!(contents.records.len(), list.secret_count());
    let scrubbed = edit::scrub(&list, &contents).expect("the list was understood");
    assert_eq!(scrubbed.is_some(), list.secret_count() > 0);
    let without = scrubbed.as_ref().map_or(text, |text| text);
    assert_eq!(Json::read(without).unwrap_or(Json::List(Vec::new())), Json::List(entries.iter().map(bare).collect()));
    let bare = ServicePrincipals::parse(without).expect("azward wrote it");
    assert_eq!(bare.secret_count(), 0);
    assert!(bare.principals().map(|own| &own.id).eq(list.principals().map(|own| &own.id)));
    let restored = edit::inject(&bare, &contents, |_| true).expect("the list was understood");
    assert_eq!(restored.as_ref().map_or(without, |text| text), text);
    let nobody = list.owners().expect("the list was understood").into_iter().collect::<Vec<_>>();
    let left = edit::sign_out(&list, &nobody).expect("the list was understood");
    assert!(left.is_none_or(|text| Json::read(&text) == Ok(Json::List(Vec::new()))));
    true
}

fn is_blank(value: &Json) -> bool {
    match value {
        Json::Text(units) => {
            let text = String::from_utf16_lossy(units);
            text.chars().all(|letter| letter.is_whitespace() || letter.is_control())
        }
        _ => true,
    }
}

/// An entry without its secret.
fn bare(entry: &Json) -> Json {
    SECRETS.iter().fold(entry.clone(), |entry, name| match entry.get(name) {
        Some(value) if !is_blank(value) => entry.with(name, Json::text("")),
        _ => entry,
    })
}
