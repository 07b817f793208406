//! Every form of `az account get-access-token` that azward answers, against the real az on the same config directory: the
//! same bytes but for the second in which they were asked, nothing on stderr, the same exit code, and no run. And the forms
//! that are not azward's to answer: a run, with the outcome of the real az.

use std::fs;

use entra::{Rolling, SUBSCRIPTION_1, SUBSCRIPTION_2, SUBSCRIPTION_3, TENANT_A, TENANT_B, User};
use serde_json::{Value, json};

use crate::support::native::{assert_same, times_taken_out};
use crate::support::{End, Invocation, Outcome, Sandbox};

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
    left_to_az(&sandbox, &[], &environment("yaml"));
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

#[test]
fn a_torn_cache_is_the_real_az_s_to_complain_about() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let config = sandbox.config();
    let text = config.token_cache_text();
    let copy = config.copy_to(sandbox.root().join("copy"));
    for torn in [&text[..text.len() / 2], "{", "[]", "null"] {
        fs::write(config.token_cache_path(), torn).unwrap();
        fs::write(copy.token_cache_path(), torn).unwrap();
        let (ours, deeds) = sandbox.deeds_of(|| sandbox.az(command(&[])).run());
        assert!(!deeds.contains(&"answer".to_owned()), "{torn:?}: {deeds:?}");
        assert_eq!(config.token_cache_text(), torn, "it is left as it is");
        let theirs = sandbox.plain_az(command(&[])).env("AZURE_CONFIG_DIR", copy.path()).run();
        let place = |text: String| text.replace(copy.path().to_str().unwrap(), config.path().to_str().unwrap());
        assert_eq!((ours.end(), ours.out()), (theirs.end(), theirs.out()), "{torn:?}");
        assert_eq!(ours.last_err_line(), place(theirs.last_err_line()), "{torn:?}");
    }
    // The login itself was never in danger.
    fs::write(config.token_cache_path(), &text).unwrap();
    answered(&sandbox, &[]);
}

#[test]
fn forms_that_are_not_understood_are_runs() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let file = sandbox.home().join("query");
    fs::write(&file, "tenant").unwrap();
    let (from_file, tenant) = (format!("--query=@{}", file.display()), TENANT_A.id);
    for options in [
        &["--out", "json"][..],
        &["--resource", VAULT, "--sub", SUBSCRIPTION_1.id],
        &[from_file.as_str()],
        &["-o", "yaml"],
        &["-o", "table"],
        &["--query", "tenant", "--tenant", TENANT_B.id, "-o", "yamlc"],
        &["--query", "[tenant, tokenType]", "-o", "tsv"],
        &["--query", "nothing"],
        &["--tenant", tenant, "--query", "subscription"],
        &["--scope", VAULT_SCOPE, "--tenant", "contoso.onmicrosoft.com"],
    ] {
        let outcome = left_to_az(&sandbox, options, &[]);
        assert_eq!(outcome.end(), End::Code(0), "{outcome:?}");
    }
    for (option, words) in [("--debug", "DEBUG:"), ("--verbose", "INFO: Command ran in")] {
        let outcome = sandbox.az(command(&[option, "--query", "tenant"])).run().ok();
        assert!(outcome.err().contains(words) && outcome.out() == format!("\"{tenant}\"\n"), "{outcome:?}");
    }
}

#[test]
fn forms_that_the_real_az_refuses_are_refused_in_its_words() {
    // A refusal of the endpoint needs a refresh token: the real az has a copy of the directory with one.
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|knobs| knobs.rolling = Rolling::Entra);
    sandbox.plain_login(&entra, User::Alice);
    let copy = sandbox.config().copy_to(sandbox.root().join("copy"));
    sandbox.expect_clear(copy.path());
    let subscription = SUBSCRIPTION_1.id;
    for (options, code, words) in [
        (
            &["--tenant", TENANT_A.id, "--subscription", subscription, "--resource", VAULT, "-o", "json"][..],
            1,
            "not both",
        ),
        (&["--output", "json", "--resource", VAULT, "--tenant", TENANT_A.id, "--subscription", "x"], 1, "not both"),
        (&["--subscription", "No Such Thing"], 1, "No Such Thing"),
        (&["--frobnicate"], 2, "--frobnicate"),
        (&["-o", "xml"], 2, "xml"),
        (&["--resource-type", "coffee"], 2, "coffee"),
        (&["--output"], 2, "expected one argument"),
        (&["--scope", "nonsense"], 1, "nonsense"),
        (&["--resource", "https://nobody.invalid"], 1, "AADSTS500011"),
    ] {
        let (ours, deeds) = sandbox.deeds_of(|| sandbox.az(command(options)).run().exited(code));
        assert!(!deeds.contains(&"answer".to_owned()) && deeds.contains(&"run".to_owned()), "{options:?}: {deeds:?}");
        assert!(ours.err().contains(words), "{ours:?}");
        let theirs = sandbox.plain_az(command(options)).env("AZURE_CONFIG_DIR", copy.path()).run();
        assert_same(&ours, &theirs);
    }
}

#[test]
fn a_subscription_s_name_that_two_have_is_the_real_az_s_to_resolve() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let path = sandbox.config_dir().join("azureProfile.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(SUBSCRIPTION_3.name, SUBSCRIPTION_2.name)).unwrap();
    left_to_az(&sandbox, &["--subscription", SUBSCRIPTION_2.name], &[]).exited(1);
    answered(&sandbox, &["--subscription", SUBSCRIPTION_3.id]);
}

#[test]
fn surroundings_that_change_the_token_are_the_real_az_s() {
    let (sandbox, _entra) = Sandbox::logged_in();
    for variable in [
        ("COPILOT_AGENT_SESSION_ID", "session-1"),
        ("ACC_CLOUD", "PROD"),
        ("AZURE_CORE_ENCRYPT_TOKEN_CACHE", "true"),
        ("AZURE_CLOUD_NAME", "nowhere"),
        ("AZURE_LOGGING_ENABLE_LOG_FILE", "yes"),
    ] {
        left_to_az(&sandbox, &[], &[variable]);
    }
    let path = sandbox.config_dir().join("config");
    let text = fs::read_to_string(&path).unwrap();
    for broken in
        [format!("{text}\nnonsense\n"), format!("{text}[core]\nx = 1\n"), text.replace("name = ", "name = %(")]
    {
        fs::write(&path, broken).unwrap();
        let words = command(&[]);
        let (ours, deeds) = sandbox.deeds_of(|| sandbox.az(&words).run());
        let theirs = sandbox.plain_az(&words).run();
        assert!(!deeds.contains(&"answer".to_owned()), "{deeds:?}");
        assert_eq!(
            (ours.end(), ours.out(), ours.last_err_line()),
            (theirs.end(), theirs.out(), theirs.last_err_line())
        );
    }
}

#[test]
fn a_service_principal_is_the_real_az_s() {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|_| {});
    let principal = entra::SERVICE_PRINCIPAL;
    let login = ["login", "--service-principal", "-u", principal.client_id, "-t", principal.tenant.id, "-p"];
    sandbox.az(login).args([entra.client_secret()]).run().ok();
    let token = left_to_az(&sandbox, &["--resource", VAULT], &[]).exited(0).json();
    assert_eq!(token["tenant"], Value::from(principal.tenant.id));
}

#[test]
fn logged_out_is_said_by_the_real_az() {
    let (sandbox, _entra) = Sandbox::logged_in();
    answered(&sandbox, &[]);
    sandbox.az(["logout"]).run().ok();
    for options in [&[][..], &["--resource", VAULT, "-o", "json"], &["--scope", VAULT_SCOPE, "--tenant", TENANT_B.id]] {
        let outcome = left_to_az(&sandbox, options, &[]).exited(1);
        assert!(outcome.err().contains("Please run 'az login' to setup account."), "{outcome:?}");
    }
}
