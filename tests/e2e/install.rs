//! install.sh and uninstall.sh round-trip: everything is put in its place once, a login that is there is adopted, every
//! shell finds the shim, and everything is given back as it was.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use entra::User;
use serde_json::Value;

use crate::support::installed::script;
use crate::support::{Invocation, Outcome, Sandbox, provision};

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

fn settings(sandbox: &Sandbox) -> Value {
    let text = fs::read(sandbox.azward_home().join("config.json")).expect("it was installed");
    serde_json::from_slice(&text).expect("the settings are JSON")
}

fn assert_is_shim(sandbox: &Sandbox, found: &str, shell: &str) {
    assert_eq!(Path::new(found.trim()), bin(sandbox).join("az"), "{shell}");
}

#[test]
fn installed_twice_it_is_there_once_and_uninstalled_it_was_never_there() {
    let sandbox = machine(Sandbox::new().with_fake_az());
    furnish(&sandbox.home());
    let before = contents(&sandbox.home());
    let said = install(&sandbox).out();
    assert!(said.contains(&format!("the real az is `{}`", sandbox.wrapped_az().display())), "{said}");
    let once = files(&sandbox.home());
    for program in ["az", "azward"] {
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
    assert_eq!(settings(&sandbox)["real_az"], sandbox.wrapped_az().to_str().unwrap());
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
    }
}

#[test]
fn an_installed_shim_reaches_its_vault_with_path_alone() {
    let sandbox = machine(Sandbox::new().with_real_az());
    // Not below the home: with PATH alone, nothing but the shim's own place leads to it.
    sandbox.set_env("AZWARD_HOME", sandbox.root().join("somewhere else"));
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
    assert_eq!(settings(&sandbox)["real_az"], sandbox.wrapped_az().to_str().unwrap());
    uninstall(&sandbox);
    assert!(!sandbox.azward_home().exists());
}

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
    let settings = sandbox.azward_home().join("config.json");
    fs::write(&settings, "{\"exposure\": \"privat\"}").unwrap();
    let refused = script(&sandbox, "install.sh").run().exited(2);
    assert!(refused.err().contains("cannot be understood"), "{refused:?}");
    assert_eq!(fs::read_to_string(&settings).unwrap(), "{\"exposure\": \"privat\"}");

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

#[test]
fn what_is_not_installed_is_not_uninstalled() {
    let sandbox = machine(Sandbox::new().with_fake_az());
    let refused = script(&sandbox, "uninstall.sh").run().exited(1);
    assert!(refused.err().contains("nothing is installed in"), "{refused:?}");
}
