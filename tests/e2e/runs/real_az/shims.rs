//! Other shims, wrappers and circles between us and the real az.

use std::time::Duration;

use super::{KINDS, assert_none, in_namespace, log_in, make, path, settings};
use crate::support::{Sandbox, in_shell};

/// As pyenv's shims do: a bash that looks for the next az outside its own directory and becomes that.
const BOUNCE: &str = "exec bash -c '
    own=$(dirname \"$0\"); rest=$(printf %s \"$PATH\" | tr : \"\\n\" | grep -vxF \"$own\" | paste -sd:)
    exec \"$(PATH=$rest command -v az)\" \"$@\"' \"$0\" \"$@\"";

#[test]
fn a_shim_that_leads_back_to_us_is_passed_over() {
    let sandbox = Sandbox::new().with_fake_az();
    log_in(&sandbox);
    make(&sandbox, "pyenv", BOUNCE);
    make(&sandbox, "asdf", BOUNCE);
    for names in [&["pyenv", "real"][..], &["pyenv", "asdf", "real"], &["asdf", "pyenv", "real"]] {
        let before = sandbox.fake_log().len();
        for words in [&["roll", "look", "exit", "3"][..], &["version"]] {
            let code = if words.len() == 1 { 0 } else { 3 };
            let outcome = sandbox.az(words).env("PATH", path(&sandbox, names)).run().exited(code).silent();
            assert!(outcome.took < Duration::from_secs(10), "{:?}", outcome.took);
        }
        assert_eq!(sandbox.fake_log().len() - before, 3, "each ran once, and one looked");
        sandbox.assert_nothing_in_the_clear();
    }
    // The same with the shim that bounces pinned, and with one that has nothing behind it.
    settings(&sandbox, &format!("real_az = {:?}\n", sandbox.root().join("pyenv/az")));
    sandbox.az(["roll"]).env("PATH", path(&sandbox, &["pyenv", "real"])).run().ok().silent();
    let sandbox = Sandbox::new();
    make(&sandbox, "pyenv", BOUNCE);
    for kind in KINDS {
        assert_none(in_namespace(&sandbox, "pyenv", &path(&sandbox, &[]), kind).run());
    }
}

#[test]
fn a_script_that_calls_az_is_an_az_like_any_other() {
    let sandbox = Sandbox::new().with_fake_az();
    log_in(&sandbox);
    let script =
        format!("echo first; PATH={} az \"$@\"; code=$?; echo last; exit $code", in_shell(path(&sandbox, &["real"])));
    make(&sandbox, "script", &script);
    for (words, code) in [(&["roll", "print", "middle", "exit", "3"][..], 3), (&["version"], 0)] {
        let outcome = sandbox.az(words).env("PATH", path(&sandbox, &["script", "real"])).run().exited(code).silent();
        let middle = if code == 3 { "middle" } else { "azure-cli                         2.91.0" };
        assert_eq!(outcome.out(), format!("first\n{middle}\nlast\n"));
        sandbox.assert_nothing_in_the_clear();
    }
}

#[test]
fn a_true_circle_ends() {
    let sandbox = Sandbox::new();
    let scripts = ["exec az \"$@\"", "az \"$@\"; exit $?", "sh -c \"az $*; exit \\$?\"; exit $?"];
    for script in scripts {
        make(&sandbox, "circle", script);
        for kind in KINDS {
            assert_none(in_namespace(&sandbox, "circle", &path(&sandbox, &[]), kind).run());
        }
    }
}
