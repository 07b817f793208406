//! `accessTokens.json`: its secrets and nothing else are taken out, all of it comes back, and whoever is signed out is out of it.

use azward::credentials::adal::AdalTokens;
use azward::credentials::origin::{Order, Origin};
use azward::credentials::{Document, edit};
use azward::vault::Contents;

use super::json::{Json, NotRead};

/// Checks one list; says whether it was understood.
pub(crate) fn check(bytes: &[u8]) -> bool {
    // What is not UTF-8 is refused when the file is read.
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(list) = AdalTokens::parse(text, "f") else { return false };
    let document = match Json::read(text) {
        _ if text.trim().is_empty() => Json::List(Vec::new()),
        Ok(document) => document,
        Err(NotRead::TooDeep) => return false,
        Err(NotRead::Malformed) => panic!("no JSON, and read all the same"),
    };
    let Json::List(entries) = &document else { panic!("no list, and read all the same") };
    let secrets = entries.iter().filter(|entry| secret_of(entry).is_some()).count();
    assert_eq!(list.secret_count(), secrets);
    let mut contents = Contents::default();
    edit::harvest(&list, &mut contents, 0, Origin::Sweep, Order::Unknown).expect("the list was understood");
    assert_eq!(contents.records.len(), secrets);
    let scrubbed = edit::scrub(&list, &contents).expect("the list was understood");
    assert_eq!(scrubbed.is_some(), secrets > 0);
    let without = scrubbed.as_ref().map_or(text, |text| text);
    assert_eq!(Json::read(without).unwrap_or(Json::List(Vec::new())), Json::List(entries.iter().map(bare).collect()));
    let bare = AdalTokens::parse(without, "f").expect("azward wrote it");
    assert_eq!(bare.secret_count(), 0);
    assert_eq!(bare.owners().expect("azward wrote it"), list.owners().expect("the list was understood"));
    let restored = edit::inject(&bare, &contents, |_| true).expect("the list was understood");
    assert_eq!(restored.as_ref().map_or(without, |text| text), text);
    let everybody = list.owners().expect("the list was understood").into_iter().collect::<Vec<_>>();
    let left = edit::sign_out(&list, &everybody).expect("the list was understood");
    assert!(left.is_none_or(|text| Json::read(&text) == Ok(Json::List(Vec::new()))));
    true
}

/// The name of the member with the secret, if there is one that is worth keeping.
fn secret_of(entry: &Json) -> Option<&'static str> {
    let is_principal = entry.get_text("servicePrincipalId").is_some_and(|id| !id.is_empty());
    let name = if is_principal { "accessToken" } else { "refreshToken" };
    let Some(Json::Text(units)) = entry.get(name) else { return None };
    let text = String::from_utf16_lossy(units);
    (!text.chars().all(|letter| letter.is_whitespace() || letter.is_control())).then_some(name)
}

/// An entry without its secret.
fn bare(entry: &Json) -> Json {
    secret_of(entry).map_or_else(|| entry.clone(), |name| entry.clone().with(name, Json::text("")))
}
