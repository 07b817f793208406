//! When an endpoint ends, and what it leaves: nothing that anybody could use.

use std::fs;
use std::time::Duration;

use entra::{Fault, Refusal};

use super::{ARM, SESSION, serve, serve_session};
use crate::support::{End, Sandbox, Signal, wait_until};

#[test]
fn it_ends_with_its_session_and_is_no_reason_for_that_to_go_on() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let server = serve(&sandbox, &[]);
    server.token(ARM).granted();
    sandbox.azward(["stop", SESSION]).run().ok();
    let ended = server.running.finish();
    assert_eq!(ended.end(), End::Code(0), "{ended:?}");
    assert!(ended.err().contains("the session was stopped"), "{ended:?}");
    assert_left_nothing(&sandbox);
}

#[test]
fn it_ends_after_its_time_and_at_a_signal() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let ended = serve(&sandbox, &["--ttl", "1s"]).running.finish();
    assert_eq!(ended.end(), End::Code(0), "{ended:?}");
    assert!(ended.err().contains("its time is over"), "{ended:?}");
    assert_left_nothing(&sandbox);
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let server = serve(&sandbox, &[]);
        server.running.signal(signal);
        assert_eq!(server.running.finish().end(), End::Signal(signal.as_raw()));
        assert_left_nothing(&sandbox);
    }
}

#[test]
fn it_ends_with_whoever_started_it() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let go = sandbox.root().join("go");
    let line = format!(
        "'{}' serve {SESSION} --format json & until [ -e '{}' ]; do sleep 0.05; done",
        env!("CARGO_BIN_EXE_azward"),
        go.display()
    );
    let mut shell = sandbox.shell(&line).start();
    shell.wait_for("\n}\n");
    fs::write(go, "").unwrap();
    wait_until("it and its caller have ended", || shell.is_over());
    drop(shell);
    assert_left_nothing(&sandbox);
    // Or with a process that is named.
    let mut other = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let server = serve(&sandbox, &["--for", &other.id().to_string()]);
    server.token(ARM).granted();
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(server.running.finish().end(), End::Code(0));
    let gone = sandbox.azward(["serve", SESSION, "--for", &other.id().to_string()]).run();
    assert_eq!(gone.end(), End::Code(2), "{gone:?}");
}

#[test]
fn killed_it_is_replaced_by_the_next_at_the_same_place() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let killed = serve(&sandbox, &[]);
    let socket = killed.socket();
    killed.running.signal(Signal::KILL);
    drop(killed);
    assert!(socket.exists());
    let server = serve(&sandbox, &[]);
    assert_eq!(server.socket(), socket);
    let secret = server.secret().to_owned();
    server.request_by_socket(&format!("/msi/token?resource={ARM}"), &[("X-IDENTITY-HEADER", &secret)]).granted();
    // A second one beside it has a place of its own, and leaves none.
    let second = serve(&sandbox, &[]);
    assert_ne!(second.socket(), socket);
    second.token(ARM).granted();
    let place = second.socket().parent().unwrap().to_owned();
    second.running.signal(Signal::TERM);
    second.running.finish();
    assert!(!place.exists());
    server.token(ARM).granted();
}

#[test]
fn two_sessions_are_served_side_by_side_each_its_own() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let one = serve(&sandbox, &[]);
    let other = serve_session(&sandbox, "fabrikam-shared", &[]);
    assert_ne!(one.token(ARM).granted(), other.token(ARM).granted());
    let secret = one.secret().to_owned();
    other.get(&format!("/msi/token?resource={ARM}"), &[("X-IDENTITY-HEADER", &secret)]).refused(401, "invalid_client");
}

#[test]
fn an_endpoint_that_is_refused_says_why_and_goes_on() {
    let (sandbox, entra) = Sandbox::logged_in();
    let server = serve(&sandbox, &["--allow-resource", "*"]);
    entra.knobs(|knobs| knobs.faults = vec![Fault::refuse(Refusal::MfaRequired).for_scope("vault")]);
    let refused = server.token("https://vault.azure.net");
    assert!([400, 503].contains(&refused.status), "{refused:?}");
    assert!(!refused.body.contains("eyJ"), "{refused:?}");
    server.token(ARM).granted();
    entra.knobs(|knobs| knobs.faults.clear());
    server.token("https://vault.azure.net").granted();
}

#[test]
fn who_signs_out_has_nothing_given_away_any_more() {
    for words in [&["az", "logout"][..], &["az", "account", "clear"], &["azward", "logout", "default"]] {
        let (sandbox, _entra) = Sandbox::logged_in();
        let server = serve(&sandbox, &[]);
        server.token(ARM).granted();
        let sign_out = if words[0] == "az" { sandbox.az(&words[1..]) } else { sandbox.azward(&words[1..]) };
        sign_out.run().ok();
        let stream = std::net::TcpStream::connect(("127.0.0.1", server.port()));
        if let Ok(stream) = stream {
            let headers = [("X-IDENTITY-HEADER", server.secret())];
            let path = format!("/msi/token?resource={ARM}");
            if let Ok(response) = super::exchange(stream, "GET", &path, &headers, b"") {
                assert_ne!(response.status, 200, "{words:?}: {response:?}");
            }
        }
    }
}

#[test]
fn what_stands_at_its_place_and_is_no_socket_stays() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let path = sandbox.root().join("taken");
    fs::write(&path, "mine").unwrap();
    let refused = sandbox.azward(["serve", SESSION, "--socket", path.to_str().unwrap()]).run();
    assert_eq!(refused.end(), End::Code(1), "{refused:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    // Nor is another endpoint's taken over while that is there.
    let socket = sandbox.root().join("socket");
    let server = serve(&sandbox, &["--socket", socket.to_str().unwrap()]);
    let refused = sandbox.azward(["serve", SESSION, "--socket", socket.to_str().unwrap()]).run();
    assert_eq!(refused.end(), End::Code(1), "{refused:?}");
    let port = serve(&sandbox, &[]).port();
    let _here = std::net::TcpListener::bind(("127.0.0.1", port));
    server.running.signal(Signal::TERM);
    server.running.finish();
    assert!(!socket.exists());
    let long = sandbox.root().join("x".repeat(120));
    let refused = sandbox.azward(["serve", SESSION, "--socket", long.to_str().unwrap()]).run();
    assert_eq!(refused.end(), End::Code(2), "{refused:?}");
}

#[test]
fn an_uninstall_leaves_nothing_of_it() {
    let (sandbox, _entra) = Sandbox::logged_in();
    sandbox.azward(["install", "--no-modify-path"]).run().ok();
    let server = serve(&sandbox, &[]);
    server.token(ARM).granted();
    sandbox.expect_clear(sandbox.config_dir());
    sandbox.azward(["uninstall"]).timeout(Duration::from_secs(60)).run().ok();
    let ended = server.running.finish();
    assert_eq!(ended.end(), End::Code(0), "{ended:?}");
    assert!(!sandbox.azward_home().join("serve").exists());
}

/// Nothing of an endpoint is there but the directory that keeps its name.
#[track_caller]
fn assert_left_nothing(sandbox: &Sandbox) {
    let place = sandbox.azward_home().join("serve").join(SESSION);
    let left: Vec<_> = fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name == "lock"), "{left:?}");
}
