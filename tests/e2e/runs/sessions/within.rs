//! What runs in a session: its environment, what plain az uses, tokens for scripts; and that the user's own directory is as before.

use std::fs;

use entra::{SUBSCRIPTION_2, SUBSCRIPTION_3, TENANT_A, TENANT_B, User};

use super::{directory, login, session, signed_out};
use crate::support::{End, Sandbox};

/// Every file of the user's own config directory, with its bytes.
fn own_files(sandbox: &Sandbox) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(sandbox.config_dir()).unwrap().flatten();
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    let mut files: Vec<_> = files
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn exec_gives_a_process_tree_what_it_needs_and_starts_the_session() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let line = "echo $ARM_SUBSCRIPTION_ID $ARM_TENANT_ID $AZURE_SUBSCRIPTION_ID $AZURE_TENANT_ID $AZWARD_SESSION; \
                az account show --query id -o tsv; az group list -o none; exit 7";
    let ran = sandbox.azward(["exec", "fabrikam-shared", "--", "sh", "-c", line]).run();
    assert_eq!(ran.end(), End::Code(7), "{ran:?}");
    let (id, tenant) = (SUBSCRIPTION_3.id, TENANT_B.id);
    assert_eq!(ran.out(), format!("{id} {tenant} {id} {tenant} fabrikam-shared\n{id}\n"));
    assert_eq!(session(&sandbox, "fabrikam-shared")["state"], "active");
    let missing = sandbox.azward(["exec", "fabrikam-shared", "--", "no-such-program"]).run();
    assert_eq!(missing.end(), End::Code(127));
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn env_is_for_eval_and_the_shim_is_first_on_path() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let line = format!(
        "PATH=/usr/bin:/bin; eval \"$({} env fabrikam-shared)\"; az account show --query id -o tsv",
        env!("CARGO_BIN_EXE_azward")
    );
    assert_eq!(
        sandbox.shell(&line).env("AZWARD_REAL_AZ", sandbox.wrapped_az()).run().ok().out(),
        format!("{}\n", SUBSCRIPTION_3.id)
    );
    let json = sandbox.azward(["env", "fabrikam-shared", "--shell", "json"]).run().ok().json();
    assert_eq!(json["AZURE_CONFIG_DIR"], directory(&sandbox, "fabrikam-shared").path().to_str().unwrap());
    // There is no secret in it.
    assert!(!json.to_string().contains("ey"), "{json}");
}

#[test]
fn shell_is_the_user_s_own() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let shell = sandbox.azward(["shell", "contoso-development"]).env("SHELL", "/bin/sh");
    let out = shell.input("echo in $AZWARD_SESSION\naz account show --query name -o tsv\n").run().ok().out();
    assert_eq!(out, "in contoso-development\nContoso Development\n");
}

#[test]
fn use_has_plain_az_work_there_and_changes_nothing_of_the_user_s() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let shown = || sandbox.az(["account", "show", "--query", "id", "-o", "tsv"]).run().ok().out();
    let before = (own_files(&sandbox), shown());
    sandbox.azward(["use", "contoso-development"]).run().ok();
    assert_eq!(shown(), format!("{}\n", SUBSCRIPTION_2.id));
    sandbox.az(["group", "list"]).run().ok().silent();
    let token = sandbox.az(["account", "get-access-token"]).run().ok().json();
    assert_eq!(token["subscription"], SUBSCRIPTION_2.id);
    assert_eq!(session(&sandbox, "contoso-development")["in_use"], true);
    // Whoever names a directory gets that one, and so does who passes azward by.
    let named = sandbox.az(["account", "show", "--query", "id", "-o", "tsv"]);
    assert_eq!(named.env("AZURE_CONFIG_DIR", sandbox.config_dir()).run().ok().out(), before.1);
    let passed = sandbox.az(["account", "show", "--query", "id", "-o", "tsv"]).env("AZWARD_BYPASS", "1");
    assert_eq!(passed.run().ok().out(), before.1);
    sandbox.azward(["use", "--none"]).run().ok();
    assert_eq!((own_files(&sandbox), shown()), before);
    // Stopping what is in use has az go back.
    sandbox.azward(["use", "contoso-development"]).run().ok();
    let said = sandbox.azward(["stop", "--all"]).run().ok().out();
    assert!(said.contains("az uses the user's own config directory again"), "{said}");
    assert_eq!(shown(), before.1);
    let nobody = sandbox.azward(["use"]).run().exited(2);
    assert!(nobody.err().contains("there is nobody to ask"), "{nobody:?}");
}

#[test]
fn a_session_in_use_whose_directory_is_gone_is_not_another_subscription() {
    let (sandbox, _entra) = Sandbox::logged_in();
    sandbox.azward(["use", "contoso-development"]).run().ok();
    fs::remove_dir_all(directory(&sandbox, "contoso-development").path()).unwrap();
    assert_eq!(sandbox.az(["group", "list"]).run().end(), End::Code(1));
    // A note that is torn is none.
    fs::write(sandbox.azward_home().join("in-use"), "{\"config_dir\":").unwrap();
    sandbox.az(["group", "list"]).run().ok();
}

#[test]
fn what_the_login_has_as_settings_and_extensions_a_session_has() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let extensions = sandbox.config_dir().join("cliextensions");
    fs::create_dir_all(&extensions).unwrap();
    sandbox
        .az(["config", "set", "core.output=tsv", "defaults.group=theirs", "storage.key=secret", "--only-show-errors"])
        .run()
        .ok();
    let line = "echo $AZURE_EXTENSION_DIR; az account show --query id; az config get defaults --query '[].name'";
    let out = sandbox.azward(["exec", "contoso-development", "--", "sh", "-c", line]).run().ok().out();
    // A default of another subscription's is none of this one's, and a secret is not copied.
    assert_eq!(out, format!("{}\n{}\n", extensions.display(), SUBSCRIPTION_2.id));
    let config = fs::read_to_string(directory(&sandbox, "contoso-development").path().join("config")).unwrap();
    assert!(config.contains("output = tsv") && !config.contains("secret"), "{config}");
}

#[test]
fn token_is_for_scripts_and_says_when_a_person_has_to_sign_in() {
    let (sandbox, entra) = signed_out();
    login(&sandbox, &entra, "work", User::Alice);
    let token = |more: &[&str]| sandbox.azward([&["token", "contoso-development"], more].concat()).run();
    let raw = token(&[]).ok().silent().out();
    assert_eq!(token(&["--header"]).ok().out(), format!("Authorization: Bearer {raw}"));
    let json = token(&["--json"]).ok().json();
    assert_eq!((&json["accessToken"], &json["tenant"]), (&raw.trim_end().into(), &TENANT_A.id.into()));
    let az = sandbox.az(["account", "get-access-token"]);
    let az_s = az.env("AZURE_CONFIG_DIR", directory(&sandbox, "contoso-development").path()).run().ok().json();
    // As az tells it; what it says of the time it reckons from the whole second that it is.
    let names = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((&json["accessToken"], &json["subscription"]), (&az_s["accessToken"], &az_s["subscription"]));
    assert_eq!(names(&json), names(&az_s));
    // One that lives as long as is asked for, or none.
    directory(&sandbox, "contoso-development").age_access_tokens(1900, "management");
    entra.clear_journal();
    assert_eq!(token(&["--min-life", "30m"]).ok().out(), token(&["--min-life", "30m"]).ok().out());
    assert_eq!(entra.refreshes(), 0);
    assert_ne!(token(&["--min-life", "40m"]).ok().out(), raw);
    assert_eq!(entra.refreshes(), 1);
    let too_long = token(&["--min-life", "100h"]).exited(1);
    assert!(too_long.err().contains("hint: ask for less with --min-life"), "{too_long:?}");
    token(&["--min-life", "soon"]).exited(2);
    entra.revoke(User::Alice);
    let refused = token(&["--resource", "https://one.example"]).exited(3);
    assert_eq!(refused.out(), "");
    assert!(refused.err().lines().count() == 2 && !refused.err().contains("AADSTS"), "{refused:?}");
}

#[test]
fn token_of_an_application_is_what_az_hands_out() {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|_| {});
    let application = entra::SERVICE_PRINCIPAL;
    let words = ["login", "--service-principal", "-u", application.client_id, "-p", entra.client_secret()];
    sandbox.az(words).args(["--tenant", TENANT_A.id]).run().ok();
    let token = sandbox.azward(["token", "--json"]).run().ok().json();
    assert_eq!(token["tenant"], TENANT_A.id);
    assert_eq!(format!("{}\n", token["accessToken"].as_str().unwrap()), sandbox.azward(["token"]).run().ok().out());
    drop(entra);
    let started = sandbox.azward(["start", "contoso-production"]).run().exited(2);
    assert!(started.err().contains("not by a person"), "{started:?}");
}
