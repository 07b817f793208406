//! The vault against a real Secret Service: gnome-keyring-daemon on a D-Bus of its own, with its own home. A keyring needs
//! a process environment, so this test binary runs itself again: `scene` is what the child does.

#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "clippy only knows the functions marked as tests")]

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Once;
use std::time::{Duration, Instant};

use azward::azure::ConfigDir;
use azward::context::Context;
use azward::failure::{Failure, Kind};
use azward::secret::Secret;
use azward::settings::{KeyStoreChoice, Setting, Settings};
use azward::vault::{Contents, KeptToken, KeyStoreKind, Vault, forget_cached_key, remove_master_key};

use crate::support::keyring::BUS_CONFIG;

/// Makes the login keyring with the password `pw`, or unlocks it.
const UNLOCKED: &str = "printf pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null; \"$@\"";
/// Starts the daemon without a password.
const LOCKED: &str = "gnome-keyring-daemon --start --components=secrets >/dev/null 2>&1; \"$@\"";
/// Starts nothing.
const BARE: &str = "\"$@\"";

/// A person's machine, for as long as a test needs it.
struct Machine {
    root: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(install_what_is_missing);
        // zbus reads `XDG_RUNTIME_DIR` as part of an address, where it is never escaped.
        let root = tempfile::tempdir_in("/tmp").unwrap();
        let machine = Self { root };
        for directory in ["home", "data", "run"] {
            std::fs::create_dir(machine.path(directory)).unwrap();
        }
        std::fs::set_permissions(machine.path("run"), std::fs::Permissions::from_mode(0o700)).unwrap();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Runs `scene` after `script` in a D-Bus session; `options` go to `dbus-run-session`.
    fn in_session(&self, options: &[&str], script: &str, scene: &str) -> String {
        let mut command = Command::new("dbus-run-session");
        command.args(options).args(["--", "sh", "-c", script, "sh"]).arg(std::env::current_exe().unwrap());
        self.run(&mut command, scene)
    }

    /// Runs `scene` with a session bus at `address`, or with none named.
    fn without_session(&self, address: Option<&Path>, scene: &str) -> String {
        let mut command = Command::new(std::env::current_exe().unwrap());
        if let Some(address) = address {
            command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", address.display()));
        }
        self.run(&mut command, scene)
    }

    fn run(&self, command: &mut Command, scene: &str) -> String {
        let kept: Vec<(OsString, OsString)> =
            command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
        command.env_clear().envs(kept).env("PATH", std::env::var_os("PATH").unwrap());
        let output = command
            .args(["--exact", &scene_name(), "--nocapture"])
            .env("HOME", self.path("home"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("AZWARD_TEST_SCENE", scene)
            .output()
            .unwrap();
        passed(scene, &output)
    }
}

impl Drop for Machine {
    /// The kernel's keys outlive the directory that they were named for.
    fn drop(&mut self) {
        forget_cached_key(&self.context());
    }
}

impl Machine {
    fn context(&self) -> Context {
        Context::new([(OsString::from("HOME"), self.path("home").into())], None, false)
    }

    fn has_key_file(&self) -> bool {
        count(&self.path("home/.azward"), "key") > 0
    }
}

fn passed(scene: &str, output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{scene}: {}\n{stdout}\n{stderr}", output.status);
    assert!(stdout.contains("1 passed"), "{scene} did not run:\n{stdout}\n{stderr}");
    print!("{}", stdout.lines().filter(|line| line.contains(" ms")).fold(String::new(), |all, line| all + line + "\n"));
    stdout
}

fn install_what_is_missing() {
    let is_there = |program: &str| {
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|path| path.join(program).exists())
    };
    let all = ["gnome-keyring-daemon", "dbus-run-session"];
    if all.iter().all(|program| is_there(program)) {
        return;
    }
    // Fails where we are not root, and then the next lines say what is wanted.
    let script = "apt-get -q update; apt-get -q -y install --no-install-recommends gnome-keyring dbus";
    let _ = Command::new("sh").args(["-c", script]).env("DEBIAN_FRONTEND", "noninteractive").output();
    for program in all {
        assert!(is_there(program), "`{program}` is needed: install gnome-keyring and dbus");
    }
}

// --- what the child does ---------------------------------------------------------------------------------------------

struct Child {
    context: Context,
    settings: Settings,
}

impl Child {
    fn new(key_store: KeyStoreChoice) -> Self {
        Self {
            context: context(false),
            settings: Settings { key_store: Setting::in_file(key_store), ..Settings::default() },
        }
    }

    fn vault(&self, directory: &str) -> Vault {
        Vault::of(&self.context, &self.settings, &ConfigDir::at(&self.context.home.join(directory)))
    }

    fn commit(&self, directory: &str, token: &str) -> azward::failure::Result<()> {
        let vault = self.vault(directory);
        let _ = vault.prepare();
        let lock = vault.lock(Duration::from_secs(5))?;
        vault.commit(&lock, &contents(token))
    }

    fn holds(&self, directory: &str, token: &str) -> bool {
        self.vault(directory).load().unwrap() == contents(token)
    }
}

/// How many files with an ending are in a directory of the azward home.
fn files(child: &Child, directory: &str, ending: &str) -> usize {
    count(&child.context.azward_home.join(directory), ending)
}

fn count(directory: &Path, ending: &str) -> usize {
    let paths = std::fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == ending)).count()
}

fn context(is_interactive: bool) -> Context {
    Context::new(std::env::vars_os(), None, is_interactive)
}

fn contents(token: &str) -> Contents {
    let token = KeptToken {
        key: "\"k\"".into(),
        entry: Secret::from_text(token.into()),
        predecessors: Vec::new(),
        stored_at: 0,
        stored_by: "login".into(),
        brought_at: 0,
        rivals: Vec::new(),
    };
    Contents { refresh_tokens: vec![token], ..Contents::default() }
}

/// Runs `work` and says how long it took.
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let result = work();
    let took = begun.elapsed();
    println!("{what}: {:.2} ms", took.as_secs_f64() * 1000.0);
    (result, took)
}

fn refused_at_once(what: &str, work: impl FnOnce() -> Result<Contents, Failure>) -> Failure {
    let (result, took) = timed(what, work);
    let failure = result.unwrap_err();
    assert_eq!(failure.kind, Kind::KeyUnavailable, "{failure}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    failure
}

/// The name of the next test.
fn scene_name() -> String {
    let (_crate, module) = module_path!().split_once("::").unwrap();
    format!("{module}::scene")
}

#[test]
fn scene() {
    let Ok(scene) = std::env::var("AZWARD_TEST_SCENE") else { return };
    let keyring = Child::new(KeyStoreChoice::Keyring);
    let auto = Child::new(KeyStoreChoice::Auto);
    match scene.as_str() {
        "create" => {
            timed("first commit, key made", || auto.commit(".azure", "one").unwrap());
            let state = auto.vault(".azure").describe();
            assert_eq!((state.key_store, state.trouble.is_none()), (Some(KeyStoreKind::Keyring), true));
        }
        "read" => {
            forget_cached_key(&keyring.context);
            assert!(timed("load, keyring asked", || keyring.holds(".azure", "one")).0);
            assert!(timed("load, key cached", || keyring.holds(".azure", "one")).0);
        }
        "locked while cached" => {
            let failure = refused_at_once("load, cached and locked", || keyring.vault(".azure").load());
            assert_eq!(failure.what, "the OS keyring is locked");
            assert_eq!(forget_cached_key(&keyring.context), 0, "what is locked is not kept");
        }
        "never cached" => {
            let never = Settings { key_cache_minutes: Setting::in_file(Some(0)), ..keyring.settings.clone() };
            let vault = || Vault::of(&keyring.context, &never, &ConfigDir::of(&keyring.context));
            forget_cached_key(&keyring.context);
            assert_eq!(vault().load().unwrap(), contents("one"));
            assert_eq!(forget_cached_key(&keyring.context), 0);
        }
        "azward lock" => {
            assert!(keyring.holds(".azure", "one"));
            let lock = || {
                let output = Command::new(env!("CARGO_BIN_EXE_azward")).arg("lock").output().unwrap();
                assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
                String::from_utf8(output.stdout).unwrap()
            };
            assert!(lock().contains("has forgotten the key"));
            assert!(lock().contains("keeps no key"));
            assert!(keyring.holds(".azure", "one"), "the keyring has it");
        }
        "read cached" => assert!(keyring.holds(".azure", "one")),
        "locked" => {
            forget_cached_key(&keyring.context);
            let failure = refused_at_once("load, locked", || keyring.vault(".azure").load());
            assert_eq!(failure.what, "the OS keyring is locked");
            assert_eq!(keyring.commit(".azure", "two").unwrap_err().kind, Kind::KeyUnavailable);
            assert!(keyring.vault(".azure").describe().set_aside.is_empty());
            // A new vault under auto is not for a locked keyring.
            auto.commit("new", "new").unwrap();
            assert_eq!(auto.vault("new").describe().key_store, Some(KeyStoreKind::KeyFile));
            assert_eq!(keyring.vault("newer").prepare().unwrap_err().kind, Kind::KeyUnavailable);
        }
        "locked with a person" => {
            forget_cached_key(&keyring.context);
            let person = Vault::of(&context(true), &keyring.settings, &ConfigDir::of(&keyring.context));
            let (result, took) = timed("load, locked, nobody answers the prompt", || person.load());
            assert_eq!(result.unwrap_err().kind, Kind::KeyUnavailable);
            assert!(took < Duration::from_secs(62), "{took:?}");
        }
        "lost" => {
            forget_cached_key(&keyring.context);
            assert_eq!(keyring.vault(".azure").load().unwrap_err().kind, Kind::KeyLost);
            keyring.commit(".azure", "two").unwrap();
            forget_cached_key(&keyring.context);
            assert!(keyring.holds(".azure", "two"));
            let state = keyring.vault(".azure").describe();
            assert_eq!((state.set_aside.len(), files(&keyring, "vaults", "vault")), (0, 2));
        }
        "race" => {
            let racers: Vec<_> = (0..6)
                .map(|number| {
                    Command::new(std::env::current_exe().unwrap())
                        .args(["--exact", &scene_name()])
                        .env("AZWARD_TEST_SCENE", format!("race {number}"))
                        .spawn()
                        .unwrap()
                })
                .collect();
            racers.into_iter().for_each(|mut racer| assert!(racer.wait().unwrap().success()));
            for number in 0..6 {
                forget_cached_key(&keyring.context);
                assert!(keyring.holds(&format!("race {number}"), "raced"));
            }
        }
        racer if racer.starts_with("race ") => keyring.commit(racer, "raced").unwrap(),
        "no keyring" => {
            refused_at_once("prepare, no keyring", || keyring.vault(".azure").prepare().map(|()| Contents::default()));
            timed("first commit with a key file", || auto.commit(".azure", "one").unwrap());
            assert!(auto.holds(".azure", "one"));
            assert_eq!(auto.vault(".azure").describe().key_store, Some(KeyStoreKind::KeyFile));
        }
        "mute bus" => {
            let (result, took) = timed("prepare, mute bus", || auto.vault(".azure").prepare());
            result.unwrap();
            assert!(took < Duration::from_secs(5), "{took:?}");
        }
        "uninstall" => {
            let vault = keyring.vault(".azure");
            let path = vault.path().unwrap();
            let copy = std::fs::read(&path).unwrap();
            vault.remove(&vault.lock(Duration::from_secs(1)).unwrap()).unwrap();
            remove_master_key(&keyring.context, &keyring.settings).unwrap();
            // Neither the keyring nor the kernel opens a copy that somebody kept.
            std::fs::write(path, copy).unwrap();
            assert_eq!(keyring.vault(".azure").load().unwrap_err().kind, Kind::KeyLost);
        }
        other => panic!("no scene {other:?}"),
    }
}

// --- the tests -------------------------------------------------------------------------------------------------------

#[test]
fn a_key_is_made_in_the_keyring_and_outlives_the_session() {
    let machine = Machine::new();
    machine.in_session(&[], UNLOCKED, "create");
    assert!(!machine.has_key_file(), "no key file beside the keyring");
    machine.in_session(&[], UNLOCKED, "read");
    machine.in_session(&[], UNLOCKED, "uninstall");
    assert!(!machine.has_key_file());
}

#[test]
fn a_locked_keyring_is_refused_at_once_when_nobody_is_there() {
    let machine = Machine::new();
    machine.in_session(&[], UNLOCKED, "create");
    machine.in_session(&[], LOCKED, "locked");
    // What D-Bus starts by itself is locked too.
    machine.in_session(&[], BARE, "locked");
    machine.in_session(&[], LOCKED, "locked with a person");
    machine.in_session(&[], UNLOCKED, "read");
}

#[test]
fn the_kernel_has_the_key_where_it_lets_us() {
    let machine = Machine::new();
    machine.in_session(&[], UNLOCKED, "create");
    if !keeps_keys() {
        return;
    }
    machine.without_session(None, "read cached");
    machine.in_session(&[], UNLOCKED, "azward lock");
    machine.in_session(&[], UNLOCKED, "never cached");
    machine.in_session(&[], UNLOCKED, "read");
    machine.in_session(&[], LOCKED, "locked while cached");
}

/// Whether this kernel or sandbox keeps keys at all.
fn keeps_keys() -> bool {
    let description = format!("azward-test-keeps:{}", std::process::id());
    azward::sys::cache_key(&description, b"1", Duration::from_secs(60));
    azward::sys::forget_key(&description) > 0
}

#[test]
fn another_keyring_has_lost_the_key() {
    let machine = Machine::new();
    machine.in_session(&[], UNLOCKED, "create");
    std::fs::remove_dir_all(machine.path("data")).unwrap();
    std::fs::create_dir(machine.path("data")).unwrap();
    machine.in_session(&[], UNLOCKED, "lost");
}

#[test]
fn a_race_of_first_runs_ends_with_one_key() {
    let machine = Machine::new();
    machine.in_session(&[], UNLOCKED, "race");
}

#[test]
fn without_a_service_auto_takes_the_key_file() {
    let machine = Machine::new();
    let config = machine.path("bus.conf");
    std::fs::write(&config, BUS_CONFIG).unwrap();
    machine.in_session(&[&format!("--config-file={}", config.display())], BARE, "no keyring");
    assert!(machine.has_key_file());
}

#[test]
fn without_a_bus_auto_takes_the_key_file() {
    let machine = Machine::new();
    machine.without_session(None, "no keyring");
    assert!(machine.has_key_file());
}

#[test]
fn with_a_dead_bus_auto_takes_the_key_file() {
    let machine = Machine::new();
    let socket = machine.path("dead");
    drop(UnixListener::bind(&socket).unwrap());
    machine.without_session(Some(&socket), "no keyring");
    assert!(machine.has_key_file());
}

#[test]
fn a_bus_that_never_answers_is_given_up() {
    let machine = Machine::new();
    let socket = machine.path("mute");
    let _listener = UnixListener::bind(&socket).unwrap();
    machine.without_session(Some(&socket), "mute bus");
    assert!(machine.has_key_file());
}

#[test]
fn the_bus_in_the_runtime_directory_is_taken_when_none_is_named() {
    let machine = Machine::new();
    // dbus-run-session's own bus is only there to be left.
    let script = "address=unix:path=$XDG_RUNTIME_DIR/bus
        pid=$(dbus-daemon --session --fork --print-pid --address=$address)
        export DBUS_SESSION_BUS_ADDRESS=$address
        printf pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null
        unset DBUS_SESSION_BUS_ADDRESS
        \"$@\"; code=$?; kill $pid; exit $code";
    machine.in_session(&[], script, "create");
}
