//! Where the tokens of managed identities are, and when they are gone.

use std::fs;

use entra::{SERVICE_PRINCIPAL, TENANT_A, USER_IDENTITY, User};

use super::{TOKEN, answered, earn, files_with, requests, sandbox, sealed, sign_in, signed_in};
use crate::support::schema::assert_documented;
use crate::support::{Invocation, Sandbox};

const VAULT: [&str; 2] = ["--resource", "https://vault.azure.net"];

/// Asserts that no file of the box has any of the tokens that were ever given.
#[track_caller]
fn assert_sealed(sandbox: &Sandbox, entra: &entra::Entra) {
    for token in entra.access_tokens_issued() {
        let signature = token.rsplit('.').next().unwrap();
        let found = files_with(sandbox.root(), signature);
        assert!(found.is_empty(), "{found:?}");
    }
}

#[test]
fn no_token_is_on_the_disk_in_the_clear_and_a_copied_directory_gives_az_nothing() {
    let (sandbox, entra, _instance) = signed_in();
    answered(&sandbox, &entra, &[], 0);
    answered(&sandbox, &entra, &VAULT, 1);
    assert_eq!(sealed(&sandbox).len(), 1);
    assert_sealed(&sandbox, &entra);
    let copy = sandbox.config().copy_to(sandbox.root().join("copy"));
    // On a machine that is not this one.
    let elsewhere = |az: Invocation<'_>| {
        az.env("AZURE_CONFIG_DIR", copy.path()).env("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9").run()
    };
    elsewhere(sandbox.plain_az(TOKEN)).exited(1);
    // And azward has nothing for it either.
    elsewhere(sandbox.az(TOKEN)).exited(1);
    assert_sealed(&sandbox, &entra);
}

#[test]
fn who_signs_out_takes_the_tokens_along() {
    for words in [&["logout"][..], &["account", "clear"], &["logout", "--username", "systemAssignedIdentity"]] {
        let (sandbox, entra, _instance) = signed_in();
        answered(&sandbox, &entra, &VAULT, 1);
        sandbox.az(words).run().ok();
        assert!(sealed(&sandbox).is_empty(), "{words:?}");
        sandbox.az(TOKEN).run().exited(1);
        // And who signs in again begins anew.
        sign_in(&sandbox, &[]);
        answered(&sandbox, &entra, &VAULT, 1);
        // By an az alone.
        sandbox.plain_az(words).run().ok();
        sandbox.az(["version"]).run().ok();
        assert!(sealed(&sandbox).is_empty(), "{words:?}");
    }
}

#[test]
fn what_is_forgotten_is_gone_and_the_endpoint_is_asked_again() {
    for all in [false, true] {
        let (sandbox, entra, _instance) = signed_in();
        answered(&sandbox, &entra, &VAULT, 1);
        assert_eq!(sealed(&sandbox).len(), 1);
        let directory = sandbox.config_dir();
        let which = if all { "--all".as_ref() } else { directory.as_os_str() };
        let forget = || sandbox.azward(["forget".as_ref(), "--yes".as_ref(), which]).run();
        let said = forget().ok();
        assert!(said.out().contains("dropped the access tokens"), "{said:?}");
        assert!(sealed(&sandbox).is_empty());
        assert_eq!(forget().status.code(), Some(if all { 0 } else { 2 }));
        answered(&sandbox, &entra, &VAULT, 1);
    }
}

#[test]
fn another_identity_in_its_place_gets_a_token_of_its_own() {
    let (sandbox, entra, _instance) = signed_in();
    let own = answered(&sandbox, &entra, &[], 0).token();
    sign_in(&sandbox, &["--client-id", USER_IDENTITY.client_id]);
    let other = answered(&sandbox, &entra, &[], 1).token();
    assert_ne!(own, other);
    assert_eq!(answered(&sandbox, &entra, &[], 0).token(), other);
}

#[test]
fn a_person_and_a_principal_beside_it_are_served_as_ever() {
    let (sandbox, entra, _instance) = signed_in();
    sandbox.login(&entra, User::Bob);
    entra.clear_journal();
    sandbox.az(TOKEN).run().ok().silent();
    assert!(requests(&entra).is_empty());
    sandbox.az(["logout", "--username", User::Bob.username()]).run().ok();
    sandbox.az(["account", "set", "--subscription", entra::SUBSCRIPTION_1.id]).run().ok();
    answered(&sandbox, &entra, &[], 1);
    let secret = ["--tenant", TENANT_A.id, "--password", entra.client_secret()];
    let words = ["login", "--service-principal", "--username", SERVICE_PRINCIPAL.client_id];
    sandbox.az(words).args(secret).run().ok();
    assert!(sealed(&sandbox).is_empty());
    sandbox.az(TOKEN).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn an_uninstall_takes_the_tokens_along() {
    let (sandbox, entra, _instance) = signed_in();
    sandbox.azward(["install", "--no-modify-path"]).run().ok();
    answered(&sandbox, &entra, &VAULT, 1);
    assert_eq!(sealed(&sandbox).len(), 1);
    sandbox.azward(["uninstall"]).run().ok();
    assert!(!sandbox.azward_home().exists(), "{:?}", fs::read_dir(sandbox.azward_home()).map(Iterator::count));
    assert_sealed(&sandbox, &entra);
    sandbox.plain_az(TOKEN).run().ok().silent();
}

#[test]
fn a_file_that_does_not_open_costs_a_request() {
    let (sandbox, entra, _instance) = signed_in();
    answered(&sandbox, &entra, &[], 0);
    let path = sealed(&sandbox).remove(0);
    for bytes in [&b""[..], b"foreign", &fs::read(&path).unwrap()[..40]] {
        fs::write(&path, bytes).unwrap();
        answered(&sandbox, &entra, &[], 1);
        answered(&sandbox, &entra, &[], 0);
    }
    fs::remove_file(&path).unwrap();
    answered(&sandbox, &entra, &[], 1);
    // Where it cannot be kept it is answered all the same.
    let tokens = path.parent().unwrap();
    fs::remove_dir_all(tokens).unwrap();
    fs::write(tokens, "").unwrap();
    answered(&sandbox, &entra, &[], 1);
    answered(&sandbox, &entra, &[], 1);
    fs::remove_file(tokens).unwrap();
    answered(&sandbox, &entra, &[], 1);
    answered(&sandbox, &entra, &[], 0);
}

#[test]
fn azward_s_own_commands_know_it() {
    let (sandbox, entra, _instance) = sandbox();
    sign_in(&sandbox, &[]);
    let status = sandbox.azward(["status"]).run().ok();
    assert!(status.out().contains("managed identity"), "{status:?}");
    sandbox.azward(["status", "--check"]).run().ok();
    earn(&sandbox);
    entra.clear_journal();
    let token = sandbox.azward(["token"]).run().ok().out();
    assert_eq!(answered(&sandbox, &entra, &["--query", "accessToken", "-o", "tsv"], 0).out(), token);
    let other = sandbox.azward(["token", "--resource", "https://vault.azure.net"]).run().ok().out();
    assert_eq!(
        answered(&sandbox, &entra, &[&VAULT[..], &["--query", "accessToken", "-o", "tsv"]].concat(), 0).out(),
        other
    );
    let kept = sandbox.azward(["refresh"]).run().ok();
    assert!(kept.out().contains("the endpoint still gives the one that it keeps"), "{kept:?}");
    entra.knobs(|knobs| knobs.instance_keeps = false);
    let said = sandbox.azward(["refresh", "--all"]).run().ok();
    assert_eq!(said.out().matches("a new token for").count(), 2, "{said:?}");
    assert_ne!(answered(&sandbox, &entra, &["--query", "accessToken", "-o", "tsv"], 0).out(), token);
    let said = sandbox.azward(["status"]).run().ok();
    assert!(said.out().contains("answered by azward"), "{said:?}");
    let said = sandbox.azward(["status", "--json"]).run().json();
    assert_documented("azward status --json", &said);
    assert_eq!((&said["managed_identity"]["identity"], &said["managed_identity"]["kept"]), (&"MSI".into(), &2.into()));
}
