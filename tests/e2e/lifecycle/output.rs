//! What `azward` says, wherever it goes: a reader that leaves ends nothing, a stream that is closed neither, a device that is
//! full is told of; on a terminal tables fit, colour is where it is wanted, and a wait has a name. Elsewhere every byte stays.

use std::fs::File;

use super::{ALICE, logged_in};
use crate::support::installed::installed;
use crate::support::pty::Terminal;
use crate::support::{Invocation, Outcome, Sandbox};

const ESCAPE: char = '\u{1b}';

/// Commands that succeed and say something on stdout.
const SAYING: [&[&str]; 5] =
    [&["status"], &["list", "--logins"], &["list", "--logins", "--json"], &["--help"], &["--version"]];

/// What is on a terminal when the command is over, line by line.
fn on_a_terminal(azward: &Invocation<'_>) -> (Outcome, Vec<String>) {
    let outcome = Terminal::start(azward).finish();
    let lines = outcome.out().lines().map(str::to_owned).collect();
    (outcome, lines)
}

fn columns(line: &str) -> usize {
    line.chars().count()
}

#[test]
fn a_reader_that_has_left_ends_nothing_and_nothing_is_said_of_it() {
    let sandbox = logged_in();
    let installed = sandbox.azward_home().join("bin/azward");
    for (words, code) in SAYING.iter().map(|words| (*words, "0")).chain([(&["forget", "/nowhere"][..], "2")]) {
        let script = r#"{ sleep 0.3; "$0" "$@"; echo "$?" >&2; } | true"#;
        let outcome = Invocation::new(&sandbox, &installed).args(words).in_script(script).run().ok();
        assert_eq!(outcome.err().lines().next_back(), Some(code), "{outcome:?}");
        assert_eq!(outcome.err().lines().count(), if code == "0" { 1 } else { 3 }, "{outcome:?}");
    }
    let outcome = sandbox.azward(["list", "--logins"]).in_script(r#""$0" "$@" | head -n 1"#).run().ok().silent();
    assert!(outcome.out().starts_with("config directory  "), "{outcome:?}");
}

#[test]
fn a_stream_that_is_closed_ends_nothing() {
    let sandbox = logged_in();
    for words in SAYING {
        for closed in [">&-", "2>&-", "<&- >&- 2>&-"] {
            let script = format!(r#""$0" "$@" {closed}"#);
            sandbox.azward(words).in_script(&script).run().ok().silent();
        }
    }
    for closed in [">&-", "2>&-", "<&- >&- 2>&-"] {
        let script = format!(r#""$0" "$@" {closed}"#);
        sandbox.azward(["forget", "/nowhere"]).in_script(&script).run().exited(2);
        sandbox.azward(["nonsense"]).in_script(&script).run().exited(2);
    }
}

#[test]
fn a_device_that_is_full_is_told_of_once() {
    let sandbox = logged_in();
    for words in SAYING {
        let outcome = sandbox.azward(words).in_script(r#""$0" "$@" >/dev/full"#).run().exited(1);
        let error = outcome.err();
        assert!(error.starts_with("azward: cannot write to the standard output: "), "{outcome:?}");
        assert!(error.lines().count() == 2 && error.contains("\nhint: "), "{outcome:?}");
        sandbox.azward(words).in_script(r#""$0" "$@" >/dev/full 2>/dev/full"#).run().exited(1);
    }
    // What went wrong before is what is told, and what its exit code says.
    let outcome = sandbox.azward(["forget", "--all"]).in_script(r#""$0" "$@" >/dev/full"#).run().exited(2);
    assert!(outcome.err().starts_with("azward: nothing was forgotten") && outcome.err().lines().count() == 2);
    sandbox.azward(["nonsense"]).in_script(r#""$0" "$@" 2>/dev/full"#).run().exited(2);
    // And what was to be done is done.
    sandbox.azward(["forget", "--all", "--yes"]).in_script(r#""$0" "$@" >/dev/full"#).run().exited(1);
    assert!(sandbox.azward(["list", "--logins"]).run().ok().out().starts_with("no login is stored"));
}

#[test]
fn a_table_fits_the_terminal_and_is_whole_elsewhere() {
    let sandbox = installed(Sandbox::new().with_fake_az());
    let directory = sandbox.root().join(format!("a directory/of {}/azure", "a long name ".repeat(12).trim_end()));
    std::fs::create_dir_all(&directory).unwrap();
    sandbox.set_env("AZURE_CONFIG_DIR", &directory);
    sandbox.az(["login", ALICE]).run().ok().silent();
    let name = directory.to_str().unwrap();
    for command in [&["list", "--logins"][..], &["status"]] {
        let azward = sandbox.azward(command).env("TERM", "dumb");
        let whole = azward.clone().run().ok().silent().out();
        assert!(whole.lines().any(|line| line.ends_with(name)), "{whole}");
        let (outcome, lines) = on_a_terminal(&azward);
        assert!(lines.iter().all(|line| columns(line) <= 80), "{lines:#?}");
        assert!(lines.iter().any(|line| columns(line) > 60), "{lines:#?}");
        // Nothing is lost but the blanks at which it was broken.
        let without_blanks = |text: &str| text.replace([' ', '\r', '\n'], "");
        assert_eq!(without_blanks(&outcome.ok().out()), without_blanks(&whole));
    }
}

#[test]
fn colour_is_where_it_is_wanted_and_never_the_only_sign() {
    let sandbox = logged_in();
    let azward = |words: &'static [&'static str]| sandbox.azward(words).env("TERM", "xterm").without("NO_COLOR");
    let commands: [&[&str]; 4] = [&["list", "--logins"], &["status"], &["--help"], &["forget", "/nowhere"]];
    for words in commands {
        let piped = azward(words).run();
        assert!(!(piped.out() + &piped.err()).contains(ESCAPE), "{piped:?}");
        let (coloured, _) = on_a_terminal(&azward(words));
        assert!(coloured.out().contains(ESCAPE), "{coloured:?}");
        let wordless = [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "")];
        let plain = wordless.map(|(name, value)| on_a_terminal(&azward(words).env(name, value)).0.out());
        assert!(plain.iter().all(|text| !text.contains(ESCAPE)), "{plain:?}");
        let mut without_colour = coloured.out();
        for escape in ["\u{1b}[1m", "\u{1b}[1;31m", "\u{1b}[1;33m", "\u{1b}[4m", "\u{1b}[0m"] {
            without_colour = without_colour.replace(escape, "");
        }
        assert_eq!(without_colour, plain[0]);
    }
}

#[test]
fn a_wrong_command_line_moves_no_terminal_and_reads_like_nothing_of_az_s() {
    let sandbox = logged_in();
    let outcome = sandbox.azward(["az login\u{1b}[2J\u{202e}\n'az: not found'"]).run().exited(2);
    let error = outcome.err();
    assert!(error.starts_with("error: ") && error.contains("Usage: azward"), "{error}");
    for forbidden in ["\u{1b}", "\u{202e}", "az login", "az: "] {
        assert!(!error.contains(forbidden), "{error}");
    }
    assert_eq!(outcome.out(), "");
}

#[test]
fn a_wait_has_a_name_on_a_terminal_and_only_there() {
    let sandbox = logged_in();
    let lock = File::options().write(true).open(sandbox.azward_home().join("home.lock")).unwrap();
    let azward = sandbox.azward(["install", "--no-modify-path"]).env("TERM", "xterm");
    for term in ["xterm", "dumb"] {
        lock.lock().unwrap();
        let mut terminal = Terminal::start(&azward.clone().env("TERM", term));
        terminal.expect("azward: waiting for another azward at work here …");
        lock.unlock().unwrap();
        let outcome = terminal.finish().ok();
        assert_eq!(outcome.out().contains(ESCAPE), term == "xterm", "{outcome:?}");
        // What is said afterwards has a line of its own.
        let shown = outcome.out();
        let after = shown.split_once(" …").unwrap().1;
        assert!(after.starts_with(if term == "xterm" { "\r\u{1b}[K" } else { "\r\n" }), "{shown:?}");
    }
    lock.lock().unwrap();
    let quiet = azward.start();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    lock.unlock().unwrap();
    quiet.finish().ok().silent();
}
