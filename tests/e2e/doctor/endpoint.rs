//! The token endpoint as az would reach it, and the clock beside its own.

use std::fs;
use std::net::TcpListener;

use super::{assert_healthy, assert_only, healthy};

#[test]
fn a_clock_that_is_off_is_told_with_how_much() {
    let (sandbox, entra) = healthy();
    for (ahead, words) in [(3600, "60 minutes behind that of"), (-600, "10 minutes ahead of that of")] {
        entra.knobs(|knobs| knobs.date_ahead = ahead);
        assert_only(&sandbox, "clock-off", entra.origin());
        let said = sandbox.azward(["doctor"]).run().exited(1).out();
        assert!(said.contains(words), "{said}");
        entra.knobs(|knobs| knobs.date_ahead = ahead / 60);
        assert_healthy(&sandbox);
    }
    assert_eq!(entra.token_requests(), 0);
    let asked = entra.journal();
    assert!(asked.iter().all(|request| request.path.ends_with("openid-configuration")), "{asked:?}");
}

#[test]
fn an_endpoint_that_is_not_there_and_a_proxy_that_is_not_there() {
    let (sandbox, entra) = healthy();
    for name in ["NO_PROXY", "no_proxy"] {
        sandbox.set_env(name, "");
    }
    sandbox.set_env("HTTPS_PROXY", "http://127.0.0.1:9");
    assert_only(&sandbox, "endpoint-unreachable", entra.origin());
    // One that refuses may let az through.
    sandbox.set_env("HTTPS_PROXY", entra.start_proxy().unwrap());
    assert_only(&sandbox, "endpoint-by-az-only", entra.origin());
    sandbox.set_env("HTTPS_PROXY", "");
    assert_healthy(&sandbox);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let clouds = sandbox.config_dir().join("clouds.config");
    let text = fs::read_to_string(&clouds).unwrap();
    let elsewhere = format!("https://localhost:{nobody}");
    fs::write(&clouds, text.replace(entra.origin(), &elsewhere)).unwrap();
    assert_only(&sandbox, "endpoint-unreachable", &elsewhere);
    fs::write(&clouds, text).unwrap();
    assert_healthy(&sandbox);
}

#[test]
fn a_proxy_and_a_trust_that_only_az_can_use() {
    let (sandbox, entra) = healthy();
    for name in ["NO_PROXY", "no_proxy"] {
        sandbox.set_env(name, "");
    }
    sandbox.set_env("HTTPS_PROXY", "socks5://127.0.0.1:9");
    assert_only(&sandbox, "endpoint-by-az-only", entra.origin());
    sandbox.set_env("HTTPS_PROXY", "");
    let bundle = sandbox.environment()[std::ffi::OsStr::new("REQUESTS_CA_BUNDLE")].clone();
    sandbox.set_env("REQUESTS_CA_BUNDLE", sandbox.root().join("nowhere.pem"));
    assert_only(&sandbox, "endpoint-by-az-only", entra.origin());
    // Another authority than the endpoint's.
    let other = entra::Entra::start(entra::Options::new(sandbox.root().join("other.pem"))).unwrap();
    sandbox.set_env("REQUESTS_CA_BUNDLE", other.ca_file());
    assert_only(&sandbox, "endpoint-by-az-only", entra.origin());
    sandbox.set_env("REQUESTS_CA_BUNDLE", bundle);
    assert_healthy(&sandbox);
}
