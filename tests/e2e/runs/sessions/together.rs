//! Several sessions of several logins at work at the same moment, each in its own subscription, each refresh token good for one use;
//! and with processes killed.

use entra::{SUBSCRIPTION_1, SUBSCRIPTION_2, SUBSCRIPTION_3, User};

use super::{directory, login, session, signed_out};
use crate::support::{BY_AZ, Invocation, Sandbox, Signal, wait_until};

/// Three sessions of two tenants and two logins, and plain az a fourth, by the subscription that each is to see.
fn sessions() -> (Sandbox, entra::Entra, [(&'static str, &'static str); 3]) {
    let (sandbox, entra) = signed_out();
    sandbox.login(&entra, User::Alice);
    login(&sandbox, &entra, "lab", User::Bob);
    let names = [
        ("contoso-development", SUBSCRIPTION_2.id),
        ("fabrikam-shared", SUBSCRIPTION_3.id),
        ("fabrikam-shared-2", SUBSCRIPTION_3.id),
    ];
    for (name, _) in names {
        sandbox.azward(["start", name]).run().ok();
    }
    assert_eq!(session(&sandbox, "fabrikam-shared-2")["login"], "lab");
    (sandbox, entra, names)
}

fn in_session<'a>(sandbox: &'a Sandbox, name: &str, words: &[&str]) -> Invocation<'a> {
    sandbox.azward([&["exec", name, "--", "az"], words].concat())
}

const SHOW: [&str; 5] = ["account", "show", "-o", "tsv", "--query=id"];

#[test]
fn each_has_its_own_subscription_and_all_work_at_the_same_moment() {
    let (sandbox, _entra, names) = sessions();
    for (name, _) in names {
        directory(&sandbox, name).age_access_tokens(100, "management");
    }
    sandbox.config().age_access_tokens(100, "management");
    let mut running = Vec::new();
    for (name, id) in names.into_iter().chain([("", SUBSCRIPTION_1.id)]) {
        let az = |words: &[&str]| match name {
            "" => sandbox.az(words),
            name => in_session(&sandbox, name, words),
        };
        running.push((az(&["group", "list", "-o", "none"]).start(), String::new()));
        running.push((az(&SHOW).start(), format!("{id}\n")));
        for resource in ["https://management.core.windows.net/", "https://vault.azure.net", "https://one.example"] {
            let words = ["account", "get-access-token", "--resource", resource, "--query", "subscription", "-o", "tsv"];
            running.push((az(&words).start(), format!("{id}\n")));
        }
        if !name.is_empty() {
            running.push((sandbox.azward(["rotate", name]).start(), String::new()));
        }
    }
    for (running, expected) in running {
        let outcome = running.finish().ok();
        assert!(expected.is_empty() || outcome.out() == expected, "{outcome:?}");
    }
    // No refresh token was spent twice: each login still works.
    for (name, _) in names {
        sandbox.azward(["rotate", name, "--force"]).run().ok();
    }
    sandbox.assert_nothing_in_the_clear();
    sandbox.azward(["stop", "--all"]).run().ok();
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn whoever_is_killed_loses_no_login_and_leaves_nothing() {
    let (sandbox, entra, names) = sessions();
    for (round, (name, id)) in names.into_iter().cycle().take(6).enumerate() {
        entra.clear_journal();
        let az = in_session(
            &sandbox,
            name,
            &["account", "get-access-token", "--resource", &format!("https://r{round}.example")],
        );
        let az = az.start();
        wait_until("the endpoint was asked", || entra.refreshes() > 0);
        az.signal(Signal::KILL);
        let _ = az.finish();
        let rotation = sandbox.azward(["rotate", name, "--force"]).start();
        std::thread::sleep(std::time::Duration::from_millis(7 * round as u64));
        rotation.signal(Signal::KILL);
        let _ = rotation.finish();
        let stop = sandbox.azward(["stop", name]).start();
        std::thread::sleep(std::time::Duration::from_millis(3 * round as u64));
        stop.signal(Signal::KILL);
        let _ = stop.finish();
        let shown = in_session(&sandbox, name, &SHOW).run().ok().out();
        assert_eq!(shown, format!("{id}\n"));
        in_session(&sandbox, name, &["group", "list", "-o", "none"]).run().ok();
    }
    sandbox.az(["group", "list", "-o", "none"]).run().ok();
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn what_a_killed_shim_leaves_in_a_session_in_use_is_cleaned_up_there() {
    let (sandbox, entra, _) = sessions();
    sandbox.azward(["use", "contoso-development"]).run().ok();
    let config = directory(&sandbox, "contoso-development");
    for exposure in ["memory", "in-place"] {
        sandbox.set_exposure(exposure);
        let slow = entra::Fault::new(entra::Trouble::Delay(std::time::Duration::from_secs(20)));
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
    let (sandbox, _entra, _) = sessions();
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
    let (sandbox, entra, _) = sessions();
    let hang = entra::Fault::new(entra::Trouble::Delay(std::time::Duration::from_secs(4)));
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
