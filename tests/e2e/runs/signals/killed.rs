//! Ends that come at the wrong moment: before az starts, in the middle of a rotation, to the shim alone by SIGKILL, to all.

use std::time::{Duration, Instant};

use super::{assert_kept, logged_in};
use crate::support::{End, Sandbox, Signal, in_shell, wait_until};

/// Waits until the fake az has done its `look`.
fn wait_for_look(sandbox: &Sandbox, looks: usize) {
    let count = || sandbox.fake_log().iter().filter(|line| line["event"] == "look").count();
    wait_until("the fake az looks", || count() == looks);
}

#[test]
fn a_termination_before_az_starts_is_obeyed() {
    let sandbox = logged_in();
    let lock = sandbox.config_dir().join("msal_token_cache.json.lockfile");
    let holder = sandbox.plain_az(["hold-lock", "2000"]).start();
    wait_until("MSAL's lock is taken", || lock.exists());
    let az = sandbox.az(["print", "never"]).start();
    std::thread::sleep(Duration::from_millis(400));
    az.signal(Signal::TERM);
    let outcome = az.finish();
    assert_eq!((outcome.end(), outcome.out().as_str()), (End::Signal(15), ""));
    holder.finish().ok();
    assert_kept(&sandbox);
}

/// An az that is left the rotation to (it is told to verify no certificate), takes its time with it, and says that it is
/// at it in `$HOME/rotating`.
fn with_slow_rotation(sandbox: Sandbox) -> Sandbox {
    sandbox.set_env("AZURE_CLI_DISABLE_CONNECTION_VERIFICATION", "1");
    let real = sandbox.root().join("real/az");
    let fake = sandbox.root().join("real/fake");
    std::fs::rename(&real, &fake).unwrap();
    let script = "case \"$*\" in *--only-show-errors) : >\"$HOME/rotating\"; exec sleep 20;; esac";
    sandbox.make_script(&real, &format!("{script}\nexec {} \"$@\"", in_shell(&fake)));
    sandbox
}

#[test]
fn a_termination_during_a_rotation_leaves_the_old_token_in_place() {
    let sandbox = with_slow_rotation(logged_in());
    sandbox.config().age_access_tokens(600, "management");
    let before = sandbox.config().entries("AccessToken");
    for signal in [Signal::TERM, Signal::INT] {
        let az = sandbox.az(["print", "never"]).start();
        wait_until("the rotation is under way", || sandbox.home().join("rotating").exists());
        std::fs::remove_file(sandbox.home().join("rotating")).unwrap();
        az.signal(signal);
        let sent = Instant::now();
        let group = az.pid();
        let outcome = az.finish();
        assert_eq!((outcome.end(), outcome.out().as_str()), (End::Signal(signal.as_raw()), ""));
        assert!(sent.elapsed() < Duration::from_secs(6), "{:?}", sent.elapsed());
        assert!(rustix::process::test_kill_process_group(group).is_err(), "the rotation's az is gone too");
        assert_eq!(sandbox.config().entries("AccessToken"), before);
        sandbox.assert_nothing_in_the_clear();
    }
    // What looks like a rotation goes straight through now.
    sandbox.config().age_access_tokens(2000, "management");
    assert_kept(&sandbox);
}

/// Waits until the guardian has cleaned up, with no further invocation.
fn wait_for_guardian(sandbox: &Sandbox) {
    wait_until("the guardian cleans up", || sandbox.is_nothing_in_the_clear());
}

#[test]
fn what_az_rolls_after_the_shim_was_killed_is_stored_by_the_guardian() {
    for exposure in ["private", "memory", "in-place"] {
        let sandbox = logged_in();
        sandbox.set_exposure(exposure);
        let az = sandbox.az(["look", "sleep", "1500", "roll", "look"]).start();
        wait_for_look(&sandbox, 1);
        az.signal(Signal::KILL);
        // az still has the pipes, and its caller hears it out.
        assert_eq!(az.finish().end(), End::Signal(9));
        wait_for_look(&sandbox, 2);
        let rolled = sandbox.fake_log().pop().unwrap()["cache"]["fingerprint"].clone();
        wait_for_guardian(&sandbox);
        sandbox.az(["look"]).run().ok().silent();
        assert_eq!(sandbox.fake_log().pop().unwrap()["cache"]["fingerprint"], rolled, "{exposure}");
        assert_kept(&sandbox);
    }
}

#[test]
fn a_killed_group_is_cleaned_up_after() {
    let sandbox = logged_in();
    for exposure in ["private", "memory", "in-place"] {
        sandbox.set_exposure(exposure);
        let looks = sandbox.fake_log().iter().filter(|line| line["event"] == "look").count();
        let az = sandbox.az(["roll", "look", "sleep", "20000"]).start();
        wait_for_look(&sandbox, looks + 1);
        az.signal_group(Signal::KILL);
        assert_eq!(az.finish().end(), End::Signal(9));
        wait_for_guardian(&sandbox);
        assert_kept(&sandbox);
    }
    // In the middle of a rotation only the access token that was set aside is lost.
    let sandbox = with_slow_rotation(sandbox);
    sandbox.config().age_access_tokens(600, "management");
    let az = sandbox.az(["print", "never"]).start();
    wait_until("the rotation is under way", || sandbox.home().join("rotating").exists());
    az.signal_group(Signal::KILL);
    assert_eq!(az.finish().end(), End::Signal(9));
    wait_for_guardian(&sandbox);
    sandbox.az(["account", "get-access-token"]).run().ok().silent();
    sandbox.az(["look"]).run().ok().silent();
    assert_kept(&sandbox);
}
