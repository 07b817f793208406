//! An uninstall that was killed somewhere is finished by the next one.

use std::time::Duration;

use rustix::process::Signal;

use super::{ALICE, assert_given_back, logged_in, script};
use crate::support::Sandbox;
use crate::support::installed::installed;

#[test]
fn an_uninstall_that_was_killed_is_finished_by_the_next() {
    for moment in 0..24 {
        let sandbox = logged_in();
        sandbox.expect_clear(sandbox.config().token_cache_path());
        let running = script(&sandbox, "uninstall.sh").start();
        std::thread::sleep(Duration::from_millis(3 * moment));
        running.signal_group(Signal::KILL);
        drop(running.finish());
        // Where it was finished already there is nothing to run.
        if sandbox.azward_home().exists() {
            script(&sandbox, "uninstall.sh").run().ok().silent();
        }
        assert_given_back(&sandbox);
    }
}

#[test]
fn what_killed_writers_left_goes_with_an_uninstall() {
    let sandbox = Sandbox::new().with_fake_az();
    let profile = sandbox.home().join(".bashrc");
    std::fs::write(&profile, "alias ll=ls\n").unwrap();
    let sandbox = installed(sandbox);
    sandbox.az(["login", ALICE]).run().ok().silent();
    let home = sandbox.azward_home();
    let mut entries = std::fs::read_dir(&home).unwrap().flatten().map(|entry| entry.path());
    let key = entries.find(|path| path.extension().is_some_and(|ending| ending == "key")).expect("a key file");
    let mut drafts: Vec<_> = ["bin/az.new", "bin/azward.new", "config.new", "azward-home.new", "journal.new"]
        .map(|name| home.join(name))
        .to_vec();
    // Nothing of azward's has that name: it is somebody's own, and stays.
    let own = drafts.pop().unwrap();
    drafts.push(key.with_extension("key.new"));
    drafts.push(profile.with_extension("azward-new"));
    for draft in drafts.iter().chain([&own]) {
        std::fs::write(draft, "cut short").unwrap();
    }
    script(&sandbox, "uninstall.sh").run().ok();
    assert_eq!(drafts.iter().filter(|draft| draft.exists()).collect::<Vec<_>>(), Vec::<&std::path::PathBuf>::new());
    std::fs::remove_file(own).unwrap();
    script(&sandbox, "uninstall.sh").run();
    let _ = std::fs::remove_dir(&home);
    assert_given_back(&sandbox);
}

#[test]
fn an_uninstall_that_is_refused_or_interrupted_leaves_everything_as_it_was() {
    let sandbox = logged_in();
    let running = sandbox.az(["print", "started", "sleep", "9000"]).start();
    running.wait_for("started");
    let before = super::walk(&sandbox.azward_home().join("bin"));
    let refused = script(&sandbox, "uninstall.sh").run().exited(1);
    assert!(refused.err().contains("an az is running"), "{refused:?}");
    assert_eq!(super::walk(&sandbox.azward_home().join("bin")), before);

    let interrupted = script(&sandbox, "uninstall.sh").start();
    std::thread::sleep(Duration::from_millis(500));
    interrupted.signal_group(Signal::INT);
    let interrupted = interrupted.finish();
    assert!(!interrupted.status.success() && interrupted.took < Duration::from_secs(4), "{interrupted:?}");
    assert_eq!(super::walk(&sandbox.azward_home().join("bin")), before);
    running.finish().ok();
    sandbox.az(["account", "get-access-token"]).run().ok();
    sandbox.assert_nothing_in_the_clear();
}
