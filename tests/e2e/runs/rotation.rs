//! Rotation: a Resource Manager token within 20 minutes of its end is new before the command runs, one with more to live
//! is kept, and while the endpoint is out of order the old one serves.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use entra::{Entra, Fault, Refusal, Rolling, TENANT_A, Trouble};
use serde_json::Value;

use crate::support::{BY_AZ, BY_AZWARD, Sandbox};

const ARM: &str = "https://management.core.windows.net//.default";

/// The token cache's entry of the token that `az group list` uses.
fn token(sandbox: &Sandbox) -> Value {
    sandbox.config().access_token(TENANT_A.id, ARM).expect("there is one")
}

fn age(sandbox: &Sandbox, minutes_left: i64) {
    sandbox.config().age_access_tokens(minutes_left * 60, "management");
}

fn minutes_left(token: &Value) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    let expires_on: i64 = token["expires_on"].as_str().and_then(|text| text.parse().ok()).expect("it is a number");
    (expires_on - now.as_secs().cast_signed()) / 60
}

fn list_groups(sandbox: &Sandbox) {
    let groups = sandbox.az(["group", "list", "--query", "[].name", "--output", "tsv"]).run().ok().silent();
    assert_eq!(groups.out(), "rg-web\nrg-data\n");
    sandbox.assert_nothing_in_the_clear();
}

/// The path of every request since the journal was cleared, token requests as "token".
fn asked(entra: &Entra) -> Vec<String> {
    let name = |request: entra::Request| {
        if request.is_token_request() {
            "token".to_owned()
        } else {
            request.path.rsplit('/').next().unwrap_or_default().to_owned()
        }
    };
    let mut names: Vec<_> = entra.journal().into_iter().map(name).collect();
    names.retain(|name| name != "openid-configuration");
    names
}

#[test]
fn a_token_is_new_before_the_command_runs_when_less_than_twenty_minutes_are_left() {
    let (sandbox, entra) = Sandbox::logged_in();
    for (left, requests) in [(25, ["resourcegroups"].as_slice()), (19, &["token", "resourcegroups"])] {
        age(&sandbox, left);
        let before = token(&sandbox);
        entra.clear_journal();
        list_groups(&sandbox);
        assert_eq!(asked(&entra), requests, "{left} minutes");
        assert_eq!(token(&sandbox) == before, left == 25, "{left} minutes");
    }
    assert!(minutes_left(&token(&sandbox)) > 55);

    for left in [19, -1] {
        age(&sandbox, left);
        // Needs no token, so it renews none.
        let before = token(&sandbox);
        sandbox.az(["account", "show", "--output", "none"]).run().ok().silent();
        assert_eq!(token(&sandbox), before);
        entra.clear_journal();
        let got = sandbox.az(["account", "get-access-token"]).run().ok().silent().json();
        assert_eq!(asked(&entra), ["token"]);
        assert!(minutes_left(&token(&sandbox)) > 55);
        assert_eq!(got["accessToken"], token(&sandbox)["secret"]);
        sandbox.assert_nothing_in_the_clear();
    }

    // A login needs no token, and gets a new one of its own; nor does a logout.
    age(&sandbox, 19);
    entra.clear_journal();
    sandbox.az(["logout"]).run().ok().silent();
    assert_eq!(entra.token_requests(), 0);
}

#[test]
fn while_the_endpoint_is_out_of_order_the_old_token_serves() {
    let (sandbox, entra) = Sandbox::logged_in();
    age(&sandbox, 19);
    let old = token(&sandbox);
    let cache = sandbox.config().token_cache();
    let troubles = [
        Trouble::HangUp,
        Trouble::ServerError,
        Trouble::Garbage,
        Trouble::TooManyRequests(1),
        Trouble::Refuse(Refusal::MfaRequired),
    ];
    for trouble in troubles {
        entra.knobs(|knobs| knobs.faults = vec![Fault::new(trouble.clone())]);
        entra.clear_journal();
        forget_refusals(&sandbox);
        list_groups(&sandbox);
        assert!(entra.token_requests() > 0, "{trouble:?}: it was tried");
        assert!(token(&sandbox) == old, "{trouble:?}");
        assert!(sandbox.config().token_cache() == cache, "{trouble:?}");
    }
    let got = sandbox.az(["account", "get-access-token"]).run().ok().silent().json();
    assert_eq!(got["accessToken"], old["secret"]);

    // As soon as the endpoint is back, so is rotation.
    entra.knobs(|knobs| knobs.faults.clear());
    forget_refusals(&sandbox);
    list_groups(&sandbox);
    assert!(minutes_left(&token(&sandbox)) > 55);
}

/// A request that was denied is not repeated for a while: azward notes it in the lock files of rotations, MSAL in a file
/// of its own.
fn forget_refusals(sandbox: &Sandbox) {
    let locks = fs::read_dir(sandbox.azward_home().join("run")).expect("there was a run").flatten();
    let notes = locks.map(|entry| entry.path()).filter(|path| path.to_string_lossy().contains(".rotate-"));
    for path in notes.chain([sandbox.config_dir().join("msal_http_cache.bin")]) {
        let _ = fs::remove_file(path);
    }
}

#[test]
fn what_az_is_about_to_hand_out_is_new_whatever_its_scope_is() {
    let (sandbox, entra) = Sandbox::logged_in_rolling(Rolling::Entra);
    let scope = "https://vault.azure.net/.default";
    // In forms that are az's own to print.
    let forms: [&[&str]; 3] = [
        &["--query", "merge(@)", "--resource", "https://vault.azure.net", "-o", "json"],
        &[BY_AZ, "--out", "json", "--sco", scope],
        &["--debug", "--output=table", "--resource=https://vault.azure.net", "--tenant", TENANT_A.id],
    ];
    sandbox.az(["account", "get-access-token", "--scope", scope]).run().ok();
    let minutes = || minutes_left(&sandbox.config().access_token(TENANT_A.id, scope).expect("there is one"));
    for through_az in [false, true] {
        if through_az {
            sandbox.set_env("AZURE_CLI_DISABLE_CONNECTION_VERIFICATION", "1");
        }
        for form in forms {
            sandbox.config().age_access_tokens(10 * 60, "");
            let arm = token(&sandbox);
            entra.clear_journal();
            sandbox.az(["account", "get-access-token"]).args(form).run().ok();
            assert!(minutes() > 55, "{form:?}");
            assert_eq!(entra.token_requests(), 1, "{form:?}");
            assert_eq!(token(&sandbox), arm, "nobody asked for that one");
        }
    }
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn runs_that_start_together_on_a_due_token_ask_for_one() {
    let (sandbox, entra) = Sandbox::logged_in_rolling(Rolling::Entra);
    age(&sandbox, 19);
    let before = token(&sandbox);
    entra.clear_journal();
    // Slow enough that all of them find it due.
    let delay = Trouble::Delay(Duration::from_millis(500));
    entra.knobs(|knobs| knobs.faults = vec![Fault::new(delay)]);
    let command = ["account", "get-access-token", "--query", "accessToken"];
    // Of azward itself and, in a form that is left to it, of the real az.
    let runs = [BY_AZWARD, BY_AZ, BY_AZWARD, BY_AZ, BY_AZWARD];
    let runs = runs.map(|how| sandbox.az(command).args([how, "--output", "tsv"]).start());
    let groups = sandbox.az(["group", "list", "--output", "none"]).start();
    let tokens = runs.map(|run| run.finish().ok().silent().out());
    groups.finish().ok().silent();
    assert_eq!(entra.token_requests(), 1);
    let new = token(&sandbox)["secret"].as_str().expect("it is a text").to_owned();
    assert_ne!(new, before["secret"]);
    assert_eq!(tokens, [(); 5].map(|()| format!("{new}\n")), "and all of them got it");
    sandbox.assert_nothing_in_the_clear();
}
