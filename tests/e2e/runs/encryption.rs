//! An az that keeps its tokens in the system's keyring itself (`core.encrypt_token_cache`, a later az by default): where azward has
//! the login it goes on with that; where az has it, azward stays out of the way, and never answers from a file that az no longer
//! reads.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;

use entra::{Entra, SERVICE_PRINCIPAL, TENANT_A, User};

use crate::support::native::claims;
use crate::support::{Sandbox, SecretService, State};

const TOKEN: [&str; 2] = ["account", "get-access-token"];
const VARIABLE: &str = "AZURE_CORE_ENCRYPT_TOKEN_CACHE";

/// What an az that encrypts touches.
fn signs(sandbox: &Sandbox) -> Vec<String> {
    let names = sandbox.config_dir().read_dir().unwrap().flatten().map(|entry| entry.file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    // The other file of this ending has answers of the network in it.
    names.retain(|name| name.ends_with(".sig") || (name.ends_with(".bin") && name != "msal_http_cache.bin"));
    names.sort();
    names
}

/// The user whose token it is.
fn user(token: &str) -> &'static str {
    let claims = claims(token);
    let is_of = |user: &&User| claims["unique_name"] == user.username();
    User::ALL.iter().find(is_of).unwrap_or_else(|| panic!("{claims}")).username()
}

/// A box with a keyring and an az that encrypts by default; nothing where the system has not what that takes.
fn encrypting(test: impl FnOnce(&Sandbox, &Entra)) {
    let sandbox = Sandbox::new().with_real_az();
    if !sandbox.with_libsecret() {
        return;
    }
    let _service = SecretService::start(&sandbox, State::Unlocked);
    let entra = sandbox.start_entra(|_| {});
    sandbox.wrap_encrypting_az();
    test(&sandbox, &entra);
}

#[test]
fn an_az_that_encrypts_by_now_goes_on_with_the_login_that_azward_has() {
    let (sandbox, entra) = Sandbox::logged_in();
    sandbox.wrap_encrypting_az();
    sandbox.az(["group", "list"]).run().ok().silent();
    sandbox.az(TOKEN).args(["--resource", "https://one.example"]).run().ok().silent();
    // A form that only az understands.
    sandbox.az(TOKEN).args(["--resource", "https://two.example", "-o", "yamlc"]).run().ok().silent();
    sandbox.login(&entra, User::Bob);
    sandbox.az(["group", "list"]).run().ok().silent();
    sandbox.az(["logout", "--username", User::Alice.username()]).run().ok().silent();
    sandbox.az(["group", "list"]).run().ok().silent();
    assert!(signs(&sandbox).is_empty(), "{:?}", signs(&sandbox));
    let status = sandbox.azward(["status"]).run().ok().out();
    assert!(!status.contains("keyring itself"), "{status}");
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn whose_wish_it_is() {
    let sandbox = Sandbox::new().with_script_az("env | grep ENCRYPT; :");
    let config = |text: &str| {
        fs::create_dir_all(sandbox.config_dir()).unwrap();
        fs::write(sandbox.config_dir().join("config"), text).unwrap();
    };
    let said = |words: &[&str]| sandbox.az(words).run().ok().silent().out();
    let told = format!("{VARIABLE}=false\n");
    let application = ["login", "--service-principal", "-u", "u", "-p", "p"];
    for words in [&["group", "list"][..], &["login"], &application, &["account", "get-access-token"], &["logout"]] {
        assert_eq!(said(words), told, "{words:?}");
    }
    // What needs no login, and a managed identity's.
    for words in [&["config", "get"][..], &["account", "show"], &["login", "--identity"]] {
        assert_eq!(said(words), "", "{words:?}");
    }
    config("[core]\nencrypt_token_cache = true\n");
    assert_eq!(said(&["group", "list"]), "");
    config("[core]\nencrypt_token_cache = false\n");
    assert_eq!(said(&["group", "list"]), "");
    config("");
    for value in ["true", "false", "0", "", "teapot"] {
        let out = sandbox.az(["group", "list"]).env(VARIABLE, value).run().ok().silent().out();
        assert_eq!(out, format!("{VARIABLE}={value}\n"));
    }
    assert_eq!(sandbox.az(["group", "list"]).env("AZWARD_BYPASS", "1").run().ok().silent().out(), "");
}

#[test]
fn an_az_that_is_told_to_encrypt_does_as_it_is_told() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let config = sandbox.config_dir().join("config");
    let text = fs::read_to_string(&config).unwrap();
    let set = |value: &str| {
        fs::write(&config, text.replace("[core]\n", &format!("[core]\nencrypt_token_cache = {value}\n"))).unwrap();
    };
    set("true");
    // Without PyGObject az fails, in its own words, and azward says what it has to do with it.
    let bare = sandbox.plain_az(TOKEN).run().exited(1);
    let ours = sandbox.az(TOKEN).run().exited(1);
    assert_eq!(ours.out(), bare.out());
    assert!(ours.err().starts_with(&bare.err()), "{ours:?}{bare:?}");
    let told = ours.err()[bare.err().len()..].to_owned();
    assert!(told.starts_with("azward: az keeps its tokens in the system's keyring itself, because"), "{told}");
    assert!(told.ends_with("\nhint: to use it again, run `az config set core.encrypt_token_cache=false`\n"), "{told}");
    let refused = sandbox.azward(["refresh"]).run().exited(2);
    assert!(refused.err().contains("`encrypt_token_cache` is set"), "{refused:?}");
    let status = sandbox.azward(["status"]).run().ok().out();
    assert!(status.contains("az keeps them in the system's keyring itself"), "{status}");
    set("false");
    sandbox.az(TOKEN).args(["--resource", "https://one.example"]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn a_login_that_az_has_in_its_keyring_stays_there() {
    encrypting(|sandbox, entra| {
        sandbox.plain_login(entra, User::Alice);
        let kept = signs(sandbox);
        assert_eq!(kept, ["msal_token_cache.sig"]);
        sandbox.azward(["install", "--no-modify-path"]).run().ok();
        for words in
            [&["group", "list"][..], &TOKEN, &["account", "get-access-token", "--resource", "https://one.example"]]
        {
            sandbox.az(words).run().ok().silent();
        }
        assert_eq!(user(&sandbox.az(TOKEN).run().ok().silent().token()), User::Alice.username());
        assert!(!sandbox.config_dir().join("msal_token_cache.json").exists());
        let status = sandbox.azward(["status"]).run().ok().out();
        assert!(status.contains("there is a `msal_token_cache.sig`"), "{status}");
        // Another one goes where the first is, or one of the two would be lost.
        sandbox.login(entra, User::Bob);
        sandbox.az(["group", "list"]).run().ok().silent();
        assert!(!sandbox.config_dir().join("msal_token_cache.json").exists());
        sandbox.az(["account", "clear"]).run().ok().silent();
        assert!(signs(sandbox).is_empty());
        // From here on azward has it.
        sandbox.login(entra, User::Alice);
        sandbox.az(["group", "list"]).run().ok().silent();
        assert!(signs(sandbox).is_empty() && sandbox.config_dir().join("msal_token_cache.json").exists());
        sandbox.assert_nothing_in_the_clear();
    });
}

#[test]
fn an_answer_never_comes_from_a_file_that_az_no_longer_reads() {
    encrypting(|sandbox, entra| {
        sandbox.login(entra, User::Alice);
        assert_eq!(user(&sandbox.az(TOKEN).run().ok().silent().token()), User::Alice.username());
        assert!(signs(sandbox).is_empty());
        // Bare, beside azward: az has both in its profile, bob alone in its keyring, and bob is the active one.
        sandbox.plain_login(entra, User::Bob);
        assert_eq!(signs(sandbox), ["msal_token_cache.sig"]);
        for az in [sandbox.plain_az(TOKEN), sandbox.az(TOKEN), sandbox.az(TOKEN)] {
            assert_eq!(user(&az.run().ok().silent().token()), User::Bob.username());
        }
        let alice = ["--subscription", entra::SUBSCRIPTION_1.id];
        let bare = sandbox.plain_az(TOKEN).args(alice).run().exited(1);
        let ours = sandbox.az(TOKEN).args(alice).run().exited(1);
        assert!(ours.err().starts_with(&bare.err()) && ours.err().contains("\nazward: "), "{ours:?}{bare:?}");
        assert_eq!(sandbox.azward(["refresh"]).run().exited(2).out(), "");
        // What its owner says decides.
        sandbox.az(["config", "set", "core.encrypt_token_cache=false"]).run().ok();
        sandbox.az(TOKEN).args(alice).run().ok().silent();
        sandbox.az(["config", "unset", "core.encrypt_token_cache"]).run().ok();
        // Signed out there, it is forgotten here.
        sandbox.az(["logout", "--username", User::Alice.username()]).run().ok();
        let listed = sandbox.azward(["list", "--logins"]).run().ok().out();
        assert!(!listed.contains(User::Alice.username()), "{listed}");
        sandbox.assert_nothing_in_the_clear();
    });
}

#[test]
fn an_az_that_encrypts_only_when_it_is_told_to_reads_the_file_again_when_it_is_not() {
    let sandbox = Sandbox::new().with_real_az();
    if !sandbox.with_libsecret() {
        return;
    }
    let _service = SecretService::start(&sandbox, State::Unlocked);
    let entra = sandbox.start_entra(|_| {});
    sandbox.login(&entra, User::Alice);
    entra.knobs(|knobs| knobs.next_login = User::Bob);
    let login = ["login", "--use-device-code"];
    sandbox.az(login).env(VARIABLE, "true").run().ok();
    assert_eq!(signs(&sandbox), ["msal_token_cache.bin"]);
    let token = |resource: &str| sandbox.az(TOKEN).args(["--resource", resource]);
    let told = token("https://one.example").env(VARIABLE, "true").run().ok().silent().token();
    assert_eq!(user(&told), User::Bob.username());
    let alice = ["--subscription", entra::SUBSCRIPTION_1.id];
    for words in [&["--resource", "https://two.example"][..], &[]] {
        let token = sandbox.az(TOKEN).args(alice).args(words).run().ok().silent().token();
        assert_eq!(user(&token), User::Alice.username());
    }
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn what_an_older_az_left_in_the_file_is_sealed_and_does_not_come_back() {
    encrypting(|sandbox, entra| {
        let file = ["login", "--use-device-code"];
        entra.knobs(|knobs| knobs.next_login = User::Alice);
        sandbox.plain_az(file).env(VARIABLE, "false").run().ok();
        sandbox.plain_login(entra, User::Bob);
        sandbox.azward(["install", "--no-modify-path"]).run().ok();
        sandbox.assert_nothing_in_the_clear();
        for _ in 0..2 {
            assert_eq!(user(&sandbox.az(TOKEN).run().ok().silent().token()), User::Bob.username());
        }
    });
}

#[test]
fn uninstalled_the_login_is_there_and_what_has_az_read_it_is_said() {
    encrypting(|sandbox, entra| {
        sandbox.azward(["install", "--no-modify-path"]).run().ok();
        sandbox.login(entra, User::Alice);
        let said = sandbox.azward(["uninstall"]).run().ok().out();
        assert!(said.contains("az config set core.encrypt_token_cache=false"), "{said}");
        sandbox.expect_clear(sandbox.config_dir());
        sandbox.plain_az(["config", "set", "core.encrypt_token_cache=false"]).run().ok();
        sandbox.plain_az(TOKEN).args(["--resource", "https://one.example"]).run().ok().silent();
    });
}

#[test]
fn the_secret_of_an_application_is_sealed_as_a_person_s_login_is() {
    encrypting(|sandbox, entra| {
        let id = SERVICE_PRINCIPAL.client_id;
        let words = ["login", "--service-principal", "-u", id, "--tenant", TENANT_A.id, "-p", entra.client_secret()];
        sandbox.az(words).run().ok();
        let is_there = |name: &str| Path::new(&sandbox.config_dir()).join(name).exists();
        assert!(!is_there("service_principal_entries.sig") && is_there("service_principal_entries.json"));
        sandbox.az(["group", "list"]).run().ok().silent();
        sandbox.assert_nothing_in_the_clear();
    });
}
