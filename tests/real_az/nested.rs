//! An az inside an az, the marker that says so, and the bypass.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::support::{End, Sandbox};
use crate::{ALICE, assert_none, log_in, settings};

#[test]
fn an_az_inside_a_run_goes_straight_to_the_real_one() {
    let sandbox = Sandbox::new().with_fake_az();
    log_in(&sandbox);
    let fake = sandbox.root().join("real/fake");
    fs::rename(sandbox.wrapped_az(), &fake).unwrap();
    let fake = fake.display();
    let script =
        format!("case $1 in outer) az look exit 0 && az version && {fake} look;; *) exec {fake} \"$@\";; esac");
    sandbox.make_script(sandbox.wrapped_az(), &script);
    let before = sandbox.fake_log().len();
    let started = sandbox.az(["outer"]).start();
    let group = started.pid().as_raw_pid();
    started.finish().ok().silent();
    let log = sandbox.fake_log().split_off(before);
    // The nested az did not scrub what the outer one needs.
    let seen: Vec<_> =
        log.iter().filter(|line| line["event"] == "look").map(|l| &l["cache"]["refresh_tokens"]).collect();
    assert_eq!(seen, [1, 1], "{log:?}");
    // Each nested az was started by the script and no shim stayed in between.
    let outer = log.last().unwrap()["parent"].clone();
    assert!(log.iter().all(|line| line["parent"] == outer && line["process_group"] == group), "{log:?}");
    sandbox.az(["nested", "nested", "nested", "look", "exit", "7"]).run().exited(7).silent();
    sandbox.assert_nothing_in_the_clear();

    // Another config directory is another matter: a run of its own.
    let line = format!("AZURE_CONFIG_DIR=$HOME/other az \"$@\" && {fake} look");
    sandbox
        .make_script(sandbox.wrapped_az(), &format!("case $1 in outer) shift; {line};; *) exec {fake} \"$@\";; esac"));
    sandbox.az(["outer", "login", "bob@fabrikam.example"]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
    sandbox.az(["outer", "roll", "look"]).run().ok().silent();
    assert_eq!(sandbox.fake_log().last().unwrap()["cache"]["refresh_tokens"], 1, "the outer one's are still there");
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn an_az_inside_a_passed_one_is_a_run() {
    let sandbox = Sandbox::new().with_fake_az();
    log_in(&sandbox);
    // As az does when it upgrades itself after a command.
    sandbox.az(["version"]).env("FAKE_AZ_DO", "nested nested roll look").run().ok().silent();
    assert_eq!(sandbox.fake_log().last().unwrap()["cache"]["refresh_tokens"], 1);
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn a_marker_of_a_dead_run_counts_for_nothing() {
    let sandbox = Sandbox::new().with_fake_az();
    log_in(&sandbox);
    let marker = sandbox.fake_log().pop().unwrap()["environment"]["AZWARD_RUN"].as_str().unwrap().to_owned();
    let with = |changes: &[(usize, String)]| {
        let mut fields: Vec<String> = marker.splitn(8, ';').map(str::to_owned).collect();
        changes.iter().for_each(|(place, value)| fields[*place].clone_from(value));
        sandbox.az(["roll"]).env("AZWARD_RUN", fields.join(";")).run()
    };
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let start: u64 = stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap().parse().unwrap();
    let own = std::process::id().to_string();
    with(&[]).ok().silent();
    with(&[(6, "99".into())]).ok().silent();
    with(&[(2, own.clone()), (3, (start + 1).to_string())]).ok().silent();
    with(&[(2, "garbage".into())]).ok().silent();
    sandbox.assert_nothing_in_the_clear();
    // A living one is believed, and then nobody exposes anything.
    let living = [(2, own.clone()), (3, start.to_string())];
    let refused = with(&[living.clone().as_slice(), &[(1, "run".into())]].concat()).exited(1);
    assert!(refused.err().contains("Can't find token"), "{refused:?}");
    // Not so if its private mount is not to be seen from here.
    with(&[living.clone().as_slice(), &[(1, "private".into())]].concat()).ok().silent();
    with(&[living.as_slice(), &[(1, "run".into()), (4, "other".into())]].concat()).ok().silent();
    assert_none(with(&[(2, own), (3, start.to_string()), (6, "99".into())]));
}

/// Every file below a directory, with what can change of it.
fn snapshot(root: &Path) -> BTreeMap<PathBuf, (u32, i64, Vec<u8>)> {
    let mut all = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(path) = left.pop() {
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        if metadata.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let time = metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec();
        all.insert(path.clone(), (metadata.mode(), time, fs::read(&path).unwrap_or_default()));
    }
    all
}

#[test]
fn a_bypass_touches_nothing() {
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.forget_settings();
    sandbox.expect_clear(sandbox.config_dir());
    sandbox.plain_az(["login", ALICE]).run().ok();
    let both = || [snapshot(&sandbox.azward_home()), snapshot(&sandbox.config_dir())];
    let mut before = both();
    assert!(before[0].is_empty() && before[1].len() > 2, "{:?}", before[1].keys());
    for (state, text) in [("nothing of azward's", None), ("a broken setting", Some("{")), ("a vault", Some("{}"))] {
        if let Some(text) = text {
            settings(&sandbox, text);
        }
        if state == "a vault" {
            log_in(&sandbox);
            fs::write(sandbox.config_dir().join("msal_token_cache.json.azward"), "left by a killed process").unwrap();
        }
        before = both();
        for words in [&["print", "x", "exit", "5"][..], &["version", "--x"]] {
            let az = sandbox.az(words).env("AZWARD_BYPASS", "1").start();
            let process = az.pid().as_raw_pid();
            let outcome = az.finish().silent();
            assert_eq!(outcome.end(), End::Code(if words.len() == 2 { 0 } else { 5 }));
            assert_eq!(sandbox.fake_log().last().unwrap()["pid"], process, "executed, not supervised");
            assert!(both() == before, "{state}, {words:?}");
        }
    }
    for other in ["", "0"] {
        sandbox.az(["roll"]).env("AZWARD_BYPASS", other).run().ok().silent();
    }
    assert_eq!(sandbox.config().refresh_token_count(), 0, "and no other value bypasses");
}
