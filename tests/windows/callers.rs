//! How others start az on Windows: through `cmd /c`, by what Python's `which` finds, by PATHEXT where `az.cmd` lies beside
//! `az.exe`; and with a PATH that is called `Path`, or otherwise, in their environment.

use std::fs;

use super::login::done;
use super::machine::{Machine, finish};

/// Prints what Python's `shutil.which` makes of `az`, with a PATHEXT of its own if it is given one.
const WHICH: &str = "\
import os, shutil, sys
os.environ.update(PATHEXT=sys.argv[1]) if sys.argv[1:] else None
print(shutil.which('az'))";

/// Starts a program in an environment whose PATH goes by another name and is one directory.
const WITH_PATH: &str = "\
import os, subprocess, sys
name, path, *line = sys.argv[1:]
environment = {key: value for key, value in os.environ.items() if key.upper() != 'PATH'}
environment[name] = path
sys.exit(subprocess.run(line, env=environment).returncode)";

/// What an az says that is a script and nothing else.
const LOUD: &str = "@echo off\r\necho the other az: %*\r\n";

#[test]
#[ignore = "needs wine: .ci/windows"]
fn whoever_starts_az_gets_the_shim() {
    let machine = Machine::logged_in();
    let token = ["account", "get-access-token", "--only-show-errors"];
    // The first one is az's, whose seconds may be others.
    machine.az(token).ok();
    let own = machine.az(token).ok().silent();
    let (through_cmd, deeds) =
        machine.deeds_of(|| machine.run(["cmd", "/c", "az account get-access-token --only-show-errors"]));
    assert_eq!((through_cmd.ok().silent().out(), deeds), (own.out(), vec!["answer".to_owned()]));
    done("`cmd /c az` is answered");
    let found = |extensions: &[&str]| finish(machine.python(WHICH, extensions)).ok().out().trim().to_lowercase();
    let shim = machine.installed("az.exe").to_lowercase();
    assert_eq!(found(&[]), shim);
    done("Python's which finds the shim");

    // As PATHEXT has it, which is `.COM;.EXE;.BAT;.CMD` from the beginning.
    let beside = machine.azward_home().join("bin/az.cmd");
    fs::write(&beside, LOUD).unwrap();
    assert_eq!((found(&[]), found(&[".EXE;.CMD"])), (shim.clone(), shim.clone()));
    assert_eq!(found(&[".CMD;.EXE"]), shim.replace("az.exe", "az.cmd"));
    let (through_cmd, deeds) =
        machine.deeds_of(|| machine.run(["cmd", "/c", "az account get-access-token --only-show-errors"]));
    // Behind it, that one is the first on PATH.
    let other = "the other az: account get-access-token --only-show-errors\r\n";
    assert_eq!((&*through_cmd.ok().out(), deeds), (other, vec!["run".to_owned()]));
    fs::remove_file(&beside).unwrap();
    done("`az.exe` goes before an `az.cmd` beside it, unless PATHEXT says otherwise");

    let other = machine.profile().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("az.cmd"), LOUD).unwrap();
    let path = format!(r"{}\other", machine.profile_name());
    for name in ["Path", "PATH", "pAtH"] {
        let line = [name, &path, &shim, "feature", "list"];
        let outcome = finish(machine.python(WITH_PATH, line)).ok();
        assert_eq!(outcome.out(), "the other az: feature list\r\n", "{name}");
    }
    done("PATH is found under every name that is the same to Windows");
}
