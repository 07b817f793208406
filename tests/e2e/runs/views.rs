//! Two config directories of one login: one refresh token, one refresh for both, and what is redeemed, stored or forgotten in
//! one of them reaches the other, whatever runs there.

use std::path::PathBuf;

use entra::{Entra, Fault, Trouble, User};

use crate::support::proc::Process;
use crate::support::{ConfigDir, Invocation, LOUD, Sandbox, Signal, wait_until};

const TOKEN: [&str; 2] = ["account", "get-access-token"];
const VAULT: &str = "https://vault.azure.net";

/// A view of the box's login.
fn view(sandbox: &Sandbox) -> ConfigDir {
    let view = ConfigDir::at(sandbox.home().join("view"));
    let said = sandbox.azward(["view".as_ref(), view.path()]).run().ok().out();
    assert!(said.contains("is a view of the login of"), "{said}");
    view
}

/// An az in the view.
fn in_view<'a>(sandbox: &'a Sandbox, view: &ConfigDir, words: &[&str]) -> Invocation<'a> {
    sandbox.az(words).env("AZURE_CONFIG_DIR", view.path())
}

fn age_both(sandbox: &Sandbox, view: &ConfigDir, entra: &Entra) {
    assert!(sandbox.config().age_access_tokens(100, "management") > 0);
    view.age_access_tokens(100, "management");
    entra.clear_journal();
}

/// The refresh token that a living az sees in that directory.
fn seen_by(az: Process, config_dir: &ConfigDir) -> String {
    let path = az.path("root").join(config_dir.path().strip_prefix("/").unwrap());
    let entries = ConfigDir::at(path).entries("RefreshToken");
    entries.first().and_then(|entry| entry["secret"].as_str()).unwrap_or_default().to_owned()
}

#[test]
fn both_work_and_callers_in_both_cause_one_request() {
    let (sandbox, entra) = Sandbox::logged_in();
    let view = view(&sandbox);
    in_view(&sandbox, &view, &["group", "list"]).run().ok();
    assert_eq!((view.accounts(), view.refresh_token_count()), (sandbox.config().accounts(), 0));
    // What is the view's own is its own.
    let second = sandbox.config().subscriptions()[1]["id"].as_str().unwrap().to_owned();
    in_view(&sandbox, &view, &["account", "set", "--subscription", &second]).run().ok();
    let default = |config: &ConfigDir| {
        let subscriptions = config.subscriptions();
        let found = subscriptions.iter().find(|one| one["isDefault"] == true).unwrap();
        found["id"].as_str().unwrap().to_owned()
    };
    assert!(default(&view) == second && default(&sandbox.config()) != second);
    in_view(&sandbox, &view, &["account", "set", "--subscription", &default(&sandbox.config())]).run().ok();
    sandbox.wrap_script(LOUD);
    for _ in 0..2 {
        age_both(&sandbox, &view, &entra);
        let callers: Vec<_> = (0..10)
            .map(|place| match place % 2 {
                0 => sandbox.az(TOKEN).start(),
                _ => in_view(&sandbox, &view, &TOKEN).start(),
            })
            .collect();
        let tokens: Vec<_> = callers.into_iter().map(|caller| caller.finish().ok().silent().token()).collect();
        assert!(tokens.iter().all(|token| *token == tokens[0]));
        assert_eq!(entra.refreshes(), 1);
    }
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn two_scopes_in_two_directories_survive_strict_rolling() {
    let (sandbox, entra) = Sandbox::logged_in();
    let view = view(&sandbox);
    in_view(&sandbox, &view, &TOKEN).run().ok().silent();
    sandbox.wrap_script(LOUD);
    age_both(&sandbox, &view, &entra);
    // Both have read the same refresh token when the first spends it.
    let delay = |seconds| Fault::new(Trouble::Delay(std::time::Duration::from_secs(seconds))).times(1);
    entra.knobs(|knobs| knobs.faults = vec![delay(1).for_scope("management"), delay(2).for_scope("vault")]);
    let own = sandbox.az(TOKEN).start();
    let other = in_view(&sandbox, &view, &[&TOKEN[..], &["--resource", VAULT]].concat()).start();
    assert_ne!(own.finish().ok().silent().token(), other.finish().ok().silent().token());
    assert_eq!(entra.refreshes(), 3);
    // The refresh token that is left is the one that the endpoint takes, from either.
    for config_dir in [&view, &sandbox.config()] {
        age_both(&sandbox, &view, &entra);
        in_view(&sandbox, config_dir, &TOKEN).run().ok().silent();
        assert_eq!(entra.refreshes(), 1);
    }
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn what_is_redeemed_in_one_reaches_an_az_that_runs_in_the_other() {
    let (sandbox, entra) = Sandbox::logged_in();
    let view = view(&sandbox);
    in_view(&sandbox, &view, &TOKEN).run().ok().silent();
    let stop: PathBuf = sandbox.home().join("stop");
    sandbox.wrap_script("echo running; while [ ! -e \"$HOME/stop\" ]; do sleep 0.05; done");
    let (own, other) = (sandbox.config(), &view);
    for (living, asked) in [(&own, other), (other, &own)] {
        let run = in_view(&sandbox, living, &["deployment", "create"]).start();
        run.wait_for("running");
        let az = run.az();
        let old = seen_by(az, living);
        assert!(entra.is_refresh_token_good(&old));
        // Refresh tokens are good for one use here: without the new one the living az would be lost.
        asked.age_access_tokens(100, "");
        living.age_access_tokens(100, "");
        in_view(&sandbox, asked, &[&TOKEN[..], &["--resource", VAULT, "-o", "none"]].concat()).run().ok().silent();
        assert!(!entra.is_refresh_token_good(&old));
        wait_until("the living run has the new one", || entra.is_refresh_token_good(&seen_by(az, living)));
        std::fs::write(&stop, "").unwrap();
        run.finish().ok().silent();
        std::fs::remove_file(&stop).unwrap();
    }
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn what_an_az_stores_in_one_reaches_an_az_that_runs_in_the_other() {
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.az(["login", User::Alice.username()]).run().ok().silent();
    let view = view(&sandbox);
    let (own, other) = (sandbox.config(), &view);
    for (rolling, living) in [(&own, other), (other, &own)] {
        let waiting = in_view(&sandbox, living, &["print", "waiting", "trap", "TERM"]).start();
        waiting.wait_for("ready");
        let az = waiting.az();
        let before = seen_by(az, living);
        assert!(!before.is_empty());
        // While the one that stored it runs on, not at its end.
        let stored = in_view(&sandbox, rolling, &["roll", "print", "waiting", "trap", "TERM"]).start();
        stored.wait_for("ready");
        let new = seen_by(stored.az(), rolling);
        assert_ne!(new, before);
        wait_until("the living one has it", || seen_by(az, living) == new);
        for run in [stored, waiting] {
            run.signal(Signal::TERM);
            run.finish();
        }
        // And whoever comes next.
        let next = in_view(&sandbox, living, &["print", "waiting", "trap", "TERM"]).start();
        next.wait_for("ready");
        assert_eq!(seen_by(next.az(), living), new);
        next.signal(Signal::TERM);
        next.finish();
    }
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn what_a_dead_run_left_in_one_is_redeemed_in_the_other() {
    let (sandbox, entra) = Sandbox::logged_in();
    let (own, view) = (sandbox.config(), view(&sandbox));
    in_view(&sandbox, &view, &TOKEN).run().ok().silent();
    sandbox.set_exposure("in-place");
    for (left_in, asked) in [(&view, &own), (&own, &view)] {
        let text = text_while_exposed(&sandbox, left_in);
        std::fs::write(left_in.token_cache_path(), text).unwrap();
        // As an az does whose run is no more when it has got a new one.
        let words = [&TOKEN[..], &["--resource", "https://dead.example", "-o", "none"]].concat();
        sandbox.plain_az(&words).env("AZURE_CONFIG_DIR", left_in.path()).run().ok();
        left_in.age_access_tokens(100, "management");
        asked.age_access_tokens(100, "management");
        entra.clear_journal();
        let path = sandbox.environment()[std::ffi::OsStr::new("PATH")].clone();
        sandbox.wrap_script(LOUD);
        let answer = in_view(&sandbox, asked, &TOKEN).run().ok().silent();
        sandbox.set_env("PATH", path);
        assert_eq!(entra.access_tokens_issued().last(), Some(&answer.token()));
        in_view(&sandbox, left_in, &["version"]).run().ok();
        sandbox.assert_nothing_in_the_clear();
    }
}

/// What the token cache has in it while an az runs there.
fn text_while_exposed(sandbox: &Sandbox, config_dir: &ConfigDir) -> String {
    let path = sandbox.environment()[std::ffi::OsStr::new("PATH")].clone();
    sandbox.wrap_script("echo running; while [ ! -e \"$HOME/stop\" ]; do sleep 0.05; done");
    let run = in_view(sandbox, config_dir, &["deployment", "create"]).start();
    run.wait_for("running");
    let text = config_dir.token_cache_text();
    std::fs::write(sandbox.home().join("stop"), "").unwrap();
    run.finish().ok();
    std::fs::remove_file(sandbox.home().join("stop")).unwrap();
    sandbox.set_env("PATH", path);
    assert!(text.contains("\"RefreshToken\": {\n        \""), "it is exposed there");
    text
}

#[test]
fn real_runs_in_both_live_with_one_another() {
    let (sandbox, entra) = Sandbox::logged_in();
    let view = view(&sandbox);
    in_view(&sandbox, &view, &TOKEN).run().ok().silent();
    for _ in 0..2 {
        age_both(&sandbox, &view, &entra);
        let runs: Vec<_> = [&sandbox.config(), &view, &sandbox.config(), &view]
            .into_iter()
            .map(|config_dir| in_view(&sandbox, config_dir, &["group", "list"]).start())
            .collect();
        runs.into_iter().for_each(|run| drop(run.finish().ok()));
        assert_eq!(entra.refreshes(), 1);
    }
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn whoever_signs_out_in_one_is_signed_out_in_both() {
    let own_first = [true, false];
    for is_own in own_first {
        let sandbox = Sandbox::new().with_fake_az();
        sandbox.az(["login", User::Alice.username()]).run().ok().silent();
        sandbox.az(["login", User::Bob.username()]).run().ok().silent();
        let view = view(&sandbox);
        let own = sandbox.config();
        in_view(&sandbox, &view, &["look"]).run().ok().silent();
        let (here, there) = if is_own { (&own, &view) } else { (&view, &own) };
        // One runs there meanwhile, and does not bring it back.
        let living = in_view(&sandbox, there, &["print", "waiting", "trap", "TERM"]).start();
        living.wait_for("ready");
        in_view(&sandbox, here, &["logout", User::Alice.username()]).run().ok().silent();
        living.signal(Signal::TERM);
        living.finish();
        for config_dir in [&own, &view] {
            in_view(&sandbox, config_dir, &["look"]).run().ok().silent();
            assert_eq!(config_dir.accounts(), [User::Bob.username()], "{}", config_dir.path().display());
            let seen = sandbox.fake_log().into_iter().rfind(|line| line["event"] == "look").unwrap();
            assert_eq!(seen["cache"]["refresh_tokens"], 1);
        }
        let list = sandbox.azward(["list", "--logins"]).run().ok().out();
        assert!(!list.contains(User::Alice.username()) && list.contains(User::Bob.username()), "{list}");
        sandbox.assert_nothing_in_the_clear();
    }
}
