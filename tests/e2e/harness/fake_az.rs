//! The fake az does with a cache what MSAL does with it.

use std::time::{Duration, Instant};

use crate::support::{Sandbox, wait_until};

#[test]
fn the_fake_az_edits_a_cache_like_msal() {
    let sandbox = Sandbox::new().with_fake_az();
    let config = sandbox.config();
    let fake = |words: &str| sandbox.plain_az(words.split(' ')).run();
    sandbox.expect_clear(config.token_cache_path());
    assert!(fake("write-token a").exited(1).err().contains("Can't find token from MSAL cache."));
    fake("login alice@contoso.example").ok();
    fake("login bob@fabrikam.example").ok();
    assert_eq!(config.accounts(), ["alice@contoso.example", "bob@fabrikam.example"]);
    assert_eq!((config.refresh_token_count(), config.subscriptions().len()), (2, 2));
    let text = config.token_cache_text();
    config.edit_token_cache(|_| {});
    assert_eq!(config.token_cache_text(), text, "reading and writing changes no byte");
    assert!(text.starts_with("{\n    \"Account\": {\n        \""), "{text}");

    let before = sandbox.fake_log().pop().unwrap()["cache"]["fingerprint"].clone();
    fake("roll write-token https://vault.example/.default look").ok();
    let after = sandbox.fake_log().pop().unwrap();
    assert_ne!(after["cache"]["fingerprint"], before);
    assert_eq!((&after["event"], &after["cache"]["access_tokens"]), (&"look".into(), &3.into()));
    assert_eq!(config.entries("AccessToken").len(), 3);

    assert_eq!(config.age_access_tokens(200, "management"), 2);
    fake("account get-access-token").ok();
    assert_eq!(sandbox.fake_log().pop().unwrap()["event"], "refresh");
    config.age_access_tokens(200, "management");
    let offline = sandbox.plain_az(["account", "get-access-token"]).env("FAKE_AZ_OFFLINE", "1").run();
    assert!(offline.exited(1).err().contains("offline"));

    fake("logout alice@contoso.example").ok();
    assert_eq!((config.accounts(), config.refresh_token_count()), (vec!["bob@fabrikam.example".to_owned()], 1));
    assert_eq!(config.token_cache()["AppMetadata"].as_object().unwrap().len(), 1);
    let length = config.token_cache_text().len();
    fake("tear").ok();
    assert_eq!(config.token_cache_text().len(), length / 2);
    fake("clear").ok();
    assert!(!config.token_cache_path().exists() && config.subscriptions().is_empty());
    fake("frobnicate").exited(2);
}

#[test]
fn the_fake_az_takes_msals_lock() {
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.expect_clear(sandbox.config_dir());
    let lock = sandbox.config_dir().join("msal_token_cache.json.lockfile");
    let holder = sandbox.plain_az(["hold-lock", "600"]).start();
    wait_until("the lock is taken", || lock.exists());
    let started = Instant::now();
    sandbox.plain_az(["login", "a@b.example"]).run().ok();
    assert!(started.elapsed() > Duration::from_millis(300));
    holder.finish().ok();
    assert!(!lock.exists());
    sandbox.plain_az(["stale-lock"]).run().ok();
    assert!(lock.exists());
}
