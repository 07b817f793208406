//! The vault against a real Secret Service: gnome-keyring-daemon on a D-Bus of its own, with its own home. A keyring needs
//! a process environment, so this test binary runs itself again: `scene` is what the child does.

#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "clippy only knows the functions marked as tests")]

mod keys;
mod missing;
mod scene;

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Once;

use azward::context::Context;
use azward::helper::{self, Helper};
use azward::vault::forget_cached_key;

/// Makes the login keyring with the password `pw`, or unlocks it.
const UNLOCKED: &str = "printf pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null; \"$@\"";

/// Starts the daemon without a password.
const LOCKED: &str = "gnome-keyring-daemon --start --components=secrets >/dev/null 2>&1; \"$@\"";

/// Starts nothing.
const BARE: &str = "\"$@\"";

/// A person's machine, for as long as a test needs it.
struct Machine {
    root: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(install_what_is_missing);
        // zbus reads `XDG_RUNTIME_DIR` as part of an address, where it is never escaped.
        let root = tempfile::tempdir_in("/tmp").unwrap();
        let machine = Self { root };
        for directory in ["home", "data", "run", "bin"] {
            std::fs::create_dir(machine.path(directory)).unwrap();
        }
        // What this machine's own can has nothing to do with keyrings.
        std::os::unix::fs::symlink("/bin/false", machine.path("bin/systemd-creds")).unwrap();
        std::fs::set_permissions(machine.path("run"), std::fs::Permissions::from_mode(0o700)).unwrap();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Runs `scene` after `script` in a D-Bus session; `options` go to `dbus-run-session`.
    fn in_session(&self, options: &[&str], script: &str, scene: &str) -> String {
        let mut command = Command::new("dbus-run-session");
        command.args(options).args(["--", "sh", "-c", script, "sh"]).arg(std::env::current_exe().unwrap());
        self.run(&mut command, scene)
    }

    /// Runs `scene` with a session bus at `address`, or with none named.
    fn without_session(&self, address: Option<&Path>, scene: &str) -> String {
        let mut command = Command::new(std::env::current_exe().unwrap());
        if let Some(address) = address {
            command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", address.display()));
        }
        self.run(&mut command, scene)
    }

    fn run(&self, command: &mut Command, scene: &str) -> String {
        let kept: Vec<(OsString, OsString)> =
            command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
        let mut path = self.path("bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap());
        command.env_clear().envs(kept).env("PATH", path);
        let output = command
            .args(["--exact", &scene::name(), "--nocapture"])
            .env("HOME", self.path("home"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("AZWARD_TEST_SCENE", scene)
            .output()
            .unwrap();
        passed(scene, &output)
    }
}

impl Drop for Machine {
    /// The kernel's keys outlive the directory that they were named for.
    fn drop(&mut self) {
        forget_cached_key(&self.context());
    }
}

impl Machine {
    fn context(&self) -> Context {
        Context::new([(OsString::from("HOME"), self.path("home").into())], None).helped_by(Helper::Here(helper::here))
    }

    fn has_key_file(&self) -> bool {
        count(&self.path("home/.azward"), "key") > 0
    }
}

fn passed(scene: &str, output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{scene}: {}\n{stdout}\n{stderr}", output.status);
    assert!(stdout.contains("1 passed"), "{scene} did not run:\n{stdout}\n{stderr}");
    print!("{}", stdout.lines().filter(|line| line.contains(" ms")).fold(String::new(), |all, line| all + line + "\n"));
    stdout
}

fn install_what_is_missing() {
    let is_there = |program: &str| {
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|path| path.join(program).exists())
    };
    let all = ["gnome-keyring-daemon", "dbus-run-session"];
    if all.iter().all(|program| is_there(program)) {
        return;
    }
    // Fails where we are not root, and then the next lines say what is wanted.
    let script = "apt-get -q update; apt-get -q -y install --no-install-recommends gnome-keyring dbus";
    let _ = Command::new("sh").args(["-c", script]).env("DEBIAN_FRONTEND", "noninteractive").output();
    for program in all {
        assert!(is_there(program), "`{program}` is needed: install gnome-keyring and dbus");
    }
}

fn count(directory: &Path, ending: &str) -> usize {
    let paths = std::fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == ending)).count()
}
