//! What becomes of a caller when its token is due and the endpoint refuses, is slow, broken or not there: the old
//! token while it is good, within the time that callers give az, and after that the real az's own words.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use entra::{Fault, Refusal, TENANT_B, Trouble};

use crate::support::Sandbox;
use crate::support::native::{age, arm_token, with_copy};

const TOKEN: [&str; 2] = ["account", "get-access-token"];
const VAULT: &str = "https://vault.azure.net";
const VAULT_SCOPE: &str = "https://vault.azure.net/.default";

#[test]
fn a_refusal_is_told_by_the_real_az_when_the_token_has_expired() {
    let (sandbox, entra, copy) = with_copy();
    for (refusal, code, options) in [
        (Refusal::Expired, "AADSTS700082", &["-o", "json"][..]),
        (Refusal::MfaRequired, "AADSTS50076", &[]),
        (Refusal::Revoked, "AADSTS50173", &["-o", "tsv"]),
        (Refusal::MfaEnrolment, "AADSTS50079", &["--scope", VAULT_SCOPE]),
        (Refusal::Expired, "AADSTS700082", &["--tenant", TENANT_B.id, "--resource", VAULT]),
    ] {
        for config in [&sandbox.config(), &copy] {
            config.age_access_tokens(100, "management");
            // Refusals are remembered by both of them.
            let _ = fs::remove_file(config.path().join("msal_http_cache.bin"));
        }
        forget_denials(&sandbox);
        entra.knobs(|knobs| knobs.faults = vec![Fault::refuse(refusal)]);
        let ours = sandbox.az(TOKEN).args(options).run();
        let theirs = sandbox.plain_az(TOKEN).args(options).env("AZURE_CONFIG_DIR", copy.path()).run();
        assert!(theirs.err().contains(code), "{theirs:?}");
        assert_eq!(
            (ours.end(), ours.out(), ours.err_without_ids()),
            (theirs.end(), theirs.out(), theirs.err_without_ids())
        );
    }
    entra.knobs(|knobs| knobs.faults.clear());
    forget_denials(&sandbox);
    sandbox.az(TOKEN).run().ok().silent();
}

/// Forgets what was denied a moment ago, as time does.
fn forget_denials(sandbox: &Sandbox) {
    for entry in fs::read_dir(sandbox.azward_home().join("run")).unwrap().flatten() {
        if entry.file_name().to_string_lossy().contains(".rotate-") {
            fs::write(entry.path(), "").unwrap();
        }
    }
}

#[test]
fn the_old_token_is_answered_while_it_is_good_whatever_goes_wrong() {
    let (sandbox, entra) = Sandbox::without_az();
    age(&sandbox, &entra, 600);
    let old = arm_token(&sandbox.config());
    for trouble in [
        Trouble::Refuse(Refusal::Expired),
        Trouble::Refuse(Refusal::MfaRequired),
        Trouble::TooManyRequests(30),
        Trouble::ServerError,
        Trouble::Garbage,
        Trouble::HangUp,
        Trouble::Delay(Duration::from_secs(20)),
    ] {
        forget_denials(&sandbox);
        entra.clear_journal();
        entra.knobs(|knobs| knobs.faults = vec![Fault::new(trouble.clone())]);
        old_token_is_used(&sandbox, &old, &format!("{trouble:?}"), &[]);
        assert_eq!(entra.token_requests(), 1, "{trouble:?}: the request is not repeated");
        // A run is not held up either.
        let run = sandbox.az(["group", "list"]).run().exited(77);
        assert!(run.took < Duration::from_secs(2), "{trouble:?}: {run:?}");
        assert_eq!(entra.token_requests(), 1, "{trouble:?}");
    }
}

/// The old token within 8 s, silently, and within 1 s the next time.
#[track_caller]
fn old_token_is_used(sandbox: &Sandbox, old: &str, what: &str, environment: &[(&str, &str)]) {
    for seconds in [8, 1] {
        let az = environment.iter().fold(sandbox.az(TOKEN), |az, (name, value)| az.env(*name, *value));
        let outcome = az.run().ok().silent();
        assert_eq!(outcome.token(), old, "{what}");
        assert!(outcome.took < Duration::from_secs(seconds), "{what}: {:?}", outcome.took);
    }
}

#[test]
fn an_endpoint_that_is_not_there_costs_nobody_a_good_token() {
    let (sandbox, entra) = Sandbox::without_az();
    age(&sandbox, &entra, 600);
    let old = arm_token(&sandbox.config());
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let clouds = sandbox.config_dir().join("clouds.config");
    let text = fs::read_to_string(&clouds).unwrap();
    let here = format!("endpoint_active_directory = {}\n", entra.origin());
    assert!(text.contains(&here));
    fs::write(&clouds, text.replace(&here, &format!("endpoint_active_directory = https://localhost:{nobody}\n")))
        .unwrap();
    old_token_is_used(&sandbox, &old, "nothing listens", &[]);
    assert_eq!(entra.journal(), []);
    fs::write(&clouds, text).unwrap();
    forget_denials(&sandbox);
    assert_ne!(sandbox.az(TOKEN).run().ok().silent().token(), old);
}

#[test]
fn retry_after_is_honoured_and_no_longer() {
    let (sandbox, entra) = Sandbox::without_az();
    age(&sandbox, &entra, 600);
    let old = arm_token(&sandbox.config());
    entra.knobs(|knobs| knobs.faults = vec![Fault::new(Trouble::TooManyRequests(3)).times(1)]);
    old_token_is_used(&sandbox, &old, "429", &[]);
    assert_eq!(entra.token_requests(), 1);
    std::thread::sleep(Duration::from_secs(4));
    assert_ne!(sandbox.az(TOKEN).run().ok().silent().token(), old);
    assert_eq!(entra.token_requests(), 2);
}

#[test]
fn a_proxy_that_is_not_there_costs_nobody_a_good_token() {
    let (sandbox, entra) = Sandbox::without_az();
    age(&sandbox, &entra, 600);
    let old = arm_token(&sandbox.config());
    let dead = [("HTTPS_PROXY", "http://127.0.0.1:9"), ("NO_PROXY", ""), ("no_proxy", "")];
    old_token_is_used(&sandbox, &old, "a dead proxy", &dead);
    assert_eq!(entra.journal(), []);
}

#[test]
fn a_denial_noted_by_a_clock_that_was_ahead_means_nothing() {
    let (sandbox, entra) = Sandbox::without_az();
    for ahead in [120, 3600, 365 * 86_400, i64::MAX / 4] {
        age(&sandbox, &entra, 600);
        let old = arm_token(&sandbox.config());
        entra.knobs(|knobs| knobs.faults = vec![Fault::new(Trouble::TooManyRequests(30)).times(1)]);
        old_token_is_used(&sandbox, &old, "429", &[]);
        assert_eq!(entra.token_requests(), 1);
        // What would stand there if the clock had been so many seconds ahead at that moment.
        let mut noted = 0;
        for entry in fs::read_dir(sandbox.azward_home().join("run")).unwrap().flatten() {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            if !entry.file_name().to_string_lossy().contains(".rotate-") || text.is_empty() {
                continue;
            }
            let mut denial: serde_json::Value = serde_json::from_str(&text).unwrap();
            for name in ["noted_at", "quiet_until"] {
                if let Some(time) = denial[name].as_i64() {
                    denial[name] = time.saturating_add(ahead).into();
                    noted += 1;
                }
            }
            fs::write(entry.path(), denial.to_string()).unwrap();
        }
        assert!(noted > 0);
        assert_ne!(sandbox.az(TOKEN).run().ok().silent().token(), old, "{ahead}");
    }
}

#[test]
fn a_token_stored_by_a_clock_that_was_ahead_is_renewed() {
    let (sandbox, entra) = Sandbox::without_az();
    // Of it az would only see, a year from now, that it has expired.
    age(&sandbox, &entra, 365 * 86_400);
    let old = arm_token(&sandbox.config());
    assert_ne!(sandbox.az(TOKEN).run().ok().silent().token(), old);
    assert_eq!(entra.refreshes(), 1);
    // Where that cannot be done it serves, as it does with az.
    age(&sandbox, &entra, 365 * 86_400);
    let old = arm_token(&sandbox.config());
    entra.knobs(|knobs| knobs.faults = vec![Fault::new(Trouble::ServerError)]);
    old_token_is_used(&sandbox, &old, "a clock that was ahead", &[]);
}
