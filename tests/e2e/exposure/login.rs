//! A login is handed nothing: while it waits for a browser, a code or a prompt no refresh token of any other login is to be
//! had through it, in neither exposure, and afterwards it is kept beside the others.

use std::fs;
use std::time::Duration;

use entra::{SERVICE_PRINCIPAL, SUBSCRIPTION_3, TENANT_A, User};

use super::{ALICE, BOB, last_look, logged_in, look};
use crate::support::{BY_AZ, Sandbox, Signal, in_shell, wait_until};

const EXPOSURES: [&str; 3] = ["private", "memory", "in-place"];

/// How many refresh tokens the az's that looked around saw, oldest first.
fn seen(sandbox: &Sandbox, before: usize) -> Vec<u64> {
    let log = sandbox.fake_log().split_off(before);
    let looks = log.iter().filter(|line| line["event"] == "look");
    looks.map(|look| look["cache"]["refresh_tokens"].as_u64().unwrap()).collect()
}

#[test]
fn it_sees_its_own_refresh_token_and_no_other() {
    for exposure in EXPOSURES {
        let sandbox = logged_in(exposure);
        for words in [&["login"][..], &["login", "--use-device-code"], &["--debug", "login"], &["-o", "json", "LOGIN"]]
        {
            for (doing, expected) in [
                (format!("look login {BOB} look write-token x look"), &[0, 1, 1][..]),
                // Again, and not another.
                (format!("look login {ALICE} look"), &[0, 1]),
                // One that fails, and one that stores no refresh token.
                ("look exit 1".to_owned(), &[0]),
                ("look look".to_owned(), &[0, 0]),
            ] {
                let before = sandbox.fake_log().len();
                sandbox.az(words).env("FAKE_AZ_DO", &doing).run();
                assert_eq!(seen(&sandbox, before), expected, "{exposure}: {words:?} {doing}");
                sandbox.assert_nothing_in_the_clear();
                assert_eq!(look(&sandbox).1, 2.min(1 + u64::from(sandbox.config().accounts().len() > 1)), "{doing}");
            }
        }
        assert_eq!(sandbox.config().accounts(), [ALICE, BOB]);
        // A registry's login is none of Azure's.
        let before = sandbox.fake_log().len();
        sandbox.az(["acr", "login"]).env("FAKE_AZ_DO", "look").run().ok();
        assert_eq!(seen(&sandbox, before), [2]);
    }
}

#[test]
fn what_others_do_meanwhile_brings_it_nothing() {
    for exposure in EXPOSURES {
        let sandbox = logged_in(exposure);
        let login = sandbox.az(["login"]).env("FAKE_AZ_DO", "print waiting trap TERM").start();
        login.wait_for("waiting");
        // Others roll and end beside it, and sweep.
        for _ in 0..2 {
            sandbox.az(["roll", "look"]).run().ok().silent();
            sandbox.az(["version"]).run().ok().silent();
            let own = sandbox.config_as_seen_by(login.az());
            if exposure == "private" {
                assert_eq!(own.refresh_token_count(), 0, "{exposure}");
            }
        }
        let rolled = last_look(&sandbox)["cache"]["fingerprint"].clone();
        login.signal(Signal::TERM);
        login.finish();
        assert_eq!(look(&sandbox).1, 1);
        assert_eq!(last_look(&sandbox)["cache"]["fingerprint"], rolled);
        sandbox.assert_nothing_in_the_clear();
    }
}

#[test]
fn in_place_others_go_as_soon_as_their_runs_end_and_its_own_stays_until_its_end() {
    let sandbox = logged_in("in-place");
    let flag = sandbox.home().join("go");
    let script = format!(
        "case $1 in login) echo waiting; while [ ! -e {0} ]; do sleep 0.05; done; FAKE login {BOB}; echo stored; \
         while [ -e {0} ]; do sleep 0.05; done; exec FAKE look;; *) exec FAKE \"$@\";; esac",
        in_shell(&flag)
    );
    let fake = sandbox.wrapped_az().with_file_name("fake");
    fs::rename(sandbox.wrapped_az(), &fake).unwrap();
    sandbox.make_script(sandbox.wrapped_az(), &script.replace("FAKE", &in_shell(&fake)));
    // What the vault knows is in whole seconds.
    std::thread::sleep(Duration::from_millis(1100));
    let login = sandbox.az(["login"]).start();
    login.wait_for("waiting");
    let other = sandbox.az(["print", "going", "trap", "TERM"]).start();
    other.wait_for("going");
    assert_eq!(sandbox.config().refresh_token_count(), 1, "the other one's");
    other.signal(Signal::TERM);
    other.finish();
    sandbox.assert_nothing_in_the_clear();
    fs::write(&flag, "").unwrap();
    login.wait_for("stored");
    // Runs that end and sweeps take nothing from a login that still asks for its subscriptions.
    sandbox.az(["version"]).run().ok().silent();
    sandbox.az(["exit", "0"]).run().ok().silent();
    sandbox.az(["version"]).run().ok().silent();
    assert_eq!(sandbox.config().refresh_token_count(), 1, "its own");
    fs::remove_file(flag).unwrap();
    login.finish().ok();
    assert_eq!(last_look(&sandbox)["cache"]["refresh_tokens"], 1);
    sandbox.assert_nothing_in_the_clear();
    assert_eq!(look(&sandbox).1, 2);
}

#[test]
fn in_place_what_it_stored_stays_while_others_redeem_it() {
    let (sandbox, entra) = Sandbox::logged_in();
    sandbox.set_exposure("in-place");
    let flag = sandbox.home().join("go");
    let real = in_shell(sandbox.wrapped_az());
    // A login that goes on to another tenant when others have redeemed and scrubbed.
    sandbox.wrap_script(&format!(
        "case $1 in login) {real} \"$@\" && echo stored && while [ ! -e {0} ]; do sleep 0.05; done && \
         exec {real} account get-access-token -o json --resource https://late.example --subscription {1};; \
         *) exec {real} \"$@\";; esac",
        in_shell(&flag),
        SUBSCRIPTION_3.id,
    ));
    // What the vault knows is in whole seconds.
    std::thread::sleep(Duration::from_millis(1100));
    entra.knobs(|knobs| knobs.next_login = User::Bob);
    let login = sandbox.az(["login", "--use-device-code", "--output", "none"]).start();
    login.wait_for("stored");
    let bobs = ["account", "get-access-token", "--output", "json", "--subscription", SUBSCRIPTION_3.id];
    for round in 0..3 {
        // By azward, which takes it in to redeem it, and by an az whose run ends, each with a sweep after it.
        let resource = format!("https://r{round}.example");
        sandbox.az(bobs).args(["--resource", &resource]).run().ok().silent();
        sandbox.az(["version", "--output", "none"]).run().ok();
        assert_eq!(sandbox.config().refresh_token_count(), 1, "round {round}: after a rotation");
        sandbox.az(["group", "list", "--output", "none"]).run().ok();
        assert_eq!(sandbox.config().refresh_token_count(), 1, "round {round}: after a run");
    }
    fs::write(&flag, "").unwrap();
    login.finish().ok();
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn a_login_that_was_killed_is_kept() {
    for exposure in EXPOSURES {
        let sandbox = logged_in(exposure);
        let login = sandbox.az(["login"]).env("FAKE_AZ_DO", format!("login {BOB} print stored sleep 20000")).start();
        login.wait_for("stored");
        login.signal_group(Signal::KILL);
        login.finish();
        wait_until("the guardian cleans up", || sandbox.is_nothing_in_the_clear());
        // Privately nothing ever is in the clear: the next az may come before the guardian has stored it.
        wait_until("the guardian has stored it", || look(&sandbox).1 == 2);
        sandbox.assert_nothing_in_the_clear();
    }
}

#[test]
fn every_form_of_it_with_the_real_az() {
    let app = SERVICE_PRINCIPAL.client_id;
    for exposure in EXPOSURES {
        let (sandbox, entra) = Sandbox::logged_in();
        sandbox.set_exposure(exposure);
        let secret = entra.client_secret().to_owned();
        let forms: [(User, Vec<&str>); 4] = [
            (User::Alice, vec!["login", "--service-principal", "-u", app, "-p", &secret, "--tenant", TENANT_A.id]),
            (User::Alice, vec!["login", "--use-device-code", "--tenant", TENANT_A.id]),
            (User::Alice, vec!["login", "--use-device-code"]),
            (User::Bob, vec!["login", "--use-device-code"]),
        ];
        for (user, words) in forms {
            entra.knobs(|knobs| {
                knobs.next_login = user;
                knobs.authorization_pending = 1;
            });
            entra.clear_journal();
            let login = sandbox.az(&words).start();
            if words.contains(&"--use-device-code") {
                let is_asked = || entra.journal().iter().any(|request| request.path.ends_with("/devicecode"));
                wait_until("a code is asked for", is_asked);
                assert_eq!(sandbox.config_as_seen_by(login.az()).refresh_token_count(), 0, "{exposure}: {words:?}");
            }
            login.finish().ok();
            sandbox.assert_nothing_in_the_clear();
        }
        // Refresh tokens are good for one use here: each of them is the newest.
        for user in [User::Alice, User::Bob] {
            let subscriptions = sandbox.config().subscriptions();
            let own = subscriptions.iter().find(|one| one["user"]["name"] == user.username());
            let id = own.unwrap_or_else(|| panic!("{user:?} is signed in"))["id"].as_str().unwrap().to_owned();
            let words = ["account", "get-access-token", BY_AZ, "--output", "json", "--subscription", &id];
            sandbox.az(words).args(["--resource", "https://vault.azure.net"]).run().ok().silent();
            sandbox.assert_nothing_in_the_clear();
        }
    }
}
