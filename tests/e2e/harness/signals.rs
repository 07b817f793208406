//! What ends or stops a command does, also where the shell that started the tests has such signals ignored.

use std::time::{Duration, Instant};

use super::failure;
use crate::support::pty::{CTRL_C, CTRL_D};
use crate::support::{End, Sandbox, Signal, Terminal, in_shell, wait_until};

#[test]
fn a_command_that_hangs_fails_with_what_it_said() {
    let sandbox = Sandbox::new();
    let started = Instant::now();
    let soon = Duration::from_millis(300);
    let said = failure(|| drop(sandbox.shell("echo on; echo my way >&2; sleep 30").timeout(soon).run()));
    assert!(said.contains("on\n") && said.contains("my way\n") && said.contains("not over"), "{said}");
    let held = failure(|| drop(sandbox.shell("sleep 30 & echo gone").timeout(soon).run()));
    assert!(held.contains("holds its output open") && held.contains("gone"), "{held}");
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn the_fake_az_ends_as_it_is_told() {
    let sandbox = Sandbox::new().with_fake_az();
    assert_eq!(sandbox.plain_az(["die", "TERM"]).run().end(), End::Signal(15));
    assert_eq!(sandbox.plain_az(["die", "KILL"]).run().end(), End::Signal(9));
    let trap = sandbox.plain_az(["trap", "TERM"]).start();
    trap.wait_for("ready");
    for (signal, name) in [(Signal::HUP, "HUP"), (Signal::USR1, "USR1"), (Signal::TERM, "TERM")] {
        trap.signal(signal);
        trap.wait_for(name);
    }
    assert_eq!(trap.finish().ok().out(), "ready\nHUP\nUSR1\nTERM\n");
    let file = sandbox.root().join("lingered");
    let quick = sandbox.plain_az(["linger", "400", file.to_str().unwrap()]).run().ok();
    assert!(quick.pipe_lag < Duration::from_millis(300) && !file.exists());
    wait_until("what was left behind does its work", || file.exists());
    // `nested` goes by PATH; with no shim in front that is the fake itself.
    let path = format!("{}:/usr/bin:/bin", sandbox.root().join("real").display());
    sandbox.plain_az(["group", "list"]).env("PATH", path).env("FAKE_AZ_DO", "nested exit 5").run().exited(5);
    let (inner, outer) = (sandbox.fake_log().pop().unwrap(), sandbox.fake_log().into_iter().nth_back(1).unwrap());
    assert_eq!((&inner["parent"], &inner["argv"][0]), (&outer["pid"], &"az".into()));
    assert_eq!(outer["process_group"], outer["pid"], "a command has a process group of its own");
}

#[test]
fn keys_reach_a_command_on_a_terminal() {
    let sandbox = Sandbox::new().with_fake_az();
    let mut terminal = Terminal::start(&sandbox.plain_az(["trap", "INT"]));
    terminal.expect("ready");
    terminal.send(CTRL_C);
    terminal.expect("INT");
    assert_eq!(terminal.finish().end(), End::Code(0));
    assert_eq!(sandbox.fake_log()[0]["terminals"], serde_json::json!([true, true, true]));

    let mut reader = Terminal::start(&sandbox.plain_az(["cat", "exit", "8"]));
    reader.type_line("typed");
    reader.expect("typed\r\ntyped");
    reader.send(CTRL_D);
    assert_eq!(reader.finish().end(), End::Code(8));
}

#[test]
fn a_shell_on_a_terminal_has_job_control() {
    let sandbox = Sandbox::new().with_fake_az();
    let mut shell = Terminal::shell(&sandbox);
    shell.type_line(&format!("{} print 'go'ing sleep 1500 exit 7", in_shell(sandbox.wrapped_az())));
    shell.expect("going");
    shell.stop_job();
    shell.type_line("fg");
    shell.expect("ready> ");
    shell.type_line("echo st'atus' $?");
    shell.expect("status 7");
    shell.type_line("exit 3");
    assert_eq!(shell.finish().end(), End::Code(3));
}
