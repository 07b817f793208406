//! What the first version left: its names, its keys and its format.

use super::super::keys::{Binding, KeyFile};
use super::super::sealed::tests::as_first_version;
use super::*;

#[test]
fn a_vault_of_the_first_version_is_read_and_gets_its_name_with_the_next_commit() {
    for generations in [1, 2] {
        let home = Home::new();
        for number in 0..generations {
            home.commit(&number.to_string()).unwrap();
        }
        let (vault, previous, id) = (home.current(), home.previous(), home.vault().login().id().to_owned());
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
    let (vault, id) = (home.current(), home.vault().login().id().to_owned());
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
        let (vault, id) = (home.current(), home.vault().login().id().to_owned());
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

/// The key of the home's vault.
fn key_of(home: &Home) -> MasterKey {
    let bytes = std::fs::read(home.current()).unwrap();
    let (header, _) = Header::parse(&bytes).unwrap();
    home.vault().stores.find(header.kind, header.key_id, Prompting::Never).unwrap()
}

/// Makes a generation one of the first format.
fn make_first(path: &Path, key: &MasterKey) {
    change(path, |bytes| *bytes = as_first_version(bytes, key));
    assert_eq!(format_of(path), 1);
}

/// What a file says of its format, where every version has it.
fn format_of(path: &Path) -> u16 {
    let bytes = std::fs::read(path).unwrap();
    let version = bytes.strip_prefix(b"azward vault\n").unwrap();
    u16::from_le_bytes([version[0], version[1]])
}

#[test]
fn the_first_format_is_read_and_the_next_commit_is_of_the_second() {
    let home = Home::new();
    home.commit("one").unwrap();
    let key = key_of(&home);
    make_first(&home.current(), &key);
    let before = std::fs::read(home.current()).unwrap();
    assert!(home.holds("one"));
    assert_eq!(home.vault().describe().generation, Some(1));
    assert_eq!(std::fs::read(home.current()).unwrap(), before, "reading changes nothing");
    assert!(home.commit("two").unwrap().is_empty());
    assert_eq!((format_of(&home.current()), format_of(&home.previous())), (2, 1));
    assert!(home.holds("two"));
    // Generations of both formats stand in for each other.
    tear(&home.current());
    assert!(home.holds("one"));
    assert_eq!(home.commit("three").unwrap().len(), 1);
    assert_eq!((format_of(&home.current()), format_of(&home.previous())), (2, 1));
    std::fs::remove_file(home.current()).unwrap();
    assert!(home.holds("one"));
    home.commit("four").unwrap();
    home.commit("five").unwrap();
    assert_eq!((format_of(&home.current()), format_of(&home.previous())), (2, 2));
}

#[test]
fn what_is_forgotten_is_gone_from_files_of_both_formats() {
    for is_current_first in [false, true] {
        let home = Home::new();
        home.commit("one").unwrap();
        let key = key_of(&home);
        make_first(&home.current(), &key);
        let aside = home.current().with_extension("vault.set-aside-5");
        std::fs::copy(home.current(), &aside).unwrap();
        home.commit("two").unwrap();
        if is_current_first {
            make_first(&home.current(), &key);
        }
        forgetting::log_out(&home, "two");
        let left = forgetting::all_that_opens(&home);
        assert_eq!(left.len(), 3);
        assert!(left.iter().all(|(_, contents)| contents.records.len() == 1), "{left:?}");
    }
}

/// An azward that knows the first format only: it looks at the magic and the version, and leaves alone what is newer.
#[test]
fn an_azward_of_the_first_format_can_tell_that_the_second_is_newer() {
    let home = Home::new();
    home.commit("one").unwrap();
    assert_eq!(format_of(&home.current()), 2);
    for newer in [4, 300_u16] {
        let text = change(&home.current(), |bytes| bytes[13..15].copy_from_slice(&newer.to_le_bytes()));
        let failure = home.commit("two").unwrap_err();
        assert!(failure.what.contains(&format!("made by a newer azward (version {newer})")), "{failure}");
        assert_eq!(std::fs::read(home.current()).unwrap(), text);
    }
}

#[test]
fn the_vault_that_the_first_version_left_opens_with_its_key() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/first-version");
    let binding = Binding { machine: Some("f".repeat(32)), user: "0".to_owned() };
    let key = KeyFile::first_version(&data, binding).read().unwrap().unwrap();
    let mut entries = Vec::new();
    for name in ["42ae6e2403df6347.vault", "42ae6e2403df6347.vault.previous"] {
        let bytes = std::fs::read(data.join("vaults").join(name)).unwrap();
        let (header, _) = Header::parse(&bytes).unwrap();
        assert_eq!((format_of(&data.join("vaults").join(name)), header.key_id), (1, key.id()));
        let contents = sealed::open(&bytes, &key).unwrap();
        let record = &contents.records[0];
        assert_eq!((contents.records.len(), contents.accounts.len()), (1, 1));
        assert!(record.is(CredentialKind::RefreshToken, &record.id) && !record.stored_by.is_empty());
        let account: Owner = serde_json::from_str(&contents.accounts[0].entry).unwrap();
        assert_eq!(record.owner, account);
        let again = sealed::seal(&contents, header.kind, &key, header.generation, &header.directory).unwrap();
        assert_eq!(sealed::open(&again, &key).unwrap(), contents);
        entries.push(record.entry.fingerprint());
    }
    assert_ne!(entries[0], entries[1]);
}
