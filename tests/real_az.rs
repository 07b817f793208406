//! Finding the real az, whatever stands on PATH, and going straight to it where a run above has the secrets at hand: no
//! circle, no second run inside a run, nothing touched under `AZWARD_BYPASS=1`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "clippy only knows the functions marked as tests")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use support::{End, Invocation, Outcome, Sandbox};

const ALICE: &str = "alice@contoso.example";

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
    fs::write(sandbox.azward_home().join("config.json"), text).unwrap();
}

#[test]
fn the_first_on_path_that_is_not_ourselves() {
    let sandbox = with_az_in(&["real", "other", "cwd/relative", "cwd"]);
    let root = sandbox.root();
    for name in ["hard", "copy", "link", "plain-file", "in-the-way/az"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    fs::hard_link(sandbox.shim(), root.join("hard/az")).unwrap();
    fs::copy(sandbox.shim(), root.join("copy/az")).unwrap();
    symlink(sandbox.shim(), root.join("link/az")).unwrap();
    symlink(root.join("bin"), root.join("linked-directory")).unwrap();
    fs::write(root.join("plain-file/az"), "#!/bin/sh\necho no\n").unwrap();
    fs::set_permissions(root.join("plain-file/az"), fs::Permissions::from_mode(0o644)).unwrap();
    symlink("nowhere", root.join("link/az.dangling")).unwrap();
    let at = |names: &[&str]| reached(&sandbox, |az| az.env("PATH", path(&sandbox, names)));
    assert_eq!(at(&["real", "other"]), "real");
    assert_eq!(at(&["other", "real"]), "other");
    let ours = ["hard", "copy", "link", "linked-directory", "bin", "missing"];
    assert_eq!(at(&[&ours[..], &["other", "real"]].concat()), "other");
    // None of them was started on the way.
    make(&sandbox, "depth", "echo \"$AZWARD_RUN\" | cut -d ';' -f 7");
    assert_eq!(at(&[&ours[..], &["depth"]].concat()), "1");
    assert_eq!(at(&["plain-file", "in-the-way", "real"]), "real");
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
fn a_pin_wins_while_it_is_there_and_the_variable_over_it() {
    let sandbox = with_az_in(&["real", "pinned", "named"]);
    let at = |name: &str| sandbox.root().join(name).join("az");
    settings(&sandbox, &format!("{{\"real_az\": {:?}}}", at("pinned")));
    assert_eq!(reached(&sandbox, |az| az), "pinned");
    assert_eq!(reached(&sandbox, |az| az.env("AZWARD_REAL_AZ", at("named"))), "named");
    // Neither one that is ourselves nor one that is not there is any use.
    assert_eq!(reached(&sandbox, |az| az.env("AZWARD_REAL_AZ", sandbox.shim())), "pinned");
    assert_eq!(reached(&sandbox, |az| az.env("AZWARD_REAL_AZ", at("gone"))), "pinned");
    assert_eq!(reached(&sandbox, |az| az.env("AZWARD_REAL_AZ", "")), "pinned");
    fs::remove_file(at("pinned")).unwrap();
    assert_eq!(reached(&sandbox, |az| az), "real");
    // What was pinned serves those who replace PATH, too.
    settings(&sandbox, &format!("{{\"real_az\": {:?}}}", at("named")));
    assert_eq!(reached(&sandbox, |az| az.env("PATH", "/nonexistent")), "named");
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
    assert!(outcome.took < Duration::from_secs(5), "{:?}", outcome.took);
}

#[test]
fn without_any_the_answer_is_a_shell_s() {
    let sandbox = Sandbox::new();
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
    settings(&sandbox, &format!("{{\"real_az\": {:?}}}", sandbox.root().join("pyenv/az")));
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
    let script = format!("echo first; PATH={} az \"$@\"; code=$?; echo last; exit $code", path(&sandbox, &["real"]));
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
    let refused = with(&[(2, own.clone()), (3, start.to_string())]).exited(1);
    assert!(refused.err().contains("Can't find token"), "{refused:?}");
    with(&[(2, own.clone()), (3, start.to_string()), (4, "other".into())]).ok().silent();
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
