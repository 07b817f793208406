//! An az that keeps its tokens in the system's keyring itself (`core.encrypt_token_cache`, a later az by default): where azward has
//! the login it goes on with that; where az has it, azward takes it out of there, and an uninstall gives it back. An answer never
//! comes from a file that az no longer reads.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

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

/// What az has in its item for the token cache.
fn token_cache_item(sandbox: &Sandbox) -> Option<String> {
    sandbox.keyring_item("Microsoft Azure CLI", &[("type", "Token cache")])
}

/// A box with a keyring and an az that reaches it; nothing where the system has not what that takes.
fn with_keyring(test: impl FnOnce(&Sandbox, &Entra, SecretService<'_>)) {
    let sandbox = Sandbox::new().with_real_az();
    if !sandbox.with_libsecret() {
        return;
    }
    let service = SecretService::start(&sandbox, State::Unlocked);
    let entra = sandbox.start_entra(|_| {});
    test(&sandbox, &entra, service);
}

/// The same with an az that encrypts by default.
fn encrypting(test: impl FnOnce(&Sandbox, &Entra)) {
    with_keyring(|sandbox, entra, _service| {
        sandbox.wrap_encrypting_az();
        test(sandbox, entra);
    });
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
    assert_eq!(said(&["group", "list"]), told);
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
fn an_az_whose_config_says_encrypt_goes_on_with_the_login_that_azward_has() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let config = sandbox.config_dir().join("config");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("[core]\n", "[core]\nencrypt_token_cache = true\n")).unwrap();
    // Without PyGObject az alone fails.
    sandbox.plain_az(TOKEN).run().exited(1);
    sandbox.az(TOKEN).run().ok().silent();
    sandbox.az(TOKEN).args(["--resource", "https://one.example"]).run().ok().silent();
    sandbox.az(["group", "list"]).run().ok().silent();
    sandbox.azward(["refresh"]).run().ok();
    assert!(signs(&sandbox).is_empty(), "{:?}", signs(&sandbox));
    // Uninstalled, it is in the file, and what has az read that is said.
    sandbox.azward(["install", "--no-modify-path"]).run().ok();
    let said = sandbox.azward(["uninstall"]).run().ok().out();
    assert!(said.contains("az config set core.encrypt_token_cache=false"), "{said}");
    sandbox.expect_clear(sandbox.config_dir());
}

#[test]
fn an_az_that_is_told_to_encrypt_by_a_variable_does_as_it_is_told() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let told = |az: crate::support::Invocation<'_>| az.env(VARIABLE, "true").run().exited(1);
    let bare = told(sandbox.plain_az(TOKEN));
    let ours = told(sandbox.az(TOKEN));
    assert_eq!((ours.out(), ours.err()), (bare.out(), bare.err()));
    let refused = sandbox.azward(["refresh"]).env(VARIABLE, "true").run().exited(2);
    assert!(refused.err().contains("`AZURE_CORE_ENCRYPT_TOKEN_CACHE` is set"), "{refused:?}");
    let status = sandbox.azward(["status"]).env(VARIABLE, "true").run().ok().out();
    assert!(status.contains("az keeps them in the system's keyring itself"), "{status}");
    sandbox.az(TOKEN).args(["--resource", "https://one.example"]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn a_login_that_az_has_in_its_keyring_is_taken_out_of_it() {
    encrypting(|sandbox, entra| {
        sandbox.plain_login(entra, User::Alice);
        assert_eq!(signs(sandbox), ["msal_token_cache.sig"]);
        assert!(token_cache_item(sandbox).unwrap().contains("\"RefreshToken\""));
        let said = sandbox.azward(["install", "--no-modify-path"]).run().ok().out();
        assert!(said.contains("adopted 1 login(s)"), "{said}");
        assert_eq!(token_cache_item(sandbox), None);
        sandbox.assert_nothing_in_the_clear();
        let asked = entra.refreshes();
        for resource in ["https://one.example", "https://two.example"] {
            sandbox.az(TOKEN).args(["--resource", resource]).run().ok().silent();
        }
        sandbox.az(["group", "list"]).run().ok().silent();
        assert_eq!(user(&sandbox.az(TOKEN).run().ok().silent().token()), User::Alice.username());
        assert!(entra.refreshes() > asked);
        let status = sandbox.azward(["status"]).run().ok().out();
        assert!(!status.contains("keyring itself"), "{status}");
        // The next one goes where the first is.
        sandbox.login(entra, User::Bob);
        sandbox.az(["group", "list"]).run().ok().silent();
        assert_eq!(token_cache_item(sandbox), None);
        sandbox.az(["account", "clear"]).run().ok().silent();
        sandbox.login(entra, User::Alice);
        sandbox.az(["group", "list"]).run().ok().silent();
        assert_eq!(token_cache_item(sandbox), None);
        sandbox.assert_nothing_in_the_clear();
    });
}

#[test]
fn what_an_unwrapped_az_puts_into_the_keyring_is_taken_out_by_the_next_az() {
    encrypting(|sandbox, entra| {
        sandbox.login(entra, User::Alice);
        sandbox.plain_login(entra, User::Bob);
        assert!(token_cache_item(sandbox).is_some());
        let alice = ["--subscription", entra::SUBSCRIPTION_1.id, "--resource", "https://one.example"];
        assert_eq!(user(&sandbox.az(TOKEN).args(alice).run().ok().silent().token()), User::Alice.username());
        assert_eq!(token_cache_item(sandbox), None);
        let token = sandbox.az(TOKEN).args(["--resource", "https://two.example"]).run().ok().silent().token();
        assert_eq!(user(&token), User::Bob.username());
        sandbox.assert_nothing_in_the_clear();
        // And by `azward scrub`, with no az at all.
        sandbox.plain_login(entra, User::Bob);
        let said = sandbox.azward(["scrub"]).run().ok().out();
        assert!(said.contains("taken out of the keyring") && token_cache_item(sandbox).is_none(), "{said}");
    });
}

#[test]
fn a_login_that_was_taken_out_and_not_yet_put_into_the_file_is_there() {
    encrypting(|sandbox, entra| {
        sandbox.plain_login(entra, User::Alice);
        sandbox.azward(["scrub"]).run().ok();
        for is_whole in [true, false] {
            // As a kill in between leaves it.
            if !is_whole {
                fs::remove_file(sandbox.config_dir().join("msal_token_cache.json")).unwrap();
            }
            for (name, age) in [("msal_token_cache.sig", 2), ("msal_token_cache.json", 5)] {
                let file = fs::File::options().write(true).open(sandbox.config_dir().join(name));
                let _ = file.map(|file| file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap());
            }
            sandbox.az(TOKEN).args(["--resource", &format!("https://{is_whole}.example")]).run().ok().silent();
            sandbox.az(["group", "list"]).run().ok().silent();
        }
        sandbox.assert_nothing_in_the_clear();
    });
}

#[test]
fn an_uninstall_gives_back_what_an_unwrapped_az_has_put_there_too() {
    encrypting(|sandbox, entra| {
        sandbox.plain_login(entra, User::Alice);
        sandbox.azward(["install", "--no-modify-path"]).run().ok();
        sandbox.plain_login(entra, User::Bob);
        sandbox.azward(["uninstall"]).run().ok();
        sandbox.expect_clear(sandbox.root());
        let item = token_cache_item(sandbox).unwrap();
        for user in [User::Alice, User::Bob] {
            assert!(item.contains(user.username()), "{}", user.username());
        }
        for subscription in [entra::SUBSCRIPTION_1.id, entra::SUBSCRIPTION_2.id] {
            let words = ["--resource", "https://one.example", "--subscription", subscription];
            sandbox.plain_az(TOKEN).args(words).run().ok();
        }
        sandbox.plain_az(TOKEN).args(["--resource", "https://one.example"]).run().ok();
    });
}

#[test]
fn the_login_of_another_directory_stays_in_the_keyring_for_that() {
    encrypting(|sandbox, entra| {
        let other = sandbox.root().join("other directory");
        let copy = |from: &Path, to: &Path| {
            fs::create_dir_all(to).unwrap();
            for name in ["config", "clouds.config"] {
                fs::copy(from.join(name), to.join(name)).unwrap();
            }
        };
        sandbox.plain_login(entra, User::Alice);
        copy(&sandbox.config_dir(), &other);
        // az has one item for both, and what was in it is gone.
        entra.knobs(|knobs| knobs.next_login = User::Bob);
        let there = |az: crate::support::Invocation<'_>| az.env("AZURE_CONFIG_DIR", &other).run();
        there(sandbox.plain_az(["login", "--use-device-code"])).ok();
        let has_bob = |item: Option<String>| item.is_some_and(|item| item.contains(User::Bob.username()));
        assert!(has_bob(token_cache_item(sandbox)));
        sandbox.az(TOKEN).run().exited(1);
        sandbox.azward(["install", "--no-modify-path"]).run().ok();
        assert!(has_bob(token_cache_item(sandbox)));
        let token = there(sandbox.az(TOKEN)).ok().silent().token();
        assert_eq!(user(&token), User::Bob.username());
        assert_eq!(token_cache_item(sandbox), None);
        // From here on each has its own.
        sandbox.login(entra, User::Alice);
        assert_eq!(user(&there(sandbox.az(TOKEN)).ok().silent().token()), User::Bob.username());
        assert_eq!(user(&sandbox.az(TOKEN).run().ok().silent().token()), User::Alice.username());
    });
}

#[test]
fn a_locked_keyring_keeps_what_it_has_until_it_is_open() {
    with_keyring(|sandbox, entra, mut service| {
        sandbox.wrap_encrypting_az();
        sandbox.plain_login(entra, User::Alice);
        service.lock();
        let bare = sandbox.plain_az(TOKEN).run();
        let ours = sandbox.az(TOKEN).run();
        assert_eq!((ours.status, ours.out()), (bare.status, bare.out()));
        sandbox.azward(["scrub"]).run().ok();
        service.unlock();
        assert!(token_cache_item(sandbox).is_some());
        assert_eq!(user(&sandbox.az(TOKEN).run().ok().silent().token()), User::Alice.username());
        assert_eq!(token_cache_item(sandbox), None);
        // And what is to go back there stays in the vault as long.
        sandbox.azward(["install", "--no-modify-path"]).run().ok();
        service.lock();
        let refused = sandbox.azward(["uninstall"]).run().exited(4);
        assert!(refused.err().contains("keyring"), "{refused:?}");
        service.unlock();
        sandbox.azward(["uninstall"]).run().ok();
        assert!(token_cache_item(sandbox).is_some());
    });
}

#[test]
fn the_keyring_of_an_az_that_is_told_to_by_its_config_is_emptied_and_an_uninstall_fills_it() {
    with_keyring(|sandbox, entra, _service| {
        sandbox.plain_az(["config", "set", "core.encrypt_token_cache=true"]).run().ok();
        sandbox.plain_login(entra, User::Alice);
        let item = || sandbox.keyring_item("my_schema_name", &[("my_attr1", "foo"), ("my_attr2", "bar")]);
        assert!(item().is_some() && signs(sandbox) == ["msal_token_cache.bin"]);
        sandbox.azward(["install", "--no-modify-path"]).run().ok();
        assert_eq!(item(), None);
        sandbox.assert_nothing_in_the_clear();
        sandbox.az(TOKEN).run().ok().silent();
        sandbox.az(TOKEN).args(["--resource", "https://one.example"]).run().ok().silent();
        let said = sandbox.azward(["uninstall"]).run().ok().out();
        assert!(said.contains("gave 1 login(s) back") && !said.contains("encrypt_token_cache"), "{said}");
        sandbox.expect_clear(sandbox.root());
        assert!(item().is_some_and(|item| item.contains("\"RefreshToken\"")));
        assert!(!sandbox.config_dir().join("msal_token_cache.json").exists());
        sandbox.plain_az(TOKEN).args(["--resource", "https://two.example"]).run().ok().silent();
    });
}

#[test]
fn who_is_signed_out_of_both_is_forgotten() {
    encrypting(|sandbox, entra| {
        sandbox.login(entra, User::Alice);
        sandbox.plain_login(entra, User::Bob);
        sandbox.az(["logout", "--username", User::Alice.username()]).run().ok();
        let listed = sandbox.azward(["list", "--logins"]).run().ok().out();
        assert!(!listed.contains(User::Alice.username()), "{listed}");
        assert_eq!(user(&sandbox.az(TOKEN).run().ok().silent().token()), User::Bob.username());
        sandbox.az(["account", "clear"]).run().ok();
        assert_eq!(token_cache_item(sandbox), None);
        sandbox.az(TOKEN).run().exited(1);
        sandbox.assert_nothing_in_the_clear();
    });
}

#[test]
fn an_az_that_encrypts_only_when_it_is_told_to_reads_the_file_again_when_it_is_not() {
    with_keyring(|sandbox, entra, _service| {
        sandbox.login(entra, User::Alice);
        entra.knobs(|knobs| knobs.next_login = User::Bob);
        let login = ["login", "--use-device-code"];
        sandbox.az(login).env(VARIABLE, "true").run().ok();
        assert_eq!(signs(sandbox), ["msal_token_cache.bin"]);
        let token = |resource: &str| sandbox.az(TOKEN).args(["--resource", resource]);
        let told = token("https://one.example").env(VARIABLE, "true").run().ok().silent().token();
        assert_eq!(user(&told), User::Bob.username());
        let alice = ["--subscription", entra::SUBSCRIPTION_1.id];
        for words in [&["--resource", "https://two.example"][..], &[]] {
            let token = sandbox.az(TOKEN).args(alice).args(words).run().ok().silent().token();
            assert_eq!(user(&token), User::Alice.username());
        }
        sandbox.assert_nothing_in_the_clear();
    });
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

#[test]
fn an_application_s_item_is_emptied_and_given_back_too() {
    encrypting(|sandbox, entra| {
        let id = SERVICE_PRINCIPAL.client_id;
        let words = ["login", "--service-principal", "-u", id, "--tenant", TENANT_A.id, "-p", entra.client_secret()];
        sandbox.plain_az(words).run().ok();
        let item = || sandbox.keyring_item("Microsoft Azure CLI", &[("type", "Secret store")]);
        assert!(item().is_some_and(|item| item.contains(entra.client_secret())));
        let said = sandbox.azward(["install", "--no-modify-path"]).run().ok().out();
        assert!(said.contains("adopted 1 login(s)"), "{said}");
        assert_eq!((item(), token_cache_item(sandbox)), (None, None));
        sandbox.assert_nothing_in_the_clear();
        sandbox.az(TOKEN).args(["--resource", "https://one.example"]).run().ok().silent();
        sandbox.az(["group", "list"]).run().ok().silent();
        sandbox.azward(["uninstall"]).run().ok();
        assert!(item().is_some_and(|item| item.contains(entra.client_secret())));
        sandbox.expect_clear(sandbox.root());
        sandbox.plain_az(TOKEN).args(["--resource", "https://two.example"]).run().ok().silent();
    });
}
