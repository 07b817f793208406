//! What a child does between its fork and the moment when it is az: it enters a private mount if it is given one, waits until
//! its parent lets it go, and executes the program; when its parent dies before that it ends. It has everything that the
//! caller gave us (terminal, descriptors, working directory), and back what Rust's runtime took (`inherited`).
//!
//! It allocates nothing and makes system calls only, because its parent may have threads.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::io::{Errno, read, retry_on_intr, write};

use super::exec::{Strings, execute, exit, redirect_standard_streams};
use crate::sys::memory::give_back_core_limit;
#[cfg(target_os = "linux")]
use crate::sys::mounts::PrivateMount;
use crate::sys::process::give_back_in_child;
use crate::sys::signals;
#[cfg(target_os = "linux")]
use crate::sys::{MOST_FILES, messages};

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

    /// The same under another name than that of its file.
    ///
    /// # Errors
    /// `InvalidInput` for a NUL byte.
    pub fn called(mut self, name: &OsStr) -> io::Result<Self> {
        self.arguments[0] = CString::new(name.as_bytes())?;
        Ok(self)
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

/// All that the child needs, made ready before the fork.
pub(super) struct Plan<'a> {
    program: &'a Program,
    arguments: Strings<'a>,
    shell_arguments: Strings<'a>,
    environment: Strings<'a>,
    /// The private mount that it enters first.
    #[cfg(target_os = "linux")]
    pub(super) mount: Option<&'a PrivateMount>,
    channel: &'a UnixStream,
}

impl<'a> Plan<'a> {
    pub(super) fn of(program: &'a Program, channel: &'a UnixStream) -> Self {
        Self {
            program,
            arguments: Strings::of(&program.arguments),
            shell_arguments: Strings::of(&program.shell_arguments),
            environment: Strings::of(&program.environment),
            #[cfg(target_os = "linux")]
            mount: None,
            channel,
        }
    }

    /// The child's whole life.
    pub(super) fn follow(&self) -> ! {
        #[cfg(target_os = "linux")]
        if let Some(mount) = self.mount {
            self.enter(mount);
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
        signals::leave_to_az_in_child();
        let error = self.execute();
        let _ = write(self.channel, &error.raw_os_error().to_ne_bytes());
        exit(127);
    }

    /// Enters the private mount and tells the parent; ends the child where it is refused.
    #[cfg(target_os = "linux")]
    fn enter(&self, mount: &PrivateMount) {
        let mut report = [0; 8];
        let sent = match mount.enter() {
            Ok(entered) => {
                let mut files = [self.channel.as_fd(); MOST_FILES];
                let mut count = 0;
                for file in entered.iter().filter_map(Option::as_ref) {
                    files[count] = OwnedFd::as_fd(file);
                    count += 1;
                }
                messages::send(self.channel, &report, &files[..count])
            }
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
