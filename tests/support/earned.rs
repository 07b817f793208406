//! What azward has found out about the real az before a test begins: that it says the same. Found out it is by azward itself,
//! in a box of its own and with that very az, once in every test binary; what it then remembers is what boxes with the real
//! az begin with, so that their first answer is one. How it is found out is tested in `runs/trials.rs`, where nothing is known.
//!
//! The same for an az that can be taken away: a script that becomes the real one, unless a file beside it says what it is to
//! do instead. It is one file behind many names, as the real az is.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use entra::{Rolling, User};

use super::provision;
use super::sandbox::Sandbox;

/// What the az that can be taken away does where a file of this name is beside it.
const INSTEAD: &str = "instead";

/// What `run/az.json` is in the azward home that has found out.
pub(super) fn memory() -> &'static [u8] {
    static MEMORY: OnceLock<Vec<u8>> = OnceLock::new();
    MEMORY.get_or_init(find_out)
}

fn find_out() -> Vec<u8> {
    let sandbox = Sandbox::new().with_unknown_az();
    let entra = sandbox.start_entra(|knobs| knobs.rolling = Rolling::Entra);
    sandbox.login(&entra, User::Alice);
    sandbox.az(["account", "get-access-token"]).run().ok();
    sandbox.put_removable_az();
    sandbox.az(["account", "get-access-token"]).run().ok();
    assert_eq!((sandbox.deeds("run"), sandbox.deeds("answer")), (3, 0), "a login, and a trial of each");
    for _ in 0..2 {
        sandbox.az(["account", "get-access-token"]).run().ok();
    }
    assert_eq!(sandbox.deeds("answer"), 2, "azward says what the real az says");
    fs::read(sandbox.azward_home().join("run/az.json")).expect("azward remembers it")
}

impl Sandbox {
    /// From now on this `/bin/sh` script is what the az behind the shim does, whatever was there before; azward still knows it
    /// for one that would say the same.
    pub(crate) fn wrap_script(&self, script: &str) {
        let directory = self.put_removable_az();
        fs::write(directory.join(INSTEAD), script).expect("the directory is new");
    }

    /// Has the az that can be taken away be the one behind the shim from now on; its directory.
    fn put_removable_az(&self) -> PathBuf {
        let directory = tempfile::Builder::new().prefix("az-").tempdir_in(self.root()).expect("the box can be written");
        let directory = directory.keep();
        symlink(removable_az(), directory.join("az")).expect("the directory is new");
        let path = [self.root().join("bin"), directory.clone(), "/usr/bin".into(), "/bin".into()];
        self.set_env("PATH", std::env::join_paths(path).expect("no colon in it"));
        directory
    }
}

/// The script, which is the same file for everybody: it is known by that.
fn removable_az() -> PathBuf {
    let az = provision::real_az();
    let first_line = fs::read_to_string(&az).unwrap_or_default().lines().next().unwrap_or_default().to_owned();
    let become_az = match first_line.strip_prefix("#!").filter(|interpreter| interpreter.contains("python")) {
        // As it does itself. So azward finds its package, too.
        Some(interpreter) => format!("AZ_INSTALLER=PIP exec {interpreter} -m azure.cli \"$@\""),
        None => format!("exec '{}' \"$@\"", az.display()),
    };
    let instead = format!("\"${{0%/*}}/{INSTEAD}\"");
    // A script ends with what it does, as it would without the lines after it.
    let script = format!("#!/bin/sh\nif [ -e {instead} ]; then . {instead}; exit; fi\n{become_az}\n");
    let stamp = format!("{:016x}", super::fake_az::hash_of(&script));
    let directory = provision::target_dir().join("removable-az").join(&stamp);
    let make = |directory: &Path| {
        fs::create_dir_all(directory).expect("the target directory can be written");
        fs::write(directory.join("az"), &script).expect("the target directory can be written");
        fs::set_permissions(directory.join("az"), fs::Permissions::from_mode(0o755)).expect("the file is ours");
    };
    provision::make_once(&directory, &stamp, |directory| provision::has_stamp(directory, &stamp), make);
    directory.join("az")
}
