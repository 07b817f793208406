//! `azward doctor`: each fault is made, found, mended, and gone; a machine without any has none; and whoever cannot be asked is
//! not surprised. Real files, real processes, real shells.

#![cfg(target_os = "linux")]

mod az;
mod directory;
mod endpoint;
mod key_stores;
mod shells;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use entra::Entra;
use serde_json::Value;

use crate::support::fake_az::with_alice;
use crate::support::installed::{installed, walk};
use crate::support::schema::assert_documented;
use crate::support::{Sandbox, Terminal};

/// A box in which all is as it should be: azward installed before a real az of a known version, an endpoint that answers, alice
/// logged in.
fn healthy() -> (Sandbox, Entra) {
    healthy_in(Sandbox::new())
}

/// The same in a box that has something already.
fn healthy_in(sandbox: Sandbox) -> (Sandbox, Entra) {
    let sandbox = installed(sandbox.with_fake_az().with_package());
    let entra = sandbox.start_entra(|_| {});
    (with_alice(sandbox), entra)
}

/// What is found: id, and what it is about.
fn findings(sandbox: &Sandbox) -> Vec<(String, String)> {
    let outcome = sandbox.azward(["doctor", "--json"]).run();
    let said = outcome.json();
    assert_documented("azward doctor --json", &said);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let found: Vec<_> =
        said["findings"].as_array().unwrap().iter().map(|f| (text(&f["id"]), text(&f["about"]))).collect();
    outcome.exited(i32::from(!found.is_empty()));
    let known = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/doctor.md")).unwrap();
    let unknown: Vec<_> = found.iter().filter(|(id, _)| !known.contains(&format!("`{id}`"))).collect();
    assert!(unknown.is_empty(), "docs/doctor.md has no {unknown:?}");
    found
}

/// The findings of this id.
fn found(sandbox: &Sandbox, id: &str) -> Vec<String> {
    findings(sandbox).into_iter().filter(|(other, _)| other == id).map(|(_, about)| about).collect()
}

/// Fails unless this alone is found, and said to people too.
#[track_caller]
fn assert_only(sandbox: &Sandbox, id: &str, about: &str) {
    assert_eq!(findings(sandbox), [(id.to_owned(), about.to_owned())]);
    let outcome = sandbox.azward(["doctor"]).run().exited(1);
    let said = outcome.out();
    assert!(said.contains(&format!("[{id}]")) && said.contains("\nfix "), "{said}");
    assert_eq!(outcome.err().lines().next(), Some("azward: one thing is not as it should be"), "{outcome:?}");
}

/// Fails unless this alone is found, `--fix` mends it, and it is gone.
#[track_caller]
fn assert_mended(sandbox: &Sandbox, id: &str, about: &str) {
    assert_only(sandbox, id, about);
    let said = sandbox.azward(["doctor", "--fix", "--yes", "--json"]).run().ok().silent().json();
    assert_documented("azward doctor --json", &said);
    let mended = &said["mended"][0];
    assert_eq!(
        (&mended["id"], &mended["about"], &mended["is_gone"]),
        (&id.into(), &about.into(), &true.into()),
        "{said:#}"
    );
    assert_healthy(sandbox);
}

#[track_caller]
fn assert_healthy(sandbox: &Sandbox) {
    assert_eq!(findings(sandbox), []);
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn where_nothing_is_wrong_nothing_is_found_and_nothing_changed() {
    let (sandbox, entra) = healthy();
    sandbox.azward(["doctor"]).run();
    let before: Vec<_> =
        walk(&sandbox.home()).into_iter().map(|path| (fs::read(&path).unwrap_or_default(), path)).collect();
    let outcome = sandbox.azward(["doctor"]).run().ok().silent();
    let suggestion = "suggestion        2 access and ID token(s) lie in the token cache until they expire, in an hour or a day: \
                      `azward config set seal all-tokens` seals them as well\n";
    assert_eq!(outcome.out(), format!("all is as it should be\n{suggestion}"));
    assert_healthy(&sandbox);
    sandbox.azward(["doctor", "--fix", "--yes"]).run().ok().silent();
    let after: Vec<_> =
        walk(&sandbox.home()).into_iter().map(|path| (fs::read(&path).unwrap_or_default(), path)).collect();
    assert!(before == after, "looking changed something");
    assert_eq!(entra.token_requests(), 0);
}

#[test]
fn it_makes_nothing_where_there_is_nothing() {
    let sandbox = Sandbox::new();
    sandbox.forget_settings();
    let found = findings(&sandbox);
    assert!(!found.is_empty());
    assert_eq!(fs::read_dir(sandbox.home()).unwrap().count(), 0);
}

#[test]
fn without_a_terminal_it_has_to_be_told_and_on_one_it_asks_for_each() {
    let (sandbox, _entra) = healthy();
    let (cache, lock) =
        (sandbox.config().token_cache_path(), sandbox.config_dir().join("msal_token_cache.json.lockfile"));
    set_mode(&cache, 0o644);
    fs::write(&lock, "4194301 az").unwrap();
    let refused = sandbox.azward(["doctor", "--fix"]).run().exited(2);
    assert!(refused.err().contains("nobody to ask") && refused.out().is_empty(), "{refused:?}");
    sandbox.azward(["doctor", "--yes"]).run().exited(2);
    assert_eq!(findings(&sandbox).len(), 2);

    let mut terminal = Terminal::start(&sandbox.azward(["doctor", "--fix"]).env("TERM", "dumb"));
    terminal.expect("[y/N]");
    terminal.type_line("y");
    terminal.expect("[y/N]");
    terminal.type_line("n");
    let outcome = terminal.finish().exited(1);
    assert!(outcome.out().contains("gone"), "{outcome:?}");
    assert_eq!(found(&sandbox, "credential-file-open"), [] as [String; 0]);
    assert_eq!(found(&sandbox, "lock-file-stale").len(), 1);
    sandbox.azward(["doctor", "--fix", "--yes"]).run().ok().silent();
    assert_healthy(&sandbox);
}

#[test]
fn what_cannot_be_mended_after_all_stays_and_is_told() {
    let (sandbox, _entra) = healthy_in(with_bashrc());
    // A start-up file that is none, and what is to be mended in another.
    let (bashrc, profile) = (sandbox.home().join(".bashrc"), sandbox.home().join(".profile"));
    fs::remove_file(&bashrc).unwrap();
    fs::create_dir(&bashrc).unwrap();
    fs::write(&profile, "").unwrap();
    assert!(found(&sandbox, "shim-not-first").contains(&"bash -l".to_owned()));
    let outcome = sandbox.azward(["doctor", "--fix", "--yes"]).run().exited(1);
    assert!(outcome.out().contains("still there") && outcome.out().contains("it is not a file"), "{outcome:?}");
    fs::remove_dir(&bashrc).unwrap();
    sandbox.azward(["doctor", "--fix", "--yes"]).run().ok();
    assert_healthy(&sandbox);
}

/// A box whose user has bash.
fn with_bashrc() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.home().join(".bashrc"), "").unwrap();
    fs::write(sandbox.home().join(".profile"), "").unwrap();
    sandbox
}
