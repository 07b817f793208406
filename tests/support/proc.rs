//! Processes as `/proc` shows them: which of them are the guardians of a box, what one has open, what is in its memory.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::config_dir::ConfigDir;
use super::invocation::{Running, wait_until};
use super::sandbox::Sandbox;

/// A process by its id. What is asked of one that is gone is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process(pub(crate) i32);

impl Process {
    /// Every process that there is.
    pub(crate) fn all() -> Vec<Self> {
        let entries = fs::read_dir("/proc").expect("/proc is mounted").flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Self)).collect()
    }

    /// One of its files in `/proc`.
    pub(crate) fn path(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.0))
    }

    pub(crate) fn text(self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_default()
    }

    /// The file's name, or what it calls itself.
    pub(crate) fn name(self) -> String {
        String::from_utf8_lossy(&self.text("comm")).trim_end().to_owned()
    }

    /// A line of its status.
    pub(crate) fn status(self, field: &str) -> String {
        let text = String::from_utf8_lossy(&self.text("status")).into_owned();
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(str::trim));
        value.unwrap_or_default().to_owned()
    }

    /// A field of `stat`, counted as in proc_pid_stat(5).
    pub(crate) fn stat(self, field: usize) -> String {
        let text = String::from_utf8_lossy(&self.text("stat")).into_owned();
        let after_name = text.rsplit(')').next().unwrap_or_default().to_owned();
        after_name.split_whitespace().nth(field - 3).unwrap_or_default().to_owned()
    }

    /// When it started, in the kernel's ticks.
    pub(crate) fn start(self) -> u64 {
        self.stat(22).parse().unwrap_or(0)
    }

    /// Whether it is there, as more than something to be waited for.
    pub(crate) fn is_alive(self) -> bool {
        !matches!(self.stat(3).as_str(), "" | "Z" | "X")
    }

    /// Its open descriptors and what they lead to.
    pub(crate) fn descriptors(self) -> Vec<(i32, String)> {
        let entries =
            fs::read_dir(self.path("fd")).map(|entries| entries.flatten().collect()).unwrap_or_else(|_| vec![]);
        let lead = |entry: fs::DirEntry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            Some((number, fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned()))
        };
        let mut all: Vec<(i32, String)> = entries.into_iter().filter_map(lead).collect();
        all.sort();
        all
    }

    /// Calls `look` with every piece of memory that can be read, mappings of files included, and what is mapped there.
    ///
    /// # Errors
    /// When the kernel does not let us.
    pub(crate) fn memory(self, mut look: impl FnMut(&str, &[u8])) -> std::io::Result<()> {
        let memory = File::open(self.path("mem"))?;
        let mut count = 0;
        for line in String::from_utf8_lossy(&fs::read(self.path("maps"))?).lines() {
            let Some((range, rest)) = line.split_once(' ') else { continue };
            let Some((start, end)) = range.split_once('-') else { continue };
            let number = |text| u64::from_str_radix(text, 16).expect("the kernel writes hexadecimal");
            let (start, end) = (number(start), number(end));
            if !rest.starts_with('r') || rest.contains("[v") {
                continue;
            }
            let mut piece = vec![0; usize::try_from(end - start).expect("a mapping has a size")];
            // A page behind the end of a file is mapped and cannot be read.
            if memory.read_exact_at(&mut piece, start).is_ok() {
                count += 1;
                look(rest, &piece);
            }
        }
        if count == 0 { Err(ErrorKind::NotFound.into()) } else { Ok(()) }
    }
}

impl Sandbox {
    /// The guardians of this box's runs. One whose environment may not be read (they are not dumpable) counts as well if it
    /// is this user's and younger than this process, so where the tests are no superuser's only one at a time may be about
    /// guardians.
    pub(crate) fn guardians(&self) -> Vec<Process> {
        let root = self.root().as_os_str().as_bytes();
        let own = Process(std::process::id().cast_signed());
        let is_like_own =
            |process: &Process| process.status("Uid") == own.status("Uid") && process.start() >= own.start();
        let is_ours = |process: &Process| {
            process.name() == "azward-guardian"
                && process.is_alive()
                && match fs::read(process.path("environ")) {
                    Ok(environment) => memchr::memmem::find(&environment, root).is_some(),
                    Err(error) => error.kind() == ErrorKind::PermissionDenied && is_like_own(process),
                }
        };
        Process::all().into_iter().filter(is_ours).collect()
    }

    /// Whatever runs with the box in its environment.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let finder = memchr::memmem::Finder::new(self.root().as_os_str().as_bytes());
        let is_ours = |process: &Process| process.is_alive() && finder.find(&process.text("environ")).is_some();
        Process::all().into_iter().filter(is_ours).collect()
    }

    /// The config directory as a living process sees it, mounts of its own and all.
    pub(crate) fn config_as_seen_by(&self, process: Process) -> ConfigDir {
        let directory = self.config_dir();
        ConfigDir::at(process.path("root").join(directory.strip_prefix("/").expect("it is an absolute path")))
    }
}

impl Running<'_> {
    /// The only az of a run that has begun: the shim's child.
    pub(crate) fn az(&self) -> Process {
        let shim = self.pid().as_raw_pid().to_string();
        let child = || Process::all().into_iter().find(|process| process.stat(4) == shim && process.is_alive());
        wait_until("the shim has a child", || child().is_some());
        child().expect("it was there just now")
    }
}
