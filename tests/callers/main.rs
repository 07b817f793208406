//! The programs that get their tokens from az, unmodified and as they come from their registries, each through azward and beside
//! that through the bare az: when all is well, when a token is due, expired (thirty ask at once), of another tenant, when the
//! endpoint is slow, tokens are short-lived, the refresh token is refused, nobody is logged in. Where azward is worse than az
//! in any of it, or a token is not the one that was asked for, the test fails; the outcomes of both are printed in one table.
//!
//! Beside that, the SDKs' credentials where there is nothing but an endpoint of azward's, in a network that reaches nothing else
//! ([`served`]).
//!
//! `cargo test` does a sample. In full, as `.ci/long` has it: `AZWARD_CALLERS=full cargo test --test callers -- --nocapture`. A
//! caller whose language is missing on this machine is told as missing. With the beginnings of names, between commas, in place
//! of `full` it is about those callers.

#![allow(clippy::unwrap_used, reason = "clippy only knows the functions marked as tests")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table and the progress are for people")]

mod apart;
mod caller;
mod scenario;
mod served;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod verdict;
mod wanted;
mod world;

use std::sync::{Mutex, PoisonError};

use caller::{CALLERS, Caller, Means};
use scenario::{Outcome, Place, SCENARIOS, Scenario};
use served::{SDKS, Sdk};
use table::Table;
use world::World;

/// What one takes is compared with what another does: nobody else is to ask meanwhile.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn an_endpoint_is_all_that_credentials_need_of_a_network() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let sdks: Vec<Sdk> = SDKS.into_iter().filter(|sdk| is_wanted(sdk.name, sdk.is_cheap)).collect();
    if !sdks.is_empty() {
        served::ask_all(&sdks);
    }
}

#[test]
fn callers_are_served_as_by_az_or_better() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (callers, scenarios) = plan();
    assert!(!callers.is_empty(), "no caller has such a name");
    let callers: Vec<(Caller, Option<Means>)> = callers.into_iter().map(|caller| (caller, caller.means())).collect();
    let world = World::new();
    let mut elsewhere = None;
    let mut table = Table::new(&scenarios);
    let mut findings = Vec::new();
    for scenario in scenarios {
        for (caller, means) in &callers {
            let Some(means) = means else { continue };
            if !scenario.is_for(caller) {
                table.leave_out(caller, scenario);
                continue;
            }
            let [ours, theirs] = match scenario.is_waiting() {
                true => at_once(scenario, means, &world, elsewhere.get_or_insert_with(World::new)),
                false => [Place::Azward, Place::BareAz].map(|place| scenario.play(&world, means, place)),
            };
            let found = verdict::findings(&ours, &theirs);
            findings.extend(found.iter().map(|what| format!("{}, {}: {what}", caller.name, scenario.name)));
            eprintln!("  {}, {}: {ours} | {theirs}", caller.name, scenario.name);
            table.enter(caller, scenario, &ours, &theirs);
        }
    }
    for (caller, _) in callers.iter().filter(|(_, means)| means.is_none()) {
        table.miss(caller);
    }
    println!("{}", table.to_markdown());
    assert!(findings.is_empty(), "worse than with the bare az, or wrong:\n{}", findings.join("\n"));
}

/// Plays it in both places at the same time, with a stand-in each: all of it is a wait.
fn at_once(scenario: Scenario, means: &Means, world: &World, elsewhere: &World) -> [Outcome; 2] {
    std::thread::scope(|scope| {
        let theirs = scope.spawn(|| scenario.play(elsewhere, means, Place::BareAz));
        let ours = scenario.play(world, means, Place::Azward);
        [ours, theirs.join().unwrap()]
    })
}

/// Which callers, and in which scenarios: `AZWARD_CALLERS` says so.
fn plan() -> (Vec<Caller>, Vec<Scenario>) {
    let callers = CALLERS.into_iter().filter(|caller| is_wanted(caller.name, caller.is_cheap)).collect();
    // Of a sample what takes a second.
    let is_sample = wanted().is_empty();
    (callers, SCENARIOS.into_iter().filter(|scenario| scenario.is_quick || !is_sample).collect())
}

/// Whether it is about what has this name; a sample is about what the other tests have installed already.
fn is_wanted(name: &str, is_cheap: bool) -> bool {
    match wanted().as_str() {
        "" => is_cheap,
        "full" => true,
        names => names.split(',').any(|beginning| name.starts_with(beginning)),
    }
}

fn wanted() -> String {
    std::env::var("AZWARD_CALLERS").unwrap_or_default()
}
