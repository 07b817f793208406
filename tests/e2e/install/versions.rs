//! Which azward says it is which version, and that an older one does not take the place of a newer one. What a newer one does with the
//! home of an older one, with builds of both, is in `tests/e2e/versions.rs`.

use std::fs;

use super::{bin, contents, furnish, install, machine};
use crate::support::Sandbox;
use crate::support::installed::script;

#[test]
fn the_version_is_told_and_the_commit_where_whoever_built_it_said_which() {
    let sandbox = Sandbox::new();
    let version = concat!("azward ", env!("CARGO_PKG_VERSION"));
    // Of programs that were built by somebody else it is known that they say one.
    let is_own = std::env::var_os("AZWARD_TEST_PROGRAMS").is_none();
    for words in [["--version"], ["-V"]] {
        let told = sandbox.azward(words).run().ok().silent().out();
        let commit = told.strip_prefix(version).unwrap_or_else(|| panic!("{words:?}: {told}"));
        match option_env!("AZWARD_COMMIT").unwrap_or_default() {
            "" if is_own => assert_eq!(commit, "\n", "{words:?}"),
            mine if is_own => assert_eq!(commit, format!(" ({mine})\n"), "{words:?}"),
            _ => assert!(commit == "\n" || (commit.starts_with(" (") && commit.ends_with(")\n")), "{words:?}: {told}"),
        }
    }
}

#[test]
fn a_newer_azward_stays_unless_it_is_to_go() {
    let sandbox = machine(Sandbox::new().with_fake_az());
    furnish(&sandbox.home());
    install(&sandbox);
    let theirs = bin(&sandbox).join("azward");
    for version in ["99.0.0", "99.0.0-rc.1", "99.0.0 (0123456789ab)"] {
        fs::remove_file(&theirs).unwrap();
        sandbox.make_script(&theirs, &format!("echo 'azward {version}'"));
        let before = contents(&sandbox.home());
        let refused = script(&sandbox, "install.sh").run().exited(2);
        let number = version.split(' ').next().unwrap();
        assert!(refused.err().contains(&format!("is azward {number}, and this is ")), "{refused:?}");
        assert!(refused.err().contains("hint: ") && refused.err().contains("--allow-downgrade"), "{refused:?}");
        assert_eq!(contents(&sandbox.home()), before);
    }
    let said = script(&sandbox, "install.sh").args(["--allow-downgrade"]).run().ok().silent().out();
    assert!(said.contains(&format!("installed `{}`", theirs.display())), "{said}");
    // An older one, one that says nothing, and one that cannot be run are replaced unasked.
    for script in ["echo azward 0.0.9", "echo azward", "exit 1", "kill -9 $$"] {
        fs::remove_file(&theirs).unwrap();
        sandbox.make_script(&theirs, script);
        let said = install(&sandbox).out();
        assert!(said.contains(&format!("installed `{}`", theirs.display())), "{script}: {said}");
    }
}

#[test]
fn an_az_beside_a_link_to_azward_is_not_taken_for_the_shim() {
    let sandbox = machine(Sandbox::new().with_fake_az());
    let directory = sandbox.root().join("elsewhere");
    fs::create_dir(&directory).unwrap();
    // As Homebrew has both: the real az, and a link to azward.
    fs::copy(sandbox.wrapped_az(), directory.join("az")).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_azward"), directory.join("azward")).unwrap();
    let install = |program: &str| {
        let words = ["install", "--no-modify-path"];
        crate::support::Invocation::new(&sandbox, directory.join(program)).args(words)
    };
    install("azward").run().ok().silent();
    assert_eq!(fs::read(bin(&sandbox).join("az")).unwrap(), fs::read(env!("CARGO_BIN_EXE_az")).unwrap());
    // A copy of azward alone has no shim beside it.
    fs::remove_dir_all(sandbox.azward_home()).unwrap();
    fs::remove_file(directory.join("azward")).unwrap();
    let status =
        std::process::Command::new("cp").args([env!("CARGO_BIN_EXE_azward")]).arg(directory.join("azward")).status();
    assert!(status.unwrap().success());
    let refused = install("azward").run().exited(1);
    assert!(refused.err().contains("the shim is not beside this program"), "{refused:?}");
    assert!(!bin(&sandbox).exists());
}
