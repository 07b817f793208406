//! A logout by an az without azward is a logout; a torn, emptied or removed file is none.

use std::fs;
use std::time::Duration;

use entra::User;

use super::{ALICE, logged_in};
use crate::support::Sandbox;

/// Longer than files must have been at rest.
const AT_REST: Duration = Duration::from_millis(2300);

/// What it is, and what the profile and the cache are then; `None` for a file that is gone.
type Case<'a> = (&'a str, Option<&'a [u8]>, Option<&'a [u8]>);

/// How many logins the vault holds, by `azward list --logins`.
fn logins(sandbox: &Sandbox) -> usize {
    let list = sandbox.azward(["list", "--logins"]).run().ok().out();
    list.lines().filter(|line| line.starts_with("login ")).count()
}

#[test]
fn whoever_logs_out_without_azward_is_logged_out() {
    for command in [&["logout", "--username", User::Alice.username()][..], &["account", "clear"]] {
        let (sandbox, entra) = Sandbox::logged_in();
        sandbox.plain_az(command).run().ok();
        assert_eq!(logins(&sandbox), 1, "looking changes nothing");
        std::thread::sleep(AT_REST);
        sandbox.az(["version"]).run().ok();
        assert_eq!(logins(&sandbox), 0, "{command:?}");
        assert_eq!(sandbox.deeds("forgetting"), 1);
        for entry in fs::read_dir(sandbox.azward_home().join("vaults")).unwrap().flatten() {
            assert!(!entry.file_name().to_string_lossy().contains("set-aside"));
        }
        // And signs in again like anybody.
        sandbox.login(&entra, User::Alice);
        assert_eq!(logins(&sandbox), 1);
        sandbox.assert_nothing_in_the_clear();
    }
}

#[test]
fn nothing_less_is_taken_for_a_logout() {
    let sandbox = logged_in();
    let (profile, cache) = (sandbox.config_dir().join("azureProfile.json"), sandbox.config().token_cache_path());
    let (whole_profile, whole_cache) = (fs::read(&profile).unwrap(), fs::read(&cache).unwrap());
    let nobody = b"{\"installationId\": \"i\", \"subscriptions\": []}".as_slice();
    let cases: [Case<'_>; 8] = [
        ("the profile is cut short", Some(&whole_profile[..whole_profile.len() / 2]), None),
        ("the profile is empty", Some(b""), None),
        ("the profile is gone", None, None),
        ("the profile has no list", Some(b"{\"installationId\": \"i\"}"), None),
        ("the cache is gone and the profile lists the user", Some(&whole_profile), None),
        ("the cache is empty", Some(nobody), Some(b"")),
        ("the cache is torn", Some(nobody), Some(&whole_cache[..whole_cache.len() / 2])),
        ("the cache has the account", Some(nobody), Some(&whole_cache)),
    ];
    let put = |path, bytes: Option<&[u8]>| match bytes {
        Some(bytes) => fs::write(path, bytes).unwrap(),
        None => fs::remove_file(path).unwrap_or_default(),
    };
    for (case, new_profile, new_cache) in cases {
        put(&profile, new_profile);
        put(&cache, new_cache);
        std::thread::sleep(AT_REST);
        for command in [["version"], ["look"]] {
            sandbox.az(command).run().ok();
        }
        assert_eq!((logins(&sandbox), sandbox.deeds("forgetting")), (1, 0), "{case}");
    }
    // What was written a moment ago may go on being written.
    put(&cache, None);
    put(&profile, Some(nobody));
    sandbox.az(["version"]).run().ok();
    assert_eq!(logins(&sandbox), 1);
    std::thread::sleep(AT_REST);
    sandbox.az(["version"]).run().ok();
    assert_eq!((logins(&sandbox), sandbox.deeds("forgetting")), (0, 1));
}

#[test]
fn a_login_that_goes_on_is_not_taken_for_a_logout() {
    let sandbox = logged_in();
    for exposure in ["private", "memory", "in-place"] {
        sandbox.set_exposure(exposure);
        let bob = "bob@fabrikam.example";
        let login = sandbox.az(["login", bob, "print", "stored", "sleep", "4000"]).start();
        login.wait_for("stored");
        std::thread::sleep(AT_REST);
        sandbox.az(["look"]).run().ok();
        sandbox.az(["version"]).run().ok();
        login.finish().ok();
        assert_eq!((logins(&sandbox), sandbox.deeds("forgetting")), (2, 0), "{exposure}");
        let names = sandbox.config().accounts();
        assert!(names.iter().any(|name| name == bob) && names.iter().any(|name| name == ALICE), "{names:?}");
        sandbox.az(["logout", bob]).run().ok();
        let forgotten = sandbox.deeds("forgetting");
        assert_eq!(logins(&sandbox), 1, "{exposure}");
        fs::remove_file(sandbox.azward_home().join("journal.jsonl")).unwrap();
        assert_eq!(forgotten, 1);
    }
}
