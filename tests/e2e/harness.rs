//! Proves the harness of the other tests: that what it makes is what it says, and that its checks can fail.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use entra::{REFRESH_TOKEN_CANARY, Rolling, User};

use crate::support::pty::{CTRL_C, CTRL_D, CTRL_Z};
use crate::support::{
    ConfigDir, End, Invocation, Sandbox, SecretService, Signal, State, Terminal, in_shell, provision, wait_until,
};

const ARM: &str = "https://management.core.windows.net//.default";

/// What `action` fails with.
fn failure(action: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(action)).expect_err("it has to fail");
    payload.downcast_ref::<String>().cloned().expect("it fails with a formatted text")
}

#[test]
fn a_canary_at_the_end_of_a_box_fails_its_test() {
    let sandbox = Sandbox::new();
    let hidden = sandbox.home().join("a/b");
    fs::create_dir_all(&hidden).unwrap();
    let path = hidden.join("token");
    fs::write(&path, format!("\0\0{REFRESH_TOKEN_CANARY}\0")).unwrap();
    let by_hand = failure(|| sandbox.assert_nothing_in_the_clear());
    assert!(by_hand.contains(path.to_str().unwrap()), "{by_hand}");
    sandbox.shell("chmod 000 a/b/token a/b a").run().ok();
    let at_end = failure(|| drop(sandbox));
    assert!(at_end.contains("at the end of `harness::a_canary_at_the_end") && at_end.contains("a/b/token"), "{at_end}");
    assert!(!path.exists(), "the box is removed all the same");
}

#[test]
fn a_canary_in_a_file_name_is_found() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.home().join(format!("x{REFRESH_TOKEN_CANARY}")), "").unwrap();
    failure(|| sandbox.assert_nothing_in_the_clear());
    sandbox.expect_clear(sandbox.home());
}

#[test]
fn a_canary_that_a_test_expects_is_passed_over_and_no_other() {
    let sandbox = Sandbox::new();
    let (expected, other) = (sandbox.home().join("expected"), sandbox.home().join("other"));
    fs::write(&expected, REFRESH_TOKEN_CANARY).unwrap();
    sandbox.expect_clear(&expected);
    sandbox.assert_nothing_in_the_clear();
    fs::write(&other, REFRESH_TOKEN_CANARY).unwrap();
    let found = failure(|| sandbox.assert_nothing_in_the_clear());
    assert!(found.contains("other") && !found.contains("expected"), "{found}");
    fs::remove_file(other).unwrap();
}

#[test]
fn a_canary_in_the_output_fails_the_test() {
    let sandbox = Sandbox::new();
    let line = "printf 'CANARYREFRESH%s' TOKEN";
    let said = failure(|| drop(sandbox.shell(line).run()));
    assert!(said.contains("in the output of /bin/sh -c"), "{said}");
    failure(|| drop(sandbox.shell(&format!("{line} >&2")).run()));
    sandbox.shell(line).expect_clear_output().run().ok();
    let mut terminal = Terminal::shell(&sandbox);
    terminal.type_line(&format!("{line}; exit"));
    failure(|| drop(terminal.finish()));
}

#[test]
fn every_box_is_written_down() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.home().join("file"), "eleven byte").unwrap();
    sandbox.shell("printf four").run().ok();
    drop(sandbox);
    let log = fs::read_to_string(provision::target_dir().join("canary-scan.log")).unwrap();
    let line = log.lines().rfind(|line| line.starts_with("harness::every_box_is_written_down: ")).unwrap();
    assert!(line.ends_with(" bytes, 0 found"), "{line}");
    let numbers: Vec<u64> = line.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
    assert!(numbers[0] >= 1 && numbers[1] >= 15, "{line}");
}

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
fn a_command_that_hangs_fails_with_what_it_said() {
    let sandbox = Sandbox::new();
    let started = Instant::now();
    let soon = Duration::from_millis(300);
    let said = failure(|| drop(sandbox.shell("echo on; echo my way >&2; sleep 30").timeout(soon).run()));
    assert!(said.contains("on\n") && said.contains("my way\n") && said.contains("not over"), "{said}");
    let held = failure(|| drop(sandbox.shell("sleep 30 & echo gone").timeout(soon).run()));
    assert!(held.contains("holds its output open") && held.contains("gone"), "{held}");
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn the_fake_az_edits_a_cache_like_msal() {
    let sandbox = Sandbox::new().with_fake_az();
    let config = sandbox.config();
    let fake = |words: &str| sandbox.plain_az(words.split(' ')).run();
    sandbox.expect_clear(config.token_cache_path());
    assert!(fake("write-token a").exited(1).err().contains("Can't find token from MSAL cache."));
    fake("login alice@contoso.example").ok();
    fake("login bob@fabrikam.example").ok();
    assert_eq!(config.accounts(), ["alice@contoso.example", "bob@fabrikam.example"]);
    assert_eq!((config.refresh_token_count(), config.subscriptions().len()), (2, 2));
    let text = config.token_cache_text();
    config.edit_token_cache(|_| {});
    assert_eq!(config.token_cache_text(), text, "reading and writing changes no byte");
    assert!(text.starts_with("{\n    \"Account\": {\n        \""), "{text}");

    let before = sandbox.fake_log().pop().unwrap()["cache"]["fingerprint"].clone();
    fake("roll write-token https://vault.example/.default look").ok();
    let after = sandbox.fake_log().pop().unwrap();
    assert_ne!(after["cache"]["fingerprint"], before);
    assert_eq!((&after["event"], &after["cache"]["access_tokens"]), (&"look".into(), &3.into()));
    assert_eq!(config.entries("AccessToken").len(), 3);

    assert_eq!(config.age_access_tokens(200, "management"), 2);
    fake("account get-access-token").ok();
    assert_eq!(sandbox.fake_log().pop().unwrap()["event"], "refresh");
    config.age_access_tokens(200, "management");
    let offline = sandbox.plain_az(["account", "get-access-token"]).env("FAKE_AZ_OFFLINE", "1").run();
    assert!(offline.exited(1).err().contains("offline"));

    fake("logout alice@contoso.example").ok();
    assert_eq!((config.accounts(), config.refresh_token_count()), (vec!["bob@fabrikam.example".to_owned()], 1));
    assert_eq!(config.token_cache()["AppMetadata"].as_object().unwrap().len(), 1);
    let length = config.token_cache_text().len();
    fake("tear").ok();
    assert_eq!(config.token_cache_text().len(), length / 2);
    fake("clear").ok();
    assert!(!config.token_cache_path().exists() && config.subscriptions().is_empty());
    fake("frobnicate").exited(2);
}

#[test]
fn the_fake_az_takes_msals_lock() {
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.expect_clear(sandbox.config_dir());
    let lock = sandbox.config_dir().join("msal_token_cache.json.lockfile");
    let holder = sandbox.plain_az(["hold-lock", "600"]).start();
    wait_until("the lock is taken", || lock.exists());
    let started = Instant::now();
    sandbox.plain_az(["login", "a@b.example"]).run().ok();
    assert!(started.elapsed() > Duration::from_millis(300));
    holder.finish().ok();
    assert!(!lock.exists());
    sandbox.plain_az(["stale-lock"]).run().ok();
    assert!(lock.exists());
}

#[test]
fn the_fake_az_ends_as_it_is_told() {
    let sandbox = Sandbox::new().with_fake_az();
    assert_eq!(sandbox.plain_az(["die", "TERM"]).run().end(), End::Signal(15));
    assert_eq!(sandbox.plain_az(["die", "KILL"]).run().end(), End::Signal(9));
    let trap = sandbox.plain_az(["trap", "TERM"]).start();
    trap.wait_for("ready");
    for (signal, name) in [(Signal::HUP, "HUP"), (Signal::USR1, "USR1"), (Signal::TERM, "TERM")] {
        trap.signal(signal);
        trap.wait_for(name);
    }
    assert_eq!(trap.finish().ok().out(), "ready\nHUP\nUSR1\nTERM\n");
    let file = sandbox.root().join("lingered");
    let quick = sandbox.plain_az(["linger", "400", file.to_str().unwrap()]).run().ok();
    assert!(quick.pipe_lag < Duration::from_millis(300) && !file.exists());
    wait_until("what was left behind does its work", || file.exists());
    // `nested` goes by PATH; with no shim in front that is the fake itself.
    let path = format!("{}:/usr/bin:/bin", sandbox.root().join("real").display());
    sandbox.plain_az(["group", "list"]).env("PATH", path).env("FAKE_AZ_DO", "nested exit 5").run().exited(5);
    let (inner, outer) = (sandbox.fake_log().pop().unwrap(), sandbox.fake_log().into_iter().nth_back(1).unwrap());
    assert_eq!((&inner["parent"], &inner["argv"][0]), (&outer["pid"], &"az".into()));
    assert_eq!(outer["process_group"], outer["pid"], "a command has a process group of its own");
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

#[test]
fn keys_reach_a_command_on_a_terminal() {
    let sandbox = Sandbox::new().with_fake_az();
    let mut terminal = Terminal::start(&sandbox.plain_az(["trap", "INT"]));
    terminal.expect("ready");
    terminal.send(CTRL_C);
    terminal.expect("INT");
    assert_eq!(terminal.finish().end(), End::Code(0));
    assert_eq!(sandbox.fake_log()[0]["terminals"], serde_json::json!([true, true, true]));

    let mut reader = Terminal::start(&sandbox.plain_az(["cat", "exit", "8"]));
    reader.type_line("typed");
    reader.expect("typed\r\ntyped");
    reader.send(CTRL_D);
    assert_eq!(reader.finish().end(), End::Code(8));
}

#[test]
fn a_shell_on_a_terminal_has_job_control() {
    let sandbox = Sandbox::new().with_fake_az();
    let mut shell = Terminal::shell(&sandbox);
    shell.type_line(&format!("{} print 'go'ing sleep 1500 exit 7", in_shell(sandbox.wrapped_az())));
    shell.expect("going");
    shell.send(CTRL_Z);
    shell.expect("Stopped");
    shell.expect("ready> ");
    shell.type_line("fg");
    shell.expect("ready> ");
    shell.type_line("echo st'atus' $?");
    shell.expect("status 7");
    shell.type_line("exit 3");
    assert_eq!(shell.finish().end(), End::Code(3));
}
