//! Views of a login are made where nothing is lost by it, listed, taken back, forgotten with their login, and given what is
//! theirs by an uninstall; and what a view has or lacks decides nothing about the login.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::{ALICE, logged_in, script};
use crate::support::{ConfigDir, Outcome, Sandbox, Signal};

const BOB: &str = "bob@fabrikam.example";

/// Longer than files must have been at rest.
const AT_REST: Duration = Duration::from_millis(2300);

fn azward(sandbox: &Sandbox, words: &[&str]) -> Outcome {
    sandbox.azward(words).run()
}

/// A view of the login of the box.
fn with_view() -> (Sandbox, PathBuf, String) {
    let sandbox = logged_in();
    let view = sandbox.home().join("view");
    let shown = view.to_str().unwrap().to_owned();
    azward(&sandbox, &["view", &shown]).ok();
    (sandbox, view, shown)
}

/// Runs the shim in the view.
fn in_view(sandbox: &Sandbox, view: &PathBuf, words: &[&str]) -> Outcome {
    sandbox.az(words).env("AZURE_CONFIG_DIR", view).run().ok()
}

/// Who is logged in, and which views there are, by `azward list --logins`.
fn listed(sandbox: &Sandbox) -> (Vec<String>, Vec<String>) {
    let json = azward(sandbox, &["list", "--logins", "--json"]).ok().json();
    let logins = json["logins"].as_array().unwrap();
    let texts = |name: &str, field: Option<&str>| {
        let found = logins.iter().flat_map(|login| login[name].as_array().unwrap().clone());
        found.map(|value| field.map_or(&value, |field| &value[field]).as_str().unwrap().to_owned()).collect()
    };
    (texts("logins", Some("account")), texts("views", None))
}

#[test]
fn a_view_is_made_only_where_nothing_is_lost_by_it() {
    let (sandbox, view, shown) = with_view();
    let own = sandbox.config_dir().to_str().unwrap().to_owned();
    let at = |name: &str| sandbox.home().join(name).to_str().unwrap().to_owned();
    let refuse = |words: &[&str], says: &str| {
        let refused = azward(&sandbox, words).exited(2);
        assert!(refused.err().contains(says) && refused.err().contains("hint: "), "{refused:?}");
        assert_eq!(listed(&sandbox).1, std::slice::from_ref(&shown));
    };
    refuse(&["view", &own], "is that login's own directory");
    refuse(&["view", &own, "--of", &at("other")], "has views itself");
    refuse(&["view", &shown, "--of", &at("other")], "is a view of the login of");
    refuse(&["view", "--remove", &own], "is no view of a login");
    refuse(&["view", "--remove", &at("nowhere")], "is no view of a login");
    // One with a login, sealed or in the clear.
    let sealed = sandbox.home().join("sealed");
    in_view(&sandbox, &sealed, &["login", BOB]);
    refuse(&["view", &at("sealed")], "has a login of its own");
    let clear = sandbox.home().join("clear");
    sandbox.plain_az(["login", BOB]).env("AZURE_CONFIG_DIR", &clear).run().ok();
    refuse(&["view", &at("clear")], "has a login of its own");
    in_view(&sandbox, &clear, &["logout", BOB]);
    // One where an az runs, be it to become one or to be one no more.
    for (name, words) in [("busy", ["view", "DIR"].as_slice()), ("view", &["view", "--remove", "DIR"])] {
        let run = sandbox.az(["trap", "TERM"]).env("AZURE_CONFIG_DIR", sandbox.home().join(name)).start();
        run.wait_for("ready");
        let directory = at(name);
        let words: Vec<&str> =
            words.iter().map(|word| if *word == "DIR" { directory.as_str() } else { word }).collect();
        let refused = azward(&sandbox, &words).exited(1);
        assert!(refused.err().contains("an az is running on"), "{refused:?}");
        run.signal(Signal::TERM);
        run.finish();
    }
    // Again is nothing new, and a view of a view is one of the login.
    assert!(azward(&sandbox, &["view", &shown]).ok().out().contains("already"));
    let second = at("second");
    azward(&sandbox, &["view", &second, "--of", &shown]).ok();
    assert_eq!(listed(&sandbox).1, [second.clone(), shown.clone()]);
    // What is there already stays.
    let third = sandbox.home().join("third");
    fs::create_dir(&third).unwrap();
    fs::write(third.join("config"), "[core]\noutput = table\n").unwrap();
    azward(&sandbox, &["view", third.to_str().unwrap()]).ok();
    assert_eq!(fs::read_to_string(third.join("config")).unwrap(), "[core]\noutput = table\n");
    in_view(&sandbox, &view, &["look"]);
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn a_view_is_listed_taken_back_and_forgotten_with_its_login() {
    let (sandbox, view, shown) = with_view();
    in_view(&sandbox, &view, &["look"]);
    assert_eq!(listed(&sandbox), (vec![ALICE.to_owned()], vec![shown.clone()]));
    let status = sandbox.azward(["status"]).env("AZURE_CONFIG_DIR", &view).run().ok().out();
    assert!(status.contains("view of") && status.contains(ALICE), "{status}");
    let refused = azward(&sandbox, &["forget", "--yes", &shown]).exited(2);
    assert!(refused.err().contains("is a view of the login of"), "{refused:?}");

    azward(&sandbox, &["view", "--remove", &shown]).ok();
    assert_eq!(listed(&sandbox), (vec![ALICE.to_owned()], vec![]));
    let status = sandbox.azward(["status"]).env("AZURE_CONFIG_DIR", &view).run().out();
    assert!(!status.contains(ALICE) && !status.contains("view of"), "{status}");

    azward(&sandbox, &["view", &shown]).ok();
    fs::remove_dir_all(&view).unwrap();
    assert!(azward(&sandbox, &["list", "--logins"]).ok().out().contains(&format!("{shown}, which is gone")));
    sandbox.az(["look"]).run().ok().silent();
    let own = sandbox.config_dir();
    let forgot = azward(&sandbox, &["forget", "--yes", own.to_str().unwrap()]).ok();
    assert!(forgot.out().contains("and its view"), "{forgot:?}");
    assert_eq!(listed(&sandbox), (vec![], vec![]));
    let left: Vec<_> = fs::read_dir(sandbox.azward_home().join("views")).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn an_uninstall_gives_each_directory_what_only_that_one_knows() {
    let (sandbox, view, _) = with_view();
    in_view(&sandbox, &view, &["login", BOB]);
    assert_eq!(listed(&sandbox).0, [ALICE, BOB]);
    script(&sandbox, "uninstall.sh").run().ok();
    assert!(!sandbox.azward_home().exists());
    let tokens = |config: ConfigDir| {
        let found: Vec<String> = config
            .entries("RefreshToken")
            .iter()
            .map(|one| one["home_account_id"].as_str().unwrap().to_owned())
            .collect();
        sandbox.expect_clear(config.token_cache_path());
        found
    };
    let (own, other) = (tokens(sandbox.config()), tokens(ConfigDir::at(&view)));
    assert!(own.len() == 1 && other.len() == 1 && own != other, "{own:?} {other:?}");
}

#[test]
fn what_a_view_lacks_is_no_logout_and_what_it_has_is_none_either() {
    let (sandbox, view, _) = with_view();
    in_view(&sandbox, &view, &["login", BOB]);
    in_view(&sandbox, &view, &["look"]);
    let rest = || {
        std::thread::sleep(AT_REST);
        sandbox.az(["version"]).run().ok();
        in_view(&sandbox, &view, &["version"]);
        listed(&sandbox).0
    };
    // The login's own directory never had bob.
    assert_eq!(rest(), [ALICE, BOB]);
    // Nor does it say that he is gone where the view is not there now, or not whole.
    let (away, cache) = (sandbox.home().join("away"), view.join("msal_token_cache.json"));
    let profile = sandbox.config_dir().join("azureProfile.json");
    let ask_in_own = || {
        fs::write(&profile, fs::read(&profile).unwrap()).unwrap();
        std::thread::sleep(AT_REST);
        sandbox.az(["version"]).run().ok();
        listed(&sandbox).0
    };
    fs::rename(&view, &away).unwrap();
    assert_eq!(ask_in_own(), [ALICE, BOB]);
    fs::rename(&away, &view).unwrap();
    let whole = fs::read(&cache).unwrap();
    fs::write(&cache, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(ask_in_own(), [ALICE, BOB]);
    fs::write(&cache, whole).unwrap();
    // An az without azward logs alice out of the view, which says nothing about the login.
    sandbox.plain_az(["logout", ALICE]).env("AZURE_CONFIG_DIR", &view).run().ok();
    assert_eq!(rest(), [ALICE, BOB]);
    // The login's own directory has her no more either, whichever was the last.
    sandbox.plain_az(["logout", ALICE]).run().ok();
    assert_eq!(rest(), [BOB]);
    sandbox.plain_az(["logout", BOB]).env("AZURE_CONFIG_DIR", &view).run().ok();
    assert_eq!(rest(), [""; 0]);
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn what_a_dead_run_left_in_a_view_is_handed_to_a_run_elsewhere() {
    let (sandbox, view, shown) = with_view();
    let view = ConfigDir::at(view);
    sandbox.set_exposure("in-place");
    let run = sandbox.az(["trap", "TERM"]).env("AZURE_CONFIG_DIR", view.path()).start();
    run.wait_for("ready");
    let left = view.token_cache_text();
    run.signal(Signal::TERM);
    run.finish();
    assert_eq!(view.refresh_token_count(), 0);
    // As if nobody had been there to settle it, after az had got a new one.
    fs::write(view.token_cache_path(), left).unwrap();
    sandbox.plain_az(["roll"]).env("AZURE_CONFIG_DIR", view.path()).run().ok();
    let newest = view.entries("RefreshToken")[0]["secret"].clone();
    let next = sandbox.az(["trap", "TERM"]).start();
    next.wait_for("ready");
    assert_eq!(sandbox.config().entries("RefreshToken")[0]["secret"], newest);
    next.signal(Signal::TERM);
    next.finish();
    azward(&sandbox, &["view", "--remove", &shown]).ok();
    sandbox.assert_nothing_in_the_clear();
}
