//! The same with the real az and an endpoint that counts: what az then says is its own, a login that was kept is still good
//! for new tokens, and one that is made meanwhile is not lost.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use entra::{Entra, Rolling, User};

use super::{forget_key, status};
use crate::support::keyring::bus_address;
use crate::support::{Invocation, Sandbox, SecretService, State};

/// A scope that no token is there for yet: az needs the refresh token for it.
const NEW_SCOPE: [&str; 4] = ["account", "get-access-token", "--resource", "https://new.example"];

/// A command that the access token of the login is enough for.
const COVERED: [&str; 2] = ["group", "list"];

fn logged_in() -> (Sandbox, Entra) {
    let (sandbox, entra) = with_entra();
    sandbox.login(&entra, User::Alice).ok();
    (sandbox, entra)
}

fn with_entra() -> (Sandbox, Entra) {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|knobs| knobs.rolling = Rolling::Strict);
    (sandbox.with_entra(&entra), entra)
}

/// The vault's current file; its previous generation stands beside it.
fn vault(sandbox: &Sandbox) -> PathBuf {
    let directory = std::fs::read_dir(sandbox.azward_home().join("vaults")).unwrap();
    let files = directory.map(|entry| entry.unwrap().path());
    files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "vault")).unwrap()
}

/// Where az fails because we could not hand over the login, our two lines follow its own.
#[track_caller]
fn fails_with_our_word(sandbox: &Sandbox, word: &str) {
    let outcome = sandbox.az(NEW_SCOPE).env("AZURE_CORE_NO_COLOR", "true").run().exited(1);
    let error = outcome.err();
    let (az, ours) = error.split_once("azward: ").expect(&error);
    assert!(az.starts_with("ERROR: "), "{error}");
    assert!(ours.contains(word) && ours.lines().nth(1).is_some_and(|line| line.starts_with("hint: ")), "{error}");
    assert_eq!(ours.lines().count(), 2, "{error}");
}

#[test]
fn a_locked_keyring() {
    let (sandbox, entra) = with_entra();
    let mut service = SecretService::start(&sandbox, State::Unlocked);
    sandbox.login(&entra, User::Alice).ok();
    assert!(status(&sandbox).contains("in the OS keyring"), "{}", status(&sandbox));
    service.lock();
    forget_key(&sandbox);
    sandbox.az(COVERED).run().ok().silent();
    fails_with_our_word(&sandbox, "keyring");
    // A login made meanwhile stays where az put it, until it can be stored.
    sandbox.expect_clear(sandbox.config().token_cache_path());
    sandbox.login(&entra, User::Alice).ok();
    assert_eq!(sandbox.config().refresh_token_count(), 1);
    sandbox.az(NEW_SCOPE).run().ok().silent();
    service.unlock();
    sandbox.az(COVERED).run().ok().silent();
    assert_eq!(sandbox.config().refresh_token_count(), 0, "{}", status(&sandbox));
    sandbox.az(["account", "get-access-token", "--resource", "https://other.example"]).run().ok().silent();
}

#[test]
fn a_keyring_that_is_gone() {
    let (sandbox, entra) = with_entra();
    let mut service = SecretService::start(&sandbox, State::Unlocked);
    sandbox.login(&entra, User::Alice).ok();
    let sealed = std::fs::read(vault(&sandbox)).unwrap();
    forget_key(&sandbox);
    service.stop();
    sandbox.az(COVERED).run().ok().silent();
    fails_with_our_word(&sandbox, "keyring");
    assert_eq!(std::fs::read(vault(&sandbox)).unwrap(), sealed, "what may be fine is not set aside");
    assert!(status(&sandbox).contains("does not open"), "{}", status(&sandbox));
}

#[test]
fn no_d_bus_at_all() {
    let (sandbox, _entra) = logged_in();
    assert!(status(&sandbox).contains("in a key file"), "{}", status(&sandbox));
    let dead = sandbox.root().join("no-such-bus");
    let address = bus_address(&dead);
    sandbox.az(NEW_SCOPE).env("DBUS_SESSION_BUS_ADDRESS", address).run().ok().silent();
}

#[test]
fn a_full_disk() {
    let (sandbox, entra) = with_entra();
    entra.knobs(|knobs| knobs.next_login = User::Alice);
    // The mount is seen by this shell alone, so everything happens in it.
    let script = r#"
        set -eu
        token() { az account get-access-token --resource "https://$1.example" --query tokenType -o tsv; }
        clear() { grep -c CANARYREFRESHTOKEN "$HOME/.azure/msal_token_cache.json" || true; }
        mkdir -p "$HOME/.azward"
        mount -t tmpfs -o size=128k,mode=700 tmpfs "$HOME/.azward"
        az login --use-device-code --output none 2>/dev/null
        echo "after the login: $(clear)"
        token one
        while dd if=/dev/zero bs=512 count=1 2>/dev/null >>"$HOME/.azward/filler"; do :; done
        echo "full: $(token two), then $(clear)"
        echo "still full: $(az group list --query '[0].name' -o tsv), $(token three)"
        rm "$HOME/.azward/filler"
        az group list --output none
        echo "room again: $(token four), then $(clear)"
    "#;
    let words = ["-rm", "sh", "-c", script];
    let outcome = Invocation::new(&sandbox, "unshare").args(words).run().ok().silent();
    let lines = outcome.out();
    let wanted = [
        "after the login: 0",
        "Bearer",
        "full: Bearer, then 1",
        "still full: rg-web, Bearer",
        "room again: Bearer, then 0",
    ];
    assert_eq!(lines.lines().collect::<Vec<_>>(), wanted);
}

#[test]
fn a_vault_that_does_not_open() {
    let (sandbox, entra) = logged_in();
    let vault = vault(&sandbox);
    let previous = vault.with_extension("vault.previous");
    // Another generation, so that there is a previous one: a damaged current one is then no trouble at all.
    sandbox.az(NEW_SCOPE).run().ok().silent();
    assert!(previous.exists());
    std::fs::write(&vault, b"scribble").unwrap();
    sandbox.az(COVERED).run().ok().silent();
    assert!(status(&sandbox).contains("previous generation"), "{}", status(&sandbox));
    for path in [&vault, &previous] {
        std::fs::write(path, b"scribble").unwrap();
    }
    sandbox.az(COVERED).run().ok().silent();
    sandbox.az(["account", "get-access-token", "--resource", "https://x.example"]).run().exited(1);
    // A new login works, and what was there is set aside.
    sandbox.login(&entra, User::Alice).ok();
    sandbox.az(["account", "get-access-token", "--resource", "https://y.example"]).run().ok().silent();
    assert!(status(&sandbox).contains("set aside"), "{}", status(&sandbox));
    let asides = std::fs::read_dir(sandbox.azward_home().join("vaults")).unwrap();
    let scribbles = asides.filter(|entry| std::fs::read(entry.as_ref().unwrap().path()).unwrap() == b"scribble");
    assert!(scribbles.count() >= 1);
}

#[test]
fn a_directory_in_the_vault_s_place() {
    let (sandbox, _entra) = logged_in();
    let vault = vault(&sandbox);
    let kept = vault.with_extension("kept");
    std::fs::rename(&vault, &kept).unwrap();
    std::fs::create_dir(&vault).unwrap();
    sandbox.az(COVERED).run().ok().silent();
    fails_with_our_word(&sandbox, "vault");
    std::fs::remove_dir(&vault).unwrap();
    std::fs::rename(&kept, &vault).unwrap();
    sandbox.az(NEW_SCOPE).run().ok().silent();
}

#[test]
fn a_lost_key() {
    let (sandbox, entra) = logged_in();
    let files = std::fs::read_dir(sandbox.azward_home()).unwrap().map(|entry| entry.unwrap().path());
    let mut keys = files.filter(|path| path.extension().is_some_and(|extension| extension == "key"));
    std::fs::remove_file(keys.next().unwrap()).unwrap();
    sandbox.az(COVERED).run().ok().silent();
    fails_with_our_word(&sandbox, "key");
    sandbox.login(&entra, User::Alice).ok();
    sandbox.az(NEW_SCOPE).run().ok().silent();
    assert!(status(&sandbox).contains("its key is not here"), "{}", status(&sandbox));
}

#[test]
fn something_else_in_the_cache_s_place() {
    let (sandbox, _entra) = logged_in();
    let cache = sandbox.config().token_cache_path();
    let kept = cache.with_extension("kept");
    std::fs::rename(&cache, &kept).unwrap();
    std::fs::create_dir(&cache).unwrap();
    let plain = sandbox.plain_az(COVERED).run();
    let wrapped = sandbox.az(COVERED).run();
    assert_eq!(wrapped.visible(), plain.visible());
    assert!(cache.is_dir());
    assert!(status(&sandbox).contains("is not a file"), "{}", status(&sandbox));
    std::fs::remove_dir(&cache).unwrap();
    // Without a cache at all: the account comes back from the vault, exactly as it was.
    sandbox.az(COVERED).run().ok().silent();
    assert_eq!(sandbox.config().accounts(), [User::Alice.username()]);
    std::fs::remove_file(&kept).unwrap();
}

#[test]
fn a_lock_that_a_dead_process_left() {
    let (sandbox, _entra) = logged_in();
    let lock = sandbox.config_dir().join("msal_token_cache.json.lockfile");
    let mut gone = std::process::Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    std::fs::write(&lock, format!("{} az", gone.id())).unwrap();
    let file = std::fs::File::options().write(true).open(&lock).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
    let outcome = sandbox.az(NEW_SCOPE).run().ok().silent();
    assert!(outcome.took < Duration::from_secs(4), "{:?}", outcome.took);
    assert!(!lock.exists());
}

#[test]
fn settings_that_are_none() {
    let (sandbox, _entra) = logged_in();
    std::fs::write(sandbox.azward_home().join("config.toml"), "{").unwrap();
    sandbox.az(NEW_SCOPE).run().ok().silent();
    assert!(status(&sandbox).contains("cannot be understood"), "{}", status(&sandbox));
}
