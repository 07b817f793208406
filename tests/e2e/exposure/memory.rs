//! Memory exposure: the token cache is on no disk while az needs the refresh tokens, and az, what it starts and every other az
//! see the user's own system. What happens where the system does not go along with it, what others do to it meanwhile, and
//! what is left by whoever was killed.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use serde_json::Value;

use super::caller::lines;
use super::facts::{Caller, FACTS};
use super::{ALICE, BOB, exposure_of, fingerprint, last_look, logged_in, look, status_of_exposure};
use crate::support::{End, Invocation, Running, Sandbox, Signal, in_shell, wait_until};

/// Where the cache leads, if it does.
fn memory_of(sandbox: &Sandbox) -> Option<PathBuf> {
    fs::read_link(sandbox.config().token_cache_path()).ok()
}

/// Fails unless the cache is a file on the disk again, with nothing beside it and nothing in memory.
#[track_caller]
pub(super) fn assert_back(sandbox: &Sandbox) {
    sandbox.assert_nothing_in_the_clear();
    assert_eq!(memory_of(sandbox), None);
    let names = fs::read_dir(sandbox.config_dir()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = names.filter(|name| name.to_string_lossy().contains(".azward")).collect();
    assert!(left.is_empty(), "{left:?}");
    let metadata = fs::metadata(sandbox.config().token_cache_path()).unwrap();
    assert_eq!(metadata.mode() & 0o777, 0o600);
}

/// An az that looks and then waits for `$HOME/go` and does `words`.
pub(super) fn waiting<'a>(sandbox: &'a Sandbox, words: &str) -> Running<'a> {
    let fake = sandbox.wrapped_az().with_file_name("fake");
    if !fake.exists() {
        fs::rename(sandbox.wrapped_az(), &fake).unwrap();
        let line = "case $1 in waiting) FAKE look; echo looked; while [ ! -e \"$HOME/go\" ]; do sleep 0.02; done; shift;; esac";
        let script = format!("{line}\nexec FAKE \"$@\"").replace("FAKE", &in_shell(&fake));
        sandbox.make_script(sandbox.wrapped_az(), &script);
    }
    let _ = fs::remove_file(sandbox.home().join("go"));
    let running = sandbox.az(["waiting"]).args(words.split(' ')).start();
    running.wait_for("looked");
    running
}

pub(super) fn go(sandbox: &Sandbox, running: Running<'_>) {
    fs::write(sandbox.home().join("go"), "").unwrap();
    running.finish().ok();
}

#[test]
fn az_has_it_in_memory_and_the_disk_has_what_it_had() {
    let sandbox = logged_in("memory");
    let before = fs::read(sandbox.config().token_cache_path()).unwrap();
    let running = waiting(&sandbox, "look");
    let memory = memory_of(&sandbox).expect("it is in memory");
    assert!(memory.starts_with(sandbox.memory().expect("there is a /dev/shm")), "{}", memory.display());
    let modes = [memory.as_path(), memory.parent().unwrap(), memory.parent().unwrap().parent().unwrap()]
        .map(|path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777);
    assert_eq!(modes, [0o600, 0o700, 0o700]);
    let disk = sandbox.config_dir().join("msal_token_cache.json.azward-disk");
    assert_eq!(fs::read(disk).unwrap(), before, "the same file");
    go(&sandbox, running);
    let line = last_look(&sandbox);
    assert_eq!((exposure_of(&line).as_str(), &line["cache"]["refresh_tokens"]), ("run", &1.into()));
    assert_eq!(fs::read(sandbox.config().token_cache_path()).unwrap(), before);
    assert!(!memory.exists());
    assert_back(&sandbox);
    assert_eq!(status_of_exposure(&sandbox), "in memory: the token cache is on no disk while az runs");
}

#[test]
fn what_az_starts_is_on_the_user_s_own_system() {
    let namespaces = "readlink /proc/$$/ns/user /proc/$$/ns/mnt; cat /proc/$$/uid_map /proc/$$/gid_map; \
         stat -c '%u %g' /etc/passwd; sed 's/ - .*//' /proc/$$/mountinfo";
    for caller in Caller::all() {
        let (sandbox, az) =
            caller.logged_in(&format!("{FACTS}\n{namespaces}\nreadlink \"$HOME/.azure/msal_token_cache.json\" >&2"));
        for exposure in ["memory", "auto"] {
            sandbox.set_exposure(exposure);
            let wrapped = caller.calls(sandbox.az(["ssh", "vm"])).run().ok();
            let plain = caller.calls(Invocation::new(&sandbox, &az).args(["ssh", "vm"])).run();
            assert_eq!(lines(&wrapped.out(), Caller::Own), lines(&plain.out(), Caller::Own), "{caller:?} {exposure}");
            assert!(wrapped.err().contains("/azward"), "{caller:?} {exposure}: it leads into memory: {wrapped:?}");
        }
    }
}

#[test]
fn what_az_stores_is_in_the_vault_before_it_ends() {
    let sandbox = logged_in("memory");
    let running = waiting(&sandbox, "roll look sleep 20000");
    let vault = || {
        fs::read_dir(sandbox.azward_home().join("vaults"))
            .unwrap()
            .flatten()
            .map(|entry| {
                let modified = entry.metadata().unwrap().modified().unwrap();
                (entry.path(), modified)
            })
            .filter(|(path, _)| path.extension().is_some_and(|end| end == "vault"))
            .max_by_key(|(_, time)| *time)
    };
    let before = vault();
    fs::write(sandbox.home().join("go"), "").unwrap();
    wait_until("it is stored", || vault() != before);
    let rolled = fingerprint(&sandbox);
    // As a power cut would have it: nothing of what was running, and nothing of what was in memory.
    running.signal_group(Signal::KILL);
    kill_guardians(&sandbox);
    running.finish();
    sandbox.lose_memory();
    assert_eq!(look(&sandbox), ("run".to_owned(), 1));
    assert_eq!(fingerprint(&sandbox), rolled);
    assert_back(&sandbox);
}

/// Ends the guardians of this box at once.
fn kill_guardians(sandbox: &Sandbox) {
    for guardian in sandbox.guardians() {
        let id = rustix::process::Pid::from_raw(guardian.0).unwrap();
        let _ = rustix::process::kill_process(id, Signal::KILL);
        // What it had open is closed by then: its share in the lease, and a watch, which takes the kernel a while.
        wait_until("it is over", || !guardian.is_alive());
    }
}

#[test]
fn after_a_reboot_in_the_middle_everything_is_there() {
    for words in ["look", "sleep 20000"] {
        let sandbox = logged_in("memory");
        let before = fs::read(sandbox.config().token_cache_path()).unwrap();
        let running = waiting(&sandbox, words);
        running.signal_group(Signal::KILL);
        kill_guardians(&sandbox);
        running.finish();
        sandbox.lose_memory();
        if memory_of(&sandbox).is_some() {
            assert!(!sandbox.config().token_cache_path().exists(), "it leads nowhere");
        }
        // A command that needs no secret sweeps as well.
        sandbox.az(["version"]).run().ok();
        assert_eq!(fs::read(sandbox.config().token_cache_path()).unwrap(), before);
        assert_eq!(look(&sandbox), ("run".to_owned(), 1));
        assert_back(&sandbox);
    }
}

#[test]
fn an_uninstall_gives_back_to_the_disk_what_a_dead_run_has_in_memory() {
    let sandbox = logged_in("memory");
    let running = waiting(&sandbox, "look");
    kill_guardians(&sandbox);
    running.signal_group(Signal::KILL);
    running.finish();
    assert!(memory_of(&sandbox).is_some(), "nobody brought it back");
    sandbox.expect_clear(sandbox.config().token_cache_path());
    sandbox.azward(["uninstall"]).run().ok();
    assert_eq!(memory_of(&sandbox), None);
    sandbox.lose_memory();
    assert_eq!(sandbox.config().refresh_token_count(), 1);
    sandbox.plain_az(["account", "get-access-token"]).run().ok();
}

/// Whoever can read where the link leads that a power cut left could make something there, where that is in `/dev/shm`.
#[test]
fn what_somebody_else_makes_where_the_link_leads_is_not_read() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not root, so there is no second user: what is another's is not tested");
        return;
    }
    let sandbox = logged_in("memory");
    let before = fs::read(sandbox.config().token_cache_path()).unwrap();
    let running = waiting(&sandbox, "sleep 20000");
    let memory = memory_of(&sandbox).unwrap();
    let text = fs::read_to_string(&memory).unwrap().replace(ALICE, BOB);
    // The guardian first: it would bring it back.
    kill_guardians(&sandbox);
    running.signal_group(Signal::KILL);
    running.finish();
    sandbox.lose_memory();
    sandbox.expect_clear(&memory);
    fs::create_dir_all(memory.parent().unwrap()).unwrap();
    fs::write(&memory, text).unwrap();
    for path in memory.ancestors().take(3) {
        std::os::unix::fs::chown(path, Some(54_321), None).unwrap();
    }
    assert_eq!(look(&sandbox), ("run".to_owned(), 1));
    assert_eq!(sandbox.config().accounts(), [ALICE], "it was in memory elsewhere");
    assert_eq!(fs::read(sandbox.config().token_cache_path()).unwrap(), before);
    fs::remove_file(&memory).unwrap();
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn a_killed_shim_s_guardian_brings_it_back() {
    let sandbox = logged_in("memory");
    let running = waiting(&sandbox, "roll look");
    running.signal(Signal::KILL);
    fs::write(sandbox.home().join("go"), "").unwrap();
    assert_eq!(running.finish().end(), End::Signal(9));
    wait_until("the guardian has settled it", || sandbox.is_nothing_in_the_clear() && memory_of(&sandbox).is_none());
    let looks: Vec<Value> = sandbox.fake_log().into_iter().filter(|line| line["event"] == "look").collect();
    let rolled = looks.last().unwrap()["cache"]["fingerprint"].as_str().unwrap().to_owned();
    look(&sandbox);
    assert_eq!(fingerprint(&sandbox), rolled);
    assert_back(&sandbox);
}

#[test]
fn an_az_without_azward_beside_it_sees_and_keeps_what_it_would_have() {
    let sandbox = logged_in("memory");
    let running = waiting(&sandbox, "look");
    sandbox.plain_az(["look"]).run().ok();
    assert_eq!(last_look(&sandbox)["cache"]["refresh_tokens"], 1);
    sandbox.plain_az(["login", BOB]).run().ok();
    sandbox.plain_az(["roll", "write-token", "https://vault.azure.net/.default", "look"]).run().ok();
    let rolled = fingerprint(&sandbox);
    go(&sandbox, running);
    assert_back(&sandbox);
    assert_eq!(look(&sandbox), ("run".to_owned(), 2));
    assert_eq!(fingerprint(&sandbox), rolled);
    assert!(sandbox.config().entries("AccessToken").len() >= 2, "what it got is kept");
}

#[test]
fn many_at_once_share_it_and_the_last_brings_it_back() {
    let sandbox = logged_in("memory");
    let first = waiting(&sandbox, "look");
    let memory = memory_of(&sandbox);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| sandbox.az(["look", "sleep", "50", "look"]).run().ok().silent());
        }
    });
    assert_eq!(memory_of(&sandbox), memory, "the first one needs it still");
    go(&sandbox, first);
    let looks = sandbox.fake_log().into_iter().filter(|line| line["event"] == "look");
    let blind = looks.filter(|line| line["cache"]["refresh_tokens"] != 1).count();
    assert_eq!(blind, 0);
    assert_back(&sandbox);
}

#[test]
fn a_private_run_beside_it_has_its_own_and_keeps_it() {
    let sandbox = logged_in("private");
    let private = waiting(&sandbox, "look");
    sandbox.set_exposure("memory");
    // The cache goes into memory and comes back under it.
    assert_eq!(look(&sandbox), ("run".to_owned(), 1));
    sandbox.az(["write-token", "https://vault.azure.net/.default", "roll", "look"]).run().ok().silent();
    let rolled = fingerprint(&sandbox);
    go(&sandbox, private);
    let line = last_look(&sandbox);
    assert_eq!((exposure_of(&line).as_str(), &line["cache"]["refresh_tokens"]), ("private", &1.into()));
    assert_back(&sandbox);
    assert_eq!(look(&sandbox), ("run".to_owned(), 1));
    assert_eq!(fingerprint(&sandbox), rolled);
    assert_eq!(sandbox.config().entries("AccessToken").len(), 2);

    // And one that begins while it is there is in memory as well.
    let running = waiting(&sandbox, "look");
    sandbox.set_exposure("auto");
    assert_eq!(look(&sandbox), ("run".to_owned(), 1));
    go(&sandbox, running);
    assert_back(&sandbox);
}

#[test]
fn an_az_that_removes_its_cache_meanwhile_is_believed() {
    let sandbox = logged_in("memory");
    let running = waiting(&sandbox, "exit 0");
    sandbox.az(["account", "clear"]).run().ok();
    assert!(!sandbox.config().token_cache_path().exists());
    go(&sandbox, running);
    sandbox.assert_nothing_in_the_clear();
    assert!(!sandbox.config().token_cache_path().exists() && memory_of(&sandbox).is_none());
    sandbox.az(["look"]).run().ok();
    assert_eq!(last_look(&sandbox)["cache"], Value::Null, "nobody is logged in");
}

#[test]
fn the_first_login_of_all_is_in_memory_and_one_that_fails_leaves_no_file() {
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.set_exposure("memory");
    sandbox.az(["login", "--use-device-code"]).env("FAKE_AZ_DO", "exit 1").run().exited(1).silent();
    assert!(!sandbox.config().token_cache_path().exists() && memory_of(&sandbox).is_none(), "as without us");
    sandbox.az(["login", ALICE]).run().ok().silent();
    assert_back(&sandbox);
    assert_eq!(look(&sandbox), ("run".to_owned(), 1));
}

#[test]
fn a_symlinked_cache_is_in_memory_where_it_is_and_stays_a_link() {
    let sandbox = logged_in("memory");
    let link = sandbox.config().token_cache_path();
    let target = sandbox.home().join("cache.json");
    fs::rename(&link, &target).unwrap();
    symlink(&target, &link).unwrap();
    assert_eq!(look(&sandbox), ("run".to_owned(), 1));
    sandbox.az(["roll", "look"]).run().ok().silent();
    let rolled = fingerprint(&sandbox);
    assert_eq!(look(&sandbox), ("run".to_owned(), 1));
    assert_eq!(fingerprint(&sandbox), rolled);
    assert_eq!(fs::read_link(&link).unwrap(), target);
    assert!(!target.is_symlink());
    sandbox.assert_nothing_in_the_clear();
}
