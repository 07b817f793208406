//! `confirm = "new-caller"`: a program that never had a token is asked about, by real processes on real terminals; whoever types
//! himself is not, and with the setting off nobody is.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::support::schema::assert_documented;
use crate::support::{BY_AZ, Invocation, Sandbox, Terminal, in_shell, provision};

const AZWARD: &str = env!("CARGO_BIN_EXE_azward");
const QUESTION: &str = "May it, from now on? [y/N] ";

/// A box in which alice is logged in, no az is needed for an answer, and a person is asked.
fn asking() -> Sandbox {
    let (sandbox, _entra) = Sandbox::logged_in();
    sandbox.set("confirm", "new-caller");
    sandbox
}

/// A script that gets a token, and says what came of it.
fn script(sandbox: &Sandbox, name: &str) -> PathBuf {
    let path = sandbox.home().join(name);
    sandbox.make_script(&path, "az account get-access-token --query tokenType -o tsv\necho \"ended with $?\"");
    path
}

fn run(sandbox: &Sandbox, path: &Path) -> crate::support::Outcome {
    Invocation::new(sandbox, path).run().ok()
}

fn callers(sandbox: &Sandbox) -> Vec<Value> {
    let said = sandbox.azward(["callers", "list", "--json"]).run().ok().json();
    assert_documented("azward callers list --json", &said);
    said["callers"].as_array().unwrap().clone()
}

#[track_caller]
fn assert_refused(sandbox: &Sandbox, path: &Path, why: &str) {
    let refused = run(sandbox, path);
    assert_eq!(refused.out(), "ended with 1\n", "{refused:?}");
    let err = refused.err();
    assert!(err.contains(why) && err.contains("\nhint: `azward callers allow "), "{refused:?}");
    assert_eq!(err.lines().count(), 2, "{refused:?}");
}

const NOBODY: &str = "never used the Azure login, and there is nobody to ask";

#[test]
fn where_nobody_can_be_asked_a_program_is_refused_until_it_is_allowed() {
    let sandbox = asking();
    let first = script(&sandbox, "first.sh");
    assert_refused(&sandbox, &first, NOBODY);
    // What needs no token is not asked about.
    sandbox.az(["version"]).run().ok();
    sandbox.az(["account", "show"]).run().ok().silent();
    // The real az gets as little.
    for words in [&["account", "get-access-token", BY_AZ][..], &["group", "list"], &["rest", "--url", "x"]] {
        let refused = sandbox.az(words).run().exited(1);
        assert!(refused.err().contains(NOBODY) && refused.out().is_empty(), "{refused:?}");
    }
    let known = callers(&sandbox);
    let [of_script, of_test] = &known[..] else { panic!("{known:?}") };
    assert_eq!((&of_script["verdict"], of_script["script"].as_str()), (&"not-asked".into(), first.to_str()));
    assert_eq!(of_test["script"], Value::Null);
    let file = sandbox.azward_home().join("callers.json");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let status = sandbox.azward(["status"]).run().out();
    assert!(status.contains("0 allowed, 2 not asked"), "{status}");
    let findings = |sandbox: &Sandbox| {
        let found = sandbox.azward(["doctor", "--json"]).run().json()["findings"].clone();
        let of_callers = |finding: &&Value| finding["id"] == "caller-not-asked";
        found.as_array().unwrap().iter().filter(of_callers).count()
    };
    assert_eq!(findings(&sandbox), 2);

    sandbox.azward(["callers", "allow"]).args([&first]).run().ok().silent();
    assert_eq!(findings(&sandbox), 1);
    assert_eq!(run(&sandbox, &first).silent().out(), "Bearer\nended with 0\n");
    let consents: Vec<_> = sandbox.journal().into_iter().filter(|line| line["deed"] == "consent").collect();
    let outcome = |line: &Value| line["outcome"].as_str().unwrap().split(':').next().unwrap().to_owned();
    let outcomes: Vec<_> = consents.iter().map(outcome).collect();
    assert_eq!(outcomes, ["not asked", "not asked", "not asked", "not asked", "allowed"]);
    assert!(consents[4]["outcome"].as_str().unwrap().contains("first.sh"), "{consents:?}");

    // The same bytes elsewhere are another program, and so is what another interpreter makes of them.
    let second = script(&sandbox, "second.sh");
    assert_refused(&sandbox, &second, NOBODY);
    let python = sandbox.home().join("known.py");
    let code = "import subprocess, sys\nsys.exit(subprocess.run(['az', 'account', 'get-access-token', '-o', 'none']).returncode)";
    fs::write(&python, code).unwrap();
    let interpreter = provision::real_az().with_file_name("python3");
    sandbox.azward(["callers", "allow"]).args([&interpreter, &python]).run().ok();
    let by_python = |words: &[&str]| Invocation::new(&sandbox, &interpreter).args(words).run();
    by_python(&[python.to_str().unwrap()]).ok().silent();
    by_python(&["known.py"]).ok().silent();
    by_python(&["-c", code, "known.py"]).exited(1);
    by_python(&["-X", "known.py", "-c", code]).exited(1);
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&first, Some(65534), None).unwrap();
        assert_refused(&sandbox, &first, NOBODY);
        std::os::unix::fs::chown(&first, Some(0), None).unwrap();
    }
    sandbox.azward(["callers", "forget"]).args([&first]).run().ok();
    assert_refused(&sandbox, &first, NOBODY);
    sandbox.azward(["callers", "forget"]).args([&second, &second][..1].iter()).run().ok();
    sandbox.azward(["callers", "forget", "/gone"]).run().exited(2);

    sandbox.set("confirm", "never");
    assert_eq!(run(&sandbox, &first).silent().out(), "Bearer\nended with 0\n");
}

#[test]
fn whoever_has_tokens_served_has_to_be_allowed_and_is_asked_about_once() {
    let (sandbox, _entra) = Sandbox::logged_in();
    sandbox.set("confirm", "new-caller");
    let path = sandbox.home().join("serves.sh");
    let ask = "python3 -c 'import os, urllib.request as u; q = os.environ[\"IDENTITY_ENDPOINT\"] + \
               \"?resource=https://management.azure.com/\"; r = u.Request(q, headers={\"X-IDENTITY-HEADER\": \
               os.environ[\"IDENTITY_HEADER\"]}); print(u.urlopen(r).status)'";
    sandbox.make_script(&path, &format!("{AZWARD} exec --serve contoso-development -- {ask}\necho \"ended with $?\""));
    assert_refused(&sandbox, &path, NOBODY);
    sandbox.azward(["callers", "allow"]).args([&path]).run().ok();
    assert_eq!(run(&sandbox, &path).silent().out(), "200\nended with 0\n");
}

#[test]
fn a_name_or_an_environment_makes_no_program_a_known_one() {
    let sandbox = asking();
    let line = "az account get-access-token -o none";
    // Through shells and wrappers the one above them is who calls: this test.
    let by_wrappers = sandbox.shell(&format!("timeout 60 env sh -c '{line}; true'")).run().ok();
    assert!(by_wrappers.err().contains(NOBODY) && by_wrappers.err().contains("/e2e-"), "{by_wrappers:?}");
    sandbox.azward(["callers", "allow"]).args([std::env::current_exe().unwrap()]).run().ok();
    sandbox.shell(&format!("timeout 60 env sh -c '{line}; true'")).run().ok().silent();
    // A copy of a shell is a program of its own, whatever its name.
    for name in ["sh", "timeout"] {
        let copy = sandbox.home().join(name);
        fs::copy("/bin/sh", &copy).unwrap();
        let refused = Invocation::new(&sandbox, &copy).args(["-c", &format!("{line}; exit $?")]).run().exited(1);
        assert!(refused.err().contains(&format!("`{}`", copy.display())), "{refused:?}");
    }
    let other = script(&sandbox, "other.sh");
    let by_name = sandbox.shell(&format!("exec -a bash {} 2>&1", in_shell(&other))).through_shell();
    let in_bash = Invocation::new(&sandbox, "bash").args(["-c", &by_name.line()]).run();
    assert!(!in_bash.out().contains("Bearer"), "{in_bash:?}");
    let id = std::process::id();
    let forged = format!("1;run;{id};1;x;{id};1;");
    for (name, value) in [("AZWARD_RUN", forged.as_str()), ("_ARGCOMPLETE", "1"), ("_", "/usr/bin/terraform")] {
        let refused = Invocation::new(&sandbox, &other).env(name, value).run();
        assert!(refused.out().contains("ended with 1") && refused.err().contains(NOBODY), "{name}: {refused:?}");
    }
}

#[test]
fn on_a_terminal_it_is_asked_once_and_the_answer_is_kept() {
    let sandbox = asking();
    let tool = script(&sandbox, "tool.sh");
    let mut terminal = Terminal::start(&Invocation::new(&sandbox, &tool));
    let asked = terminal.expect(QUESTION);
    assert!(asked.contains(&tool.display().to_string().as_str()[..20]), "{asked}");
    terminal.type_line("yes");
    terminal.expect("Bearer");
    terminal.finish().ok();
    // From now on with nobody there.
    assert_eq!(run(&sandbox, &tool).silent().out(), "Bearer\nended with 0\n");

    let other = script(&sandbox, "other.sh");
    let mut terminal = Terminal::start(&Invocation::new(&sandbox, &other));
    terminal.expect(QUESTION);
    terminal.type_line("n");
    terminal.expect("is refused the Azure login: the answer was no");
    terminal.expect("ended with 1");
    terminal.finish().ok();
    // It polls, and nobody is asked again at once, on a terminal or without.
    let again = Terminal::start(&Invocation::new(&sandbox, &other)).finish().ok();
    assert!(again.out().contains("was refused the Azure login") && !again.out().contains(QUESTION), "{again:?}");
    assert_refused(&sandbox, &other, "was refused the Azure login");
    sandbox.azward(["callers", "allow"]).args([&other]).run().ok();
    run(&sandbox, &other).silent();
    // Whoever says nothing has not said yes, and whoever waits for az has not given up yet.
    let third = script(&sandbox, "third.sh");
    let mut terminal = Terminal::start(&Invocation::new(&sandbox, &third));
    terminal.expect(QUESTION);
    terminal.expect("nobody answered whether it may");
    let outcome = terminal.finish().ok();
    assert!(outcome.took < Duration::from_secs(10) && outcome.out().contains("ended with 1"), "{outcome:?}");
}

#[test]
fn thirty_at_once_are_one_question() {
    let sandbox = asking();
    let tool = sandbox.home().join("burst.sh");
    let line =
        "for n in $(seq 30); do az account get-access-token --query tokenType -o tsv >out.$n & done\nwait\necho over";
    sandbox.make_script(&tool, line);
    let mut terminal = Terminal::start(&Invocation::new(&sandbox, &tool));
    terminal.expect(QUESTION);
    std::thread::sleep(Duration::from_millis(500));
    terminal.type_line("y");
    terminal.expect("over");
    let outcome = terminal.finish().ok();
    assert_eq!(outcome.out().matches(QUESTION).count(), 1, "{outcome:?}");
    for n in 1..=30 {
        let said = fs::read_to_string(sandbox.home().join(format!("out.{n}"))).unwrap();
        assert_eq!(said, "Bearer\n", "{n}: {outcome:?}");
    }
    assert_eq!(sandbox.deeds("consent"), 1);
}

#[test]
fn whoever_types_himself_is_not_asked() {
    let sandbox = asking();
    let tool = script(&sandbox, "typed.sh");
    let mut shell = Terminal::shell(&sandbox);
    let token = "az account get-access-token --query tokenType -o tsv";
    for line in [token.to_owned(), format!("echo x | while read x; do {token}; done"), format!("timeout 60 {token}")] {
        shell.type_line(&line);
        shell.expect("\nBearer");
        shell.expect("ready> ");
    }
    for words in ["token | cut -c 1-2", "exec -- sh -c 'az account get-access-token -o tsv | cut -c 1-2'"] {
        shell.type_line(&format!("{} {words}", in_shell(AZWARD)));
        shell.expect("\ney");
        shell.expect("ready> ");
    }
    // What it starts in a session has been typed as well, and is asked about when it comes by itself.
    let session =
        sandbox.azward(["list", "--json"]).run().ok().json()["sessions"][0]["name"].as_str().unwrap().to_owned();
    shell.type_line(&format!("{} exec {session} -- {}", in_shell(AZWARD), in_shell(&tool)));
    shell.expect("\nBearer");
    shell.expect("ended with 0");
    shell.expect("ready> ");
    assert_eq!(sandbox.deeds("consent"), 0);
    shell.type_line(&format!("echo '{token}; true' | bash"));
    shell.expect(QUESTION);
    shell.type_line("n");
    shell.expect("the answer was no");
    shell.expect("ready> ");
    shell.type_line(&in_shell(&tool));
    shell.expect(QUESTION);
    shell.type_line("n");
    shell.expect("the answer was no");
    // Nor does azward itself give one what az does not.
    let by_azward = sandbox.home().join("by-azward.sh");
    sandbox.make_script(&by_azward, &format!("{} \"$@\"\nexit $?", in_shell(AZWARD)));
    for words in [&["token"][..], &["exec", "--", "true"], &["exec", &session, "--", "true"], &["env", &session]] {
        let refused = Invocation::new(&sandbox, &by_azward).args(words).run().exited(1);
        assert!(refused.err().contains(NOBODY) && refused.out().is_empty(), "{refused:?}");
    }
}

#[test]
fn without_a_terminal_it_is_asked_on_the_desktop() {
    if !rustix::process::geteuid().is_root() || Path::new("/usr/bin/zenity").exists() {
        provision::announce("MISSING: only root can install a zenity that counts, where there is none");
        return;
    }
    let sandbox = asking();
    let tool = script(&sandbox, "tool.sh");
    let zenity = sandbox.root().join("bin/zenity");
    let on_desktop =
        |display: &str| Invocation::new(&sandbox, &tool).env(display, ":9").env("LD_PRELOAD_TEST", "x").run();
    let asked = sandbox.root().join("asked");
    let says = |end: &str| {
        let line = format!("printf '%s\\n' \"$@\" >>{0}; env >>{0}; {end}", in_shell(&asked));
        let _ = fs::remove_file(&zenity);
        sandbox.make_script(&zenity, &line);
    };
    says("sleep 0.5; exit 1");
    let refused = on_desktop("DISPLAY").ok();
    assert!(refused.err().contains("the answer was no") && refused.out() == "ended with 1\n", "{refused:?}");
    let text = fs::read_to_string(&asked).unwrap();
    assert!(text.starts_with("--question\n") && text.contains(tool.to_str().unwrap()), "{text}");
    assert!(text.contains("DISPLAY=:9") && !text.contains("LD_PRELOAD_TEST"), "{text}");
    says("exit 0");
    let again = on_desktop("DISPLAY").ok();
    assert!(again.err().contains("was refused the Azure login"), "{again:?}");
    assert_eq!(fs::read_to_string(&asked).unwrap(), text, "nobody is asked again at once");
    sandbox.azward(["callers", "forget"]).args([&tool]).run().ok();
    // A program that cannot show its window has not been told no.
    says("exit 1");
    assert!(on_desktop("WAYLAND_DISPLAY").err().contains(NOBODY));
    says("exit 0");
    assert_eq!(on_desktop("WAYLAND_DISPLAY").ok().silent().out(), "Bearer\nended with 0\n");
    assert_eq!(run(&sandbox, &tool).silent().out(), "Bearer\nended with 0\n");
    // One that its caller could have put there is not asked.
    sandbox.azward(["callers", "forget"]).args([&tool]).run().ok();
    std::os::unix::fs::chown(&zenity, Some(65534), None).unwrap();
    assert!(on_desktop("DISPLAY").err().contains(NOBODY));
}
