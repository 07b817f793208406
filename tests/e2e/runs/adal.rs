//! An az before 2.30, with ADAL: the real 2.29.2. Its refresh tokens and secrets are sealed, in a file of its own for a run, merged when
//! many run at once, and what is signed out, killed, moved elsewhere, upgraded or uninstalled comes out as its owner means it.

use std::path::PathBuf;
use std::time::Duration;

use entra::{Entra, SERVICE_PRINCIPAL, User};
use rustix::process::{Pid, kill_process};
use serde_json::Value;

use crate::support::adal_az::adal_az;
use crate::support::canary;
use crate::support::proc::Process;
use crate::support::{End, Invocation, Sandbox, SecretService, Signal, State, wait_until};

const TOKEN: [&str; 2] = ["account", "get-access-token"];

/// A box with that az; none where it cannot be had.
fn with_adal() -> Option<(Sandbox, Entra)> {
    let sandbox = Sandbox::new().with_az(adal_az()?);
    let entra = sandbox.start_entra(|_| {});
    Some((sandbox, entra))
}

fn signed_in() -> Option<(Sandbox, Entra)> {
    let (sandbox, entra) = with_adal()?;
    sandbox.login(&entra, User::Alice);
    Some((sandbox, entra))
}

fn file(sandbox: &Sandbox) -> PathBuf {
    sandbox.config_dir().join("accessTokens.json")
}

fn entries(sandbox: &Sandbox) -> Vec<Value> {
    let text = std::fs::read_to_string(file(sandbox)).unwrap_or_else(|_| "[]".to_owned());
    serde_json::from_str(&text).expect("az's file is a list")
}

/// Has access tokens from now on be due at once: ADAL wants five minutes of them.
fn have_all_due(entra: &Entra) {
    entra.knobs(|knobs| knobs.lifetime = 200);
}

fn token_of<'a>(sandbox: &'a Sandbox, resource: &str) -> Invocation<'a> {
    sandbox.az(TOKEN.iter().copied().chain(["--resource", resource, "--query", "accessToken", "-o", "tsv"]))
}

fn listed(sandbox: &Sandbox) -> String {
    sandbox.azward(["list", "--logins"]).run().out()
}

#[test]
fn nothing_is_in_the_clear_and_everything_works() {
    let Some((sandbox, entra)) = signed_in() else { return };
    let alice = format!("{}, of an az before 2.30", User::Alice.username());
    sandbox.assert_nothing_in_the_clear();
    let first = entries(&sandbox);
    assert!(!first.is_empty() && first.iter().all(|entry| entry["refreshToken"] == ""), "{first:?}");
    assert_eq!(listed(&sandbox).matches(&alice).count(), 1, "{}", listed(&sandbox));
    sandbox.az(["group", "list", "--output", "none"]).run().ok().silent();
    let (before, count) = (entra.refreshes(), first.len());
    let token = token_of(&sandbox, "https://vault.azure.net").run().ok().silent().out();
    assert!(entra.access_tokens_issued().contains(&token.trim().to_owned()));
    assert_eq!((entra.refreshes(), entries(&sandbox).len()), (before + 1, count + 1));
    // What was stored is served, and what is due is renewed, with the refresh token that came last.
    assert_eq!(token_of(&sandbox, "https://vault.azure.net").run().ok().out(), token);
    have_all_due(&entra);
    for host in ["batch.core.windows.net", "batch.core.windows.net", "storage.azure.com"] {
        let before = entra.refreshes();
        token_of(&sandbox, &format!("https://{host}")).run().ok();
        assert_eq!(entra.refreshes(), before + 1, "{host}");
    }
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn it_says_what_the_bare_az_says() {
    let Some((sandbox, _entra)) = signed_in() else { return };
    let twin = sandbox.config().copy_to(sandbox.root().join("twin"));
    for words in [&["account", "show"][..], &["account", "list"], &TOKEN, &["account", "get-access-token", "-o", "tsv"]]
    {
        let wrapped = sandbox.az(words).run();
        let bare = sandbox.plain_az(words).env("AZURE_CONFIG_DIR", twin.path()).run();
        assert_eq!((wrapped.out(), wrapped.err(), wrapped.end()), (bare.out(), bare.err(), bare.end()), "{words:?}");
    }
}

#[test]
fn many_at_once_all_succeed_and_nothing_that_they_store_is_lost() {
    let Some((sandbox, entra)) = signed_in() else { return };
    let resources = ["vault.azure.net", "storage.azure.com", "graph.microsoft.com", "batch.core.windows.net"];
    let count = entries(&sandbox).len();
    std::thread::scope(|scope| {
        for host in resources {
            let sandbox = &sandbox;
            scope.spawn(move || token_of(sandbox, &format!("https://{host}")).run().ok());
        }
    });
    assert_eq!(entries(&sandbox).len(), count + resources.len());
    let asked = entra.token_requests();
    for host in resources {
        token_of(&sandbox, &format!("https://{host}")).run().ok();
    }
    assert_eq!(entra.token_requests(), asked);
}

#[test]
fn a_service_principal_s_secret_is_sealed_and_goes_with_a_logout() {
    let Some((sandbox, entra)) = signed_in() else { return };
    let secret = entra.client_secret();
    let own = &SERVICE_PRINCIPAL;
    let login = ["login", "--service-principal", "-u", own.client_id, "-p", secret, "--tenant", own.tenant.id];
    sandbox.az(login).run().ok();
    sandbox.assert_nothing_in_the_clear();
    assert!(listed(&sandbox).contains(&format!("{}, of an az before 2.30", own.client_id)), "{}", listed(&sandbox));
    sandbox.az(["group", "list", "--output", "none"]).run().ok().silent();
    sandbox.az(["logout", "--username", own.client_id]).run().ok();
    assert!(!listed(&sandbox).contains(own.client_id) && listed(&sandbox).contains("alice@"));
    assert!(entries(&sandbox).iter().all(|entry| entry["servicePrincipalId"].is_null()));
    sandbox.az(["account", "clear"]).run().ok();
    assert!(!file(&sandbox).exists() && !listed(&sandbox).contains("alice@"), "{}", listed(&sandbox));
}

#[test]
fn what_an_az_without_azward_did_is_taken_over() {
    let Some((sandbox, entra)) = with_adal() else { return };
    sandbox.plain_login(&entra, User::Alice);
    sandbox.az(["group", "list", "--output", "none"]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
    sandbox.plain_az(["logout"]).run().ok();
    let refused = sandbox.az(["group", "list"]).run();
    assert_eq!(refused.err(), sandbox.plain_az(["group", "list"]).run().err());
    assert!(!listed(&sandbox).contains("alice@"), "{}", listed(&sandbox));
    sandbox.plain_login(&entra, User::Bob);
    sandbox.azward(["scrub"]).run().ok();
    sandbox.assert_nothing_in_the_clear();
    sandbox.az(["group", "list", "--output", "none"]).run().ok();
    token_of(&sandbox, "https://vault.azure.net").run().ok();
}

#[test]
fn an_uninstall_gives_it_back() {
    let Some((sandbox, entra)) = signed_in() else { return };
    have_all_due(&entra);
    sandbox.azward(["install", "--no-modify-path"]).run().ok();
    sandbox.az(["group", "list", "--output", "none"]).run().ok();
    sandbox.expect_clear(sandbox.config_dir());
    sandbox.azward(["uninstall"]).run().ok();
    assert!(
        entries(&sandbox).iter().all(|entry| entry["refreshToken"].as_str().is_some_and(|token| !token.is_empty()))
    );
    sandbox.plain_az(["group", "list", "--output", "none"]).run().ok();
    sandbox.plain_az([TOKEN[0], TOKEN[1], "--resource", "https://vault.azure.net"]).run().ok();
}

#[test]
fn a_file_elsewhere_is_sealed_there_for_whoever_uses_it() {
    let Some((sandbox, entra)) = with_adal() else { return };
    let elsewhere = sandbox.root().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let named = elsewhere.join("tokens.json");
    sandbox.set_env("AZURE_ACCESS_TOKEN_FILE", &named);
    have_all_due(&entra);
    sandbox.login(&entra, User::Alice);
    sandbox.assert_nothing_in_the_clear();
    assert!(named.exists() && !file(&sandbox).exists());
    let other = sandbox.config().copy_to(sandbox.root().join("other"));
    for config_dir in [sandbox.config_dir(), other.path().to_owned()] {
        sandbox.az(["group", "list", "--output", "none"]).env("AZURE_CONFIG_DIR", config_dir).run().ok().silent();
        sandbox.assert_nothing_in_the_clear();
    }
}

#[test]
fn of_a_killed_shim_nothing_stays_in_the_clear_and_nothing_is_lost() {
    let Some((sandbox, entra)) = with_adal() else { return };
    have_all_due(&entra);
    sandbox.login(&entra, User::Alice);
    entra.knobs(|knobs| knobs.arm_delay = Duration::from_secs(2));
    let refreshes = entra.refreshes();
    let running = sandbox.az(["group", "list", "--output", "none"]).start();
    wait_until("it asks", || entra.refreshes() > refreshes);
    running.signal(Signal::KILL);
    running.finish();
    // The guardian waits for az, which stores what it was given.
    wait_until("the guardian is done", || sandbox.guardians().is_empty());
    sandbox.assert_nothing_in_the_clear();
    // The same with nobody left but az, which ends by itself: the next one looks.
    let refreshes = entra.refreshes();
    let running = sandbox.az(["group", "list", "--output", "none"]).start();
    wait_until("it asks", || entra.refreshes() > refreshes);
    let az = running.az();
    for guardian in sandbox.guardians() {
        kill_process(Pid::from_raw(guardian.0).unwrap(), Signal::KILL).unwrap();
    }
    running.signal(Signal::KILL);
    running.finish();
    wait_until("az has ended", || !az.is_alive());
    entra.knobs(|knobs| knobs.arm_delay = Duration::ZERO);
    sandbox.az(["group", "list", "--output", "none"]).run().ok();
}

#[test]
fn whom_a_killed_shim_s_az_has_signed_out_is_forgotten() {
    let Some((sandbox, entra)) = signed_in() else { return };
    sandbox.login(&entra, User::Bob);
    let alice = User::Alice.username();
    let running = sandbox.az(["logout", "--username", alice]).start();
    let is_az = |process: &Process| canary::holds(&process.text("cmdline"), "azure.cli");
    wait_until("az runs", || sandbox.processes().iter().any(is_az));
    running.signal(Signal::KILL);
    running.finish();
    wait_until("the guardian is done", || sandbox.guardians().is_empty());
    assert!(!listed(&sandbox).contains(alice), "{}", listed(&sandbox));
    assert!(listed(&sandbox).contains(User::Bob.username()));
    assert!(entries(&sandbox).iter().all(|entry| entry["userId"] != alice), "{:?}", entries(&sandbox));
}

#[test]
fn what_a_later_az_has_put_away_an_earlier_one_uses_again() {
    let Some((sandbox, _entra)) = signed_in() else { return };
    sandbox.azward(["install", "--no-modify-path"]).run().ok();
    sandbox.expect_clear(sandbox.config_dir());
    sandbox.azward(["uninstall"]).run().ok();
    // An upgrade, and back.
    let later = crate::support::provision::real_az();
    sandbox.az(["account", "list", "--refresh"]).env("AZWARD_REAL_AZ", &later).run();
    assert!(!file(&sandbox).exists(), "{}", listed(&sandbox));
    sandbox.az(["group", "list", "--output", "none"]).run().ok();
    assert!(entries(&sandbox).iter().all(|entry| entry["refreshToken"] == ""));
}

#[test]
fn what_is_no_such_file_stays_what_it_is_to_az() {
    let Some((sandbox, _entra)) = signed_in() else { return };
    for text in ["{\"half", "{}", "[{\"refreshToken\": 1}]"] {
        std::fs::write(file(&sandbox), text).unwrap();
        let wrapped = sandbox.az(["group", "list"]).run();
        let bare = sandbox.plain_az(["group", "list"]).run();
        assert_eq!(wrapped.end(), bare.end(), "{text}");
        assert_eq!(std::fs::read_to_string(file(&sandbox)).unwrap(), text);
    }
}

#[test]
fn a_program_that_azward_runs_has_it_too() {
    let Some((sandbox, entra)) = with_adal() else { return };
    have_all_due(&entra);
    sandbox.login(&entra, User::Alice);
    let line = "az group list -o none && az account get-access-token --resource https://vault.azure.net -o none";
    sandbox.azward(["exec", "--", "sh", "-c", line]).run().ok();
    sandbox.az(["group", "list", "--output", "none"]).run().ok();
}

#[test]
fn a_copied_directory_is_worth_nothing_once_its_access_tokens_are_over() {
    let Some((sandbox, entra)) = with_adal() else { return };
    have_all_due(&entra);
    sandbox.login(&entra, User::Alice);
    let copy = sandbox.config().copy_to(sandbox.root().join("copy"));
    let asked = entra.refreshes();
    let failed = sandbox.plain_az(["group", "list"]).env("AZURE_CONFIG_DIR", copy.path()).run();
    assert_ne!(failed.end(), End::Code(0));
    assert!(failed.err().contains("az login") || entra.refreshes() > asked, "{failed:?}");
    sandbox.az(["group", "list", "--output", "none"]).run().ok();
}

#[test]
fn with_a_locked_keyring_az_runs_and_nothing_is_lost() {
    let Some((sandbox, entra)) = with_adal() else { return };
    have_all_due(&entra);
    let mut service = SecretService::start(&sandbox, State::Unlocked);
    sandbox.login(&entra, User::Alice);
    sandbox.azward(["lock"]).run().ok();
    service.lock();
    let failed = sandbox.az(["group", "list"]).run();
    assert_eq!(failed.end(), End::Code(1));
    assert!(failed.err().contains("the OS keyring is locked"), "{failed:?}");
    // Who signs in meanwhile has it where az puts it, until the vault can take it.
    sandbox.login(&entra, User::Bob);
    sandbox.az(["group", "list", "--output", "none"]).run().ok();
    assert!(!sandbox.is_nothing_in_the_clear());
    service.unlock();
    sandbox.az(["group", "list", "--output", "none"]).run().ok();
    sandbox.assert_nothing_in_the_clear();
    let told = listed(&sandbox);
    assert!([User::Alice, User::Bob].iter().all(|user| told.contains(user.username())), "{told}");
}

#[test]
fn status_says_who_is_signed_in() {
    let Some((sandbox, _entra)) = signed_in() else { return };
    let told = sandbox.azward(["status"]).run().ok().out();
    assert!(told.contains(User::Alice.username()), "{told}");
    assert!(!told.contains("nobody"), "{told}");
    sandbox.azward(["status", "--check"]).run().ok();
}

#[test]
fn whoever_cleared_all_accounts_and_was_killed_is_forgotten() {
    let Some((sandbox, _entra)) = signed_in() else { return };
    assert!(listed(&sandbox).contains(User::Alice.username()));
    // As a shim that was killed leaves it: its az has removed its own file, and the profile lists nobody.
    let profile = sandbox.config_dir().join("azureProfile.json");
    std::fs::write(&profile, "{\"installationId\": \"x\", \"subscriptions\": []}").unwrap();
    sandbox.az(["group", "list"]).run();
    assert!(!listed(&sandbox).contains(User::Alice.username()), "{}", listed(&sandbox));
}

#[test]
fn with_all_tokens_sealed_a_copied_directory_is_worth_nothing_at_once() {
    let Some((sandbox, entra)) = with_adal() else { return };
    sandbox.set("seal", "all-tokens");
    sandbox.login(&entra, User::Alice);
    sandbox.az(["group", "list", "--output", "none"]).run().ok();
    let rest = entries(&sandbox);
    assert!(!rest.is_empty() && rest.iter().all(|entry| entry["accessToken"] == ""), "no access token is in it");
    let copy = sandbox.config().copy_to(sandbox.root().join("copy"));
    let failed = sandbox.plain_az(["group", "list"]).env("AZURE_CONFIG_DIR", copy.path()).run();
    assert_ne!(failed.end(), End::Code(0));
    // What is sealed serves as long as it is good.
    let asked = entra.token_requests();
    sandbox.az(["group", "list", "--output", "none"]).run().ok();
    assert_eq!(entra.token_requests(), asked);
    sandbox.azward(["config", "set", "seal", "refresh-tokens"]).run().ok();
    sandbox.az(["group", "list", "--output", "none"]).run().ok();
    token_of(&sandbox, "https://vault.azure.net").run().ok();
}
