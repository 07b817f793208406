//! Every key store: a login in it, a run, a rotation; moved to each other; locked, lost, replaced. With a real gnome-keyring,
//! with the machine's own systemd-creds where that seals (a test says where it does not), and with real terminals.

#![cfg(target_os = "linux")]

mod locked;
mod lost;
mod moves;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use azward::context::Context;
use azward::sys;
use azward::vault::forget_cached_key;
use serde_json::Value;

use crate::support::fake_az::ALICE;
use crate::support::schema::assert_documented;
use crate::support::{Outcome, Sandbox, SecretService, State};

const PASSPHRASE: &str = "correct horse battery staple";

/// The stores, as the settings and `vault move` call them.
const STORES: [&str; 4] = ["key-file", "passphrase", "systemd-creds", "keyring"];

/// A box with all the key stores that the machine has. Which of them those are is told.
fn with_stores() -> (Sandbox, Vec<&'static str>) {
    let (sandbox, has_systemd) = Sandbox::new().with_fake_az().with_systemd_creds();
    set_passphrase(&sandbox, PASSPHRASE);
    let stores = STORES.into_iter().filter(|store| *store != "systemd-creds" || has_systemd);
    (sandbox, stores.collect())
}

/// Names a file with this passphrase.
fn set_passphrase(sandbox: &Sandbox, passphrase: &str) {
    let path = sandbox.root().join("passphrase");
    fs::write(&path, format!("{passphrase}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    sandbox.set_env("AZWARD_PASSPHRASE_FILE", path);
}

/// Logs alice in, with her key in `store`.
fn log_in(sandbox: &Sandbox, store: &str) {
    sandbox.set("key_store", store);
    sandbox.az(["login", ALICE]).run().ok().silent();
    assert_eq!(store_of(sandbox), store);
}

/// What `azward vault list` says of the only vault.
fn listed(sandbox: &Sandbox) -> Value {
    let list = sandbox.azward(["vault", "list", "--json"]).run().ok().silent().json();
    assert_documented("azward vault list --json", &list);
    let vaults = list["vaults"].as_array().unwrap();
    assert_eq!(vaults.len(), 1, "{list}");
    assert_eq!(list["unclaimed"], Value::Array(Vec::new()), "{list}");
    vaults[0].clone()
}

fn store_of(sandbox: &Sandbox) -> String {
    listed(sandbox)["key_store"].as_str().unwrap_or("none").to_owned()
}

fn move_to(sandbox: &Sandbox, store: &str) -> Outcome {
    sandbox.azward(["vault", "move", "--to", store]).run()
}

/// How many refresh tokens az has; afterwards nothing is in the clear.
fn tokens(sandbox: &Sandbox) -> u64 {
    sandbox.az(["look"]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
    sandbox.fake_log().pop().unwrap()["cache"]["refresh_tokens"].as_u64().unwrap()
}

/// Whether this kernel or sandbox keeps keys at all.
fn keeps_keys() -> bool {
    let description = format!("azward-test-keeps:{}", std::process::id());
    sys::cache_key(&description, b"1", Duration::from_secs(60));
    sys::forget_key(&description) > 0
}

/// Has the kernel forget what it keeps of the box's keys.
fn forget_key(sandbox: &Sandbox) {
    forget_cached_key(&Context::new(sandbox.environment(), None));
}

/// The files of the azward home that have a key or tell of one.
fn key_files(sandbox: &Sandbox) -> Vec<PathBuf> {
    let endings = ["key", "keyring", "passphrase", "systemd-creds"];
    let files = fs::read_dir(sandbox.azward_home()).unwrap().map(|entry| entry.unwrap().path());
    let is_one = |path: &PathBuf| path.extension().is_some_and(|extension| endings.iter().any(|own| *own == extension));
    files.filter(is_one).collect()
}

/// The vaults' files, but the locks, with what is in them.
fn vault_files(sandbox: &Sandbox) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(sandbox.azward_home().join("vaults")).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_none_or(|extension| extension != "lock"));
    let mut found: Vec<_> = files.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    found.sort();
    found
}

#[test]
fn every_store_keeps_a_login_through_runs_and_rotations() {
    let (sandbox, stores) = with_stores();
    drop(sandbox);
    for store in stores {
        for minutes in [0, 60] {
            let (sandbox, _) = with_stores();
            let _service = SecretService::start(&sandbox, State::Unlocked);
            sandbox.set("key_cache_minutes", minutes);
            log_in(&sandbox, store);
            assert_eq!(tokens(&sandbox), 1, "{store}");
            sandbox.az(["roll"]).run().ok().silent();
            assert_eq!(tokens(&sandbox), 1, "{store}");
            let files = key_files(&sandbox);
            let ending = if store == "key-file" { "key" } else { store };
            assert!(files.len() == 1 && files[0].extension().unwrap() == ending, "{files:?}");
            assert_eq!(fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777, 0o600);
            sandbox.az(["logout", ALICE]).run().ok().silent();
            assert_eq!(tokens(&sandbox), 0, "{store}");
            forget_key(&sandbox);
        }
    }
}

#[test]
fn systemd_creds_is_taken_where_it_seals_and_no_keyring_answers() {
    let (sandbox, can) = Sandbox::new().with_fake_az().with_systemd_creds();
    sandbox.az(["login", ALICE]).run().ok().silent();
    assert_eq!(store_of(&sandbox), if can && keeps_keys() { "systemd-creds" } else { "key-file" });
    assert_eq!(tokens(&sandbox), 1);
    forget_key(&sandbox);
    // One that refuses is tried once, and remembered.
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.az(["login", ALICE]).run().ok().silent();
    assert_eq!(store_of(&sandbox), "key-file");
}
