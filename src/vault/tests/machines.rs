//! Which vault is this machine's, by the keys that are here.

use super::*;

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

// On Windows there is always a keyring, and it says that it has no such key.
#[cfg(not(windows))]
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
        let name = format!("{}.{}.vault", home.vault().login().id(), "07".repeat(8));
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
fn a_vault_outlives_a_changed_setting() {
    let home = Home::new();
    home.commit("one").unwrap();
    let keyring = Settings { key_store: Setting::in_file(KeyStoreChoice::Keyring), ..Settings::default() };
    let vault = Vault::of(&home.context(), &keyring, &ConfigDir::of(&home.context()));
    assert_eq!(vault.load().unwrap(), sample("one"));
}
