//! Signals and ends: whoever signals the shim, its process group or its terminal meets az, and what became of az is what
//! becomes of the shim. Whatever ends a run, nothing stays in the clear after the next command, and the login is kept.

#![cfg(target_os = "linux")]

mod killed;
mod terminal;
mod waiting;

use crate::support::fake_az::{ALICE, logged_in};
use crate::support::{End, Running, Sandbox, Signal};

/// Fails unless nothing is in the clear and the next az gets the refresh token that the last one left.
fn assert_kept(sandbox: &Sandbox) {
    sandbox.assert_nothing_in_the_clear();
    let last = fingerprint(sandbox);
    sandbox.az(["look", "roll", "look"]).run().ok().silent();
    let log = sandbox.fake_log();
    let seen = &log[log.len() - 2]["cache"];
    assert_eq!(seen["refresh_tokens"], 1, "{seen}");
    assert!(
        last.is_none() || seen["fingerprint"].as_str() == last.as_deref(),
        "not the newest token: {seen}, {last:?}"
    );
    sandbox.assert_nothing_in_the_clear();
}

/// Which refresh token an az saw or left last.
fn fingerprint(sandbox: &Sandbox) -> Option<String> {
    let log = sandbox.fake_log();
    let last = log.iter().rfind(|line| line["event"] == "look")?;
    last["cache"]["fingerprint"].as_str().map(str::to_owned)
}

#[test]
fn exit_codes_are_those_of_az() {
    let sandbox = logged_in();
    for code in [0, 1, 2, 3, 127, 255] {
        sandbox.az(["exit", &code.to_string()]).run().exited(code).silent();
        // The same for a command that is passed.
        sandbox.az(["version"]).env("FAKE_AZ_DO", format!("exit {code}")).run().exited(code).silent();
    }
    assert_kept(&sandbox);
}

#[test]
fn a_death_by_a_signal_is_the_shim_s_death_too() {
    let sandbox = logged_in();
    let signals =
        [("TERM", 15), ("KILL", 9), ("INT", 2), ("QUIT", 3), ("HUP", 1), ("FPE", 8), ("ABRT", 6), ("USR1", 10)];
    for (name, number) in signals {
        let line = format!("ulimit -c 0; exec \"$0\" look roll look die {name}");
        assert_eq!(sandbox.az([""; 0]).in_script(&line).run().silent().end(), End::Signal(number), "{name}");
        assert_kept(&sandbox);
    }
}

#[test]
fn what_is_sent_to_the_shim_reaches_az_once() {
    let sandbox = logged_in();
    let az = sandbox.az(["trap", "TERM"]).start();
    az.wait_for("ready");
    for (signal, name) in [(Signal::HUP, "HUP"), (Signal::USR1, "USR1"), (Signal::USR2, "USR2"), (Signal::TERM, "TERM")]
    {
        az.signal(signal);
        az.wait_for(name);
    }
    assert_eq!(az.finish().ok().silent().out(), "ready\nHUP\nUSR1\nUSR2\nTERM\n");
    assert_kept(&sandbox);
}

#[test]
fn what_az_does_not_handle_ends_it_and_then_the_shim() {
    let sandbox = logged_in();
    for (signal, number) in [(Signal::TERM, 15), (Signal::HUP, 1), (Signal::USR1, 10), (Signal::ALARM, 14)] {
        let az = sandbox.az(["print", "going", "sleep", "20000"]).start();
        az.wait_for("going");
        az.signal(signal);
        assert_eq!(az.finish().end(), End::Signal(number));
        assert_kept(&sandbox);
    }
}

#[test]
fn an_interrupted_group_ends_with_az_s_own_outcome() {
    let sandbox = logged_in();
    let az = sandbox.az(["print", "going", "sleep", "20000"]).start();
    az.wait_for("going");
    az.signal_group(Signal::INT);
    assert_eq!(az.finish().end(), End::Signal(2));
    // An az that cleans up first is waited for, and its exit code is its own.
    let trap = "trap 'sleep 0.3; echo clean; exit 5' INT; echo going; for n in $(seq 1200); do sleep 0.05; done";
    let slow = Sandbox::new().with_script_az(trap);
    let az = slow.az(["group", "list"]).start();
    az.wait_for("going");
    az.signal_group(Signal::INT);
    assert_eq!(az.finish().exited(5).out(), "going\nclean\n");
    assert_kept(&sandbox);
}

#[test]
fn az_ignores_and_blocks_what_it_would_without_us() {
    let sandbox = Sandbox::new().with_script_az("grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status");
    let changes = [
        "--default-signal",
        "--ignore-signal=INT,QUIT",
        "--ignore-signal=TERM,HUP,USR1,USR2",
        "--ignore-signal=TSTP,TTIN,TTOU,WINCH,ALRM",
        "--block-signal=USR1,TERM,INT",
        "--ignore-signal=PIPE",
        "--ignore-signal=CHLD",
    ];
    for change in changes {
        let line = format!("exec env {change} \"$0\" \"$@\"");
        let plain = sandbox.plain_az(["group", "list"]).in_script(&line).run().ok();
        for words in [["group", "list"], ["cloud", "list"]] {
            let wrapped = sandbox.az(words).in_script(&line).run();
            assert_eq!(wrapped.visible(), plain.visible(), "{change} {words:?}");
        }
    }
}

#[test]
fn what_the_caller_ignores_ends_nothing() {
    let sandbox = logged_in();
    let start = |line: &str| -> Running<'_> {
        let az = sandbox.az(["print", "going", "sleep", "1500", "look", "roll", "look", "exit", "4"]);
        let az = az.in_script(line).start();
        az.wait_for("going");
        az
    };
    let az = start("trap '' INT QUIT; exec \"$0\" \"$@\"");
    az.signal_group(Signal::INT);
    az.signal_group(Signal::QUIT);
    az.finish().exited(4);
    let az = start("exec nohup \"$0\" \"$@\"");
    az.signal(Signal::HUP);
    az.signal_group(Signal::HUP);
    az.finish().exited(4);
    assert_kept(&sandbox);
}
