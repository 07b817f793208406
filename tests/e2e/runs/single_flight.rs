//! Any number of callers that find the same token due cause one request, and all get its outcome.

use std::time::Duration;

use entra::{Entra, Fault, Rolling, Trouble, User};

use crate::support::{ConfigDir, End, LOUD, Outcome, Running, Sandbox, Signal, wait_until};

const VAULT: &str = "https://vault.azure.net";
const TOKEN: [&str; 2] = ["account", "get-access-token"];

/// Ages the tokens and forgets the requests so far.
fn age(sandbox: &Sandbox, entra: &Entra, seconds_left: i64, text: &str) {
    sandbox.config().age_access_tokens(seconds_left, text);
    entra.clear_journal();
}

fn finish(callers: Vec<Running<'_>>) -> Vec<Outcome> {
    callers.into_iter().map(|caller| caller.finish().ok().silent()).collect()
}

/// That the refresh token in the vault is the one that the endpoint takes.
#[track_caller]
fn assert_login_is_kept(sandbox: &Sandbox, entra: &Entra) {
    entra.knobs(|knobs| knobs.faults.clear());
    age(sandbox, entra, 100, "management");
    sandbox.az(TOKEN).run().ok().silent();
    assert_eq!(entra.refreshes(), 1);
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn a_hundred_callers_cause_one_request() {
    let (sandbox, entra) = Sandbox::without_az();
    age(&sandbox, &entra, 100, "management");
    let callers: Vec<_> = (0..100).map(|_| sandbox.az(TOKEN).start()).collect();
    let outcomes = finish(callers);
    assert_eq!(entra.refreshes(), 1);
    let first = &outcomes[0];
    assert_eq!(Some(first.token()), entra.access_tokens_issued().last().cloned());
    for outcome in &outcomes {
        assert_eq!(outcome.token(), first.token());
        let jitter = outcome.json()["expires_on"].as_i64().unwrap() - first.json()["expires_on"].as_i64().unwrap();
        assert!(jitter.abs() <= 1, "{outcome:?}");
    }
    assert_eq!((sandbox.deeds("answer"), sandbox.deeds("rotation")), (100, 1));
    sandbox.assert_nothing_in_the_clear();
    assert_login_is_kept(&sandbox, &entra);
}

#[test]
fn a_leader_that_is_killed_is_replaced_at_once() {
    let (sandbox, entra) = Sandbox::without_az();
    age(&sandbox, &entra, 100, "management");
    // Long enough that nobody who waits for it comes in time.
    let delay = Duration::from_secs(5);
    entra.knobs(|knobs| knobs.faults = vec![Fault::new(Trouble::Delay(delay)).times(1)]);
    let leader = sandbox.az(TOKEN).start();
    wait_until("the leader asks", || entra.refreshes() == 1);
    let callers: Vec<_> = (0..10).map(|_| sandbox.az(TOKEN).start()).collect();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(entra.refreshes(), 1, "the others wait");
    leader.signal(Signal::KILL);
    assert_eq!(leader.finish().end(), End::Signal(9));
    let outcomes = finish(callers);
    assert!(outcomes.iter().all(|outcome| outcome.took < Duration::from_secs(4)), "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| outcome.token() == outcomes[0].token()));
    assert_eq!(entra.refreshes(), 2);
    assert_login_is_kept(&sandbox, &entra);
}

#[test]
fn a_request_that_fails_is_not_repeated_by_everybody() {
    let (sandbox, entra) = Sandbox::without_az();
    age(&sandbox, &entra, 600, "management");
    let old = sandbox.config().entries("AccessToken")[0]["secret"].clone();
    entra.knobs(|knobs| {
        let delay = Trouble::Delay(Duration::from_millis(300));
        knobs.faults = vec![Fault::new(delay), Fault::new(Trouble::ServerError)];
    });
    let callers: Vec<_> = (0..30).map(|_| sandbox.az(TOKEN).start()).collect();
    let outcomes = finish(callers);
    assert!(outcomes.iter().all(|outcome| outcome.json()["accessToken"] == old), "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| outcome.took < Duration::from_secs(5)), "{outcomes:?}");
    assert_eq!(entra.token_requests(), 1);
    // With another scope: the one that failed is left alone for a while.
    entra.knobs(|knobs| knobs.faults.clear());
    sandbox.az(TOKEN).args(["--resource", VAULT]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn two_scopes_are_asked_for_at_the_same_time() {
    let (sandbox, entra) = Sandbox::without_az();
    entra.knobs(|knobs| knobs.rolling = Rolling::Entra);
    sandbox.az(TOKEN).args(["--resource", VAULT]).run().ok().silent();
    age(&sandbox, &entra, 100, "");
    let delay = Duration::from_secs(2);
    entra.knobs(|knobs| knobs.faults = vec![Fault::new(Trouble::Delay(delay))]);
    let of = |resource| (0..5).map(|_| sandbox.az(TOKEN).args(["--resource", resource]).start()).collect::<Vec<_>>();
    let (arm, vault) = (of("https://management.core.windows.net/"), of(VAULT));
    wait_until("both ask", || entra.refreshes() == 2);
    assert!(entra.journal().iter().all(|request| request.status.is_none()), "neither waits for the other");
    let (arm, vault) = (finish(arm), finish(vault));
    assert_ne!(arm[0].token(), vault[0].token());
    assert!(arm.iter().all(|outcome| outcome.token() == arm[0].token()));
    assert!(vault.iter().all(|outcome| outcome.token() == vault[0].token()));
    assert_eq!(entra.refreshes(), 2);
    assert_login_is_kept(&sandbox, &entra);
}

#[test]
fn two_scopes_at_the_same_time_survive_strict_rolling() {
    let (sandbox, entra) = Sandbox::without_az();
    sandbox.az(TOKEN).args(["--resource", VAULT]).run().ok().silent();
    age(&sandbox, &entra, 100, "");
    // Both have read the same refresh token when the first spends it.
    let delay = |seconds| Fault::new(Trouble::Delay(Duration::from_secs(seconds))).times(1);
    entra.knobs(|knobs| knobs.faults = vec![delay(1).for_scope("management"), delay(2).for_scope("vault")]);
    let of = |resource| sandbox.az(TOKEN).args(["--resource", resource]).start();
    let callers = vec![of("https://management.core.windows.net/"), of(VAULT)];
    let outcomes = finish(callers);
    assert_ne!(outcomes[0].token(), outcomes[1].token());
    // The one whose refresh token was spent by the other asks again with the new one.
    assert_eq!(entra.refreshes(), 3);
    assert_login_is_kept(&sandbox, &entra);
}

#[test]
fn two_config_directories_do_not_wait_for_each_other() {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|knobs| knobs.next_login = User::Alice);
    let other = sandbox.home().join("other");
    entra.write_az_config(&other, entra::CLOUD_NAME).unwrap();
    sandbox.login(&entra, User::Alice);
    sandbox.az(["login", "--use-device-code"]).env("AZURE_CONFIG_DIR", &other).run().ok();
    sandbox.wrap_script(LOUD);
    ConfigDir::at(&other).age_access_tokens(100, "management");
    age(&sandbox, &entra, 100, "management");
    entra.knobs(|knobs| knobs.faults = vec![Fault::new(Trouble::Delay(Duration::from_secs(4))).times(1)]);
    let mut held_up = sandbox.az(TOKEN).start();
    wait_until("the first asks", || entra.refreshes() == 1);
    let quick = sandbox.az(TOKEN).env("AZURE_CONFIG_DIR", &other).run().ok().silent();
    assert!(held_up.is_running(), "{quick:?}");
    assert_ne!(held_up.finish().ok().silent().token(), quick.token());
    assert_eq!(entra.refreshes(), 2);
}

#[test]
fn a_run_and_answers_cause_one_request() {
    let (sandbox, entra) = Sandbox::without_az();
    sandbox.wrap_script("exit 0");
    age(&sandbox, &entra, 19 * 60, "management");
    entra.knobs(|knobs| knobs.faults = vec![Fault::new(Trouble::Delay(Duration::from_millis(500)))]);
    let run = sandbox.az(["group", "list"]).start();
    let callers: Vec<_> = (0..10).map(|_| sandbox.az(TOKEN).start()).collect();
    let runs = (0..5).map(|_| sandbox.az(["vm", "list"]).start()).chain([run]);
    let runs: Vec<_> = runs.collect();
    let outcomes = finish(callers);
    finish(runs);
    assert_eq!(entra.refreshes(), 1);
    assert!(outcomes.iter().all(|outcome| outcome.token() == outcomes[0].token()));
    assert_eq!((sandbox.deeds("rotation"), sandbox.deeds("answer")), (1, 10));
    assert_login_is_kept(&sandbox, &entra);
}
