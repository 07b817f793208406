//! Never on disk: a reader that polls the config directory flat out, with the kernel telling it of every change, sees no
//! refresh token while az redeems them, nor while it logs in; and afterwards there is none anywhere else.

use entra::{Entra, User};

use super::watcher::{Watcher, on_the_machine};
use super::{ALICE, BOB, look};
use crate::support::{BY_AZ, Sandbox};

/// The exposures in which none is on a disk, and what az is told of them.
const NOT_ON_DISK: [(&str, &str); 2] = [("private", "private"), ("memory", "run")];

/// Has the real az redeem the refresh token for a new scope: in a form that azward leaves to it.
fn redeem(sandbox: &Sandbox, entra: &Entra, number: usize) {
    let before = entra.refreshes();
    let resource = format!("https://r{number}.example");
    let words = ["account", "get-access-token", "--resource", &resource, "--query", "accessToken", BY_AZ, "-o", "tsv"];
    assert!(sandbox.az(words).run().ok().silent().out().starts_with("eyJ"));
    assert_eq!(entra.refreshes(), before + 1, "az redeemed it");
}

/// Fails unless somebody looked, and saw nothing.
#[track_caller]
fn assert_never_seen(watcher: Watcher, sandbox: &Sandbox, entra: Option<&Entra>) {
    let (seen, began) = watcher.finish();
    assert!(seen.rounds > 100 && seen.events > 0, "it was looked at: {seen:?}");
    assert!(seen.names.iter().any(|name| name == "msal_token_cache.json"), "{seen:?}");
    assert!(seen.found.is_empty(), "a refresh token was on disk: {seen:?}");
    sandbox.assert_nothing_in_the_clear();
    if let Some(entra) = entra {
        assert!(on_the_machine(entra, began).is_empty());
    }
}

#[test]
fn whoever_polls_the_config_directory_while_az_redeems_tokens_sees_none() {
    for (exposure, _) in NOT_ON_DISK {
        let (sandbox, entra) = Sandbox::logged_in();
        sandbox.set_exposure(exposure);
        let watcher = Watcher::of(sandbox.config_dir());
        for number in 0..4 {
            redeem(&sandbox, &entra, number);
        }
        // One that azward renews first, and one for Resource Manager that az has to get.
        sandbox.config().age_access_tokens(600, "management");
        sandbox.az(["group", "list", "-o", "none"]).run().ok().silent();
        sandbox.config().drop_access_tokens();
        let before = entra.refreshes();
        sandbox.az(["group", "list", "-o", "none"]).run().ok().silent();
        assert_eq!(entra.refreshes(), before + 1);
        assert_never_seen(watcher, &sandbox, Some(&entra));
    }
}

#[test]
fn whoever_polls_it_sees_one_that_is_in_place() {
    // What the tests here would see if there were something to see.
    let (sandbox, entra) = Sandbox::logged_in();
    sandbox.set_exposure("in-place");
    let watcher = Watcher::of(sandbox.config_dir());
    redeem(&sandbox, &entra, 0);
    let (seen, began) = watcher.finish();
    assert!(seen.found.contains(&sandbox.config().token_cache_path()), "{seen:?}");
    sandbox.assert_nothing_in_the_clear();
    assert!(on_the_machine(&entra, began).is_empty());
    let copy = sandbox.root().join("copy");
    sandbox.expect_clear(&copy);
    std::fs::write(&copy, entra.refresh_tokens_issued().concat()).unwrap();
    assert_eq!(on_the_machine(&entra, began), [copy]);
}

#[test]
fn logins_write_none_to_disk() {
    for (exposure, _) in NOT_ON_DISK {
        let sandbox = Sandbox::new().with_real_az();
        let entra = sandbox.start_entra(|_| {});
        sandbox.set_exposure(exposure);
        let watcher = Watcher::of(sandbox.config_dir());
        sandbox.login(&entra, User::Alice);
        assert_eq!(sandbox.config().accounts().len(), 1);
        sandbox.login(&entra, User::Bob);
        // The same user again, whose refresh token the vault has.
        sandbox.login(&entra, User::Alice);
        assert_eq!(sandbox.config().accounts().len(), 2);
        redeem(&sandbox, &entra, 0);
        assert_never_seen(watcher, &sandbox, Some(&entra));
    }
}

#[test]
fn the_first_login_of_all_makes_the_config_directory_and_writes_none_to_disk() {
    for (exposure, marker) in NOT_ON_DISK {
        let sandbox = Sandbox::new().with_fake_az();
        sandbox.set_exposure(exposure);
        assert!(!sandbox.config_dir().exists());
        let watcher = Watcher::of(sandbox.config_dir());
        // It takes its time, for the watcher to look around in a directory that is new.
        sandbox.az(["login", ALICE, "sleep", "500", "roll", "sleep", "500"]).run().ok().silent();
        sandbox.az(["login", BOB, "sleep", "300"]).run().ok().silent();
        assert_never_seen(watcher, &sandbox, None);
        assert_eq!(look(&sandbox), (marker.to_owned(), 2));
    }
}

#[test]
fn a_login_that_fails_leaves_no_file_where_none_was() {
    for (exposure, marker) in NOT_ON_DISK {
        let sandbox = Sandbox::new().with_fake_az();
        sandbox.set_exposure(exposure);
        sandbox.az(["login", "--use-device-code"]).env("FAKE_AZ_DO", "exit 1").run().exited(1).silent();
        assert!(!sandbox.config().token_cache_path().exists(), "as without us");
        sandbox.az(["login", ALICE]).run().ok().silent();
        assert_eq!(look(&sandbox), (marker.to_owned(), 1));
    }
}
