//! When the dust has settled: nothing of ours runs, nothing is in the clear before and after the next command, the first
//! user's login is in the vault and good, natively and for the real az, nothing is locked, and every file is whole. In the
//! end an uninstall gives it back and leaves nothing.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use azward::azure::ConfigDir;
use azward::context::Context;
use azward::helper::{self, Helper};
use azward::settings::Settings;
use azward::vault::Vault;
use entra::{Entra, SUBSCRIPTION_1, User};
use rustix::process::{Signal, kill_process};
use serde_json::Value;

use crate::Plan;
use crate::principals;
use crate::processes;
use crate::sessions;
use crate::support::canary::Search;
use crate::support::{BY_AZ, BY_AZWARD, Outcome, Sandbox};
use crate::tally::Tally;
use crate::upheaval;

/// How long a guardian may take at most, on a machine that was just busy.
const SETTLING: Duration = Duration::from_secs(5);

pub(crate) fn inspect(sandbox: &Sandbox, entra: &Entra, plan: &Plan, tally: &mut Tally) {
    nothing_of_ours_runs(sandbox, tally);
    if let Err(reason) = upheaval::is_somewhere(sandbox, entra) {
        tally.violation("a login is nowhere in the end", reason);
    }
    nothing_in_the_clear(sandbox, "with no further command", tally);
    passes(sandbox.az(["version"]).run(), "`az version`", tally);
    nothing_in_the_clear(sandbox, "after `az version`", tally);
    nothing_short_lived_in_the_clear(sandbox, plan, "after `az version`", tally);
    nothing_is_locked(sandbox, tally);

    entra.knobs(|knobs| knobs.faults.clear());
    vault_has_a_good_token(sandbox, entra, tally);
    // The first run mends a cache that an az was killed over.
    let alices = ["--subscription", SUBSCRIPTION_1.id];
    passes(sandbox.az(["group", "list"]).args(alices).run(), "`az group list`", tally);
    // Installed a moment ago azward may not know yet that this az would say the same.
    passes(sandbox.az(["account", "get-access-token"]).args(alices).run(), "`az account get-access-token`", tally);
    redeems(sandbox, entra, BY_AZWARD, "azward", tally);
    redeems(sandbox, entra, BY_AZ, "the real az", tally);
    passes(sandbox.azward(["status"]).run(), "`azward status`", tally);
    let lock_file = sandbox.config_dir().join("msal_token_cache.json.lockfile");
    if lock_file.exists() {
        tally.violation("MSAL's lock file is left", fs::read_to_string(&lock_file).unwrap_or_default());
    }
    sessions::inspect(sandbox, entra, tally);
    principals::inspect(sandbox, entra, tally);
    nothing_of_ours_runs(sandbox, tally);
    nothing_in_the_clear(sandbox, "in the end", tally);
    nothing_short_lived_in_the_clear(sandbox, plan, "in the end", tally);
    files_are_whole(sandbox, tally);
    an_uninstall_leaves_nothing(sandbox, entra, tally);
}

/// With nobody else there an uninstall goes through, the login is where az alone has it, and nothing of azward is left.
fn an_uninstall_leaves_nothing(sandbox: &Sandbox, entra: &Entra, tally: &mut Tally) {
    sandbox.expect_clear(sandbox.config().token_cache_path());
    sandbox.expect_clear(sandbox.config_dir().join("service_principal_entries.json"));
    let mut outcome = upheaval::uninstall(sandbox).run();
    // Of the second user az can have lost what its profile says and kept the login: there is no place for that until he is
    // back.
    if outcome.err().contains("could not be put back") {
        sandbox.login(entra, User::Bob);
        outcome = upheaval::uninstall(sandbox).run();
    }
    passes(outcome, "the last uninstall", tally);
    let left = upheaval::files(&sandbox.azward_home());
    if !left.is_empty() {
        tally.violation("an uninstall left something", format!("{left:?}"));
    }
    redeems(sandbox, entra, BY_AZ, "an az alone", tally);
    if !principals::is_in(sandbox, entra, None) {
        tally.violation("an uninstall has not given a principal's secret back", "");
    }
}

/// Waits a little for what is about to end, and ends what is not, so that the rest can be looked at.
fn nothing_of_ours_runs(sandbox: &Sandbox, tally: &mut Tally) {
    let deadline = Instant::now() + SETTLING;
    loop {
        let left = processes::of_box(sandbox.root());
        if left.is_empty() {
            return;
        }
        if Instant::now() > deadline {
            for (pid, description) in left {
                tally.violation("a process is left running", description);
                // It may have ended this very moment.
                let _ = kill_process(pid, Signal::KILL);
            }
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn nothing_in_the_clear(sandbox: &Sandbox, when: &str, tally: &mut Tally) {
    for path in Search::below(sandbox.root(), &[]).found {
        tally.violation(&format!("a secret is in the clear {when}"), path.display().to_string());
    }
}

/// Where all tokens are sealed there is none of the others either.
fn nothing_short_lived_in_the_clear(sandbox: &Sandbox, plan: &Plan, when: &str, tally: &mut Tally) {
    let entries = |section| sandbox.config().entries(section).len();
    if plan.seal == "all-tokens" && entries("AccessToken") + entries("IdToken") > 0 {
        let counts = format!("{} access tokens, {} ID tokens", entries("AccessToken"), entries("IdToken"));
        tally.violation(&format!("a token is in the clear {when}"), counts);
    }
}

fn passes(outcome: Outcome, what: &str, tally: &mut Tally) {
    let is_well = outcome.status.success() && !outcome.err().contains("azward: ");
    if !is_well {
        tally.violation(&format!("{what} fails afterwards"), format!("{outcome:?}"));
    }
}

/// Every lock can be had at once.
fn nothing_is_locked(sandbox: &Sandbox, tally: &mut Tally) {
    for directory in ["run", "vaults"] {
        for entry in fs::read_dir(sandbox.azward_home().join(directory)).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_file() && File::open(&path).is_ok_and(|file| file.try_lock().is_err()) {
                tally.violation("a lock is still held", path.display().to_string());
            }
        }
    }
}

/// The endpoint takes what the vault has of alice's.
fn vault_has_a_good_token(sandbox: &Sandbox, entra: &Entra, tally: &mut Tally) {
    let context = Context::new(sandbox.environment(), None).helped_by(Helper::Here(helper::here));
    let config_dir = ConfigDir::at(&sandbox.config_dir());
    let settings = Settings::load(&context.azward_home).unwrap();
    let contents = match Vault::of(&context, &settings, &config_dir).load() {
        Ok(contents) => contents,
        Err(failure) => return tally.violation("the vault does not open", failure.to_string()),
    };
    let entries = contents.records.iter().map(|kept| kept.entry.expose());
    let entries: Vec<Value> = entries.map(|entry| serde_json::from_slice(entry).unwrap()).collect();
    let alices = entries.iter().filter(|entry| entry["home_account_id"] == User::Alice.home_account_id());
    let are_good: Vec<bool> = alices
        .map(|entry| entry["secret"].as_str().is_some_and(|secret| entra.is_refresh_token_good(secret)))
        .collect();
    if are_good.is_empty() || are_good.contains(&false) {
        let details = format!("{are_good:?} of {} entries", entries.len());
        tally.violation("alice's refresh token is not in the vault, or not good", details);
    }
}

/// Only the refresh token gets alice a token for something new.
fn redeems(sandbox: &Sandbox, entra: &Entra, how: &str, by: &str, tally: &mut Tally) {
    entra.clear_journal();
    let resource = format!("https://after-{}.example", by.replace(' ', "-"));
    let command = ["account", "get-access-token", how, "-o", "json", "--resource", &resource];
    let outcome = sandbox.az(command).args(["--subscription", SUBSCRIPTION_1.id]).run();
    let granted = entra.journal().into_iter().find(|request| {
        // A run may renew another token of its own accord first.
        request.issued_generation.is_some() && request.scope.as_ref().is_some_and(|scope| scope.contains(&resource))
    });
    let is_as_told = granted.is_some_and(|request| {
        request.account.as_deref() == Some(User::Alice.username())
            && request.user_agent.is_some_and(|agent| agent.starts_with("azward")) == (by == "azward")
    });
    if !is_as_told {
        tally.violation(&format!("alice's refresh token is not redeemed by {by}"), format!("{outcome:?}"));
    }
    passes(outcome, &format!("a new scope by {by}"), tally);
}

fn files_are_whole(sandbox: &Sandbox, tally: &mut Tally) {
    let whole = |path: PathBuf, tally: &mut Tally| {
        let text = fs::read_to_string(&path).unwrap_or_default();
        if let Err(error) = serde_json::from_str::<Value>(text.trim_start_matches('\u{feff}')) {
            tally.violation("a file is not whole", format!("`{}`: {error}", path.display()));
        }
    };
    whole(sandbox.config_dir().join("azureProfile.json"), tally);
    whole(sandbox.config().token_cache_path(), tally);
    whole(sandbox.config_dir().join("service_principal_entries.json"), tally);
    for name in ["journal.1.jsonl", "journal.jsonl"] {
        let text = fs::read_to_string(sandbox.azward_home().join(name)).unwrap_or_default();
        if !text.is_empty() && !text.ends_with('\n') {
            tally.violation("the journal is not whole lines", name);
        }
        for line in text.lines() {
            let Ok(event) = serde_json::from_str::<Value>(line) else {
                tally.violation("the journal is not JSON lines", line);
                continue;
            };
            if event["deed"] == "warning" {
                *tally.warnings.entry(event["outcome"].as_str().unwrap_or("?").to_owned()).or_default() += 1;
            }
        }
    }
}
