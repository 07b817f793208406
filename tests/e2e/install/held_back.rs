//! What is missing or in the way is said, and no login is lost for it.

use std::fs;
use std::path::Path;

use super::{contents, install, machine, open_new_terminal, pinned, uninstall};
use crate::support::installed::script;
use crate::support::{Sandbox, provision};

#[test]
fn nothing_is_uninstalled_under_a_running_az() {
    let sandbox = machine(Sandbox::new().with_fake_az());
    install(&sandbox);
    open_new_terminal(&sandbox);
    sandbox.az(["login", "alice@contoso.example"]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
    let before = contents(&sandbox.azward_home().join("bin"));
    let running = sandbox.az(["print", "started", "sleep", "9000"]).start();
    running.wait_for("started");
    let refused = script(&sandbox, "uninstall.sh").run().exited(1);
    assert!(refused.err().contains("an az is running"), "{refused:?}");
    assert_eq!(contents(&sandbox.azward_home().join("bin")), before);
    running.finish().ok();
    uninstall(&sandbox);
    sandbox.expect_clear(sandbox.config().token_cache_path());
    assert_eq!(sandbox.config().refresh_token_count(), 1);
    assert!(!sandbox.azward_home().exists());
}

#[test]
fn a_login_that_cannot_be_given_back_stays_in_its_vault() {
    let sandbox = machine(Sandbox::new().with_fake_az());
    install(&sandbox);
    open_new_terminal(&sandbox);
    sandbox.az(["login", "alice@contoso.example"]).run().ok();
    let cache = sandbox.config().token_cache_path();
    let aside = sandbox.root().join("aside");
    fs::rename(&cache, &aside).unwrap();
    fs::create_dir(&cache).unwrap();
    let refused = script(&sandbox, "uninstall.sh").run().exited(1);
    assert!(refused.out().contains("kept the vault"), "{refused:?}");
    assert_eq!(fs::read_dir(sandbox.azward_home().join("vaults")).unwrap().flatten().filter(is_vault).count(), 1);

    // What was kept is there again after the next install, and then it can be given back.
    fs::remove_dir(&cache).unwrap();
    fs::rename(&aside, &cache).unwrap();
    install(&sandbox);
    uninstall(&sandbox);
    sandbox.expect_clear(&cache);
    assert_eq!((sandbox.config().refresh_token_count(), sandbox.azward_home().exists()), (1, false));
}

fn is_vault(entry: &fs::DirEntry) -> bool {
    entry.path().extension().is_some_and(|extension| extension == "vault")
}

#[test]
fn without_an_az_it_is_installed_and_says_so() {
    let known = ["/usr/bin/az", "/bin/az", "/usr/local/bin/az", "/snap/bin/az", "/home/linuxbrew/.linuxbrew/bin/az"];
    if let Some(az) = known.iter().find(|path| Path::new(path).exists()) {
        provision::announce(&format!("this machine has an az in `{az}`: what is done without one is not tested"));
        return;
    }
    let sandbox = machine(Sandbox::new());
    let said = install(&sandbox).out();
    assert!(said.contains("no Azure CLI is installed yet"), "{said}");
    open_new_terminal(&sandbox);
    let missing = sandbox.az(["version"]).run().exited(127);
    assert!(missing.err().starts_with("az: command not found"), "{missing:?}");
    // One that comes later is found, and pinned by the next install.
    let sandbox = sandbox.with_script_az("echo \"$1 of the real az\"");
    assert_eq!(sandbox.az(["version"]).run().ok().silent().out(), "version of the real az\n");
    install(&sandbox);
    assert_eq!(pinned(&sandbox), sandbox.wrapped_az().to_str().unwrap());
    uninstall(&sandbox);
    assert!(!sandbox.azward_home().exists());
}

#[test]
fn what_is_not_installed_is_not_uninstalled() {
    let sandbox = machine(Sandbox::new().with_fake_az());
    let refused = script(&sandbox, "uninstall.sh").run().exited(1);
    assert!(refused.err().contains("nothing is installed in"), "{refused:?}");
}
