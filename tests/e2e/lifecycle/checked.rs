//! `azward status --check` and `--json`: one exit code for scripts, which says whether az gets its tokens here, whether a person
//! has to sign in, or that something else is wrong; and the same with all there is to it in the schema that is documented.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use entra::{Fault, Refusal};
use serde_json::Value;

use super::{ALICE, logged_in};
use crate::support::Sandbox;
use crate::support::schema::assert_documented;

/// Fails unless it ends so, with two lines where it is not good; the same with `--json`, which is returned.
#[track_caller]
fn assert_checked(sandbox: &Sandbox, code: i32, words: &str) -> Value {
    let outcome = sandbox.azward(["status", "--check"]).run().exited(code);
    let (out, err) = (outcome.out(), outcome.err());
    assert_eq!(out, "", "{outcome:?}");
    assert!(err.contains(words) && err.lines().count() == if code == 0 { 0 } else { 2 }, "{outcome:?}");
    let outcome = sandbox.azward(["status", "--check", "--json"]).run().exited(code);
    let said = outcome.json();
    let verdict = [(0, "good"), (3, "sign-in-needed"), (1, "trouble")].into_iter().find(|(known, _)| *known == code);
    assert_eq!(said["verdict"], verdict.unwrap().1, "{said:#}");
    assert_eq!(said["troubles"].as_array().unwrap().is_empty(), code == 0, "{said:#}");
    said
}

fn key_file(sandbox: &Sandbox) -> PathBuf {
    let files = fs::read_dir(sandbox.azward_home()).unwrap().flatten().map(|entry| entry.path());
    files.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "key")).unwrap()
}

#[test]
fn who_is_signed_in_is_good_and_all_there_is_to_it_is_documented() {
    let sandbox = logged_in();
    let said = assert_checked(&sandbox, 0, "");
    assert_documented("azward status --json", &said);
    assert_eq!(said["config_directory"], sandbox.config_dir().to_str().unwrap());
    assert_eq!(said["vault"]["logins"][0]["account"], ALICE);
    assert_eq!(said["vault"]["key_store"], "key-file");
    assert_eq!((&said["vault"]["opens"], &said["in_the_clear"]), (&true.into(), &Value::Array(Vec::new())));
    assert_eq!(said["real_az"]["path"], sandbox.wrapped_az().to_str().unwrap());
    // Without `--check` it says the same, and ends as `azward status` does.
    assert_eq!(sandbox.azward(["status", "--json"]).run().ok().silent().json()["vault"], said["vault"]);
}

#[test]
fn where_nobody_is_signed_in_a_person_has_to() {
    let sandbox = Sandbox::new().with_fake_az();
    assert_checked(&sandbox, 3, "nobody is signed in");
    sandbox.azward(["status", "--json"]).run().ok();
    sandbox.az(["login", ALICE]).run().ok().silent();
    assert_checked(&sandbox, 0, "");
    sandbox.az(["logout", ALICE]).run().ok().silent();
    assert_checked(&sandbox, 3, "");
}

#[test]
fn where_the_key_is_lost_a_person_has_to_sign_in_and_a_key_that_cannot_be_read_is_trouble() {
    let sandbox = logged_in();
    let (key, aside) = (key_file(&sandbox), sandbox.root().join("key"));
    fs::rename(&key, &aside).unwrap();
    assert_checked(&sandbox, 3, "no login of alice");
    // In the way of the key: it may come back.
    fs::create_dir(&key).unwrap();
    assert_checked(&sandbox, 1, "");
    fs::remove_dir(&key).unwrap();
    fs::rename(&aside, &key).unwrap();
    assert_checked(&sandbox, 0, "");
}

#[test]
fn a_token_in_the_clear_no_az_and_settings_that_mean_nothing_are_trouble() {
    let sandbox = logged_in();
    let loose = sandbox.config_dir().join("old.json");
    fs::write(&loose, "{\"refreshToken\": \"0.AXoAdmeRefreshTokenText\"}").unwrap();
    let said = assert_checked(&sandbox, 1, "in the clear");
    assert_documented("azward status --json", &said);
    assert_eq!(said["in_the_clear"][0]["path"], loose.to_str().unwrap());
    fs::remove_file(&loose).unwrap();

    let settings = sandbox.azward_home().join("config.toml");
    let text = fs::read(&settings).unwrap_or_default();
    fs::write(&settings, "key_store = \"teapot\"\n").unwrap();
    assert_checked(&sandbox, 1, "cannot be understood");
    fs::write(&settings, text).unwrap();

    fs::remove_file(sandbox.wrapped_az()).unwrap();
    sandbox.set_env("AZWARD_REAL_AZ", sandbox.shim());
    let no_az = sandbox.azward(["status", "--check"]).env("PATH", "/nonexistent").run();
    // Unless this machine has one of its own where installers put it.
    if no_az.err().contains("no real az") {
        no_az.exited(1);
    }
}

#[test]
fn a_home_that_is_not_believed_is_trouble() {
    let sandbox = Sandbox::new().with_fake_az();
    let home = sandbox.azward_home();
    fs::create_dir(&home).unwrap();
    fs::write(home.join("theirs"), "").unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).unwrap();
    let said = assert_checked(&sandbox, 1, "is not azward's");
    assert_eq!(said["schema"], 1);
}

#[test]
fn a_login_that_the_endpoint_refused_wants_a_person_until_somebody_has_signed_in() {
    let (sandbox, entra) = Sandbox::logged_in();
    assert_checked(&sandbox, 0, "");
    sandbox.config().age_access_tokens(-60, "management");
    entra.knobs(|knobs| knobs.faults = vec![Fault::refuse(Refusal::Revoked)]);
    sandbox.az(["account", "get-access-token"]).run().exited(1);
    assert_checked(&sandbox, 3, "refused the login of alice");
    entra.knobs(|knobs| knobs.faults.clear());
    sandbox.login(&entra, entra::User::Alice);
    assert_checked(&sandbox, 0, "");
}
