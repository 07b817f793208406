//! `azward vault move`: from each store to each, told before it is done, refused while an az runs, killed.

use std::time::Duration;

use super::{ALICE, forget_key, key_files, listed, log_in, move_to, store_of, tokens, vault_files, with_stores};
use crate::support::{SecretService, Signal, State, wait_until};

#[test]
fn a_key_goes_from_each_store_to_each_other() {
    let (sandbox, stores) = with_stores();
    let _service = SecretService::start(&sandbox, State::Unlocked);
    sandbox.set("key_cache_minutes", 0);
    let mut now = stores[0];
    log_in(&sandbox, now);
    // Every pair, one after the other.
    for from in &stores {
        for to in stores.iter().filter(|to| *to != from) {
            for next in [from, to].into_iter().filter(|next| **next != now).copied().collect::<Vec<_>>() {
                let before = (vault_files(&sandbox), key_files(&sandbox));
                let told = sandbox.azward(["vault", "move", "--to", next, "--dry-run"]).run().ok().silent();
                assert!(
                    told.out().contains("would go from the ") && told.out().contains("would lose its key"),
                    "{told:?}"
                );
                assert_eq!((vault_files(&sandbox), key_files(&sandbox)), before, "it only tells");
                let moved = move_to(&sandbox, next).ok().silent();
                assert!(
                    moved.out().contains("moved the key of ") && moved.out().contains("has lost its key"),
                    "{moved:?}"
                );
                assert_eq!(store_of(&sandbox), next);
                assert_eq!(key_files(&sandbox).len(), 1, "{:?}", key_files(&sandbox));
                let opens_no_more =
                    vault_files(&sandbox).iter().all(|(path, _)| before.0.iter().all(|(old, _)| old != path));
                assert!(opens_no_more, "the old vault is gone: {now} to {next}");
                assert_eq!(tokens(&sandbox), 1, "{now} to {next}");
                now = next;
            }
        }
    }
    let again = move_to(&sandbox, now).ok().silent();
    assert!(again.out().contains("already"), "{again:?}");
    sandbox.az(["roll"]).run().ok().silent();
    assert_eq!(tokens(&sandbox), 1);
    sandbox.azward(["uninstall"]).run().ok();
    assert!(!sandbox.azward_home().exists(), "nothing of any store stays");
    sandbox.expect_clear(sandbox.config_dir());
}

#[test]
fn two_logins_move_together() {
    let (sandbox, _) = with_stores();
    log_in(&sandbox, "key-file");
    let other = sandbox.home().join("other");
    sandbox.az(["login", ALICE]).env("AZURE_CONFIG_DIR", &other).run().ok().silent();
    move_to(&sandbox, "passphrase").ok().silent();
    let list = sandbox.azward(["vault", "list", "--json"]).run().ok().json();
    let stores: Vec<_> = list["vaults"].as_array().unwrap().iter().map(|vault| vault["key_store"].clone()).collect();
    assert_eq!(stores, ["passphrase", "passphrase"]);
    assert_eq!(key_files(&sandbox).len(), 1);
    assert_eq!(tokens(&sandbox), 1);
    sandbox.az(["look"]).env("AZURE_CONFIG_DIR", &other).run().ok().silent();
    assert_eq!(sandbox.fake_log().pop().unwrap()["cache"]["refresh_tokens"], 1);
    forget_key(&sandbox);
}

#[test]
fn nothing_is_moved_while_an_az_runs() {
    let (sandbox, _) = with_stores();
    log_in(&sandbox, "key-file");
    let before = (vault_files(&sandbox), key_files(&sandbox));
    let running = sandbox.az(["look", "sleep", "60000"]).start();
    wait_until("it runs", || sandbox.fake_log().last().is_some_and(|line| line["event"] == "look"));
    let refused = move_to(&sandbox, "passphrase").exited(1);
    let said = format!("an az is running on `{}`: nothing was changed", sandbox.config_dir().display());
    assert!(refused.err().contains(&said), "{refused:?}");
    assert_eq!((vault_files(&sandbox), key_files(&sandbox)), before);
    drop(running);
    wait_until("the guardian is done", || sandbox.guardians().is_empty());
    move_to(&sandbox, "passphrase").ok();
    assert_eq!(tokens(&sandbox), 1);
    // One that ends soon is waited for.
    let running = sandbox.az(["look", "sleep", "1500"]).start();
    wait_until("it runs", || sandbox.fake_log().last().is_some_and(|line| line["event"] == "look"));
    move_to(&sandbox, "key-file").ok();
    running.finish().ok();
    assert_eq!((store_of(&sandbox).as_str(), tokens(&sandbox)), ("key-file", 1));
    forget_key(&sandbox);
}

#[test]
fn killed_at_any_moment_each_vault_opens_and_the_same_move_finishes_it() {
    let (sandbox, stores) = with_stores();
    sandbox.set("key_cache_minutes", 0);
    let others: Vec<_> = stores.into_iter().filter(|store| *store != "keyring").collect();
    log_in(&sandbox, others[0]);
    // Each store takes its own time.
    let took: Vec<Duration> = others.iter().rev().map(|store| move_to(&sandbox, store).ok().took).collect();
    let took = |to: &str| took[others.len() - 1 - others.iter().position(|store| *store == to).unwrap()];
    let mut killed = 0;
    for round in 1..=24_u32 {
        let to = others.iter().find(|store| **store != store_of(&sandbox)).unwrap();
        let moving = sandbox.azward(["vault", "move", "--to", to]).start();
        std::thread::sleep(took(to) * round / 24);
        moving.signal(Signal::KILL);
        let outcome = moving.finish();
        killed += u32::from(outcome.status.code().is_none());
        assert_eq!(tokens(&sandbox), 1, "killed after {round}/24 of the way");
        assert!(listed(&sandbox)["opens"].as_bool().unwrap());
        move_to(&sandbox, to).ok().silent();
        assert_eq!(store_of(&sandbox), *to);
        assert_eq!(key_files(&sandbox).len(), 1, "{:?}", key_files(&sandbox));
        assert_eq!(tokens(&sandbox), 1);
    }
    assert!(killed > 6, "only {killed} were killed before they had ended");
}
