//! Runs in company: an az inside an az, with and without the marker; runs side by side, each in a mount of its own, that
//! learn of what the others renewed and do not end with one another.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use entra::TENANT_A;

use super::{ALICE, BOB, exposure_of, fingerprint, last_look, logged_in, look};
use crate::support::proc::Process;
use crate::support::{Running, Sandbox, Signal, in_shell, wait_until};

/// Moves the fake az aside and puts a script in its place that does `outer` for `az outer`; `FAKE` in it is the fake.
fn with_outer(sandbox: &Sandbox, outer: &str) {
    let fake = sandbox.wrapped_az().with_file_name("fake");
    std::fs::rename(sandbox.wrapped_az(), &fake).unwrap();
    let script = format!("case $1 in outer) shift; {outer};; *) exec FAKE \"$@\";; esac");
    sandbox.make_script(sandbox.wrapped_az(), &script.replace("FAKE", &in_shell(&fake)));
}

fn has_mount(process: Process) -> bool {
    String::from_utf8_lossy(&process.text("mountinfo")).contains(" - tmpfs azward ")
}

#[test]
fn an_az_inside_sees_the_same_secrets() {
    let sandbox = logged_in("private");
    with_outer(&sandbox, "FAKE look && az roll look && FAKE look && az nested look");
    sandbox.az(["outer"]).run().ok().silent();
    let seen: Vec<_> = sandbox.fake_log().into_iter().filter(|line| line["event"] == "look").collect();
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|l| exposure_of(l) == "private" && l["cache"]["refresh_tokens"] == 1), "{seen:?}");
    let fingerprint_of = |place: usize| seen[place]["cache"]["fingerprint"].clone();
    assert!(fingerprint_of(0) != fingerprint_of(1) && fingerprint_of(1) == fingerprint_of(2));
    assert_eq!(fingerprint_of(2), fingerprint_of(3));
    // What the inner one rolled is in the vault.
    assert_eq!(look(&sandbox), ("private".to_owned(), 1));
    assert_eq!(last_look(&sandbox)["cache"]["fingerprint"], fingerprint_of(3));
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn an_az_inside_that_lost_the_marker_neither_sweeps_nor_mounts_again() {
    let sandbox = logged_in("private");
    let log = sandbox.root().join("fake-az.log");
    let poor = format!("env -i PATH=\"$PATH\" HOME=\"$HOME\" FAKE_AZ_LOG='{}' az", log.display());
    let outer =
        format!("{poor} look && {poor} account get-access-token -o json && {poor} roll && {poor} version && FAKE look");
    with_outer(&sandbox, &outer);
    let out = sandbox.az(["outer"]).run().ok().silent().out();
    assert!(out.contains("accessToken") && out.contains("azure-cli"), "{out}");
    let seen: Vec<_> = sandbox.fake_log().into_iter().filter(|line| line["event"] == "look").collect();
    assert!(seen.len() == 2 && seen.iter().all(|line| line["cache"]["refresh_tokens"] == 1), "{seen:?}");
    assert_eq!(exposure_of(&seen[0]), "pass", "it was handed straight on");
    assert_eq!(look(&sandbox), ("private".to_owned(), 1));
    assert_eq!(last_look(&sandbox)["cache"]["fingerprint"], seen[1]["cache"]["fingerprint"]);
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn an_az_outside_that_was_given_the_marker_makes_a_run_of_its_own() {
    let sandbox = logged_in("private");
    let run = sandbox.az(["look", "print", "waiting", "trap", "TERM"]).start();
    run.wait_for("ready");
    let line = last_look(&sandbox);
    let marker = line["environment"]["AZWARD_RUN"].as_str().unwrap();
    sandbox.az(["look", "roll", "look"]).env("AZWARD_RUN", marker).run().ok().silent();
    let own = last_look(&sandbox);
    assert_eq!((exposure_of(&own).as_str(), &own["cache"]["refresh_tokens"]), ("private", &1.into()));
    assert_ne!(own["environment"]["AZWARD_RUN"], marker, "one of its own");
    assert!(has_mount(run.az()) && sandbox.config_as_seen_by(run.az()).refresh_token_count() == 1);
    run.signal(Signal::TERM);
    run.finish();
    // The one that ended last had the older refresh token, and did not bring it back.
    look(&sandbox);
    assert_eq!(last_look(&sandbox)["cache"]["fingerprint"], own["cache"]["fingerprint"]);
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn what_az_stores_is_in_the_vault_before_it_ends() {
    let sandbox = logged_in("private");
    let run = sandbox.az(["roll", "look", "trap", "TERM"]).start();
    run.wait_for("ready");
    let rolled = fingerprint(&sandbox);
    wait_until("another run has it", || {
        look(&sandbox);
        fingerprint(&sandbox) == rolled
    });
    run.signal_group(Signal::KILL);
    run.finish();
    look(&sandbox);
    assert_eq!(fingerprint(&sandbox), rolled);
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn a_run_that_changes_nothing_waits_for_nobody_at_its_end() {
    let sandbox = logged_in("private");
    let run = sandbox.az(["trap", "TERM"]).start();
    run.wait_for("ready");
    let locks = fs::read_dir(sandbox.azward_home().join("vaults")).unwrap().map(|entry| entry.unwrap().path());
    let locks: Vec<_> = locks.filter(|path| path.extension().is_some_and(|ending| ending == "lock")).collect();
    let held = fs::File::open(&locks[0]).unwrap();
    held.lock().unwrap();
    let cache = fs::metadata(sandbox.config().token_cache_path()).unwrap();
    let began = Instant::now();
    run.signal(Signal::TERM);
    run.finish().ok();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let after = fs::metadata(sandbox.config().token_cache_path()).unwrap();
    assert_eq!((after.ino(), after.modified().unwrap()), (cache.ino(), cache.modified().unwrap()));
    drop(held);
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn what_an_unwrapped_az_stores_meanwhile_is_taken_in_by_a_run_that_changes_nothing() {
    let sandbox = logged_in("private");
    let run = sandbox.az(["trap", "TERM"]).start();
    run.wait_for("ready");
    sandbox.plain_az(["login", BOB]).run().ok();
    run.signal(Signal::TERM);
    run.finish().ok();
    sandbox.assert_nothing_in_the_clear();
    assert_eq!(look(&sandbox), ("private".to_owned(), 2));
}

#[test]
fn what_another_run_rolls_comes_to_a_living_one() {
    let sandbox = logged_in("private");
    let run = sandbox.az(["print", "waiting", "trap", "TERM"]).start();
    run.wait_for("ready");
    let az = run.az();
    let token = || sandbox.config_as_seen_by(az).entries("RefreshToken")[0]["secret"].as_str().unwrap().to_owned();
    let before = token();
    for _ in 0..2 {
        sandbox.az(["roll", "write-token", "https://vault.azure.net/.default", "look"]).run().ok().silent();
    }
    let own = sandbox.az(["trap", "TERM"]).start();
    own.wait_for("ready");
    let newest = sandbox.config_as_seen_by(own.az()).entries("RefreshToken")[0]["secret"].clone();
    own.signal(Signal::TERM);
    own.finish();
    assert_ne!(newest, before.as_str());
    wait_until("the living one has the newest", || token() == newest);
    wait_until("the access token too", || sandbox.config_as_seen_by(az).entries("AccessToken").len() == 2);
    run.signal(Signal::TERM);
    run.finish();
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn what_another_process_rotates_comes_to_a_living_run_of_the_real_thing() {
    let (sandbox, entra) = Sandbox::logged_in();
    sandbox.set_exposure("private");
    let stop = sandbox.home().join("stop");
    sandbox.wrap_script("echo running; while [ ! -e \"$HOME/stop\" ]; do sleep 0.05; done");
    let run = sandbox.az(["deployment", "create"]).start();
    run.wait_for("running");
    let seen = sandbox.config_as_seen_by(run.az());
    let refresh_token = || seen.entries("RefreshToken")[0]["secret"].as_str().unwrap().to_owned();
    let old = refresh_token();
    assert!(entra.is_refresh_token_good(&old));
    // Refresh tokens are good for one use here: without the new one the living az would be lost.
    sandbox
        .az(["account", "get-access-token", "--resource", "https://vault.azure.net", "-o", "none"])
        .run()
        .ok()
        .silent();
    assert!(!entra.is_refresh_token_good(&old));
    wait_until("the living run has the new one", || entra.is_refresh_token_good(&refresh_token()));
    let scope = "https://vault.azure.net/.default";
    wait_until("and the access token", || seen.access_token(TENANT_A.id, scope).is_some());
    assert_eq!(sandbox.config().refresh_token_count(), 0, "the real file has none");
    std::fs::write(stop, "").unwrap();
    run.finish().ok().silent();
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn a_run_that_ends_leaves_the_others_their_mounts() {
    let sandbox = logged_in("private");
    let runs: Vec<_> = (0..3).map(|_| sandbox.az(["trap", "TERM"]).start()).collect();
    runs.iter().for_each(|run| run.wait_for("ready"));
    let still = |run: &Running<'_>| {
        let az = run.az();
        assert!(has_mount(az), "its mount is gone");
        assert_eq!(sandbox.config_as_seen_by(az).refresh_token_count(), 1);
        assert_eq!(sandbox.config().refresh_token_count(), 0);
    };
    // Harvests that rewrite the real cache, a login, a logout of that login, a sweep.
    let bob = "bob@fabrikam.example";
    let ways: [&[&str]; 5] =
        [&["roll"], &["write-token", "https://x/.default"], &["login", bob], &["logout", bob], &["version"]];
    for words in ways {
        sandbox.az(words).run().ok().silent();
        runs.iter().for_each(still);
    }
    let mut left = runs;
    while let Some(run) = left.pop() {
        run.signal(Signal::TERM);
        run.finish();
        left.iter().for_each(still);
    }
    assert_eq!(look(&sandbox), ("private".to_owned(), 1));
    assert_eq!(sandbox.config().accounts(), [ALICE]);
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn all_mounts_are_gone_with_their_runs() {
    let sandbox = logged_in("private");
    let place: PathBuf = sandbox.config().token_cache_path();
    assert_eq!(look(&sandbox), ("private".to_owned(), 1));
    let own = Process(std::process::id().cast_signed());
    let mounts = String::from_utf8_lossy(&own.text("mountinfo")).into_owned();
    assert!(!mounts.contains(place.to_str().unwrap()) && !mounts.contains(" - tmpfs azward "), "{mounts}");
    // Nothing of the stage is left either, and azward's own files were never covered.
    let names: Vec<_> = std::fs::read_dir(sandbox.azward_home().join("run")).unwrap().flatten().collect();
    assert!(names.iter().all(|entry| entry.file_name() != "msal_token_cache.json"), "{names:?}");
}

#[test]
fn what_an_unwrapped_az_left_is_taken_in_before_a_run_begins() {
    let sandbox = logged_in("private");
    sandbox.plain_az(["login", "bob@fabrikam.example"]).run().ok();
    assert_eq!(sandbox.config().refresh_token_count(), 1);
    let run = sandbox.az(["trap", "TERM"]).start();
    run.wait_for("ready");
    assert_eq!(sandbox.config().refresh_token_count(), 0, "not for as long as the run takes");
    assert_eq!(sandbox.config_as_seen_by(run.az()).refresh_token_count(), 2);
    run.signal(Signal::TERM);
    run.finish();
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn what_outlives_a_run_makes_runs_of_its_own() {
    let sandbox = logged_in("private");
    let later = "FAKE look; (while [ ! -e \"$HOME/go\" ]; do sleep 0.02; done; az \"$@\"; : >\"$HOME/done\") \
        >\"$HOME/said\" 2>&1 </dev/null &";
    with_outer(&sandbox, &later.replace("FAKE", &in_shell(sandbox.wrapped_az().with_file_name("fake"))));
    for (exposure, words) in [
        ("private", &["look", "roll", "look"][..]),
        ("auto", &["look", "roll", "look"]),
        ("in-place", &["roll", "look"]),
    ] {
        for name in ["go", "done"] {
            let _ = fs::remove_file(sandbox.home().join(name));
        }
        sandbox.set_exposure("private");
        sandbox.az(["outer"]).args(words).run().ok().silent();
        sandbox.assert_nothing_in_the_clear();
        sandbox.set_exposure(exposure);
        fs::write(sandbox.home().join("go"), "").unwrap();
        wait_until("what was left behind has run az", || sandbox.home().join("done").exists());
        assert_eq!(fs::read_to_string(sandbox.home().join("said")).unwrap(), "", "{exposure}");
        assert_eq!(last_look(&sandbox)["cache"]["refresh_tokens"], 1, "{exposure}");
        let rolled = fingerprint(&sandbox);
        // What it got is the login's.
        look(&sandbox);
        assert_eq!(fingerprint(&sandbox), rolled, "{exposure}");
        sandbox.assert_nothing_in_the_clear();
    }
}
