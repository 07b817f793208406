//! An az that replaces its token cache by rename. No mount lets it do that: such a run fails as the kernel has it, and nothing
//! is lost or left lying about. In memory it can, and has its cache on the disk then. From then on that az is served in
//! place, until it is another.

use std::fs;
use std::time::{Duration, SystemTime};

use super::{
    ALICE, BOB, fingerprint, last_look, logged_in, logged_in_to_known_az, look, look_alone, status_of_exposure,
};
use crate::support::{Sandbox, in_shell, wait_until};

/// Puts an az in the box's that rolls the refresh token in a copy of the cache and then moves that to the cache's place.
fn rename_cache(sandbox: &Sandbox) {
    let fake = sandbox.wrapped_az().with_file_name("fake");
    fs::rename(sandbox.wrapped_az(), &fake).unwrap();
    let script = r#"
        case $2 in
        renaming)
            config=$HOME/.azure copy=$(mktemp -d)
            cp "$config"/*.json "$copy"
            AZURE_CONFIG_DIR=$copy FAKE look roll look || exit 9
            mv "$copy/msal_token_cache.json" "$config/msal_token_cache.json.new"
            rm -r "$copy"
            exec mv -f "$config/msal_token_cache.json.new" "$config/msal_token_cache.json";;
        esac
        exec FAKE "$@""#;
    sandbox.make_script(sandbox.wrapped_az(), &script.replace("FAKE", &in_shell(&fake)));
}

impl Sandbox {
    /// Puts an az in the box's place that does so for `az tag restoring WORD…`, and then fails.
    fn wrap_failing_with(&self, line: &str) {
        let fake = self.wrapped_az().with_file_name("fake");
        if !fake.exists() {
            fs::rename(self.wrapped_az(), &fake).unwrap();
        }
        let script = format!("case $2 in restoring) shift 2; {line}; exit 1;; esac; exec '{}' \"$@\"", fake.display());
        self.make_script(self.wrapped_az(), &script);
    }
}

/// What the last two looks, before and after a rolling, saw.
fn seen(sandbox: &Sandbox) -> [String; 2] {
    let looks: Vec<_> = sandbox.fake_log().into_iter().filter(|line| line["event"] == "look").collect();
    [&looks[looks.len() - 2], &looks[looks.len() - 1]].map(|look| look["cache"]["fingerprint"].to_string())
}

#[test]
fn what_it_left_is_kept_and_the_next_run_is_served_in_place() {
    let sandbox = logged_in_to_known_az();
    look(&sandbox);
    rename_cache(&sandbox);
    assert!(status_of_exposure(&sandbox).starts_with("private: "));

    let failed = sandbox.az(["tag", "renaming"]).run().exited(1);
    assert!(failed.err().starts_with("mv: ") && failed.err().lines().count() == 1, "as the kernel has it: {failed:?}");
    let rolled = seen(&sandbox)[1].clone();
    sandbox.assert_nothing_in_the_clear();
    assert!(!sandbox.config_dir().join("msal_token_cache.json.new").exists());
    let status = status_of_exposure(&sandbox);
    let az = sandbox.wrapped_az().display();
    assert_eq!(status, format!("in place, while az runs: `{az}` replaces its token cache by rename"));

    sandbox.az(["tag", "renaming"]).run().ok().silent();
    let [before, after] = seen(&sandbox);
    assert!(before == rolled && after != rolled, "it went on with what it had left");
    sandbox.assert_nothing_in_the_clear();
    assert_eq!(look(&sandbox), ("run".to_owned(), 1));
    assert_eq!(format!("\"{}\"", fingerprint(&sandbox)), after);
    // Other commands of that az are served in place as well, and it stays so.
    sandbox.az(["tag", "renaming"]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn an_az_that_is_another_now_is_tried_privately_again() {
    let sandbox = logged_in_to_known_az();
    rename_cache(&sandbox);
    sandbox.az(["tag", "renaming"]).run().exited(1);
    assert_eq!(look(&sandbox).0, "run");
    let file = fs::File::options().append(true).open(sandbox.wrapped_az()).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    drop(file);
    assert!(status_of_exposure(&sandbox).starts_with("private: "));
    assert_eq!(look_alone(&sandbox), ("private".to_owned(), 1));
    sandbox.az(["tag", "renaming"]).run().exited(1);
    assert_eq!(look(&sandbox).0, "run");
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn where_private_is_set_it_fails_every_time_and_loses_nothing() {
    let sandbox = logged_in("private");
    rename_cache(&sandbox);
    for _ in 0..3 {
        sandbox.az(["tag", "renaming"]).run().exited(1);
        sandbox.assert_nothing_in_the_clear();
        let rolled = seen(&sandbox)[1].clone();
        assert_eq!(look(&sandbox), ("private".to_owned(), 1));
        assert_eq!(last_look(&sandbox)["cache"]["fingerprint"].to_string(), rolled);
    }
}

/// Names under which somebody may keep a copy of a token cache, the last three as a writer would name it.
const COPIES: [&str; 8] = [
    "msal_token_cache.json.bak",
    "msal_token_cache.json~",
    ".msal_token_cache.json.swp",
    "msal_token_cache (conflicted copy).json",
    "backup-2026.json",
    "msal_token_cache.json.restored",
    "msal_token_cache.json.new",
    "tmpab12cd34",
];

/// A box with a login that az alone made, and a backup of that cache which is not in the box's config directory.
fn with_backup(of: &str) -> Sandbox {
    let sandbox = Sandbox::new().with_fake_az().with_package();
    sandbox.set_exposure("auto");
    let backup = sandbox.home().join("backup.json");
    sandbox.expect_clear(&backup);
    let other = sandbox.home().join("other");
    if of == ALICE {
        sandbox.plain_az(["login", ALICE]).run().ok();
        fs::copy(sandbox.config().token_cache_path(), &backup).unwrap();
        sandbox.az(["look"]).run().ok();
    } else {
        sandbox.az(["login", ALICE]).run().ok();
        sandbox.plain_az(["login", of]).env("AZURE_CONFIG_DIR", &other).run().ok();
        fs::rename(other.join("msal_token_cache.json"), &backup).unwrap();
    }
    sandbox.assert_nothing_in_the_clear();
    sandbox
}

/// Fails unless the copies are what they were, nothing of them was taken, and az is served as before.
#[track_caller]
fn assert_left(sandbox: &Sandbox, names: &[&str]) {
    let backup = fs::read(sandbox.home().join("backup.json")).unwrap();
    for name in names {
        let path = sandbox.config_dir().join(name);
        assert!(fs::read(&path).is_ok_and(|text| text == backup), "{name}");
        let told = sandbox.journal().iter().filter(|line| line["outcome"].as_str().unwrap().contains(*name)).count();
        assert!(told > 0, "{name} is told of: {:?}", sandbox.journal());
        fs::remove_file(path).unwrap();
    }
    assert!(status_of_exposure(sandbox).starts_with("private: "), "no downgrade");
    assert_eq!(look_alone(sandbox), ("private".to_owned(), 1));
    assert_eq!(sandbox.config().accounts(), [ALICE]);
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn what_somebody_else_puts_there_while_az_fails_is_left() {
    for of in [ALICE, BOB] {
        let sandbox = with_backup(of);
        COPIES.iter().for_each(|name| sandbox.expect_clear(sandbox.config_dir().join(name)));
        sandbox.wrap_failing_with(r#"for name; do cp "$HOME/backup.json" "$HOME/.azure/$name"; done"#);
        for name in COPIES {
            sandbox.az(["tag", "restoring", name]).run().exited(1);
            assert_left(&sandbox, &[name]);
        }
        sandbox.az(["tag", "restoring"]).args(COPIES).run().exited(1);
        assert_left(&sandbox, &COPIES);
        // With the times that the backup had.
        sandbox.wrap_failing_with(r#"for name; do cp -p "$HOME/backup.json" "$HOME/.azure/$name"; done"#);
        sandbox.az(["tag", "restoring"]).args(COPIES).run().exited(1);
        assert_left(&sandbox, &COPIES);
    }
}

#[test]
fn what_was_there_before_is_left_whatever_it_is() {
    let sandbox = with_backup(BOB);
    let path = sandbox.config_dir().join("msal_token_cache.json.new");
    sandbox.expect_clear(&path);
    fs::copy(sandbox.home().join("backup.json"), &path).unwrap();
    sandbox.wrap_failing_with(r#"cp "$HOME/backup.json" "$HOME/.azure/$1""#);
    sandbox.az(["tag", "restoring", "msal_token_cache.json.new"]).run().exited(1);
    assert!(path.exists());
    assert!(status_of_exposure(&sandbox).starts_with("private: "));
    assert_eq!(look_alone(&sandbox), ("private".to_owned(), 1));
}

#[test]
fn its_own_is_known_beside_somebody_else_s() {
    let sandbox = with_backup(BOB);
    let other = sandbox.config_dir().join("msal_token_cache.json.restored");
    sandbox.expect_clear(&other);
    rename_cache(&sandbox);
    let script = sandbox.wrapped_az().with_file_name("renaming");
    fs::rename(sandbox.wrapped_az(), &script).unwrap();
    let line = format!("cp \"$HOME/backup.json\" '{}'; exec '{}' \"$@\"", other.display(), script.display());
    sandbox.make_script(sandbox.wrapped_az(), &line);
    sandbox.az(["tag", "renaming"]).run().exited(1);
    let rolled = seen(&sandbox)[1].clone();
    assert!(other.exists());
    assert!(!sandbox.config_dir().join("msal_token_cache.json.new").exists());
    assert_eq!(look(&sandbox).1, 1);
    assert_eq!(last_look(&sandbox)["cache"]["fingerprint"].to_string(), rolled);
    assert_eq!(sandbox.config().accounts(), [ALICE]);
}

#[test]
fn what_it_left_stays_until_the_vault_has_it() {
    let sandbox = logged_in("private");
    rename_cache(&sandbox);
    let script = sandbox.wrapped_az().with_file_name("renaming");
    fs::rename(sandbox.wrapped_az(), &script).unwrap();
    let line =
        format!("echo going; while [ ! -e \"$HOME/go\" ]; do sleep 0.05; done; exec '{}' \"$@\"", script.display());
    sandbox.make_script(sandbox.wrapped_az(), &line);
    let run = sandbox.az(["tag", "renaming"]).start();
    run.wait_for("going");
    let vaults = fs::read_dir(sandbox.azward_home().join("vaults")).unwrap().flatten().map(|entry| entry.path());
    let lock = vaults.into_iter().find(|path| path.extension().is_some_and(|end| end == "lock")).unwrap();
    let lock = fs::File::options().write(true).open(lock).unwrap();
    lock.lock().unwrap();
    fs::write(sandbox.home().join("go"), "").unwrap();
    run.finish().exited(1);
    let left = sandbox.config_dir().join("msal_token_cache.json.new");
    assert!(left.exists(), "it is nowhere else for good");
    let rolled = seen(&sandbox)[1].clone();
    drop(lock);
    wait_until("the guardian has it stored", || sandbox.is_nothing_in_the_clear());
    assert!(!left.exists());
    look(&sandbox);
    assert_eq!(last_look(&sandbox)["cache"]["fingerprint"].to_string(), rolled);
}

#[test]
fn in_memory_it_does_what_it_does_and_is_served_in_place_from_then_on() {
    let sandbox = logged_in("auto");
    look(&sandbox);
    rename_cache(&sandbox);
    assert!(status_of_exposure(&sandbox).starts_with("in memory: "));
    sandbox.az(["any", "renaming"]).run().ok().silent();
    let rolled = seen(&sandbox)[1].clone();
    sandbox.assert_nothing_in_the_clear();
    assert!(!sandbox.config().token_cache_path().is_symlink());
    let az = sandbox.wrapped_az().display();
    let status = format!("in place, while az runs: `{az}` replaces its token cache by rename");
    assert_eq!(status_of_exposure(&sandbox), status);
    assert_eq!(look(&sandbox), ("run".to_owned(), 1));
    assert_eq!(format!("\"{}\"", fingerprint(&sandbox)), rolled, "what it stored is the newest");
}
