//! `azward config`: what is set, by whom, and changed; and that what is set holds.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use crate::support::fake_az::logged_in;
use crate::support::native::{age, arm_token};
use crate::support::{Outcome, Sandbox};

const TOKEN: [&str; 2] = ["account", "get-access-token"];

fn config(sandbox: &Sandbox, words: &[&str]) -> Outcome {
    sandbox.azward(["config"]).args(words).run()
}

fn file(sandbox: &Sandbox) -> PathBuf {
    sandbox.azward_home().join("config.toml")
}

#[test]
fn each_setting_says_what_holds_and_who_set_it() {
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.forget_settings();
    let rows = |sandbox: &Sandbox, words: &[&str]| config(sandbox, words).ok().silent().out();
    let expected = "exposure          auto, by default\n\
                    key_store         auto, by default\n\
                    seal              refresh-tokens, by default\n\
                    key_cache_minutes 480, by default\n\
                    window_minutes    20, by default\n\
                    real_az           not set: the first on PATH is taken\n\
                    journal           on, by default\n\
                    confirm           never, by default\n";
    assert_eq!(rows(&sandbox, &[]), expected);
    assert!(!sandbox.azward_home().exists(), "nothing is made by looking");
    let said = rows(&sandbox, &["set", "window_minutes", "30"]);
    let file = file(&sandbox);
    assert_eq!(said, format!("window_minutes is now 30, in `{}`\n", file.display()));
    assert!(rows(&sandbox, &["list"]).contains(&format!("window_minutes    30, from {}\n", file.display())));
    assert_eq!(rows(&sandbox, &["get", "window_minutes", "--value"]), "30\n");
    assert_eq!(rows(&sandbox, &["get", "real_az", "--value"]), "\n");
    let named = sandbox.azward(["config", "get", "real_az"]).env("AZWARD_REAL_AZ", "/opt/az").run().ok().out();
    assert_eq!(named, "real_az           /opt/az, from AZWARD_REAL_AZ\n");
    let all = config(&sandbox, &["list", "--json"]).ok().json();
    assert_eq!(all["window_minutes"], json!({"value": 30, "from": "file", "name": file}));
    assert_eq!(all["real_az"], json!({"value": null, "from": "default", "name": null}));
    assert_eq!(all.as_object().unwrap().len(), expected.lines().count());
    // What is set is what was asked for, twice over.
    assert!(rows(&sandbox, &["set", "window_minutes", "30"]).starts_with("window_minutes was already 30"));
    assert!(rows(&sandbox, &["unset", "window_minutes"]).ends_with(": 20 holds, by default\n"));
    assert!(rows(&sandbox, &["unset", "window_minutes"]).starts_with("window_minutes was not set"));
}

#[test]
fn what_is_no_setting_or_no_value_is_refused_with_the_nearest_and_changes_nothing() {
    let sandbox = Sandbox::new().with_fake_az();
    let text = "# mine\nexposure = 'auto' # for now\n";
    sandbox.set_exposure("auto");
    fs::write(file(&sandbox), text).unwrap();
    let shim = sandbox.shim().display().to_string();
    for (words, what, hint) in [
        (&["get", "exposre"][..], "there is no setting `exposre`", "did you mean `exposure`?"),
        (&["set", "key-store", "auto"], "there is no setting `key-store`", "did you mean `key_store`?"),
        (&["unset", "teapot"], "there is no setting `teapot`", "hint: the settings are exposure, key_store"),
        (&["set", "exposure", "memry"], "`exposure` cannot be `memry`", "did you mean `memory`? it is one of auto"),
        (&["set", "journal", "yes"], "`journal` cannot be `yes`", "it is one of on, off"),
        (&["set", "window_minutes", "4"], "`window_minutes` cannot be `4`", "from 5 to 720"),
        (&["set", "key_cache_minutes", "8h"], "`key_cache_minutes` cannot be `8h`", "a whole number of minutes"),
        (&["set", "real_az", "/gone/az"], "`/gone/az` is no program that is there", "name the az that its installer"),
        (&["set", "real_az", &shim], "is azward's own", "name the az that its installer"),
    ] {
        let refused = config(&sandbox, words).exited(2);
        assert!(
            refused.err().contains(what) && refused.err().contains(hint) && refused.out().is_empty(),
            "{refused:?}"
        );
        assert_eq!(fs::read_to_string(file(&sandbox)).unwrap(), text, "{words:?}");
    }
    config(&sandbox, &["set", "exposure", "in-place"]).ok();
    config(&sandbox, &["set", "journal", "off"]).ok();
    let changed = "# mine\nexposure = \"in-place\" # for now\njournal = \"off\"\n";
    assert_eq!(fs::read_to_string(file(&sandbox)).unwrap(), changed);

    // What is wrong in the file is told with its line, and mended by the same command.
    fs::write(file(&sandbox), "journal = \"on\"\nexposre = \"auto\"\n").unwrap();
    let listed = config(&sandbox, &[]).exited(2);
    assert!(listed.out().contains("journal           on, by default"), "{listed:?}");
    assert!(listed.err().contains("line 2: there is no setting `exposre`"), "{listed:?}");
    assert!(listed.err().contains("did you mean `exposure`?"), "{listed:?}");
    config(&sandbox, &["set", "journal", "off"]).exited(2);
    config(&sandbox, &["unset", "exposre"]).ok().silent();
    config(&sandbox, &["set", "journal", "off"]).ok().silent();
    assert_eq!(fs::read_to_string(file(&sandbox)).unwrap(), "journal = \"off\"\n");
}

#[test]
fn the_first_version_s_settings_hold_until_the_first_change_takes_them_over() {
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.set_exposure("auto");
    fs::remove_file(file(&sandbox)).unwrap();
    let old = sandbox.azward_home().join("config.json");
    let az = sandbox.wrapped_az().to_str().unwrap().to_owned();
    let text =
        json!({"real_az": az, "key_store": "key-file", "exposure": "in-place", "key_cache_minutes": 5}).to_string();
    fs::write(&old, &text).unwrap();
    let listed = config(&sandbox, &[]).ok().out();
    assert!(listed.contains(&format!("exposure          in-place, from {}\n", old.display())), "{listed}");
    // Neither a look nor an install that would change nothing touches it.
    sandbox.azward(["install", "--no-modify-path"]).run().ok().silent();
    assert_eq!(fs::read_to_string(&old).unwrap(), text);
    let said = config(&sandbox, &["set", "window_minutes", "10"]).ok().silent().out();
    assert!(said.contains("config.json.taken-over` now, and does not count"), "{said}");
    assert!(!old.exists());
    let listed = config(&sandbox, &[]).ok().out();
    for (name, value) in
        [("exposure", "in-place"), ("key_store", "key-file"), ("key_cache_minutes", "5"), ("real_az", &az)]
    {
        let row = format!("{name:<17} {value}, from {}\n", file(&sandbox).display());
        assert!(listed.contains(&row), "{row}{listed}");
    }
    let again = config(&sandbox, &["unset", "window_minutes"]).ok().out();
    assert!(!again.contains("taken over"), "{again}");
    sandbox.azward(["uninstall"]).run().ok();
    assert!(!sandbox.azward_home().exists());
}

#[test]
fn what_is_set_holds() {
    let sandbox = logged_in();
    let exposure = || {
        let status = sandbox.azward(["status"]).run().ok().out();
        status.lines().find(|line| line.starts_with("exposure")).unwrap().to_owned()
    };
    config(&sandbox, &["set", "exposure", "in-place"]).ok();
    assert!(exposure().contains("it is set so"), "{}", exposure());
    let events = || sandbox.journal().len();
    sandbox.az(["look"]).run().ok();
    let before = events();
    config(&sandbox, &["set", "journal", "off"]).ok();
    sandbox.az(["look"]).run().ok();
    assert_eq!(events(), before);
    config(&sandbox, &["unset", "journal"]).ok();
    sandbox.az(["look"]).run().ok();
    assert!(events() > before);
}

#[test]
fn a_token_is_due_by_the_window_that_is_set() {
    let (sandbox, entra) = Sandbox::without_az();
    config(&sandbox, &["set", "window_minutes", "10"]).ok();
    age(&sandbox, &entra, 11 * 60);
    let before = arm_token(&sandbox.config());
    assert_eq!(sandbox.az(TOKEN).run().ok().silent().token(), before);
    assert_eq!(entra.journal(), []);
    config(&sandbox, &["set", "window_minutes", "20"]).ok();
    assert_ne!(sandbox.az(TOKEN).run().ok().silent().token(), before);
    assert_eq!(entra.journal().len(), 1);
}

#[test]
fn many_that_change_it_at_once_lose_nothing() {
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.forget_settings();
    let changes = [("exposure", "memory"), ("key_store", "key-file"), ("key_cache_minutes", "1"), ("journal", "off")];
    let running: Vec<_> =
        changes.iter().map(|(name, value)| sandbox.azward(["config", "set", name, value]).start()).collect();
    running.into_iter().for_each(|one| drop(one.finish().ok().silent()));
    for (name, value) in changes {
        assert_eq!(config(&sandbox, &["get", name, "--value"]).ok().out(), format!("{value}\n"));
    }
}
