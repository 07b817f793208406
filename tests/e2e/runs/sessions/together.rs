//! What one of several sessions does beside the others: killed, signed out of, stopped.

use std::fs;
use std::time::Duration;

use entra::{Fault, Trouble, User};

use super::{directory, login, names, signed_out};
use crate::support::sessions::start_side_by_side;
use crate::support::{BY_AZ, Invocation, Sandbox, Signal, wait_until};

/// Three sessions of two tenants and two logins.
fn sessions() -> (Sandbox, entra::Entra) {
    let (sandbox, entra) = signed_out();
    start_side_by_side(&sandbox, &entra);
    (sandbox, entra)
}

fn in_session<'a>(sandbox: &'a Sandbox, name: &str, words: &[&str]) -> Invocation<'a> {
    sandbox.azward([&["exec", name, "--", "az"], words].concat())
}

#[test]
fn what_a_killed_shim_leaves_in_a_session_in_use_is_cleaned_up_there() {
    let (sandbox, entra) = sessions();
    sandbox.azward(["use", "contoso-development"]).run().ok();
    let config = directory(&sandbox, "contoso-development");
    for exposure in ["memory", "in-place"] {
        sandbox.set_exposure(exposure);
        let slow = Fault::new(Trouble::Delay(Duration::from_secs(20)));
        entra.knobs(|knobs| knobs.faults = vec![slow.for_grant("refresh_token").times(1)]);
        entra.clear_journal();
        let resource = format!("https://{exposure}.example");
        let az = sandbox.az(["account", "get-access-token", "--resource", &resource, BY_AZ]).start();
        wait_until("az asks", || !entra.journal().is_empty());
        assert_eq!(config.refresh_token_count(), 1, "{exposure}");
        az.signal_group(Signal::KILL);
        let _ = az.finish();
        // With no further invocation.
        wait_until("its guardian cleans up", || sandbox.is_nothing_in_the_clear());
        assert_eq!(config.refresh_token_count(), 0, "{exposure}");
        entra.knobs(|knobs| knobs.faults.clear());
        sandbox.azward(["rotate", "contoso-development", "--force"]).run().ok();
    }
}

#[test]
fn signing_out_of_the_login_is_signing_out_of_its_sessions() {
    let (sandbox, _entra) = sessions();
    sandbox.az(["logout"]).run().ok();
    let refused = sandbox.azward(["rotate", "contoso-development", "--force"]).run().exited(3);
    assert!(refused.err().contains("hint: sign in again"), "{refused:?}");
    assert_eq!(directory(&sandbox, "contoso-development").accounts(), Vec::<String>::new());
    // The other login is another's.
    sandbox.azward(["rotate", "fabrikam-shared-2", "--force"]).run().ok();
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn what_is_stopped_waits_for_no_other_and_one_at_work_is_not_stopped() {
    let (sandbox, entra) = sessions();
    let hang = Fault::new(Trouble::Delay(Duration::from_secs(4)));
    entra.knobs(|knobs| knobs.faults = vec![hang.for_grant("refresh_token").times(1)]);
    entra.clear_journal();
    let words = ["account", "get-access-token", "--resource", "https://slow.example", "--debug"];
    let az = in_session(&sandbox, "contoso-development", &words).start();
    wait_until("az asks", || !entra.journal().is_empty());
    let said = sandbox.azward(["stop", "--all"]).run().exited(1);
    assert!(said.err().contains("an az is running in the session `contoso-development`"), "{said:?}");
    assert!(said.out().contains("stopped `fabrikam-shared`") && said.out().contains("stopped `fabrikam-shared-2`"));
    az.finish().ok();
    sandbox.azward(["stop", "contoso-development"]).run().ok();
}

#[test]
fn nobody_signs_out_of_a_login_in_which_somebody_signs_in() {
    let (sandbox, entra) = signed_out();
    entra.knobs(|knobs| knobs.authorization_pending = 2);
    let signing_in = sandbox.azward(["login", "lab", "--", "--use-device-code"]).start();
    wait_until("az asks", || entra.token_requests() > 0);
    let said = sandbox.azward(["logout", "lab"]).run().exited(1);
    assert!(said.err().contains("an az is running in the login `lab`"), "{said:?}");
    signing_in.finish().ok();
    sandbox.azward(["logout", "lab"]).run().ok();
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn a_login_that_fails_takes_nobody_else_s_along() {
    let (sandbox, entra) = signed_out();
    entra.knobs(|knobs| knobs.authorization_pending = u32::MAX);
    let first = sandbox.azward(["login", "lab", "--", "--use-device-code"]).start();
    wait_until("az asks", || entra.token_requests() > 0);
    entra.knobs(|knobs| knobs.authorization_pending = 0);
    login(&sandbox, &entra, "lab", User::Bob);
    first.signal_group(Signal::INT);
    assert!(!first.finish().status.success());
    assert_eq!(names(&sandbox), ["fabrikam-shared"]);
    sandbox.azward(["start", "fabrikam-shared"]).run().ok();
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn a_start_beside_an_az_that_writes_the_profile_says_what_is_missing() {
    let (sandbox, _entra) = Sandbox::logged_in();
    assert_eq!(names(&sandbox).len(), 3);
    // As az leaves it for a moment, which truncates it first.
    std::fs::write(sandbox.config_dir().join("azureProfile.json"), "").unwrap();
    let said = sandbox.azward(["start", "contoso-development"]).run().exited(2);
    let missing = "the login `default` does not list the subscription of `contoso-development` any more";
    assert!(said.err().contains(missing), "{said:?}");
}

#[test]
fn a_stop_waits_for_a_token_that_is_asked_for_and_takes_it_along() {
    let (sandbox, entra) = Sandbox::logged_in();
    let session = "contoso-development";
    sandbox.azward(["start", session]).run().ok();
    let (asked, delay) = (entra.token_requests(), Duration::from_secs(2));
    entra.knobs(|knobs| knobs.faults = vec![Fault::new(Trouble::Delay(delay)).times(1)]);
    let token = sandbox.azward(["token", session, "--resource", "https://one.example"]).start();
    wait_until("the endpoint is asked", || entra.token_requests() > asked);
    let stopped = sandbox.azward(["stop", session]).run().ok().out();
    assert!(stopped.contains("stopped"), "{stopped}");
    assert!(token.finish().ok().out().starts_with("ey"));
    let cache = fs::read_to_string(directory(&sandbox, session).token_cache_path()).unwrap_or_default();
    assert!(!cache.contains("one.example"), "the token is still there");
    // One after the other, in any order, each has what it asked for.
    let ends: Vec<_> = (0..6)
        .flat_map(|number| {
            let resource = format!("https://r{number}.example");
            [
                sandbox.azward(["token", session, "--resource", &resource]).start(),
                sandbox.azward(["stop", session]).start(),
            ]
        })
        .collect();
    ends.into_iter().for_each(|running| drop(running.finish().ok()));
    sandbox.assert_nothing_in_the_clear();
}
