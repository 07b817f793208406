//! A copy of the config directory that is made while an az has its cache in memory: what is in it, by how it was made, what
//! azward makes of it, and that the original, and the az that is there, know nothing of it.

use std::fs;
use std::path::PathBuf;

use super::memory::{assert_back, go, waiting};
use super::{fingerprint, last_look, logged_in, look};
use crate::support::canary::Search;
use crate::support::{Invocation, Sandbox};

/// A copy of the config directory, made by `cp`.
fn copied(sandbox: &Sandbox, how: &str) -> PathBuf {
    let copy = sandbox.home().join("copy");
    let copied = std::process::Command::new("cp").arg(how).arg(sandbox.config_dir()).arg(&copy).status().unwrap();
    assert!(copied.success());
    copy
}

#[test]
fn a_copy_made_in_the_middle_is_a_directory_of_its_own() {
    let sandbox = logged_in("memory");
    let before = fs::read(sandbox.config().token_cache_path()).unwrap();
    let running = waiting(&sandbox, "look");
    let copy = copied(&sandbox, "-r");
    // What leads to another's memory is not its own; the regular file beside it is.
    sandbox.az(["look"]).env("AZURE_CONFIG_DIR", &copy).run().ok().silent();
    assert_eq!(last_look(&sandbox)["cache"]["refresh_tokens"], 0);
    assert_eq!(fs::read(copy.join("msal_token_cache.json")).unwrap(), before);
    assert!(!copy.join("msal_token_cache.json").is_symlink());
    sandbox.plain_az(["look"]).run().ok();
    assert_eq!(last_look(&sandbox)["cache"]["refresh_tokens"], 1, "the original has what it had");
    go(&sandbox, running);
    assert_back(&sandbox);
    assert_eq!(look(&sandbox), ("run".to_owned(), 1));
}

#[test]
fn a_copy_made_in_the_middle_that_follows_links_has_the_login_until_azward_seals_it() {
    let sandbox = logged_in("memory");
    let running = waiting(&sandbox, "look");
    let exposed = fs::read(sandbox.config().token_cache_path()).unwrap();
    let copy = copied(&sandbox, "-rL");
    let cache = copy.join("msal_token_cache.json");
    let clear = || Search::below(&copy, &[]).found;
    assert!(!cache.is_symlink());
    assert_eq!(fs::read(&cache).unwrap(), exposed, "the refresh tokens are in it");
    assert_eq!(clear(), std::slice::from_ref(&cache));
    let own = |az: Invocation<'_>| {
        az.env("AZURE_CONFIG_DIR", &copy).run().ok();
        (last_look(&sandbox)["cache"]["refresh_tokens"].as_u64(), fingerprint(&sandbox))
    };
    let (count, original) = own(sandbox.plain_az(["look"]));
    assert_eq!(count, Some(1), "whoever has it is logged in");
    // The first az through azward takes them into a vault of the copy's own, and is handed them.
    assert_eq!(own(sandbox.az(["look"])), (Some(1), original.clone()));
    assert_eq!((own(sandbox.plain_az(["look"])).0, clear()), (Some(0), Vec::new()));
    let mut names = fs::read_dir(&copy).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.all(|name| !name.to_string_lossy().contains(".azward")));
    let rolled = own(sandbox.az(["roll", "look"]));
    assert_ne!(rolled.1, original);
    // Which is nothing to the original, nor to the az that is there.
    sandbox.plain_az(["look"]).run().ok();
    assert_eq!(fingerprint(&sandbox), original);
    go(&sandbox, running);
    assert_back(&sandbox);
    assert_eq!((look(&sandbox), fingerprint(&sandbox)), (("run".to_owned(), 1), original));
    assert_eq!(own(sandbox.az(["look"])), rolled);
    assert_back(&sandbox);
}
