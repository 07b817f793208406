//! Property tests of the pure functions in `edit`: over caches as MSAL writes them, with sections, entries and fields that
//! azward does not know.

use proptest::collection::vec;
use proptest::prelude::*;

use super::edit::{forget, harvest, inject, scrub};
use crate::azure::token_cache::{AccountId, Section, TokenCache};
use crate::vault::Contents;

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
fn cache() -> impl Strategy<Value = String> {
    let logins = vec(("[a-zA-Z0-9_-]{1,40}", fields(), fields()), 0..4);
    let strangers = vec(fields(), 0..3);
    (logins, strangers, Just(["AccessToken", "RefreshToken", "Account", "AppMetadata", "Tomorrow"]).prop_shuffle())
        .prop_map(|(logins, strangers, order)| {
            let mut tokens = Vec::new();
            let mut accounts = Vec::new();
            for (place, (secret, more, others)) in logins.into_iter().enumerate() {
                let owner =
                    [("home_account_id".to_owned(), text(&format!("h{place}"))), ("environment".to_owned(), text("e"))];
                let mut fields = vec![("secret".to_owned(), text(&secret))];
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

fn harvested(text: &str) -> Contents {
    let mut contents = Contents::default();
    harvest(&TokenCache::parse(text).unwrap(), &mut contents, 0, "test").unwrap();
    contents
}

fn scrubbed(text: &str, contents: &Contents) -> String {
    let scrubbed = scrub(&TokenCache::parse(text).unwrap(), contents).unwrap();
    scrubbed.map_or_else(|| text.to_owned(), |text| text.to_string())
}

fn injected(text: &str, contents: &Contents) -> String {
    let injected = inject(&TokenCache::parse(text).unwrap(), contents, |_| false).unwrap();
    injected.map_or_else(|| text.to_owned(), |text| text.to_string())
}

proptest! {
    #[test]
    fn inject_after_scrub_restores_every_byte(text in cache()) {
        let contents = harvested(&text);
        let without = scrubbed(&text, &contents);
        prop_assert!(TokenCache::parse(&without).unwrap().entries(Section::RefreshToken).unwrap().is_empty());
        prop_assert_eq!(injected(&without, &contents), text);
    }

    #[test]
    fn scrub_after_inject_loses_nothing(text in cache()) {
        let contents = harvested(&text);
        let without = scrubbed(&text, &contents);
        let again = scrubbed(&injected(&without, &contents), &contents);
        prop_assert_eq!(again, without);
    }

    #[test]
    fn nothing_is_scrubbed_that_the_vault_does_not_have(text in cache()) {
        prop_assert_eq!(scrubbed(&text, &Contents::default()), text);
    }

    #[test]
    fn a_second_harvest_finds_nothing_new(text in cache()) {
        let mut contents = harvested(&text);
        let again = harvest(&TokenCache::parse(&text).unwrap(), &mut contents, 1, "again").unwrap();
        prop_assert!(!again.is_changed, "{:?}", again);
    }

    #[test]
    fn a_token_that_was_replaced_never_comes_back(text in cache()) {
        let newer = text.replace("\"secret\": \"", "\"secret\": \"new-");
        let mut contents = harvested(&text);
        harvest(&TokenCache::parse(&newer).unwrap(), &mut contents, 1, "newer").unwrap();
        let old = harvest(&TokenCache::parse(&text).unwrap(), &mut contents, 2, "older").unwrap();
        prop_assert!(old.taken.is_empty());
        prop_assert_eq!(injected(&text, &contents), newer);
    }

    #[test]
    fn what_az_forgot_and_only_that_is_forgotten(text in cache()) {
        let mut contents = harvested(&text);
        let before: Vec<AccountId> = super::edit::accounts(&TokenCache::parse(&text).unwrap())
            .unwrap().into_iter().map(|account| account.id).collect();
        let none = forget(&before, &TokenCache::parse(&text).unwrap(), &mut contents).unwrap();
        prop_assert!(none.is_empty());
        prop_assert_eq!(contents.refresh_tokens.len(), before.len());
        let all = forget(&before, &TokenCache::parse("{}").unwrap(), &mut contents).unwrap();
        prop_assert_eq!(all.len(), before.len());
        prop_assert!(contents.refresh_tokens.is_empty() && contents.accounts.is_empty());
    }
}

#[test]
fn a_lost_account_comes_back_exactly_if_its_user_is_still_in_the_profile() {
    let text = "{\n    \"AccessToken\": {},\n    \"Account\": {\n        \"h-e-organizations\": {\"home_account_id\": \"h\", \
                \"environment\": \"e\", \"username\": \"u\", \"more\": 1.0}\n    },\n    \"RefreshToken\": {\n        \"k\": \
                {\"secret\": \"s\", \"home_account_id\": \"h\", \"environment\": \"e\"}\n    }\n}";
    let contents = harvested(text);
    let empty = TokenCache::parse("").unwrap();
    assert!(inject(&empty, &contents, |_| false).unwrap().is_none(), "nobody knows the user any more");
    let restored = inject(&empty, &contents, |name| name == "u").unwrap().unwrap();
    let restored = TokenCache::parse(&restored).unwrap();
    let original = TokenCache::parse(text).unwrap();
    for section in [Section::Account, Section::RefreshToken] {
        assert_eq!(restored.entries(section).unwrap(), original.entries(section).unwrap());
    }
    let other = "{\"Account\": {\"x\": {\"home_account_id\": \"h2\", \"environment\": \"e\", \"username\": \"U\"}}}";
    let other = TokenCache::parse(other).unwrap();
    assert!(inject(&other, &contents, |_| true).unwrap().is_none(), "two accounts with one name break every command");
}
