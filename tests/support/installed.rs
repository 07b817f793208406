//! An azward that `install.sh` put into a box, and what must be left when `uninstall.sh` has taken it out again.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::fake_az::with_alice;
use super::invocation::Invocation;
use super::programs;
use super::sandbox::Sandbox;

/// The programs that are installed.
fn build() -> PathBuf {
    programs::azward().parent().expect("it is a file").to_owned()
}

pub(crate) fn script<'a>(sandbox: &'a Sandbox, name: &str) -> Invocation<'a> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("install").join(name);
    Invocation::new(sandbox, script).env("AZWARD_BUILD", build())
}

/// Installs azward into the box, and opens a new terminal: the installed shim is first on PATH, the box's own is not on it.
pub(crate) fn installed(sandbox: Sandbox) -> Sandbox {
    script(&sandbox, "install.sh").run().ok().silent();
    let environment = sandbox.environment();
    let others =
        std::env::split_paths(&environment[OsStr::new("PATH")]).filter(|part| *part != sandbox.root().join("bin"));
    let path = std::iter::once(sandbox.azward_home().join("bin")).chain(others);
    // What else the box has beside its shim: a `systemd-creds` that can do nothing, or the system's.
    let (tool, real) = (sandbox.root().join("bin/systemd-creds"), sandbox.root().join("real/systemd-creds"));
    if tool.symlink_metadata().is_ok() && real.symlink_metadata().is_err() {
        std::os::unix::fs::symlink(tool, real).expect("the box can be written");
    }
    sandbox.set_env("PATH", std::env::join_paths(path).expect("no colon in it"));
    sandbox
}

/// A box with the fake az behind an installed shim, and alice logged in.
pub(crate) fn logged_in() -> Sandbox {
    with_alice(installed(Sandbox::new().with_fake_az()))
}

/// Asserts that all is as if azward had never been there, and that the login is plain az's.
#[track_caller]
pub(crate) fn assert_given_back(sandbox: &Sandbox) {
    sandbox.expect_clear(sandbox.config().token_cache_path());
    let left: Vec<_> = walk(&sandbox.azward_home());
    assert!(left.is_empty() && !sandbox.azward_home().exists(), "left: {left:?}");
    assert_eq!(sandbox.config().refresh_token_count(), 1);
    sandbox.plain_az(["account", "get-access-token"]).run().ok();
}

pub(crate) fn walk(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.flat_map(|entry| if entry.path().is_dir() { walk(&entry.path()) } else { vec![entry.path()] }).collect()
}
