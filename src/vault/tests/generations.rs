//! What a vault's generations are for: damage, a killed commit and a full disk cost nothing.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::context::HOME;

#[test]
fn what_was_committed_is_there_and_nothing_else() {
    let home = Home::new();
    assert!(!home.vault().exists());
    assert_eq!(home.vault().load().unwrap(), Contents::default());
    assert!(home.commit("one").unwrap().is_empty());
    assert!(home.vault().exists() && home.holds("one"));
    home.commit("two").unwrap();
    home.commit("three").unwrap();
    assert!(home.holds("three"));
    assert_eq!(home.names(), ["lock", "vault", "vault.previous"]);
    let state = home.vault().describe();
    assert_eq!((state.generation, state.key_store), (Some(3), Some(KeyStoreKind::KeyFile)));
    assert_eq!((state.contents.map(|contents| contents.records.len()), state.trouble.is_none()), (Some(2), true));
}

#[test]
fn a_prepared_vault_needs_no_key_store_any_more() {
    let home = Home::new();
    home.commit("one").unwrap();
    let vault = home.vault();
    vault.prepare().unwrap();
    std::fs::remove_file(home.key()).unwrap();
    let lock = vault.lock(Duration::ZERO).unwrap();
    assert_eq!(vault.load().unwrap(), sample("one"));
    vault.commit(&lock, &sample("two")).unwrap();
    assert_eq!(vault.load().unwrap(), sample("two"));
}

#[test]
fn the_previous_generation_stands_in() {
    for missing in [true, false] {
        let home = Home::new();
        home.commit("one").unwrap();
        home.commit("two").unwrap();
        let vault = home.vault();
        if missing {
            std::fs::remove_file(home.current()).unwrap();
        } else {
            tear(&home.current());
        }
        vault.prepare().unwrap();
        assert_eq!(vault.load().unwrap(), sample("one"));
        let warnings = vault.warnings();
        assert!(warnings[0].what.ends_with("the previous generation was used"), "{warnings:?}");
        assert!(vault.warnings().is_empty(), "told once");

        let warnings = home.commit("three").unwrap();
        assert_eq!(warnings.len(), usize::from(!missing));
        assert!(home.holds("three"));
        assert_eq!(home.vault().describe().generation, Some(2), "counted from the one that was used");
        // The one that was good is still there, now as the fallback.
        std::fs::remove_file(home.current()).unwrap();
        assert!(home.holds("one"));
    }
}

#[test]
fn a_changed_key_id_is_damage_when_the_previous_generation_has_its_key() {
    let home = Home::new();
    home.commit("one").unwrap();
    home.commit("two").unwrap();
    change(&home.current(), |bytes| bytes[16] ^= 1);
    home.vault().prepare().unwrap();
    assert!(home.holds("one"));
}

#[test]
fn what_is_damaged_is_set_aside_and_never_overwritten() {
    let home = Home::new();
    home.commit("one").unwrap();
    let torn = tear(&home.current());
    let failure = home.vault().load().unwrap_err();
    assert_eq!(failure.kind, Kind::VaultDamaged);

    let warnings = home.commit("two").unwrap();
    assert!(warnings[0].what.contains("it was set aside as"), "{warnings:?}");
    assert!(home.holds("two"));
    let aside = home.vault().describe().set_aside;
    assert_eq!(aside.len(), 1);
    assert_eq!(std::fs::read(&aside[0]).unwrap(), torn);

    // Both generations at once, twice within a second.
    home.commit("three").unwrap();
    tear(&home.current());
    tear(&home.previous());
    assert_eq!(home.commit("four").unwrap().len(), 2);
    assert_eq!(home.vault().describe().set_aside.len(), 3);
    assert!(home.holds("four"));
    assert!(!home.names().contains(&"vault.previous".to_owned()), "a previous generation that does not open is none");
}

#[test]
fn a_newer_azwards_vault_is_left_alone() {
    let home = Home::new();
    home.commit("one").unwrap();
    home.commit("two").unwrap();
    let newer = change(&home.current(), |bytes| bytes[13] = 9);
    for failure in [home.vault().load().unwrap_err(), home.commit("three").unwrap_err()] {
        assert_eq!(failure.kind, Kind::VaultDamaged);
        assert_eq!(failure.hint, "update azward, then run the command again");
    }
    assert_eq!(std::fs::read(home.current()).unwrap(), newer);
    assert_eq!(home.names(), ["lock", "vault", "vault.previous"]);
    let key = home.vault().describe().key;
    std::fs::remove_file(home.previous()).unwrap();
    assert_eq!(home.vault().describe().key, key, "which is here, whatever can be read of the vault");
    assert!(key.is_some());
    // Nor is it, when only the previous generation is left.
    std::fs::rename(home.current(), home.previous()).unwrap();
    assert!(home.vault().load().is_err() && home.commit("three").is_err());
}

#[test]
fn a_vault_of_another_directory_is_not_ours() {
    let home = Home::new();
    home.commit("one").unwrap();
    let other = ConfigDir::at(&home.root.path().join("other"));
    let other = Vault::of(&home.context(), &settings(), &other);
    let name =
        home.current().file_name().unwrap().to_str().unwrap().replace(home.vault().login().id(), other.login().id());
    std::fs::copy(home.current(), other.parent().join(name)).unwrap();
    let failure = other.load().unwrap_err();
    assert_eq!(failure.kind, Kind::VaultDamaged);
    assert!(failure.what.contains("belongs to another config directory"), "{failure}");
}

#[test]
fn what_is_no_file_is_a_storage_failure() {
    let home = Home::new();
    home.commit("one").unwrap();
    let hidden = home.root.path().join("hidden");
    let vault = home.current();
    std::fs::rename(&vault, &hidden).unwrap();
    std::fs::create_dir(&vault).unwrap();
    for failure in [home.vault().load().unwrap_err(), home.commit("two").unwrap_err()] {
        assert_eq!(failure.kind, Kind::Storage);
        assert!(failure.what.contains("is not a file that azward made"));
    }
}

#[test]
fn a_commit_that_fails_leaves_the_vault_as_it_was() {
    let home = Home::new();
    home.commit("one").unwrap();
    let before = std::fs::read(home.current()).unwrap();
    for in_the_way in ["vault.new", "vault.previous.new"] {
        let path = home.current().with_extension(in_the_way);
        std::fs::create_dir(&path).unwrap();
        assert_eq!(home.commit("two").unwrap_err().kind, Kind::Storage);
        std::fs::remove_dir(&path).unwrap();
        assert_eq!(std::fs::read(home.current()).unwrap(), before);
        assert_eq!(home.names(), ["lock", "vault"]);
    }
    home.commit("two").unwrap();
    assert!(home.holds("two"));
}

#[test]
fn leftovers_of_a_killed_commit_do_no_harm() {
    let home = Home::new();
    home.commit("one").unwrap();
    let current = home.current();
    std::fs::write(current.with_extension("vault.new"), "torn").unwrap();
    std::fs::hard_link(&current, current.with_extension("vault.previous.new")).unwrap();
    // Killed between the second name and the rename: both names are one file.
    std::fs::hard_link(&current, home.previous()).unwrap();
    home.commit("two").unwrap();
    assert!(home.holds("two"));
    assert_eq!(home.names(), ["lock", "vault", "vault.previous"]);
}

/// Runs itself again under a file-size limit, as a disk that fills up in the middle of a write.
#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_costs_nothing() {
    let name = "vault::tests::generations::a_disk_that_fills_up_costs_nothing";
    if let Some(root) = std::env::var_os("AZWARD_TEST_FULL_DISK") {
        let context = Context::new([(OsString::from(HOME), root)], None);
        let vault = Vault::of(&context, &settings(), &ConfigDir::of(&context));
        let lock = vault.lock(Duration::ZERO).unwrap();
        let failure = vault.commit(&lock, &sample(&"x".repeat(100_000))).unwrap_err();
        assert_eq!(failure.kind, Kind::Storage);
        return;
    }
    let home = Home::new();
    home.commit("one").unwrap();
    let status = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\" >/dev/null", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env("AZWARD_TEST_FULL_DISK", home.root.path())
        .status()
        .unwrap();
    assert!(status.success());
    assert!(home.holds("one"));
    assert_eq!(home.names(), ["lock", "vault"]);
}

#[test]
fn who_reads_while_the_first_vault_is_begun_finds_none_or_that_one() {
    for _ in 0..100 {
        let home = Home::new();
        let is_begun = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !is_begun.load(Ordering::SeqCst) {
                        let contents = home.vault().load().unwrap();
                        assert!(contents == Contents::default() || contents == sample("t"));
                    }
                });
            }
            let vault = home.vault();
            vault.prepare().unwrap();
            let lock = vault.lock(Duration::from_secs(30)).unwrap();
            let committed = vault.commit(&lock, &sample("t"));
            is_begun.store(true, Ordering::SeqCst);
            committed.unwrap();
        });
    }
}

#[test]
fn commits_of_many_at_once_are_all_counted() {
    let home = Home::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let vault = home.vault();
                    vault.prepare().unwrap();
                    let lock = vault.lock(Duration::from_secs(30)).unwrap();
                    let mut contents = vault.load().unwrap();
                    contents.accounts.push(KeptEntry { key: "\"k\"".into(), entry: "{}".into() });
                    vault.commit(&lock, &contents).unwrap();
                }
            });
        }
        // And a reader without a lock never sees anything but a whole vault.
        scope.spawn(|| (0..200).for_each(|_| drop(home.vault().load().unwrap())));
    });
    assert_eq!(home.vault().load().unwrap().accounts.len(), 40);
    assert!(home.vault().warnings().is_empty());
}
