//! A child that waits for the word to become az. It is forked before any secret is in memory, enters a private mount if it
//! is given one, and then waits; when its parent lets it go it executes the program, and when its parent dies before that
//! it ends. It is in its parent's process group and has everything that the caller gave us (terminal, descriptors,
//! working directory), and back what Rust's runtime took (`inherited`).
//!
//! Between fork and exec the child allocates nothing and makes system calls only, because its parent may have threads.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

use rustix::io::{Errno, read, retry_on_intr, write};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, waitid, waitpid};

use super::exec::{Strings, execute, exit, fork, redirect_standard_streams};
use super::{PrivateFile, Refused};
use crate::sys::memory::give_back_core_limit;
use crate::sys::mounts::STEPS;
use crate::sys::process::give_back_in_child;
use crate::sys::{PrivateMount, messages, signals};

/// A program ready to be executed: its file, its arguments, its environment.
#[derive(Debug)]
pub struct Program {
    path: CString,
    arguments: Vec<CString>,
    /// What a shell is given in their place, for a script that names no interpreter.
    shell_arguments: Vec<CString>,
    environment: Vec<CString>,
    /// Where its standard streams lead instead of to the caller's.
    nowhere: Option<File>,
}

impl Program {
    /// The program at `path` with these arguments after its name, and this environment.
    ///
    /// # Errors
    /// `InvalidInput` for a NUL byte where none can be.
    pub fn new<'a>(
        path: &Path,
        arguments: &[OsString],
        environment: impl IntoIterator<Item = (&'a OsStr, &'a OsStr)>,
    ) -> io::Result<Self> {
        let text = |text: &OsStr| CString::new(text.as_bytes()).map_err(io::Error::from);
        let path = text(path.as_os_str())?;
        let own = arguments.iter().map(|argument| text(argument)).collect::<io::Result<Vec<_>>>()?;
        let with = |first: &[&CString]| first.iter().copied().chain(&own).cloned().collect();
        let arguments = with(&[&path]);
        let shell_arguments = with(&[&c"/bin/sh".to_owned(), &path]);
        let entry = |(name, value): (&OsStr, &OsStr)| {
            CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).map_err(io::Error::from)
        };
        let environment = environment.into_iter().map(entry).collect::<io::Result<_>>()?;
        Ok(Self { path, arguments, shell_arguments, environment, nowhere: None })
    }

    /// The same without the caller's standard streams.
    ///
    /// # Errors
    /// When `/dev/null` cannot be opened.
    pub fn quietly(mut self) -> io::Result<Self> {
        self.nowhere = Some(File::options().read(true).write(true).open("/dev/null")?);
        Ok(self)
    }
}

/// A child that has not become its program yet. Dropped, it ends.
#[derive(Debug)]
pub struct WaitingChild {
    id: Pid,
    channel: UnixStream,
    is_reaped: bool,
}

impl WaitingChild {
    /// Forks a child that waits to become `program`.
    ///
    /// # Errors
    /// The operating system's.
    pub fn fork(program: &Program, mount: Option<&PrivateMount>) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let plan = Plan {
            program,
            arguments: Strings::of(&program.arguments),
            shell_arguments: Strings::of(&program.shell_arguments),
            environment: Strings::of(&program.environment),
            mount,
            channel: &theirs,
        };
        // SAFETY: the child closes a descriptor and calls `Plan::follow`, which makes system calls only and never returns.
        match unsafe { fork() }? {
            None => {
                // While this end is open there too, the parent's death would not be seen.
                drop(ours);
                plan.follow()
            }
            Some(id) => Ok(Self { id, channel: ours, is_reaped: false }),
        }
    }

    /// The child's process id, which is az's later on.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id.as_raw_nonzero().get().unsigned_abs()
    }

    /// Waits until the child is in its private mount, and returns the file there and the namespace. The inner error is the
    /// kernel's refusal.
    ///
    /// # Errors
    /// When the child is gone.
    pub fn private_file(&self) -> io::Result<Result<PrivateFile, Refused>> {
        let mut report = [0; 8];
        let (count, files) = messages::receive(&self.channel, &mut report)?;
        if count < report.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let error = i32::from_ne_bytes([report[4], report[5], report[6], report[7]]);
        let mut files = files.into_iter().map(File::from);
        Ok(match files.next().zip(files.next()) {
            Some((file, namespace)) => Ok(PrivateFile { file, namespace }),
            None => Err(Refused {
                step: STEPS.get(usize::from(report[0])).copied().unwrap_or("something"),
                error: io::Error::from_raw_os_error(error),
            }),
        })
    }

    /// Lets the child become its program.
    ///
    /// # Errors
    /// The operating system's, when the program cannot be executed; the child has ended then.
    pub fn go(mut self) -> io::Result<ChildProcess> {
        self.channel.write_all(b"g")?;
        let mut error = Vec::new();
        // The end of this channel is closed by a successful exec.
        (&self.channel).take(4).read_to_end(&mut error)?;
        if let Ok(number) = <[u8; 4]>::try_from(error) {
            return Err(io::Error::from_raw_os_error(i32::from_ne_bytes(number)));
        }
        self.is_reaped = true;
        Ok(ChildProcess { id: self.id })
    }
}

impl Drop for WaitingChild {
    fn drop(&mut self) {
        if !self.is_reaped {
            let _ = self.channel.shutdown(std::net::Shutdown::Both);
            let _ = retry_on_intr(|| waitpid(Some(self.id), WaitOptions::empty()));
        }
    }
}

/// A child that has become its program.
#[derive(Debug)]
pub struct ChildProcess {
    id: Pid,
}

impl ChildProcess {
    /// Hands signals to the child from now on, those included that came just before.
    pub fn hand_signals(&self) {
        signals::hand_signals_to(Some(self.id));
    }

    /// Waits for the child's end. The id is only reaped after signals have stopped going to it.
    ///
    /// # Errors
    /// The operating system's.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        // The child is left to be reaped below.
        retry_on_intr(|| waitid(WaitId::Pid(self.id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT))?;
        signals::hand_signals_to(None);
        self.reap(WaitOptions::empty()).and_then(|status| status.ok_or_else(|| io::ErrorKind::NotFound.into()))
    }

    /// How the child ended, if it did.
    ///
    /// # Errors
    /// The operating system's.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.reap(WaitOptions::NOHANG)
    }

    /// Ends the child at once.
    pub fn kill(&mut self) {
        // It has not been waited for, so the id is still its own. It may have ended: just as well.
        let _ = kill_process(self.id, Signal::KILL);
        let _ = self.reap(WaitOptions::empty());
    }

    fn reap(&mut self, options: WaitOptions) -> io::Result<Option<ExitStatus>> {
        let ended = retry_on_intr(|| waitpid(Some(self.id), options))?;
        Ok(ended.map(|(_, status)| ExitStatus::from_raw(status.as_raw())))
    }
}

/// All that the child needs, made ready before the fork.
struct Plan<'a> {
    program: &'a Program,
    arguments: Strings<'a>,
    shell_arguments: Strings<'a>,
    environment: Strings<'a>,
    mount: Option<&'a PrivateMount>,
    channel: &'a UnixStream,
}

impl Plan<'_> {
    /// The child's whole life.
    fn follow(&self) -> ! {
        if let Some(mount) = self.mount {
            let mut report = [0; 8];
            let sent = match mount.enter() {
                Ok(files) => messages::send(self.channel, &report, &files.each_ref().map(AsFd::as_fd)),
                Err((step, error)) => {
                    report[0] = step;
                    report[4..].copy_from_slice(&error.raw_os_error().to_ne_bytes());
                    let _ = messages::send(self.channel, &report, &[]);
                    exit(1);
                }
            };
            if sent.is_err() {
                exit(1);
            }
        }
        if !self.is_let_go() {
            exit(1);
        }
        if let Some(nowhere) = &self.program.nowhere {
            redirect_standard_streams(nowhere);
            give_back_core_limit();
        } else {
            give_back_in_child();
        }
        let error = self.execute();
        let _ = write(self.channel, &error.raw_os_error().to_ne_bytes());
        exit(127);
    }

    /// Waits for the parent's word; its death is a no.
    fn is_let_go(&self) -> bool {
        let mut word = [0];
        retry_on_intr(|| read(self.channel, &mut word)) == Ok(1)
    }

    /// Executes the program; returns only if that failed.
    fn execute(&self) -> Errno {
        match execute(&self.program.path, &self.arguments, Some(&self.environment)) {
            // As execvp(3) and every shell do with a script that names no interpreter.
            Errno::NOEXEC => execute(c"/bin/sh", &self.shell_arguments, Some(&self.environment)),
            error => error,
        }
    }
}
