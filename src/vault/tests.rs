//! The promises of the vault as a whole, all with a key file: the keyring has `tests/e2e/surroundings/keyring/`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::contents::tests::sample;
use super::*;
use crate::settings::{KeyStoreChoice, Setting};

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

    /// The names of the files beside the vaults without config directory and key.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = files::list(self.vault().parent())
            .iter()
            .map(|path| {
                let name = path.file_name().unwrap().to_str().unwrap();
                let (_, rest) = name.split_once('.').unwrap();
                rest.split_once('.').map_or(rest, |(_, ending)| ending).to_owned()
            })
            .collect();
        names.sort();
        names
    }

    /// The vault's current generation.
    fn current(&self) -> PathBuf {
        self.vault().path().unwrap()
    }

    fn previous(&self) -> PathBuf {
        self.current().with_extension("vault.previous")
    }

    /// The key file of this machine and user.
    fn key(&self) -> PathBuf {
        self.vault().stores.key_file().path().to_owned()
    }
}

fn settings() -> Settings {
    Settings { key_store: Setting::in_file(KeyStoreChoice::KeyFile), ..Settings::default() }
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
fn a_lost_key_leaves_the_vault_where_it_is_and_another_is_begun_beside_it() {
    let home = Home::new();
    home.commit("one").unwrap();
    let (vault, before) = (home.current(), std::fs::read(home.current()).unwrap());
    let (key, backup) = (home.key(), std::fs::read(home.key()).unwrap());
    std::fs::remove_file(&key).unwrap();
    assert_eq!(home.vault().prepare().unwrap_err().kind, Kind::KeyLost);
    assert_eq!(home.vault().load().unwrap_err().kind, Kind::KeyLost);
    assert!(!key.exists(), "asking makes no key");
    assert!(home.commit("two").unwrap().is_empty());
    assert!(home.holds("two"));
    assert_ne!(home.current(), vault);
    assert_eq!(std::fs::read(&vault).unwrap(), before);
    let state = home.vault().describe();
    assert_eq!((state.elsewhere, state.set_aside.len()), (vec![vault.clone()], 0));

    // Its key brings the login back, and the one that was begun stays.
    let began = home.current();
    std::fs::write(&key, backup).unwrap();
    assert_eq!(home.current(), vault);
    assert!(home.holds("one"));
    assert_eq!(home.vault().describe().elsewhere, [began]);
}

/// Makes this machine's key file another machine's.
fn send_away(home: &Home) -> PathBuf {
    let away = home.key().with_file_name("0123456789abcdef.key");
    std::fs::rename(home.key(), &away).unwrap();
    away
}

#[test]
fn two_machines_that_share_a_home_each_have_their_own() {
    let home = Home::new();
    home.commit("theirs").unwrap();
    let (theirs, their_vault) = (send_away(&home), home.vault().exists());
    assert!(their_vault && home.vault().path().is_none());
    home.commit("ours").unwrap();
    let (ours, aside) = (home.key(), home.root.path().join("ours"));
    let before = home.names();
    for round in 0..3 {
        // Over to the other machine, and back.
        std::fs::rename(&ours, &aside).unwrap();
        std::fs::rename(&theirs, &ours).unwrap();
        assert!(home.holds(&if round == 0 { "theirs".to_owned() } else { format!("theirs {}", round - 1) }));
        assert!(home.commit(&format!("theirs {round}")).unwrap().is_empty());
        std::fs::rename(&ours, &theirs).unwrap();
        std::fs::rename(&aside, &ours).unwrap();
        assert!(home.holds(&if round == 0 { "ours".to_owned() } else { format!("ours {}", round - 1) }));
        assert!(home.commit(&format!("ours {round}")).unwrap().is_empty());
    }
    let grown: Vec<_> = before.iter().filter(|name| *name == "vault").collect();
    assert_eq!(
        (grown.len(), home.names()),
        (2, ["lock", "vault", "vault", "vault.previous", "vault.previous"].map(str::to_owned).to_vec())
    );
    assert_eq!(home.vault().describe().elsewhere.len(), 1);
    // An uninstall here takes this machine's key, and leaves the other's with its vault.
    let vault = home.vault();
    vault.remove(&vault.lock(Duration::ZERO).unwrap()).unwrap();
    remove_master_key(&home.context(), &settings()).unwrap();
    assert!(!ours.exists() && theirs.exists());
    std::fs::rename(&theirs, &ours).unwrap();
    assert!(home.holds("theirs 2"));
}

#[test]
fn a_keyring_s_vault_is_this_machine_s_only_with_a_note() {
    for is_noted in [false, true] {
        let home = Home::new();
        home.commit("a key file's").unwrap();
        // As a keyring would have sealed it: another key, and the store's byte in the header.
        let text = change(&home.current(), |bytes| {
            bytes[15] = 1;
            bytes[16..24].copy_from_slice(&[7; 8]);
        });
        let name = format!("{}.{}.vault", home.vault().id, "07".repeat(8));
        let keyrings = home.current().with_file_name(name);
        std::fs::rename(home.current(), &keyrings).unwrap();
        let away = send_away(&home);
        if is_noted {
            home.vault().stores.note([7; 8]).unwrap();
        }
        let failure = home.vault().load().unwrap_err();
        // No keyring answers here: it may come back, or it never was this machine's.
        assert_eq!(failure.kind, if is_noted { Kind::KeyUnavailable } else { Kind::KeyLost }, "{failure}");
        let committed = home.commit("ours").map_err(|failure| failure.kind);
        assert_eq!(committed.err(), is_noted.then_some(Kind::KeyUnavailable));
        assert_eq!(std::fs::read(&keyrings).unwrap(), text);
        assert!(away.exists());
    }
}

#[test]
fn a_vault_of_the_first_version_is_read_and_gets_its_name_with_the_next_commit() {
    for generations in [1, 2] {
        let home = Home::new();
        for number in 0..generations {
            home.commit(&number.to_string()).unwrap();
        }
        let (vault, previous, id) = (home.current(), home.previous(), home.vault().id);
        let first = |ending: &str| vault.with_file_name(format!("{id}{ending}"));
        std::fs::rename(&vault, first(".vault")).unwrap();
        let _ = std::fs::rename(&previous, first(".vault.previous"));
        std::fs::rename(home.key(), home.key().with_file_name("key")).unwrap();
        let names = home.names();
        assert!(home.holds(&(generations - 1).to_string()));
        assert_eq!(home.current(), first(".vault"));
        assert_eq!(home.names(), names, "reading changes nothing");
        home.commit("next").unwrap();
        assert!(home.holds("next"));
        assert_eq!(home.current(), vault);
        assert!(home.key().exists() && !home.key().with_file_name("key").exists());
        assert_eq!(home.names(), ["lock", "vault", "vault.previous"]);
        assert_eq!(home.vault().describe().generation, Some(generations + 1));
        std::fs::remove_file(home.current()).unwrap();
        assert!(home.holds(&(generations - 1).to_string()), "the generation before is still there");
    }
}

#[test]
fn a_first_version_s_vault_of_another_machine_stays_for_that_machine() {
    let home = Home::new();
    home.commit("theirs").unwrap();
    let (vault, id) = (home.current(), home.vault().id);
    let first = vault.with_file_name(format!("{id}.vault"));
    std::fs::rename(&vault, &first).unwrap();
    let key = home.key().with_file_name("key");
    let text = std::fs::read_to_string(home.key()).unwrap();
    std::fs::remove_file(home.key()).unwrap();
    // As it looks from another machine: what is derived is not what the file was made for.
    let (start, _) = text.split_once("\"check\"").unwrap();
    std::fs::write(&key, format!("{start}\"check\": \"0123456789abcdef\"}}")).unwrap();
    let before = (std::fs::read(&first).unwrap(), std::fs::read(&key).unwrap());
    assert_eq!(home.vault().load().unwrap_err().kind, Kind::KeyLost);
    home.commit("ours").unwrap();
    home.commit("ours too").unwrap();
    assert!(home.holds("ours too"));
    assert_eq!((std::fs::read(&first).unwrap(), std::fs::read(&key).unwrap()), before);
    // There.
    std::fs::write(&key, text).unwrap();
    std::fs::remove_file(home.key()).unwrap();
    assert!(home.holds("theirs"));
}

#[test]
fn of_both_names_the_newer_generation_counts() {
    for is_first_newer in [false, true] {
        let home = Home::new();
        home.commit("older").unwrap();
        let (vault, id) = (home.current(), home.vault().id);
        let older = std::fs::read(&vault).unwrap();
        home.commit("newer").unwrap();
        std::fs::remove_file(home.previous()).unwrap();
        let newer = std::fs::read(&vault).unwrap();
        let first = vault.with_file_name(format!("{id}.vault"));
        let (in_first, in_named) = if is_first_newer { (&newer, &older) } else { (&older, &newer) };
        std::fs::write(&first, in_first).unwrap();
        std::fs::write(&vault, in_named).unwrap();
        assert!(home.holds("newer"));
        home.commit("newest").unwrap();
        assert!(home.holds("newest"));
    }
}

/// What a sample is after one of its two tokens and its account were forgotten.
fn forgotten(token: &str) -> Contents {
    let mut contents = sample(token);
    contents.records.remove(0);
    contents.accounts.clear();
    contents
}

/// Commits as a logout does.
fn log_out(home: &Home, token: &str) {
    let vault = home.vault();
    let lock = vault.lock(Duration::ZERO).unwrap();
    vault.commit(&lock, &forgotten(token)).unwrap();
}

/// Every file beside the vaults that opens here, by its name.
fn all_that_opens(home: &Home) -> Vec<(String, Contents)> {
    let vault = home.vault();
    let open = |path: &PathBuf| {
        let bytes = std::fs::read(path).ok()?;
        let (header, _) = Header::parse(&bytes).ok()?;
        let key = vault.stores.find(header.kind, header.key_id, Prompting::Never).ok()?;
        let name = path.file_name()?.to_str()?.to_owned();
        Some((name, sealed::open(&bytes, &key).ok()?))
    };
    files::list(vault.parent()).iter().filter_map(open).collect()
}

#[test]
fn what_is_forgotten_is_in_no_file_any_more_and_what_is_kept_is_in_two() {
    let home = Home::new();
    home.commit("one").unwrap();
    home.commit("two").unwrap();
    log_out(&home, "two");
    let left = all_that_opens(&home);
    assert_eq!(left.len(), 2, "{:?}", left.iter().map(|(name, _)| name).collect::<Vec<_>>());
    assert!(left.iter().all(|(_, contents)| *contents == forgotten("two")));
    std::fs::remove_file(home.current()).unwrap();
    assert_eq!(home.vault().load().unwrap(), forgotten("two"));
    // And damage to one is no damage to the other.
    home.commit("three").unwrap();
    log_out(&home, "three");
    let mut torn = std::fs::OpenOptions::new().write(true).open(home.current()).unwrap();
    std::io::Write::write_all(&mut torn, b"scribble").unwrap();
    assert_eq!(home.vault().load().unwrap(), forgotten("three"));
}

#[test]
fn what_is_forgotten_comes_back_from_nowhere() {
    let home = Home::new();
    home.commit("one").unwrap();
    let one = std::fs::read(home.current()).unwrap();
    home.commit("two").unwrap();
    let (current, id) = (home.current(), home.vault().id);
    let beside = |name: &str| current.with_file_name(name);
    let (name, key) = (current.file_name().unwrap().to_str().unwrap(), home.key());
    // A killed commit's files, what was set aside, a first version's name, and a vault that another key has begun since.
    let mut places = vec![current.with_extension("vault.new"), current.with_extension("vault.previous.new")];
    places.extend([beside(&format!("{name}.set-aside-5")), beside(&format!("{id}.vault.previous"))]);
    places.extend([beside(&format!("{id}.vault")), beside(&format!("{name}.set-aside-5.rewritten"))]);
    places.iter().for_each(|place| std::fs::write(place, &one).unwrap());
    std::fs::rename(&key, key.with_file_name("hidden")).unwrap();
    home.commit("begun since").unwrap();
    let since = home.key().with_file_name("key");
    std::fs::rename(home.key(), &since).unwrap();
    std::fs::rename(key.with_file_name("hidden"), &key).unwrap();
    assert!(home.holds("begun since"));
    assert_eq!(all_that_opens(&home).len(), places.len() + 3);
    log_out(&home, "begun since");
    let left = all_that_opens(&home);
    assert!(left.iter().all(|(_, contents)| contents.records.len() == 1), "{left:?}");
    assert!(left.len() >= 4, "what was kept is still there");
    // Whatever vanishes now.
    for path in files::list(home.vault().parent()) {
        if path.extension().is_none_or(|extension| extension != "lock") {
            std::fs::remove_file(&path).unwrap();
            assert!(home.vault().load().unwrap_or_default().records.len() <= 1, "without {}", path.display());
        }
    }
}

#[test]
fn a_forgetting_that_was_killed_is_whole_or_never_was() {
    let home = Home::new();
    home.commit("one").unwrap();
    home.commit("two").unwrap();
    // Killed when the next generation was written and the previous one gone.
    let killed = |home: &Home| {
        std::fs::copy(home.current(), home.current().with_extension("vault.new")).unwrap();
        std::fs::remove_file(home.previous()).unwrap();
    };
    killed(&home);
    assert!(home.holds("two"));
    log_out(&home, "two");
    assert!(all_that_opens(&home).iter().all(|(_, contents)| *contents == forgotten("two")));
    // Killed before the copy.
    std::fs::write(home.current().with_extension("vault.previous.new"), "torn").unwrap();
    std::fs::remove_file(home.previous()).unwrap();
    assert_eq!(home.vault().load().unwrap(), forgotten("two"));
    home.commit("three").unwrap();
    assert_eq!(home.names(), ["lock", "vault", "vault.previous"]);
}

#[test]
fn a_logout_after_a_fallback_forgets_it_too() {
    for missing in [true, false] {
        let home = Home::new();
        home.commit("one").unwrap();
        home.commit("two").unwrap();
        if missing {
            std::fs::remove_file(home.current()).unwrap();
        } else {
            tear(&home.current());
        }
        log_out(&home, "one");
        assert!(all_that_opens(&home).iter().all(|(_, contents)| *contents == forgotten("one")));
        assert_eq!(home.vault().load().unwrap(), forgotten("one"));
    }
}

#[cfg(unix)]
#[test]
fn what_the_key_is_bound_to_is_said_and_no_more() {
    let home = Home::new();
    home.commit("one").unwrap();
    let state = home.vault().describe();
    let has_id = home.vault().stores.has_machine_id();
    assert_eq!(state.key.unwrap().contains("machine and user"), has_id);
    assert_eq!(state.key.unwrap().contains("user only"), !has_id);
}

#[test]
fn a_key_that_is_unavailable_changes_nothing() {
    let home = Home::new();
    home.commit("one").unwrap();
    let key = home.key();
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
    let newer = change(&home.current(), |bytes| bytes[13] = 9);
    for failure in [home.vault().load().unwrap_err(), home.commit("three").unwrap_err()] {
        assert_eq!(failure.kind, Kind::VaultDamaged);
        assert_eq!(failure.hint, "update azward, then run the command again");
    }
    assert_eq!(std::fs::read(home.current()).unwrap(), newer);
    assert_eq!(home.names(), ["lock", "vault", "vault.previous"]);
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
    let name = home.current().file_name().unwrap().to_str().unwrap().replace(&home.vault().id, &other.id);
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
    let keyring = Settings { key_store: Setting::in_file(KeyStoreChoice::Keyring), ..Settings::default() };
    let vault = Vault::of(&home.context(), &keyring, &ConfigDir::of(&home.context()));
    assert_eq!(vault.load().unwrap(), sample("one"));
}

#[cfg(unix)]
#[test]
fn everything_is_private() {
    let home = Home::new();
    crate::private::make_dir(&home.root.path().join(".azward/vaults")).unwrap();
    crate::sys::set_mode(&home.root.path().join(".azward/vaults"), 0o755).unwrap();
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
    assert_eq!(paths.len(), 8, "{paths:?}");
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
    tear(&home.current());
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
    assert!(home.key().exists());
    std::fs::remove_file(&aside[0]).unwrap();
    remove_master_key(&context, &settings()).unwrap();
    assert!(!home.key().exists());
}

#[test]
fn no_text_says_what_callers_look_for() {
    let home = Home::new();
    home.commit("one").unwrap();
    let mut texts = vec![newer(&home.current(), 2).to_string()];
    tear(&home.current());
    texts.push(home.vault().load().unwrap_err().to_string());
    texts.extend(home.commit("two").unwrap().iter().map(ToString::to_string));
    std::fs::remove_file(home.key()).unwrap();
    texts.push(home.vault().load().unwrap_err().to_string());
    for text in texts {
        for word in ["az login", "AADSTS", "not found", "is not recognized"] {
            assert!(!text.contains(word), "{text}");
        }
    }
}
