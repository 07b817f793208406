//! An AD FS in the place of Entra ID, as Azure Stack has it: tokens are filed under `adfs`, whatever the tenant is, and accounts
//! have no tenant either. azward does not speak to one: the real az does, when a token is due.

use std::fs;

use entra::{Entra, Fault, Refusal, TENANT_B, User};
use serde_json::Value;

use crate::support::Sandbox;
use crate::support::native::{ARM_SCOPE, assert_same};

const TOKEN: [&str; 2] = ["account", "get-access-token"];

/// A box in which bob is logged in to an AD FS.
fn logged_in() -> (Sandbox, Entra) {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|_| {});
    let clouds = sandbox.config_dir().join("clouds.config");
    let text = fs::read_to_string(&clouds).unwrap();
    let here = format!("endpoint_active_directory = {}", entra.origin());
    fs::write(&clouds, text.replace(&format!("{here}\n"), &format!("{here}/adfs\n"))).unwrap();
    sandbox.login(&entra, User::Bob);
    (sandbox, entra)
}

fn arm_token(sandbox: &Sandbox) -> Value {
    sandbox.config().access_token("adfs", ARM_SCOPE).expect("a token for Resource Manager")["secret"].clone()
}

fn age(sandbox: &Sandbox, entra: &Entra, seconds: i64) {
    sandbox.config().age_access_tokens(seconds, "management");
    entra.clear_journal();
}

#[test]
fn its_login_is_sealed_and_its_tokens_are_answered() {
    let (sandbox, entra) = logged_in();
    let accounts = sandbox.config().entries("Account");
    assert!(
        accounts.iter().all(|account| account["realm"] == "adfs" && account["authority_type"] == "ADFS"),
        "{accounts:?}"
    );
    assert!(!accounts[0]["home_account_id"].as_str().unwrap().contains('.'), "{accounts:?}");
    sandbox.assert_nothing_in_the_clear();
    let listed = sandbox.azward(["list", "--logins"]).run().ok().out();
    assert!(listed.contains(User::Bob.username()), "{listed}");
    entra.clear_journal();
    for words in [&[][..], &["--tenant", TENANT_B.id], &["-o", "tsv", "--query", "tenant"]] {
        let (answer, deeds) = sandbox.deeds_of(|| sandbox.az(TOKEN).args(words).run().ok().silent());
        assert_eq!(deeds, ["answer"], "{words:?}");
        assert_same(&answer, &sandbox.plain_az(TOKEN).args(words).run());
    }
    assert_eq!(entra.refreshes(), 0);
    sandbox.az(TOKEN).args(["--resource", "https://one.example"]).run().ok().silent();
    sandbox.az(["group", "list"]).run().ok().silent();
    assert_eq!(entra.refreshes(), 1);
    sandbox.az(["logout"]).run().ok();
    let listed = sandbox.azward(["list", "--logins"]).run().ok().out();
    assert!(!listed.contains(User::Bob.username()), "{listed}");
}

#[test]
fn what_is_due_there_the_real_az_renews() {
    let (sandbox, entra) = logged_in();
    let last_rotation =
        || sandbox.journal().into_iter().rfind(|line| line["deed"] == "rotation").unwrap()["outcome"].clone();
    for words in [&["group", "list", "-o", "none"][..], &TOKEN] {
        age(&sandbox, &entra, 19 * 60);
        let old = arm_token(&sandbox);
        sandbox.az(words).run().ok().silent();
        assert_eq!((last_rotation(), entra.refreshes()), ("renewed by the real az".into(), 1), "{words:?}");
        assert_ne!(arm_token(&sandbox), old);
        sandbox.assert_nothing_in_the_clear();
    }
    // One that is not due is answered, and a refusal leaves what there is.
    entra.clear_journal();
    sandbox.az(TOKEN).run().ok().silent();
    assert!(entra.journal().is_empty());
    age(&sandbox, &entra, 19 * 60);
    entra.knobs(|knobs| knobs.faults = vec![Fault::refuse(Refusal::Expired)]);
    let old = arm_token(&sandbox);
    sandbox.az(TOKEN).run().ok();
    assert_eq!(arm_token(&sandbox), old);
    let status = sandbox.azward(["status"]).run().ok().out();
    assert!(status.contains("by the real az, because its authority is not Entra ID's own"), "{status}");
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn the_real_az_is_asked_for_that_token_alone_and_the_endpoint_by_nobody_else() {
    let (sandbox, entra) = logged_in();
    let log = sandbox.root().join("log");
    sandbox.wrap_script(&format!("echo \"$*\" >>'{}'", log.display()));
    age(&sandbox, &entra, 19 * 60);
    sandbox.az(["group", "list"]).run().ok();
    let last = sandbox.journal().into_iter().rfind(|line| line["deed"] == "rotation").unwrap()["outcome"].clone();
    assert_eq!((last, entra.journal()), ("renewed by the real az".into(), vec![]));
    let asked = fs::read_to_string(&log).unwrap();
    assert_eq!(asked, "account get-access-token --output none --only-show-errors\ngroup list\n");
}
