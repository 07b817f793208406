//! How long a caller waits: a second, if it has a token; if it has none, as long as for az, which waits for ever; and nothing
//! is asked twice meanwhile.

use std::fs;
use std::time::Duration;

use entra::{Fault, Refusal, Rolling, Trouble};

use crate::support::native::{age, arm_token};
use crate::support::{End, Outcome, Sandbox, Signal, wait_until};

const TOKEN: [&str; 2] = ["account", "get-access-token"];
const VAULT: [&str; 2] = ["--resource", "https://vault.azure.net"];

/// What an SDK gives az.
const TEN_SECONDS: Duration = Duration::from_secs(10);

fn delay(seconds: u64) -> Vec<Fault> {
    vec![Fault::new(Trouble::Delay(Duration::from_secs(seconds)))]
}

#[test]
fn an_endpoint_that_takes_eight_seconds_is_waited_for_and_asked_once() {
    let (sandbox, entra) = Sandbox::without_az();
    entra.knobs(|knobs| {
        knobs.rolling = Rolling::Entra;
        knobs.faults = delay(8);
    });
    // Expired, and never had.
    age(&sandbox, &entra, 100);
    let callers = [sandbox.az(TOKEN).start(), sandbox.az(TOKEN).args(VAULT).start()];
    for outcome in callers.map(|caller| caller.finish().ok().silent()) {
        assert!(outcome.took < TEN_SECONDS, "{outcome:?}");
    }
    assert_eq!((entra.token_requests(), sandbox.deeds("answer")), (2, 2));
}

#[test]
fn who_has_a_token_waits_a_second_and_not_soon_again() {
    let (sandbox, entra) = Sandbox::without_az();
    age(&sandbox, &entra, 600);
    let old = arm_token(&sandbox.config());
    entra.knobs(|knobs| knobs.faults = delay(20));
    let callers: Vec<_> = (0..5).map(|_| sandbox.az(TOKEN).start()).collect();
    for outcome in callers.into_iter().map(|caller| caller.finish().ok().silent()) {
        assert_eq!(outcome.token(), old);
        assert!(outcome.took < Duration::from_millis(1800), "{outcome:?} took {:?}", outcome.took);
    }
    // Half a minute later.
    turn_back(&sandbox, 30);
    let outcome = sandbox.az(TOKEN).run().ok().silent();
    assert!(outcome.took < Duration::from_millis(500), "{:?}", outcome.took);
    assert_eq!(entra.token_requests(), 1);
    // Who has none does not take a second's silence for an answer.
    entra.knobs(|knobs| knobs.faults.clear());
    age(&sandbox, &entra, 100);
    assert_ne!(sandbox.az(TOKEN).run().ok().silent().token(), old);
}

/// Has what was noted at rotations been noted some seconds ago.
fn turn_back(sandbox: &Sandbox, seconds: i64) {
    for entry in fs::read_dir(sandbox.azward_home().join("run")).unwrap().flatten() {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        if !entry.file_name().to_string_lossy().contains(".rotate-") || text.is_empty() {
            continue;
        }
        let mut note: serde_json::Value = serde_json::from_str(&text).unwrap();
        for name in ["noted_at", "quiet_until"] {
            note[name] = (note[name].as_i64().unwrap() - seconds).into();
        }
        fs::write(entry.path(), note.to_string()).unwrap();
    }
}

#[test]
fn after_a_caller_that_gave_up_the_next_one_goes_straight_to_az() {
    let (sandbox, entra) = Sandbox::logged_in();
    age(&sandbox, &entra, 100);
    entra.knobs(|knobs| knobs.faults = vec![Fault::new(Trouble::Delay(Duration::from_secs(30))).times(1)]);
    let first = sandbox.az(TOKEN).start();
    wait_until("it asks", || entra.token_requests() == 1);
    std::thread::sleep(Duration::from_millis(6500));
    first.signal(Signal::KILL);
    assert_eq!(first.finish().end(), End::Signal(9));
    let runs = sandbox.deeds("run");
    // Whatever it was that azward was not answered for, an az may be.
    let outcomes = at_once(&sandbox, 5, &[]);
    assert!(outcomes.iter().all(|outcome| outcome.token() == outcomes[0].token()), "{outcomes:?}");
    assert_eq!((entra.token_requests(), sandbox.deeds("run") - runs), (2, 1));
}

fn at_once(sandbox: &Sandbox, count: usize, options: &[&str]) -> Vec<Outcome> {
    let callers: Vec<_> = (0..count).map(|_| sandbox.az(TOKEN).args(options).start()).collect();
    callers.into_iter().map(|caller| caller.finish()).collect()
}

#[test]
fn a_refusal_is_learnt_once_and_told_by_one_az_to_all() {
    let (sandbox, entra) = Sandbox::logged_in();
    entra.knobs(|knobs| knobs.faults = vec![Fault::refuse(Refusal::Expired)]);
    age(&sandbox, &entra, 100);
    let outcomes = at_once(&sandbox, 6, &[]);
    for outcome in &outcomes {
        assert_eq!(outcome.end(), End::Code(1), "{outcome:?}");
        assert!(outcome.err().contains("AADSTS700082"), "{outcome:?}");
    }
    // MSAL has the endpoint's words from azward, and asks for nothing.
    assert_eq!(entra.token_requests(), 1);
    for options in [&[][..], &["--query", "[accessToken]"], &["-o", "tsv"]] {
        let outcome = sandbox.az(TOKEN).args(options).run().exited(1);
        assert!(outcome.err().contains("AADSTS700082"), "{outcome:?}");
    }
    assert_eq!(entra.journal().len(), 1, "nobody asks again, and nothing else that MSAL keeps was lost");
}

#[test]
fn an_unknown_subscription_costs_no_request() {
    let (sandbox, entra) = Sandbox::logged_in();
    age(&sandbox, &entra, 600);
    for words in [&TOKEN[..], &["group", "list"]] {
        for name in ["nobody's", "00000000-1111-4000-8000-000000000000"] {
            let outcome = sandbox.az(words).args(["--subscription", name]).run().exited(1);
            assert!(outcome.err().to_lowercase().contains("subscription"), "{outcome:?}");
        }
    }
    assert_eq!(entra.token_requests(), 0);
}
