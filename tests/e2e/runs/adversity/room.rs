//! A mount namespace, for a disk or a machine unlike the one that the tests run on.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Invocation, Running, Sandbox};

/// A mount namespace in which `setup` was done, with the azward home as `$1`; open until it is dropped.
pub(crate) struct Room<'a> {
    sandbox: &'a Sandbox,
    keeper: Running<'a>,
}

impl<'a> Room<'a> {
    pub(crate) fn new(sandbox: &'a Sandbox, setup: &str) -> Self {
        fs::create_dir_all(sandbox.azward_home()).unwrap();
        let script = format!("set -e; {setup}; echo ready; exec sleep 100");
        let arguments = ["--map-root-user", "--mount", "--", "/bin/sh", "-c", &script, "sh"];
        let keeper = Invocation::new(sandbox, "unshare").args(arguments).args([sandbox.azward_home()]).start();
        keeper.wait_for("ready");
        Self { sandbox, keeper }
    }

    pub(crate) fn run(&self, program: &str, words: &[&str]) -> Invocation<'a> {
        let target = self.keeper.pid().as_raw_pid().to_string();
        let enter = ["--preserve-credentials", "--user", "--mount", "--target", &target, "--", program];
        Invocation::new(self.sandbox, "nsenter").args(enter).args(words)
    }

    pub(crate) fn az(&self, words: &[&str]) -> Invocation<'a> {
        self.run("az", words)
    }

    /// A file of the azward home, as it is seen from outside.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        let root = format!("/proc/{}/root", self.keeper.pid().as_raw_pid());
        Path::new(&root).join(self.sandbox.azward_home().strip_prefix("/").unwrap()).join(name)
    }

    /// Copies the azward home to where the box is searched at its end.
    pub(crate) fn save(&self) {
        let copy = self.sandbox.root().join("saved");
        self.run("cp", &["-r", self.sandbox.azward_home().to_str().unwrap(), copy.to_str().unwrap()]).run().ok();
    }
}
