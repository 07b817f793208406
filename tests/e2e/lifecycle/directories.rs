//! Logins are listed with their directories, dropped when their owner says so and not otherwise, and a directory that was
//! removed keeps nobody from uninstalling.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{ALICE, assert_given_back, logged_in, script, walk};
use crate::support::fake_az::BOB;
use crate::support::pty::Terminal;
use crate::support::{Invocation, Sandbox};

/// A box with alice in the default directory and bob in one that a job had.
fn with_job() -> (Sandbox, PathBuf) {
    let sandbox = logged_in();
    let job = sandbox.root().join("jobs/7/azure");
    fs::create_dir_all(&job).unwrap();
    in_directory(sandbox.az(["login", BOB]), &job).run().ok().silent();
    (sandbox, job)
}

fn in_directory<'a>(az: Invocation<'a>, directory: &Path) -> Invocation<'a> {
    az.env("AZURE_CONFIG_DIR", directory)
}

/// The state of each directory and who is logged in there.
fn listed(sandbox: &Sandbox) -> Vec<(String, String, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let json = sandbox.azward(["list", "--logins", "--json"]).run().ok().silent().json();
    let login = |login: &Value| {
        let accounts = login["logins"].as_array().unwrap().iter().map(|login| text(&login["account"])).collect();
        (text(&login["config_directory"]), text(&login["state"]), accounts)
    };
    json["logins"].as_array().unwrap().iter().map(login).collect()
}

fn entry(directory: &Path, state: &str, account: &str) -> (String, String, Vec<String>) {
    (directory.to_str().unwrap().to_owned(), state.to_owned(), vec![account.to_owned()])
}

#[test]
fn what_was_removed_is_listed_and_dropped_when_told() {
    let (sandbox, job) = with_job();
    let alice = entry(&sandbox.config_dir(), "there", ALICE);
    assert_eq!(listed(&sandbox), [alice.clone(), entry(&job, "there", BOB)]);
    fs::remove_dir_all(sandbox.root().join("jobs/7")).unwrap();
    assert_eq!(listed(&sandbox), [alice.clone(), entry(&job, "gone", BOB)]);
    let table = sandbox.azward(["list", "--logins"]).run().ok().silent().out();
    assert!(table.contains("gone") && table.contains(BOB) && table.contains("last used"), "{table}");

    // Nobody to ask: it says what would go and leaves it.
    let before = walk(&sandbox.azward_home().join("vaults"));
    let refused = sandbox.azward(["forget", "--gone"]).run().exited(2);
    assert!(refused.out().contains(BOB) && !refused.out().contains(ALICE), "{refused:?}");
    assert!(refused.err().contains("nobody to ask"), "{refused:?}");
    assert_eq!(walk(&sandbox.azward_home().join("vaults")), before);

    sandbox.azward(["forget", "--gone", "--yes"]).run().ok();
    assert_eq!(listed(&sandbox), [alice]);
    assert_eq!(walk(&sandbox.azward_home().join("vaults")).len(), 2, "alice's vault and its lock");
    let said = sandbox.azward(["forget", "--gone", "--yes"]).run().ok().out();
    assert!(said.contains("nothing to forget"), "{said}");
    sandbox.az(["account", "get-access-token"]).run().ok().silent();
}

#[test]
fn what_is_told_to_be_forgotten_does_not_come_back() {
    let (sandbox, job) = with_job();
    // In the clear there since: taken in by the next az, unless it is forgotten as well.
    in_directory(sandbox.plain_az(["login", BOB]), &job).run().ok();
    let running = in_directory(sandbox.az(["print", "started", "sleep", "2500"]), &job).start();
    running.wait_for("started");
    let before = walk(&sandbox.azward_home().join("vaults"));
    let job_name = job.to_str().unwrap();
    let refused = sandbox.azward(["forget", job_name, "--yes"]).run().exited(1);
    assert!(refused.err().contains("an az is running"), "{refused:?}");
    assert_eq!(walk(&sandbox.azward_home().join("vaults")), before);
    running.finish().ok();

    let said = sandbox.azward(["forget", job_name, "--yes"]).run().ok().out();
    assert!(said.contains("stays: 1 access token(s)"), "{said}");
    sandbox.assert_nothing_in_the_clear();
    in_directory(sandbox.az(["look"]), &job).run().ok();
    let look = sandbox.fake_log().into_iter().rfind(|line| line["event"] == "look").unwrap();
    assert_eq!(look["cache"]["refresh_tokens"], 0);
    assert_eq!(listed(&sandbox), [entry(&sandbox.config_dir(), "there", ALICE)]);
    let none = sandbox.azward(["forget", job_name, "--yes"]).run().exited(2);
    assert!(none.err().contains("no login of"), "{none:?}");

    sandbox.azward(["forget", "--all", "--yes"]).run().ok();
    assert_eq!(listed(&sandbox), []);
    assert_eq!(walk(&sandbox.azward_home().join("vaults")), Vec::<PathBuf>::new());
    sandbox.azward(["forget"]).run().exited(2);
}

#[test]
fn a_directory_out_of_sight_is_only_forgotten_by_name() {
    let sandbox = logged_in();
    let disk = sandbox.root().join("disk");
    fs::create_dir_all(disk.join("azure")).unwrap();
    in_directory(sandbox.az(["login", BOB]), &disk.join("azure")).run().ok();
    // As when something else is in the place of what was mounted there.
    fs::remove_dir_all(&disk).unwrap();
    fs::write(&disk, "").unwrap();
    let said = sandbox.azward(["forget", "--gone", "--yes"]).run().ok().out();
    assert!(said.contains("name it to forget it") && said.contains("nothing to forget"), "{said}");
    assert_eq!(listed(&sandbox).len(), 2);
    sandbox.azward(["forget", disk.join("azure").to_str().unwrap(), "--yes"]).run().ok();
    assert_eq!(listed(&sandbox).len(), 1);
}

#[test]
fn a_removed_directory_keeps_nobody_from_uninstalling() {
    let (sandbox, job) = with_job();
    fs::remove_dir_all(sandbox.root().join("jobs")).unwrap();
    sandbox.expect_clear(sandbox.config().token_cache_path());
    let kept = script(&sandbox, "uninstall.sh").run().exited(1);
    assert!(kept.out().contains("gave 1 login(s) back") && kept.err().contains("is not there any more"), "{kept:?}");
    assert!(sandbox.azward_home().join("bin/azward").exists() && !sandbox.azward_home().join("bin/az").exists());
    let installed = sandbox.azward_home().join("bin/azward");
    let said = Invocation::new(&sandbox, installed).args(["uninstall", "--forget"]).run().ok().silent().out();
    assert!(said.contains(&format!("dropped the vault of `{}`", job.display())), "{said}");
    assert_given_back(&sandbox);
}

#[test]
fn a_user_who_is_gone_is_dropped_and_the_others_stay_where_they_were_put() {
    let sandbox = logged_in();
    for user in [BOB, ALICE] {
        sandbox.az(["login", user]).run().ok().silent();
    }
    sandbox.plain_az(["logout", BOB]).run().ok();
    sandbox.expect_clear(sandbox.config().token_cache_path());
    let kept = script(&sandbox, "uninstall.sh").run().exited(1);
    assert!(kept.out().contains("kept the vault of"), "{kept:?}");
    assert!(kept.err().contains("1 of 2 logins could not be put back"), "{kept:?}");
    assert!(kept.err().contains("--forget` drops these, and the others stay where they were put"), "{kept:?}");
    let installed = sandbox.azward_home().join("bin/azward");
    let said = Invocation::new(&sandbox, installed).args(["uninstall", "--forget"]).run().ok().silent().out();
    assert!(said.contains("dropped the vault of") && said.contains("1 of 2 logins"), "{said}");
    assert_given_back(&sandbox);
}

#[test]
fn an_uninstall_leaves_what_another_machine_keeps_in_the_same_home() {
    let sandbox = logged_in();
    sandbox.expect_clear(sandbox.config().token_cache_path());
    let vaults = sandbox.azward_home().join("vaults");
    let own = walk(&vaults).into_iter().find(|path| path.extension().is_some_and(|e| e == "vault")).unwrap();
    let name = own.file_name().unwrap().to_str().unwrap();
    let (id, _) = name.split_once('.').unwrap();
    let other = vaults.join(format!("{id}.00112233aabbccdd.vault"));
    // By name and header another key's: eight bytes of the header are the key's id.
    let mut bytes = fs::read(&own).unwrap();
    let hex = name.split('.').nth(1).unwrap();
    let key: Vec<u8> = (0..8).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap()).collect();
    let place = bytes.windows(8).position(|window| window == key).unwrap();
    bytes[place..place + 8].copy_from_slice(&[0x00, 0x11, 0x22, 0x33, 0xaa, 0xbb, 0xcc, 0xdd]);
    fs::write(&other, &bytes).unwrap();

    let kept = script(&sandbox, "uninstall.sh").run().exited(4);
    assert!(kept.out().contains("gave 1 login(s) back"), "{kept:?}");
    assert!(other.exists() && !own.exists());
    for extent in [&["uninstall", "--forget"][..], &["uninstall", "--forget", "--others"]] {
        let installed = sandbox.azward_home().join("bin/azward");
        let outcome = Invocation::new(&sandbox, installed).args(extent).run();
        assert_eq!(outcome.status.success(), extent.len() == 3, "{outcome:?}");
        assert_eq!(other.exists(), extent.len() == 2);
    }
    assert_given_back(&sandbox);
}

#[test]
fn on_a_terminal_a_person_is_asked() {
    let sandbox = logged_in();
    for (answer, left, code) in [("n", 1, 2), ("y", 0, 0)] {
        let mut terminal = Terminal::start(&sandbox.azward(["forget", "--all"]));
        terminal.expect("[y/N]");
        terminal.type_line(answer);
        terminal.finish().exited(code);
        assert_eq!(listed(&sandbox).len(), left, "{answer}");
    }
}
