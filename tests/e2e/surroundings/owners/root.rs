//! Root in a user's home leaves the user's things the user's and follows none of their links.

use std::fs;
use std::os::unix::fs::{MetadataExt, lchown, symlink};
use std::path::PathBuf;

use super::{ALICE, USER, give_all, is_root, key_file, mode, not_the_user_s, seen, set_mode};
use crate::support::Sandbox;

/// Root with the user's `HOME`, as `sudo az` has it where that is kept.
#[test]
fn root_in_a_user_s_home_follows_none_of_their_links_and_leaves_them_what_it_makes() {
    if !is_root() {
        return;
    }
    let sandbox = Sandbox::new().with_fake_az();
    let elsewhere = sandbox.root().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    set_mode(&elsewhere, 0o755);
    fs::write(elsewhere.join("there"), "root's").unwrap();
    fs::create_dir(sandbox.config_dir()).unwrap();
    give_all(&sandbox.home());
    sandbox.az(["login", ALICE]).run().ok().silent();
    sandbox.az(["look"]).run().ok().silent();
    assert_eq!(seen(&sandbox), 1);
    assert_eq!(not_the_user_s(&sandbox.azward_home()), Vec::<PathBuf>::new());
    assert_eq!(not_the_user_s(&sandbox.config().token_cache_path()), Vec::<PathBuf>::new());

    let home = sandbox.azward_home();
    let aside = sandbox.root().join("aside");
    let key = key_file(&sandbox).file_name().unwrap().to_str().unwrap().to_owned();
    for (name, target) in [
        ("journal.jsonl", "new"),
        ("journal.jsonl", "there"),
        ("journal.1.jsonl", "there"),
        ("config.toml", "there"),
        ("config.json", "there"),
        (&key, "there"),
        ("key.lock", "new"),
        ("azward-home", "new"),
        ("run", ""),
        ("vaults", ""),
        ("bin", ""),
    ] {
        let place = home.join(name);
        let had = fs::rename(&place, &aside).is_ok();
        symlink(elsewhere.join(target), &place).unwrap();
        lchown(&place, Some(USER), None).unwrap();
        // Whatever became of them: az ran.
        for words in [&["print", "x"][..], &["login", ALICE], &["account", "get-access-token"]] {
            sandbox.az(words).run();
        }
        sandbox.azward(["status"]).run();
        sandbox.azward(["install"]).run();
        if fs::symlink_metadata(&place).is_ok_and(|metadata| metadata.is_symlink()) {
            fs::remove_file(&place).unwrap();
        }
        if had && !place.exists() {
            fs::rename(&aside, &place).unwrap();
        } else if had && aside.is_file() {
            fs::remove_file(&aside).unwrap();
        }
        let names: Vec<_> = fs::read_dir(&elsewhere).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(names, ["there"], "{name}");
        assert_eq!(fs::read(elsewhere.join("there")).unwrap(), b"root's", "{name}");
        for path in [elsewhere.clone(), elsewhere.join("there")] {
            assert_eq!(fs::metadata(&path).unwrap().uid(), 0, "{name}");
        }
        assert_eq!(mode(&elsewhere), 0o755, "{name}");
    }
    assert_eq!(not_the_user_s(&home), Vec::<PathBuf>::new(), "what install made is the user's, too");
    sandbox.expect_clear(sandbox.config().token_cache_path());
}

#[test]
fn root_in_a_user_s_config_directory_writes_through_none_of_their_links() {
    if !is_root() {
        return;
    }
    let sandbox = Sandbox::new().with_fake_az();
    let cache = sandbox.config().token_cache_path();
    let elsewhere = sandbox.root().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("there"), "4242 root's").unwrap();
    fs::create_dir(sandbox.config_dir()).unwrap();
    give_all(&sandbox.home());
    let text = || fs::read(elsewhere.join("there")).unwrap();
    // Something to scrub, or something to repair: both want those files.
    for name in ["lockfile", "azward-whole", "azward"] {
        let _ = fs::remove_file(&cache);
        sandbox.plain_az(["login", ALICE]).run().ok();
        if name == "azward-whole" {
            let mut torn = fs::read(&cache).unwrap();
            torn[0] = b'!';
            fs::write(&cache, torn).unwrap();
        }
        let planted = cache.with_file_name(format!("msal_token_cache.json.{name}"));
        symlink(elsewhere.join("there"), &planted).unwrap();
        lchown(&planted, Some(USER), None).unwrap();
        sandbox.azward(["scrub"]).run();
        let _ = fs::remove_file(&planted);
        assert_eq!(text(), b"4242 root's", "{name}");
        assert_ne!(fs::read(&cache).unwrap(), text(), "{name}");
    }
    fs::remove_file(&cache).unwrap();
    symlink(elsewhere.join("made"), &cache).unwrap();
    lchown(&cache, Some(USER), None).unwrap();
    sandbox.az(["print", "x"]).run();
    assert!(!elsewhere.join("made").exists());
}
