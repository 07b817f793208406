//! Commands have what their box has, and what it is given: an az, an environment of PATH alone, a keyring.

use entra::{Rolling, User};

use super::failure;
use crate::support::{ConfigDir, Invocation, Sandbox, SecretService, State, provision};

const ARM: &str = "https://management.core.windows.net//.default";

#[test]
fn commands_have_the_environment_of_their_box_and_no_other() {
    let sandbox = Sandbox::new().with_env("EXTRA", "1");
    let names = |text: String| text.lines().map(|line| line.split('=').next().unwrap().to_owned()).collect::<Vec<_>>();
    let mut seen = names(sandbox.shell("/usr/bin/env").run().ok().out());
    seen.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(&name.as_str()));
    seen.sort();
    let own: Vec<_> = sandbox.environment().into_keys().map(|name| name.into_string().unwrap()).collect();
    assert_eq!(seen, own);
    let home = sandbox.home();
    let poor = Invocation::new(&sandbox, "/usr/bin/env").only_path().run().ok();
    assert_eq!(names(poor.out()), ["PATH"]);
    assert_eq!(sandbox.shell("pwd").run().ok().out().trim(), home.to_str().unwrap());
    assert_eq!(sandbox.shell("pwd").cwd("/bin").run().ok().out().lines().count(), 1);
}

#[test]
fn commands_are_run_in_every_form() {
    let sandbox = Sandbox::new().with_fake_az();
    let odd = "it's \"odd\" $HOME\n*";
    assert_eq!(sandbox.plain_az(["print", odd]).through_shell().run().ok().out(), format!("{odd}\n"));
    assert_eq!(sandbox.plain_az(["cat"]).input("typed").run().ok().out(), "typed");
    let merged = sandbox.plain_az(["print", "a", "warn", "b", "exit", "3"]).merged().run().exited(3);
    assert_eq!((merged.out().as_str(), merged.err().as_str()), ("a\nb\n", ""));
    sandbox.plain_az(["exit", "0"]).in_script(r#"exec "$0" "$@" <&- 8>&1 9>&2"#).run().ok();
    let line = sandbox.fake_log().pop().unwrap();
    let descriptors = line["descriptors"].as_array().unwrap();
    assert!([8, 9].iter().all(|number| descriptors.contains(&(*number).into())), "{line}");
    assert_eq!(line["argv"].as_array().unwrap().len(), 3);
}

#[test]
fn a_script_can_be_the_az() {
    let sandbox = Sandbox::new().with_script_az("echo \"$1\"; exit 4");
    assert_eq!(sandbox.plain_az(["word"]).run().exited(4).out(), "word\n");
}

#[test]
fn the_real_az_logs_in_against_the_stand_in() {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|knobs| knobs.rolling = Rolling::Strict);
    let config = sandbox.config();
    assert!(sandbox.plain_az(["version"]).run().ok().out().contains(provision::AZURE_CLI_VERSION));
    sandbox.plain_login(&entra, User::Alice);
    assert_eq!((config.accounts(), config.refresh_token_count()), (vec![User::Alice.username().to_owned()], 1));
    assert!(failure(|| sandbox.assert_nothing_in_the_clear()).contains("msal_token_cache.json"));

    let text = config.token_cache_text();
    config.edit_token_cache(|_| {});
    assert_eq!(config.token_cache_text(), text, "reading and writing changes no byte");

    let tenant = entra::TENANT_A.id;
    let refreshes = entra.refreshes();
    let secret = |config: &ConfigDir| config.access_token(tenant, ARM).unwrap()["secret"].clone();
    let before = secret(&config);
    config.age_access_tokens(1000, "management");
    sandbox.plain_az(["account", "get-access-token", "--output", "none"]).run().ok().silent();
    assert_eq!((entra.refreshes(), secret(&config)), (refreshes, before.clone()), "1000 s are enough for az");
    config.age_access_tokens(100, "management");
    sandbox.plain_az(["account", "get-access-token", "--output", "none"]).run().ok().silent();
    assert_eq!(entra.refreshes(), refreshes + 1, "100 s are not");
    assert_ne!(secret(&config), before);
    let copy = config.copy_to(sandbox.root().join("copy"));
    config.drop_access_tokens();
    assert!(config.access_token(tenant, ARM).is_none() && copy.access_token(tenant, ARM).is_some());
    sandbox.expect_clear(copy.path());
    sandbox.expect_clear(config.token_cache_path());
}

#[test]
fn an_isolated_az_finds_its_login_without_a_home() {
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.expect_clear(sandbox.config().token_cache_path());
    sandbox.plain_az(["login", "alice@contoso.example"]).run().ok();
    let fake = sandbox.wrapped_az();
    sandbox.isolated(None, &[fake.to_str().unwrap(), "exit", "6"]).run().exited(6);
    let line = sandbox.fake_log().pop().unwrap();
    let names: Vec<_> = line["environment"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!((names, &line["cache"]["refresh_tokens"]), (vec!["PATH"], &1.into()));
    assert!(["/bin", "/usr/bin"].contains(&line["cwd"].as_str().unwrap()));
    let user = rustix::process::getuid().as_raw().to_string();
    assert_eq!(sandbox.isolated(None, &["id", "-u"]).run().ok().out().trim(), user);
}

#[test]
fn an_isolated_real_az_trusts_the_stand_in() {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|_| {});
    sandbox.expect_clear(sandbox.config().token_cache_path());
    sandbox.plain_login(&entra, User::Bob);
    let az = sandbox.wrapped_az();
    let command = [az.to_str().unwrap(), "account", "get-access-token", "--resource", "https://vault.azure.net"];
    let refreshes = entra.refreshes();
    let token = sandbox.isolated(Some(&entra), &command).run().ok().silent().json();
    assert_eq!((&token["tokenType"], entra.refreshes()), (&"Bearer".into(), refreshes + 1));
}

#[test]
fn a_secret_service_is_locked_and_unlocked() {
    let sandbox = Sandbox::new();
    let is_locked = || {
        let get = "dbus-send --session --print-reply=literal --dest=org.freedesktop.secrets \
                   /org/freedesktop/secrets/collection/login org.freedesktop.DBus.Properties.Get \
                   string:org.freedesktop.Secret.Collection string:Locked";
        let reply = sandbox.shell(get).run().ok().out();
        reply.contains("boolean true") || {
            assert!(reply.contains("boolean false"), "{reply}");
            false
        }
    };
    let mut service = SecretService::start(&sandbox, State::Locked);
    assert!(is_locked());
    service.unlock();
    assert!(!is_locked());
    service.stop();
    drop(service);
    sandbox.shell("dbus-send --session --print-reply / a.b").run().exited(1);
}
