//! In a private mount az is what its caller is: user, groups, capabilities, descriptors, signals, working directory,
//! terminal, limits. Plain az is the measure.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use super::facts::{Caller, FACTS, GROUP, OTHER_GROUP, USER};
use crate::support::{Invocation, Sandbox, Terminal};

/// The C library's own signals, of which no program can know: those below SIGRTMIN.
const INTERNAL: u64 = 0b11 << 31;

/// What azward tells an az of which it does not know whether it keeps its tokens in a keyring by default.
const TOLD: &str = "AZURE_CORE_ENCRYPT_TOKEN_CACHE=false";

/// The same facts with what a user namespace is known to change left out, and what azward tells az: the kernel shows a group
/// that is not mapped as the overflow group.
pub(super) fn lines(text: &str, caller: Caller) -> Vec<String> {
    let is_kept = |line: &&str| (caller != Caller::UserInGroups || !line.starts_with("Groups:")) && *line != TOLD;
    let public = |line: &str| match line.split_once(":\t").filter(|(name, _)| name.starts_with("Sig")) {
        Some((name, mask)) => format!("{name} {:x}", u64::from_str_radix(mask, 16).unwrap() & !INTERNAL),
        None => line.to_owned(),
    };
    text.lines().filter(is_kept).map(public).collect()
}

/// Runs it with us and without us; both must say the same.
#[track_caller]
fn assert_same<'a>(
    sandbox: &'a Sandbox,
    az: &std::path::Path,
    caller: Caller,
    change: impl Fn(Invocation<'a>) -> Invocation<'a>,
) -> String {
    let wrapped = change(caller.calls(sandbox.az(["group", "list"]))).run();
    let plain = change(caller.calls(Invocation::new(sandbox, az).args(["group", "list"]))).run();
    assert_eq!(wrapped.end(), plain.end(), "{caller:?}: {wrapped:?}");
    assert_eq!(lines(&wrapped.out(), caller), lines(&plain.out(), caller), "{caller:?}");
    assert_eq!(wrapped.err(), plain.err(), "{caller:?}");
    wrapped.out()
}

#[test]
fn az_is_what_its_caller_is() {
    for caller in Caller::all() {
        // The last line says that this is about what it says it is.
        let (sandbox, az) =
            caller.logged_in(&format!("{FACTS}\ncase $AZWARD_RUN in *';private;'*) : >\"$HOME/private\";; esac"));
        assert!(az.is_file());
        let out = assert_same(&sandbox, &az, caller, |invocation| invocation);
        assert!(sandbox.home().join("private").exists(), "{caller:?}");
        if caller != Caller::Own {
            assert!(out.starts_with(&format!("ids: {USER} {GROUP} {USER} {GROUP}\n")), "{out}");
            for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                assert!(out.contains(&format!("{set}:\t0000000000000000\n")), "{out}");
            }
        }
    }
}

#[test]
fn odd_surroundings_stay_as_they_are() {
    let scripts = [
        "umask 027; exec \"$0\" \"$@\"",
        "mkdir gone; cd gone; rmdir ../gone; exec \"$0\" \"$@\"",
        "exec \"$0\" \"$@\" <&-",
        "exec \"$0\" \"$@\" 3</dev/null 4>&1 7<.",
        "exec \"$0\" \"$@\" 2>&-",
        "ulimit -n 64; ulimit -c 0; ulimit -t 1000; exec \"$0\" \"$@\"",
        "exec env --block-signal=USR1,TERM,HUP --ignore-signal=INT,QUIT,PIPE,CHLD \"$0\" \"$@\"",
        "exec env --default-signal --ignore-signal=TSTP,WINCH \"$0\" \"$@\"",
        "exec nice -n 3 \"$0\" \"$@\"",
        "exec setpriv --no-new-privs \"$0\" \"$@\"",
    ];
    for caller in Caller::all() {
        let (sandbox, az) = caller.logged_in(FACTS);
        for script in scripts {
            // The caller's own shell is the innermost.
            let out = |program: Invocation<'_>| {
                let outcome = caller.calls(program.args(["group", "list"]).in_script(script)).run();
                (outcome.end(), lines(&outcome.out(), caller), outcome.err())
            };
            let wrapped = out(Invocation::new(&sandbox, "az"));
            assert_eq!(wrapped, out(Invocation::new(&sandbox, &az)), "{caller:?}: {script}");
            assert!(!wrapped.1.is_empty(), "{script}");
        }
    }
}

#[test]
fn a_working_directory_that_may_not_be_read_is_kept() {
    for caller in Caller::all() {
        let (sandbox, az) = caller.logged_in("readlink /proc/$$/cwd; cat here 2>&1; ls 2>&1");
        let closed = sandbox.root().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::write(closed.join("here"), "found\n").unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        // Entered before it was closed to the caller, who is another than root then.
        let out = assert_same(&sandbox, &az, caller, |invocation| invocation.cwd(&closed));
        assert!(out.starts_with(closed.to_str().unwrap()), "{out}");
        assert_eq!(out.contains("found"), caller == Caller::Own, "{out}");
    }
}

#[test]
fn what_a_supplementary_group_opens_stays_open() {
    for caller in Caller::all() {
        let (sandbox, az) = caller.logged_in("cat \"$HOME/../shared\"; id -G | wc -w");
        let shared = sandbox.root().join("shared");
        fs::write(&shared, "of the group's\n").unwrap();
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o640)).unwrap();
        if caller != Caller::Own {
            chown(&shared, Some(0), Some(OTHER_GROUP)).unwrap();
        }
        let out = assert_same(&sandbox, &az, caller, |invocation| invocation);
        assert_eq!(out.contains("of the group's"), caller != Caller::User, "{caller:?}: {out}");
    }
}

#[test]
fn the_terminal_is_az_s_own() {
    let facts = "set -- $(sed 's/.*) //' /proc/$$/stat); [ $3 = $6 ] && echo in the foreground
        stty size; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo terminals
        case $AZWARD_RUN in *';private;'*) echo private;; esac";
    for caller in Caller::all() {
        let (sandbox, _) = caller.logged_in(facts);
        let wrapped = Terminal::start(&caller.calls(sandbox.az(["group"]))).finish().ok();
        let lines: Vec<String> = wrapped.out().lines().map(|line| line.trim_end().to_owned()).collect();
        assert_eq!(lines, ["in the foreground", "24 80", "terminals", "private"], "{caller:?}");
    }
}

#[test]
fn a_user_s_login_lives_on_like_root_s() {
    for caller in Caller::all() {
        let sandbox = caller.logged_in("exit 9").0;
        let path = [sandbox.root().join("bin"), sandbox.root().join("real"), "/usr/bin".into(), "/bin".into()];
        sandbox.set_env("PATH", std::env::join_paths(path).unwrap());
        assert_eq!(super::facts::looks(&sandbox, caller), ("private".to_owned(), 1), "{caller:?}");
        caller.calls(sandbox.az(["roll", "look"])).run().ok().silent();
        let rolled = super::fingerprint(&sandbox);
        assert_eq!(super::facts::looks(&sandbox, caller), ("private".to_owned(), 1), "{caller:?}");
        assert_eq!(super::fingerprint(&sandbox), rolled, "{caller:?}");
        sandbox.assert_nothing_in_the_clear();
        let status = caller.calls(sandbox.azward(["status"])).run().ok().out();
        assert!(status.contains("exposure          private: "), "{caller:?}: {status}");
    }
}
