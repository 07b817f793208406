//! `azward exec`: any program gets what az gets, and has its own end; what its words look like says nothing.

#![cfg(target_os = "linux")]

use std::ffi::OsStr;
use std::fs;

use entra::{TENANT_A, User};

use crate::support::fake_az::{ALICE, BOB, logged_in};
use crate::support::pty::CTRL_C;
use crate::support::{End, Invocation, Sandbox, Signal, Terminal, provision, wait_until};

/// A program that uses azure-cli-core as a library, as many do: no az is started.
const LIBRARY: &str = "
import sys
from azure.cli.core import get_default_cli
from azure.cli.core._profile import Profile
profile = Profile(cli_ctx=get_default_cli())
(kind, token, entry), subscription, tenant = profile.get_raw_token(resource=sys.argv[1])
print(kind, tenant, token)
";

fn exec<'a>(sandbox: &'a Sandbox, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Invocation<'a> {
    sandbox.azward(["exec", "--"]).args(words)
}

#[test]
fn a_program_that_uses_az_as_a_library_has_the_login() {
    let (sandbox, entra) = Sandbox::logged_in();
    let python = provision::real_az().with_file_name("python3");
    let script = sandbox.home().join("library.py");
    fs::write(&script, LIBRARY).unwrap();
    let words = |resource: &str| [python.clone().into_os_string(), script.clone().into(), resource.into()];
    // Alone it finds no refresh token.
    let alone = Invocation::new(&sandbox, &python).args(&words("https://one.example")[1..]).run();
    assert_ne!(alone.end(), End::Code(0), "{alone:?}");
    entra.clear_journal();
    let out = exec(&sandbox, words("https://one.example")).run().ok().silent().out();
    assert!(out.starts_with(&format!("Bearer {} ey", TENANT_A.id)), "{out}");
    assert_eq!(entra.refreshes(), 1);
    sandbox.assert_nothing_in_the_clear();
    // What it redeemed, which is good for one use alone, is what the next az has, and the other way round.
    sandbox.az(["account", "get-access-token", "--resource", "https://two.example"]).run().ok().silent();
    exec(&sandbox, words("https://three.example")).run().ok().silent();
    sandbox.az(["group", "list"]).run().ok().silent();
    // A token that is due is renewed before it begins.
    sandbox.config().age_access_tokens(600, "management");
    entra.clear_journal();
    exec(&sandbox, ["true"]).run().ok().silent();
    assert_eq!(entra.refreshes(), 1);
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn an_az_in_it_is_an_az_inside_a_run() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let before = sandbox.deeds("run");
    let line = "az group list -o tsv --query '[].name' && az account get-access-token --resource https://one.example -o none \
                && azward exec -- az account get-access-token --resource https://two.example -o none";
    let path = std::path::Path::new(env!("CARGO_BIN_EXE_azward")).parent().unwrap();
    let path = std::env::join_paths([&sandbox.root().join("bin"), &sandbox.root().join("real"), path, "/bin".as_ref()]);
    let out = exec(&sandbox, ["sh", "-c", line]).env("PATH", path.unwrap()).run().ok().silent().out();
    assert_eq!(out, "rg-web\nrg-data\n");
    assert_eq!(sandbox.deeds("run"), before + 1);
    // The shim itself, straight away.
    exec(&sandbox, ["az", "group", "list"]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn its_words_steer_nothing_and_what_it_does_to_the_accounts_is_found_out() {
    let sandbox = logged_in();
    let kept = || sandbox.azward(["list", "--logins"]).run().ok().out();
    for words in [&["echo", "logout"][..], &["echo", "account", "clear"], &["sh", "-c", "exit 0", "az", "login"]] {
        exec(&sandbox, words).run().ok().silent();
        assert!(kept().contains(ALICE), "{words:?}");
    }
    // Signed in in there, and out.
    exec(&sandbox, ["sh", "-c", &format!("az login {BOB}; exit 3")]).run().exited(3).silent();
    sandbox.assert_nothing_in_the_clear();
    assert!(kept().contains(ALICE) && kept().contains(BOB), "{}", kept());
    exec(&sandbox, ["sh", "-c", &format!("az logout {ALICE}; exit 3")]).run().exited(3).silent();
    assert!(!kept().contains(ALICE) && kept().contains(BOB), "{}", kept());
    // What is mounted over the cache, where private exposure is set, nobody can remove there.
    sandbox.set_exposure("auto");
    exec(&sandbox, ["az", "account", "clear"]).run().ok().silent();
    assert!(!kept().contains(BOB), "{}", kept());
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn its_end_and_its_words_are_its_own() {
    let sandbox = logged_in();
    for exposure in ["auto", "private", "in-place"] {
        sandbox.set_exposure(exposure);
        let end = |words: &[&str]| exec(&sandbox, words).run().silent().end();
        assert_eq!((end(&["true"]), end(&["sh", "-c", "exit 7"])), (End::Code(0), End::Code(7)));
        assert_eq!(end(&["sh", "-c", "kill -TERM $$"]), End::Signal(15));
        let cat = exec(&sandbox, ["cat"]).input("from stdin").run().ok().silent();
        assert_eq!(cat.out(), "from stdin");
        let words = exec(&sandbox, ["printf", "%s|", "a b", "--", "-h", "--help", ""]).run().ok().silent();
        assert_eq!(words.out(), "a b|--|-h|--help||");
    }
    // Called by the name that it was given.
    let name = exec(&sandbox, ["sh", "-c", "tr '\\0' ' ' </proc/$$/cmdline"]).run().ok().out();
    assert!(name.starts_with("sh -c "), "{name}");
}

#[test]
fn what_is_not_there_or_cannot_be_started_is_told_as_a_shell_tells_it() {
    let sandbox = logged_in();
    fs::write(sandbox.home().join("plain"), "x").unwrap();
    let dir = sandbox.home().display().to_string();
    for (word, code, what) in [
        ("no-such-program", 127, "azward: `no-such-program` was not found\nhint: "),
        ("./nothing", 127, "azward: `./nothing` was not found\nhint: "),
        ("./plain", 126, "azward: cannot start `./plain`: Permission denied"),
        (&dir, 126, "azward: cannot start `"),
    ] {
        let failed = exec(&sandbox, [word, "secret"]).run().exited(code);
        assert!(failed.err().starts_with(what) && failed.err().lines().count() == 2, "{failed:?}");
        assert!(failed.out().is_empty() && !failed.err().contains("secret"), "{failed:?}");
        sandbox.assert_nothing_in_the_clear();
    }
    sandbox.azward(["exec"]).run().exited(2);
    // Where no az is behind the shim, a program is a program all the same.
    fs::remove_file(sandbox.wrapped_az()).unwrap();
    exec(&sandbox, ["true"]).run().ok().silent();
    let journal = fs::read_to_string(sandbox.azward_home().join("journal.jsonl")).unwrap();
    assert!(journal.contains("azward exec") && !journal.contains("secret"), "{journal}");
}

#[test]
fn signals_and_keys_are_its_own() {
    let sandbox = logged_in();
    let trap = "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.05; done";
    let running = exec(&sandbox, ["sh", "-c", trap]).start();
    running.wait_for("ready");
    running.signal(Signal::TERM);
    let outcome = running.finish();
    assert_eq!((outcome.end(), outcome.out().as_str()), (End::Code(5), "ready\ncaught\n"));
    let mut terminal = Terminal::start(&exec(&sandbox, ["sh", "-c", "tty <&0 >/dev/null && echo ready; read line"]));
    terminal.expect("ready");
    terminal.send(CTRL_C);
    assert_eq!(terminal.finish().end(), End::Signal(2));
    sandbox.assert_nothing_in_the_clear();
    // Stopped and brought back by its shell.
    let azward = env!("CARGO_BIN_EXE_azward");
    let mut shell = Terminal::shell(&sandbox);
    shell.send(&format!("{azward} exec -- sh -c 'echo rea\"\"dy; read line; echo got $line'\n"));
    shell.expect("ready");
    shell.stop_job();
    shell.type_line("fg");
    shell.expect("echo got");
    shell.send("words\n");
    shell.expect("got words");
    shell.send("exit\n");
    shell.finish();
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn killed_it_is_cleaned_up_after() {
    let sandbox = logged_in();
    let running = exec(&sandbox, ["sh", "-c", "echo ready; sleep 1"]).start();
    running.wait_for("ready");
    running.signal(Signal::KILL);
    assert_eq!(running.finish().end(), End::Signal(9));
    wait_until("the guardian cleans up", || sandbox.is_nothing_in_the_clear() && sandbox.guardians().is_empty());
    let listed = sandbox.azward(["list", "--logins"]).run().ok().out();
    assert!(listed.contains(ALICE), "{listed}");
}

#[test]
fn a_sign_in_in_it_is_adopted() {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|_| {});
    entra.knobs(|knobs| knobs.next_login = User::Alice);
    exec(&sandbox, ["az", "login", "--use-device-code"]).run().ok();
    sandbox.assert_nothing_in_the_clear();
    sandbox.az(["account", "get-access-token", "--resource", "https://one.example"]).run().ok().silent();
}
