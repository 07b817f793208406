//! A child that waits for the word to become az. It is forked before any secret is in memory, enters a private mount if it
//! is given one, and then waits; when its parent lets it go it executes the program, and when its parent dies before that
//! it ends. It is in its parent's process group and has everything that the caller gave us (terminal, descriptors,
//! working directory), and back what Rust's runtime took (`inherited`).
//!
//! Between fork and exec the child allocates nothing and makes system calls only, because its parent may have threads.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
#[cfg(target_os = "linux")]
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

use rustix::io::{Errno, read, retry_on_intr, write};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, waitid, waitpid};

use super::exec::{Strings, execute, exit, fork, redirect_standard_streams};
use crate::sys::memory::give_back_core_limit;
#[cfg(target_os = "linux")]
use crate::sys::mounts::{PrivateMount, STEPS};
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

    /// The same without the caller's standard streams.
    ///
    /// # Errors
    /// When `/dev/null` cannot be opened.
    pub fn quietly(mut self) -> io::Result<Self> {
        self.nowhere = Some(File::options().read(true).write(true).open("/dev/null")?);
        Ok(self)
    }
}

/// The files in a namespace of a child's own.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub struct PrivateFiles {
    /// The files, in the order in which the mount named what they cover.
    pub files: Vec<File>,
    /// Keeps the namespace for as long as it is open: taking one down takes the kernel milliseconds, which the last process
    /// in it would otherwise spend on its way out.
    pub namespace: File,
}

/// What the kernel refused on the way into a private mount.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub struct Refused {
    /// What it was asked for.
    pub step: &'static str,
    /// What it said.
    pub error: io::Error,
}

/// A child that has not become its program yet. Dropped, it ends.
#[derive(Debug)]
pub struct WaitingChild {
    id: Pid,
    channel: UnixStream,
    /// How many files its private mount covers.
    #[cfg(target_os = "linux")]
    covered: usize,
    is_reaped: bool,
}

impl WaitingChild {
    /// Forks a child that waits to become `program`.
    ///
    /// # Errors
    /// The operating system's.
    pub fn fork(program: &Program) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        Plan::of(program, &theirs).fork(ours)
    }

    /// Forks one that first enters a private mount.
    ///
    /// # Errors
    /// The operating system's.
    #[cfg(target_os = "linux")]
    pub fn fork_into(mount: &PrivateMount, program: &Program) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        Plan { mount: Some(mount), ..Plan::of(program, &theirs) }.fork(ours)
    }

    /// The child's process id, which is az's later on.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id.as_raw_nonzero().get().unsigned_abs()
    }

    /// Waits until the child is in its private mount, and returns the files there and the namespace. The inner error is the
    /// kernel's refusal.
    ///
    /// # Errors
    /// When the child is gone, or not all of the files arrive.
    #[cfg(target_os = "linux")]
    pub fn private_files(&self) -> io::Result<Result<PrivateFiles, Refused>> {
        let mut report = [0; 8];
        let (count, files) = messages::receive(&self.channel, &mut report)?;
        if count < report.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut files: Vec<File> = files.into_iter().map(File::from).collect();
        match (files.len(), files.pop()) {
            (0, _) => {
                let error = i32::from_ne_bytes([report[4], report[5], report[6], report[7]]);
                let step = STEPS.get(usize::from(report[0])).copied().unwrap_or("something");
                Ok(Err(Refused { step, error: io::Error::from_raw_os_error(error) }))
            }
            (count, Some(namespace)) if count == self.covered + 1 => Ok(Ok(PrivateFiles { files, namespace })),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
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
    #[cfg(target_os = "linux")]
    mount: Option<&'a PrivateMount>,
    channel: &'a UnixStream,
}

impl<'a> Plan<'a> {
    fn of(program: &'a Program, channel: &'a UnixStream) -> Self {
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

    /// Forks the child that follows it, with `ours` as the parent's end of the channel.
    fn fork(&self, ours: UnixStream) -> io::Result<WaitingChild> {
        // SAFETY: the child closes a descriptor and calls `Plan::follow`, which makes system calls only and never returns.
        match unsafe { fork() }? {
            None => {
                // While this end is open there too, the parent's death would not be seen.
                drop(ours);
                self.follow()
            }
            Some(id) => Ok(WaitingChild {
                id,
                channel: ours,
                #[cfg(target_os = "linux")]
                covered: self.mount.map_or(0, PrivateMount::count),
                is_reaped: false,
            }),
        }
    }

    /// The child's whole life.
    fn follow(&self) -> ! {
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::sys::CoveredFile;

    #[test]
    fn a_mount_covers_each_of_its_files_with_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let stage = dir.path().join("stage");
        std::fs::create_dir(&stage).unwrap();
        let paths = ["tokens", "principals"].map(|name| dir.path().canonicalize().unwrap().join(name));
        paths.iter().for_each(|path| std::fs::write(path, "outside").unwrap());
        let covered = [(&paths[0], "tokens", 0o600), (&paths[1], "principals", 0o640)];
        let covered = covered.map(|(path, name, mode)| CoveredFile { path, name, mode });
        let program = Program::new(Path::new("/bin/true"), &[], []).unwrap();
        let Ok(mount) = PrivateMount::over(&covered, &stage).unwrap() else { return };
        let child = WaitingChild::fork_into(&mount, &program).unwrap();
        // Not every system has namespaces for everybody.
        let Ok(PrivateFiles { mut files, .. }) = child.private_files().unwrap() else { return };
        let modes: Vec<u32> = files.iter().map(|file| file.metadata().unwrap().permissions().mode() & 0o777).collect();
        assert_eq!(modes, [0o600, 0o640]);
        for (file, path) in files.iter_mut().zip(&paths) {
            write!(file, "inside {}", path.display()).unwrap();
            let inside = format!("/proc/{}/root{}", child.id(), path.display());
            // It lets nobody but root look.
            if let Ok(text) = std::fs::read_to_string(inside) {
                assert_eq!(text, format!("inside {}", path.display()));
            }
            assert_eq!(std::fs::read_to_string(path).unwrap(), "outside");
        }
        let too_many = vec![covered[0]; MOST_FILES];
        assert_eq!(PrivateMount::over(&too_many, &stage).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
