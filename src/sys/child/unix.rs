//! A child that waits for the word to become az, from its parent's side. It is forked before any secret is in memory, and is
//! in its parent's process group; what it does until then is its `plan`. Dropped before it was let go, it ends.

#[cfg(target_os = "linux")]
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
#[cfg(target_os = "linux")]
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use rustix::event::{PollFd, PollFlags, Timespec, poll};
#[cfg(target_os = "linux")]
use rustix::io::Errno;
use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, waitid, waitpid};
#[cfg(target_os = "linux")]
use rustix::process::{PidfdFlags, pidfd_open};

use super::exec::fork;
use super::plan::Plan;
pub use super::plan::Program;
use crate::sys::signals;
#[cfg(target_os = "linux")]
use crate::sys::{
    messages,
    mounts::{PrivateMount, STEPS},
};

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
        Self::following(&Plan::of(program, &theirs), ours)
    }

    /// Forks one that first enters a private mount.
    ///
    /// # Errors
    /// The operating system's.
    #[cfg(target_os = "linux")]
    pub fn fork_into(mount: &PrivateMount, program: &Program) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut plan = Plan::of(program, &theirs);
        plan.mount = Some(mount);
        Self::following(&plan, ours)
    }

    /// Forks the child that follows `plan`, with `ours` as the parent's end of the channel.
    fn following(plan: &Plan<'_>, ours: UnixStream) -> io::Result<Self> {
        // SAFETY: the child closes a descriptor and calls `Plan::follow`, which makes system calls only and never returns.
        match unsafe { fork() }? {
            None => {
                // While this end is open there too, the parent's death would not be seen.
                drop(ours);
                plan.follow()
            }
            Some(id) => Ok(Self {
                id,
                channel: ours,
                #[cfg(target_os = "linux")]
                covered: plan.mount.map_or(0, PrivateMount::count),
                is_reaped: false,
            }),
        }
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

impl Program {
    /// Starts it as a child.
    ///
    /// # Errors
    /// The operating system's.
    pub fn start(&self) -> io::Result<ChildProcess> {
        WaitingChild::fork(self)?.go()
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

    /// Whether the child ends within `time`, and not after `beside` has something to read; false, too, where that cannot be
    /// waited for.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn ends_within(&self, time: Duration, beside: Option<&File>) -> bool {
        let Ok(process) = pidfd_open(self.id, PidfdFlags::empty()) else { return false };
        let until = Instant::now() + time;
        let mut polled = vec![PollFd::new(&process, PollFlags::IN)];
        polled.extend(beside.map(|file| PollFd::new(file, PollFlags::IN)));
        loop {
            let left = Timespec::try_from(until.saturating_duration_since(Instant::now())).unwrap_or_default();
            match poll(&mut polled, Some(&left)) {
                // Signals go on to the child meanwhile.
                Err(Errno::INTR) => {}
                polling => return polling.is_ok() && !polled[0].revents().is_empty(),
            }
        }
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;
    use crate::sys::{CoveredFile, MOST_FILES};

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
