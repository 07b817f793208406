//! Trouble, one kind after the other: a keyring that is locked or gone, a disk that is full or read-only, a vault, a cache or
//! a setting that is not what it should be, locks, modes, clocks, odd directories. az runs all the same, nothing is lost,
//! and what azward has to say comes after az's own words and only when az failed.

#![cfg(target_os = "linux")]

mod azward_home;
mod config_directory;
mod disk;
mod keyring;
mod real_az;
mod room;
mod vault;

use std::fs;
use std::path::PathBuf;

use azward::context::Context;
use azward::vault::forget_cached_key;

use crate::support::fake_az::{ALICE, BOB, logged_in};
use crate::support::{Invocation, Outcome, Sandbox, wait_until};

/// What the fake az says when it needs a refresh token and there is none.
const NO_TOKEN: &str = "ERROR: Can't find token from MSAL cache.\nTo re-authenticate, please run:\naz login\n";

/// Fails unless az has so many refresh tokens and, afterwards, nothing is in the clear.
fn assert_kept(sandbox: &Sandbox, count: u64) {
    sandbox.az(["look"]).run().ok().silent();
    assert_eq!(look(sandbox)["refresh_tokens"], count, "{:?} {:?}", sandbox.fake_log().last(), sandbox.journal());
    sandbox.assert_nothing_in_the_clear();
}

/// What the fake az saw of the cache last.
fn look(sandbox: &Sandbox) -> serde_json::Value {
    sandbox.fake_log().pop().unwrap()["cache"].clone()
}

fn status(sandbox: &Sandbox) -> String {
    sandbox.azward(["status"]).run().out()
}

/// Fails unless az ended as it wanted to, and our two lines, with these words, come after az's.
fn assert_explained(outcome: Outcome, code: i32, az: &str, ours: &str) {
    let outcome = outcome.exited(code);
    let text = outcome.err();
    let lines: Vec<&str> = text.strip_prefix(az).unwrap_or_else(|| panic!("{outcome:?}")).lines().collect();
    assert_eq!(lines.len(), 2, "{outcome:?}");
    assert!(lines[0].starts_with("azward: ") && lines[0].contains(ours), "{outcome:?}");
    assert!(lines[1].starts_with("hint: ") && !text[az.len()..].contains("az login"), "{outcome:?}");
}

/// What holds in every trouble that keeps the vault from us: az runs, az's failures are explained, a login stays in the
/// file. `az` makes the command.
fn assert_az_runs<'a>(sandbox: &Sandbox, az: impl Fn(&[&str]) -> Invocation<'a>, ours: &str) {
    az(&["print", "x"]).run().ok().silent();
    az(&["account", "get-access-token"]).run().ok().silent();
    assert_explained(az(&["roll"]).run(), 1, NO_TOKEN, ours);
    assert_explained(az(&["warn", "own", "exit", "9"]).run(), 9, "own\n", ours);
    az(&["login", BOB, "look"]).run().ok().silent();
    az(&["print", "x"]).run().ok().silent();
    assert_eq!(sandbox.config().refresh_token_count(), 1, "what cannot be stored is not scrubbed");
    // What such a run could not settle its guardian tries once more: whoever mends the trouble now is not to be in its way.
    wait_until("the guardians have done what they can", || sandbox.guardians().is_empty());
}

/// Has the kernel forget the key that it keeps for a while.
fn forget_key(sandbox: &Sandbox) {
    forget_cached_key(&Context::new(sandbox.environment(), None));
}

fn vault_files(sandbox: &Sandbox) -> Vec<PathBuf> {
    let entries = fs::read_dir(sandbox.azward_home().join("vaults")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_none_or(|extension| extension != "lock")).collect()
}

fn set_aside(sandbox: &Sandbox) -> usize {
    vault_files(sandbox).iter().filter(|path| path.to_string_lossy().contains(".set-aside-")).count()
}
