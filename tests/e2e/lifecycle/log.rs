//! `azward log`: who got which token when, as it happens and summed up, whatever has become of the journal's files; nothing of a
//! token in it, and text of others as text.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::{SystemTime, UNIX_EPOCH};

use entra::User;
use serde_json::{Value, json};

use crate::support::schema::assert_documented;
use crate::support::{Invocation, LOUD, Sandbox, Signal, Terminal, wait_until};

const TOKEN: [&str; 2] = ["account", "get-access-token"];
const ARM_SCOPE: &str = "https://management.core.windows.net//.default";
const VAULT_SCOPE: &str = "https://vault.azure.net/.default";

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// A program of this name that starts az with its arguments, as Terraform does.
fn program<'a>(sandbox: &'a Sandbox, name: &str) -> Invocation<'a> {
    let path = sandbox.root().join("bin").join(name);
    // A process is called as its script is only where that is what the kernel started.
    sandbox.make_script(&path, "az \"$@\"; exit $?");
    Invocation::new(sandbox, path)
}

fn lines(sandbox: &Sandbox, words: &[&str]) -> Vec<Value> {
    let outcome = sandbox.azward(["log", "--json"]).args(words).run().ok().silent();
    outcome.out().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn append(sandbox: &Sandbox, file: &str, lines: &[Value]) {
    let path = sandbox.azward_home().join(file);
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    // As azward makes it: one that others can read is closed, and that is told in it.
    file.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
    for line in lines {
        writeln!(file, "{line}").unwrap();
    }
}

fn answer(time: i64, caller: &str, scope: &str) -> Value {
    json!({ "time": time, "deed": "answer", "command": "account get-access-token", "account": "alice@contoso.example",
            "tenant": "t", "scope": scope, "caller": caller, "milliseconds": 1, "outcome": "answered" })
}

#[test]
fn who_got_which_token_when_is_told_whether_azward_or_az_handed_it_out() {
    let (sandbox, entra) = Sandbox::logged_in();
    program(&sandbox, "terraform").args(TOKEN).run().ok().silent();
    program(&sandbox, "terraform").args(TOKEN).args(["--resource", "https://vault.azure.net"]).run().ok().silent();
    // In a form that the real az alone understands it is a run; of one of those the scope is not known.
    program(&sandbox, "kubelogin")
        .args(TOKEN)
        .args(["--resource-type", "arm", "--query", "join('', [tokenType])"])
        .run();
    let all = lines(&sandbox, &[]);
    let got: Vec<&Value> = all.iter().filter(|line| line["got_token"] == true).collect();
    let told = |line: &Value, names: [&str; 3]| names.map(|name| line[name].as_str().unwrap_or("?").to_owned());
    assert!(got.len() >= 2, "{all:#?}");
    assert_eq!(told(got[0], ["caller", "scope", "account"]), ["terraform", ARM_SCOPE, User::Alice.username()]);
    assert_eq!(told(got[1], ["caller", "scope", "account"]), ["terraform", VAULT_SCOPE, User::Alice.username()]);
    assert!(all.iter().all(|line| (now() - line["time"].as_i64().unwrap()).abs() < 120), "{all:#?}");
    for line in &all {
        assert_documented("azward log --json", line);
    }

    // For people, a line for each.
    let shown = sandbox.azward(["log"]).run().ok().silent().out();
    assert_eq!(shown.lines().count(), all.len());
    let line = shown.lines().find(|line| line.contains(VAULT_SCOPE) && line.contains("terraform got")).unwrap();
    assert!(line.contains("got the token of alice") && line.contains(" ms"), "{line}");
    let text = shown + &sandbox.azward(["log", "--json"]).run().out();
    let secrets = entra.access_tokens_issued().into_iter().chain(entra.refresh_tokens_issued());
    assert!(secrets.into_iter().all(|secret| !text.contains(&secret[secret.len() - 40..])));
}

#[test]
fn a_token_that_the_real_az_handed_out_has_its_scope_and_one_that_it_refused_has_none() {
    let (sandbox, _entra) = Sandbox::logged_in();
    // Nothing is known of this az, so it is asked.
    fs::remove_file(sandbox.azward_home().join("run/az.json")).unwrap();
    let resource = ["--resource", "https://vault.azure.net"];
    sandbox.az(TOKEN).args(resource).in_script(r#""$0" "$@" > tokens; exit $?"#).cwd(sandbox.root()).run().ok();
    fs::remove_file(sandbox.root().join("tokens")).unwrap();
    let line = lines(&sandbox, &[]).into_iter().rfind(|line| line["deed"] == "run").unwrap();
    assert_eq!((&line["got_token"], &line["scope"]), (&true.into(), &VAULT_SCOPE.into()), "{line}");
    sandbox.wrap_script(LOUD);
    sandbox.az(TOKEN).args(resource).run().exited(77);
    let line = lines(&sandbox, &[]).into_iter().rfind(|line| line["deed"] == "run").unwrap();
    assert_eq!((&line["got_token"], &line["scope"]), (&false.into(), &Value::Null), "{line}");
}

#[test]
fn it_is_summed_up_by_caller_and_by_scope_and_only_since_then() {
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.az(["print", "x"]).run().ok();
    let now = now();
    append(
        &sandbox,
        "journal.jsonl",
        &[
            answer(now - 7200, "terraform", ARM_SCOPE),
            answer(now - 60, "terraform", ARM_SCOPE),
            answer(now - 50, "terraform", VAULT_SCOPE),
            answer(now - 40, "kubelogin", VAULT_SCOPE),
            json!({ "time": now - 30, "deed": "answer", "command": "version", "caller": "vim", "outcome": "answered" }),
            json!({ "time": now - 20, "deed": "run", "command": "group list", "caller": "kubelogin", "scope": ARM_SCOPE,
                "outcome": "exit status: 0" }),
        ],
    );
    let summary = |words: &[&str]| {
        let said = sandbox.azward(["log", "--json"]).args(words).run().ok().silent().json();
        assert_documented(&format!("azward log --by {} --json", said["by"].as_str().unwrap()), &said);
        let entries = said["entries"].as_array().unwrap().clone();
        entries
            .iter()
            .map(|e| {
                (
                    e["caller"].as_str().or(e["scope"].as_str()).unwrap().to_owned(),
                    e["tokens"].as_u64().unwrap(),
                    e["runs"].as_u64().unwrap(),
                )
            })
            .collect::<Vec<_>>()
    };
    let by_caller = summary(&["--by", "caller", "--since", "1h"]);
    assert_eq!(by_caller[..2], [("terraform".into(), 2, 0), ("kubelogin".into(), 1, 1)], "{by_caller:?}");
    assert_eq!(summary(&["--by", "caller", "--since", "3h"])[0], ("terraform".into(), 3, 0));
    let by_scope = summary(&["--by", "scope", "--since", "1h"]);
    assert_eq!(by_scope, [(VAULT_SCOPE.into(), 2, 0), (ARM_SCOPE.into(), 1, 1)]);
    let shown = sandbox.azward(["log", "--by", "caller", "--since", "1h"]).run().ok().out();
    assert!(shown.starts_with("terraform        2 tokens, 0 runs, for https://management"), "{shown}");
    assert_eq!(lines(&sandbox, &["--since", "45s"]).iter().filter(|line| line["got_token"] == true).count(), 1);
    // What is no time, and what cannot be had together.
    for words in [&["--since", "soon"][..], &["--since", "-1h"], &["--by", "moon"], &["--by", "scope", "--follow"]] {
        sandbox.azward(["log"]).args(words).run().exited(2);
    }
}

#[test]
fn a_journal_that_is_off_is_told_of() {
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.az(["print", "x"]).run().ok();
    sandbox.azward(["config", "set", "journal", "off"]).run().ok();
    sandbox.az(["print", "x"]).run().ok();
    let said = sandbox.azward(["log"]).run().ok().silent().out();
    assert!(said.lines().count() == 2 && said.contains("`journal` is off"), "{said}");
    assert!(sandbox.azward(["log", "--by", "caller"]).run().ok().out().contains("`journal` is off"));
    assert_eq!(lines(&sandbox, &[]).len(), 1);
}

#[test]
fn torn_lines_other_versions_and_a_journal_that_was_put_by_hide_nothing() {
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.az(["print", "x"]).run().ok();
    let now = now();
    append(&sandbox, "journal.1.jsonl", &[answer(now - 9, "first", ARM_SCOPE)]);
    let path = sandbox.azward_home().join("journal.jsonl");
    let torn = format!(
        "{{\"time\":1,\"de\n{}\n\u{0}\n",
        json!({ "time": now, "deed": "teleport", "outcome": "x\u{1b}[2J", "n": {} })
    );
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(torn.as_bytes()).unwrap();
    append(&sandbox, "journal.jsonl", &[answer(now, "\u{1b}]0;last\u{7}\u{202e}", ARM_SCOPE)]);
    let all = lines(&sandbox, &[]);
    assert_eq!(all.first().unwrap()["caller"], "first");
    assert_eq!(all.last().unwrap()["caller"], "\\u{1b}]0;last\\u{7}\\u{202e}");
    assert!(all.iter().any(|line| line["deed"] == "other"), "{all:#?}");
    let shown =
        sandbox.azward(["log"]).run().ok().silent().out() + &sandbox.azward(["log", "--by", "caller"]).run().out();
    assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{shown:?}");
    fs::remove_file(&path).unwrap();
    fs::remove_file(path.with_file_name("journal.1.jsonl")).unwrap();
    assert_eq!(lines(&sandbox, &[]), [] as [Value; 0]);
    fs::create_dir(&path).unwrap();
    sandbox.azward(["log"]).run().ok().silent();
}

#[test]
fn follow_tells_each_thing_as_it_happens_and_ends_quietly() {
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.az(["print", "before"]).run().ok();
    let now = now();
    let following = sandbox.azward(["log", "--follow", "--json"]).start();
    following.wait_for("\"deed\":\"run\"");
    append(&sandbox, "journal.jsonl", &[answer(now, "early", ARM_SCOPE)]);
    following.wait_for("early");
    // Through a change of the file.
    fs::rename(sandbox.azward_home().join("journal.jsonl"), sandbox.azward_home().join("journal.1.jsonl")).unwrap();
    append(&sandbox, "journal.jsonl", &[answer(now, "late", VAULT_SCOPE)]);
    following.wait_for("late");
    following.signal(Signal::INT);
    let outcome = following.finish().silent();
    assert_eq!(outcome.end(), crate::support::End::Signal(2), "{outcome:?}");
    assert_eq!(outcome.out().lines().filter(|line| line.contains("early")).count(), 1);

    // A reader that goes away ends it, although nothing happens any more.
    let script = r#"{ "$0" "$@"; echo "ended $?" >&2; } | head -n 1"#;
    let outcome = sandbox.azward(["log", "--follow"]).in_script(script).run().ok();
    assert_eq!(outcome.err(), "ended 0\n", "{outcome:?}");

    // As on a terminal.
    let mut terminal = Terminal::start(&sandbox.azward(["log", "--follow"]).env("TERM", "xterm"));
    terminal.expect("late");
    append(&sandbox, "journal.jsonl", &[answer(now, "later", VAULT_SCOPE)]);
    terminal.expect("later got the token");
    terminal.send("\u{3}");
    assert_eq!(terminal.finish().end(), crate::support::End::Signal(2));
}

#[test]
fn a_journal_that_fills_up_meanwhile_is_followed_without_a_gap() {
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.az(["print", "x"]).run().ok();
    let following = sandbox.azward(["log", "--follow", "--json"]).start();
    following.wait_for("\"deed\":\"run\"");
    let path = sandbox.azward_home().join("journal.jsonl");
    let filler = vec![answer(now(), "filler", ARM_SCOPE); 1024 * 1024 / 200];
    append(&sandbox, "journal.jsonl", &filler);
    wait_until("azward puts the journal by", || {
        sandbox.az(["print", "x"]).run().ok();
        path.metadata().map_or(0, |metadata| metadata.len()) < 1024 * 1024
    });
    append(&sandbox, "journal.jsonl", &[answer(now(), "the-end", ARM_SCOPE)]);
    following.wait_for("the-end");
    following.signal(Signal::INT);
    let out = following.finish().out();
    assert_eq!(out.lines().filter(|line| line.contains("filler")).count(), filler.len());
}
