//! An az inside an az, the marker that says so, and the bypass.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{ALICE, log_in, settings};
use crate::support::proc::Process;
use crate::support::{End, Sandbox, Signal, in_shell};

#[test]
fn an_az_inside_a_run_goes_straight_to_the_real_one() {
    let sandbox = Sandbox::new().with_fake_az();
    log_in(&sandbox);
    let fake = sandbox.root().join("real/fake");
    fs::rename(sandbox.wrapped_az(), &fake).unwrap();
    let fake = in_shell(&fake);
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

/// The marker that the last az was given, with some of its fields (counted from 0) written anew.
fn forged(sandbox: &Sandbox, changes: &[(usize, String)]) -> String {
    let log = sandbox.fake_log();
    let marker = log.last().unwrap()["environment"]["AZWARD_RUN"].as_str().unwrap();
    let mut fields: Vec<String> = marker.splitn(8, ';').map(str::to_owned).collect();
    changes.iter().for_each(|(place, value)| fields[*place].clone_from(value));
    fields.join(";")
}

/// The fields that name a living process: which, when it began, and that it was the last of us.
fn naming(process: Process) -> Vec<(usize, String)> {
    vec![(2, process.0.to_string()), (3, process.start().to_string()), (5, process.0.to_string())]
}

#[test]
fn a_marker_that_nobody_vouches_for_counts_for_nothing() {
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.set_exposure("in-place");
    log_in(&sandbox);
    // One that is no run's, and is above nobody.
    let stranger = Command::new("sleep").arg("60").spawn().unwrap();
    let own = Process(std::process::id().cast_signed());
    let processes = [Process(1), own, Process(stranger.id().cast_signed()), Process(i32::MAX)];
    let kinds = ["run", "private", "pass"];
    for (process, kind) in processes.iter().flat_map(|process| kinds.map(|kind| (*process, kind))) {
        for depth in ["1", "8", "99"] {
            let mut fields = naming(process);
            fields.extend([(1, kind.to_owned()), (6, depth.to_owned())]);
            let marker = forged(&sandbox, &fields);
            // Each rolls the login, and none of them leaves it in the clear.
            sandbox.az(["roll"]).env("AZWARD_RUN", &marker).run().ok().silent();
            sandbox.assert_nothing_in_the_clear();
            sandbox.az(["version"]).env("AZWARD_RUN", &marker).run().ok().silent();
        }
    }
    for changes in [&[][..], &[(2, "garbage".to_owned())], &[(4, "../other".to_owned())]] {
        sandbox.az(["roll"]).env("AZWARD_RUN", forged(&sandbox, changes)).run().ok().silent();
        sandbox.assert_nothing_in_the_clear();
    }
    let mut stranger = stranger;
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[test]
fn a_living_run_vouches_for_what_is_below_it_alone() {
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.set_exposure("in-place");
    log_in(&sandbox);
    let run = sandbox.az(["print", "going", "trap", "TERM"]).start();
    run.wait_for("going");
    let marker = forged(&sandbox, &[]);
    assert!(marker.contains(&format!(";run;{};", run.pid().as_raw_pid())), "{marker}");
    let other = sandbox.az(["look"]).env("AZWARD_RUN", &marker).start();
    let process = other.pid().as_raw_pid();
    other.finish().ok().silent();
    let look = sandbox.fake_log().pop().unwrap();
    assert_eq!(look["parent"], process, "a run of its own, with a shim that waits");
    assert_eq!(look["cache"]["refresh_tokens"], 1);
    run.signal(Signal::TERM);
    run.finish();
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn who_holds_a_lease_and_is_none_of_us_vouches_for_nothing() {
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.set_exposure("in-place");
    log_in(&sandbox);
    let mut fields = naming(Process(0));
    fields.push((1, "run".to_owned()));
    let marker = forged(&sandbox, &fields);
    let [head, tail] = [marker.split(";0;0;").next().unwrap(), marker.split(";0;0;").nth(1).unwrap()];
    let (id, tail) = tail.split_once(";0;").unwrap();
    let lease = sandbox.azward_home().join("run").join(format!("{id}.lease"));
    // A shell that holds the lease, and says of itself that it is a run.
    let script = format!(
        "exec 9<'{}'; flock -s 9 || exit 70; start=$(sed 's/.*) //' /proc/$$/stat | cut -d ' ' -f 20)
        AZWARD_RUN=\"{head};$$;$start;{id};$$;{tail}\" az roll; code=$?; exec 9<&-; exit $code",
        lease.display()
    );
    sandbox.shell(&script).run().ok().silent();
    // Whoever runs next sweeps: nobody could know that the lease was no run's.
    sandbox.az(["look"]).run().ok().silent();
    assert_eq!(sandbox.fake_log().pop().unwrap()["cache"]["refresh_tokens"], 1);
    sandbox.assert_nothing_in_the_clear();
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
    for (state, text) in [("nothing of azward's", None), ("a broken setting", Some("{")), ("a vault", Some("# none\n"))]
    {
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
