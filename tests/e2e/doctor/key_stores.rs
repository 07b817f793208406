//! A key in a weaker place than this machine has, and one that is not to be had now, with a real keyring.

use std::fs;

use super::{assert_healthy, assert_mended, assert_only, found, healthy};
use crate::support::{Sandbox, SecretService, State};

fn has_key_file(sandbox: &Sandbox) -> bool {
    let mut entries = fs::read_dir(sandbox.azward_home()).unwrap().flatten();
    entries.any(|entry| entry.path().extension().is_some_and(|ending| ending == "key"))
}

#[test]
fn a_key_file_although_a_keyring_answers_now() {
    let (sandbox, _entra) = healthy();
    assert_healthy(&sandbox);
    let mut service = SecretService::start(&sandbox, State::Locked);
    // One that is locked takes nothing now.
    assert_healthy(&sandbox);
    service.unlock();
    assert_mended(&sandbox, "key-store-weaker", "");
    assert!(!has_key_file(&sandbox));
    sandbox.az(["look"]).run().ok().silent();
    assert!(sandbox.azward(["vault", "list"]).run().ok().out().contains("keyring"));
    // Who chose the key file has it.
    sandbox.azward(["vault", "move", "--to", "key-file"]).run().ok();
    assert_only(&sandbox, "key-store-weaker", "");
    // Moved there, as it says.
    sandbox.azward(["vault", "move", "--to", "keyring"]).run().ok();
    assert_healthy(&sandbox);
    sandbox.azward(["vault", "move", "--to", "key-file"]).run().ok();
    sandbox.azward(["config", "set", "key_store", "key-file"]).run().ok();
    assert_eq!(found(&sandbox, "key-store-weaker"), [] as [String; 0]);
}

#[test]
fn a_vault_that_does_not_open_now() {
    let (sandbox, _entra) = healthy();
    let directory = sandbox.config_dir();
    let directory = directory.to_str().unwrap();
    let mut service = SecretService::start(&sandbox, State::Unlocked);
    sandbox.azward(["vault", "move", "--to", "keyring"]).run().ok();
    service.lock();
    sandbox.azward(["lock"]).run().ok();
    assert_only(&sandbox, "vault-closed", directory);
    // There is nobody who could give the password.
    sandbox.azward(["doctor", "--fix", "--yes"]).run().exited(1);
    service.unlock();
    assert_healthy(&sandbox);
    // What is in the way of its file.
    let vaults = sandbox.azward_home().join("vaults");
    let vault = fs::read_dir(&vaults).unwrap().flatten().map(|entry| entry.path());
    let vault = vault.filter(|path| path.extension().is_some_and(|ending| ending == "vault")).last();
    let vault = vault.unwrap_or_else(|| panic!("no vault in {}", vaults.display()));
    let aside = sandbox.root().join("aside");
    let whole = fs::read(&vault).unwrap();
    fs::rename(&vault, &aside).unwrap();
    fs::create_dir(&vault).unwrap();
    assert_only(&sandbox, "vault-closed", directory);
    fs::remove_dir(&vault).unwrap();
    fs::rename(&aside, &vault).unwrap();
    assert_healthy(&sandbox);
    assert_eq!(fs::read(&vault).unwrap(), whole);
}
