//! `install.sh` and `uninstall.sh` in a home with start-up files of three shells.

mod aids;
mod held_back;
mod homes;
#[cfg(target_os = "linux")]
mod packaged;
mod round_trip;
mod system;
mod versions;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::support::installed::script;
use crate::support::{Outcome, Sandbox};

const KEY_VAULT: [&str; 4] = ["account", "get-access-token", "--resource", "https://vault.azure.net"];
const STORAGE: [&str; 4] = ["account", "get-access-token", "--resource", "https://storage.azure.com"];

/// A machine without azward: the box without its own shim on PATH.
fn machine(sandbox: Sandbox) -> Sandbox {
    let path = without_first(&sandbox);
    sandbox.with_env("PATH", path)
}

fn without_first(sandbox: &Sandbox) -> std::ffi::OsString {
    let environment = sandbox.environment();
    let path = std::env::split_paths(&environment[OsStr::new("PATH")]).skip(1);
    std::env::join_paths(path).expect("no colon in it")
}

/// A terminal opened after the install: the shim directory is first on PATH.
fn open_new_terminal(sandbox: &Sandbox) {
    let environment = sandbox.environment();
    let path = std::iter::once(bin(sandbox)).chain(std::env::split_paths(&environment[OsStr::new("PATH")]));
    sandbox.set_env("PATH", std::env::join_paths(path).expect("no colon in it"));
}

fn bin(sandbox: &Sandbox) -> PathBuf {
    sandbox.azward_home().join("bin")
}

fn install(sandbox: &Sandbox) -> Outcome {
    script(sandbox, "install.sh").run().ok().silent()
}

fn uninstall(sandbox: &Sandbox) -> Outcome {
    script(sandbox, "uninstall.sh").run().ok().silent()
}

/// Every file below a directory: its mode, when it was changed, what is in it.
fn files(directory: &Path) -> BTreeMap<PathBuf, (u32, SystemTime, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("it can be listed").flatten() {
        let (path, metadata) = (entry.path(), entry.metadata().expect("it is there"));
        if metadata.is_dir() {
            found.extend(files(&path));
        } else {
            let changed = metadata.modified().expect("this system knows");
            found.insert(
                path.clone(),
                (metadata.permissions().mode(), changed, fs::read(&path).expect("it can be read")),
            );
        }
    }
    found
}

/// The same without the times: a file that was edited and edited back is newer.
fn contents(directory: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    files(directory).into_iter().map(|(path, (mode, _, bytes))| (path, (mode, bytes))).collect()
}

/// A home with the start-up files of three shells, some of them odd.
fn furnish(home: &Path) {
    let files = [
        (".bashrc", "alias ll='ls -l'\nexport EDITOR=vi"),
        (".config/fish/config.fish", "set -g greeting\n"),
        (".profile", ""),
        (".zshrc", "setopt autocd\n"),
    ];
    fs::create_dir_all(home.join(".config/fish")).expect("the box can be written");
    for (name, text) in files {
        fs::write(home.join(name), text).expect("the box can be written");
    }
    fs::set_permissions(home.join(".bashrc"), fs::Permissions::from_mode(0o600)).expect("the file is ours");
}

fn pinned(sandbox: &Sandbox) -> String {
    let text = fs::read_to_string(sandbox.azward_home().join("config.toml")).expect("it was installed");
    let settings: toml_edit::DocumentMut = text.parse().expect("the settings are TOML");
    settings["real_az"].as_str().expect("it is a path").to_owned()
}

fn assert_is_shim(sandbox: &Sandbox, found: &str, shell: &str) {
    assert_eq!(Path::new(found.trim()), bin(sandbox).join("az"), "{shell}");
}
