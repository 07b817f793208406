//! There is no keyring, or none that answers.

use std::os::unix::net::UnixListener;

use super::{BARE, Machine};
use crate::support::keyring::BUS_CONFIG;

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
