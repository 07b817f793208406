//! Install and uninstall: the user's PATH in the registry, an adopted login, and everything given back to an az that seals it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::Instant;

use entra::User;

use super::login::done;
use super::machine::{Machine, collect, windows_path};

/// Where Windows keeps the PATH of a user, and of the machine.
const USER: &str = r"HKCU\Environment";
const MACHINE: &str = r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment";

impl Machine {
    /// A value of the registry as `reg` shows it: its kind and its text; nothing where there is none.
    fn registry(&self, key: &str, value: &str) -> Option<(String, String)> {
        let shown = self.run(["reg", "query", key, "/v", value]);
        let shown = shown.out();
        let line = shown.lines().find(|line| line.trim_start().to_lowercase().starts_with(&value.to_lowercase()))?;
        let mut words = line.trim().splitn(3, "    ").map(|word| word.trim().to_owned()).skip(1);
        Some((words.next()?, words.next().unwrap_or_default()))
    }

    fn set_registry(&self, key: &str, value: &str, kind: &str, text: &str) {
        self.run(["reg", "add", key, "/v", value, "/t", kind, "/d", text, "/f"]).ok();
    }
}

#[test]
#[ignore = "needs wine: .ci/windows"]
fn install_adopts_and_uninstall_gives_back() {
    let machine = Machine::new();
    machine.entra().knobs(|knobs| knobs.next_login = User::Alice);
    machine.real_az(["login", "--use-device-code"]).ok();
    assert_eq!(machine.refresh_tokens_in_the_cache(), 1, "az seals it and keeps it");
    let path = (String::from("REG_EXPAND_SZ"), String::from(r"%USERPROFILE%\bin;D:\tools"));
    machine.set_registry(USER, "Path", &path.0, &path.1);
    let own = machine.run([&*Machine::built("azward.exe"), "install"]).ok();
    assert!(own.out().contains("adopted 1 login(s)"), "{own:?}");
    assert_eq!(machine.refresh_tokens_in_the_cache(), 0);
    done("install adopts the login out of the sealed cache");

    let bin = format!(r"{}\.azward\bin", machine.profile_name());
    let with_it = (path.0.clone(), format!("{bin};{}", path.1));
    assert_eq!(machine.registry(USER, "Path").as_ref(), Some(&with_it));
    let again = machine.azward(["install"]).ok();
    assert!(again.out().contains("already on the user's PATH"), "{again:?}");
    assert_eq!(machine.registry(USER, "Path"), Some(with_it));
    // What Microsoft's installer does for all users.
    let (kind, before) = machine.registry(MACHINE, "Path").expect("a machine has a PATH");
    let cli = r"C:\Program Files\Microsoft SDKs\Azure\CLI2\wbin";
    machine.set_registry(MACHINE, "Path", &kind, &format!("{before};{cli}"));
    let told = machine.azward(["install"]).ok();
    assert!(told.out().contains("the machine's PATH comes before it") && told.out().contains(cli), "{told:?}");
    done("install puts the shim on the user's PATH in the registry, and tells of an az that goes before it");

    let gone = machine.azward(["uninstall"]).ok();
    assert_eq!(machine.registry(USER, "Path"), Some(path), "{gone:?}");
    assert_eq!(machine.refresh_tokens_in_the_cache(), 1, "the login is back in az's sealed cache");
    assert!(!machine.config_dir().join("msal_token_cache.json").exists(), "and nowhere in the clear");
    assert!(
        !machine.azward_home().exists(),
        "{gone:?}: {:?}",
        fs::read_dir(machine.azward_home()).map(Iterator::count)
    );
    machine.entra().clear_journal();
    machine.real_az(["account", "get-access-token", "--scope", "https://vault.azure.net/.default"]).ok();
    assert_eq!(machine.entra().refreshes(), 1, "az uses it");
    done("uninstall gives the login back, sealed, and leaves nothing");
}

#[test]
#[ignore = "needs wine: .ci/windows"]
fn an_install_replaces_a_shim_that_runs() {
    let machine = Machine::with_azward();
    let waiting = machine.profile().join("az.cmd");
    fs::write(&waiting, "@echo off\r\necho ready\r\nset /p line=\r\n").unwrap();
    let mut command = machine.command([&*machine.installed("az.exe"), "feature", "list"]);
    command.env("AZWARD_REAL_AZ", format!(r"{}\az.cmd", machine.profile_name()));
    let mut running = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(running.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said.trim(), "ready");
    // Another build, as it were.
    let build = tempfile::tempdir().unwrap();
    for program in ["az.exe", "azward.exe", "azward-inside.exe"] {
        let mut bytes = fs::read(Machine::built_at(program)).unwrap();
        bytes.push(0);
        fs::write(build.path().join(program), bytes).unwrap();
    }
    let azward = windows_path(&build.path().join("azward.exe"));
    let installed = machine.run([&*azward, "install", "--no-modify-path"]).ok();
    for program in ["az.exe", "azward.exe"] {
        let is_new = fs::read(machine.azward_home().join("bin").join(program)).unwrap()
            == fs::read(build.path().join(program)).unwrap();
        assert!(is_new, "{program}: {installed:?}");
    }
    running.stdin.take().unwrap().write_all(b"\r\n").unwrap();
    collect(running, "the shim that ran".to_owned(), Instant::now()).ok();
    machine.azward(["uninstall"]).ok();
    assert!(!machine.azward_home().exists());
    done("an install replaces a shim that runs");
}
