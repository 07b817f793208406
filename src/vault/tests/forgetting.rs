//! What is forgotten is in no file any more.

use super::*;

/// What a sample is after one of its two tokens and its account were forgotten.
fn forgotten(token: &str) -> Contents {
    let mut contents = sample(token);
    contents.records.remove(0);
    contents.accounts.clear();
    contents
}

/// Commits as a logout does.
pub(super) fn log_out(home: &Home, token: &str) {
    let vault = home.vault();
    let lock = vault.lock(Duration::ZERO).unwrap();
    vault.commit(&lock, &forgotten(token)).unwrap();
}

/// Every file beside the vaults that opens here, by its name.
pub(super) fn all_that_opens(home: &Home) -> Vec<(String, Contents)> {
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
    let (current, id) = (home.current(), home.vault().login().id().to_owned());
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
