//! Property tests of the pure functions in `edit`: over caches as MSAL writes them, with sections, entries and fields that
//! azward does not know.

use proptest::collection::vec;
use proptest::prelude::*;

use super::edit::{forget, harvest, inject, redeemable, replace_refresh_token, scrub};
use super::origin::Origin;
use super::rivals::{Order, accept, rivals};
use crate::credentials::msal::{Section, TokenCache};
use crate::vault::{Contents, Owner};

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
    harvest(&TokenCache::parse(text).unwrap(), &mut contents, 0, Origin::Sweep, Order::Unknown).unwrap();
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
        let again = harvest(&TokenCache::parse(&text).unwrap(), &mut contents, 1, Origin::Rotation, Order::Unknown).unwrap();
        prop_assert!(!again.is_changed, "{:?}", again);
    }

    #[test]
    fn a_token_that_was_replaced_never_comes_back(text in cache()) {
        let newer = text.replace("\"secret\": \"", "\"secret\": \"new-");
        let mut contents = harvested(&text);
        harvest(&TokenCache::parse(&newer).unwrap(), &mut contents, 1, Origin::Run, Order::Successor).unwrap();
        let old = harvest(&TokenCache::parse(&text).unwrap(), &mut contents, 2, Origin::Uninstall, Order::Unknown).unwrap();
        prop_assert!(old.taken.is_empty());
        prop_assert_eq!(injected(&text, &contents), newer);
    }

    #[test]
    fn what_az_forgot_and_only_that_is_forgotten(text in cache()) {
        let mut contents = harvested(&text);
        let before: Vec<Owner> = super::edit::accounts(&TokenCache::parse(&text).unwrap())
            .unwrap().into_iter().map(|account| account.id).collect();
        let none = forget(&before, &TokenCache::parse(&text).unwrap(), &mut contents).unwrap();
        prop_assert!(none.is_empty());
        prop_assert_eq!(contents.records.len(), before.len());
        let all = forget(&before, &TokenCache::parse("{}").unwrap(), &mut contents).unwrap();
        prop_assert_eq!(all.len(), before.len());
        prop_assert!(contents.records.is_empty() && contents.accounts.is_empty());
    }
}

/// A cache with one login whose refresh token has this number, and what it says of its time.
fn numbered(number: usize, time: &str) -> String {
    let time = if time.is_empty() { String::new() } else { format!(", \"last_modification_time\": \"{time}\"") };
    format!(
        "{{\"RefreshToken\": {{\"k\": {{\"secret\": \"s{number}\", \"home_account_id\": \"h\", \"environment\": \"e\", \
         \"family_id\": \"1\"{time}}}}}, \"Account\": {{\"h-e\": {{\"home_account_id\": \"h\", \"environment\": \"e\", \
         \"username\": \"u\"}}}}}}"
    )
}

fn account() -> Owner {
    Owner { home_account_id: "h".into(), environment: "e".into() }
}

/// The numbers of the refresh tokens that would be redeemed, in order.
fn redeemed(contents: &Contents) -> Vec<String> {
    let Some(first) = redeemable(contents, &account()).unwrap() else { return Vec::new() };
    let rest = rivals(contents, &first).unwrap();
    std::iter::once(first).chain(rest).map(|one| one.refresh_token.expose_text().to_owned()).collect()
}

/// Times as they are, as they should not be, and none at all: all are before or at 1000.
fn time() -> impl Strategy<Value = String> {
    prop_oneof![
        (1..1000_u32).prop_map(|time| time.to_string()),
        Just(String::new()),
        Just("0".to_owned()),
        Just("-5".to_owned()),
        Just("soon".to_owned()),
        Just("99999999999".to_owned()),
    ]
}

proptest! {
    #[test]
    fn of_tokens_without_an_order_all_are_kept_and_the_latest_is_preferred(times in vec(time(), 1..12)) {
        let now = 1000;
        let mut contents = Contents::default();
        for (number, time) in times.iter().enumerate() {
            let text = numbered(number, time);
            let cache = TokenCache::parse(&text).unwrap();
            harvest(&cache, &mut contents, now, Origin::Sweep, Order::Unknown).unwrap();
            prop_assert!(!harvest(&cache, &mut contents, now, Origin::Sweep, Order::Unknown).unwrap().is_changed);
            // Whichever of them comes back into the file is scrubbed.
            for (number, time) in times.iter().enumerate().take(number + 1) {
                let text = numbered(number, time);
                prop_assert!(!scrubbed(&text, &contents).contains("secret"));
            }
        }
        let told = |time: &str| time.parse().ok().filter(|time: &i64| (1..=now).contains(time)).unwrap_or(0);
        let mut order: Vec<(i64, usize)> = times.iter().enumerate().map(|(n, time)| (told(time), n)).collect();
        order.sort_by(|one, other| other.cmp(one));
        let expected: Vec<String> = order.iter().map(|(_, number)| format!("s{number}")).collect();
        prop_assert_eq!(&redeemed(&contents)[0], &expected[0]);
        let (mut all, mut wanted) = (redeemed(&contents), expected);
        all.sort();
        wanted.sort();
        prop_assert_eq!(all, wanted);
    }

    #[test]
    fn the_one_that_was_accepted_stays_and_the_others_never_come_back(
        times in vec(time(), 2..12),
        which in any::<proptest::sample::Index>(),
        is_rolled in any::<bool>(),
    ) {
        let mut contents = Contents::default();
        for (number, time) in times.iter().enumerate() {
            let text = numbered(number, time);
            harvest(&TokenCache::parse(&text).unwrap(), &mut contents, 1000, Origin::Sweep, Order::Unknown).unwrap();
        }
        let first = redeemable(&contents, &account()).unwrap().unwrap();
        let mut all = rivals(&contents, &first).unwrap();
        all.insert(0, first);
        let winner = all.swap_remove(which.index(all.len()));
        let expected = if is_rolled {
            replace_refresh_token(&mut contents, &winner, "rolled", 1001).unwrap();
            "rolled".to_owned()
        } else {
            prop_assert!(accept(&mut contents, &winner).unwrap());
            prop_assert!(!accept(&mut contents, &winner).unwrap());
            winner.refresh_token.expose_text().to_owned()
        };
        prop_assert_eq!(redeemed(&contents), std::slice::from_ref(&expected));
        for (number, time) in times.iter().enumerate() {
            let text = numbered(number, time);
            harvest(&TokenCache::parse(&text).unwrap(), &mut contents, 1002, Origin::Sweep, Order::Unknown).unwrap();
            prop_assert!(!scrubbed(&text, &contents).contains("secret"));
        }
        prop_assert_eq!(redeemed(&contents), [expected]);
    }
}

#[test]
fn too_many_rivals_cost_neither_the_preferred_one_nor_a_token_in_the_file() {
    let mut contents = Contents::default();
    let take = |contents: &mut Contents, number: usize| {
        let text = numbered(number, &(500 - number).to_string());
        harvest(&TokenCache::parse(&text).unwrap(), contents, 1000, Origin::Sweep, Order::Unknown).unwrap();
        scrubbed(&text, contents).contains("secret")
    };
    let left: Vec<bool> = (0..20).map(|number| take(&mut contents, number)).collect();
    let kept = redeemed(&contents).len();
    assert_eq!(redeemed(&contents)[0], "s0");
    assert!(left.iter().enumerate().all(|(number, left)| *left == (number >= kept)), "{left:?}");
}

#[test]
fn what_az_stored_in_a_run_replaces_what_it_was_handed_and_every_rival() {
    let mut contents = Contents::default();
    let mut take = |number, time: &str, order| {
        let text = numbered(number, time);
        harvest(&TokenCache::parse(&text).unwrap(), &mut contents, 1000, Origin::Run, order).unwrap();
        redeemed(&contents)
    };
    take(1, "500", Order::Unknown);
    assert_eq!(take(2, "400", Order::Unknown), ["s1", "s2"]);
    // An old copy that was put into the file while an az ran is no more than a rival.
    assert_eq!(take(3, "300", Order::Ran), ["s1", "s2", "s3"]);
    assert_eq!(take(4, "500", Order::Ran), ["s4"]);
    assert_eq!(take(5, "600", Order::Unknown), ["s5", "s4"]);
    assert_eq!(take(6, "1", Order::Successor), ["s6"]);
    assert_eq!(take(5, "600", Order::Unknown), ["s6"]);
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
