//! The config directory and the azward home: what lies in the clear, who may read and write, what a killed process left, where the
//! directories lie, and what is in the vaults.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;

use super::{assert_healthy, assert_mended, assert_only, findings, found, healthy, healthy_in, set_mode};
use crate::support::fake_az::{ALICE, BOB};
use crate::support::{Sandbox, wait_until};

fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_refresh_token_in_the_token_cache_is_taken_in_and_one_elsewhere_is_its_owner_s_to_remove() {
    let (sandbox, _entra) = healthy();
    let cache = sandbox.config().token_cache_path();
    sandbox.expect_clear(&cache);
    // As an az that was not wrapped leaves it.
    sandbox.plain_az(["login", BOB]).run().ok();
    assert_mended(&sandbox, "secret-in-the-clear", shown(&cache));
    assert_eq!(sandbox.config().refresh_token_count(), 0);
    let old = sandbox.config_dir().join("backup/tokens.json");
    fs::create_dir(old.parent().unwrap()).unwrap();
    fs::write(&old, "{\"refreshToken\": \"0.AXoAdmeRefreshTokenText\"}").unwrap();
    assert_only(&sandbox, "secret-in-the-clear", shown(&old));
    sandbox.azward(["doctor", "--fix", "--yes"]).run().exited(1);
    assert!(old.exists());
    fs::remove_file(&old).unwrap();
    assert_healthy(&sandbox);
}

#[test]
fn a_token_cache_that_is_none() {
    let (sandbox, _entra) = healthy();
    let cache = sandbox.config().token_cache_path();
    let whole = fs::read(&cache).unwrap();
    let torn = &whole[..whole.len() / 2];
    for foreign in [torn, b"{\"RefreshToken\": []}", b"\x00\xff"] {
        fs::write(&cache, foreign).unwrap();
        set_mode(&cache, 0o600);
        assert_only(&sandbox, "token-cache-foreign", "");
        sandbox.azward(["doctor", "--fix", "--yes"]).run().exited(1);
        assert_eq!(fs::read(&cache).unwrap(), foreign);
        // Set aside by its owner, as it says.
        fs::rename(&cache, sandbox.root().join("aside")).unwrap();
        assert_healthy(&sandbox);
    }
    fs::create_dir(&cache).unwrap();
    assert_only(&sandbox, "token-cache-foreign", "");
    fs::remove_dir(&cache).unwrap();
    fs::write(&cache, &whole).unwrap();
    set_mode(&cache, 0o600);
    assert_healthy(&sandbox);
}

#[test]
fn a_list_of_service_principals_that_is_none() {
    let (sandbox, _entra) = healthy();
    let list = sandbox.config_dir().join("service_principal_entries.json");
    for foreign in ["{}", "[{\"client_id\": \"c\"", ""] {
        fs::write(&list, foreign).unwrap();
        set_mode(&list, 0o600);
        match foreign {
            // As a write that was cut short leaves it.
            "" => assert_healthy(&sandbox),
            _ => assert_only(&sandbox, "service-principals-foreign", ""),
        }
        sandbox.azward(["doctor", "--fix", "--yes"]).run();
        assert_eq!(fs::read_to_string(&list).unwrap(), foreign);
    }
    fs::remove_file(&list).unwrap();
    assert_healthy(&sandbox);
    let secret = "[{\"client_id\": \"c\", \"tenant\": \"t\", \"client_secret\": \"not for you\"}]";
    fs::write(&list, secret).unwrap();
    set_mode(&list, 0o600);
    assert_mended(&sandbox, "secret-in-the-clear", shown(&list));
    assert!(!fs::read_to_string(&list).unwrap().contains("not for you"));
}

#[test]
fn what_others_may_do_with_the_config_directory_and_the_files_in_it() {
    let (sandbox, _entra) = healthy();
    let directory = sandbox.config_dir();
    // As az makes it.
    set_mode(&directory, 0o755);
    assert_healthy(&sandbox);
    set_mode(&directory, 0o777);
    assert_mended(&sandbox, "config-directory-open", shown(&directory));
    for name in ["msal_token_cache.json", "service_principal_entries.json", "accessTokens.json", "msal_http_cache.bin"]
    {
        let file = directory.join(name);
        if !file.exists() {
            fs::write(&file, if name.starts_with("service") { "[]" } else { "{}" }).unwrap();
        }
        set_mode(&file, 0o640);
        assert_mended(&sandbox, "credential-file-open", shown(&file));
    }
    if !geteuid().is_root() {
        return;
    }
    for (path, id) in [
        (directory.clone(), "config-directory-of-another"),
        (directory.join("accessTokens.json"), "credential-file-of-another"),
    ] {
        chown(&path, Some(1234), None).unwrap();
        assert!(found(&sandbox, id).contains(&shown(&path).to_owned()), "{:?}", findings(&sandbox));
        chown(&path, Some(0), None).unwrap();
        assert_healthy(&sandbox);
    }
}

#[test]
fn what_others_may_do_with_the_azward_home() {
    let (sandbox, _entra) = healthy();
    let home = sandbox.azward_home();
    set_mode(&home, 0o755);
    assert_mended(&sandbox, "home-open", shown(&home));
    let key = fs::read_dir(&home).unwrap().flatten().map(|entry| entry.path());
    let key = key.filter(|path| path.extension().is_some_and(|ending| ending == "key")).last().unwrap();
    set_mode(&key, 0o644);
    assert_mended(&sandbox, "home-open", shown(&key));
    set_mode(&home, 0o777);
    let found = findings(&sandbox);
    assert_eq!(found[0], ("home-not-believed".to_owned(), shown(&home).to_owned()), "{found:?}");
    sandbox.azward(["doctor", "--fix", "--yes"]).run().ok().silent();
    let settings =
        fs::read_dir(&home).unwrap().flatten().find(|entry| entry.file_name().to_string_lossy().contains("set-aside"));
    assert!(settings.is_some(), "others could have written the settings");
    assert_healthy(&sandbox);
    let settings = home.join("config.toml");
    fs::write(&settings, "key_store = \"teapot\"\n").unwrap();
    set_mode(&settings, 0o600);
    assert_only(&sandbox, "settings-not-understood", "");
    fs::remove_file(&settings).unwrap();
    assert_healthy(&sandbox);
}

#[test]
fn a_dead_process_s_lock_file_is_removed_and_a_living_one_s_is_not() {
    let (sandbox, _entra) = healthy();
    let lock = sandbox.config_dir().join("msal_token_cache.json.lockfile");
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    fs::write(&lock, format!("{} az", gone.id())).unwrap();
    assert_mended(&sandbox, "lock-file-stale", shown(&lock));
    assert!(!lock.exists());
    let other = sandbox.config_dir().join("msal_http_cache.bin.lockfile");
    fs::write(&other, format!("{} az", gone.id())).unwrap();
    assert_mended(&sandbox, "lock-file-stale", shown(&other));
    // Held by an az.
    let holder = sandbox.plain_az(["hold-lock", "3000"]).start();
    wait_until("the az has the lock", || lock.exists());
    assert_healthy(&sandbox);
    holder.finish();
    assert_healthy(&sandbox);
}

#[test]
fn a_vault_without_its_key_and_one_whose_directory_is_gone() {
    let (sandbox, _entra) = healthy();
    let job = sandbox.root().join("jobs/7/azure");
    fs::create_dir_all(&job).unwrap();
    sandbox.az(["login", BOB]).env("AZURE_CONFIG_DIR", &job).run().ok().silent();
    assert_healthy(&sandbox);
    fs::remove_dir_all(sandbox.root().join("jobs/7")).unwrap();
    assert_only(&sandbox, "vault-of-a-gone-directory", shown(&job));
    sandbox.azward(["doctor", "--fix", "--yes"]).run().exited(1);
    // Dropped when its owner says so, as it says.
    sandbox.azward(["forget", shown(&job), "--yes"]).run().ok();
    assert_healthy(&sandbox);

    let key = fs::read_dir(sandbox.azward_home()).unwrap().flatten().map(|entry| entry.path());
    let key = key.filter(|path| path.extension().is_some_and(|ending| ending == "key")).last().unwrap();
    let aside = sandbox.root().join("key");
    fs::rename(&key, &aside).unwrap();
    assert_eq!(found(&sandbox, "vault-without-key").len(), 1);
    fs::rename(&aside, &key).unwrap();
    assert_healthy(&sandbox);
    // Not brought back: signed in anew, and the other dropped.
    fs::remove_file(&key).unwrap();
    sandbox.az(["login", ALICE]).run().ok().silent();
    assert_eq!(found(&sandbox, "vault-without-key").len(), 1);
    sandbox.azward(["forget", shown(&sandbox.config_dir()), "--others", "--yes"]).run().ok();
    sandbox.az(["login", ALICE]).run().ok().silent();
    assert_healthy(&sandbox);
}

fn git(sandbox: &Sandbox, words: &[&str]) {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"];
    crate::support::Invocation::new(sandbox, "git").cwd(sandbox.home()).args(identity).args(words).run().ok();
}

#[test]
fn a_git_work_tree_that_does_not_ignore_it() {
    let (sandbox, _entra) = healthy();
    let directory = sandbox.config_dir();
    git(&sandbox, &["init", "-q"]);
    assert_mended(&sandbox, "config-directory-in-git", shown(&directory));
    assert_eq!(
        fs::read_to_string(sandbox.home().join(".git/info/exclude")).unwrap().lines().next_back(),
        Some("/.azure/")
    );
    // What is in the repository is not mended by ignoring it.
    git(&sandbox, &["add", "-f", ".azure/azureProfile.json"]);
    assert_only(&sandbox, "config-directory-in-git", shown(&directory));
    sandbox.azward(["doctor", "--fix", "--yes"]).run().exited(1);
    git(&sandbox, &["rm", "-q", "--cached", ".azure/azureProfile.json"]);
    assert_healthy(&sandbox);
    // A variable for another tree leads nowhere.
    sandbox.set_env("GIT_DIR", "/nonexistent");
    assert_healthy(&sandbox);
}

#[test]
fn a_folder_that_is_copied_to_other_machines() {
    for (folder, marker) in
        [("OneDrive - Contoso", ""), ("Dropbox", ""), ("files", ".stfolder"), ("My Drive", ""), ("f", ".dropbox.cache")]
    {
        let sandbox = Sandbox::new();
        let directory = sandbox.home().join(folder).join("azure");
        fs::create_dir_all(&directory).unwrap();
        if !marker.is_empty() {
            fs::create_dir(directory.with_file_name(marker)).unwrap();
        }
        sandbox.set_env("AZURE_CONFIG_DIR", &directory);
        let (sandbox, _entra) = healthy_in(sandbox);
        assert_only(&sandbox, "config-directory-synced", shown(&directory));
        // Moved out of there.
        let out = sandbox.home().join("azure");
        fs::rename(&directory, &out).unwrap();
        sandbox.set_env("AZURE_CONFIG_DIR", &out);
        assert_eq!(found(&sandbox, "config-directory-synced"), [] as [String; 0], "{folder}");
    }
}
