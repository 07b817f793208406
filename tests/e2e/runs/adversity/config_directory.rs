//! The config directory: something else in the cache's place, directories that may not be written or are not there, MSAL's
//! lock, odd names.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{ALICE, BOB, NO_TOKEN, assert_explained, assert_kept, logged_in, look, status, vault_files};
use crate::support::{ConfigDir, Invocation, Sandbox, in_shell, wait_until};

#[test]
fn a_directory_in_the_cache_s_place_is_az_s_to_complain_about() {
    let sandbox = logged_in();
    let cache = sandbox.config().token_cache_path();
    fs::rename(&cache, sandbox.root().join("cache")).unwrap();
    fs::create_dir(&cache).unwrap();
    let wrapped = sandbox.az(["account", "get-access-token"]).run();
    assert_eq!(wrapped.visible(), sandbox.plain_az(["account", "get-access-token"]).run().visible());
    assert!(!wrapped.status.success() && status(&sandbox).contains("is not a file"), "{wrapped:?}");
    fs::remove_dir(&cache).unwrap();
    // The account comes back with its refresh token, and that gives a new access token.
    sandbox.az(["account", "get-access-token"]).run().ok().silent();
    assert_kept(&sandbox, 1);
}

#[test]
fn a_cache_that_is_none_is_left_alone() {
    let sandbox = logged_in();
    let cache = sandbox.config().token_cache_path();
    sandbox.expect_clear(&cache);
    // Cut short by az itself.
    sandbox.az(["tear"]).run().ok().silent();
    let torn = fs::read(&cache).unwrap();
    sandbox.az(["exit", "3"]).run().exited(3).silent();
    assert!(fs::read(&cache).unwrap() == torn && status(&sandbox).contains("not one that azward understands"));
    fs::remove_file(&cache).unwrap();
    assert_kept(&sandbox, 1);

    // Whoever opens a pipe waits for its other end. (The fake az would.)
    sandbox.az(["print", "x"]).run().ok();
    fs::remove_file(&cache).unwrap();
    let fake = sandbox.root().join("real/fake");
    fs::rename(sandbox.wrapped_az(), &fake).unwrap();
    sandbox.make_script(sandbox.wrapped_az(), "echo ran; exit 3");
    sandbox.shell(&format!("mkfifo {}", in_shell(&cache))).run().ok();
    for words in [["group", "list"], ["account", "show"]] {
        let outcome = sandbox.az(words).timeout(Duration::from_secs(20)).run().exited(3).silent();
        assert_eq!(outcome.out(), "ran\n");
    }
    assert!(status(&sandbox).contains("is not a file"));
    fs::remove_file(&cache).unwrap();
    fs::rename(&fake, sandbox.wrapped_az()).unwrap();
    assert_kept(&sandbox, 1);
}

#[test]
fn directories_that_may_not_be_written_or_entered() {
    let sandbox = Sandbox::new().with_fake_az();
    // As a user for whom modes count.
    let user = ["--user", "--map-user=1000", "--map-group=1000", "--"];
    let az = |words: &[&str]| Invocation::new(&sandbox, "unshare").args(user).args(["az"]).args(words);
    let plain =
        |words: &[&str]| Invocation::new(&sandbox, "unshare").args(user).args([sandbox.wrapped_az()]).args(words);
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    az(&["login", ALICE]).run().ok().silent();
    mode(&sandbox.config_dir(), 0o500);
    az(&["account", "get-access-token"]).run().ok().silent();
    assert_explained(
        az(&["warn", "own", "exit", "3"]).run(),
        3,
        "own\n",
        "msal_token_cache.json.lockfile`: Permission denied",
    );
    sandbox.assert_nothing_in_the_clear();
    mode(&sandbox.config_dir(), 0o700);

    // Nobody is about to look what an az of before has left.
    wait_until("no guardian is left", || sandbox.guardians().is_empty());
    plain(&["login", BOB]).run().ok();
    mode(&sandbox.config_dir(), 0o500);
    az(&["look"]).run().ok().silent();
    assert_eq!(look(&sandbox)["refresh_tokens"], 1, "what is in the file serves");
    mode(&sandbox.config_dir(), 0o700);
    az(&["look"]).run().ok().silent();
    assert_eq!(look(&sandbox)["refresh_tokens"], 2);
    sandbox.assert_nothing_in_the_clear();

    mode(&sandbox.azward_home(), 0o000);
    az(&["account", "get-access-token"]).run().ok().silent();
    assert_explained(az(&["roll"]).run(), 1, NO_TOKEN, "Permission denied");
    mode(&sandbox.azward_home(), 0o700);
    az(&["roll"]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn a_missing_config_directory_is_a_new_beginning() {
    let sandbox = logged_in();
    for kind in ["before the first login", "after it was removed"] {
        fs::remove_dir_all(sandbox.config_dir()).unwrap();
        let wrapped = sandbox.az(["roll"]).run();
        fs::remove_dir_all(sandbox.config_dir()).unwrap();
        assert_eq!(wrapped.visible(), sandbox.plain_az(["roll"]).run().visible(), "{kind}");
        fs::remove_dir_all(sandbox.config_dir()).unwrap();
        sandbox.az(["login", BOB]).run().ok().silent();
        assert_kept(&sandbox, 1);
    }
}

#[test]
fn a_config_directory_by_any_name() {
    let sandbox = Sandbox::new().with_fake_az();
    let home = sandbox.home();
    fs::create_dir(home.join("sub")).unwrap();
    let odd = "s p\u{e9}ce \u{1f510}'\"$x";
    symlink(odd, home.join("link")).unwrap();
    let at = |name: &str, cwd: &str, words: &[&str]| {
        let az = sandbox.az(words).env("AZURE_CONFIG_DIR", name).cwd(home.join(cwd));
        az.run().ok().silent();
        sandbox.assert_nothing_in_the_clear();
    };
    at(odd, "", &["login", ALICE]);
    let absolute = home.join(odd).display().to_string();
    let names =
        [odd, &format!("./{odd}/"), "link", "link/", &absolute, &format!("{absolute}//"), &format!("sub/../{odd}")];
    for name in names {
        at(name, "", &["roll", "look"]);
    }
    at(&format!("../{odd}"), "sub", &["roll", "look"]);
    let vaults = vault_files(&sandbox).iter().filter(|path| path.extension().is_some_and(|e| e == "vault")).count();
    assert_eq!(vaults, 1, "it is one directory by all its names");
    assert_eq!(ConfigDir::at(home.join(odd)).accounts(), [ALICE]);
    // The same relative name elsewhere is another directory.
    at(odd, "sub", &["login", BOB, "look"]);
    assert_eq!(look(&sandbox)["refresh_tokens"], 1);
    at(odd, "", &["roll"]);
}

#[test]
fn msal_s_lock_is_waited_for_and_a_dead_one_taken_over() {
    let sandbox = logged_in();
    let lock = sandbox.config_dir().join("msal_token_cache.json.lockfile");
    let age = |time: SystemTime| File::options().write(true).open(&lock).unwrap().set_modified(time).unwrap();
    let hour = Duration::from_secs(3600);
    let took = [SystemTime::now() - hour, SystemTime::now() + hour, SystemTime::UNIX_EPOCH].map(|time| {
        sandbox.plain_az(["stale-lock"]).run().ok();
        age(time);
        // After waiting for five seconds az would warn.
        let outcome = sandbox.az(["roll"]).run().ok().silent();
        assert!(!lock.exists());
        outcome.took
    });
    assert!(took.iter().any(|took| *took < Duration::from_secs(4)), "{took:?}");
    let holder = sandbox.plain_az(["hold-lock", "1000"]).start();
    wait_until("the lock is taken", || lock.exists());
    sandbox.az(["roll"]).run().ok().silent();
    let times: Vec<u64> = sandbox.fake_log().iter().map(|line| line["time"].as_u64().unwrap()).collect();
    assert!(times[times.len() - 1] >= times[times.len() - 2] + 1000, "az waited: {times:?}");
    holder.finish().ok();
    assert_kept(&sandbox, 1);
}
