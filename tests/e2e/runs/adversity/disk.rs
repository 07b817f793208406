//! The disk under the azward home is full or read-only.

use std::fs;

use super::room::Room;
use super::{ALICE, assert_az_runs, assert_explained, assert_kept, logged_in, look};
use crate::support::Sandbox;

#[test]
fn a_full_disk_keeps_what_az_rolled_in_the_file_until_there_is_room() {
    let sandbox = Sandbox::new().with_fake_az();
    let room = Room::new(&sandbox, "mount -t tmpfs -o size=128k none \"$1\"");
    room.az(&["login", ALICE]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
    fs::write(room.file("filler"), vec![0; 1 << 20]).unwrap_err();
    let first = look(&sandbox)["fingerprint"].clone();
    room.az(&["roll", "look"]).run().ok().silent();
    let rolled = look(&sandbox)["fingerprint"].clone();
    assert!(rolled != first && sandbox.config().refresh_token_count() == 1);
    room.az(&["account", "get-access-token"]).run().ok().silent();
    room.az(&["exit", "3"]).run().exited(3);
    room.az(&["look"]).run().ok().silent();
    assert_eq!(look(&sandbox)["fingerprint"], rolled, "the older one of the vault does not come back");
    fs::remove_file(room.file("filler")).unwrap();
    room.az(&["print", "x"]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
    room.az(&["look"]).run().ok().silent();
    assert_eq!(look(&sandbox)["fingerprint"], rolled);
    room.save();
}

#[test]
fn a_disk_that_was_full_before_the_first_login() {
    let sandbox = Sandbox::new().with_fake_az();
    // Not even a directory can be made.
    let room = Room::new(&sandbox, "mount -t tmpfs -o size=128k,nr_inodes=1 none \"$1\"");
    room.az(&["login", ALICE]).run().ok().silent();
    assert_eq!(sandbox.config().refresh_token_count(), 1);
    room.az(&["roll", "look"]).run().ok().silent();
    assert_explained(room.az(&["warn", "own", "exit", "3"]).run(), 3, "own\n", "No space left on device");
    let home = sandbox.azward_home();
    room.run("mount", &["-o", "remount,nr_inodes=100", "none", home.to_str().unwrap()]).run().ok();
    let rolled = look(&sandbox)["fingerprint"].clone();
    room.az(&["look"]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
    assert_eq!(look(&sandbox)["fingerprint"], rolled);
    room.save();
}

#[test]
fn a_read_only_azward_home() {
    let sandbox = logged_in();
    let room = Room::new(&sandbox, "mount --bind \"$1\" \"$1\"; mount -o remount,bind,ro \"$1\"");
    assert_az_runs(&sandbox, |words| room.az(words), "Read-only file system");
    assert_kept(&sandbox, 2);
}
