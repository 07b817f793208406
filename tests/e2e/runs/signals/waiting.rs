//! Waits that listen: whatever a shim waits for before az is started, a lock, an endpoint, a keyring, a signal ends it at
//! once, by that signal, with az never started and nothing in the clear.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use entra::{Fault, Trouble};

use super::{assert_kept, logged_in};
use crate::support::keyring::bus_address;
use crate::support::pty::CTRL_C;
use crate::support::{End, Invocation, Sandbox, Signal, Terminal, wait_until};

/// What a signal may take to end a wait. A deaf one takes six seconds at the least.
const SOON: Duration = Duration::from_secs(4);

const SIGNALS: [(Signal, i32); 4] = [(Signal::INT, 2), (Signal::TERM, 15), (Signal::HUP, 1), (Signal::QUIT, 3)];

/// Takes the locks of azward's files with such names, as another process would hold them.
fn hold(sandbox: &Sandbox, part: &str) -> Vec<File> {
    let directories = ["run", "vaults"].map(|name| sandbox.azward_home().join(name));
    let files = directories.iter().flat_map(|path| fs::read_dir(path).unwrap().flatten());
    let paths: Vec<PathBuf> =
        files.map(|entry| entry.path()).filter(|path| path.to_string_lossy().contains(part)).collect();
    assert!(!paths.is_empty(), "there is a {part}");
    let lock = |path: &PathBuf| {
        let file = File::options().read(true).write(true).open(path).unwrap();
        file.lock().unwrap();
        file
    };
    paths.iter().map(lock).collect()
}

fn msal_lock(sandbox: &Sandbox) -> PathBuf {
    sandbox.config_dir().join("msal_token_cache.json.lockfile")
}

/// Takes MSAL's lock as another process would hold it.
fn hold_msal_lock(sandbox: &Sandbox) -> File {
    let mut file = File::create_new(msal_lock(sandbox)).unwrap();
    file.lock().unwrap();
    write!(file, "{} test", std::process::id()).unwrap();
    file
}

/// Sends every signal to such a command while it waits. (One that comes before the wait is no worse.)
#[track_caller]
fn assert_listens<'a>(what: &str, command: impl Fn() -> Invocation<'a>) {
    for (signal, number) in SIGNALS {
        let mut az = command().start();
        std::thread::sleep(Duration::from_millis(500));
        assert!(az.is_running(), "it waits for {what}");
        let sent = Instant::now();
        az.signal(signal);
        let outcome = az.finish();
        assert_eq!((outcome.end(), outcome.out().as_str()), (End::Signal(number), ""), "{what}");
        assert!(sent.elapsed() < SOON, "{what}: {signal:?} took {:?}", sent.elapsed());
    }
}

#[test]
fn for_every_lock() {
    for exposure in ["private", "memory", "in-place"] {
        let sandbox = logged_in();
        sandbox.set_exposure(exposure);
        sandbox.az(["roll", "look"]).run().ok();
        // Without this there is no file of a turn yet.
        sandbox.az(["account", "get-access-token", "--scope", "x"]).run().ok();
        for part in [".lock", if exposure == "private" { ".attendance" } else { ".lease" }] {
            let _held = hold(&sandbox, part);
            assert_listens(&format!("{exposure}: {part}"), || sandbox.az(["print", "never"]));
        }
        let held = hold(&sandbox, ".turn");
        assert_listens("its turn", || sandbox.az(["account", "get-access-token", "--scope", "x"]));
        drop(held);
        sandbox.az(["look"]).run().ok();
        assert_kept(&sandbox);
    }
}

#[test]
fn for_msal_s_lock() {
    let sandbox = logged_in();
    sandbox.az(["look"]).run().ok();
    let file = hold_msal_lock(&sandbox);
    assert_listens("MSAL's lock", || sandbox.az(["print", "never"]));
    fs::remove_file(msal_lock(&sandbox)).unwrap();
    drop(file);
    assert_kept(&sandbox);
}

#[test]
fn for_another_s_rotation() {
    let sandbox = logged_in();
    // The rotation is az's here, and fails: the old token serves.
    sandbox.set_env("AZURE_CLI_DISABLE_CONNECTION_VERIFICATION", "1");
    sandbox.config().age_access_tokens(600, "management");
    sandbox.az(["look"]).env("FAKE_AZ_OFFLINE", "1").run().ok();
    sandbox.config().age_access_tokens(600, "management");
    let held = hold(&sandbox, ".rotate-");
    // That az could not is written there, and nobody would ask again.
    held.iter().for_each(|file| file.set_len(0).unwrap());
    assert_listens("a rotation", || sandbox.az(["print", "never"]));
    drop(held);
    sandbox.config().age_access_tokens(3000, "management");
    sandbox.az(["look"]).run().ok();
    assert_kept(&sandbox);
}

#[test]
fn for_a_silent_endpoint() {
    let (sandbox, entra) = Sandbox::without_az();
    // Who has one that serves waits a second, and is over before anything can be sent.
    sandbox.config().age_access_tokens(100, "management");
    for words in [&["group", "list"][..], &["account", "get-access-token"]] {
        for (signal, number) in SIGNALS {
            entra.knobs(|knobs| {
                knobs.faults = vec![Fault::new(Trouble::Delay(Duration::from_secs(20)))];
            });
            entra.clear_journal();
            let az = sandbox.az(words).start();
            std::thread::sleep(Duration::from_millis(700));
            let sent = Instant::now();
            az.signal(signal);
            let outcome = az.finish();
            assert_eq!((outcome.end(), outcome.out().as_str()), (End::Signal(number), ""), "{words:?}");
            assert!(sent.elapsed() < SOON, "{words:?}: {signal:?} took {:?}", sent.elapsed());
        }
    }
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn an_answer_that_is_on_its_way_is_not_lost_to_a_signal() {
    let (sandbox, entra) = Sandbox::without_az();
    for (signal, number) in SIGNALS {
        sandbox.config().age_access_tokens(600, "management");
        entra.knobs(|knobs| knobs.faults = vec![Fault::new(Trouble::DelayAnswer(Duration::from_secs(1))).times(1)]);
        entra.clear_journal();
        // This one is answered without a run.
        let az = sandbox.az(["account", "get-access-token"]).start();
        wait_until("the endpoint is asked", || entra.refreshes() == 1);
        az.signal(signal);
        let outcome = az.finish();
        assert_eq!((outcome.end(), outcome.out().as_str()), (End::Signal(number), ""));
        // What was answered is stored: the one before it is spent.
        let vault = ["account", "get-access-token", "--resource", "https://vault.azure.net", "--output", "none"];
        sandbox.az(vault).run().ok().silent();
        sandbox.config().age_access_tokens(600, "vault.azure");
    }
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn what_was_granted_is_stored_although_locks_must_be_waited_for() {
    let (sandbox, entra) = Sandbox::without_az();
    sandbox.config().age_access_tokens(600, "management");
    entra.knobs(|knobs| knobs.faults = vec![Fault::new(Trouble::DelayAnswer(Duration::from_secs(1))).times(1)]);
    entra.clear_journal();
    let az = sandbox.az(["account", "get-access-token"]).start();
    wait_until("the endpoint is asked", || entra.refreshes() == 1);
    let held = (hold(&sandbox, ".lock"), hold_msal_lock(&sandbox));
    az.signal(Signal::TERM);
    // The answer comes meanwhile, and finds both locks taken.
    std::thread::sleep(Duration::from_millis(1600));
    drop(held);
    fs::remove_file(msal_lock(&sandbox)).unwrap();
    assert_eq!(az.finish().end(), End::Signal(15));
    sandbox.assert_nothing_in_the_clear();
    // The one before it is spent.
    sandbox.az(["account", "get-access-token", "--resource", "https://vault.azure.net"]).run().ok().silent();
}

#[test]
fn for_a_keyring_that_waits_for_a_person() {
    let sandbox = Sandbox::new().with_fake_az();
    // Not in the box, whose name may be one that has to be escaped in an address.
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    let socket = directory.path().join("bus");
    let listener = UnixListener::bind(&socket).unwrap();
    fs::create_dir_all(sandbox.azward_home()).unwrap();
    sandbox.set_exposure("in-place");
    let text = "exposure = \"in-place\"\nkey_store = \"keyring\"\n";
    fs::write(sandbox.azward_home().join("config.toml"), text).unwrap();
    sandbox.expect_clear(sandbox.config_dir());
    sandbox.plain_az(["login", super::ALICE]).run().ok();
    let bus = bus_address(&socket);
    let az = sandbox.az(["print", "never"]).env("DBUS_SESSION_BUS_ADDRESS", bus);
    let mut terminal = Terminal::start(&az);
    let asked = listener.accept().unwrap();
    let sent = Instant::now();
    terminal.send(CTRL_C);
    let outcome = terminal.finish();
    assert_eq!(outcome.end(), End::Signal(2), "{outcome:?}");
    assert!(sent.elapsed() < SOON, "{:?}", sent.elapsed());
    assert!(!outcome.out().contains("never"), "{outcome:?}");
    drop(asked);
}

#[test]
fn what_is_ignored_ends_no_wait() {
    let sandbox = logged_in();
    sandbox.az(["look"]).run().ok();
    let held = hold(&sandbox, ".lock");
    let mut az = sandbox.az(["print", "going", "exit", "4"]).in_script("exec nohup \"$0\" \"$@\"").start();
    std::thread::sleep(Duration::from_millis(500));
    az.signal(Signal::HUP);
    std::thread::sleep(Duration::from_millis(500));
    assert!(az.is_running());
    drop(held);
    assert_eq!(az.finish().exited(4).out(), "going\n");
    assert_kept(&sandbox);
}

#[test]
fn after_az_s_end_a_signal_leaves_the_rest_to_the_guardian() {
    for exposure in ["private", "memory", "in-place"] {
        let sandbox = logged_in();
        sandbox.set_exposure(exposure);
        sandbox.az(["look"]).run().ok();
        let az = sandbox.az(["roll", "look", "print", "going", "sleep", "700", "print", "over", "exit", "3"]).start();
        az.wait_for("going");
        let held = hold(&sandbox, ".lock");
        az.wait_for("over");
        std::thread::sleep(Duration::from_millis(500));
        let sent = Instant::now();
        az.signal(Signal::INT);
        az.finish().exited(3);
        assert!(sent.elapsed() < SOON, "{exposure}: {:?}", sent.elapsed());
        drop(held);
        wait_until("the guardian cleans up", || sandbox.is_nothing_in_the_clear());
        assert_kept(&sandbox);
    }
}

#[test]
fn a_run_that_has_ended_does_not_wait_for_what_went_on_beside_it() {
    let (sandbox, _entra) = Sandbox::logged_in();
    // Makes the lock's file.
    sandbox.config().age_access_tokens(600, "management");
    sandbox.az(["account", "get-access-token", "--output", "none"]).run().ok();
    sandbox.wrap_script("echo going; sleep 4; echo over");
    // Due a moment after az has started, when somebody else has the right to renew it.
    sandbox.config().age_access_tokens(1202, "management");
    let held = hold(&sandbox, ".rotate-");
    let az = sandbox.az(["group", "list"]).start();
    az.wait_for("over");
    let over = Instant::now();
    az.finish().ok();
    assert!(over.elapsed() < Duration::from_secs(2), "{:?}", over.elapsed());
    drop(held);
    sandbox.assert_nothing_in_the_clear();
}
