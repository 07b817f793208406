//! The journal: who asked for which token, what was run, how long it took and how it ended; no secret and no argument's
//! value, never in the way.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use entra::{Entra, TENANT_A, TENANT_B, User};
use serde_json::Value;

use crate::support::{Invocation, LOUD, Sandbox};

const TOKEN: [&str; 2] = ["account", "get-access-token"];
const ARM_SCOPE: &str = "https://management.core.windows.net//.default";
const VAULT_SCOPE: &str = "https://vault.azure.net/.default";

/// A box in which alice is logged in, with an az behind the shim that does nothing.
fn logged_in() -> (Sandbox, Entra) {
    let (sandbox, entra) = Sandbox::logged_in();
    sandbox.wrap_script("exit 3");
    (sandbox, entra)
}

fn journal_text(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.azward_home().join("journal.jsonl")).unwrap()
}

/// The lines that `action` adds.
fn added(sandbox: &Sandbox, action: impl FnOnce()) -> Vec<Value> {
    let before = sandbox.journal().len();
    action();
    sandbox.journal().split_off(before)
}

#[test]
fn each_answer_rotation_and_run_is_one_line_that_tells_what_happened() {
    let (sandbox, _entra) = logged_in();
    let (shell, alice) = (["-c", "az \"$@\"; exit $?", "sh"], User::Alice.username());
    let from_shell = |words: &[&str]| Invocation::new(&sandbox, "/bin/sh").args(shell).args(words).run();
    let token = "account get-access-token";
    for (words, seconds_left, expected) in [
        (&TOKEN[..], 3000, vec![("answer", token, TENANT_A.id, ARM_SCOPE, "answered")]),
        (
            &["account", "get-access-token", "--scope", VAULT_SCOPE, "--tenant", TENANT_B.id],
            3000,
            vec![
                ("rotation", token, TENANT_B.id, VAULT_SCOPE, "renewed"),
                ("answer", token, TENANT_B.id, VAULT_SCOPE, "answered"),
            ],
        ),
        (
            &["group", "list"],
            600,
            vec![
                ("rotation", "group list", TENANT_A.id, ARM_SCOPE, "renewed"),
                ("run", "group list", TENANT_A.id, ARM_SCOPE, "exit status: 3"),
            ],
        ),
    ] {
        sandbox.config().age_access_tokens(seconds_left, "management");
        let lines = added(&sandbox, || drop(from_shell(words)));
        assert_eq!(lines.len(), expected.len(), "{lines:?}");
        for (line, (deed, command, tenant, scope, outcome)) in lines.iter().zip(expected) {
            let told = ["deed", "command", "tenant", "scope", "outcome", "account", "caller"]
                .map(|key| line[key].as_str().unwrap_or("?"));
            assert_eq!(told[..6], [deed, command, tenant, scope, outcome, alice], "{line}");
            assert!(["sh", "dash", "bash", "busybox"].contains(&told[6]), "{line}");
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
            assert!(now.abs_diff(line["time"].as_u64().unwrap()) < 60, "{line}");
            assert!(line["milliseconds"].as_u64().is_some_and(|time| time < 20_000), "{line}");
        }
    }
}

#[test]
fn there_is_no_secret_and_no_argument_s_value_in_it() {
    let (sandbox, entra) = logged_in();
    let password = entra.password(User::Alice).to_owned();
    for words in [
        &["account", "get-access-token", "--query", "accessToken"][..],
        &["account", "get-access-token", "--query", "length('sesame')", "--resource", "https://sesame.example"],
        &["account", "get-access-token", "--subscription", "sesame"],
        &["group", "list", "--tag", "sesame=1"],
        &["group", "show", "-n", "sesame", "--query", "sesame"],
        &["login", "-u", "sesame", "-p", &password],
        &["login", "sesame"],
        &["find", "sesame"],
        &["rest", "--url", "https://sesame.example", "--body", "sesame"],
        &["storage", "blob", "upload", "--account-key", &password],
        &["--query", "sesame", "group", "list"],
        &["sesame-1", "x"],
        &["group", "delete", "sesame"],
    ] {
        let lines = added(&sandbox, || drop(sandbox.az(words).run()));
        assert!(!lines.is_empty(), "{words:?} is written down");
        let text = journal_text(&sandbox);
        assert!(!text.contains("sesame") && !text.contains(&password), "{words:?}: {}", text.lines().last().unwrap());
    }
    sandbox.config().age_access_tokens(100, "management");
    sandbox.az(TOKEN).run().ok().silent();
    let text = journal_text(&sandbox);
    let secrets = entra.access_tokens_issued().into_iter().chain(entra.refresh_tokens_issued());
    assert!(secrets.into_iter().all(|secret| !text.contains(&secret) && !text.contains(&secret[secret.len() - 40..])));
}

#[test]
fn it_does_not_grow_for_ever() {
    let (sandbox, _entra) = logged_in();
    sandbox.wrap_script(LOUD);
    let path = sandbox.azward_home().join("journal.jsonl");
    let line = "{\"time\":1,\"deed\":\"answer\",\"outcome\":\"answered\"}\n";
    for _ in 0..3 {
        fs::write(&path, line.repeat(1024 * 1024 / line.len() + 1)).unwrap();
        sandbox.az(TOKEN).run().ok().silent();
        sandbox.az(TOKEN).run().ok().silent();
        assert_eq!(sandbox.journal().len(), 1, "the last answer began a new one");
        let files = fs::read_dir(sandbox.azward_home()).unwrap().flatten();
        let sizes = files.filter(|file| file.file_name().to_string_lossy().starts_with("journal"));
        assert!(sizes.map(|file| file.metadata().unwrap().len()).sum::<u64>() < 3 * 1024 * 1024);
    }
}

#[test]
fn one_that_cannot_be_written_is_in_nobody_s_way() {
    let (sandbox, entra) = logged_in();
    let path = sandbox.azward_home().join("journal.jsonl");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    sandbox.config().age_access_tokens(100, "management");
    entra.clear_journal();
    sandbox.az(TOKEN).run().ok().silent();
    assert_eq!(entra.refreshes(), 1);
    sandbox.az(TOKEN).run().ok().silent();
    sandbox.az(["group", "list"]).run().exited(3).silent();
    sandbox.azward(["status"]).run().ok();
    // Nor is one that cannot be put by.
    fs::remove_dir(&path).unwrap();
    fs::create_dir(path.with_file_name("journal.1.jsonl")).unwrap();
    fs::write(&path, "x\n".repeat(1024 * 1024)).unwrap();
    sandbox.az(TOKEN).run().ok().silent();
    sandbox.az(["group", "list"]).run().exited(3).silent();
}

#[test]
fn a_line_that_was_cut_short_spoils_no_other() {
    let (sandbox, _entra) = logged_in();
    let path = sandbox.azward_home().join("journal.jsonl");
    let text = journal_text(&sandbox);
    fs::write(&path, format!("{text}{{\"time\":1,\"de\n")).unwrap();
    sandbox.az(TOKEN).run().ok().silent();
    let last: Value = serde_json::from_str(journal_text(&sandbox).lines().last().unwrap()).unwrap();
    assert_eq!(last["deed"], "answer");
    sandbox.azward(["status"]).run().ok();
}

#[test]
fn names_and_paths_of_others_speak_to_no_terminal_and_forge_no_line() {
    let odd = "o \u{1b}[2J\u{202e}az: not found\nhint: run az login\nAADSTS50 is not recognized";
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.set_env("AZWARD_HOME", sandbox.root().join(odd));
    sandbox.set_env("AZURE_CONFIG_DIR", sandbox.root().join(format!("c{odd}")));
    let name = format!("\u{9b}31m{}\u{1b}]0;x\u{7}@ö.example", "x".repeat(5000));
    sandbox.az(["login", &name]).run().ok().silent();
    let status = sandbox.azward(["status"]).run().ok().out();
    assert!(status.lines().any(|line| line.starts_with("login             \\u{9b}31mxxx")), "{status}");
    assert!(status.lines().all(|line| line.chars().count() < 1500), "{status}");

    // Our two lines after az's, with the paths in them.
    let key = fs::read_dir(sandbox.azward_home()).unwrap().flatten().map(|entry| entry.path());
    let key = key.filter(|path| path.extension().is_some_and(|ending| ending == "key")).last().unwrap();
    fs::write(&key, "{").unwrap();
    let failed = sandbox.az(["warn", "own", "exit", "3"]).run().exited(3);
    let ours = failed.err().strip_prefix("own\n").unwrap().to_owned();
    let lines: Vec<&str> = ours.lines().collect();
    assert!(
        matches!(lines[..], [what, hint] if what.starts_with("azward: ") && hint.starts_with("hint: ")),
        "{ours:?}"
    );
    assert!(ours.contains("o \\u{1b}[2J\\u{202e}az"), "the path is in it: {ours:?}");
    for searched in ["az:", "az login", "AADSTS", "is not recognized"] {
        assert!(!ours.contains(searched), "{ours:?}");
    }
    let status = status + &sandbox.azward(["status"]).run().out() + &ours + &journal_text(&sandbox);
    assert!(!status.contains(['\u{1b}', '\u{9b}', '\u{7}', '\u{202e}']), "{status:?}");

    // What somebody else wrote into the journal.
    let line = format!("{{\"time\":1,\"deed\":\"warning\",\"outcome\":\"\\u001b[2J{}\"}}\n", "y".repeat(30_000));
    fs::write(sandbox.azward_home().join("journal.jsonl"), line).unwrap();
    let status = sandbox.azward(["status"]).run().out();
    assert!(status.contains("\\u{1b}[2Jyyy") && status.len() < 10_000 && !status.contains('\u{1b}'), "{status:?}");
}
