//! Every form of `az account get-access-token` that azward answers, against the real az on the same config directory: the
//! same bytes but for the second in which they were asked, nothing on stderr, the same exit code, and no run. And what is not
//! azward's to answer (`not_answered`).

mod not_answered;

use std::fs;

use entra::{SUBSCRIPTION_1, SUBSCRIPTION_2, SUBSCRIPTION_3, TENANT_A, TENANT_B};
use serde_json::json;

use crate::support::native::{assert_same, times_taken_out};
use crate::support::{Invocation, Outcome, Sandbox};

const ARM: &str = "https://management.core.windows.net/";
const VAULT: &str = "https://vault.azure.net";
const VAULT_SCOPE: &str = "https://vault.azure.net/.default";
/// The server application of AKS, which kubelogin asks for by its bare id.
const AKS: &str = "6dae42f8-4368-4678-94ff-3960e28e3630";

fn command(options: &[&str]) -> Vec<String> {
    ["account", "get-access-token"].iter().chain(options).map(|word| (*word).to_owned()).collect()
}

/// Asks both, azward first, and asserts that they say the same; the deeds that azward's journal has of it.
#[track_caller]
fn asked(sandbox: &Sandbox, options: &[&str], environment: &[(&str, &str)]) -> (Outcome, Vec<String>) {
    let words = command(options);
    let run = |az: Invocation<'_>| environment.iter().fold(az, |az, (name, value)| az.env(*name, *value)).run();
    let (ours, deeds) = sandbox.deeds_of(|| run(sandbox.az(&words)));
    assert_same(&ours, &run(sandbox.plain_az(&words)));
    (ours, deeds)
}

/// Answered by azward, as the real az does.
#[track_caller]
fn answered(sandbox: &Sandbox, options: &[&str]) -> Outcome {
    answered_with(sandbox, options, &[])
}

#[track_caller]
fn answered_with(sandbox: &Sandbox, options: &[&str], environment: &[(&str, &str)]) -> Outcome {
    let (ours, deeds) = asked(sandbox, options, environment);
    // A scope that is asked for the first time is fetched first.
    assert!(deeds == ["answer"] || deeds == ["rotation", "answer"], "{options:?}: {deeds:?}");
    ours.ok().silent()
}

/// Left to the real az, with its outcome.
#[track_caller]
fn left_to_az(sandbox: &Sandbox, options: &[&str], environment: &[(&str, &str)]) -> Outcome {
    let (ours, deeds) = asked(sandbox, options, environment);
    assert_eq!(
        deeds.iter().filter(|deed| ["answer", "run"].contains(&deed.as_str())).collect::<Vec<_>>(),
        ["run"],
        "{options:?}"
    );
    ours
}

#[test]
fn the_forms_of_the_sdks() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let (tenant, name) = (TENANT_B.id, SUBSCRIPTION_2.name);
    for options in [
        // A: Go. B: Python, JavaScript, .NET, Java.
        &["-o", "json", "--resource", ARM][..],
        &["-o", "json", "--resource", AKS, "--tenant", tenant],
        &["-o", "json", "--resource", ARM, "--subscription", SUBSCRIPTION_3.id],
        &["--output", "json", "--resource", VAULT],
        &["--output", "json", "--resource", VAULT, "--tenant", tenant],
        &["--output", "json", "--resource", VAULT, "--subscription", name],
        // C: Rust and C++. D: Terraform.
        &["-o", "json", "--scope", VAULT_SCOPE, "--subscription", SUBSCRIPTION_2.id],
        &["--output", "json", "--scope", VAULT_SCOPE, "--tenant", tenant],
        &["--scope", VAULT_SCOPE, "--tenant", tenant, "-o=json"],
        &["--scope", VAULT_SCOPE, "-o=json"],
        // E: Databricks, IntelliJ, go-azure-helpers.
        &["--resource", VAULT, "--output", "json", "--tenant", tenant],
        &["--resource", ARM, "-t", tenant, "--output", "json"],
        &["--resource", ARM, "--subscription", "", "-o=json"],
        &["--resource", ARM, "--tenant", TENANT_A.id, "-o=json"],
    ] {
        let token = answered(&sandbox, options).json();
        assert_eq!(
            token["subscription"].is_null(),
            options.contains(&"--tenant") || options.contains(&"-t"),
            "{options:?}"
        );
        assert!(token["expires_on"].is_i64() && token["tokenType"] == "Bearer");
    }
}

#[test]
fn the_forms_of_scripts() {
    let (sandbox, _entra) = Sandbox::logged_in();
    answered(&sandbox, &[]);
    answered(&sandbox, &["--query", "accessToken", "--output", "json"]);
    for key in ["accessToken", "expiresOn", "expires_on", "subscription", "tenant", "tokenType"] {
        let value = answered(&sandbox, &["--query", key, "-o", "tsv"]).out();
        assert!(value.ends_with('\n') && value.len() > 5, "{key}: {value:?}");
    }
    answered(&sandbox, &["--query", "expires_on"]);
    answered(&sandbox, &["-o", "tsv", "--resource", VAULT]);
    answered(&sandbox, &["--resource", VAULT, "-t", TENANT_B.id, "-o", "TSV"]);
    answered(&sandbox, &["--scope", VAULT_SCOPE, "--query", "accessToken", "-o", "tsv"]);
    assert_eq!(answered(&sandbox, &["--output", "none"]).out(), "");
    assert_eq!(answered(&sandbox, &["--output=none", "--query=tenant"]).out(), "");
    answered(&sandbox, &["-ojsonc"]);
    answered(&sandbox, &["--only-show-errors", "--scope", VAULT_SCOPE, "--resource", ARM]);
    let words = ["Account", "GET-access-token", "-o", "none"];
    let (_, deeds) = sandbox.deeds_of(|| sandbox.az(words).run().ok().silent());
    assert_eq!((deeds, sandbox.plain_az(words).run().ok().out()), (vec!["answer".to_owned()], String::new()));
}

#[test]
fn subscriptions_and_resource_types() {
    let (sandbox, _entra) = Sandbox::logged_in();
    for options in [
        &["-s", "contoso development"][..],
        &["-n", SUBSCRIPTION_3.name],
        &["--name=CONTOSO PRODUCTION"],
        &["-s=22222222-AAAA-4222-8222-222222222222"],
    ] {
        let token = answered(&sandbox, options).json();
        assert_ne!((&token["subscription"], options.len()), (&SUBSCRIPTION_1.id.into(), 2), "{options:?}");
    }
    for resource_type in ["arm", "aad-graph", "ms-graph", "oss-rdbms", "batch", "media", "data-lake"] {
        answered(&sandbox, &["--resource-type", resource_type, "--query", "accessToken", "-o", "tsv"]);
    }
    answered(&sandbox, &["--resource-type", "batch", "--resource", VAULT, "--query", "accessToken"]);
}

#[test]
fn what_is_selected_is_printed_in_every_format() {
    let (sandbox, _entra) = Sandbox::logged_in();
    answered(&sandbox, &["-s", SUBSCRIPTION_1.id, "--resource", VAULT, "--out", "json"]);
    answered(&sandbox, &["--resource-t=arm", "--que", "tenant", "--ou", "tsv"]);
    let queries = [
        "[accessToken,expires_on]",
        "[accessToken, expiresOn, tenant] | [1]",
        "{token:accessToken, type:tokenType}",
        "{type: tokenType, sub: subscription, all: [tenant, expires_on], \"in\": {at: expiresOn}}",
        "[tokenType, [tenant]][]",
        "tokenType == 'Bearer' && tenant",
    ];
    for output in ["json", "tsv", "table", "yaml"] {
        answered(&sandbox, &["-o", output]);
        answered(&sandbox, &["--tenant", TENANT_B.id, "--resource", VAULT, "-o", output]);
        for query in queries {
            // Of what is in a column's field nothing is said by tabulate itself.
            if output != "table" || !query.contains("[tenant") {
                answered(&sandbox, &["--query", query, "-o", output]);
            }
        }
    }
    answered(&sandbox, &["-o", "yamlc"]);
    answered(&sandbox, &["-o", "yamlc", "--query", "expiresOn"]);
}

#[test]
fn every_order_and_every_spelling_is_the_same() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let spellings: [&[&[&str]]; 4] = [
        &[&["-o", "json"], &["-o=json"], &["-ojson"], &["--output", "json"], &["--output=JSON"], &["-oJson"]],
        &[&["--resource", VAULT], &["--resource=https://vault.azure.net"], &["--scope", VAULT_SCOPE]],
        &[&["--subscription", "Contoso Development"], &["-s=Contoso Development"], &["-nContoso Development"]],
        &[&["--query", "expires_on"], &["--query=expires_on"], &["--query", "tenant", "--query", "expires_on"]],
    ];
    let first: Vec<&str> = spellings.iter().flat_map(|spellings| spellings[0]).copied().collect();
    let (expected, _) = times_taken_out(&answered(&sandbox, &first).out());
    for turn in 0..24 {
        let mut order: Vec<usize> = vec![0, 1, 2, 3];
        let mut left = turn;
        let order: Vec<usize> = (0..4)
            .map(|place| {
                let taken = order.remove(left % (4 - place));
                left /= 4 - place;
                taken
            })
            .collect();
        let options: Vec<&str> =
            order.iter().flat_map(|&place| spellings[place][turn % spellings[place].len()]).copied().collect();
        let (outcome, deeds) = sandbox.deeds_of(|| sandbox.az(command(&options)).run().ok().silent());
        assert_eq!(
            (times_taken_out(&outcome.out()).0, &deeds[..]),
            (expected.clone(), &["answer".to_owned()][..]),
            "{options:?}"
        );
    }
}

#[test]
fn the_default_output_is_the_one_that_was_set() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let path = sandbox.config_dir().join("config");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("[core]\n", "[core]\noutput = TSV\n")).unwrap();
    assert_eq!(answered(&sandbox, &[]).out().lines().count(), 1);
    assert_eq!(answered(&sandbox, &["-o", "json"]).out().lines().count(), 8);
    let environment = |value| [("AZURE_CORE_OUTPUT", value)];
    assert_eq!(answered_with(&sandbox, &[], &environment("none")).out(), "");
    assert_eq!(answered_with(&sandbox, &[], &environment("Json")).out().lines().count(), 8);
    assert_eq!(answered_with(&sandbox, &[], &environment("YAML")).out().lines().count(), 6);
    left_to_az(&sandbox, &[], &environment("xml"));
    left_to_az(&sandbox, &[], &environment(""));
}

#[test]
fn times_are_the_caller_s() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let mut offsets = Vec::new();
    for zone in ["UTC", "America/St_Johns", "Asia/Kathmandu", "Europe/Berlin", "XYZ5", ":Asia/Tokyo"] {
        let outcome = answered_with(&sandbox, &[], &[("TZ", zone)]);
        let times = times_taken_out(&outcome.out()).1;
        offsets.push((times[0] - times[1]) / 900);
    }
    assert_eq!((offsets[0], offsets[2], offsets[4], offsets[5]), (0, 23, -20, 36), "{offsets:?}");
    assert!([-14, -10].contains(&offsets[1]), "{offsets:?}");
}

#[test]
fn a_cache_written_by_others_is_read() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let config = sandbox.config();
    answered(&sandbox, &[]);
    // In one line, the keys in alphabetical order, and more in it than MSAL puts there.
    let mut cache = config.token_cache();
    for section in ["AccessToken", "Account", "AppMetadata"] {
        for entry in cache[section].as_object_mut().unwrap().values_mut() {
            entry["a_note"] = json!({"für": ["Zoë\n\"quoted\"", 1.5, null, true]});
        }
    }
    cache["Sonstiges"] = json!([1, {"ü": "\u{1F511}"}]);
    fs::write(config.token_cache_path(), serde_json::to_string(&cache).unwrap()).unwrap();
    answered(&sandbox, &[]);
    answered(&sandbox, &["--query", "accessToken"]);
    fs::write(config.token_cache_path(), serde_json::to_string_pretty(&cache).unwrap() + "\r\n\t ").unwrap();
    answered(&sandbox, &[]);
}
