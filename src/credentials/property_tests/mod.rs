//! Property tests of the pure functions in `edit` and `merge`, over any format of a document: token caches (`caches`), and a
//! format that is nobody's (`lines`), to show that the functions are not MSAL's alone, lists of service principals (`lists`) and ADAL's
//! (`adal_lists`).
//! And of what only a token cache has.

mod adal_lists;
mod caches;
mod lines;
mod lists;
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod moving;
mod rivals;

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use zeroize::Zeroizing;

use self::adal_lists::{AdalLists, adal_list};
use self::caches::{Msal, cache};
use self::lines::{Lines, lines};
use self::lists::{Lists, list};
use super::document::{Document, Entry};
use super::edit::{self, Harvest, scrub};
use super::merge::{Base, Missing, merge};
use super::msal::{self, Section, TokenCache, forget};
use super::origin::{Order, Origin};
use super::service_principals::ServicePrincipals;
use crate::azure::credential_marks::{Mark, marks};
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

/// What is old in a document gives way to what the vault has in its place, and nothing else changes.
fn renewal<F: Format>(text: &str, newer: &str) -> TestCaseResult {
    let mut contents = harvested::<F>(text);
    let renewed =
        |text: &str, contents: &Contents| edit::renew(&F::parse(text), contents).unwrap().map(|t| t.to_string());
    prop_assert_eq!(renewed(text, &contents), None, "nothing is old");
    prop_assert_eq!(renewed(newer, &contents), None, "what the vault has not seen is not old");
    harvest::<F>(newer, &mut contents, 1, Order::Successor);
    prop_assert_eq!(renewed(text, &contents).unwrap_or_else(|| text.to_owned()), newer);
    prop_assert_eq!(renewed(newer, &contents), None);
    Ok(())
}

/// Whoever is signed out is out of every section, and nobody else.
fn signed_out<F: Format>(text: &str) -> TestCaseResult {
    let document = F::parse(text);
    let mut owners: Vec<Owner> = document.owners().unwrap().into_iter().collect();
    owners.sort_by(|one, other| one.home_account_id.cmp(&other.home_account_id));
    prop_assert!(edit::sign_out(&document, &[]).unwrap().is_none());
    for owner in &owners {
        let Some(left) = edit::sign_out(&document, std::slice::from_ref(owner)).unwrap() else { continue };
        let left = F::parse(&left);
        for name in document.section_names() {
            let is_other = |entry: &Entry<'_>| F::Document::owner(*entry).as_ref() != Some(owner);
            let others: Vec<_> = document.section(&name).unwrap().into_iter().filter(is_other).collect();
            prop_assert_eq!(left.section(&name).unwrap(), others);
        }
    }
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
    fn inject_after_scrub_restores_every_byte(cache in cache(), lines in lines(), list in list(), adal in adal_list()) {
        inject_after_scrub::<Msal>(&cache)?;
        inject_after_scrub::<Lines>(&lines)?;
        inject_after_scrub::<Lists>(&list)?;
        inject_after_scrub::<AdalLists>(&adal)?;
    }

    #[test]
    fn scrub_after_inject_loses_nothing(cache in cache(), lines in lines(), list in list(), adal in adal_list()) {
        scrub_after_inject::<Msal>(&cache)?;
        scrub_after_inject::<Lines>(&lines)?;
        scrub_after_inject::<Lists>(&list)?;
        scrub_after_inject::<AdalLists>(&adal)?;
    }

    #[test]
    fn nothing_is_scrubbed_that_the_vault_does_not_have(cache in cache(), lines in lines(), list in list(), adal in adal_list()) {
        scrub_of_the_unknown::<Msal>(&cache)?;
        scrub_of_the_unknown::<Lines>(&lines)?;
        scrub_of_the_unknown::<Lists>(&list)?;
        scrub_of_the_unknown::<AdalLists>(&adal)?;
    }

    #[test]
    fn a_second_harvest_finds_nothing_new(cache in cache(), lines in lines(), list in list(), adal in adal_list()) {
        second_harvest::<Msal>(&cache)?;
        second_harvest::<Lines>(&lines)?;
        second_harvest::<Lists>(&list)?;
        second_harvest::<AdalLists>(&adal)?;
    }

    #[test]
    fn a_credential_that_was_replaced_never_comes_back(cache in cache(), lines in lines(), list in list(), adal in adal_list()) {
        replacement::<Msal>(&cache, &cache.replace("\"secret\": \"", "\"secret\": \"new-"))?;
        replacement::<Lines>(&lines, &lines.replace(" \"", " \"new-"))?;
        replacement::<Lists>(&list, &lists::renewed(&list))?;
        replacement::<AdalLists>(&adal, &adal_lists::renewed(&adal))?;
    }

    #[test]
    fn what_is_old_gives_way_and_what_is_unknown_stays(cache in cache(), lines in lines(), list in list(), adal in adal_list()) {
        renewal::<Msal>(&cache, &cache.replace("\"secret\": \"", "\"secret\": \"new-"))?;
        renewal::<Lines>(&lines, &lines.replace(" \"", " \"new-"))?;
        renewal::<Lists>(&list, &lists::renewed(&list))?;
        renewal::<AdalLists>(&adal, &adal_lists::renewed(&adal))?;
    }

    #[test]
    fn who_is_signed_out_is_out_of_every_section(cache in cache(), lines in lines(), list in list(), adal in adal_list()) {
        signed_out::<Msal>(&cache)?;
        signed_out::<Lines>(&lines)?;
        signed_out::<Lists>(&list)?;
        signed_out::<AdalLists>(&adal)?;
    }

    #[test]
    fn a_merge_is_done_once_and_touches_no_credential(
        caches in [cache(), cache()],
        lines in [lines(), lines()],
        lists in [list(), list()],
        adal in [adal_list(), adal_list()],
    ) {
        merge_into_itself::<Msal>(&caches[0], &caches[1])?;
        merge_into_itself::<Lines>(&lines[0], &lines[1])?;
        // A principal that is taken out goes with its secret: in the real list there is none.
        let [before, after] = lists.map(|text| scrubbed::<Lists>(&text, &harvested::<Lists>(&text)));
        merge_into_itself::<Lists>(&before, &after)?;
        let [before, after] = adal.map(|text| scrubbed::<AdalLists>(&text, &harvested::<AdalLists>(&text)));
        merge_into_itself::<AdalLists>(&before, &after)?;
    }

    #[test]
    fn what_is_taken_out_of_a_list_is_what_a_survey_finds(text in list()) {
        let secrets = |text: &str| {
            let found = marks(text.as_bytes()).into_iter();
            found.filter(|(mark, _)| matches!(mark, Mark::ClientSecret | Mark::ClientAssertion)).map(|(_, count)| count).sum::<usize>()
        };
        prop_assert_eq!(secrets(&text), ServicePrincipals::parse(&text).unwrap().secret_count());
        prop_assert_eq!(secrets(&scrubbed::<Lists>(&text, &harvested::<Lists>(&text))), 0);
    }

    #[test]
    fn what_is_taken_out_of_adal_s_list_is_what_a_survey_finds(text in adal_list()) {
        let secrets = |text: &str| {
            let found = marks(text.as_bytes()).into_iter().filter(|(mark, _)| *mark != Mark::CertificateFile);
            found.map(|(_, count)| count).sum::<usize>()
        };
        prop_assert_eq!(secrets(&text), AdalLists::parse(&text).secret_count());
        prop_assert_eq!(secrets(&scrubbed::<AdalLists>(&text, &harvested::<AdalLists>(&text))), 0);
    }

    #[test]
    fn what_is_taken_out_is_what_a_survey_finds(text in cache()) {
        let found = |text: &str| marks(text.as_bytes()).into_values().sum::<usize>();
        prop_assert_eq!(found(&text), TokenCache::parse(&text).unwrap().credentials().unwrap().len());
        prop_assert_eq!(found(&scrubbed::<Msal>(&text, &harvested::<Msal>(&text))), 0);
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
