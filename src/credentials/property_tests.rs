//! Property tests of the pure functions in `edit` and `merge`, over any format of a document: token caches as MSAL writes them,
//! with sections, entries and fields that azward does not know, and a format that is nobody's, to show that the functions
//! are not MSAL's alone. And of what only a token cache has.

mod lines;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use zeroize::Zeroizing;

use self::lines::{Lines, lines};
use super::document::Document;
use super::edit::{self, Harvest, scrub};
use super::merge::{Base, Missing, merge};
use super::msal::{self, Section, TokenCache, accept, forget, redeemable, replace_refresh_token, rivals_of};
use super::origin::Origin;
use super::rivals::Order;
use crate::failure::Result;
use crate::vault::{Contents, Owner};

/// A format that the functions are to do right by.
trait Format {
    type Document<'t>: Document;

    fn parse(text: &str) -> Self::Document<'_>;

    fn harvest(document: &Self::Document<'_>, contents: &mut Contents, now: i64, order: Order) -> Result<Harvest> {
        edit::harvest(document, contents, now, Origin::Sweep, order)
    }

    fn inject(document: &Self::Document<'_>, contents: &Contents) -> Result<Option<Zeroizing<String>>> {
        edit::inject(document, contents, |_| true)
    }
}

/// MSAL's token cache, with its accounts.
struct Msal;

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

fn harvest<F: Format>(text: &str, contents: &mut Contents, now: i64, order: Order) -> Harvest {
    F::harvest(&F::parse(text), contents, now, order).unwrap()
}

fn harvested<F: Format>(text: &str) -> Contents {
    let mut contents = Contents::default();
    harvest::<F>(text, &mut contents, 0, Order::Unknown);
    contents
}

fn scrubbed<F: Format>(text: &str, contents: &Contents) -> String {
    let scrubbed = scrub(&F::parse(text), contents).unwrap();
    scrubbed.map_or_else(|| text.to_owned(), |text| text.to_string())
}

fn injected<F: Format>(text: &str, contents: &Contents) -> String {
    let injected = F::inject(&F::parse(text), contents).unwrap();
    injected.map_or_else(|| text.to_owned(), |text| text.to_string())
}

fn inject_after_scrub<F: Format>(text: &str) -> TestCaseResult {
    let contents = harvested::<F>(text);
    let without = scrubbed::<F>(text, &contents);
    prop_assert!(F::parse(&without).credentials().unwrap().is_empty());
    prop_assert_eq!(injected::<F>(&without, &contents), text);
    Ok(())
}

fn scrub_after_inject<F: Format>(text: &str) -> TestCaseResult {
    let contents = harvested::<F>(text);
    let without = scrubbed::<F>(text, &contents);
    let again = scrubbed::<F>(&injected::<F>(&without, &contents), &contents);
    prop_assert_eq!(again, without);
    Ok(())
}

fn scrub_of_the_unknown<F: Format>(text: &str) -> TestCaseResult {
    prop_assert_eq!(scrubbed::<F>(text, &Contents::default()), text);
    Ok(())
}

fn second_harvest<F: Format>(text: &str) -> TestCaseResult {
    let mut contents = harvested::<F>(text);
    let again = harvest::<F>(text, &mut contents, 1, Order::Unknown);
    prop_assert!(!again.is_changed, "{:?}", again);
    Ok(())
}

fn replacement<F: Format>(text: &str, newer: &str) -> TestCaseResult {
    let mut contents = harvested::<F>(text);
    harvest::<F>(newer, &mut contents, 1, Order::Successor);
    let old = harvest::<F>(text, &mut contents, 2, Order::Unknown);
    prop_assert!(old.taken.is_empty());
    prop_assert_eq!(injected::<F>(text, &contents), newer);
    Ok(())
}

/// `after` is what a run made of a copy of `text`.
fn merge_into_itself<F: Format>(text: &str, after: &str) -> TestCaseResult {
    let base = Base::of(&F::parse(text), &F::parse(text), 0).unwrap();
    let merged = |after: &str, real: &str, missing: Missing| {
        merge(&base, &F::parse(after), &F::parse(real), missing).unwrap().map(|text| text.to_string())
    };
    let credentials = |text: &str| -> Vec<String> {
        F::parse(text).credentials().unwrap().iter().map(|one| format!("{} {}", one.id, one.entry)).collect()
    };
    for missing in [Missing::LoggedOut, Missing::Lost] {
        prop_assert_eq!(merged(text, text, missing), None, "nothing was changed");
        let Some(done) = merged(after, text, missing) else { continue };
        prop_assert_eq!(merged(after, &done, missing), None, "it was done already");
        prop_assert_eq!(credentials(&done), credentials(text), "they are the vault's");
    }
    Ok(())
}

proptest! {
    #[test]
    fn inject_after_scrub_restores_every_byte(cache in cache(), lines in lines()) {
        inject_after_scrub::<Msal>(&cache)?;
        inject_after_scrub::<Lines>(&lines)?;
    }

    #[test]
    fn scrub_after_inject_loses_nothing(cache in cache(), lines in lines()) {
        scrub_after_inject::<Msal>(&cache)?;
        scrub_after_inject::<Lines>(&lines)?;
    }

    #[test]
    fn nothing_is_scrubbed_that_the_vault_does_not_have(cache in cache(), lines in lines()) {
        scrub_of_the_unknown::<Msal>(&cache)?;
        scrub_of_the_unknown::<Lines>(&lines)?;
    }

    #[test]
    fn a_second_harvest_finds_nothing_new(cache in cache(), lines in lines()) {
        second_harvest::<Msal>(&cache)?;
        second_harvest::<Lines>(&lines)?;
    }

    #[test]
    fn a_credential_that_was_replaced_never_comes_back(cache in cache(), lines in lines()) {
        replacement::<Msal>(&cache, &cache.replace("\"secret\": \"", "\"secret\": \"new-"))?;
        replacement::<Lines>(&lines, &lines.replace(" \"", " \"new-"))?;
    }

    #[test]
    fn a_merge_is_done_once_and_touches_no_credential(caches in [cache(), cache()], lines in [lines(), lines()]) {
        merge_into_itself::<Msal>(&caches[0], &caches[1])?;
        merge_into_itself::<Lines>(&lines[0], &lines[1])?;
    }

    #[test]
    fn what_az_forgot_and_only_that_is_forgotten(text in cache()) {
        let mut contents = harvested::<Msal>(&text);
        let before: Vec<Owner> = TokenCache::parse(&text).unwrap().owners().unwrap().into_iter().collect();
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
    let rest = rivals_of(contents, &first).unwrap();
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
            harvest::<Msal>(&text, &mut contents, now, Order::Unknown);
            prop_assert!(!harvest::<Msal>(&text, &mut contents, now, Order::Unknown).is_changed);
            // Whichever of them comes back into the file is scrubbed.
            for (number, time) in times.iter().enumerate().take(number + 1) {
                let text = numbered(number, time);
                prop_assert!(!scrubbed::<Msal>(&text, &contents).contains("secret"));
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
            harvest::<Msal>(&text, &mut contents, 1000, Order::Unknown);
        }
        let first = redeemable(&contents, &account()).unwrap().unwrap();
        let mut all = rivals_of(&contents, &first).unwrap();
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
            harvest::<Msal>(&text, &mut contents, 1002, Order::Unknown);
            prop_assert!(!scrubbed::<Msal>(&text, &contents).contains("secret"));
        }
        prop_assert_eq!(redeemed(&contents), [expected]);
    }
}

#[test]
fn too_many_rivals_cost_neither_the_preferred_one_nor_a_token_in_the_file() {
    let mut contents = Contents::default();
    let take = |contents: &mut Contents, number: usize| {
        let text = numbered(number, &(500 - number).to_string());
        harvest::<Msal>(&text, contents, 1000, Order::Unknown);
        scrubbed::<Msal>(&text, contents).contains("secret")
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
        harvest::<Msal>(&text, &mut contents, 1000, order);
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
    let contents = harvested::<Msal>(text);
    let empty = TokenCache::parse("").unwrap();
    assert!(msal::inject(&empty, &contents, |_| false).unwrap().is_none(), "nobody knows the user any more");
    let restored = msal::inject(&empty, &contents, |name| name == "u").unwrap().unwrap();
    let restored = TokenCache::parse(&restored).unwrap();
    let original = TokenCache::parse(text).unwrap();
    for section in [Section::Account, Section::RefreshToken] {
        assert_eq!(restored.entries(section).unwrap(), original.entries(section).unwrap());
    }
    let other = "{\"Account\": {\"x\": {\"home_account_id\": \"h2\", \"environment\": \"e\", \"username\": \"U\"}}}";
    let other = TokenCache::parse(other).unwrap();
    assert!(
        msal::inject(&other, &contents, |_| true).unwrap().is_none(),
        "two accounts with one name break every command"
    );
}
