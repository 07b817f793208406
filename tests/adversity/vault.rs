//! The vault, or the key that it was sealed with, is not what it should be.

use std::fs::{self, File};
use std::path::Path;

use crate::room::Room;
use crate::support::Sandbox;
use crate::{
    ALICE, BOB, NO_TOKEN, assert_az_runs, assert_explained, assert_kept, logged_in, set_aside, status, vault_files,
};

#[test]
fn a_directory_in_the_vault_s_place() {
    let sandbox = logged_in();
    let files = vault_files(&sandbox);
    let vault = files.iter().find(|path| path.extension().is_some_and(|extension| extension == "vault")).unwrap();
    fs::rename(vault, sandbox.root().join("vault")).unwrap();
    fs::create_dir(vault).unwrap();
    assert_az_runs(&sandbox, |words| sandbox.az(words), "is not a file that azward made");
    fs::remove_dir(vault).unwrap();
    fs::rename(sandbox.root().join("vault"), vault).unwrap();
    assert_kept(&sandbox, 2);
}

#[test]
fn a_vault_that_does_not_open_is_set_aside_by_the_next_login() {
    let damages: [fn(&Path); 3] = [
        |path| fs::write(path, b"garbage\0\xff".repeat(40)).unwrap(),
        |path| File::options().write(true).open(path).unwrap().set_len(200).unwrap(),
        |path| fs::write(path, "").unwrap(),
    ];
    for damage in damages {
        let sandbox = logged_in();
        sandbox.az(["roll"]).run().ok().silent();
        let files = vault_files(&sandbox);
        assert_eq!(files.len(), 2, "two generations: {files:?}");
        files.iter().for_each(|path| damage(path));
        sandbox.az(["print", "x"]).run().ok().silent();
        assert_explained(sandbox.az(["roll"]).run(), 1, NO_TOKEN, "azward: the vault `");
        assert_eq!(set_aside(&sandbox), 0, "not before there is something to store");
        sandbox.az(["login", ALICE]).run().ok().silent();
        assert_kept(&sandbox, 1);
        let report = status(&sandbox);
        assert_eq!(set_aside(&sandbox), 2, "{report}");
        assert!(report.contains("it was set aside as") && report.contains("keep that file"), "{report}");
    }
}

#[test]
fn a_damaged_generation_gives_way_to_the_one_before() {
    let sandbox = logged_in();
    sandbox.az(["login", BOB]).run().ok().silent();
    sandbox.az(["print", "x"]).run().ok().silent();
    let files = vault_files(&sandbox);
    fs::write(files.iter().find(|path| path.extension().is_some_and(|e| e == "vault")).unwrap(), "garbage").unwrap();
    // The one before has Alice; Bob's login was in the other only.
    assert_kept(&sandbox, 1);
    assert!(status(&sandbox).contains("the previous generation was used"));
    sandbox.az(["login", BOB]).run().ok().silent();
    assert_kept(&sandbox, 2);
}

#[test]
fn a_key_file_that_is_lost_or_another_machine_s() {
    let sandbox = Sandbox::new().with_fake_az();
    for machine in ["a", "b"] {
        fs::create_dir(sandbox.root().join(machine)).unwrap();
        fs::copy("/etc/passwd", sandbox.root().join(machine).join("passwd")).unwrap();
        fs::write(sandbox.root().join(machine).join("machine-id"), machine.repeat(32)).unwrap();
    }
    let machine = |name: &str| Room::new(&sandbox, &format!("mount --bind {}/{name} /etc", sandbox.root().display()));
    let (here, there) = (machine("a"), machine("b"));
    here.az(&["login", ALICE]).run().ok().silent();
    here.az(&["roll"]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
    assert_explained(there.az(&["roll"]).run(), 1, NO_TOKEN, "belongs to another machine or user");
    here.az(&["roll"]).run().ok().silent();
    there.az(&["login", ALICE]).run().ok().silent();
    there.az(&["roll"]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
    assert!(set_aside(&sandbox) > 0);
    fs::remove_file(sandbox.azward_home().join("key")).unwrap();
    assert_explained(there.az(&["roll"]).run(), 1, NO_TOKEN, "is no longer in");
    there.az(&["login", ALICE]).run().ok().silent();
    there.az(&["roll"]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
}
