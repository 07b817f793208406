//! The guardian: a process of its own beside a run, with nothing of the caller's, that outlives a killed shim and cleans up
//! as soon as az has ended, with no further invocation; and what is left to the next invocation when it is killed too.

#![cfg(target_os = "linux")]

use std::os::unix::process::CommandExt;

use entra::{Rolling, User};
use rustix::process::{Pid, kill_process};

use crate::alone;
use crate::support::fake_az::logged_in_exposed as logged_in;
use crate::support::native::LOUD;
use crate::support::proc::Process;
use crate::support::{End, Running, Sandbox, Signal, canary, wait_until};

const EXPOSURES: [&str; 3] = ["private", "memory", "in-place"];

/// An az that has done `words`, looked around, and waits for SIGTERM.
fn waiting<'a>(sandbox: &'a Sandbox, words: &[&str]) -> (Running<'a>, Process) {
    // That of the last run may still be on its way out.
    wait_for_guardians(sandbox, 0);
    let run = sandbox.az([words, &["look", "trap", "TERM"]].concat()).start();
    run.wait_for("ready");
    wait_for_guardians(sandbox, 1);
    (run, sandbox.guardians()[0])
}

/// Waits until there are so many: one that was only just started does not go by its name yet.
#[track_caller]
fn wait_for_guardians(sandbox: &Sandbox, count: usize) {
    wait_until(&format!("there are {count} guardians"), || sandbox.guardians().len() == count);
}

fn kill(process: Process, signal: Signal) {
    kill_process(Pid::from_raw(process.0).unwrap(), signal).unwrap();
}

fn fingerprint(sandbox: &Sandbox) -> String {
    let look = sandbox.fake_log().into_iter().rfind(|line| line["event"] == "look").expect("an az looked around");
    assert_eq!(look["cache"]["refresh_tokens"], 1, "{look}");
    look["cache"]["fingerprint"].as_str().unwrap().to_owned()
}

/// That nothing is in the clear, and that the next az has the very refresh token that the last one had.
#[track_caller]
fn assert_kept(sandbox: &Sandbox) {
    let last = fingerprint(sandbox);
    sandbox.az(["look", "roll"]).run().ok().silent();
    assert_eq!(fingerprint(sandbox), last);
    sandbox.assert_nothing_in_the_clear();
    wait_for_guardians(sandbox, 0);
}

#[test]
fn it_has_nothing_of_the_caller_s() {
    let _alone = alone();
    for exposure in EXPOSURES {
        let sandbox = logged_in(exposure);
        let line = "exec \"$0\" \"$@\" 3</dev/zero 4</dev/zero 5>/dev/full 6<. 7>&1 8>&2 9<&0";
        let run = sandbox.az(["look", "trap", "TERM"]).in_script(line).input("x").start();
        run.wait_for("ready");
        wait_for_guardians(&sandbox, 1);
        let [guardian] = sandbox.guardians()[..] else { panic!("one for a run") };
        let (shim, own) = (Process(run.pid().as_raw_pid()), Process(std::process::id().cast_signed()));
        // A session of its own that it does not even lead, so that it can never come to have a terminal.
        assert_ne!(guardian.stat(6), own.stat(6), "{exposure}: session");
        assert!(guardian.stat(6) != guardian.0.to_string() && guardian.stat(5) != shim.0.to_string());
        assert_eq!(guardian.stat(7), "0", "{exposure}: terminal");
        assert!(![shim.0.to_string(), own.0.to_string()].contains(&guardian.stat(4)), "{exposure}: parent");
        let descriptors = guardian.descriptors();
        if rustix::process::geteuid().is_root() {
            for standard in 0..3 {
                assert_eq!(descriptors[standard], (standard as i32, "/dev/null".to_owned()), "{descriptors:?}");
            }
            // Its channel, what stands for az, and the run's files.
            let is_own = |to: &String| {
                ["socket:", "anon_inode:", "/memfd:azward", "/msal_token_cache.json", "mnt:["]
                    .iter()
                    .any(|own| to.starts_with(own))
                    || to.starts_with(sandbox.azward_home().to_str().unwrap())
                    || to == sandbox.config().token_cache_path().to_str().unwrap()
            };
            assert!(descriptors[3..].iter().all(|(_, to)| is_own(to)), "{exposure}: {descriptors:?}");
            assert!(
                descriptors.iter().all(|(_, to)| !to.contains("zero") && !to.contains("full") && !to.contains("pipe"))
            );
        }
        assert_eq!(guardian.text("cmdline"), b"azward-guardian\0");
        for name in ["cmdline", "environ"] {
            assert!(!canary::is_in(&guardian.text(name)), "{name}");
        }
        run.signal(Signal::TERM);
        run.finish();
        wait_for_guardians(&sandbox, 0);
        assert_kept(&sandbox);
    }
}

#[test]
fn there_is_one_for_a_run_and_none_for_anything_else() {
    let _alone = alone();
    let sandbox = logged_in("auto");
    let runs: Vec<_> = (0..3).map(|_| sandbox.az(["trap", "TERM"]).start()).collect();
    runs.iter().for_each(|run| run.wait_for("ready"));
    wait_for_guardians(&sandbox, 3);
    for run in runs {
        run.signal(Signal::TERM);
        run.finish();
    }
    wait_for_guardians(&sandbox, 0);

    // A pass is the real az itself, and an az inside a run has the run's.
    let passed = sandbox.az(["version"]).env("FAKE_AZ_DO", "trap TERM").start();
    passed.wait_for("ready");
    wait_for_guardians(&sandbox, 0);
    passed.signal(Signal::TERM);
    passed.finish();
    let nested = sandbox.az(["nested", "nested", "trap", "TERM"]).start();
    nested.wait_for("ready");
    wait_for_guardians(&sandbox, 1);
    nested.signal_group(Signal::TERM);
    nested.finish();
    // An answer starts nobody, as the kernel's count of processes would tell.
    let (sandbox, _entra) = Sandbox::logged_in();
    let answered = sandbox
        .az(["account", "get-access-token"])
        .in_script(
            "strace=$(command -v strace) || exec \"$0\" \"$@\"; \
        exec \"$strace\" -f -qq -e trace=fork,vfork,clone,clone3,execve -o \"$HOME/traced\" \"$0\" \"$@\"",
        )
        .run()
        .ok();
    assert!(answered.out().contains("accessToken"));
    let traced = std::fs::read_to_string(sandbox.home().join("traced")).unwrap_or_default();
    assert!(!traced.contains("azward-guardian") && !traced.contains("fork("), "{traced}");
    wait_for_guardians(&sandbox, 0);
}

#[test]
fn either_program_is_one_by_its_name_and_says_nothing_without_a_run() {
    let sandbox = Sandbox::new().with_fake_az();
    for program in [sandbox.shim(), env!("CARGO_BIN_EXE_azward").into()] {
        let ended = std::process::Command::new(&program)
            .arg0("azward-guardian")
            .arg("list")
            .env_clear()
            .envs(sandbox.environment())
            .output()
            .unwrap();
        assert!(ended.status.success() && ended.stdout.is_empty() && ended.stderr.is_empty(), "{program:?}: {ended:?}");
    }
    assert!(sandbox.fake_log().is_empty() && !sandbox.azward_home().join("run").exists());
}

#[test]
fn it_is_gone_however_the_run_ended() {
    let _alone = alone();
    for exposure in EXPOSURES {
        let sandbox = logged_in(exposure);
        sandbox.az(["look"]).run().ok();
        for words in [&["exit", "3"][..], &["die", "KILL"], &["die", "TERM"], &["account", "nonsense"]] {
            sandbox.az(words).run();
            wait_for_guardians(&sandbox, 0);
        }
        for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
            let run = sandbox.az(["sleep", "20000"]).start();
            wait_for_guardians(&sandbox, 1);
            run.signal_group(signal);
            assert_eq!(run.finish().end(), End::Signal(signal.as_raw()), "{exposure}");
            wait_for_guardians(&sandbox, 0);
        }
        let broken = sandbox.root().join("broken");
        sandbox.make_script(&broken, "");
        std::fs::write(&broken, "#!/nonexistent/python3\n").unwrap();
        sandbox.az(["group", "list"]).env("AZWARD_REAL_AZ", &broken).run().exited(126);
        wait_for_guardians(&sandbox, 0);
        assert_kept(&sandbox);
    }
}

#[test]
fn it_cleans_up_after_a_killed_shim_as_soon_as_az_ends() {
    let _alone = alone();
    for exposure in EXPOSURES {
        let sandbox = logged_in(exposure);
        for (words, is_whole_group) in [(&[][..], false), (&["roll"], false), (&[], true), (&["roll"], true)] {
            let (run, guardian) = waiting(&sandbox, words);
            let az = run.az();
            if is_whole_group {
                run.signal_group(Signal::KILL);
            } else {
                run.signal(Signal::KILL);
                assert_eq!(sandbox.is_nothing_in_the_clear(), exposure == "private", "az still needs it");
                assert!(guardian.is_alive(), "it waits for az");
                kill(az, Signal::KILL);
            }
            assert_eq!(run.finish().end(), End::Signal(9));
            // With no further invocation.
            wait_until("it cleans up", || sandbox.is_nothing_in_the_clear());
            wait_until("it ends", || !guardian.is_alive());
            assert_kept(&sandbox);
        }
    }
}

#[test]
fn it_outlives_what_ends_sessions_and_trees() {
    let _alone = alone();
    for exposure in EXPOSURES {
        let sandbox = logged_in(exposure);
        for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT, Signal::PIPE] {
            let (run, guardian) = waiting(&sandbox, &["roll"]);
            // As one who ends every process that has to do with this.
            kill(guardian, signal);
            run.signal_group(Signal::KILL);
            run.finish();
            wait_until("it cleans up", || sandbox.is_nothing_in_the_clear());
            wait_until("it ends", || !guardian.is_alive());
            assert_kept(&sandbox);
        }
    }
}

#[test]
fn with_both_killed_the_next_invocation_sweeps() {
    let _alone = alone();
    for exposure in EXPOSURES {
        let sandbox = logged_in(exposure);
        sandbox.az(["look"]).run().ok();
        for next in [&["account", "get-access-token"][..], &["version"], &["look"]] {
            let (run, guardian) = waiting(&sandbox, &[]);
            let az = run.az();
            kill(guardian, Signal::KILL);
            run.signal_group(Signal::KILL);
            run.finish();
            // As long as one of them is still on its way out, its share in the lease says that the file is needed.
            wait_until("both are gone", || !guardian.is_alive() && !az.is_alive());
            // In a private exposure nothing was ever there.
            assert_eq!(sandbox.is_nothing_in_the_clear(), exposure == "private");
            sandbox.az(next).run().ok().silent();
            sandbox.assert_nothing_in_the_clear();
            assert_kept(&sandbox);
        }
    }
}

#[test]
fn a_killed_guardian_is_missed_by_nobody() {
    let _alone = alone();
    for exposure in EXPOSURES {
        let sandbox = logged_in(exposure);
        let (run, guardian) = waiting(&sandbox, &["roll"]);
        kill(guardian, Signal::KILL);
        wait_until("it is gone", || !guardian.is_alive());
        run.signal(Signal::TERM);
        assert_eq!(run.finish().err(), "");
        assert_kept(&sandbox);
    }
}

/// All processes at once are killed, and the disk has of the vault what was last forced to it: that is the vault as it is,
/// or, where the last commit had not come to its end, the vault as it was before the run. Refresh tokens roll as Entra's do:
/// the one before is good for as long as the newest was not lost to somebody else.
#[test]
fn a_power_cut_loses_no_login_and_leaves_nothing() {
    let _alone = alone();
    for exposure in EXPOSURES {
        let sandbox = Sandbox::new().with_real_az();
        let entra = sandbox.start_entra(|knobs| knobs.rolling = Rolling::Entra);
        sandbox.set_exposure(exposure);
        sandbox.login(&entra, User::Alice);
        let (vaults, before) = (sandbox.azward_home().join("vaults"), sandbox.root().join("before"));
        let real = sandbox.environment()[std::ffi::OsStr::new("PATH")].clone();
        let copy = |from: &std::path::Path, to: &std::path::Path| {
            let _ = std::fs::remove_dir_all(to);
            assert!(std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
        };
        // Cut while az waits, right after azward rotated, and somewhere in the middle of the real az.
        for (moment, is_restored) in (0..3).flat_map(|moment| [(moment, false), (moment, true)]) {
            copy(&vaults, &before);
            sandbox.wrap_script("echo running; sleep 60");
            if moment == 1 {
                sandbox.config().age_access_tokens(600, "management");
            }
            if moment == 2 {
                sandbox.set_env("PATH", real.clone());
                sandbox.config().drop_access_tokens();
                entra.clear_journal();
            }
            let mut run = sandbox.az(["group", "list"]).start();
            match moment {
                2 => wait_until("az redeems", || entra.refreshes() == 1),
                _ => run.wait_for("running"),
            }
            // It does not go by its name at once, and one that is overlooked here would go on after the cut.
            wait_until("there is a guardian, or the run is over", || {
                sandbox.guardians().len() == 1 || !run.is_running()
            });
            for guardian in sandbox.guardians() {
                // On the way to its own end already, perhaps.
                let _ = kill_process(Pid::from_raw(guardian.0).unwrap(), Signal::KILL);
            }
            run.signal_group(Signal::KILL);
            run.finish();
            wait_for_guardians(&sandbox, 0);
            if is_restored {
                copy(&before, &vaults);
            }
            sandbox.lose_memory();
            assert!(exposure == "in-place" || sandbox.is_nothing_in_the_clear(), "{moment}: nothing was ever there");
            // In place az may have been killed with its cache emptied and not yet written: then it takes a run to have it back.
            // Else azward itself can go on, and the endpoint takes what the vault has.
            let is_emptied = moment == 2 && exposure == "in-place";
            if is_emptied {
                sandbox.set_env("PATH", real.clone());
            } else {
                sandbox.wrap_script(LOUD);
            }
            let resource = format!("https://r{moment}-{is_restored}.example");
            let words = ["account", "get-access-token", "--resource", &resource, "-o", "none"];
            let next = sandbox.az(words).run();
            assert_eq!(
                next.visible(),
                (End::Code(0), String::new(), String::new()),
                "{exposure} {moment} {is_restored}: {:#?}",
                sandbox.journal()
            );
            sandbox.assert_nothing_in_the_clear();
        }
    }
}
