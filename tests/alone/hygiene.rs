//! Hygiene: while az runs, neither the shim nor the guardian has a refresh token in its memory, whatever the run did before
//! (exposure, rotation, harvest); no process can look into theirs, and none of the two leaves a core; and no secret is in an
//! environment, an argument, the journal.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::MetadataExt;

use entra::{Entra, REFRESH_TOKEN_CANARY};

use crate::alone;
use crate::support::fake_az::ALICE;
use crate::support::proc::Process;
use crate::support::{Running, Sandbox, Signal, canary, wait_until};

const EXPOSURES: [&str; 3] = ["private", "memory", "in-place"];

/// A box with a login and an az that says `running` and waits for the file `stop`.
fn waiting(exposure: &str) -> (Sandbox, Entra) {
    let (sandbox, entra) = Sandbox::logged_in();
    sandbox.set_exposure(exposure);
    sandbox.wrap_script("echo running; while [ ! -e \"$HOME/stop\" ]; do sleep 0.05; done");
    (sandbox, entra)
}

fn stop(sandbox: &Sandbox, run: Running<'_>) {
    fs::write(sandbox.home().join("stop"), "").unwrap();
    run.finish().ok().silent();
    fs::remove_file(sandbox.home().join("stop")).unwrap();
}

fn shim(run: &Running<'_>) -> Process {
    Process(run.pid().as_raw_pid())
}

fn guardian(sandbox: &Sandbox) -> Process {
    // The one before may be on its way out still; it has no memory to look into any more.
    let has_memory = |process: &Process| found_in(*process).is_some() || !rustix::process::geteuid().is_root();
    wait_until("there is a guardian", || sandbox.guardians().iter().filter(|process| has_memory(process)).count() == 1);
    sandbox.guardians().into_iter().find(has_memory).unwrap()
}

/// Where in a process's memory a refresh token is, with what stands around it; `None` where we may not look.
fn found_in(process: Process) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let looked = process.memory(|name, piece| {
        for place in memchr::memmem::find_iter(piece, REFRESH_TOKEN_CANARY.as_bytes()) {
            let around = &piece[place.saturating_sub(120)..(place + 40).min(piece.len())];
            found.push(format!("{name} at {place}: {}", String::from_utf8_lossy(around).escape_debug()));
        }
    });
    looked.is_ok().then_some(found)
}

/// That neither the shim nor its guardian has one. What a thread of the shim is doing at this moment may need one, so it is
/// given its time; what stays, stays.
#[track_caller]
fn assert_clean(what: &str, sandbox: &Sandbox, run: &Running<'_>) {
    for process in [shim(run), guardian(sandbox)] {
        if !rustix::process::geteuid().is_root() {
            assert!(found_in(process).is_none(), "{what}: a user may look into {}", process.name());
            continue;
        }
        let mut last = Vec::new();
        for _ in 0..40 {
            last = found_in(process).expect("root may look");
            if last.is_empty() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        assert!(last.is_empty(), "{what}: {} holds a refresh token: {last:#?}", process.name());
    }
}

#[test]
fn a_memory_is_searched_at_all() {
    let held = format!("in memory: {REFRESH_TOKEN_CANARY}");
    let own = Process(std::process::id().cast_signed());
    assert!(!found_in(own).expect("one may look into oneself").is_empty(), "{}", held.len());
}

#[test]
fn a_waiting_shim_has_no_refresh_token_in_its_memory() {
    let _alone = alone();
    for exposure in EXPOSURES {
        let (sandbox, entra) = waiting(exposure);
        let start = |what: &str| {
            let run = sandbox.az(["group", "list"]).start();
            run.wait_for("running");
            assert_clean(&format!("{exposure}, {what}"), &sandbox, &run);
            run
        };
        let run = start("after exposure");
        stop(&sandbox, run);

        let before = entra.refreshes();
        sandbox.config().age_access_tokens(600, "management");
        let run = start("after a rotation");
        assert_eq!(entra.refreshes(), before + 1);
        stop(&sandbox, run);

        sandbox.config().age_access_tokens(20 * 60 + 3, "management");
        let run = start("before a rotation beside the run");
        wait_until("the token is renewed", || entra.refreshes() == before + 2);
        wait_until("that is told", || sandbox.deeds("rotation") == 2);
        assert_clean(&format!("{exposure}, after a rotation beside the run"), &sandbox, &run);
        stop(&sandbox, run);
    }
}

#[test]
fn a_shim_that_harvested_while_az_runs_has_no_refresh_token_in_its_memory() {
    let _alone = alone();
    for exposure in EXPOSURES {
        let sandbox = Sandbox::new().with_fake_az();
        sandbox.set_exposure(exposure);
        sandbox.az(["login", ALICE]).run().ok().silent();
        let run = sandbox.az(["roll", "roll", "look", "print", "rolled", "trap", "TERM"]).start();
        run.wait_for("ready");
        assert_clean(&format!("{exposure}, after az rolled"), &sandbox, &run);
        run.signal(Signal::TERM);
        run.finish();
        // A login leaves the shim with nothing either.
        let run = sandbox.az(["login", "bob@fabrikam.example", "trap", "TERM"]).start();
        run.wait_for("ready");
        assert_clean(&format!("{exposure}, after a login"), &sandbox, &run);
        run.signal(Signal::TERM);
        run.finish();
    }
}

#[test]
fn no_environment_no_argument_and_no_journal_holds_a_secret() {
    let _alone = alone();
    for exposure in EXPOSURES {
        let (sandbox, entra) = waiting(exposure);
        sandbox.config().age_access_tokens(600, "management");
        let run = sandbox.az(["group", "list"]).start();
        run.wait_for("running");
        let mut processes = vec![Process(std::process::id().cast_signed()), shim(&run), guardian(&sandbox)];
        let group = run.pid().as_raw_pid().to_string();
        processes.extend(Process::all().into_iter().filter(|process| process.stat(5) == group));
        assert!(processes.len() >= 5, "shim, guardian, az and what it waits with: {processes:?}");
        let tokens = [entra.refresh_tokens_issued(), entra.access_tokens_issued()].concat();
        assert!(tokens.len() >= 4, "a login and a rotation were granted");
        let has_secret = |text: &[u8]| {
            canary::is_in(text) || tokens.iter().any(|token| memchr::memmem::find(text, token.as_bytes()).is_some())
        };
        for process in processes {
            for name in ["environ", "cmdline", "comm", "status"] {
                assert!(!has_secret(&process.text(name)), "{exposure}: {name} of {}", process.name());
            }
        }
        stop(&sandbox, run);
        for name in ["journal.jsonl", "run/exposure.json"] {
            let text = fs::read(sandbox.azward_home().join(name)).unwrap_or_default();
            assert!(!has_secret(&text), "{exposure}: {name}");
        }
        assert!(!sandbox.journal().is_empty());
    }
}

#[test]
fn nobody_but_root_looks_into_the_shim_and_its_guardian() {
    let _alone = alone();
    for exposure in EXPOSURES {
        let (sandbox, _entra) = waiting(exposure);
        let run = sandbox.az(["group", "list"]).start();
        run.wait_for("running");
        for process in [shim(&run), guardian(&sandbox)] {
            // The kernel gives the files of a process that is not dumpable to root (proc(5)), and for root's own says so by
            // their modes alone.
            let metadata = fs::metadata(process.path("environ")).unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), (0, 0), "{} is dumpable", process.name());
        }
        stop(&sandbox, run);
    }
}

#[test]
fn neither_leaves_a_core() {
    let _alone = alone();
    let limit = "ulimit -c unlimited; exec \"$0\" \"$@\"";
    let own = "echo running; ulimit -c 0; while [ ! -e \"$HOME/stop\" ]; do sleep 0.05; done";
    for exposure in EXPOSURES {
        let (sandbox, _entra) = waiting(exposure);
        sandbox.wrap_script(own);
        let run = sandbox.az(["group", "list"]).in_script(limit).start();
        run.wait_for("running");
        let guardian = guardian(&sandbox);
        // The runtime has a handler of its own for the signals of bad memory; this one has the same action.
        for process in [shim(&run), guardian] {
            let id = rustix::process::Pid::from_raw(process.0).unwrap();
            rustix::process::kill_process(id, Signal::ABORT).unwrap();
        }
        wait_until("the guardian ends", || !guardian.is_alive());
        fs::write(sandbox.home().join("stop"), "").unwrap();
        let outcome = run.finish();
        let status = std::os::unix::process::ExitStatusExt::core_dumped(&outcome.status);
        assert!(!status, "{exposure}: {outcome:?}");
        let cores = |directory: &std::path::Path| {
            let names = fs::read_dir(directory).unwrap().flatten().map(|entry| entry.file_name());
            names.filter(|name| name.to_string_lossy().starts_with("core")).collect::<Vec<_>>()
        };
        assert_eq!(cores(&sandbox.home()), [""; 0], "{exposure}");
        // With both gone the next invocation cleans up.
        sandbox.az(["account", "get-access-token", "-o", "none"]).run().ok().silent();
        sandbox.assert_nothing_in_the_clear();
    }
}
