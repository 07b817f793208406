//! The programs that get their tokens from az, unmodified and as they come from their registries, each through azward and beside
//! that through the bare az: when all is well, when a token is due, expired (thirty ask at once), of another tenant, when the
//! endpoint is slow, tokens are short-lived, the refresh token is refused, nobody is logged in. Where azward is worse than az
//! in any of it, or a token is not the one that was asked for, the test fails; the outcomes of both are printed in one table.
//!
//! `cargo test` does a sample. In full, as `.ci/run` has it: `AZWARD_CALLERS=full cargo test --test callers -- --nocapture`. A
//! caller whose language is missing on this machine is told as missing. With the beginnings of names, between commas, in place
//! of `full` it is about those callers.

#![allow(clippy::unwrap_used, reason = "clippy only knows the functions marked as tests")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table and the progress are for people")]

mod caller;
mod scenario;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod verdict;
mod wanted;
mod world;

use caller::{CALLERS, Caller, Means};
use scenario::{Outcome, Place, SCENARIOS, Scenario};
use table::Table;
use world::World;

#[test]
fn callers_are_served_as_by_az_or_better() {
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
    let wanted = std::env::var("AZWARD_CALLERS").unwrap_or_default();
    let all = |scenarios: Vec<Scenario>, is_wanted: &dyn Fn(&Caller) -> bool| {
        (CALLERS.into_iter().filter(|caller| is_wanted(caller)).collect(), scenarios)
    };
    match wanted.as_str() {
        // What the other tests have installed already, and what takes a second.
        "" => all(SCENARIOS.into_iter().filter(|s| s.is_quick).collect(), &|caller| caller.is_cheap),
        "full" => all(SCENARIOS.to_vec(), &|_| true),
        names => all(SCENARIOS.to_vec(), &|caller| names.split(',').any(|name| caller.name.starts_with(name))),
    }
}
