//! A run that changes nothing in the cache that all see: the very file that was there has its name again, and nothing is written;
//! and what makes it a run to be settled in full all the same.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::memory::{assert_back, go, waiting};
use super::{last_look, logged_in, look};
use crate::support::{Sandbox, Signal, wait_until};

const SHARED: [&str; 2] = ["memory", "in-place"];

/// The regular file, while its name is another's.
fn aside(sandbox: &Sandbox) -> PathBuf {
    sandbox.config_dir().join("msal_token_cache.json.azward-disk")
}

/// Which file the cache is, and what is in it.
fn cache(sandbox: &Sandbox) -> (u64, Vec<u8>) {
    let path = sandbox.config().token_cache_path();
    (fs::symlink_metadata(&path).unwrap().ino(), fs::read(&path).unwrap())
}

#[test]
fn the_very_file_that_was_there_has_its_name_again() {
    for exposure in SHARED {
        let sandbox = logged_in(exposure);
        let before = cache(&sandbox);
        // As long as it is open no other file gets its number.
        let _open = fs::File::open(sandbox.config().token_cache_path()).unwrap();
        for _ in 0..2 {
            assert_eq!(look(&sandbox).1, 1, "{exposure}: it has the refresh token");
            assert_eq!(cache(&sandbox), before, "{exposure}");
            assert_back(&sandbox);
        }
    }
}

#[test]
fn the_file_that_waits_has_no_secret_and_whoever_gets_the_lock_after_a_kill_clears_it_up() {
    for exposure in SHARED {
        let sandbox = logged_in(exposure);
        let before = cache(&sandbox).1;
        let running = waiting(&sandbox, "look");
        assert_eq!(fs::read(aside(&sandbox)).unwrap(), before, "{exposure}");
        running.signal_group(Signal::KILL);
        let _ = running.finish();
        wait_until("its guardian cleans up", || sandbox.is_nothing_in_the_clear() && !aside(&sandbox).exists());
        assert_back(&sandbox);
        assert_eq!(look(&sandbox).1, 1, "{exposure}");
    }
}

#[test]
fn what_another_run_needs_stays_until_the_last_has_ended() {
    for exposure in SHARED {
        let sandbox = logged_in(exposure);
        let running = waiting(&sandbox, "look");
        for _ in 0..2 {
            assert_eq!(look(&sandbox).1, 1, "{exposure}");
            assert_eq!(sandbox.config().refresh_token_count(), 1, "{exposure}: the first one needs it");
        }
        go(&sandbox, running);
        assert_eq!(last_look(&sandbox)["cache"]["refresh_tokens"], 1, "{exposure}");
        assert_back(&sandbox);
    }
}

#[test]
fn a_vault_that_went_away_meanwhile_is_made_anew_of_what_az_was_handed() {
    for exposure in SHARED {
        let sandbox = logged_in(exposure);
        let running = waiting(&sandbox, "look");
        for vault in fs::read_dir(sandbox.azward_home().join("vaults")).unwrap() {
            fs::remove_file(vault.unwrap().path()).unwrap();
        }
        go(&sandbox, running);
        assert_back(&sandbox);
        assert_eq!(look(&sandbox).1, 1, "{exposure}: it is not lost");
    }
}
