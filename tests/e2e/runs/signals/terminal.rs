//! On a terminal: keys reach az as they would without us, Ctrl-Z and `fg` work, and so it is with the real az.

use std::time::Duration;

use entra::{Entra, Fault, Trouble, User};
use rustix::process::kill_process;

use super::{assert_kept, logged_in};
use crate::support::pty::{CTRL_BACKSLASH, CTRL_C};
use crate::support::{End, Invocation, Outcome, Sandbox, Signal, Terminal, wait_until};

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

/// An az that counts every single signal, and keeps saying so, because a terminal throws away what is on its way when a
/// key interrupts. (A shell's trap takes two at once for one.)
const COUNTER: &str = r#"
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    static COUNTS: [AtomicUsize; 4] = [const { AtomicUsize::new(0) }; 4];
    unsafe extern "C" { fn signal(number: i32, handler: extern "C" fn(i32)) -> usize; }
    extern "C" fn count(number: i32) { COUNTS[number as usize].fetch_add(1, SeqCst); }
    fn main() {
        unsafe { signal(2, count); signal(3, count); }
        for _ in 0..3000 {
            println!("INT {} QUIT {}.", COUNTS[2].load(SeqCst), COUNTS[3].load(SeqCst));
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
    assert_eq!(outcome.end(), End::Signal(15), "{outcome:?}");
    assert!(outcome.out().trim_end().ends_with("INT 4 QUIT 4."), "{outcome:?}");

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
        shell.type_line(&format!("az print 'go'ing sleep 1500 look roll look exit {code}"));
        shell.expect("going");
        shell.stop_job();
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
