//! Where memory exposure cannot be had or does not do: no place in memory, one that is full or somebody else's, an az that runs
//! where it does not see it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::memory::assert_back;
use super::{last_look, logged_in, look, status_of_exposure};
use crate::support::{Invocation, Sandbox, in_shell};

/// The same command where a directory in memory is what `prepare` makes of it, in a namespace of its own.
fn where_memory<'a>(sandbox: &'a Sandbox, prepare: &str, words: &[&str]) -> Invocation<'a> {
    let line = format!("{prepare}; exec az \"$@\"");
    let shell = ["--map-root-user", "--mount", "sh", "-c", &line, "sh"];
    Invocation::new(sandbox, "unshare").args(shell).args(words)
}

#[test]
fn where_there_is_no_memory_for_it_the_next_exposure_serves() {
    let sandbox = logged_in("auto");
    let memory = in_shell(sandbox.memory().unwrap());
    let on =
        |options: &str| format!("mount -t tmpfs -o {options} none /dev/shm; mkdir -p {memory}; chmod 700 {memory}");
    for (prepare, expected) in [
        // Full: not a byte more can be written.
        (format!("{}; dd if=/dev/zero of=/dev/shm/full bs=4k 2>/dev/null", on("size=16k,nr_inodes=64")), 1),
        // Of no inode to be had.
        (format!("{}; i=0; while touch /dev/shm/$i; do i=$((i+1)); done 2>/dev/null", on("size=1m,nr_inodes=8")), 1),
        (on("size=1m,noexec,nosuid,nodev"), 1),
        (on("size=1m,ro"), 1),
        // None: a directory on a disk in its place.
        (format!("mount --bind {} /dev/shm; unset XDG_RUNTIME_DIR", in_shell(sandbox.home())), 1),
    ] {
        where_memory(&sandbox, &prepare, &["look", "roll"]).run().ok();
        let line = last_look(&sandbox);
        assert_eq!(line["cache"]["refresh_tokens"], expected, "{prepare}: {:?}", sandbox.journal());
        assert_back(&sandbox);
    }
    assert_eq!(look(&sandbox), ("run".to_owned(), 1));
}

#[test]
fn where_memory_is_set_and_cannot_be_had_nothing_is_handed_over() {
    let sandbox = logged_in("memory");
    let none = format!("mount --bind {} /dev/shm; unset XDG_RUNTIME_DIR", in_shell(sandbox.home()));
    where_memory(&sandbox, &none, &["look"]).run().ok();
    assert_eq!(last_look(&sandbox)["cache"]["refresh_tokens"], 0);
    let failed = where_memory(&sandbox, &none, &["roll"]).run().exited(1);
    assert!(failed.err().contains("azward: nothing was handed to az, because "), "{failed:?}");
    assert_back(&sandbox);
    assert_eq!(look(&sandbox), ("run".to_owned(), 1));
}

#[test]
fn a_directory_of_somebody_else_s_is_not_used() {
    let sandbox = logged_in("memory");
    let uid = rustix::process::geteuid().as_raw();
    let memory = sandbox.memory().unwrap();
    for prepare in [
        format!("chmod 755 {}", in_shell(memory)),
        // Before us, by a link to a directory of ours, or open to others.
        format!(
            "mount -t tmpfs none /dev/shm; ln -s {} /dev/shm/azward-{uid}; unset XDG_RUNTIME_DIR",
            in_shell(sandbox.home())
        ),
        format!("mount -t tmpfs none /dev/shm; mkdir -m 777 /dev/shm/azward-{uid}; unset XDG_RUNTIME_DIR"),
    ] {
        let line = format!("{prepare}; readlink /dev/shm/azward-{uid}");
        where_memory(&sandbox, &line, &["look"]).run().ok();
        let is_used = last_look(&sandbox)["cache"]["refresh_tokens"] == 1;
        // The first leaves the other place.
        assert_eq!(is_used, prepare.starts_with("chmod"), "{prepare}");
        fs::set_permissions(memory, fs::Permissions::from_mode(0o700)).unwrap();
        assert_back(&sandbox);
    }
    assert!(!Path::new("/dev/shm").join(format!("azward-{uid}")).join("home").exists());
}

/// Has the az behind the shim run where another directory is in the place of the one in memory, as in a container.
fn move_elsewhere(sandbox: &Sandbox, before: &str) {
    let fake = sandbox.wrapped_az().with_file_name("fake");
    fs::rename(sandbox.wrapped_az(), &fake).unwrap();
    let within = format!("mount -t tmpfs none /dev/shm && {before} exec {} \"$@\"", in_shell(&fake));
    let script = format!("exec unshare --map-root-user --mount sh -c {} sh \"$@\"", in_shell(Path::new(&within)));
    sandbox.make_script(sandbox.wrapped_az(), &script);
}

#[test]
fn an_az_that_runs_elsewhere_is_served_in_place_once_that_has_come_to_light() {
    let sandbox = logged_in("auto");
    move_elsewhere(&sandbox, "");
    // What needs no credential says nothing of it.
    sandbox.az(["print", "done"]).run().ok().silent();
    assert!(status_of_exposure(&sandbox).starts_with("in memory: "));
    let failed = sandbox.az(["roll"]).run().exited(1);
    assert!(failed.err().starts_with("ERROR: Can't find token"), "{failed:?}");
    assert_back(&sandbox);
    let az = sandbox.wrapped_az().display();
    let status = format!("in place, while az runs: `{az}` runs where it does not see what is in memory");
    assert_eq!(status_of_exposure(&sandbox), status);
    sandbox.az(["roll", "look"]).run().ok().silent();
    assert_eq!(last_look(&sandbox)["cache"]["refresh_tokens"], 1);
    assert_back(&sandbox);
    // It stays so, whatever fails for other reasons.
    sandbox.az(["look", "exit", "1"]).run().exited(1);
    assert_eq!(status_of_exposure(&sandbox), status);
    // Another az is another.
    sandbox.make_script(sandbox.wrapped_az(), "exit 0");
    assert!(status_of_exposure(&sandbox).starts_with("in memory: "));
}

#[test]
fn an_az_that_opens_no_file_at_all_is_not_taken_for_one_that_runs_elsewhere() {
    let sandbox = logged_in("auto");
    // The file itself is a link to one that all boxes have.
    fs::remove_file(sandbox.wrapped_az()).unwrap();
    sandbox.make_script(sandbox.wrapped_az(), "echo no network >&2; exit 1");
    for _ in 0..2 {
        sandbox.az(["any"]).run().exited(1);
        // In place it opens none either, so that nothing speaks for it any more.
        sandbox.az(["any"]).run().exited(1);
        assert!(status_of_exposure(&sandbox).starts_with("in memory: "));
        assert_back(&sandbox);
    }
    // One that did open it, and failed.
    let sandbox = logged_in("auto");
    sandbox.az(["look", "exit", "1"]).run().exited(1);
    assert!(status_of_exposure(&sandbox).starts_with("in memory: "));
}
