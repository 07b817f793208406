//! A key is made, kept, locked away, lost and raced for.

use std::time::Duration;

use super::{BARE, LOCKED, Machine, UNLOCKED};

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
