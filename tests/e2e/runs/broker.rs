//! A person whom the operating system's broker signed in (WAM on Windows, Company Portal on macOS): MSAL's cache says so of the account, and
//! has no refresh token of his. Nothing breaks: what is in the cache is answered, the rest is az's, and nobody is told to sign in.

use std::fs;

use entra::{Entra, User};
use serde_json::{Value, json};

use crate::support::Sandbox;

const TOKEN: [&str; 2] = ["account", "get-access-token"];

/// Alice, as a broker signs her in: no broker is to be had here, so the cache of the az that signed her in is made what MSAL 1.39.0
/// makes of a broker's answer (`application.py`, `_process_broker_response`; `token_cache.py`, `__add`).
fn brokered() -> (Sandbox, Entra) {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|_| {});
    sandbox.plain_login(&entra, User::Alice);
    let path = sandbox.config().token_cache_path();
    let mut cache: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    cache["RefreshToken"] = json!({});
    for account in cache["Account"].as_object_mut().unwrap().values_mut() {
        account["account_source"] = json!("broker");
    }
    fs::write(&path, serde_json::to_string_pretty(&cache).unwrap()).unwrap();
    (sandbox, entra)
}

#[test]
fn nothing_breaks_and_status_says_who_has_the_refresh_token() {
    let (sandbox, entra) = brokered();
    sandbox.azward(["install", "--no-modify-path"]).run().ok();
    let bare = sandbox.plain_az(TOKEN).run().ok().token();
    sandbox.az(["group", "list"]).run().ok().silent();
    sandbox.az(TOKEN).run().ok().silent();
    let (answered, deeds) = sandbox.deeds_of(|| sandbox.az(TOKEN).run().ok().silent().token());
    assert_eq!((answered, deeds), (bare, vec!["answer".to_owned()]));
    let status = sandbox.azward(["status"]).run().ok().out();
    assert!(status.contains("broker signed") && status.contains(User::Alice.username()), "{status}");
    let told = sandbox.azward(["status", "--json"]).run().ok().json();
    assert_eq!(told["brokered"], json!([User::Alice.username()]));
    assert_eq!(told["verdict"], "good");
    let refused = sandbox.azward(["refresh"]).run().exited(2);
    assert!(refused.err().contains("the system's broker has the login"), "{refused:?}");
    let refreshes = entra.refreshes();
    sandbox.azward(["scrub"]).run().ok();
    assert_eq!(entra.refreshes(), refreshes);
    sandbox.az(["logout"]).run().ok();
    let told = sandbox.azward(["status", "--json"]).run();
    assert_eq!(told.json()["brokered"], json!([]));
}

#[test]
fn beside_a_login_that_azward_has_each_is_what_it_is() {
    let (sandbox, entra) = brokered();
    sandbox.login(&entra, User::Bob).ok();
    sandbox.az(["group", "list"]).run().ok().silent();
    sandbox.az(TOKEN).args(["--resource", "https://one.example"]).run().ok().silent();
    let alice = ["--subscription", entra::SUBSCRIPTION_1.id];
    sandbox.az(TOKEN).args(alice).run().ok().silent();
    let status = sandbox.azward(["status"]).run().ok().out();
    assert!(status.contains("broker signed") && status.contains(User::Bob.username()), "{status}");
    // What only the broker could get is az's to fail for, in its own words.
    let other = ["--subscription", entra::SUBSCRIPTION_1.id, "--resource", "https://two.example"];
    let bare = sandbox.plain_az(TOKEN).args(other).run().exited(1);
    let ours = sandbox.az(TOKEN).args(other).run().exited(1);
    assert_eq!((ours.out(), ours.err()), (bare.out(), bare.err()));
    sandbox.assert_nothing_in_the_clear();
}
