//! One command in a box: how it is started, what it is sent, and how it is waited for. Everything that comes out is searched
//! for canaries, and a command that does not end is killed and fails its test with what it had said by then.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::outcome::Outcome;
use super::sandbox::Sandbox;

/// How long a command may take unless its test says otherwise.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);

/// A command to be.
#[derive(Clone)]
pub(crate) struct Invocation<'a> {
    sandbox: &'a Sandbox,
    program: OsString,
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    directory: PathBuf,
    input: Vec<u8>,
    is_merged: bool,
    may_be_clear: bool,
    timeout: Duration,
}

impl<'a> Invocation<'a> {
    /// A program, found on the box's PATH if it is a bare name, with the box's environment, in its home directory, with
    /// nothing on stdin.
    pub(crate) fn new(sandbox: &'a Sandbox, program: impl Into<OsString>) -> Self {
        Self {
            sandbox,
            program: program.into(),
            arguments: Vec::new(),
            environment: sandbox.environment(),
            directory: sandbox.home(),
            input: Vec::new(),
            is_merged: false,
            may_be_clear: false,
            timeout: TIMEOUT,
        }
    }

    pub(crate) fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    pub(crate) fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.environment.remove(OsStr::new(name));
        self
    }

    /// Leaves nothing of the environment but PATH. HOME goes too: `isolated` is for what then looks in the passwd database.
    pub(crate) fn only_path(mut self) -> Self {
        self.environment.retain(|name, _| name == "PATH");
        self
    }

    pub(crate) fn cwd(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    /// What the command reads on stdin.
    pub(crate) fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// Sends stderr the way of stdout, as some callers do.
    pub(crate) fn merged(mut self) -> Self {
        self.is_merged = true;
        self
    }

    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Says that a refresh token in this command's output is what the test is about.
    pub(crate) fn expect_clear_output(mut self) -> Self {
        self.may_be_clear = true;
        self
    }

    /// The same command as the one line of a `/bin/sh -c`, which is how most SDKs start az.
    pub(crate) fn through_shell(self) -> Self {
        let line = self.line();
        self.in_script(&line)
    }

    /// The same command inside a shell script, as `"$0" "$@"`: `exec "$0" "$@" <&-` closes its stdin.
    pub(crate) fn in_script(mut self, script: &str) -> Self {
        let program = std::mem::replace(&mut self.program, "/bin/sh".into());
        self.arguments.splice(..0, ["-c".into(), script.into(), program]);
        self
    }

    /// The command as one line of shell, and so that a person can read it.
    pub(crate) fn line(&self) -> String {
        let words = std::iter::once(&self.program).chain(&self.arguments);
        words.map(|word| quoted(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
    }

    /// As the standard library has it, stdio not yet decided.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear().envs(&self.environment).current_dir(&self.directory);
        command
    }

    pub(crate) fn sandbox(&self) -> &'a Sandbox {
        self.sandbox
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Outcome {
        self.start().finish()
    }

    /// Starts it in the background, in a process group of its own, so that a signal can be sent to the group as a terminal
    /// would.
    pub(crate) fn start(self) -> Running<'a> {
        let line = self.line();
        let pipe = || std::io::pipe().expect("a pipe can be had");
        let (out_reader, out_writer) = pipe();
        let (err_reader, err_writer) = pipe();
        let mut command = self.command();
        let err_writer =
            if self.is_merged { out_writer.try_clone().expect("a pipe can be doubled") } else { err_writer };
        command.stdout(out_writer).stderr(err_writer).process_group(0);
        command.stdin(if self.input.is_empty() { Stdio::null() } else { Stdio::piped() });
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {line}: {error}"));
        // It holds the writing ends; while they are open here, nothing that is read would ever end.
        drop(command);
        if let Some(mut stdin) = child.stdin.take() {
            // A command that does not read its input is none of our business.
            std::thread::spawn(move || stdin.write_all(&self.input));
        }
        Running {
            sandbox: self.sandbox,
            line,
            child,
            is_over: false,
            stdout: Stream::reading_from(out_reader),
            stderr: Stream::reading_from(err_reader),
            may_be_clear: self.may_be_clear,
            started: Instant::now(),
            timeout: self.timeout,
        }
    }
}

/// A path as a word of a line of shell, whatever its name.
pub(crate) fn in_shell(path: impl AsRef<Path>) -> String {
    quoted(&path.as_ref().to_string_lossy())
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// What was read of a pipe so far, and whether it ended, for one thread that reads and others that wait.
#[derive(Clone, Default)]
pub(crate) struct Stream {
    state: Arc<Mutex<(Vec<u8>, bool)>>,
    changed: Arc<Condvar>,
}

impl Stream {
    /// Reads in a thread of its own until the end, or an error, which is how a terminal ends.
    pub(crate) fn reading_from(mut source: impl Read + Send + 'static) -> Self {
        let stream = Self::default();
        let own = stream.clone();
        std::thread::spawn(move || {
            let mut chunk = [0; 8192];
            loop {
                let count = source.read(&mut chunk).unwrap_or(0);
                let mut state = own.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.0.extend_from_slice(&chunk[..count]);
                state.1 = count == 0;
                own.changed.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        stream
    }

    /// Waits until `is_enough` says so of what was read and whether it ended; `None` when the deadline comes first.
    pub(crate) fn wait<T>(&self, deadline: Instant, is_enough: impl Fn(&[u8], bool) -> Option<T>) -> Option<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(value) = is_enough(&state.0, state.1) {
                return Some(value);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(crate) fn so_far(&self) -> Vec<u8> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}

/// A command under way; killed, with its process group, if it is dropped before it ends.
pub(crate) struct Running<'a> {
    sandbox: &'a Sandbox,
    line: String,
    child: Child,
    is_over: bool,
    stdout: Stream,
    stderr: Stream,
    may_be_clear: bool,
    started: Instant,
    timeout: Duration,
}

impl Running<'_> {
    pub(crate) fn pid(&self) -> Pid {
        pid_of(&self.child)
    }

    /// Sends a signal to the process alone, as `kill PID` does.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap_or_else(|error| panic!("{signal:?} to {}: {error}", self.line));
    }

    /// Sends a signal to its process group, as a terminal does.
    pub(crate) fn signal_group(&self, signal: Signal) {
        kill_process_group(self.pid(), signal).unwrap_or_else(|error| panic!("{signal:?} to {}: {error}", self.line));
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Whether the command has ended and so has its output, which what it left behind may hold open: `finish` then does not
    /// wait.
    pub(crate) fn is_over(&mut self) -> bool {
        let has_ended = |stream: &Stream| stream.wait(Instant::now(), |_, is_over| is_over.then_some(())).is_some();
        !self.is_running() && has_ended(&self.stdout) && has_ended(&self.stderr)
    }

    /// Waits until the command has written `text` to stdout.
    pub(crate) fn wait_for(&self, text: &str) {
        let is_said = |bytes: &[u8], _| memchr::memmem::find(bytes, text.as_bytes()).map(drop);
        if self.stdout.wait(self.started + self.timeout, is_said).is_none() {
            panic!("`{text}` was never said by {}", self.so_far());
        }
    }

    /// What the command has written to stdout so far.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&self.stdout.so_far()).into_owned()
    }

    /// Waits for the end. What came out must end with the command: a caller that reads to the end of the pipe would wait
    /// for whoever still holds it.
    pub(crate) fn finish(mut self) -> Outcome {
        let deadline = self.started + self.timeout;
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)),
                Ok(None) => panic!("not over after {} s: {}", self.timeout.as_secs(), self.so_far()),
                Err(error) => panic!("cannot wait for {}: {error}", self.line),
            }
        };
        let over = Instant::now();
        for stream in [&self.stdout, &self.stderr] {
            if stream.wait(over + self.timeout.min(PATIENCE), |_, is_over| is_over.then_some(())).is_none() {
                panic!(
                    "ended with {status}, but something that it left behind holds its output open: {}",
                    self.so_far()
                );
            }
        }
        let pipe_lag = over.elapsed();
        self.is_over = true;
        let outcome = Outcome {
            line: self.line.clone(),
            status,
            stdout: self.stdout.so_far(),
            stderr: self.stderr.so_far(),
            took: over - self.started,
            pipe_lag,
        };
        if !self.may_be_clear {
            self.sandbox.search_output(&outcome.line, &outcome.stdout);
            self.sandbox.search_output(&outcome.line, &outcome.stderr);
        }
        outcome
    }

    fn so_far(&self) -> String {
        let text = |stream: &Stream| String::from_utf8_lossy(&stream.so_far()).into_owned();
        format!("{}\n--- stdout ---\n{}\n--- stderr ---\n{}", self.line, text(&self.stdout), text(&self.stderr))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            end_group(&mut self.child);
        }
    }
}

pub(crate) fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// Kills a child that leads a process group, and the group.
pub(crate) fn end_group(child: &mut Child) {
    // The child is not reaped yet or was the group's leader, so the group's number cannot have gone to others unless the
    // group is empty; then there is nobody to kill and that is fine.
    let _ = kill_process_group(pid_of(child), Signal::KILL);
    let _ = child.wait();
}

/// How long what must happen is waited for: on a machine with better things to do, too.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` holds; fails the test, naming what it waited for, when it does not within a minute.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
