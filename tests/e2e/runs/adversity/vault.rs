//! The vault, or the key that it was sealed with, is not what it should be.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::room::Room;
use super::{
    ALICE, BOB, NO_TOKEN, assert_az_runs, assert_explained, assert_kept, logged_in, set_aside, status, vault_files,
};
use crate::support::{Invocation, Sandbox, in_shell};

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

/// The files of the azward home with this ending, key files or notes, with what is in them.
fn with_ending(sandbox: &Sandbox, ending: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = fs::read_dir(sandbox.azward_home()).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == ending))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    found.sort();
    found
}

/// A machine: a mount namespace with another `/etc/machine-id`, or with none.
fn machine<'a>(sandbox: &'a Sandbox, name: &str, id: Option<&str>) -> Room<'a> {
    let etc = sandbox.root().join(name);
    fs::create_dir(&etc).unwrap();
    fs::copy("/etc/passwd", etc.join("passwd")).unwrap();
    if let Some(id) = id {
        fs::write(etc.join("machine-id"), id).unwrap();
    }
    let hide = "if [ -d /var/lib/dbus ]; then mount -t tmpfs none /var/lib/dbus; fi";
    Room::new(sandbox, &format!("mount --bind {} /etc; {hide}", in_shell(&etc)))
}

#[test]
fn machines_that_share_a_home_each_keep_their_login() {
    let sandbox = Sandbox::new().with_fake_az();
    let (a, b) = ("a".repeat(32), "b".repeat(32));
    // The last three have no id: an image before its first boot, and a container.
    let ids =
        [("a", Some(&*a)), ("b", Some(&*b)), ("fresh", Some("uninitialized\n")), ("void", Some("")), ("none", None)];
    let rooms = ids.map(|(name, id)| machine(&sandbox, name, id));
    let [here, there, without_id @ ..] = &rooms;
    here.az(&["login", ALICE]).run().ok().silent();
    here.az(&["roll"]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
    assert_explained(there.az(&["roll"]).run(), 1, NO_TOKEN, "belongs to another machine or user");
    let (keys, vaults) = (with_ending(&sandbox, "key"), vault_files(&sandbox));
    here.az(&["roll"]).run().ok().silent();
    there.az(&["login", ALICE]).run().ok().silent();
    without_id[0].az(&["login", ALICE]).run().ok().silent();
    assert_eq!(with_ending(&sandbox, "key").len(), 3);
    assert!(with_ending(&sandbox, "key").contains(&keys[0]));
    assert!(vaults.iter().all(|vault| vault_files(&sandbox).contains(vault)));
    for _ in 0..3 {
        for room in &rooms {
            room.az(&["roll"]).run().ok().silent();
            sandbox.assert_nothing_in_the_clear();
        }
    }
    assert_eq!((with_ending(&sandbox, "key").len(), set_aside(&sandbox)), (3, 0));
    let said = |room: &Room<'_>| room.run(env!("CARGO_BIN_EXE_azward"), &["status"]).run().out();
    assert!(said(here).contains("bound to this machine and user"), "{}", said(here));
    for room in without_id {
        assert!(said(room).contains("bound to this user only"), "{}", said(room));
        assert!(!said(room).contains("this machine"), "{}", said(room));
    }
}

#[test]
fn a_machine_whose_id_comes_later_or_changes_keeps_or_leaves_its_vault() {
    let sandbox = Sandbox::new().with_fake_az();
    let before = machine(&sandbox, "before", None);
    before.az(&["login", ALICE]).run().ok().silent();
    let booted = machine(&sandbox, "booted", Some(&"c".repeat(32)));
    booted.az(&["roll"]).run().ok().silent();
    before.az(&["roll"]).run().ok().silent();
    // Imaged anew: what has the user's key alone opens still, what has the old machine's stays as it was.
    let sandbox = Sandbox::new().with_fake_az();
    let old = machine(&sandbox, "old", Some(&"d".repeat(32)));
    old.az(&["login", ALICE]).run().ok().silent();
    let kept = vault_files(&sandbox)[0].clone();
    let sealed = fs::read(&kept).unwrap();
    let new = machine(&sandbox, "new", Some(&"e".repeat(32)));
    assert_explained(new.az(&["roll"]).run(), 1, NO_TOKEN, "belongs to another machine or user");
    new.az(&["login", ALICE]).run().ok().silent();
    new.az(&["roll"]).run().ok().silent();
    assert_eq!((fs::read(&kept).unwrap(), set_aside(&sandbox)), (sealed, 0));
}

/// A machine with a home of the first version in `/mnt`, and a program in it.
fn first_version<'a>(
    sandbox: &'a Sandbox,
    home: &Path,
    name: &str,
    id: char,
) -> impl Fn(&str, &[&str]) -> Invocation<'a> {
    let etc = sandbox.root().join(name);
    fs::create_dir(&etc).unwrap();
    fs::copy("/etc/passwd", etc.join("passwd")).unwrap();
    fs::write(etc.join("machine-id"), id.to_string().repeat(32)).unwrap();
    let mounts = format!("mount --bind {} /etc; mount --bind {} /mnt", in_shell(&etc), in_shell(home));
    let room = Room::new(sandbox, &mounts);
    move |program, words| {
        let program = room.run(program, words).env("HOME", "/mnt");
        program.env("AZWARD_HOME", "/mnt/.azward").env("AZURE_CONFIG_DIR", "/mnt/.azure").env("XDG_RUNTIME_DIR", "/mnt")
    }
}

#[test]
fn a_home_of_the_first_version_opens_where_it_was_made_and_is_left_alone_elsewhere() {
    let sandbox = Sandbox::new().with_fake_az();
    let home = sandbox.root().join("first-version");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/first-version");
    let places = [("", ".azward"), ("vaults", ".azward/vaults"), ("azure", ".azure")];
    for (from, to) in places {
        fs::create_dir_all(home.join(to)).unwrap();
        fs::set_permissions(home.join(to), fs::Permissions::from_mode(0o700)).unwrap();
        for entry in fs::read_dir(data.join(from)).unwrap().flatten().filter(|entry| entry.path().is_file()) {
            let copy = home.join(to).join(entry.file_name());
            fs::copy(entry.path(), &copy).unwrap();
            fs::set_permissions(copy, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
    let key = home.join(".azward/key");
    let vaults = || {
        let mut found: Vec<_> = fs::read_dir(home.join(".azward/vaults")).unwrap().flatten().collect();
        found.retain(|entry| !entry.file_name().to_string_lossy().ends_with(".lock"));
        let mut found: Vec<_> =
            found.iter().map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap())).collect();
        found.sort();
        found
    };
    let before = vaults();
    let journal = fs::read_to_string(home.join(".azward/journal.jsonl")).unwrap();
    let in_here = first_version(&sandbox, &home, "here", 'f');
    let in_there = first_version(&sandbox, &home, "there", 'a');
    let (here, there) = (|words: &[&str]| in_here("az", words), |words: &[&str]| in_there("az", words));
    assert_explained(there(&["roll"]).run(), 1, NO_TOKEN, "belongs to another machine or user");
    there(&["login", ALICE]).run().ok().silent();
    there(&["roll"]).run().ok().silent();
    assert!(key.exists() && before.iter().all(|file| vaults().contains(file)), "it is that machine's");
    here(&["roll"]).run().ok().silent();
    assert!(!key.exists() && before.iter().all(|(name, _)| vaults().iter().all(|(other, _)| other != name)));
    for _ in 0..2 {
        there(&["roll"]).run().ok().silent();
        here(&["roll"]).run().ok().silent();
    }
    assert!(vaults().iter().all(|(name, _)| !name.to_string_lossy().contains("set-aside")));
    // The settings hold, and the journal goes on.
    let status = in_here(env!("CARGO_BIN_EXE_azward"), &["status"]).run().ok().out();
    assert!(status.contains("in place") && status.contains("the OS keyring did not answer in time"), "{status}");
    let grown = fs::read_to_string(home.join(".azward/journal.jsonl")).unwrap();
    assert!(grown.strip_prefix(&journal).is_some_and(|new| new.contains("\"command\":\"roll\"")), "{grown}");
}

#[test]
fn a_lost_key_file() {
    let sandbox = logged_in();
    let (key, _) = with_ending(&sandbox, "key").remove(0);
    fs::remove_file(&key).unwrap();
    assert_explained(sandbox.az(["roll"]).run(), 1, NO_TOKEN, "or its key is gone");
    sandbox.az(["login", ALICE]).run().ok().silent();
    sandbox.az(["roll"]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
    assert_eq!(set_aside(&sandbox), 0);
    assert!(status(&sandbox).contains("its key is not here"), "{}", status(&sandbox));
}
