//! Finding the real az, whatever stands on PATH, and going straight to it where a run above has the secrets at hand: no
//! circle, no second run inside a run, nothing touched under `AZWARD_BYPASS=1`.

#![cfg(target_os = "linux")]

mod nested;
mod shims;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::Duration;

use crate::support::fake_az::ALICE;
use crate::support::{Invocation, Outcome, Sandbox};

/// A command that is a run, and one that is passed.
const KINDS: [&str; 2] = ["group", "version"];

/// A box with directories `names`, each with an az that says its name.
fn with_az_in(names: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    for name in names {
        make(&sandbox, name, &format!("echo {name}"));
    }
    sandbox
}

fn make(sandbox: &Sandbox, name: &str, script: &str) -> PathBuf {
    let directory = sandbox.root().join(name);
    fs::create_dir_all(&directory).unwrap();
    sandbox.make_script(&directory.join("az"), script);
    directory
}

/// PATH: the shim, then directories of the box, then the system's.
fn path(sandbox: &Sandbox, names: &[&str]) -> String {
    let directories = names.iter().map(|name| sandbox.root().join(name).display().to_string());
    let all: Vec<String> =
        std::iter::once(sandbox.root().join("bin").display().to_string()).chain(directories).collect();
    format!("{}:/usr/bin:/bin", all.join(":"))
}

/// Which az the shim reaches, be it by a run or by a pass.
fn reached(sandbox: &Sandbox, change: impl Fn(Invocation<'_>) -> Invocation<'_>) -> String {
    let [run, pass] =
        KINDS.map(|kind| change(Invocation::new(sandbox, sandbox.shim()).args([kind])).run().ok().silent().out());
    assert_eq!(run, pass);
    run.trim().to_owned()
}

fn log_in(sandbox: &Sandbox) {
    sandbox.az(["login", ALICE]).run().ok().silent();
}

fn settings(sandbox: &Sandbox, text: &str) {
    fs::create_dir_all(sandbox.azward_home()).unwrap();
    fs::write(sandbox.azward_home().join("config.toml"), text).unwrap();
}

#[test]
fn the_first_on_path_that_is_not_ourselves() {
    let sandbox = with_az_in(&["real", "other", "cwd/relative", "cwd"]);
    let root = sandbox.root();
    for name in ["hard", "copy", "link", "dangling", "plain-file", "in-the-way/az"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    fs::hard_link(sandbox.shim(), root.join("hard/az")).unwrap();
    sandbox.copy_shim(&root.join("copy/az"));
    symlink(sandbox.shim(), root.join("link/az")).unwrap();
    symlink("nowhere", root.join("dangling/az")).unwrap();
    symlink(root.join("bin"), root.join("linked-directory")).unwrap();
    fs::write(root.join("plain-file/az"), "#!/bin/sh\necho no\n").unwrap();
    fs::set_permissions(root.join("plain-file/az"), fs::Permissions::from_mode(0o644)).unwrap();
    let at = |names: &[&str]| reached(&sandbox, |az| az.env("PATH", path(&sandbox, names)));
    assert_eq!(at(&["real", "other"]), "real");
    assert_eq!(at(&["other", "real"]), "other");
    let ours = ["hard", "copy", "link", "linked-directory", "bin", "missing"];
    assert_eq!(at(&[&ours[..], &["other", "real"]].concat()), "other");
    // None of them was started on the way.
    make(&sandbox, "depth", "echo \"$AZWARD_RUN\" | cut -d ';' -f 7");
    assert_eq!(at(&[&ours[..], &["depth"]].concat()), "1");
    assert_eq!(at(&["dangling", "plain-file", "in-the-way", "real"]), "real");
    // Before us on PATH counts as well: whoever calls us by our path wants to get somewhere.
    let before = format!("{}:{}", root.join("other").display(), path(&sandbox, &["real"]));
    assert_eq!(reached(&sandbox, |az| az.env("PATH", &before)), "other");
    let relative = |entry: &str| reached(&sandbox, |az| az.env("PATH", entry).cwd(root.join("cwd")));
    assert_eq!(relative("relative:/usr/bin:/bin"), "cwd/relative");
    assert_eq!(relative("./relative/../relative:/usr/bin:/bin"), "cwd/relative");
    assert_eq!(relative(".:/usr/bin:/bin"), "cwd");
    // An empty entry is the working directory.
    assert_eq!(relative(":/usr/bin:/bin"), "cwd");
}

#[test]
fn it_is_called_by_the_path_that_was_found() {
    let sandbox = Sandbox::new();
    make(&sandbox, "cellar", "echo \"$0\"");
    symlink(sandbox.root().join("cellar/az"), sandbox.root().join("real/az")).unwrap();
    let expected = sandbox.root().join("real/az").display().to_string();
    assert_eq!(reached(&sandbox, |az| az), expected);
}

#[test]
fn path_decides_the_pin_serves_who_has_none_and_the_variable_wins() {
    let sandbox = with_az_in(&["real", "pinned", "named"]);
    let at = |name: &str| sandbox.root().join(name).join("az");
    settings(&sandbox, &format!("real_az = {:?}\n", at("pinned")));
    assert_eq!(reached(&sandbox, |az| az), "real");
    assert_eq!(reached(&sandbox, |az| az.env("AZWARD_REAL_AZ", at("named"))), "named");
    // Neither one that is ourselves nor one that is not there is any use.
    for named in [sandbox.shim(), at("gone"), PathBuf::new()] {
        assert_eq!(reached(&sandbox, |az| az.env("AZWARD_REAL_AZ", named.clone())), "real");
    }
    // One that is installed later, and stands first, is the one that a shell would start.
    make(&sandbox, "later", "echo later");
    let later =
        std::env::join_paths([sandbox.root().join("bin"), sandbox.root().join("later"), sandbox.root().join("real")])
            .unwrap();
    assert_eq!(reached(&sandbox, |az| az.env("PATH", later.clone())), "later");
    // What was pinned serves those who replace PATH, while it is there.
    assert_eq!(reached(&sandbox, |az| az.env("PATH", "/nonexistent")), "pinned");
    fs::remove_file(at("real")).unwrap();
    assert_eq!(reached(&sandbox, |az| az), "pinned");
}

/// The shim by its path, in a mount namespace: every az in a well-known directory of the machine is covered by a copy of
/// the shim, which is none, and `/usr/local/bin` has what the box's directory `local` has.
fn in_namespace<'a>(sandbox: &'a Sandbox, local: &str, path: &str, kind: &str) -> Invocation<'a> {
    let script = "set -e
        mount --bind \"$1\" /usr/local/bin
        for az in /usr/bin/az /opt/homebrew/bin/az /home/linuxbrew/.linuxbrew/bin/az /snap/bin/az; do
            [ ! -e \"$az\" ] || mount --bind \"$2\" \"$az\"
        done
        PATH=$3; export PATH; exec \"$2\" \"$4\"";
    Invocation::new(sandbox, "unshare")
        .args(["--map-root-user", "--mount", "--", "/bin/sh", "-c", script, "sh"])
        .args([sandbox.root().join(local), sandbox.shim(), path.into(), kind.into()])
        .timeout(Duration::from_secs(20))
}

#[test]
fn where_path_was_replaced_the_well_known_directories_are_looked_in() {
    let sandbox = with_az_in(&["local"]);
    make(&sandbox, "home/.local/bin", "echo own");
    for kind in KINDS {
        let found = |local: &str| in_namespace(&sandbox, local, "/nonexistent", kind).run().ok().silent().out();
        assert_eq!(found("local"), "local\n");
        assert_eq!(found("tmp"), "own\n");
    }
}

/// Fails unless the callers of az would take this for an az that is not installed.
fn assert_none(outcome: Outcome) {
    let outcome = outcome.exited(127);
    let lines: Vec<String> = outcome.err().lines().map(str::to_owned).collect();
    // `/az:(.*)not found/`, which the SDKs look for.
    assert!(lines.len() == 2 && lines[0].starts_with("az:") && lines[0].ends_with("not found"), "{outcome:?}");
    assert!(lines[1].starts_with("hint: ") && outcome.out().is_empty(), "{outcome:?}");
    assert!(outcome.took < Duration::from_secs(10), "{:?}", outcome.took);
}

#[test]
fn without_any_the_answer_is_a_shell_s() {
    let sandbox = Sandbox::new();
    sandbox.forget_settings();
    for kind in KINDS {
        for path in [&path(&sandbox, &[]), "/nonexistent"] {
            assert_none(in_namespace(&sandbox, "tmp", path, kind).run());
        }
    }
    assert!(!sandbox.azward_home().exists() && !sandbox.config_dir().exists(), "and nothing was touched");
}

#[test]
fn one_that_cannot_be_started_is_said_to_be_so() {
    let sandbox = Sandbox::new().with_fake_az();
    log_in(&sandbox);
    let broken = sandbox.root().join("broken");
    fs::create_dir(&broken).unwrap();
    fs::write(broken.join("az"), "#!/nonexistent/python3\n").unwrap();
    fs::set_permissions(broken.join("az"), fs::Permissions::from_mode(0o755)).unwrap();
    for kind in KINDS {
        let outcome = sandbox.az([kind]).env("AZWARD_REAL_AZ", broken.join("az")).run().exited(126);
        let text = outcome.err();
        let first = format!("azward: cannot start the real az, `{}`: ", broken.join("az").display());
        assert!(text.starts_with(&first) && text.lines().count() == 2 && text.contains("\nhint: "), "{text}");
        assert!(!text.contains("not found") && outcome.out().is_empty(), "{text}");
        sandbox.assert_nothing_in_the_clear();
    }
    sandbox.az(["roll"]).run().ok().silent();
}
