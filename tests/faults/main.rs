//! Breaks azward at every step it takes: at each system call that changes something, of each kind of command, the shim is
//! killed in one pass and the call fails in others, and afterwards nothing may be lost, in the clear or in the way.
//!
//! `cargo test` does a sample, `AZWARD_FAULTS=3` one fault of three. Those who encrypt have a real keyring; where the system has not
//! what az needs for that, their scenarios are left out, and that is said. In full, with the table for BENCHMARKS.md on stdout:
//! `AZWARD_FAULTS=full cargo test --release --test faults -- --nocapture`. What is wrong has a name, and the same command with
//! that name in place of `full` does it again; `AZWARD_TEST_EXPOSURE` limits it to one exposure,
//! and `AZWARD_FAULTS_SEAL=all-tokens` has all of it with access tokens sealed, too.

// The tracer reads and sets the registers of one kind of processor.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, reason = "clippy only knows the functions marked as tests")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table and the progress are for people")]

mod calls;
mod ground;
mod judge;
mod plan;
mod scenarios;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod tracer;
mod treasure;

use std::sync::Mutex;
use std::time::Instant;

use ground::Ground;
use judge::judge;
use plan::{Fault, Plan};
use scenarios::Scenario;
use support::End;
use table::Table;
use tracer::{Subject, trace};

/// After how many faults of a scenario it is said how far it is.
const PROGRESS: usize = 50;

/// How many scenarios are broken at once.
const WORKERS: usize = 2;

#[test]
fn whatever_breaks_nothing_is_lost_or_left_in_the_clear() {
    let plan = Plan::from_environment();
    let report = Mutex::new(Report::default());
    let began = Instant::now();
    let grounds = Mutex::new(plan.grounds().into_iter());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let Some((scenario, exposure)) = grounds.lock().unwrap().next() else { return };
                    let (count, all) = break_scenario(&plan, scenario, exposure, &report);
                    let seconds = began.elapsed().as_secs();
                    eprintln!("{seconds:5} s  {}/{exposure}: {count} faults of {all}", scenario.name);
                }
            });
        }
    });
    let Report { table, findings } = report.into_inner().unwrap();
    println!("{}", table.to_markdown());
    for finding in &findings {
        println!("{finding}");
    }
    let (faults, violating) = (table.faults(), table.violating());
    println!("{faults} faults injected in {} s, {violating} with violations", began.elapsed().as_secs());
    assert!(faults > 0, "no fault has that name");
    assert_eq!(violating, 0, "see above");
}

/// What comes of it all.
#[derive(Default)]
struct Report {
    table: Table,
    findings: Vec<String>,
}

/// Injects the faults that are chosen for one scenario, and says how many there were, and of how many.
fn break_scenario(
    plan: &Plan,
    scenario: &'static Scenario,
    exposure: &'static str,
    report: &Mutex<Report>,
) -> (usize, usize) {
    let Some(ground) = Ground::new(scenario, exposure) else { return (0, 0) };
    let Ok(_keyring) = ground.start_keyring() else { return (0, 0) };
    ground.prepare();
    ground.restore();
    let sound = trace((scenario.command)(&ground.sandbox), scenario.subject, None);
    match scenario.subject {
        Subject::Shim => assert!(sound.outcome.status.success(), "{:?}", sound.outcome),
        Subject::Guardian => assert_eq!(sound.outcome.end(), End::Signal(9), "{:?}", sound.outcome),
    }
    if scenario.is_a_run && !scenario.is_adal && exposure == "private" && !sound.has_mounted {
        eprintln!("private exposure cannot be had here");
        return (0, 0);
    }
    let (faults, all) = plan.faults(scenario, exposure, &sound.calls);
    for (count, fault) in faults.iter().enumerate() {
        if count > 0 && count.is_multiple_of(PROGRESS) {
            eprintln!("         {}/{exposure}: {count} of {}", scenario.name, faults.len());
        }
        inject(&ground, exposure, &judge::visible(&sound.outcome), fault, report);
    }
    (faults.len(), all)
}

fn inject(ground: &Ground, exposure: &str, sound: &judge::Visible, fault: &Fault, report: &Mutex<Report>) {
    ground.restore();
    let Scenario { name, command, subject, .. } = *ground.scenario;
    let traced = trace(command(&ground.sandbox), subject, Some((fault.call.place, fault.blow)));
    let Some(struck) = &traced.struck else { return report.lock().unwrap().table.miss(name, exposure) };
    let verdict = judge(ground, sound, &traced, fault.blow, fault.number);
    let mut report = report.lock().unwrap();
    report.table.count(name, exposure, &plan::kind(fault.blow), &verdict);
    for violation in &verdict.violations {
        let place = judge::shown(ground, struck);
        let finding = format!("{:?} {} at {place}: {}", violation.wrong, fault.name, violation.what);
        eprintln!("{finding}");
        report.findings.push(finding);
    }
}
