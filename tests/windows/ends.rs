//! How a run ends: by Ctrl-C, with a shim that is killed, and with the job that its caller put it into. az has the refresh token
//! in its cache each time, which is looked at, and afterwards it has not.

use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::login::done;
use super::machine::{Machine, collect};

/// How long it may take until something has come about.
const PATIENCE: Duration = Duration::from_secs(90);

/// Runs a line in a job that ends with this process, and ends when it is told to. A second word says whether what is in the job
/// may leave it.
const IN_A_JOB: &str = "\
import ctypes, subprocess, sys
from ctypes import wintypes
k = ctypes.WinDLL('kernel32', use_last_error=True)
k.CreateJobObjectW.restype = wintypes.HANDLE
class Basic(ctypes.Structure):
    _fields_ = [('a', ctypes.c_int64), ('b', ctypes.c_int64), ('flags', wintypes.DWORD), ('c', ctypes.c_size_t),
                ('d', ctypes.c_size_t), ('e', wintypes.DWORD), ('f', ctypes.c_size_t), ('g', wintypes.DWORD), ('h', wintypes.DWORD)]
class Extended(ctypes.Structure):
    _fields_ = [('basic', Basic), ('io', ctypes.c_uint64 * 6), ('rest', ctypes.c_size_t * 4)]
job = k.CreateJobObjectW(None, None)
limits = Extended()
limits.basic.flags = 0x2000 | (0x800 if sys.argv[1] == 'loose' else 0)
assert k.SetInformationJobObject(wintypes.HANDLE(job), 9, ctypes.byref(limits), ctypes.sizeof(limits))
assert k.AssignProcessToJobObject(wintypes.HANDLE(job), wintypes.HANDLE(-1))
child = subprocess.Popen(sys.argv[2:])
sys.stdin.readline()
k.TerminateJobObject(wintypes.HANDLE(job), 7)";

/// A run that takes a while, in the middle of it.
struct Amidst {
    child: Child,
    line: String,
}

impl Amidst {
    /// Has az wait for Resource Manager, with its refresh token in the cache.
    #[track_caller]
    fn of(machine: &Machine, command: Command) -> Self {
        Self::lasting(Duration::from_secs(20), machine, command)
    }

    /// The same for a time of its own.
    #[track_caller]
    fn lasting(time: Duration, machine: &Machine, mut command: Command) -> Self {
        machine.entra().knobs(|knobs| knobs.arm_delay = time);
        machine.entra().clear_journal();
        let line = super::machine::line_of(&command);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("wine is installed");
        let amidst = Self { child, line };
        until("az has asked Resource Manager", || {
            machine.entra().journal().iter().any(|request| request.path.contains("/resourcegroups"))
        });
        machine.entra().knobs(|knobs| knobs.arm_delay = Duration::ZERO);
        assert_eq!(machine.refresh_tokens_in_the_cache(), 1, "az has the refresh token");
        amidst
    }
}

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "not after {} s: {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Machine {
    fn listing(&self) -> Command {
        self.command([&*self.installed("az.exe"), "group", "list"])
    }

    fn outcomes(&self) -> String {
        fs::read_to_string(self.azward_home().join("journal.jsonl")).unwrap_or_default()
    }
}

#[test]
#[ignore = "needs wine: .ci/windows"]
fn a_killed_shim_s_guardian_scrubs() {
    let machine = Machine::logged_in();
    let mut amidst = Amidst::of(&machine, machine.listing());
    // The process of Unix that wine has for it.
    amidst.child.kill().unwrap();
    assert_eq!(machine.refresh_tokens_in_the_cache(), 1, "az still runs, and has what it needs");
    let outcome = collect(amidst.child, amidst.line, Instant::now());
    assert!(outcome.out().contains("resourceGroups"), "az went on: {outcome:?}");
    until("the guardian has cleaned up", || machine.outcomes().contains("the guardian cleaned up"));
    assert_eq!(machine.refresh_tokens_in_the_cache(), 0);
    done("a killed shim: its guardian waits for az and scrubs");
}

#[test]
#[ignore = "needs wine: .ci/windows"]
fn a_killed_shim_s_az_keeps_what_it_needs_when_another_run_ends() {
    let machine = Machine::logged_in();
    let mut amidst = Amidst::lasting(Duration::from_secs(90), &machine, machine.listing());
    amidst.child.kill().unwrap();
    let (other, deeds) = machine.deeds_of(|| machine.az(["group", "list"]).ok());
    assert!(other.out().contains("resourceGroups") && deeds == ["run"], "{deeds:?}: {other:?}");
    assert_eq!(machine.refresh_tokens_in_the_cache(), 1, "the killed shim's az still runs, and has what it needs");
    assert!(!machine.outcomes().contains("the guardian cleaned up"), "it still ran then");
    let outcome = collect(amidst.child, amidst.line, Instant::now());
    assert!(outcome.out().contains("resourceGroups"), "az went on: {outcome:?}");
    until("the guardian has cleaned up", || machine.outcomes().contains("the guardian cleaned up"));
    assert_eq!(machine.refresh_tokens_in_the_cache(), 0);
    done("a killed shim: no other run scrubs what its az needs");
}

#[test]
#[ignore = "needs wine: .ci/windows"]
fn a_job_ends_all_that_it_holds() {
    let machine = Machine::logged_in();
    for kind in ["loose", "tight"] {
        let shim = machine.installed("az.exe");
        let mut driver = machine.python(IN_A_JOB, [kind, &*shim, "group", "list"]);
        driver.stdin(Stdio::piped());
        let told = || machine.outcomes().matches("the guardian cleaned up").count();
        let before = told();
        let mut amidst = Amidst::of(&machine, driver);
        amidst.child.stdin.take().unwrap().write_all(b"end\n").unwrap();
        let outcome = collect(amidst.child, amidst.line, Instant::now());
        assert!(!outcome.out().contains("resourceGroups"), "az ended with the job: {outcome:?}");
        match kind {
            "loose" => until("the guardian has left the job, and cleaned up", || told() > before),
            _ => {
                assert_eq!(machine.refresh_tokens_in_the_cache(), 1, "the guardian ended with the job");
                machine.azward(["scrub"]).ok();
                assert_eq!(told(), before);
            }
        }
        assert_eq!(machine.refresh_tokens_in_the_cache(), 0);
    }
    done("a job ends shim, az and, unless it lets go of it, the guardian, whose work the next command does");
}

#[test]
#[ignore = "needs wine: .ci/windows"]
fn ctrl_c_is_az_s_and_the_shim_ends_as_it_does() {
    let machine = Machine::logged_in();
    let listing = machine.listing();
    let line: Vec<_> = std::iter::once(listing.get_program()).chain(listing.get_args()).collect();
    let line = line.iter().map(|word| format!("'{}'", word.to_string_lossy())).collect::<Vec<_>>().join(" ");
    // A terminal of its own, which wine makes a console of.
    let mut command = Command::new("/usr/bin/script");
    command.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]).env_clear();
    command.envs(listing.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("TERM", "xterm");
    command.env("SHELL", "/bin/sh").current_dir(listing.get_current_dir().unwrap()).stdin(Stdio::piped());
    let mut amidst = Amidst::of(&machine, command);
    let pressed = Instant::now();
    let mut keyboard = amidst.child.stdin.take().unwrap();
    keyboard.write_all(b"\x03").unwrap();
    let outcome = collect(amidst.child, amidst.line, pressed);
    assert!(outcome.took < Duration::from_secs(15), "az was waited for: {outcome:?}");
    assert_ne!(outcome.status.code(), Some(0), "{outcome:?}");
    assert!(!outcome.out().contains("resourceGroups"), "{outcome:?}");
    assert_eq!(machine.refresh_tokens_in_the_cache(), 0);
    assert!(!machine.outcomes().contains("the guardian cleaned up"), "the shim did it itself");
    done("Ctrl-C ends az, and the shim scrubs and ends as az did");
}
