//! A long run's token is renewed while it runs, where the running az finds it; and the run ends when az does.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use entra::{Entra, Fault, Refusal, TENANT_A, Trouble};

use crate::support::{ConfigDir, LOUD, Running, Sandbox, Signal, wait_until};

const ARM_SCOPE: &str = "https://management.core.windows.net//.default";

/// A box in which alice is logged in, and behind the shim an az that waits for the file `stop`, up to a minute.
fn logged_in() -> (Sandbox, Entra, PathBuf) {
    let (sandbox, entra) = Sandbox::logged_in();
    let stop = sandbox.root().join("stop");
    let path = stop.display();
    sandbox.wrap_script(&format!(
        "echo running; i=0; while [ ! -e '{path}' ] && [ $i -lt 600 ]; do sleep 0.1; i=$((i+1)); done; exit 6"
    ));
    (sandbox, entra, stop)
}

/// A run that began a few seconds before its token is due.
fn start<'a>(sandbox: &'a Sandbox, entra: &Entra) -> Running<'a> {
    sandbox.config().age_access_tokens(20 * 60 + 3, "management");
    entra.clear_journal();
    let run = sandbox.az(["deployment", "create"]).start();
    run.wait_for("running");
    run
}

/// The access token for Resource Manager and the refresh token; no text for one that is not there.
fn secrets(config: &ConfigDir) -> (String, String) {
    let text = |entry: &serde_json::Value| entry["secret"].as_str().unwrap().to_owned();
    let refresh_token = config.entries("RefreshToken").first().map(text).unwrap_or_default();
    (text(&config.access_token(TENANT_A.id, ARM_SCOPE).unwrap()), refresh_token)
}

/// That the refresh token in the vault is the one that the endpoint takes, and that no file has it.
#[track_caller]
fn assert_login_is_kept(sandbox: &Sandbox, entra: &Entra) {
    sandbox.assert_nothing_in_the_clear();
    sandbox.wrap_script(LOUD);
    entra.knobs(|knobs| knobs.faults.clear());
    entra.clear_journal();
    sandbox.az(["account", "get-access-token", "--resource", "https://vault.azure.net"]).run().ok().silent();
    assert_eq!(entra.refreshes(), 1);
}

/// `read` says what the running az sees; the real file is the sandbox's.
fn finds_a_fresh_token(exposure: &str, read: impl Fn(&Sandbox, &Running<'_>) -> ConfigDir) {
    let (sandbox, entra, stop) = logged_in();
    sandbox.set_exposure(exposure);
    let run = start(&sandbox, &entra);
    let seen = read(&sandbox, &run);
    let is_in_place = seen.path() == sandbox.config_dir();
    let (old_access, old_refresh) = secrets(&seen);
    assert!(entra.is_refresh_token_good(&old_refresh) && entra.journal().is_empty());
    let modified = || seen.token_cache_path().metadata().unwrap().modified().unwrap();
    let before = modified();
    wait_until("the token is renewed", || entra.refreshes() == 1);
    wait_until("the run has it", || secrets(&seen).0 != old_access && secrets(&seen).1 != old_refresh);
    let (access, refresh) = secrets(&seen);
    assert_eq!(entra.access_tokens_issued().last(), Some(&access));
    assert!(entra.is_refresh_token_good(&refresh), "az could go on with what is in the file");
    assert!(!entra.is_refresh_token_good(&old_refresh));
    assert!(modified() > before, "MSAL reads it again");
    assert_eq!(sandbox.config().refresh_token_count(), usize::from(is_in_place));
    // A fresh token is left alone.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(entra.refreshes(), 1);
    fs::write(stop, "").unwrap();
    let outcome = run.finish().exited(6);
    assert_eq!((outcome.out().as_str(), outcome.err().as_str()), ("running\n", ""));
    assert_eq!((sandbox.deeds("rotation"), sandbox.deeds("run")), (1, 2));
    assert_login_is_kept(&sandbox, &entra);
}

#[test]
fn a_run_finds_a_fresh_token_before_its_own_expires() {
    finds_a_fresh_token("in-place", |sandbox, _| sandbox.config());
}

#[cfg(target_os = "linux")]
#[test]
fn a_private_run_finds_a_fresh_token_before_its_own_expires() {
    finds_a_fresh_token("private", |sandbox, run| sandbox.config_as_seen_by(run.az()));
}

#[test]
fn a_token_that_lives_ten_minutes_is_renewed_when_half_of_them_are_over() {
    let (sandbox, entra, stop) = logged_in();
    entra.knobs(|knobs| knobs.lifetime = 600);
    sandbox.config().age_access_tokens(-60, "management");
    entra.clear_journal();
    let run = sandbox.az(["deployment", "create"]).start();
    run.wait_for("running");
    let answer = || sandbox.az(["account", "get-access-token"]).run().ok().silent().token();
    let first = answer();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!((entra.refreshes(), answer()), (1, first.clone()), "by the run, and by nobody after it");
    sandbox.config().age_access_tokens(305, "management");
    assert_eq!((answer(), entra.refreshes()), (first.clone(), 1));
    sandbox.config().age_access_tokens(299, "management");
    assert_ne!(answer(), first);
    assert_eq!(entra.refreshes(), 2);
    fs::write(stop, "").unwrap();
    run.finish().exited(6);
    assert_login_is_kept(&sandbox, &entra);
}

#[test]
fn what_is_denied_is_not_asked_for_again_and_again() {
    let (sandbox, entra, stop) = logged_in();
    entra.knobs(|knobs| knobs.faults = vec![Fault::refuse(Refusal::MfaRequired)]);
    let run = start(&sandbox, &entra);
    let old = secrets(&sandbox.config());
    wait_until("it is asked for", || entra.refreshes() == 1);
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!((entra.refreshes(), secrets(&sandbox.config())), (1, old));
    fs::write(&stop, "").unwrap();
    let stopped = std::time::Instant::now();
    run.finish().exited(6).err();
    assert!(stopped.elapsed() < Duration::from_secs(2), "{:?}", stopped.elapsed());
    assert_login_is_kept(&sandbox, &entra);
}

#[test]
fn a_run_ends_when_az_does() {
    let (sandbox, entra, stop) = logged_in();
    // With a token that is good for long there is nothing to do but wait.
    let run = sandbox.az(["deployment", "create"]).start();
    run.wait_for("running");
    fs::write(&stop, "").unwrap();
    let stopped = std::time::Instant::now();
    run.finish().exited(6);
    assert!(stopped.elapsed() < Duration::from_secs(1), "{:?}", stopped.elapsed());
    fs::remove_file(&stop).unwrap();
    // A request that is under way is awaited, for what it brings must not be lost, but not for long.
    entra.knobs(|knobs| knobs.faults = vec![Fault::new(Trouble::DelayAnswer(Duration::from_secs(2)))]);
    let run = start(&sandbox, &entra);
    wait_until("it is asked for", || entra.refreshes() == 1);
    fs::write(&stop, "").unwrap();
    let stopped = std::time::Instant::now();
    run.finish().exited(6);
    assert!(stopped.elapsed() < Duration::from_secs(4), "{:?}", stopped.elapsed());
    assert_login_is_kept(&sandbox, &entra);
}

#[test]
fn a_run_that_is_killed_in_the_middle_loses_nothing() {
    let (sandbox, entra, stop) = logged_in();
    let run = start(&sandbox, &entra);
    let old = secrets(&sandbox.config());
    wait_until("the run has a fresh token", || entra.refreshes() == 1 && secrets(&sandbox.config()).0 != old.0);
    run.signal_group(Signal::KILL);
    drop(run);
    fs::write(stop, "").unwrap();
    // The next invocation sweeps; or, where what was killed is still on its way out by then, the guardian.
    sandbox.az(["account", "get-access-token", "-o", "none"]).run().ok().silent();
    wait_until("somebody sweeps", || sandbox.is_nothing_in_the_clear());
    assert_login_is_kept(&sandbox, &entra);
}
