//! The promises of the vault as a whole, all with a key file: the keyring has `tests/keyring.rs`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::contents::tests::sample;
use super::*;
use crate::settings::KeyStoreChoice;

/// An azward home and one config directory.
struct Home {
    root: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(".azure")).unwrap();
        Self { root }
    }

    fn context(&self) -> Context {
        Context::new([(OsString::from("HOME"), self.root.path().into())], None, false)
    }

    fn vault(&self) -> Vault {
        Vault::of(&self.context(), &settings(), &ConfigDir::of(&self.context()))
    }

    /// Commits as a run does, in a vault object of its own.
    fn commit(&self, token: &str) -> Result<Vec<Failure>> {
        let vault = self.vault();
        // A key that is lost or a vault that is damaged is for the commit to deal with.
        let _ = vault.prepare();
        let lock = vault.lock(Duration::ZERO)?;
        vault.commit(&lock, &sample(token))?;
        Ok(vault.warnings())
    }

    /// Whether a fresh process would find exactly this.
    fn holds(&self, token: &str) -> bool {
        self.vault().load().unwrap() == sample(token)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = files::list(&self.vault().files.directory)
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap().split_once('.').unwrap().1.to_owned())
            .collect();
        names.sort();
        names
    }
}

fn settings() -> Settings {
    Settings { key_store: KeyStoreChoice::KeyFile, ..Settings::default() }
}

fn change(path: &Path, edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = std::fs::read(path).unwrap();
    edit(&mut bytes);
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, &bytes).unwrap();
    bytes
}

fn tear(path: &Path) -> Vec<u8> {
    change(path, |bytes| bytes.truncate(bytes.len() / 2))
}

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
    assert_eq!(
        (state.contents.map(|contents| contents.refresh_tokens.len()), state.trouble.is_none()),
        (Some(2), true)
    );
}

#[test]
fn a_prepared_vault_needs_no_key_store_any_more() {
    let home = Home::new();
    home.commit("one").unwrap();
    let vault = home.vault();
    vault.prepare().unwrap();
    std::fs::remove_file(home.root.path().join(".azward/key")).unwrap();
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
            std::fs::remove_file(vault.path()).unwrap();
        } else {
            tear(vault.path());
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
        std::fs::remove_file(home.vault().path()).unwrap();
        assert!(home.holds("one"));
    }
}

#[test]
fn a_changed_key_id_is_damage_when_the_previous_generation_has_its_key() {
    let home = Home::new();
    home.commit("one").unwrap();
    home.commit("two").unwrap();
    change(home.vault().path(), |bytes| bytes[16] ^= 1);
    home.vault().prepare().unwrap();
    assert!(home.holds("one"));
}

#[test]
fn what_is_damaged_is_set_aside_and_never_overwritten() {
    let home = Home::new();
    home.commit("one").unwrap();
    let torn = tear(home.vault().path());
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
    tear(&home.vault().files.current);
    tear(&home.vault().files.previous);
    assert_eq!(home.commit("four").unwrap().len(), 2);
    assert_eq!(home.vault().describe().set_aside.len(), 3);
    assert!(home.holds("four"));
    assert!(!home.names().contains(&"vault.previous".to_owned()), "a previous generation that does not open is none");
}

#[test]
fn a_lost_key_sets_the_vault_aside() {
    let home = Home::new();
    home.commit("one").unwrap();
    let before = std::fs::read(home.vault().path()).unwrap();
    let key = home.root.path().join(".azward/key");
    let backup = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    assert_eq!(home.vault().prepare().unwrap_err().kind, Kind::KeyLost);
    assert_eq!(home.vault().load().unwrap_err().kind, Kind::KeyLost);
    assert!(!key.exists(), "asking makes no key");
    assert_eq!(home.commit("two").unwrap()[0].kind, Kind::KeyLost);
    assert!(home.holds("two"));

    // Bringing both back brings the login back.
    let aside = home.vault().describe().set_aside.remove(0);
    assert_eq!(std::fs::read(&aside).unwrap(), before);
    std::fs::rename(aside, home.vault().path()).unwrap();
    std::fs::write(&key, backup).unwrap();
    assert!(home.holds("one"));
}

#[test]
fn a_key_file_from_another_machine_is_set_aside_with_its_vault() {
    let home = Home::new();
    home.commit("one").unwrap();
    let key = home.root.path().join(".azward/key");
    let text = std::fs::read_to_string(&key).unwrap();
    // As it looks from another machine: what is derived is not what the file was made for.
    let (start, _) = text.split_once("\"check\"").unwrap();
    std::fs::write(&key, format!("{start}\"check\": \"0123456789abcdef\"}}")).unwrap();
    let failure = home.vault().load().unwrap_err();
    assert_eq!(failure.kind, Kind::KeyLost);
    assert!(failure.what.contains("another machine"), "{failure}");
    home.commit("two").unwrap();
    assert!(home.holds("two"));
    let aside = files::list(&home.root.path().join(".azward"));
    assert_eq!(aside.iter().filter(|path| path.to_str().unwrap().contains("key.set-aside-")).count(), 1);
}

#[test]
fn a_key_that_is_unavailable_changes_nothing() {
    let home = Home::new();
    home.commit("one").unwrap();
    let key = home.root.path().join(".azward/key");
    let hidden = key.with_file_name("hidden");
    std::fs::rename(&key, &hidden).unwrap();
    std::fs::create_dir(&key).unwrap();
    let names = home.names();
    assert_eq!(home.vault().load().unwrap_err().kind, Kind::KeyUnavailable);
    assert_eq!(home.commit("two").unwrap_err().kind, Kind::KeyUnavailable);
    assert_eq!(home.names(), names);
    std::fs::remove_dir(&key).unwrap();
    std::fs::rename(&hidden, &key).unwrap();
    assert!(home.holds("one"));
}

#[test]
fn a_newer_azwards_vault_is_left_alone() {
    let home = Home::new();
    home.commit("one").unwrap();
    home.commit("two").unwrap();
    let newer = change(home.vault().path(), |bytes| bytes[13] = 9);
    for failure in [home.vault().load().unwrap_err(), home.commit("three").unwrap_err()] {
        assert_eq!(failure.kind, Kind::VaultDamaged);
        assert_eq!(failure.hint, "update azward, then run the command again");
    }
    assert_eq!(std::fs::read(home.vault().path()).unwrap(), newer);
    assert_eq!(home.names(), ["lock", "vault", "vault.previous"]);
    // Nor is it, when only the previous generation is left.
    std::fs::rename(home.vault().path(), &home.vault().files.previous).unwrap();
    assert!(home.vault().load().is_err() && home.commit("three").is_err());
}

#[test]
fn a_vault_of_another_directory_is_not_ours() {
    let home = Home::new();
    home.commit("one").unwrap();
    let other = ConfigDir::at(&home.root.path().join("other"));
    let other = Vault::of(&home.context(), &settings(), &other);
    std::fs::copy(home.vault().path(), other.path()).unwrap();
    let failure = other.load().unwrap_err();
    assert_eq!(failure.kind, Kind::VaultDamaged);
    assert!(failure.what.contains("belongs to another config directory"), "{failure}");
}

#[test]
fn what_is_no_file_is_a_storage_failure() {
    let home = Home::new();
    home.commit("one").unwrap();
    let hidden = home.root.path().join("hidden");
    std::fs::rename(home.vault().path(), &hidden).unwrap();
    std::fs::create_dir(home.vault().path()).unwrap();
    for failure in [home.vault().load().unwrap_err(), home.commit("two").unwrap_err()] {
        assert_eq!(failure.kind, Kind::Storage);
        assert!(failure.what.contains("is not a file that azward made"));
    }
}

#[test]
fn a_commit_that_fails_leaves_the_vault_as_it_was() {
    let home = Home::new();
    home.commit("one").unwrap();
    let before = std::fs::read(home.vault().path()).unwrap();
    for in_the_way in ["vault.new", "vault.previous.new"] {
        let path = home.vault().path().with_extension(in_the_way);
        std::fs::create_dir(&path).unwrap();
        assert_eq!(home.commit("two").unwrap_err().kind, Kind::Storage);
        std::fs::remove_dir(&path).unwrap();
        assert_eq!(std::fs::read(home.vault().path()).unwrap(), before);
        assert_eq!(home.names(), ["lock", "vault"]);
    }
    home.commit("two").unwrap();
    assert!(home.holds("two"));
}

#[test]
fn leftovers_of_a_killed_commit_do_no_harm() {
    let home = Home::new();
    home.commit("one").unwrap();
    let files = home.vault().files;
    std::fs::write(files.current.with_extension("vault.new"), "torn").unwrap();
    std::fs::hard_link(&files.current, files.current.with_extension("vault.previous.new")).unwrap();
    // Killed between the second name and the rename: both names are one file.
    std::fs::hard_link(&files.current, &files.previous).unwrap();
    home.commit("two").unwrap();
    assert!(home.holds("two"));
    assert_eq!(home.names(), ["lock", "vault", "vault.previous"]);
}

/// Runs itself again under a file-size limit, as a disk that fills up in the middle of a write.
#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_costs_nothing() {
    let name = "vault::tests::a_disk_that_fills_up_costs_nothing";
    if let Some(root) = std::env::var_os("AZWARD_TEST_FULL_DISK") {
        let context = Context::new([(OsString::from("HOME"), root)], None, false);
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

#[test]
fn a_vault_outlives_a_changed_setting() {
    let home = Home::new();
    home.commit("one").unwrap();
    let keyring = Settings { key_store: KeyStoreChoice::Keyring, ..Settings::default() };
    let vault = Vault::of(&home.context(), &keyring, &ConfigDir::of(&home.context()));
    assert_eq!(vault.load().unwrap(), sample("one"));
}

#[cfg(unix)]
#[test]
fn everything_is_private() {
    let home = Home::new();
    std::fs::create_dir_all(home.root.path().join(".azward/vaults")).unwrap();
    home.commit("one").unwrap();
    home.commit("two").unwrap();
    let directory = home.root.path().join(".azward/vaults");
    assert_eq!(crate::sys::mode_of(&directory.metadata().unwrap()), 0o700);
    for path in files::list(&directory) {
        assert_eq!(crate::sys::mode_of(&path.metadata().unwrap()), 0o600, "{}", path.display());
    }
}

/// Root with the home of somebody else (`sudo az`): what it makes is theirs, and what is theirs opens.
#[cfg(unix)]
#[test]
fn what_root_makes_in_the_home_of_a_user_is_theirs() {
    use std::os::unix::fs::{MetadataExt, chown};
    if crate::sys::user_id() != "0" {
        return;
    }
    let home = Home::new();
    chown(home.root.path(), Some(1234), Some(1234)).unwrap();
    home.commit("one").unwrap();
    home.commit("two").unwrap();
    assert!(home.holds("two"));
    let azward_home = home.root.path().join(".azward");
    let mut paths = files::list(&azward_home.join("vaults"));
    paths.extend(files::list(&azward_home));
    assert_eq!(paths.len(), 7, "{paths:?}");
    for path in paths {
        assert_eq!(path.metadata().unwrap().uid(), 1234, "{}", path.display());
    }
}

#[test]
fn an_uninstall_finds_every_vault_and_keeps_what_it_cannot_give_back() {
    let home = Home::new();
    let context = home.context();
    assert!(all_vaults(&context, &settings()).unwrap().is_empty());
    home.commit("one").unwrap();
    tear(home.vault().path());
    home.commit("two").unwrap();
    let vaults = all_vaults(&context, &settings()).unwrap();
    let directories: Vec<PathBuf> = vaults.iter().map(|(directory, _)| directory.clone()).collect();
    assert_eq!(directories, [ConfigDir::of(&context).canonical()]);
    let (_, vault) = &vaults[0];
    assert_eq!(vault.load().unwrap(), sample("two"));

    let aside = unclaimed_files(&context, &settings());
    assert_eq!(aside, home.vault().describe().set_aside);
    vault.remove(&vault.lock(Duration::ZERO).unwrap()).unwrap();
    assert!(!home.vault().exists());
    assert_eq!(remove_master_key(&context, &settings()).unwrap_err().kind, Kind::Storage);
    assert!(home.root.path().join(".azward/key").exists());
    std::fs::remove_file(&aside[0]).unwrap();
    remove_master_key(&context, &settings()).unwrap();
    assert!(!home.root.path().join(".azward/key").exists());
}

#[test]
fn no_text_says_what_callers_look_for() {
    let home = Home::new();
    home.commit("one").unwrap();
    let mut texts = vec![newer(home.vault().path(), 2).to_string()];
    tear(home.vault().path());
    texts.push(home.vault().load().unwrap_err().to_string());
    texts.extend(home.commit("two").unwrap().iter().map(ToString::to_string));
    std::fs::remove_file(home.root.path().join(".azward/key")).unwrap();
    texts.push(home.vault().load().unwrap_err().to_string());
    for text in texts {
        for word in ["az login", "AADSTS", "not found", "is not recognized"] {
            assert!(!text.contains(word), "{text}");
        }
    }
}
