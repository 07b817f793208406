//! A root as a small container image has it, Alpine's for one: no C library that glibc's programs could be loaded with, no certificates of
//! the system, no name service but `/etc/hosts`, and busybox. A static build (`AZWARD_TEST_PROGRAMS`, `.ci/portable`) answers there, renews, and runs the az
//! behind it, a script, with the refresh token at hand and nothing left of it. A build for an old glibc does so where `AZWARD_TEST_LIBRARIES`
//! names a directory with that one: it is all that there is to load.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::native::{age, arm_token};
use crate::support::{Invocation, Sandbox, provision};

/// Busybox, as Debian's `busybox-static` has it.
const BUSYBOX: &str = "/bin/busybox";

const MACHINE_ID: &str = "/etc/machine-id";

/// Sets the root at `$1` up, with those directories that are named with colons between them, and becomes the rest in it.
const SCRIPT: &str = r#"
    set -e
    root=$1
    IFS=:
    for directory in /proc /dev $2; do
        mkdir -p "$root$directory"
        mount --rbind "$directory" "$root$directory"
    done
    shift 2
    exec /usr/sbin/chroot "$root" "$@""#;

/// A command in such a root.
fn in_bare_root<'a>(sandbox: &'a Sandbox, command: &[&str]) -> Invocation<'a> {
    let root = sandbox.root().join("bare");
    if !root.exists() {
        fs::create_dir_all(root.join("bin")).unwrap();
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::copy(BUSYBOX, root.join("bin/busybox")).expect("Debian's busybox-static is installed");
        symlink("busybox", root.join("bin/sh")).unwrap();
        fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
        if let Some(libraries) = std::env::var_os("AZWARD_TEST_LIBRARIES") {
            fs::create_dir(root.join("lib")).unwrap();
            symlink("lib", root.join("lib64")).unwrap();
            for library in fs::read_dir(libraries).unwrap().map(|entry| entry.unwrap().path()) {
                fs::copy(&library, root.join("lib").join(library.file_name().unwrap())).unwrap();
            }
        }
        // The same machine: the login was made outside.
        if Path::new(MACHINE_ID).exists() {
            fs::copy(MACHINE_ID, root.join("etc/machine-id")).unwrap();
        }
    }
    // Of the real az its files, which azward reads; its interpreter cannot be loaded.
    let az = fs::canonicalize(provision::real_az()).unwrap();
    let script = std::env::split_paths(&sandbox.environment()[OsStr::new("PATH")]).nth(1).unwrap().join("az");
    let script = fs::canonicalize(script).unwrap();
    let directories = [sandbox.root(), az.ancestors().nth(2).unwrap(), script.parent().unwrap()];
    let directories = directories.map(|directory| directory.to_str().unwrap()).join(":");
    Invocation::new(sandbox, "unshare")
        .args(["--map-root-user", "--mount", "--", "/bin/sh", "-c", SCRIPT, "bare"])
        .args([root.to_str().unwrap(), &directories])
        .args(command)
}

#[test]
#[ignore = "for a build that is portable: .ci/portable"]
fn a_portable_build_answers_renews_and_runs_in_a_bare_root() {
    let (sandbox, entra) = Sandbox::without_az();
    let shim = sandbox.shim();
    let shim = shim.to_str().unwrap();
    // What this system's C library is for does not even start there.
    let python = fs::canonicalize("/usr/bin/env").unwrap();
    fs::copy(python, sandbox.root().join("dynamic")).unwrap();
    let dynamic = sandbox.root().join("dynamic");
    assert!(!in_bare_root(&sandbox, &[dynamic.to_str().unwrap(), "true"]).run().err().is_empty());

    let token = ["account", "get-access-token"];
    let words = [&[shim][..], &token].concat();
    let before = arm_token(&sandbox.config());
    assert_eq!(in_bare_root(&sandbox, &words).run().ok().silent().token(), before);

    age(&sandbox, &entra, 19 * 60);
    let after = in_bare_root(&sandbox, &words).run().ok().silent().token();
    assert!(after != before && after == arm_token(&sandbox.config()), "{:?}", sandbox.journal());
    assert_eq!(entra.refreshes(), 1);
    sandbox.assert_nothing_in_the_clear();

    sandbox.wrap_script(
        "[ \"$1\" = group ] || exit 70\n\
         /bin/busybox grep -Eq '\"credential_type\": *\"RefreshToken\"' \"$HOME/.azure/msal_token_cache.json\" && exit 7\nexit 71\n",
    );
    in_bare_root(&sandbox, &[shim, "group", "list"]).run().exited(7);
    sandbox.assert_nothing_in_the_clear();
    let azward = sandbox.shim().with_file_name("azward");
    let status = in_bare_root(&sandbox, &[azward.to_str().unwrap(), "status"]).run();
    assert!(status.out().contains("in the clear      nothing"), "{status:?}");
}
