//! A tracer: runs one command with every call that changes something seen at its entry, and strikes at one of them. What is
//! traced is the shim's own process, all its threads, and whatever it forks until that becomes another program; the real az
//! runs untraced, and lives on when the shim is killed. Or it is the guardian that is struck: then the shim is killed as
//! soon as there is an az, and the calls that count are those of the guardian, from its exec on.
//!
//! ptrace belongs to a thread, so each command has one of its own, and what is still traced when that ends goes free.

use std::collections::HashMap;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::calls::{Call, Place, changing};
use crate::support::invocation::Stream;
use crate::support::{Invocation, Outcome};

/// How long a command may take before it counts as hung.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What happens at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    /// The shim is killed before the call is made.
    Kill,
    /// Half of a write is made, then the shim is killed.
    Tear,
    /// The call is not made and fails.
    Fail(Errno),
}

/// Whose calls are told of, and struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The shim (or azward), which does all the work if it is let.
    Shim,
    /// The guardian of a shim that was killed when az had just begun.
    Guardian,
}

/// What became of a traced command.
pub(crate) struct Traced {
    pub(crate) outcome: Outcome,
    /// The calls that change something, ordered by thread.
    pub(crate) calls: Vec<Call>,
    /// The call that was struck, if it came to that.
    pub(crate) struck: Option<Call>,
    pub(crate) is_hung: bool,
    /// Whether somebody made a mount namespace.
    pub(crate) has_mounted: bool,
    /// The processes that it forked: the real az, the guardian.
    forked: Vec<Pid>,
}

impl Traced {
    /// Waits until everybody that the command left behind is gone. Says whether that came to be.
    pub(crate) fn is_all_over(&self) -> bool {
        let deadline = Instant::now() + TIMEOUT;
        while self.forked.iter().any(|pid| is_alive(*pid)) {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }
}

/// Whether a process is there and does anything yet.
fn is_alive(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Runs a command to its end and to that of everybody who has its output. `strike` says what happens where.
#[expect(clippy::zombie_processes, reason = "the tracer waits for it by its number")]
pub(crate) fn trace(invocation: Invocation<'_>, subject: Subject, strike: Option<(Place, Blow)>) -> Traced {
    let sandbox = invocation.sandbox();
    let line = invocation.line();
    // Stopped until it is traced, and from its exec on it is the command.
    let mut command = invocation.in_script("kill -STOP $$; exec \"$0\" \"$@\"").command();
    let ((out, out_writer), (err, err_writer)) =
        (std::io::pipe().expect("a pipe can be had"), std::io::pipe().expect("a pipe can be had"));
    command.stdin(Stdio::null()).stdout(out_writer).stderr(err_writer).process_group(0);
    let (stdout, stderr) = (Stream::reading_from(out), Stream::reading_from(err));
    let started = Instant::now();
    let (sender, receiver) = mpsc::channel();
    let (tracer, status, is_hung) = std::thread::scope(|scope| {
        let (pids, pid) = mpsc::channel();
        scope.spawn(move || {
            let child = command.spawn().expect("a shell can be started");
            drop(command);
            let pid = Pid::from_raw(child.id().cast_signed());
            let _ = pids.send(pid);
            let mut tracer = Tracer::new(pid, subject, strike);
            let status = tracer.run();
            let _ = sender.send((tracer, status));
        });
        let pid = pid.recv().expect("the tracer says what it traces");
        let ended = receiver.recv_timeout(TIMEOUT);
        let is_hung = ended.is_err();
        if is_hung {
            let _ = killpg(pid, Signal::SIGKILL);
            // It has a session of its own.
            for guardian in sandbox.guardians() {
                let _ = kill(Pid::from_raw(guardian.0), Signal::SIGKILL);
            }
        }
        let (tracer, status) = ended.or_else(|_| receiver.recv()).expect("the tracer ends with what it traces");
        (tracer, status, is_hung)
    });
    let over = Instant::now();
    let is_over = |stream: &Stream| stream.wait(over + TIMEOUT, |_, is_over| is_over.then_some(())).is_some();
    let is_hung = is_hung || !(is_over(&stdout) && is_over(&stderr));
    let outcome = Outcome {
        line,
        status,
        stdout: stdout.so_far(),
        stderr: stderr.so_far(),
        took: over - started,
        pipe_lag: over.elapsed(),
    };
    let Tracer { mut calls, struck, forked, has_mounted, .. } = tracer;
    calls.sort_by_key(|call| call.place.thread);
    Traced { outcome, calls, struck, is_hung, has_mounted, forked }
}

struct Tracer {
    shim: Pid,
    subject: Subject,
    /// The guardian, once it goes by that name.
    guardian: Option<Pid>,
    has_mounted: bool,
    strike: Option<(Place, Blow)>,
    /// Whether the command has begun.
    is_armed: bool,
    threads: HashMap<Pid, Thread>,
    /// Those that have stopped for the first time before it was told who made them.
    unknown: Vec<Pid>,
    forked: Vec<Pid>,
    calls: Vec<Call>,
    struck: Option<Call>,
}

/// One thread, of the shim or of a child of it.
#[derive(Default)]
struct Thread {
    number: usize,
    /// How many it made itself.
    made: usize,
    /// How many calls of each name it made.
    calls: HashMap<&'static str, usize>,
    is_guardian_s: bool,
    /// What the call that it is in is to end with.
    ending: Option<Blow>,
}

impl Tracer {
    fn new(shim: Pid, subject: Subject, strike: Option<(Place, Blow)>) -> Self {
        Self {
            shim,
            subject,
            guardian: None,
            has_mounted: false,
            strike,
            is_armed: false,
            threads: HashMap::from([(shim, Thread::default())]),
            unknown: Vec::new(),
            forked: Vec::new(),
            calls: Vec::new(),
            struck: None,
        }
    }

    /// Traces until the shim has ended and whatever it forked has too, or is another program.
    fn run(&mut self) -> ExitStatus {
        waitpid(self.shim, Some(WaitPidFlag::WUNTRACED)).expect("the shell stops");
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACEEXEC;
        ptrace::seize(self.shim, options).expect("a child can be traced");
        kill(self.shim, Signal::SIGCONT).expect("the shell is there");
        let mut status = None;
        loop {
            // Of this thread's children alone: others may wait for theirs at the same time.
            let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
            let resumed = match waitpid(None, Some(flags)) {
                Ok(WaitStatus::Exited(pid, code)) if pid == self.shim => {
                    status = Some(ExitStatus::from_raw(code << 8));
                    Ok(())
                }
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == self.shim => {
                    status = Some(ExitStatus::from_raw(signal as i32));
                    Ok(())
                }
                Err(Errno::ECHILD) => return status.expect("the shim is one of them"),
                Ok(WaitStatus::PtraceEvent(pid, _, event)) => self.event(pid, event),
                Ok(WaitStatus::PtraceSyscall(pid)) => self.call(pid).and_then(|()| self.resume(pid, None)),
                Ok(WaitStatus::Stopped(pid, signal)) => self.resume(pid, Some(signal)),
                Ok(_) | Err(Errno::EINTR) => Ok(()),
                Err(error) => panic!("the shim cannot be waited for: {error}"),
            };
            // Whoever was killed meanwhile is not there any more.
            assert!(matches!(resumed, Ok(()) | Err(Errno::ESRCH)), "{resumed:?}");
        }
    }

    fn resume(&self, pid: Pid, signal: Option<Signal>) -> nix::Result<()> {
        if self.is_armed { ptrace::syscall(pid, signal) } else { ptrace::cont(pid, signal) }
    }

    fn event(&mut self, pid: Pid, event: i32) -> nix::Result<()> {
        match event {
            libc::PTRACE_EVENT_EXEC if pid == self.shim && !self.is_armed => self.is_armed = true,
            libc::PTRACE_EVENT_EXEC if self.subject == Subject::Guardian && is_guardian(pid) => {
                self.guardian = Some(pid);
                let thread = self.threads.entry(pid).or_default();
                *thread = Thread { number: thread.number, is_guardian_s: true, ..Thread::default() };
            }
            // What the network and the keyring say is not struck, but what the shim makes of it.
            libc::PTRACE_EVENT_EXEC if is_called(pid, "azward-helper") => return ptrace::detach(pid, None),
            // Another program now: the real az, or the guardian.
            libc::PTRACE_EVENT_EXEC => {
                if self.subject == Subject::Guardian && !is_guardian(pid) {
                    // The second az, and the shim is dead already.
                    let _ = kill(self.shim, Signal::SIGKILL);
                }
                return ptrace::detach(pid, None);
            }
            libc::PTRACE_EVENT_CLONE | libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK => {
                let made = Pid::from_raw(i32::try_from(ptrace::getevent(pid)?).expect("it is a process's number"));
                if event != libc::PTRACE_EVENT_CLONE {
                    self.forked.push(made);
                }
                let maker = self.threads.entry(pid).or_default();
                maker.made += 1;
                let (number, is_guardian_s) = (maker.number * 10 + maker.made, maker.is_guardian_s);
                self.threads.insert(made, Thread { number, is_guardian_s, ..Thread::default() });
                if let Some(place) = self.unknown.iter().position(|unknown| *unknown == made) {
                    self.unknown.swap_remove(place);
                    self.resume(made, None)?;
                }
            }
            _ if !self.threads.contains_key(&pid) => {
                self.unknown.push(pid);
                return Ok(());
            }
            _ => {}
        }
        self.resume(pid, None)
    }

    /// At a call's entry or exit.
    fn call(&mut self, pid: Pid) -> nix::Result<()> {
        let mut registers = ptrace::getregs(pid)?;
        let is_entry = ptrace::syscall_info(pid)?.op == libc::PTRACE_SYSCALL_INFO_ENTRY;
        let strike = self.strike;
        let thread = self.threads.entry(pid).or_default();
        let victim = self.guardian.filter(|_| thread.is_guardian_s).unwrap_or(self.shim);
        if !is_entry {
            match thread.ending.take() {
                Some(Blow::Fail(error)) => {
                    registers.rax = i64::from(-(error as i32)).cast_unsigned();
                    ptrace::setregs(pid, registers)?;
                }
                Some(Blow::Tear) => kill(victim, Signal::SIGKILL)?,
                _ => {}
            }
            return Ok(());
        }
        let (rdi, rsi, rdx) = (registers.rdi, registers.rsi, registers.rdx);
        let arguments = [rdi, rsi, rdx, registers.r10, registers.r8, registers.r9];
        let Some(mut call) = changing(pid, registers.orig_rax, arguments) else { return Ok(()) };
        self.has_mounted |= call.place.name == "unshare";
        if self.subject == Subject::Guardian && !thread.is_guardian_s {
            return Ok(());
        }
        let count = thread.calls.entry(call.place.name).or_default();
        call.place = Place { thread: thread.number, nth: *count, ..call.place };
        *count += 1;
        if let Some((_, blow)) = strike.filter(|(target, _)| *target == call.place) {
            match blow {
                Blow::Tear => registers.rdx /= 2,
                // Of a child the call goes on: it is its parent that is killed.
                Blow::Kill if is_thread_of(pid, victim) => registers.orig_rax = u64::MAX,
                Blow::Kill => {}
                Blow::Fail(_) => registers.orig_rax = u64::MAX,
            }
            ptrace::setregs(pid, registers)?;
            thread.ending = Some(blow);
            self.struck = Some(call.clone());
            if blow == Blow::Kill {
                kill(victim, Signal::SIGKILL)?;
            }
        }
        self.calls.push(call);
        Ok(())
    }
}

/// Whether a process that has just become another program is a guardian now.
fn is_guardian(pid: Pid) -> bool {
    is_called(pid, "azward-guardian")
}

fn is_called(pid: Pid, name: &str) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(name.as_bytes()))
}

/// Whether a thread is one of this process.
fn is_thread_of(thread: Pid, process: Pid) -> bool {
    std::path::Path::new(&format!("/proc/{process}/task/{thread}")).exists()
}
