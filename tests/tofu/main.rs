//! A whole OpenTofu plan and apply over azward and over the bare az: 130 resources, ten at a time, with a token that
//! falls due in the middle. Both end with the same resources and the same state.
//!
//! `cargo test --test tofu -- --ignored --nocapture`, as `.ci/long` has it: the first builds OpenTofu, which takes
//! minutes, and where that is not to be had it is told as missing. So is azapi, Azure's own provider, which the module
//! proxy refuses to whoever runs this; in its place is `tests/tofu/provider`.

#![allow(clippy::unwrap_used, reason = "clippy only knows the functions marked as tests")]
#![allow(clippy::print_stderr, reason = "the figures are for people")]

mod side;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use entra::{RESOURCE_GROUPS, Rolling, SUBSCRIPTION_2};
use side::Side;
use support::Sandbox;
use support::opentofu::{Programs, announce_azapi};
use support::stack::{Authentication, Stack};

/// How many resources there are.
const AMOUNT: usize = 130;

/// How many seconds a token lives. azcore asks for another once less than five minutes are left, and no sooner than 30
/// seconds after it asked last.
const LIFETIME: u64 = 310;

/// What Resource Manager takes for each answer. Ten at a time, and three requests for each, they are 39 in a row: all
/// of them take longer than those 30 seconds.
const SLOW: Duration = Duration::from_secs(1);

#[test]
#[ignore = "builds OpenTofu, which takes minutes"]
fn a_token_falls_due_in_the_middle_of_an_apply() {
    let Some(programs) = Programs::make() else { return };
    announce_azapi();
    let [ours, theirs] = std::thread::scope(|scope| {
        let apply = |side: fn() -> Side| {
            let programs = &programs;
            move || side().apply(programs, AMOUNT, LIFETIME, SLOW)
        };
        let theirs = scope.spawn(apply(Side::bare_az));
        [apply(Side::azward)(), theirs.join().unwrap()]
    });
    eprintln!("  azward: {ours}\n  the bare az: {theirs}");
    for applied in [&ours, &theirs] {
        assert_eq!(
            (applied.resources.len(), applied.state["outputs"]["ids"]["value"].as_array().unwrap().len()),
            (AMOUNT, AMOUNT)
        );
        assert!(applied.asked_in_the_middle(), "no token was asked for in the middle: {applied}");
    }
    assert_eq!((&ours.resources, &ours.state), (&theirs.resources, &theirs.state));
    assert_eq!(ours.az, theirs.az, "the same commands of az are started");
    assert_eq!((ours.answered, theirs.answered), (ours.az.len(), 0), "azward answers all of them");
}

#[test]
#[ignore = "builds OpenTofu, which takes minutes"]
fn the_endpoint_for_containers_serves_without_an_az() {
    let Some(programs) = Programs::make() else { return };
    let (sandbox, entra) = Sandbox::logged_in_rolling(Rolling::Entra);
    let endpoint = sandbox.azward(["serve", "contoso-development", "--format", "json"]).start();
    endpoint.wait_for("\n}\n");
    let told: BTreeMap<String, String> = serde_json::from_str(&endpoint.said()).unwrap();
    let subscription = told["AZURE_SUBSCRIPTION_ID"].clone();
    assert_eq!(subscription, SUBSCRIPTION_2.id);
    let of_identity = |name: &String| name.starts_with("IDENTITY_");
    let variables = told.into_iter().filter(|(name, _)| of_identity(name));
    let variables = variables.map(|(name, value)| (name, OsString::from(value))).collect();
    let identity = Authentication::ManagedIdentity { variables, subscription };
    entra.clear_journal();
    let stack = Stack::new(&sandbox, &programs, &entra, "identity", 12, &identity);
    stack.plan();
    stack.apply();
    assert_eq!(entra.resources().len(), 12);
    let id = entra.resources()[0]["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with(&format!("/subscriptions/{}/resourceGroups/{}/", SUBSCRIPTION_2.id, RESOURCE_GROUPS[0])));
    assert!(stack.is_settled(), "what was applied is there");
    stack.destroy();
    assert!(entra.resources().is_empty());
    let served = sandbox.journal().into_iter().filter(|event| event["command"] == "azward serve").count();
    assert!(served >= 3 && entra.token_requests() <= 1, "{served} tokens, {} requests", entra.token_requests());
}
