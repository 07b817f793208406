//! Refresh tokens of one account whose order nobody knows: all are kept, the latest is preferred, and the one that was accepted
//! is what stays.

use proptest::collection::vec;
use proptest::prelude::*;

use super::caches::Msal;
use super::{harvest, scrubbed};
use crate::credentials::msal::{accept, redeemable, replace_refresh_token, rivals_of};
use crate::credentials::origin::Order;
use crate::vault::{Contents, Owner};

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
