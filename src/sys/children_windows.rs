//! Children, the end of a run and detached processes on Windows, under the names that Unix has. A process cannot wait here to
//! become another one: a "waiting" child is one that was not started yet. There is no guardian either; what a killed shim
//! leaves is scrubbed by the next invocation.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::windows::io::AsRawHandle;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::{PrivateMount, Watch, hand_events_to};

/// A program ready to be executed.
#[derive(Debug)]
pub struct Program {
    command: Mutex<Option<Command>>,
}

impl Program {
    /// The program at `path` with our own environment and one variable more, or another.
    ///
    /// # Errors
    /// None here.
    pub fn new(path: &Path, arguments: &[OsString], variable: (&str, &OsStr)) -> io::Result<Self> {
        let mut command = Command::new(path);
        command.args(arguments).env(variable.0, variable.1);
        Ok(Self { command: Mutex::new(Some(command)) })
    }

    /// The same without the caller's standard streams.
    ///
    /// # Errors
    /// None here.
    pub fn quietly(self) -> io::Result<Self> {
        if let Some(command) = self.command.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        }
        Ok(self)
    }
}

/// A child that was not started yet.
#[derive(Debug)]
pub struct WaitingChild {
    command: Command,
}

/// A file in a namespace of a child's own; there is none here.
#[derive(Debug)]
pub struct PrivateFile {
    /// The file.
    pub file: File,
    /// What keeps the namespace.
    pub namespace: File,
}

/// What the kernel refused on the way into a private mount; nothing is asked of it here.
#[derive(Debug)]
pub struct Refused {
    /// What it was asked for.
    pub step: &'static str,
    /// What it said.
    pub error: io::Error,
}

impl WaitingChild {
    /// Makes ready to start `program`, once.
    ///
    /// # Errors
    /// `NotFound` the second time.
    pub fn fork(program: &Program, _mount: Option<&PrivateMount>) -> io::Result<Self> {
        let command = program.command.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(Self { command: command.ok_or(io::ErrorKind::NotFound)? })
    }

    /// No process has this id: there is none yet.
    #[must_use]
    pub fn id(&self) -> u32 {
        0
    }

    /// There is no private mount to wait for.
    ///
    /// # Errors
    /// Always.
    pub fn private_file(&self) -> io::Result<Result<PrivateFile, Refused>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Starts it in our own console.
    ///
    /// # Errors
    /// The operating system's.
    pub fn go(mut self) -> io::Result<ChildProcess> {
        self.command.spawn().map(ChildProcess::of)
    }
}

/// A child that was started.
#[derive(Debug)]
pub struct ChildProcess {
    child: Child,
}

impl ChildProcess {
    pub(super) fn of(child: Child) -> Self {
        Self { child }
    }

    /// Has the console's events be the child's own from now on, those included that came just before.
    pub fn hand_signals(&self) {
        hand_events_to(Some(self.child.as_raw_handle()));
    }

    /// Waits for the child's end.
    ///
    /// # Errors
    /// The operating system's.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait();
        hand_events_to(None);
        status
    }

    /// How the child ended, if it did.
    ///
    /// # Errors
    /// The operating system's.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Ends the child at once; what it started itself goes on.
    pub fn kill(&mut self) {
        // The child may be gone already, which is what was wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A bell that rings once.
#[derive(Debug, Default)]
pub struct Alarm {
    has_rung: Mutex<bool>,
    bell: Condvar,
}

/// Why a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// The alarm rang.
    Rung,
    /// A watched file changed; nothing is watched here.
    Changed,
    /// The time is up.
    Late,
}

impl Alarm {
    /// One that has not rung.
    ///
    /// # Errors
    /// None here.
    pub fn new() -> io::Result<Self> {
        Ok(Self::default())
    }

    /// Rings.
    pub fn ring(&self) {
        *self.has_rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_all();
    }

    /// Waits for the alarm or for `time` to pass.
    #[must_use]
    pub fn wait(&self, time: Duration, _watch: Option<&Watch>) -> Woken {
        let has_rung = self.has_rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.bell.wait_timeout_while(has_rung, time, |has_rung| !*has_rung);
        if *waited.unwrap_or_else(PoisonError::into_inner).0 { Woken::Rung } else { Woken::Late }
    }
}

/// How many files one message can carry; there are no messages here.
pub const MOST_FILES: usize = 16;

/// The channel to a detached process; there is none here.
#[derive(Debug)]
pub enum Channel {}

/// Detaches nothing.
///
/// # Errors
/// Always.
pub fn detach(_name: &OsStr) -> io::Result<Channel> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Channel {
    /// There is none.
    ///
    /// # Errors
    /// Always.
    pub fn of_detached() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// See the Unix version.
    ///
    /// # Errors
    /// None.
    pub fn send(&self, _bytes: &[u8], _files: &[&File]) -> io::Result<()> {
        match *self {}
    }

    /// See the Unix version.
    ///
    /// # Errors
    /// None.
    pub fn receive(&self, _buffer: &mut [u8]) -> io::Result<(usize, Vec<File>)> {
        match *self {}
    }

    /// See the Unix version.
    pub fn hang_up(&self) {
        match *self {}
    }

    /// See the Unix version.
    pub fn wait_for_end(&self, _patience: Duration) {
        match *self {}
    }

    /// See the Unix version.
    pub fn reap(&self) {
        match *self {}
    }
}

/// Nobody waits for another's child here.
pub fn wait_for_end_of(_id: u32, _start: u64) {}

/// Processes have the names of their files here.
pub fn set_process_name(_name: &std::ffi::CStr) {}
