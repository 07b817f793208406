//! Token caches in odd places, and the commands that do something else with the cache than read and rewrite it.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use entra::{TENANT_B, User};
use serde_json::Value;

use super::{ALICE, BOB, fingerprint, last_look, logged_in, look};
use crate::support::{ConfigDir, Invocation, Sandbox, in_shell};

#[test]
fn a_symlinked_cache_is_mounted_where_it_is_and_stays_a_link() {
    let sandbox = logged_in("private");
    let link = sandbox.config().token_cache_path();
    let elsewhere = sandbox.home().join("else where");
    fs::create_dir(&elsewhere).unwrap();
    let target = elsewhere.join("cache.json");
    fs::rename(&link, &target).unwrap();
    symlink(&target, &link).unwrap();
    assert_eq!(look(&sandbox), ("private".to_owned(), 1));
    sandbox.az(["roll", "write-token", "https://vault.azure.net/.default", "look"]).run().ok().silent();
    let rolled = fingerprint(&sandbox);
    assert_eq!(look(&sandbox), ("private".to_owned(), 1));
    assert_eq!(fingerprint(&sandbox), rolled);
    assert!(link.is_symlink() && target.is_file() && !target.is_symlink());
    assert_eq!(sandbox.config().entries("AccessToken").len(), 2, "what az got is kept there");
    sandbox.assert_nothing_in_the_clear();
}

/// As containers have it: one file of the host's over another, which no rename can replace.
#[test]
fn a_cache_that_is_a_mount_point_is_written_over() {
    for exposure in ["private", "auto", "in-place"] {
        let sandbox = logged_in(exposure);
        let cache = sandbox.config().token_cache_path();
        let before = fs::metadata(&cache).unwrap().ino();
        let mounted = |line: &str| {
            let line = format!("mount --bind {0} {0} && {line}", in_shell(&cache));
            Invocation::new(&sandbox, "unshare").args(["--map-root-user", "--mount", "sh", "-c", &line])
        };
        mounted("az roll write-token https://vault.azure.net/.default look && az look").run().ok().silent();
        assert_eq!(last_look(&sandbox)["cache"]["refresh_tokens"], 1, "{exposure}");
        assert_eq!(sandbox.config().entries("AccessToken").len(), 2, "{exposure}: what az got is kept there");
        sandbox.assert_nothing_in_the_clear();
        // What an az without azward left is taken in there too.
        mounted(&format!("{} login {BOB} && az version", in_shell(sandbox.wrapped_az()))).run().ok();
        sandbox.assert_nothing_in_the_clear();
        assert_eq!(fs::metadata(&cache).unwrap().ino(), before);
        assert_eq!(look(&sandbox).1, 2, "{exposure}");
        let warnings: Vec<_> = sandbox.journal().into_iter().filter(|line| line["deed"] == "warning").collect();
        assert!(warnings.is_empty(), "{exposure}: {warnings:?}");
    }
}

#[test]
fn a_linked_config_directory_is_the_one_it_leads_to() {
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.set_exposure("private");
    let real = sandbox.home().join("the real one");
    fs::create_dir(&real).unwrap();
    symlink(&real, sandbox.config_dir()).unwrap();
    sandbox.az(["login", ALICE]).run().ok().silent();
    assert_eq!(look(&sandbox), ("private".to_owned(), 1));
    sandbox.az(["login", BOB]).env("AZURE_CONFIG_DIR", &real).run().ok().silent();
    assert_eq!(look(&sandbox), ("private".to_owned(), 2));
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn odd_names_of_config_directories_are_as_good_as_any() {
    for name in ["with blanks", "ta\tb", "back\\slash", "new\nline", "ümlaut", "#x"] {
        let sandbox = Sandbox::new().with_fake_az();
        sandbox.set_exposure("private");
        sandbox.set_env("AZURE_CONFIG_DIR", sandbox.home().join(name));
        sandbox.az(["login", ALICE]).run().ok().silent();
        assert_eq!(look(&sandbox), ("private".to_owned(), 1), "{name:?}");
        // An az inside it that knows of no run knows the mount by its name, and leaves it alone.
        let line = "AZWARD_RUN= az \"$@\"";
        let fake = sandbox.wrapped_az().with_file_name("fake");
        fs::rename(sandbox.wrapped_az(), &fake).unwrap();
        let script = format!(
            "case $1 in outer) shift; {line}; shift; exec {} look;; esac; exec {} \"$@\"",
            in_shell(&fake),
            in_shell(&fake)
        );
        sandbox.make_script(sandbox.wrapped_az(), &script);
        sandbox.az(["outer", "look"]).run().ok().silent();
        let seen: Vec<_> =
            sandbox.fake_log().into_iter().rev().take(3).filter(|line| line["event"] == "look").collect();
        assert!(seen.len() == 2 && seen.iter().all(|line| line["cache"]["refresh_tokens"] == 1), "{name:?}: {seen:?}");
        sandbox.az(["roll"]).run().ok().silent();
        assert_eq!(look(&sandbox), ("private".to_owned(), 1), "{name:?}");
        sandbox.assert_nothing_in_the_clear();
    }
}

#[test]
fn a_relative_config_directory_is_found_from_where_the_caller_is() {
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.set_exposure("private");
    let from = |directory: &str, relative: &str, words: &[&str]| {
        let directory = sandbox.home().join(directory);
        fs::create_dir_all(&directory).unwrap();
        sandbox.az(words).cwd(directory).env("AZURE_CONFIG_DIR", relative).run().ok().silent();
    };
    from("a", "own", &["login", ALICE]);
    from("a", "own", &["roll", "look"]);
    let rolled = fingerprint(&sandbox);
    from("b/c", "../../a/own", &["look"]);
    assert_eq!(fingerprint(&sandbox), rolled);
    let line = sandbox.fake_log().pop().unwrap();
    assert_eq!((super::exposure_of(&line).as_str(), &line["cache"]["refresh_tokens"]), ("private", &Value::from(1)));
    from("b/c", "own", &["look"]);
    assert_eq!(sandbox.fake_log().pop().unwrap()["cache"], Value::Null, "another one has nothing");
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn the_real_az_clears_logs_out_and_switches() {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|_| {});
    sandbox.set_exposure("private");
    let logins = || {
        let status = sandbox.azward(["status"]).run().ok().out();
        status.lines().filter(|line| line.starts_with("login ")).count()
    };
    sandbox.login(&entra, User::Alice);
    sandbox.login(&entra, User::Bob);
    assert_eq!((logins(), sandbox.config().accounts().len()), (2, 2));

    // Another subscription, and one of another tenant: what az redeems next goes there.
    let of = |config: &ConfigDir, field: &str| {
        let all = config.subscriptions();
        let default = all.iter().find(|subscription| subscription["isDefault"] == true).expect("there is a default");
        default[field].as_str().unwrap().to_owned()
    };
    let other = sandbox.config().subscriptions().into_iter().find(|known| known["isDefault"] == false).unwrap();
    sandbox.az(["account", "set", "--subscription", other["id"].as_str().unwrap()]).run().ok().silent();
    assert_eq!(of(&sandbox.config(), "id"), other["id"].as_str().unwrap());
    let foreign = sandbox.config().subscriptions().into_iter().find(|known| known["tenantId"] == TENANT_B.id);
    if let Some(foreign) = foreign {
        sandbox.az(["account", "set", "--subscription", foreign["id"].as_str().unwrap()]).run().ok().silent();
        sandbox.az(["group", "list", "-o", "none"]).run().ok().silent();
    }

    assert_eq!(logins(), 2);
    let name = sandbox.config().accounts()[0].clone();
    sandbox.az(["logout", "--username", &name]).run().ok().silent();
    assert_eq!((logins(), sandbox.config().accounts().len()), (1, 1), "{name} is forgotten");
    sandbox.az(["group", "list", "-o", "none"]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();

    // The command that removes the cache: it can, and everybody is forgotten.
    sandbox.az(["account", "clear"]).run().ok().silent();
    assert!(!sandbox.config().token_cache_path().exists());
    assert_eq!(logins(), 0);
    let refused = sandbox.az(["account", "get-access-token"]).run().exited(1);
    assert!(refused.err().contains("az login"), "{refused:?}");
    sandbox.login(&entra, User::Alice);
    sandbox.az(["group", "list", "-o", "none"]).run().ok().silent();
    assert_eq!(logins(), 1);
}
