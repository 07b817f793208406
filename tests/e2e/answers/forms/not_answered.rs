//! What is not azward's to answer: forms that it does not understand, and those that it does where something else is not as it
//! has to be. A run, with the outcome of the real az.

use std::fs;

use entra::{Rolling, SUBSCRIPTION_1, SUBSCRIPTION_2, SUBSCRIPTION_3, TENANT_A, TENANT_B, User};

use super::{VAULT, VAULT_SCOPE, answered, command, left_to_az};
use crate::support::native::assert_same;
use crate::support::{End, Sandbox};

#[test]
fn forms_that_are_not_understood_are_runs() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let file = sandbox.home().join("query");
    fs::write(&file, "tenant").unwrap();
    let (from_file, tenant) = (format!("--query=@{}", file.display()), TENANT_A.id);
    for options in [
        &["--only-show", "--output", "json"][..],
        &["--resource", VAULT, "--only", "--sub", SUBSCRIPTION_1.id],
        &[from_file.as_str()],
        &["--query", "keys(@)", "-o", "yaml"],
        &["--query", "{a: tenant, A: tokenType}", "-o", "table"],
        &["--query", "*", "--tenant", TENANT_B.id, "-o", "yamlc"],
        &["--query", "[tenant, nothing]", "-o", "tsv"],
        &["--query", "[?tenant]"],
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
fn logged_out_is_said_by_the_real_az() {
    let (sandbox, _entra) = Sandbox::logged_in();
    answered(&sandbox, &[]);
    sandbox.az(["logout"]).run().ok();
    for options in [&[][..], &["--resource", VAULT, "-o", "json"], &["--scope", VAULT_SCOPE, "--tenant", TENANT_B.id]] {
        let outcome = left_to_az(&sandbox, options, &[]).exited(1);
        assert!(outcome.err().contains("Please run 'az login' to setup account."), "{outcome:?}");
    }
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
