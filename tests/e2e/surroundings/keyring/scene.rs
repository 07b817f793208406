//! What the child does: one scene, in a process whose environment has the keyring that it is about.

use std::process::Command;
use std::time::{Duration, Instant};

use azward::azure::ConfigDir;
use azward::context::Context;
use azward::failure::{Failure, Kind};
use azward::helper::{self, Helper};
use azward::secret::Secret;
use azward::settings::{KeyStoreChoice, Setting, Settings};
use azward::vault::{
    Contents, CredentialKind, KeyStoreKind, Owner, Record, Vault, forget_cached_key, remove_master_key,
};

use super::count;

struct Child {
    context: Context,
    settings: Settings,
}

impl Child {
    fn new(key_store: KeyStoreChoice) -> Self {
        Self {
            context: context(),
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

fn context() -> Context {
    Context::new(std::env::vars_os(), None).helped_by(Helper::Here(helper::here))
}

fn contents(token: &str) -> Contents {
    let token = Record {
        kind: CredentialKind::RefreshToken,
        owner: Owner::default(),
        id: "\"k\"".into(),
        entry: Secret::from_text(token.into()),
        predecessors: Vec::new(),
        stored_at: 0,
        stored_by: "login".into(),
        brought_at: 0,
        rivals: Vec::new(),
    };
    Contents { records: vec![token], ..Contents::default() }
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
pub(super) fn name() -> String {
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
            let never = Settings { key_cache_minutes: Setting::in_file(0), ..keyring.settings.clone() };
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
            let mut with_person = context();
            with_person.is_interactive = true;
            let person = Vault::of(&with_person, &keyring.settings, &ConfigDir::of(&keyring.context));
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
                        .args(["--exact", &name()])
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
