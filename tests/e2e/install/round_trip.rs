//! Everything is put in its place once, a login that is there is adopted, every shell finds the shim, and everything is
//! given back as it was.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;

use entra::User;

use super::{
    KEY_VAULT, STORAGE, assert_is_shim, bin, contents, files, furnish, install, machine, open_new_terminal, pinned,
    uninstall,
};
use crate::support::installed::script;
use crate::support::sessions::login;
use crate::support::{ConfigDir, Invocation, Sandbox, provision};

#[test]
fn installed_twice_it_is_there_once_and_uninstalled_it_was_never_there() {
    let sandbox = machine(Sandbox::new().with_fake_az());
    furnish(&sandbox.home());
    let before = contents(&sandbox.home());
    let said = install(&sandbox).out();
    assert!(said.contains(&format!("the real az is `{}`", sandbox.wrapped_az().display())), "{said}");
    let once = files(&sandbox.home());
    for program in ["az", "azward-inside", "azward"] {
        assert_eq!(once[&bin(&sandbox).join(program)].0 & 0o777, 0o755, "{program}");
    }
    for name in [".bashrc", ".profile", ".zshrc", ".config/fish/conf.d/azward.fish"] {
        let text = fs::read_to_string(sandbox.home().join(name)).unwrap();
        assert_eq!(text.matches("# >>> azward >>>").count(), 1, "{name}");
        assert!(said.contains(name), "{name} is not in what it said: {said}");
    }
    assert_eq!(once[&sandbox.home().join(".bashrc")].0 & 0o777, 0o600);

    assert!(install(&sandbox).out().contains("already there"));
    assert!(files(&sandbox.home()) == once, "the second install changed a file");

    uninstall(&sandbox);
    assert!(!sandbox.azward_home().exists());
    assert_eq!(contents(&sandbox.home()), before);
}

#[test]
fn start_up_files_that_were_not_there_go_again() {
    let sandbox = machine(Sandbox::new().with_fake_az()).with_env("SHELL", "/bin/bash");
    install(&sandbox);
    assert!(sandbox.home().join(".bashrc").exists() && sandbox.home().join(".profile").exists());
    assert!(!sandbox.home().join(".zshrc").exists());
    uninstall(&sandbox);
    assert_eq!(contents(&sandbox.home()), BTreeMap::new());
}

#[test]
fn path_is_left_alone_when_asked_to() {
    let sandbox = machine(Sandbox::new().with_fake_az());
    furnish(&sandbox.home());
    let before = contents(&sandbox.home());
    let said = script(&sandbox, "install.sh").args(["--no-modify-path"]).run().ok().silent().out();
    assert!(said.contains(&format!("put `{}` first on it", bin(&sandbox).display())), "{said}");
    let mut after = contents(&sandbox.home());
    after.retain(|path, _| !path.starts_with(sandbox.azward_home()));
    assert_eq!(after, before);

    let wrong = script(&sandbox, "install.sh").args(["--modify-path"]).run().exited(2);
    assert!(wrong.err().contains("unknown option"), "{wrong:?}");
    assert!(script(&sandbox, "install.sh").args(["--help"]).run().ok().out().contains("--no-modify-path"));
}

#[test]
fn a_login_is_adopted_and_given_back() {
    let sandbox = machine(Sandbox::new().with_real_az());
    let entra = sandbox.start_entra(|_| {});
    sandbox.plain_login(&entra, User::Alice);
    let said = install(&sandbox).out();
    assert!(said.contains("adopted 1 login(s)"), "{said}");
    assert_eq!(pinned(&sandbox), sandbox.wrapped_az().to_str().unwrap());
    sandbox.assert_nothing_in_the_clear();

    open_new_terminal(&sandbox);
    let status = sandbox.azward(["status"]).run().ok().out();
    assert!(status.contains("(pinned)") && status.contains("first on PATH"), "{status}");
    assert!(sandbox.az(KEY_VAULT).run().ok().silent().json()["accessToken"].is_string());
    sandbox.assert_nothing_in_the_clear();

    let said = uninstall(&sandbox).out();
    assert!(said.contains("gave 1 login(s) back"), "{said}");
    assert!(!sandbox.azward_home().exists());
    sandbox.expect_clear(sandbox.config().token_cache_path());
    assert_eq!((sandbox.config().refresh_token_count(), sandbox.config().accounts().len()), (1, 1));
    let refreshes = entra.refreshes();
    assert!(sandbox.az(STORAGE).run().ok().silent().json()["accessToken"].is_string());
    assert_eq!(entra.refreshes(), refreshes + 1, "plain az used the refresh token that it was given back");
}

#[test]
fn every_new_shell_finds_the_shim_first_and_once() {
    let sandbox = machine(Sandbox::new().with_fake_az());
    furnish(&sandbox.home());
    install(&sandbox);
    let shells: [(&str, &[&str]); 6] =
        [("bash", &["-i"]), ("bash", &["-l"]), ("sh", &["-l"]), ("zsh", &["-i"]), ("fish", &["-i"]), ("fish", &["-l"])];
    for (shell, options) in shells {
        if which::which_in(shell, sandbox.environment().get(OsStr::new("PATH")), "/").is_err() {
            provision::announce(&format!("{shell} is not installed, so nobody knows whether it finds the shim"));
            continue;
        }
        let run = |line: &str| Invocation::new(&sandbox, shell).args(options).args(["-c", line]).run().ok().out();
        assert_is_shim(&sandbox, &run("command -v az"), shell);
        let nested = format!("exec {shell} {} -c 'env'", options.join(" "));
        let environment = run(&nested);
        let path = environment.lines().find_map(|line| line.strip_prefix("PATH=")).expect("PATH is set");
        let times = std::env::split_paths(path).filter(|part| *part == bin(&sandbox)).count();
        assert_eq!(times, 1, "{shell} in {shell} has PATH={path}");
        // A multiplexer, or a login shell's system files, may have built PATH anew, with another az before it.
        let rebuilt =
            std::env::join_paths([sandbox.root().join("real"), "/usr/bin".into(), "/bin".into(), bin(&sandbox)]);
        let rebuilt = Invocation::new(&sandbox, shell).env("PATH", rebuilt.expect("no colon in it"));
        assert_is_shim(&sandbox, &rebuilt.args(options).args(["-c", "command -v az"]).run().ok().out(), shell);
    }
}

#[test]
fn an_installed_shim_reaches_its_vault_with_path_alone() {
    let sandbox = machine(Sandbox::new().with_unknown_az());
    // Not below the home: with PATH alone, nothing but the shim's own place leads to it.
    sandbox.set_env("AZWARD_HOME", sandbox.root().join("somewhere else"));
    sandbox.know_real_az();
    let entra = sandbox.start_entra(|_| {});
    sandbox.plain_login(&entra, User::Bob);
    install(&sandbox);
    sandbox.assert_nothing_in_the_clear();
    let shim = bin(&sandbox).join("az");
    let line: Vec<&str> = std::iter::once(shim.to_str().unwrap()).chain(KEY_VAULT).collect();
    let refreshes = entra.refreshes();
    let token = sandbox.isolated(Some(&entra), &line).run().ok().silent().json();
    assert_eq!((&token["tokenType"], entra.refreshes()), (&"Bearer".into(), refreshes + 1));
    sandbox.assert_nothing_in_the_clear();
    assert!(!sandbox.home().join(".azward").exists());
}

#[test]
fn a_login_with_a_name_is_adopted_again_where_the_uninstall_has_left_it() {
    let sandbox = machine(Sandbox::new().with_real_az());
    let entra = sandbox.start_entra(|_| {});
    install(&sandbox);
    open_new_terminal(&sandbox);
    login(&sandbox, &entra, "lab", User::Bob);
    let directory = sandbox.azward_home().join("logins/lab");
    let said = uninstall(&sandbox).out();
    assert!(said.contains("the login `lab` stays in "), "{said}");
    assert_eq!(ConfigDir::at(&directory).refresh_token_count(), 1);
    install(&sandbox);
    sandbox.assert_nothing_in_the_clear();
    sandbox.azward(["start", "fabrikam-shared"]).run().ok();
    sandbox.azward(["logout", "lab"]).run().ok();
}
