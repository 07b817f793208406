//! An uninstall, an install or another uninstall beside any number of az.

#![cfg(target_os = "linux")]

use std::fs;
use std::time::Duration;

use entra::User;

use crate::alone;
use crate::support::installed::{assert_given_back, installed, logged_in, script, walk};
use crate::support::{Outcome, Running, Sandbox, in_shell, wait_until};

/// How often each race is run.
const RACES: u64 = 16;

/// Keeps running az, as a caller would who looks it up each time, until the file `stop` is there.
fn keep_running<'a>(sandbox: &'a Sandbox, line: &str) -> Running<'a> {
    sandbox
        .shell(&format!(
            "while [ ! -e {} ]; do env {line} >/dev/null 2>&1; done",
            in_shell(sandbox.root().join("stop"))
        ))
        .start()
}

fn stop(sandbox: &Sandbox, loops: Vec<Running<'_>>) {
    fs::write(sandbox.root().join("stop"), "").unwrap();
    loops.into_iter().for_each(|running| drop(running.finish()));
    wait_until("no guardian is left", || sandbox.guardians().is_empty());
}

/// Uninstalls, however often it takes: while an az is running it refuses, and has then changed nothing.
fn uninstall(sandbox: &Sandbox) {
    let refused = |outcome: &Outcome| !outcome.status.success();
    let outcome = (0..10).map(|_| script(sandbox, "uninstall.sh").run()).find(|outcome| {
        assert!(!refused(outcome) || outcome.err().contains("an az is running"), "{outcome:?}");
        !refused(outcome)
    });
    outcome.expect("once nobody is at work");
}

#[test]
fn an_uninstall_beside_any_az_loses_no_login() {
    let _alone = alone();
    for race in 0..RACES {
        let sandbox = logged_in();
        sandbox.set_exposure(["private", "memory", "in-place"][usize::try_from(race % 3).unwrap()]);
        // In the clear as soon as the uninstall has given it back, or while az runs in place.
        sandbox.expect_clear(sandbox.config().token_cache_path());
        let lines = ["az version", "az account get-access-token", "az sleep 20 roll", "az account show"];
        let loops = lines.map(|line| keep_running(&sandbox, line)).into();
        std::thread::sleep(Duration::from_millis(40 + 23 * race));
        uninstall(&sandbox);
        std::thread::sleep(Duration::from_millis(100));
        stop(&sandbox, loops);
        assert_given_back(&sandbox);
    }
}

#[test]
fn an_answer_in_flight_is_waited_for() {
    let _alone = alone();
    let sandbox = installed(Sandbox::new().with_real_az());
    // Each is good for one use, so one that is given back after it was spent is worth nothing.
    let entra = sandbox.start_entra(|knobs| knobs.rolling = entra::Rolling::Strict);
    sandbox.login(&entra, User::Alice);
    entra.knobs(|knobs| {
        knobs.faults =
            vec![entra::Fault::new(entra::Trouble::Delay(Duration::from_millis(1500))).for_grant("refresh_token")];
    });
    let refreshes = entra.refreshes();
    let answer = sandbox.az(["account", "get-access-token", "--resource", "https://vault.azure.net"]).start();
    wait_until("the endpoint was asked", || {
        entra.journal().iter().any(|r| r.grant_type.as_deref() == Some("refresh_token"))
            || entra.refreshes() > refreshes
    });
    uninstall(&sandbox);
    answer.finish().ok();
    entra.knobs(|knobs| knobs.faults.clear());
    sandbox.expect_clear(sandbox.config().token_cache_path());
    assert!(!sandbox.azward_home().exists());
    let storage = ["account", "get-access-token", "--resource", "https://storage.azure.com"];
    sandbox.plain_az(storage).run().ok();
}

#[test]
fn installs_and_uninstalls_side_by_side_end_as_one_of_them() {
    let _alone = alone();
    for race in 0..RACES {
        let sandbox = logged_in();
        sandbox.expect_clear(sandbox.config().token_cache_path());
        let first = script(&sandbox, "uninstall.sh").start();
        std::thread::sleep(Duration::from_millis(3 * race));
        let second = script(&sandbox, if race % 2 == 0 { "install.sh" } else { "uninstall.sh" }).start();
        for running in [first, second] {
            let outcome = running.finish();
            // An uninstall that comes right behind an install undoes it before that is done.
            let is_undone = outcome.err().starts_with("azward: azward was uninstalled from ");
            let is_told = outcome.err().contains("nothing is installed") || (is_undone && race % 2 == 0);
            assert!(outcome.status.success() || is_told, "{outcome:?}");
        }
        let is_given_back = sandbox.config().refresh_token_count() == 1;
        if sandbox.azward_home().join("bin/az").exists() {
            assert!(race % 2 == 0);
            // The login is where the next az has it.
            sandbox.az(["account", "get-access-token"]).run().ok();
            sandbox.assert_nothing_in_the_clear();
            uninstall(&sandbox);
        } else {
            assert!(is_given_back, "{:?}", walk(&sandbox.azward_home()));
        }
        assert_given_back(&sandbox);
    }
}
