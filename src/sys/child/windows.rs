//! Children on Windows. A process cannot wait here to become another one: a program is made ready, and started when it is to
//! run.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::io::AsRawHandle;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::sys::signals::hand_events_to;

/// A program ready to be executed.
#[derive(Debug)]
pub struct Program {
    command: Command,
}

impl Program {
    /// The program at `path` with these arguments after its name, and this environment.
    ///
    /// # Errors
    /// None here.
    pub fn new<'a>(
        path: &Path,
        arguments: &[OsString],
        environment: impl IntoIterator<Item = (&'a OsStr, &'a OsStr)>,
    ) -> io::Result<Self> {
        let mut command = Command::new(path);
        command.args(arguments).env_clear().envs(environment);
        Ok(Self { command })
    }

    /// The same under another name than that of its file, which there is none of here.
    ///
    /// # Errors
    /// None here.
    pub fn called(self, _name: &OsStr) -> io::Result<Self> {
        Ok(self)
    }

    /// The same without the caller's standard streams.
    ///
    /// # Errors
    /// None here.
    pub fn quietly(mut self) -> io::Result<Self> {
        self.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(self)
    }

    /// Starts it in our own console.
    ///
    /// # Errors
    /// The operating system's.
    pub fn start(mut self) -> io::Result<ChildProcess> {
        self.command.spawn().map(ChildProcess::of)
    }
}

/// A child that was started.
#[derive(Debug)]
pub struct ChildProcess {
    child: Child,
}

impl ChildProcess {
    pub(in crate::sys) fn of(child: Child) -> Self {
        Self { child }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
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
