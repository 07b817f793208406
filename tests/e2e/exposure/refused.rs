//! Where the system refuses namespaces: the secrets are handed over in memory, or not at all if private exposure is set; the
//! refusal is remembered, and forgotten once the system has changed its mind. And what is not private by choice: a setting, a
//! command that may start other programs.

use std::fs;

use serde_json::Value;

use super::facts::Caller;
use super::{ALICE, exposure_of, last_look, logged_in, logged_in_to_known_az, look, look_alone, status_of_exposure};
use crate::support::{Invocation, Sandbox};

/// The same command where the kernel refuses what root may do elsewhere, in the same namespaces as ever.
fn refused(invocation: Invocation<'_>) -> Invocation<'_> {
    assert!(rustix::process::geteuid().is_root(), "who is no root is refused by `without_namespaces`");
    invocation.in_script("exec setpriv --bounding-set=-sys_admin \"$0\" \"$@\"")
}

/// The same command where there can be no further mount namespaces; in user namespaces of its own, as the same user.
fn without_namespaces(invocation: Invocation<'_>) -> Invocation<'_> {
    let (user, group) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let within = format!("exec unshare --user --map-user={user} --map-group={group} \"$0\" \"$@\"");
    let invocation = invocation.in_script(&within);
    let limited = "echo 0 >/proc/sys/user/max_mnt_namespaces && exec \"$0\" \"$@\"";
    invocation.in_script(limited).in_script("exec unshare --map-root-user \"$0\" \"$@\"")
}

fn memory(sandbox: &Sandbox) -> Value {
    let text = fs::read(sandbox.azward_home().join("run/exposure.json")).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

#[test]
fn a_refusal_is_remembered_told_and_forgotten_when_it_is_over() {
    let sandbox = logged_in_to_known_az();
    assert_eq!(look_alone(&sandbox), ("private".to_owned(), 1));
    if !rustix::process::geteuid().is_root() {
        return;
    }
    refused(sandbox.az(["tag", "list"]).env("FAKE_AZ_DO", "look roll look")).run().ok().silent();
    assert_eq!(
        (exposure_of(&last_look(&sandbox)).as_str(), &last_look(&sandbox)["cache"]["refresh_tokens"]),
        ("run", &1.into())
    );
    sandbox.assert_nothing_in_the_clear();
    let remembered = memory(&sandbox);
    let reason = "this system refuses to unshare namespaces: Operation not permitted (os error 1)";
    assert_eq!(remembered["refused"][1], reason, "{remembered}");

    // It would be granted now; but nobody asks.
    assert_eq!(look_alone(&sandbox), ("run".to_owned(), 1));
    assert_eq!(memory(&sandbox)["refused"], remembered["refused"]);
    sandbox.assert_nothing_in_the_clear();

    // `azward status` does.
    let status = refused(sandbox.azward(["status"])).run().ok().out();
    assert!(status.contains("exposure          in memory: "), "{status}");
    assert_eq!(memory(&sandbox)["refused"], remembered["refused"]);
    assert!(status_of_exposure(&sandbox).starts_with("private: "));
    assert_eq!(look_alone(&sandbox), ("private".to_owned(), 1));
}

#[test]
fn a_limit_of_the_kernel_s_is_a_refusal_too() {
    let sandbox = logged_in_to_known_az();
    let line = "FAKE_AZ_DO=look az tag list && azward status && FAKE_AZ_DO=look az tag list";
    let path = std::path::Path::new(env!("CARGO_BIN_EXE_azward")).parent().unwrap().to_owned();
    let mut paths = vec![sandbox.root().join("bin"), sandbox.root().join("real"), path];
    paths.extend(["/usr/bin".into(), "/bin".into()]);
    let shell = sandbox.shell(line).env("PATH", std::env::join_paths(paths).unwrap());
    let outcome = without_namespaces(shell).run().ok().silent();
    assert!(outcome.out().contains("exposure          in memory: "), "{outcome:?}");
    let seen: Vec<_> = sandbox.fake_log().into_iter().filter(|line| line["event"] == "look").collect();
    assert!(seen.iter().all(|line| exposure_of(line) == "run" && line["cache"]["refresh_tokens"] == 1), "{seen:?}");
    assert_eq!(seen.len(), 2);
    sandbox.assert_nothing_in_the_clear();
    // What was refused in those namespaces says nothing of these.
    assert_eq!(look_alone(&sandbox), ("private".to_owned(), 1));
}

#[test]
fn where_private_is_set_and_refused_nothing_is_handed_over() {
    let sandbox = logged_in("private");
    // An az that needs no secret does its work, and nothing is said.
    without_namespaces(sandbox.az(["look", "print", "done"])).run().ok().silent();
    assert_eq!(last_look(&sandbox)["cache"]["refresh_tokens"], 0);
    // One that does fails in its own words, and then it is worth two of ours.
    for _ in 0..2 {
        let failed = without_namespaces(sandbox.az(["roll"])).run().exited(1);
        let lines: Vec<String> = failed.err().lines().map(str::to_owned).collect();
        let ours = &lines[lines.len() - 2..];
        assert!(lines[0].starts_with("ERROR: Can't find token"), "{failed:?}");
        assert!(ours[0].starts_with("azward: nothing was handed to az, because "), "{failed:?}");
        assert!(ours[1].starts_with("hint: ") && lines.len() == 5, "{failed:?}");
        sandbox.assert_nothing_in_the_clear();
    }
    let status = without_namespaces(sandbox.azward(["status"])).run().ok().out();
    assert!(
        status.contains("exposure          none: private exposure is set and this system refuses it\n"),
        "{status}"
    );
    // Nothing was lost.
    assert_eq!(look(&sandbox), ("private".to_owned(), 1));
    assert!(status_of_exposure(&sandbox).starts_with("private: "));
}

#[test]
fn what_is_set_holds() {
    let sandbox = logged_in("in-place");
    assert_eq!(look(&sandbox), ("run".to_owned(), 1));
    assert_eq!(status_of_exposure(&sandbox), "in place, while az runs: it is set so");
    assert_eq!(memory(&sandbox)["refused"], Value::Null, "nobody was asked");
    sandbox.set_exposure("private");
    assert_eq!(look(&sandbox), ("private".to_owned(), 1));
}

#[test]
fn only_what_starts_no_other_program_is_private() {
    for caller in Caller::all() {
        let (sandbox, _) = caller.logged_in("exit 9");
        let sandbox = sandbox.with_package();
        sandbox.set_exposure("auto");
        let path = [sandbox.root().join("bin"), sandbox.root().join("real"), "/usr/bin".into(), "/bin".into()];
        sandbox.set_env("PATH", std::env::join_paths(path).unwrap());
        for (words, expected) in [
            (&["group", "list"][..], "private"),
            (&["--debug", "network", "vnet", "list"], "private"),
            (&["login"], "run"),
            (&["login", "--use-device-code"], "run"),
            (&["ssh", "vm"], "run"),
            (&["acr", "login", "-n", "x"], "run"),
            (&["unknown", "of", "an", "extension"], "run"),
            (&["upgrade"], "run"),
        ] {
            let doing = if words[0] == "login" { format!("login {ALICE} look") } else { "look".to_owned() };
            caller.calls(sandbox.az(words).env("FAKE_AZ_DO", doing)).run().ok().silent();
            assert_eq!(exposure_of(&last_look(&sandbox)), expected, "{caller:?} {words:?}");
            assert_eq!(last_look(&sandbox)["cache"]["refresh_tokens"], 1, "{caller:?} {words:?}");
            sandbox.assert_nothing_in_the_clear();
        }
        // What an extension has a part in.
        let extension = sandbox.config_dir().join("cliextensions/sample");
        fs::create_dir_all(&extension).unwrap();
        caller.calls(sandbox.az(["group", "list"]).env("FAKE_AZ_DO", "look")).run().ok().silent();
        assert_eq!(exposure_of(&last_look(&sandbox)), "run", "{caller:?}: it is not known what an extension starts");
        // And one of a version that nobody looked at.
        fs::remove_dir_all(sandbox.config_dir().join("cliextensions")).unwrap();
        let packages = sandbox.root().join("lib/python3.11/site-packages");
        fs::rename(packages.join("azure_cli-2.91.0.dist-info"), packages.join("azure_cli-2.999.0.dist-info")).unwrap();
        fs::remove_file(sandbox.azward_home().join("run/exposure.json")).unwrap();
        caller.calls(sandbox.az(["group", "list"]).env("FAKE_AZ_DO", "look")).run().ok().silent();
        assert_eq!(exposure_of(&last_look(&sandbox)), "run", "{caller:?}: a later az");
    }
}
