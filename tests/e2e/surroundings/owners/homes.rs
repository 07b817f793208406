//! What is an azward home and what only looks like one: nothing that azward did not make is given another mode or owner.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{ALICE, logged_in, mode, seen, set_mode};
use crate::support::{Invocation, Sandbox};

#[test]
fn what_happens_to_be_called_as_ours_makes_no_home() {
    let sandbox = Sandbox::new().with_fake_az();
    let home = sandbox.home();
    fs::create_dir(home.join("bin")).unwrap();
    sandbox.copy_shim(&home.join("bin/az"));
    for settings in ["{}", "{\"key_store\": \"auto\"}", "{\"name\": \"something of a build tool's\"}"] {
        fs::write(home.join("config.json"), settings).unwrap();
        Invocation::new(&sandbox, home.join("bin/az")).args(["login", ALICE]).run().ok().silent();
        assert_eq!(mode(&home), 0o755, "{settings}");
        assert!(!home.join("vaults").exists() && home.join(".azward/vaults").exists(), "{settings}");
    }
}

#[test]
fn a_directory_with_other_things_in_it_is_not_taken_for_a_home() {
    let sandbox = Sandbox::new().with_fake_az();
    let directory = sandbox.root().join("documents");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("letter"), "x").unwrap();
    set_mode(&directory, 0o755);
    sandbox.set_env("AZWARD_HOME", &directory);
    sandbox.az(["print", "x"]).run().ok().silent();
    for command in ["status", "install", "scrub", "uninstall"] {
        let refused = sandbox.azward([command]).run().exited(1);
        assert!(refused.err().contains("it has other things in it"), "{refused:?}");
    }
    assert_eq!((mode(&directory), fs::read_dir(&directory).unwrap().count()), (0o755, 1));

    // An empty one is used as it is.
    fs::remove_file(directory.join("letter")).unwrap();
    sandbox.az(["login", ALICE]).run().ok().silent();
    sandbox.az(["look"]).run().ok().silent();
    assert_eq!((mode(&directory), seen(&sandbox)), (0o755, 1.into()));
    assert_eq!(mode(&directory.join("vaults")), 0o700);
}

#[test]
fn a_home_of_the_first_version_is_one_without_a_word() {
    let sandbox = logged_in();
    let home = sandbox.azward_home();
    for extra in [None, Some("notes")] {
        fs::remove_file(home.join("azward-home")).unwrap();
        if let Some(name) = extra {
            fs::write(home.join(name), "x").unwrap();
        }
        sandbox.az(["look"]).run().ok().silent();
        assert_eq!((seen(&sandbox), home.join("azward-home").exists()), (1.into(), true));
    }
}

#[test]
fn a_marker_that_a_kill_left_torn_is_made_whole() {
    for others in [&[][..], &["vaults", "run"]] {
        let sandbox = Sandbox::new().with_fake_az();
        let home = sandbox.azward_home();
        // In neither case is it a home that somebody else made.
        let _ = fs::remove_dir_all(&home);
        fs::create_dir(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["azward-home", "azward-home.new"] {
            fs::write(home.join(name), "azward ho").unwrap();
        }
        for name in others {
            fs::create_dir(home.join(name)).unwrap();
        }
        sandbox.az(["login", ALICE]).run().ok().silent();
        assert!(fs::read_to_string(home.join("azward-home")).unwrap().starts_with("azward home, made by"));
        assert!(!home.join("azward-home.new").exists());
        sandbox.assert_nothing_in_the_clear();
    }
}
