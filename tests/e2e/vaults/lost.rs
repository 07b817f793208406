//! A key that is gone, or another one in its place: az asks for a new login, which begins a vault beside the old one, and what
//! is old is neither moved nor dropped.

use std::fs;

use super::{ALICE, STORES, forget_key, key_files, log_in, move_to, set_passphrase, tokens, vault_files, with_stores};
use crate::support::Sandbox;

/// Logs in and takes the key away by `lose`, then sees what there is to see of a lost key.
fn lose(store: &str, lose: impl FnOnce(&Sandbox)) {
    let (sandbox, stores) = with_stores();
    if !stores.contains(&store) {
        return;
    }
    sandbox.set("key_cache_minutes", 0);
    log_in(&sandbox, store);
    let old = vault_files(&sandbox);
    lose(&sandbox);
    let outcome = sandbox.az(["roll"]).run().exited(1);
    assert!(outcome.err().contains("\nazward: ") && outcome.err().contains("sign in to Azure"), "{store}: {outcome:?}");
    let left = move_to(&sandbox, "key-file").exited(4);
    assert!(left.out().contains("left the vault of") || !left.err().is_empty(), "{store}: {left:?}");
    assert_eq!(vault_files(&sandbox), old, "{store}: what does not open stays as it is");
    sandbox.az(["login", ALICE]).run().ok().silent();
    assert_eq!(tokens(&sandbox), 1, "{store}");
    for (path, bytes) in &old {
        assert_eq!(&fs::read(path).unwrap(), bytes, "{store}: beside the new one");
    }
    forget_key(&sandbox);
}

/// The file of the key.
fn key_file(sandbox: &Sandbox) -> std::path::PathBuf {
    let files = key_files(sandbox);
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[test]
fn a_key_that_is_gone() {
    for store in STORES.into_iter().filter(|store| *store != "keyring") {
        lose(store, |sandbox| fs::remove_file(key_file(sandbox)).unwrap());
    }
}

#[test]
fn a_file_that_is_torn() {
    for store in STORES.into_iter().filter(|store| *store != "keyring") {
        lose(store, |sandbox| {
            let path = key_file(sandbox);
            let text = fs::read(&path).unwrap();
            fs::write(&path, &text[..text.len() / 2]).unwrap();
        });
    }
}

/// As another host key seals it, or as it was sealed for another key.
#[test]
fn a_seal_of_something_else_in_the_place_of_the_key_s() {
    lose("systemd-creds", |sandbox| {
        let path = key_file(sandbox);
        let user = if rustix::process::geteuid().is_root() { "" } else { "--user" };
        let line = format!("head -c 32 /dev/zero | systemd-creds encrypt {user} --name=another - '{}'", path.display());
        sandbox.shell(&line).run().ok();
    });
}

#[test]
fn another_passphrase_s_file_in_the_place_of_the_key_s_opens_nothing_and_is_no_loss() {
    let (sandbox, _) = with_stores();
    sandbox.set("key_cache_minutes", 0);
    log_in(&sandbox, "passphrase");
    let path = key_file(&sandbox);
    let own = fs::read(&path).unwrap();
    let (other, _) = with_stores();
    log_in(&other, "passphrase");
    fs::copy(key_file(&other), &path).unwrap();
    let before = vault_files(&sandbox);
    // Nobody can tell it from a wrong passphrase, so nothing is begun in its place.
    let outcome = sandbox.az(["roll"]).run().exited(1);
    assert!(outcome.err().contains("does not open the vault's key"), "{outcome:?}");
    move_to(&sandbox, "key-file").exited(4);
    assert_eq!(vault_files(&sandbox), before);
    fs::write(&path, own).unwrap();
    set_passphrase(&sandbox, super::PASSPHRASE);
    assert_eq!(tokens(&sandbox), 1);
    forget_key(&other);
}
