//! The keyring is locked, gone, or was never there.

use std::ffi::OsStr;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use super::{ALICE, BOB, assert_az_runs, assert_kept, forget_key, set_aside, status};
use crate::support::keyring::bus_address;
use crate::support::{Sandbox, SecretService, State};

fn has_key_file(sandbox: &Sandbox) -> bool {
    let mut files = std::fs::read_dir(sandbox.azward_home()).unwrap().map(|entry| entry.unwrap().path());
    files.any(|path| path.extension().is_some_and(|extension| extension == "key"))
}

/// Names a session bus whose socket is there and whose daemon is not.
fn set_dead_bus(sandbox: &Sandbox) {
    let socket = sandbox.root().join("run/dead");
    drop(UnixListener::bind(&socket).unwrap());
    sandbox.set_env("DBUS_SESSION_BUS_ADDRESS", bus_address(&socket));
}

#[test]
fn a_keyring_that_is_locked_or_gone() {
    let sandbox = Sandbox::new().with_fake_az();
    let mut service = SecretService::start(&sandbox, State::Unlocked);
    sandbox.az(["login", ALICE]).run().ok().silent();
    assert!(status(&sandbox).contains("in the OS keyring") && !has_key_file(&sandbox));
    let address = sandbox.environment()[OsStr::new("DBUS_SESSION_BUS_ADDRESS")].clone();
    for (state, ours) in [
        ("locked", "the OS keyring is locked"),
        ("dead bus", "there is no OS keyring in this session"),
        ("no bus", "there is no OS keyring in this session"),
    ] {
        forget_key(&sandbox);
        match state {
            "locked" => service.lock(),
            "dead bus" => set_dead_bus(&sandbox),
            _ => sandbox.set_env("DBUS_SESSION_BUS_ADDRESS", ""),
        }
        assert_az_runs(&sandbox, |words| sandbox.az(words), ours);
        let report = status(&sandbox);
        assert!(report.contains(ours) && report.contains("1 refresh token, which no az needs there"), "{report}");
        assert_eq!(set_aside(&sandbox), 0, "the key may come back");
        assert!(!has_key_file(&sandbox), "and no other one is begun");
        sandbox.set_env("DBUS_SESSION_BUS_ADDRESS", address.clone());
        service.unlock();
        assert_kept(&sandbox, 2);
        sandbox.az(["logout", BOB, "login", ALICE]).run().ok().silent();
        assert_kept(&sandbox, 1);
    }
    forget_key(&sandbox);
}

#[test]
fn an_az_without_azward_beside_it_runs_and_says_what_is_missing() {
    let sandbox = Sandbox::new().with_fake_az();
    let _service = SecretService::start(&sandbox, State::Unlocked);
    sandbox.az(["login", ALICE]).run().ok().silent();
    forget_key(&sandbox);
    let (beside, away) = (sandbox.shim().with_file_name("azward"), sandbox.root().join("away"));
    std::fs::rename(&beside, &away).unwrap();
    assert_az_runs(&sandbox, |words| sandbox.az(words), "the OS keyring could not be asked");
    std::fs::rename(&away, &beside).unwrap();
    assert_kept(&sandbox, 2);
    forget_key(&sandbox);
}

#[test]
fn without_a_keyring_a_login_is_sealed_with_a_key_file() {
    for is_named in [false, true] {
        let sandbox = Sandbox::new().with_fake_az();
        if is_named {
            set_dead_bus(&sandbox);
        }
        let login = sandbox.az(["login", ALICE]).run().ok().silent();
        assert!(login.took < Duration::from_secs(10), "{:?}", login.took);
        assert!(status(&sandbox).contains("in a key file"));
        assert_kept(&sandbox, 1);
    }
}
