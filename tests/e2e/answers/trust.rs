//! Whom azward believes to be the endpoint, and on which way: as the real az does, or not at all. Where it cannot do as az
//! does, or TLS or a proxy fails, the real az renews the token, that is remembered for a while, and `azward status` says so.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use entra::{Entra, Options};
use serde_json::Value;

use crate::support::native::{age, arm_token};
use crate::support::{LOUD, Sandbox, provision};

const TOKEN: [&str; 2] = ["account", "get-access-token"];

/// An az in the box that is the real one but for its certificates: certifi's, and `more`.
fn own_az(sandbox: &Sandbox, name: &str, more: &str) -> PathBuf {
    let real = provision::real_az();
    let venv = real.parent().and_then(Path::parent).unwrap();
    let version = fs::read_dir(venv.join("lib")).unwrap().flatten().next().unwrap().file_name();
    let packages = Path::new("lib").join(version).join("site-packages");
    let own = sandbox.root().join(name);
    for directory in [own.join("bin"), own.join(&packages)] {
        fs::create_dir_all(directory).unwrap();
    }
    for entry in fs::read_dir(venv.join(&packages)).unwrap().flatten().filter(|entry| entry.file_name() != "certifi") {
        symlink(entry.path(), own.join(&packages).join(entry.file_name())).unwrap();
    }
    let certifi = own.join(&packages).join("certifi");
    assert!(
        Command::new("cp")
            .arg("-r")
            .arg(venv.join(&packages).join("certifi"))
            .arg(&certifi)
            .status()
            .unwrap()
            .success()
    );
    let bundle = certifi.join("cacert.pem");
    let text = fs::read_to_string(&bundle).unwrap();
    fs::write(&bundle, format!("{text}\n# Put here by the company\n{more}")).unwrap();
    fs::copy(venv.join("pyvenv.cfg"), own.join("pyvenv.cfg")).unwrap();
    symlink(venv.join("bin/python3").canonicalize().unwrap(), own.join("bin/python3")).unwrap();
    let script = format!("exec '{}' -m azure.cli \"$@\"", own.join("bin/python3").display());
    sandbox.make_script(&own.join("bin/az"), &script);
    own.join("bin/az")
}

/// The outcomes of rotations in the journal.
fn rotations(sandbox: &Sandbox) -> Vec<String> {
    let lines = sandbox.journal();
    let rotations = lines.iter().filter(|line| line["deed"] == "rotation");
    rotations.map(|line| line["outcome"].as_str().unwrap_or_default().to_owned()).collect()
}

/// What `azward status` says of who renews.
fn renewal(sandbox: &Sandbox) -> String {
    let out = sandbox.azward(["status"]).run().ok().out();
    let line = out.lines().find_map(|line| line.strip_prefix("renewal "));
    line.unwrap_or_else(|| panic!("no such row:\n{out}")).trim().to_owned()
}

const NO_TLS: &str = "there is no TLS to be had with the endpoint";

#[test]
fn a_machine_whose_proxy_s_authority_was_appended_to_certifi_is_renewed_early() {
    let (sandbox, entra) = Sandbox::logged_in();
    // Set to nothing it is as good as not set.
    sandbox.set_env("REQUESTS_CA_BUNDLE", "");
    let earn = || assert_eq!(sandbox.deeds_of(|| sandbox.az(TOKEN).run().ok().silent()).1, ["run"]);
    sandbox.set_env("AZWARD_REAL_AZ", own_az(&sandbox, "appended", entra.ca_pem()));
    earn();
    age(&sandbox, &entra, 600);
    let old = arm_token(&sandbox.config());
    let (outcome, deeds) = sandbox.deeds_of(|| sandbox.az(TOKEN).run().ok().silent());
    assert_eq!((deeds, entra.refreshes()), (vec!["rotation".to_owned(), "answer".to_owned()], 1));
    assert_ne!(outcome.token(), old);
    assert_eq!(renewal(&sandbox), "by azward");

    // One whose certifi is as it came trusts no such endpoint, and neither does azward; nobody loses a good token by it.
    sandbox.set_env("AZWARD_REAL_AZ", own_az(&sandbox, "plain", ""));
    earn();
    age(&sandbox, &entra, 600);
    let old = arm_token(&sandbox.config());
    assert_eq!(sandbox.az(TOKEN).run().ok().silent().token(), old);
    assert_eq!(entra.journal(), []);
    assert_eq!(renewal(&sandbox), format!("by the real az, because {NO_TLS}"));
    // The real az could not do it either: for a minute nobody waits for it again.
    let (outcome, deeds) = sandbox.deeds_of(|| sandbox.az(TOKEN).run().ok().silent());
    assert_eq!((outcome.token(), deeds), (old, vec!["answer".to_owned()]));
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn an_image_without_roots_of_the_system_s_renews_natively() {
    let (sandbox, entra) = Sandbox::logged_in();
    age(&sandbox, &entra, 600);
    let old = arm_token(&sandbox.config());
    let line = "test -z \"$(ls /etc/ssl 2>/dev/null)\" && exec az account get-access-token";
    let isolated = || sandbox.isolated(Some(&entra), &["/bin/sh", "-c", line]).run().ok().silent();
    let (outcome, deeds) = sandbox.deeds_of(isolated);
    assert_eq!((deeds, entra.refreshes()), (vec!["rotation".to_owned(), "answer".to_owned()], 1));
    assert_ne!(outcome.token(), old);
}

#[test]
fn what_az_does_not_trust_azward_does_not() {
    let (sandbox, entra) = Sandbox::without_az();
    let other = Entra::start(Options::new(sandbox.root().join("other.pem"))).unwrap();
    let file = |name: &str, text: &str| {
        let path = sandbox.root().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (right, wrong) = (file("right.pem", entra.ca_pem()), file("wrong.pem", other.ca_pem()));
    let several = format!("A note.\n\n{}\n# And another.\n{}\nThe end.\n", other.ca_pem(), entra.ca_pem());
    let several = file("several.pem", &several);
    let broken =
        file("broken.pem", &format!("{}-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", entra.ca_pem()));
    let none = file("none.pem", "no certificate\n");
    let directory = sandbox.root().to_str().unwrap().to_owned();
    let missing = format!("{directory}/missing.pem");
    let az_s = "by the real az, because ";
    for (variables, says) in [
        (&[("SSL_CERT_FILE", &right)][..], "by the real az, because there is no TLS"),
        (&[("SSL_CERT_DIR", &directory), ("SSL_CERT_FILE", &right)], az_s),
        (
            &[("REQUESTS_CA_BUNDLE", &wrong), ("SSL_CERT_FILE", &right), ("CURL_CA_BUNDLE", &right)],
            "by the real az, because there is no TLS",
        ),
        (
            &[("REQUESTS_CA_BUNDLE", &directory), ("CURL_CA_BUNDLE", &right)],
            "by the real az, because REQUESTS_CA_BUNDLE names no regular file",
        ),
        (
            &[("REQUESTS_CA_BUNDLE", &missing), ("CURL_CA_BUNDLE", &right)],
            "by the real az, because REQUESTS_CA_BUNDLE names a file that is not there",
        ),
        (&[("CURL_CA_BUNDLE", &missing), ("SSL_CERT_FILE", &right)], az_s),
        (&[("REQUESTS_CA_BUNDLE", &broken)], az_s),
        (&[("REQUESTS_CA_BUNDLE", &none), ("CURL_CA_BUNDLE", &right)], az_s),
        (&[("CURL_CA_BUNDLE", &right), ("SSL_CERT_FILE", &wrong)], "by azward"),
        (&[("REQUESTS_CA_BUNDLE", &right), ("CURL_CA_BUNDLE", &missing)], "by azward"),
        (&[("REQUESTS_CA_BUNDLE", &several)], "by azward"),
    ] {
        for name in ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
            let value = variables.iter().find(|(other, _)| *other == name).map_or("", |(_, value)| value.as_str());
            sandbox.set_env(name, value);
        }
        // That az could not either is not to be known here.
        for entry in fs::read_dir(sandbox.azward_home().join("run")).unwrap().flatten() {
            if entry.file_name().to_string_lossy().contains(".rotate-") {
                fs::write(entry.path(), "").unwrap();
            }
        }
        age(&sandbox, &entra, 600);
        let old = arm_token(&sandbox.config());
        let outcome = sandbox.az(TOKEN).run();
        match says {
            "by azward" => assert_ne!(outcome.ok().silent().token(), old, "{variables:?}"),
            _ => {
                outcome.exited(77);
                assert_eq!(entra.journal(), [], "{variables:?}");
            }
        }
        assert!(renewal(&sandbox).starts_with(says), "{variables:?}: {}", renewal(&sandbox));
    }
    // Of an az that names no interpreter nobody knows what it trusts by itself.
    let wrapper = sandbox.root().join("wrapper");
    sandbox.make_script(&wrapper, LOUD);
    sandbox.set_env("AZWARD_REAL_AZ", wrapper);
    for (name, value) in [("REQUESTS_CA_BUNDLE", ""), ("CURL_CA_BUNDLE", ""), ("SSL_CERT_FILE", right.as_str())] {
        sandbox.set_env(name, value);
    }
    age(&sandbox, &entra, 600);
    sandbox.az(TOKEN).run().exited(77);
    assert_eq!(entra.journal(), []);
    assert_eq!(renewal(&sandbox), "by the real az, because the certificates that it trusts were not found");
}

/// A proxy that reads the request and answers it with `answer`, or hangs up at once.
fn start_proxy(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !answer.is_empty()
                && !head.ends_with(b"\r\n\r\n")
                && client.read(&mut byte).is_ok_and(|count| count > 0)
            {
                head.push(byte[0]);
            }
            let _ = client.write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn what_azward_cannot_do_the_real_az_does_and_that_is_remembered_for_a_while() {
    let (sandbox, entra) = Sandbox::logged_in();
    let other = Entra::start(Options::new(sandbox.root().join("other.pem"))).unwrap();
    let asking = start_proxy("HTTP/1.1 407 Who are you?\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let (broken, closed) = (start_proxy("220 mail.example ESMTP\r\n\r\n"), start_proxy(""));
    // An az that knows its way, whatever its caller's environment says.
    sandbox.wrap_script(&format!(
        "unset HTTPS_PROXY ALL_PROXY; REQUESTS_CA_BUNDLE='{}' exec '{}' \"$@\"",
        entra.ca_file().display(),
        sandbox.wrapped_az().display()
    ));
    sandbox.set_env("NO_PROXY", "");
    sandbox.set_env("no_proxy", "");
    for (variable, value, why) in [
        ("REQUESTS_CA_BUNDLE", other.ca_file().to_str().unwrap(), Some(NO_TLS)),
        ("HTTPS_PROXY", &asking, Some("the proxy refused")),
        ("HTTPS_PROXY", &broken, Some("the proxy failed")),
        ("ALL_PROXY", &closed, Some("the proxy failed")),
        ("ALL_PROXY", "socks5h://127.0.0.1:9", None),
    ] {
        let before = sandbox.environment().get(std::ffi::OsStr::new(variable)).cloned().unwrap_or_default();
        sandbox.set_env(variable, value);
        let renewed = || {
            age(&sandbox, &entra, 600);
            let (old, known) = (arm_token(&sandbox.config()), rotations(&sandbox).len());
            let token = sandbox.az(TOKEN).run().ok().silent().token();
            assert!(token != old, "{variable}: {:?}", rotations(&sandbox));
            assert_eq!(entra.refreshes(), 1, "{variable}");
            sandbox.assert_nothing_in_the_clear();
            rotations(&sandbox).split_off(known)
        };
        let by_az = vec!["renewed by the real az".to_owned()];
        let mut tried: Vec<String> = why.map(str::to_owned).into_iter().collect();
        tried.extend(by_az.clone());
        assert_eq!(renewed(), tried, "{variable}");
        let says = renewal(&sandbox);
        assert!(
            says.starts_with("by the real az, because ") && says.ends_with(why.unwrap_or("not a plain HTTP proxy")),
            "{says}"
        );
        assert_eq!(renewed(), by_az, "{variable}: it is remembered");
        // Not what a clock noted that was ahead, nor what was noted long ago.
        let memory = sandbox.azward_home().join("run/renewal.json");
        for seconds in [100_000, -100_000].into_iter().filter(|_| why.is_some()) {
            let mut notes: Value = serde_json::from_str(&fs::read_to_string(&memory).unwrap()).unwrap();
            for note in notes.as_array_mut().unwrap() {
                note["noted_at"] = (note["noted_at"].as_i64().unwrap() + seconds).into();
            }
            fs::write(&memory, notes.to_string()).unwrap();
            assert_eq!(renewal(&sandbox), "by azward");
            assert_eq!(renewed(), tried, "{variable}: it is tried again");
        }
        sandbox.set_env(variable, before);
        assert_eq!(renewal(&sandbox), "by azward");
    }
    age(&sandbox, &entra, 600);
    sandbox.az(TOKEN).run().ok().silent();
    assert_eq!(rotations(&sandbox).pop().as_deref(), Some("renewed"));
}
