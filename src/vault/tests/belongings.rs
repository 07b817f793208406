//! Whose the files are, and what an uninstall finds.

use super::*;

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
