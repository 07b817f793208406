//! Rotation by azward itself: when it asks, what it sends, what it writes down and where, and what becomes of a caller when
//! the endpoint refuses, is slow, broken or not there.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use entra::{Entra, Fault, Request, TENANT_A, TENANT_B, Trouble, User};

use crate::support::canary::Search;
use crate::support::fake_az::json::Json;
use crate::support::native::{ARM_SCOPE, age, arm_token, with_copy};
use crate::support::{ConfigDir, Sandbox};

const TOKEN: [&str; 2] = ["account", "get-access-token"];
const VAULT: &str = "https://vault.azure.net";
const VAULT_SCOPE: &str = "https://vault.azure.net/.default";

/// The only request, as it was sent.
#[track_caller]
fn only_request(entra: &Entra) -> Request {
    let requests = entra.journal();
    assert_eq!(requests.len(), 1, "{requests:?}");
    requests.into_iter().next().unwrap()
}

#[test]
fn a_token_that_is_due_is_rotated_by_one_request_and_no_other_is() {
    let (sandbox, entra) = Sandbox::without_az();
    let before = arm_token(&sandbox.config());
    age(&sandbox, &entra, 25 * 60);
    assert_eq!(sandbox.az(TOKEN).run().ok().silent().token(), before);
    sandbox.az(["group", "list"]).run().exited(77);
    assert_eq!(entra.journal(), []);

    let mut generation = None;
    for (words, variable) in [(TOKEN, "X"), (["group", "list"], "X"), (TOKEN, "AZURE_IDENTITY_DISABLE_CP1")] {
        age(&sandbox, &entra, 19 * 60);
        let before = arm_token(&sandbox.config());
        let outcome = sandbox.az(words).env(variable, "1").run();
        let now = arm_token(&sandbox.config());
        assert_ne!(now, before, "{words:?}");
        assert!(words != TOKEN || outcome.ok().silent().token() == now);
        let request = only_request(&entra);
        assert_eq!(request.status, Some(200));
        assert_eq!((request.method.as_str(), request.path), ("POST", format!("/{}/oauth2/v2.0/token", TENANT_A.id)));
        assert_eq!(request.grant_type.as_deref(), Some("refresh_token"));
        assert_eq!(request.scope, Some(format!("{ARM_SCOPE} offline_access openid profile")));
        assert_eq!(request.client_id.as_deref(), Some(entra::AZURE_CLI_CLIENT_ID));
        let mailbox = format!("Oid:{}@{}", User::Alice.home_object_id(), TENANT_A.id);
        assert_eq!(request.anchor_mailbox, Some(mailbox));
        let mut fields = vec!["claims", "client_id", "client_info", "grant_type", "refresh_token", "scope"];
        fields.retain(|field| variable == "X" || *field != "claims");
        assert_eq!(
            (request.fields, request.has_claims),
            (fields.iter().map(ToString::to_string).collect(), variable == "X")
        );
        assert!(
            generation.is_none_or(|last| request.presented_generation == Some(last)),
            "the one issued last is used"
        );
        generation = request.issued_generation;
        sandbox.assert_nothing_in_the_clear();
    }
}

#[test]
fn a_token_past_refresh_on_is_refreshed_and_answered_if_that_fails() {
    let (sandbox, entra) = Sandbox::without_az();
    entra.knobs(|knobs| knobs.refresh_in = Some(3));
    age(&sandbox, &entra, 100);
    let first = sandbox.az(TOKEN).run().ok().silent().token();
    assert!(sandbox.config().access_token(TENANT_A.id, ARM_SCOPE).unwrap()["refresh_on"].is_string());
    std::thread::sleep(Duration::from_secs(5));
    let second = sandbox.az(TOKEN).run().ok().silent().token();
    assert_eq!((first == second, entra.refreshes()), (false, 2));
    std::thread::sleep(Duration::from_secs(5));
    entra.knobs(|knobs| knobs.faults.push(Fault::new(Trouble::ServerError)));
    let kept = sandbox.az(TOKEN).run().ok().silent();
    assert_eq!((kept.token(), entra.token_requests()), (second, 3));
}

#[test]
fn a_new_scope_and_another_tenant_are_fetched_natively() {
    let (sandbox, entra) = Sandbox::without_az();
    for (options, tenant) in [
        (&["--resource", VAULT][..], TENANT_A.id),
        (&["--scope", VAULT_SCOPE, "--tenant", TENANT_B.id], TENANT_B.id),
        (&["--resource", "https://management.core.windows.net/", "-s", "Fabrikam Shared"], TENANT_B.id),
        (&["--resource", "https://storage.azure.com/"], TENANT_A.id),
    ] {
        // The login asked Resource Manager for both tenants' subscriptions.
        sandbox.config().edit_token_cache(|cache| {
            cache.get_mut("AccessToken").unwrap().retain(|_, entry| entry.text("realm") != TENANT_B.id);
        });
        entra.clear_journal();
        let outcome = sandbox.az(TOKEN).args(options).run().ok().silent();
        assert_eq!(only_request(&entra).tenant.as_deref(), Some(tenant), "{options:?}");
        assert_eq!(
            (outcome.json()["tenant"].as_str(), entra.access_tokens_issued().last()),
            (Some(tenant), Some(&outcome.token()))
        );
        assert_eq!(sandbox.az(TOKEN).args(options).run().ok().silent().token(), outcome.token());
        assert_eq!(entra.refreshes(), 1);
    }
}

#[test]
fn what_is_written_is_what_the_real_az_writes() {
    let (sandbox, entra, copy) = with_copy();
    for (options, refresh_in) in [
        (&[][..], None),
        (&["--resource", VAULT], Some(1800)),
        (&["--tenant", TENANT_B.id, "--scope", VAULT_SCOPE], None),
        (&["--scope", &format!("{}/User.Read", entra.origin())], None),
        (&[], Some(2000)),
    ] {
        entra.knobs(|knobs| knobs.refresh_in = refresh_in);
        copy.age_access_tokens(100, "management");
        age(&sandbox, &entra, 100);
        let (_, deeds) = sandbox.deeds_of(|| sandbox.az(TOKEN).args(options).run().ok().silent());
        assert_eq!(deeds, ["rotation", "answer"], "{options:?}");
        let ours = only_request(&entra);
        entra.clear_journal();
        sandbox.plain_az(TOKEN).args(options).env("AZURE_CONFIG_DIR", copy.path()).run().ok();
        let requests = entra.journal();
        let theirs = requests.iter().find(|request| request.is_token_request()).expect("the real az asks too");
        let sent =
            |r: &Request| (r.path.clone(), r.scope.clone(), r.fields.clone(), r.anchor_mailbox.clone(), r.has_claims);
        assert_eq!(sent(&ours), sent(theirs), "{options:?}");
        for section in ["AccessToken", "IdToken", "Account", "AppMetadata"] {
            let (our, their) = (section_of(&sandbox.config(), section), section_of(&copy, section));
            let lines = |section: &[(String, Json)]| {
                section.iter().map(|(key, entry)| format!("{key}: {}", entry.to_line())).collect::<Vec<_>>()
            };
            assert_eq!(lines(&our), lines(&their), "{section} after {options:?}");
        }
    }
}

/// A section's entries in their order, tokens and times made equal; that they are there, and their form, is kept.
fn section_of(config: &ConfigDir, section: &str) -> Vec<(String, Json)> {
    let cache = Json::parse(&config.token_cache_text()).unwrap();
    let mut entries = cache.get(section).unwrap().members().to_vec();
    for (_, entry) in &mut entries {
        for name in ["secret", "cached_at", "expires_on", "extended_expires_on", "refresh_on"] {
            let text = entry.text(name).to_owned();
            if !text.is_empty() {
                entry.set(name, if text.parse::<i64>().is_ok() { "time" } else { "token" });
            }
        }
    }
    entries
}

#[test]
fn the_refresh_token_is_never_in_a_file() {
    let (sandbox, entra) = Sandbox::without_az();
    let (directory, stop) = (sandbox.config_dir(), Arc::new(AtomicBool::new(false)));
    let watcher = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let (mut searches, mut found) = (0_u32, Vec::new());
            while !stop.load(Ordering::Relaxed) {
                found.extend(Search::below(&directory, &[]).found);
                searches += 1;
            }
            (searches, found)
        }
    });
    for turn in 0..15 {
        age(&sandbox, &entra, 100);
        let resource = if turn % 3 == 0 { VAULT } else { "https://management.core.windows.net/" };
        sandbox.config().edit_token_cache(|cache| {
            cache.get_mut("AccessToken").unwrap().retain(|_, entry| !entry.text("target").contains("vault"));
        });
        sandbox.az(TOKEN).args(["--resource", resource]).run().ok().silent();
        assert_eq!(entra.refreshes(), 1, "strictly rolling: each uses what the one before was given");
    }
    stop.store(true, Ordering::Relaxed);
    let (searches, found) = watcher.join().unwrap();
    assert!(searches > 50 && found.is_empty(), "{searches} searches, {found:?}");
}

#[test]
fn a_proxy_is_used_and_passed_over_as_the_environment_says() {
    let (sandbox, entra) = Sandbox::without_az();
    let (address, count) = start_proxy();
    for (name, no_proxy, expected) in [
        ("HTTPS_PROXY", "", 1),
        ("https_proxy", "elsewhere.example", 2),
        ("HTTPS_PROXY", "localhost", 2),
        ("HTTPS_PROXY", "*", 2),
        // That one does not serve https.
        ("HTTP_PROXY", "", 2),
        ("http_proxy", "", 2),
        ("ALL_PROXY", "", 3),
        ("all_proxy", "", 4),
    ] {
        age(&sandbox, &entra, 100);
        let az = sandbox.az(TOKEN).without("no_proxy").env("NO_PROXY", no_proxy).env(name, &address);
        az.run().ok().silent();
        assert_eq!((entra.refreshes(), count.load(Ordering::Relaxed)), (1, expected), "{name}, {no_proxy:?}");
    }
}

/// A proxy that connects to whatever it is told to, and counts.
fn start_proxy() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let counted = Arc::clone(&counted);
            std::thread::spawn(move || serve_proxy(client, &counted));
        }
    });
    (address, count)
}

fn serve_proxy(mut client: TcpStream, count: &AtomicUsize) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap().to_owned();
    count.fetch_add(1, Ordering::Relaxed);
    let mut server = TcpStream::connect(target.as_str()).unwrap();
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
    let _ = std::io::copy(&mut server, &mut client);
}

#[test]
fn where_azward_cannot_ask_the_real_az_does() {
    let (sandbox, entra) = Sandbox::logged_in();
    let last_rotation =
        || sandbox.journal().into_iter().rfind(|line| line["deed"] == "rotation").unwrap()["outcome"].clone();
    for words in [&["group", "list", "-o", "none"][..], &["account", "get-access-token"]] {
        age(&sandbox, &entra, 19 * 60);
        let old = arm_token(&sandbox.config());
        sandbox.az(words).env("AZURE_CLI_DISABLE_CONNECTION_VERIFICATION", "1").run().ok();
        assert_eq!((last_rotation(), entra.refreshes()), ("renewed by the real az".into(), 1), "{words:?}");
        assert_ne!(arm_token(&sandbox.config()), old);
        sandbox.assert_nothing_in_the_clear();
    }
}
