//! Signals and ends: whoever signals the shim, its process group or its terminal meets az, and what became of az is what
//! becomes of the shim. Whatever ends a run, nothing stays in the clear after the next command, and the login is kept.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "clippy only knows the functions marked as tests")]

mod support;

use std::time::{Duration, Instant};

use entra::{Entra, Fault, Trouble, User};
use rustix::process::kill_process;
use support::pty::{CTRL_BACKSLASH, CTRL_C, CTRL_Z};
use support::{End, Invocation, Outcome, Running, Sandbox, Signal, Terminal, wait_until};

const ALICE: &str = "alice@contoso.example";

/// A box with the fake az and a login in the vault.
fn logged_in() -> Sandbox {
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.az(["login", ALICE]).run().ok().silent();
    sandbox
}

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

/// Waits until the fake az has done its `look`.
fn wait_for_look(sandbox: &Sandbox, looks: usize) {
    let count = || sandbox.fake_log().iter().filter(|line| line["event"] == "look").count();
    wait_until("the fake az looks", || count() == looks);
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
    let trap = "trap 'sleep 0.3; echo clean; exit 5' INT; echo going; while :; do sleep 0.05; done";
    let slow = Sandbox::new().with_script_az(trap);
    let az = slow.az(["group", "list"]).start();
    az.wait_for("going");
    az.signal_group(Signal::INT);
    assert_eq!(az.finish().exited(5).out(), "going\nclean\n");
    assert_kept(&sandbox);
}

/// Runs `az group list` until Resource Manager, which is slow, has been asked; then does `what`.
fn while_listing(entra: &Entra, invocation: &Invocation<'_>, what: impl FnOnce(&mut Terminal<'_>)) -> Outcome {
    entra.clear_journal();
    let mut terminal = Terminal::start(invocation);
    wait_until("Resource Manager is asked", || entra.journal().iter().any(|r| r.path.ends_with("/resourcegroups")));
    what(&mut terminal);
    terminal.finish()
}

#[test]
fn the_real_az_ends_as_it_does_without_us() {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|_| {});
    sandbox.login(&entra, User::Alice);
    entra.knobs(|knobs| knobs.arm_delay = Duration::from_secs(20));
    let (wrapped, plain) = (sandbox.az(["group", "list"]), sandbox.plain_az(["group", "list"]));

    let interrupt = |terminal: &mut Terminal<'_>| terminal.send(CTRL_C);
    let outcome = while_listing(&entra, &wrapped, interrupt);
    assert_eq!(outcome.end(), End::Code(1), "{outcome:?}");
    sandbox.assert_nothing_in_the_clear();
    assert_eq!(outcome.visible(), while_listing(&entra, &plain, interrupt).visible());

    // To the shim's process alone, and az ends with it.
    let terminate = |terminal: &mut Terminal<'_>| kill_process(terminal.pid(), Signal::TERM).unwrap();
    let outcome = while_listing(&entra, &wrapped, terminate);
    assert_eq!(outcome.end(), End::Signal(15), "{outcome:?}");
    sandbox.assert_nothing_in_the_clear();
    assert_eq!(outcome.visible(), while_listing(&entra, &plain, terminate).visible());

    entra.knobs(|knobs| knobs.arm_delay = Duration::ZERO);
    // While the endpoint is asked for a fresh token, az has not started yet; its answer is not lost.
    sandbox.config().age_access_tokens(600, "management");
    entra.knobs(|knobs| knobs.faults.push(Fault::new(Trouble::DelayAnswer(Duration::from_secs(1))).times(1)));
    entra.clear_journal();
    let az = sandbox.az(["group", "list"]).start();
    wait_until("the endpoint is asked", || entra.refreshes() == 1);
    az.signal(Signal::TERM);
    let outcome = az.finish();
    assert_eq!((outcome.end(), outcome.out().as_str(), outcome.err().as_str()), (End::Signal(15), "", ""));
    assert_eq!((entra.journal().len(), entra.refreshes()), (1, 1), "az was not started");

    let vault = ["account", "get-access-token", "--resource", "https://vault.azure.net", "--output", "none"];
    sandbox.az(vault).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
}

/// An az that counts every single signal. (A shell's trap takes two at once for one.)
const COUNTER: &str = r#"
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    static COUNTS: [AtomicUsize; 4] = [const { AtomicUsize::new(0) }; 4];
    unsafe extern "C" { fn signal(number: i32, handler: extern "C" fn(i32)) -> usize; }
    extern "C" fn count(number: i32) { COUNTS[number as usize].fetch_add(1, SeqCst); }
    fn main() {
        unsafe { signal(2, count); signal(3, count); }
        let mut said = [usize::MAX; 2];
        for _ in 0..3000 {
            let counts = [2, 3].map(|number| COUNTS[number].load(SeqCst));
            if counts != said { println!("INT {} QUIT {}.", counts[0], counts[1]); }
            said = counts;
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }"#;

#[test]
fn keys_reach_az_once() {
    let sandbox = Sandbox::new();
    let compile = format!("exec '{}' --edition=2024 -o real/az -", std::env::var("RUSTC").unwrap_or("rustc".into()));
    let compile = sandbox.shell(&compile).cwd(sandbox.root()).input(COUNTER);
    ["PATH", "HOME", "RUSTUP_HOME", "CARGO_HOME", "RUSTUP_TOOLCHAIN"]
        .iter()
        .filter_map(|name| Some((*name, std::env::var_os(name)?)))
        .fold(compile, |compile, (name, value)| compile.env(name, value))
        .run()
        .ok();
    let mut terminal = Terminal::start(&sandbox.az(["group", "list"]));
    terminal.expect("INT 0 QUIT 0.");
    for counts in ["INT 1 QUIT 0.", "INT 2 QUIT 0.", "INT 3 QUIT 0.", "INT 4 QUIT 0."] {
        terminal.send(CTRL_C);
        terminal.expect(counts);
    }
    for counts in ["INT 4 QUIT 1.", "INT 4 QUIT 2.", "INT 4 QUIT 3.", "INT 4 QUIT 4."] {
        terminal.send(CTRL_BACKSLASH);
        terminal.expect(counts);
    }
    // Long enough for one more to arrive, if somebody sent it.
    std::thread::sleep(Duration::from_millis(200));
    kill_process(terminal.pid(), Signal::TERM).unwrap();
    let outcome = terminal.finish();
    assert_eq!((outcome.end(), outcome.out().matches("QUIT ").count()), (End::Signal(15), 9), "{outcome:?}");

    let sandbox = logged_in();
    for (key, number) in [(CTRL_C, 2), (CTRL_BACKSLASH, 3)] {
        let line = "ulimit -c 0; exec \"$0\" \"$@\"";
        let mut terminal = Terminal::start(&sandbox.az(["print", "going", "sleep", "20000"]).in_script(line));
        terminal.expect("going");
        terminal.send(key);
        assert_eq!(terminal.finish().end(), End::Signal(number));
        assert_kept(&sandbox);
    }
}

#[test]
fn a_stopped_az_goes_on_in_the_foreground_or_the_background() {
    let sandbox = logged_in();
    let mut shell = Terminal::shell(&sandbox);
    for (command, code) in [("fg", 7), ("bg; wait %1", 8)] {
        shell.type_line(&format!("az print 'go'ing sleep 600 look roll look exit {code}"));
        shell.expect("going");
        shell.send(CTRL_Z);
        shell.expect("Stopped");
        shell.expect("ready> ");
        shell.type_line("jobs -r | wc -l; ps -o stat= --ppid $(jobs -p) | cut -c 1");
        assert!(shell.expect("ready> ").contains("0\r\nT"), "both are stopped: {}", shell.screen());
        shell.type_line(command);
        shell.expect("ready> ");
        shell.type_line("echo st'atus' $?");
        shell.expect(&format!("status {code}"));
        shell.expect("ready> ");
        assert_kept(&sandbox);
    }
    shell.type_line("exit");
    shell.finish();
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
        let az = sandbox.az(["print", "going", "sleep", "700", "look", "roll", "look", "exit", "4"]);
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

#[test]
fn a_termination_before_az_starts_is_obeyed() {
    let sandbox = logged_in();
    let lock = sandbox.config_dir().join("msal_token_cache.json.lockfile");
    let holder = sandbox.plain_az(["hold-lock", "1200"]).start();
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
    sandbox.make_script(&real, &format!("{script}\nexec {} \"$@\"", fake.display()));
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
        assert!(sent.elapsed() < Duration::from_secs(3), "{:?}", sent.elapsed());
        assert!(rustix::process::test_kill_process_group(group).is_err(), "the rotation's az is gone too");
        assert_eq!(sandbox.config().entries("AccessToken"), before);
        sandbox.assert_nothing_in_the_clear();
    }
    // What looks like a rotation goes straight through now.
    sandbox.config().age_access_tokens(2000, "management");
    assert_kept(&sandbox);
}

#[test]
fn what_az_rolls_after_the_shim_was_killed_is_adopted() {
    let sandbox = logged_in();
    let az = sandbox.az(["look", "sleep", "500", "roll", "look"]).start();
    wait_for_look(&sandbox, 1);
    az.signal(Signal::KILL);
    // az still has the pipes, and its caller hears it out.
    assert_eq!(az.finish().end(), End::Signal(9));
    wait_for_look(&sandbox, 2);
    assert_eq!(sandbox.config().refresh_token_count(), 1, "nobody was left to scrub");
    // A command that needs no secret sweeps as well.
    sandbox.az(["version"]).run().ok().silent();
    assert_kept(&sandbox);
}

#[test]
fn a_killed_group_is_swept_up_after() {
    let sandbox = logged_in();
    for next in [["account", "show"], ["print", "next"]] {
        let looks = sandbox.fake_log().iter().filter(|line| line["event"] == "look").count();
        let az = sandbox.az(["roll", "look", "sleep", "20000"]).start();
        wait_for_look(&sandbox, looks + 1);
        az.signal_group(Signal::KILL);
        assert_eq!(az.finish().end(), End::Signal(9));
        assert_eq!(sandbox.config().refresh_token_count(), 1);
        sandbox.az(next).run().ok().silent();
        assert_kept(&sandbox);
    }
    // In the middle of a rotation only the access token that was set aside is lost.
    let sandbox = with_slow_rotation(sandbox);
    sandbox.config().age_access_tokens(600, "management");
    let az = sandbox.az(["print", "never"]).start();
    wait_until("the rotation is under way", || sandbox.home().join("rotating").exists());
    az.signal_group(Signal::KILL);
    assert_eq!(az.finish().end(), End::Signal(9));
    sandbox.az(["account", "get-access-token"]).run().ok().silent();
    sandbox.az(["look"]).run().ok().silent();
    assert_kept(&sandbox);
}
