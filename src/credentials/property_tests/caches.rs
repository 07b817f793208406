//! Token caches as MSAL writes them, with sections, entries and fields that azward does not know.

use proptest::collection::vec;
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::Format;
use crate::credentials::edit::Harvest;
use crate::credentials::msal::{self, TokenCache};
use crate::credentials::origin::{Order, Origin};
use crate::failure::Result;
use crate::vault::Contents;

/// MSAL's token cache, with its accounts.
pub(super) struct Msal;

impl Format for Msal {
    type Document<'t> = TokenCache<'t>;

    fn parse(text: &str) -> TokenCache<'_> {
        TokenCache::parse(text).unwrap()
    }

    fn harvest(cache: &TokenCache<'_>, contents: &mut Contents, now: i64, order: Order) -> Result<Harvest> {
        msal::harvest(cache, contents, now, Origin::Sweep, order)
    }

    fn inject(cache: &TokenCache<'_>, contents: &Contents) -> Result<Option<Zeroizing<String>>> {
        msal::inject(cache, contents, |_| false)
    }
}

/// An entry's unknown fields: names and JSON values, as Python's `json.dumps` may write them.
fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
    let value = prop_oneof![
        Just("null".to_owned()),
        Just("1.50e3".to_owned()),
        Just("[1, {\"x\": \"}\"}]".to_owned()),
        "[a-zA-Z0-9 {}:,]{0,12}".prop_map(|text| format!("\"{text}\\u00e4\\\"\"")),
    ];
    vec(("[g-z]{1,8}", value), 0..3).prop_map(|fields| fields.into_iter().map(|(n, v)| (format!("_{n}"), v)).collect())
}

fn object(fields: &[(String, String)], indent: &str) -> String {
    if fields.is_empty() {
        return "{}".to_owned();
    }
    let lines: Vec<String> = fields.iter().map(|(name, value)| format!("{indent}    \"{name}\": {value}")).collect();
    format!("{{\n{}\n{indent}}}", lines.join(",\n"))
}

fn section(name: &str, entries: &[(String, Vec<(String, String)>)]) -> (String, String) {
    let entries: Vec<(String, String)> =
        entries.iter().map(|(key, fields)| (key.clone(), object(fields, "        "))).collect();
    (name.to_owned(), object(&entries, "    "))
}

fn text(name: &str) -> String {
    format!("\"{name}\"")
}

/// A cache of `accounts` logins, its sections in any order, with a section from tomorrow.
pub(super) fn cache() -> impl Strategy<Value = String> {
    let logins = vec(("[a-zA-Z0-9_-]{1,40}", fields(), fields()), 0..4);
    let strangers = vec(fields(), 0..3);
    (logins, strangers, Just(["AccessToken", "RefreshToken", "Account", "AppMetadata", "Tomorrow"]).prop_shuffle())
        .prop_map(|(logins, strangers, order)| {
            let mut tokens = Vec::new();
            let mut accounts = Vec::new();
            for (place, (secret, more, others)) in logins.into_iter().enumerate() {
                let owner =
                    [("home_account_id".to_owned(), text(&format!("h{place}"))), ("environment".to_owned(), text("e"))];
                let mut fields =
                    vec![("credential_type".to_owned(), text("RefreshToken")), ("secret".to_owned(), text(&secret))];
                fields.extend(owner.clone());
                fields.extend(more);
                tokens.push((format!("h{place}-e-refreshtoken-c--s"), fields));
                let mut fields = owner.to_vec();
                fields.push(("username".to_owned(), text(&format!("u{place}"))));
                fields.extend(others);
                accounts.push((format!("h{place}-e-organizations"), fields));
            }
            let strange: Vec<_> = strangers.into_iter().enumerate().map(|(n, f)| (format!("k{n}"), f)).collect();
            let sections: Vec<(String, String)> = order
                .iter()
                .map(|name| match *name {
                    "RefreshToken" => section(name, &tokens),
                    "Account" => section(name, &accounts),
                    _ => section(name, &strange),
                })
                .collect();
            object(&sections, "")
        })
}
