//! A command of a box on a terminal of its own: typed at, read from with a deadline, and interrupted or stopped by the keys
//! that do that. [`Terminal::shell`] is an interactive bash with job control, for Ctrl-Z and `fg`.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::process::Pid;
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

use super::invocation::{Invocation, Stream, end_group, pid_of, wait_until};
use super::outcome::Outcome;
use super::proc::Process;
use super::sandbox::Sandbox;

/// What the key sends: an interrupt.
pub(crate) const CTRL_C: &str = "\x03";
/// What the key sends: the end of the input.
pub(crate) const CTRL_D: &str = "\x04";
/// What the key sends: a stop.
const CTRL_Z: &str = "\x1a";
/// What the key sends: quit.
pub(crate) const CTRL_BACKSLASH: &str = "\x1c";

/// How long a terminal is waited for.
const DEADLINE: Duration = Duration::from_secs(60);

/// A terminal, and the command that has it as its controlling terminal.
pub(crate) struct Terminal<'a> {
    sandbox: &'a Sandbox,
    line: String,
    child: Child,
    keyboard: File,
    screen: Stream,
    /// How much of the screen was read by `expect`.
    seen: usize,
    started: Instant,
    is_over: bool,
}

impl<'a> Terminal<'a> {
    /// Starts a command on a terminal of 80 columns.
    pub(crate) fn start(invocation: &Invocation<'a>) -> Self {
        let (controller, side) = open().expect("a pseudo terminal can be had");
        let own = invocation.command();
        // Makes its stdin its controlling terminal, in a session of its own, and becomes the command: same process id.
        let mut command = std::process::Command::new("/usr/bin/setsid");
        command.arg("--ctty").arg(own.get_program()).args(own.get_args()).env_clear();
        command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if let Some(directory) = own.get_current_dir() {
            command.current_dir(directory);
        }
        let double = || side.try_clone().expect("a descriptor can be doubled");
        command.stdin(double()).stdout(double()).stderr(double());
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {}: {error}", invocation.line()));
        // Once nobody has the command's side open, reading the other ends.
        drop((command, side));
        let keyboard = File::from(controller);
        let screen = Stream::reading_from(keyboard.try_clone().expect("a descriptor can be doubled"));
        Self {
            sandbox: invocation.sandbox(),
            line: invocation.line(),
            child,
            keyboard,
            screen,
            seen: 0,
            started: Instant::now(),
            is_over: false,
        }
    }

    /// Starts an interactive bash with job control and waits for its prompt.
    pub(crate) fn shell(sandbox: &'a Sandbox) -> Self {
        let bash = Invocation::new(sandbox, "bash").args(["--norc", "--noprofile", "--noediting", "-i"]);
        let mut terminal = Self::start(&bash.env("PS1", "ready> ").env("TERM", "dumb"));
        terminal.expect("ready> ");
        terminal
    }

    pub(crate) fn pid(&self) -> Pid {
        pid_of(&self.child)
    }

    /// Types `keys`, as they are.
    pub(crate) fn send(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", self.line));
    }

    /// Types a line and Enter.
    pub(crate) fn type_line(&mut self, line: &str) {
        self.send(&format!("{line}\r"));
    }

    /// Has the shell's foreground job stopped by the key, and waits until all of it is: the shell asks again as soon as it knows
    /// of the process that it started, and what is typed then is still read by one below that has not noticed yet.
    #[track_caller]
    pub(crate) fn stop_job(&mut self) {
        let job = rustix::termios::tcgetpgrp(&self.keyboard).expect("the terminal has a foreground job");
        let group = job.as_raw_pid().to_string();
        self.send(CTRL_Z);
        self.expect("Stopped");
        self.expect("ready> ");
        let mut of_job = Process::all();
        of_job.retain(|process| process.stat(5) == group);
        wait_until("the whole job is stopped", || {
            of_job.iter().all(|process| process.stat(3) == "T" || !process.is_alive())
        });
    }

    /// Waits until `text` appears after what was expected before, and returns what came in front of it. A command line is on
    /// the screen too, as typed: expect what only its outcome says.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) -> String {
        let seen = self.seen;
        let found = self.screen.wait(Instant::now() + DEADLINE, |screen, is_over| {
            match memchr::memmem::find(&screen[seen..], text.as_bytes()) {
                Some(offset) => Some(Some(offset)),
                None => is_over.then_some(None),
            }
        });
        let Some(Some(offset)) = found else {
            panic!("`{text}` never appeared on the terminal of {}, which shows\n{}", self.line, self.screen());
        };
        self.seen = seen + offset + text.len();
        String::from_utf8_lossy(&self.screen.so_far()[seen..seen + offset]).into_owned()
    }

    /// Everything that appeared so far.
    pub(crate) fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.so_far()).into_owned()
    }

    /// Waits for the command's end; its stdout is what appeared on the terminal.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Outcome {
        let deadline = Instant::now() + DEADLINE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            assert!(Instant::now() < deadline, "not over: {}, which shows\n{}", self.line, self.screen());
            std::thread::sleep(Duration::from_millis(2));
        };
        let over = Instant::now();
        self.is_over = true;
        // A job that outlived its shell may hold the terminal; what it says after this is not waited for.
        let _ = self.screen.wait(over + Duration::from_secs(2), |_, is_over| is_over.then_some(()));
        let outcome = Outcome {
            line: self.line.clone(),
            status,
            stdout: self.screen.so_far(),
            stderr: Vec::new(),
            took: over - self.started,
            pipe_lag: over.elapsed(),
        };
        self.sandbox.search_output(&outcome.line, &outcome.stdout);
        outcome
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            // The jobs of a shell have groups of their own; they are told to hang up when the terminal goes.
            end_group(&mut self.child);
        }
    }
}

/// Both sides of a new pseudo terminal: ours, and the command's.
fn open() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let controller = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    rustix::pty::grantpt(&controller)?;
    rustix::pty::unlockpt(&controller)?;
    let name = rustix::pty::ptsname(&controller, Vec::new())?;
    let side = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::termios::tcsetwinsize(&side, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 })?;
    Ok((controller, side))
}
