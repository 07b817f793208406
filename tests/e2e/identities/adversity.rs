//! An endpoint that refuses, hangs, or is none that azward asks; and an az that says something else. az does what it always did, and a
//! token that is good serves.

use std::time::{Duration, Instant};

use entra::{Fault, Refusal, Request, Trouble};

use super::{TOKEN, age, answered, earn, is_ours, requests, sandbox, sealed, sign_in, signed_in};

#[test]
fn while_the_endpoint_fails_the_old_token_serves_and_az_tells_who_has_none() {
    for trouble in [
        Trouble::Refuse(Refusal::Invalid),
        Trouble::TooManyRequests(30),
        Trouble::ServerError,
        Trouble::Garbage,
        Trouble::HangUp,
    ] {
        let (sandbox, entra, _instance) = signed_in();
        let before = answered(&sandbox, &entra, &[], 0).token();
        entra.knobs(|knobs| knobs.faults.push(Fault::new(trouble.clone())));
        age(&sandbox, 10 * 60, 24 * 3600);
        assert_eq!(answered(&sandbox, &entra, &[], 1).token(), before, "{trouble:?}");
        assert_eq!(answered(&sandbox, &entra, &[], 0).token(), before, "{trouble:?}: it is not asked again at once");
        // It is of no use to az any more.
        age(&sandbox, 4 * 60, 24 * 3600);
        let vault = ["--resource", "https://vault.azure.net"];
        let theirs = sandbox.plain_az(TOKEN).args(vault).run().exited(1);
        for more in [&[][..], &vault] {
            entra.clear_journal();
            let (ours, deeds) = sandbox.deeds_of(|| sandbox.az(TOKEN).args(more).run().exited(1));
            assert!(deeds.contains(&"run".to_owned()), "{deeds:?}");
            if !more.is_empty() {
                assert_eq!(ours.out(), theirs.out());
                assert_eq!(ours.last_err_line(), theirs.last_err_line());
            }
            assert!(requests(&entra).iter().filter(|request| is_ours(request)).count() <= 1);
        }
        entra.knobs(|knobs| knobs.faults.clear());
        sandbox.az(TOKEN).run().ok().silent();
    }
}

#[test]
fn a_silent_endpoint_costs_who_has_a_token_a_second_and_that_once() {
    let (sandbox, entra, _instance) = signed_in();
    let slow = Trouble::Delay(Duration::from_secs(8));
    entra.knobs(|knobs| knobs.faults.push(Fault::new(slow)));
    age(&sandbox, 10 * 60, 24 * 3600);
    let began = Instant::now();
    answered(&sandbox, &entra, &[], 1);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let began = Instant::now();
    answered(&sandbox, &entra, &[], 0);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn what_azward_does_not_ask_az_asks() {
    let (sandbox, entra, _instance) = signed_in();
    let others: [&[(&str, &str)]; 5] = [
        &[("MSI_ENDPOINT", "http://127.0.0.1:9/"), ("MSI_SECRET", "x")],
        &[("HTTP_PROXY", "http://127.0.0.1:9"), ("NO_PROXY", ""), ("no_proxy", "")],
        &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://metadata.example.invalid")],
        &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "https://127.0.0.1:9")],
        &[("IDENTITY_ENDPOINT", "http://127.0.0.1:9"), ("IDENTITY_HEADER", "x"), ("IDENTITY_SERVER_THUMBPRINT", "x")],
    ];
    for variables in others {
        entra.clear_journal();
        let mut az = sandbox.az(TOKEN);
        for (name, value) in variables {
            az = az.env(name, value);
        }
        let (_, deeds) = sandbox.deeds_of(|| az.run().exited(1));
        assert!(deeds.contains(&"run".to_owned()) && !deeds.contains(&"answer".to_owned()), "{variables:?}: {deeds:?}");
        let asked: Vec<Request> = entra.journal().into_iter().filter(is_ours).collect();
        assert!(asked.is_empty(), "{variables:?}: {asked:?}");
    }
}

#[test]
fn an_endpoint_that_gives_another_token_each_time_is_az_s_until_it_does_not() {
    let (sandbox, entra, _instance) = sandbox();
    entra.knobs(|knobs| knobs.instance_keeps = false);
    sign_in(&sandbox, &[]);
    earn(&sandbox);
    earn(&sandbox);
    entra.knobs(|knobs| knobs.instance_keeps = true);
    // What was kept meanwhile is not the one that the endpoint keeps.
    sandbox.az(["account", "set", "--subscription", entra::SUBSCRIPTION_1.id]).run().ok();
    earn(&sandbox);
    answered(&sandbox, &entra, &[], 0);
    assert_eq!(sealed(&sandbox).len(), 1);
}
