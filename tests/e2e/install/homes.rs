//! Homes with names that shells would read as code, with files that cannot be edited, with links of their user's.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{contents, files, furnish, install, machine, uninstall};
use crate::support::installed::script;
use crate::support::{Invocation, Sandbox, provision};

/// A home with an odd name, and the shells' start-up files in it.
fn odd_home(sandbox: &Sandbox, name: &OsStr) -> PathBuf {
    let home = sandbox.root().join(name);
    fs::create_dir(&home).expect("the box can be written");
    furnish(&home);
    sandbox.set_env("HOME", &home);
    home
}

#[test]
fn no_name_of_a_home_is_code_for_any_shell() {
    for name in [
        "it's",
        "$HOME `touch pwned` $(touch pwned)",
        "a\"b\\c\\",
        "!x *[?] {a,b}",
        "-dash",
        "ö 東京",
        "';touch pwned;'",
        "'; end; touch pwned; if true '",
        "x) touch pwned ;; esac #",
        "\\'",
        "~",
    ] {
        let sandbox = machine(Sandbox::new().with_fake_az());
        let home = odd_home(&sandbox, OsStr::new(name));
        let before = contents(&home);
        install(&sandbox);
        let once = files(&home);
        install(&sandbox);
        assert!(files(&home) == once, "{name}: the second install changed a file");
        let shim = home.join(".azward/bin/az");
        for (shell, options) in [("bash", "-i"), ("bash", "-l"), ("sh", "-l"), ("zsh", "-i"), ("fish", "-i")] {
            if which::which_in(shell, sandbox.environment().get(OsStr::new("PATH")), "/").is_err() {
                continue;
            }
            let found = Invocation::new(&sandbox, shell).args([options, "-c", "command -v az"]).run().ok().out();
            assert_eq!(Path::new(found.trim_end_matches('\n')), shim, "{name} in {shell} {options}");
        }
        for directory in [&home, &sandbox.home(), sandbox.root()] {
            assert!(!directory.join("pwned").exists(), "{name}");
        }
        uninstall(&sandbox);
        let mut after = contents(&home);
        // The shells keep histories and the like.
        after.retain(|path, _| before.contains_key(path) || path.to_string_lossy().contains("azward"));
        assert_eq!(after, before, "{name}");
    }
}

#[test]
fn a_home_that_cannot_stand_in_path_is_refused_before_anything_changes() {
    use std::os::unix::ffi::OsStrExt;
    let names: [&[u8]; 6] =
        [b"a:b", b"new\nline", b"x\n# <<< azward <<<\ntouch pwned\n", b"\xff\xfe", b"\x1b[2J", b"\x7f"];
    for name in names {
        for option in [&[][..], &["--no-modify-path"]] {
            let sandbox = machine(Sandbox::new().with_fake_az());
            let home = odd_home(&sandbox, OsStr::from_bytes(name));
            let before = files(&home);
            let refused = script(&sandbox, "install.sh").args(option).run().exited(2);
            let (said, err) = (refused.out(), refused.err());
            assert!(said.is_empty() && err.lines().count() == 2, "{refused:?}");
            assert!(err.contains("cannot stand in PATH") && !err.contains(['\u{1b}', '\u{7f}']), "{refused:?}");
            assert!(files(&home) == before && !home.join(".azward").exists(), "{refused:?}");
            let gone = script(&sandbox, "uninstall.sh").run().exited(1);
            assert!(!gone.err().contains('\u{1b}'), "{gone:?}");
        }
    }
}

#[test]
fn what_cannot_be_edited_is_refused_before_anything_changes() {
    let sandbox = machine(Sandbox::new().with_fake_az());
    furnish(&sandbox.home());
    let bashrc = sandbox.home().join(".bashrc");
    fs::remove_file(&bashrc).unwrap();
    fs::create_dir(&bashrc).unwrap();
    let before = files(&sandbox.home());
    let refused = script(&sandbox, "install.sh").run().exited(1);
    assert!(refused.err().contains(".bashrc` cannot be edited: it is not a file"), "{refused:?}");
    assert!(refused.out().is_empty() && files(&sandbox.home()) == before && !sandbox.azward_home().exists());
    script(&sandbox, "install.sh").args(["--no-modify-path"]).run().ok().silent();
    uninstall(&sandbox);
    fs::remove_dir(&bashrc).unwrap();

    // Settings that say something, if not in words that are understood, are not written anew.
    install(&sandbox);
    let settings = sandbox.azward_home().join("config.toml");
    fs::write(&settings, "exposure = \"privat\"\n").unwrap();
    let refused = script(&sandbox, "install.sh").run().exited(2);
    assert!(refused.err().contains("cannot be understood"), "{refused:?}");
    assert_eq!(fs::read_to_string(&settings).unwrap(), "exposure = \"privat\"\n");

    // A file that is read-only, or that is no text, is edited all the same and given back.
    fs::remove_file(&settings).unwrap();
    uninstall(&sandbox);
    fs::write(&bashrc, b"# \xff\n").unwrap();
    fs::set_permissions(&bashrc, fs::Permissions::from_mode(0o444)).unwrap();
    let before = contents(&sandbox.home());
    install(&sandbox);
    assert_eq!(fs::metadata(&bashrc).unwrap().permissions().mode() & 0o777, 0o444);
    uninstall(&sandbox);
    assert_eq!(contents(&sandbox.home()), before);
}

#[test]
fn root_s_install_in_a_user_s_home_writes_through_no_link_and_leaves_the_user_all() {
    use std::os::unix::fs::{MetadataExt, chown, lchown, symlink};
    const USER: u32 = 65534;
    if !rustix::process::geteuid().is_root() {
        provision::announce("there is no second user where root is not: what root installs for one is not tested");
        return;
    }
    let sandbox = machine(Sandbox::new().with_fake_az()).with_env("SHELL", "/bin/bash");
    furnish(&sandbox.home());
    let owned = |path: &Path| chown(path, Some(USER), Some(USER)).unwrap();
    files(&sandbox.home()).keys().for_each(|path| owned(path));
    [".config/fish", ".config", ""].iter().for_each(|name| owned(&sandbox.home().join(name)));
    let profile = sandbox.home().join(".profile");
    fs::remove_file(&profile).unwrap();
    for target in ["there", "not there"] {
        fs::write(sandbox.root().join("there"), "root's\n").unwrap();
        symlink(sandbox.root().join(target), &profile).unwrap();
        lchown(&profile, Some(USER), None).unwrap();
        let refused = script(&sandbox, "install.sh").run();
        assert_eq!(fs::read_to_string(sandbox.root().join("there")).unwrap(), "root's\n");
        assert!(!sandbox.root().join("not there").exists() && !refused.status.success(), "{refused:?}");
        fs::remove_file(&profile).unwrap();
    }
    install(&sandbox);
    let mut left = vec![sandbox.home()];
    while let Some(path) = left.pop() {
        assert_eq!(fs::symlink_metadata(&path).unwrap().uid(), USER, "{}", path.display());
        if path.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().flatten().map(|entry| entry.path()));
        }
    }
    uninstall(&sandbox);
}
