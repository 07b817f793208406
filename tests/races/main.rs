//! Races: a crowd of answers, runs with new scopes, logins and logouts of a second user, `account set` and plain unwrapped az
//! on one config directory; service principals, of which a second one is signed in and out, and a managed identity; sessions that are started, rotated, stopped and worked in, a login with a name that is made and
//! signed out of, moves of the vaults' key; beside which azward is uninstalled and installed again, with SIGKILL at random to
//! shims, to az, to both and to azward's own commands. While it lasts, whatever is answered is a
//! valid token of the right user, principal or identity, asked for no more often than it is due, and nothing fails but what was killed or what az does to itself. When the dust has settled,
//! nothing is in the clear, the first user's login and the first principal's are kept and good, of the second principal nothing is left
//! once it is signed out, and nothing is locked or left running; after every install and uninstall those logins are in az's files or in
//! a vault that its key opens. An az before 2.30 has a race of its own (`adal`), and so has what an az keeps in a
//! keyring (`keyring`).
//!
//! `cargo test --test races` is the short form. The long one, whose figures go into BENCHMARKS.md:
//!
//! ```text
//! AZWARD_RACE_SECONDS=60 cargo test --release --test races -- --nocapture
//! ```
//!
//! `AZWARD_RACE_PROCESSES` and `AZWARD_RACE_AZ` say how many processes, and how many real az among them, are kept alive, and
//! `AZWARD_RACE_SEED` repeats a schedule, as far as the machine goes along. `AZWARD_RACE_SEAL` says what leaves the token cache,
//! `refresh-tokens` or `all-tokens`; without it the seed does.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "clippy only knows the functions marked as tests")]

mod adal;
mod aftermath;
mod cast;
mod certificate;
mod crowd;
mod keyring;
mod mender;
mod principals;
mod processes;
mod sessions;
#[path = "../support/mod.rs"]
mod support;
mod tally;
mod upheaval;
mod verdict;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use entra::{Fault, Rolling, SUBSCRIPTION_1, Sight, Trouble, User};
use support::{Sandbox, provision};

use crate::crowd::Crowd;
use crate::support::chance::Chance;
use crate::tally::Tally;

/// How a race is run.
struct Plan {
    exposure: &'static str,
    /// What leaves the token cache: everything if the seed is even, and nothing else is said.
    seal: String,
    seconds: u64,
    /// How many processes are kept alive, and how many of them may be a real az.
    processes: usize,
    real_az: usize,
    seed: u64,
}

impl Plan {
    fn from_environment(exposure: &'static str) -> Self {
        let number = |name: &str| Some(std::env::var(name).ok()?.parse::<u64>().expect(name));
        let seconds = number("AZWARD_RACE_SECONDS");
        let size = |name: &str, short, long| {
            let default = if seconds.is_some() { long } else { short };
            number(name).map_or(default, |count| usize::try_from(count).expect(name))
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64);
        let seed = number("AZWARD_RACE_SEED").unwrap_or(now % 1_000_000);
        let by_seed = if seed.is_multiple_of(2) { "all-tokens" } else { "refresh-tokens" };
        Self {
            exposure,
            seal: std::env::var("AZWARD_RACE_SEAL").unwrap_or_else(|_| by_seed.to_owned()),
            seconds: seconds.unwrap_or(10),
            processes: size("AZWARD_RACE_PROCESSES", 30, 100),
            real_az: size("AZWARD_RACE_AZ", 8, 24),
            seed,
        }
    }
}

/// One race at a time: each of them takes the machine.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn race(exposure: &'static str) {
    let _alone = alone();
    let plan = Plan::from_environment(exposure);
    provision::announce(&format!(
        "a race, {exposure}, {}: {} s, {} processes, {} az among them, AZWARD_RACE_SEED={}",
        plan.seal, plan.seconds, plan.processes, plan.real_az, plan.seed
    ));
    let sandbox = Sandbox::new().with_real_az();
    sandbox.set_exposure(exposure);
    sandbox.set("seal", plan.seal.as_str());
    let entra = sandbox.start_entra(|knobs| {
        knobs.rolling = Rolling::Entra;
        // Due again after two seconds.
        knobs.lifetime = 1202;
        // Who waits for an answer is alive at little cost, and in the middle of something.
        let delayed = Fault::new(Trouble::Delay(Duration::from_millis(500)));
        knobs.faults = ["refresh_token", "client_credentials", "managed_identity"]
            .map(|grant| delayed.clone().for_grant(grant))
            .into();
        knobs.sight = Sight::Own;
        knobs.instance_keeps = false;
        knobs.arm_delay = Duration::from_millis(1000);
    });
    let instance = entra.start_instance().expect("the endpoints start");
    upheaval::install_first(&sandbox);
    principals::begin(&sandbox, &entra, &instance);
    sandbox.login(&entra, User::Alice);
    sandbox.az(["account", "set", "--subscription", SUBSCRIPTION_1.id]).run().ok();
    entra.knobs(|knobs| knobs.next_login = User::Bob);
    sessions::begin(&sandbox);
    entra.clear_journal();

    let mut tally = Tally::default();
    let tokens = Crowd::new(&sandbox, &entra, &plan, Chance::new(plan.seed)).race(&mut tally);
    verdict::judge_tokens(&entra, &tokens, &mut tally);
    principals::judge_requests(&entra.journal(), tally.disturbances(), &mut tally);
    aftermath::inspect(&sandbox, &entra, &plan, &mut tally);
    provision::announce(&tally.summary(&plan));
    assert!(tally.violations.is_empty(), "{} violation(s), seed {}", tally.violations.len(), plan.seed);
}

/// The same machine for a race of an az that keeps its tokens elsewhere.
fn race_before_msal(exposure: &'static str) {
    let _alone = alone();
    let plan = Plan::from_environment(exposure);
    adal::race(exposure, plan.seconds, plan.seed);
}

#[test]
fn a_race_before_msal_in_memory() {
    race_before_msal("memory");
}

#[test]
fn a_race_before_msal_in_place() {
    race_before_msal("in-place");
}

#[test]
fn a_race_for_a_certificate() {
    let _alone = alone();
    let plan = Plan::from_environment("auto");
    certificate::race(plan.exposure, plan.seconds, plan.seed);
}

#[test]
fn a_race_for_a_keyring() {
    let _alone = alone();
    let plan = Plan::from_environment("auto");
    keyring::race(plan.seconds, plan.seed);
}

#[test]
fn a_race_in_place() {
    race("in-place");
}

#[test]
fn a_race_in_memory() {
    race("memory");
}

#[test]
fn a_race_in_private() {
    race("private");
}
