//! The files of one vault and how they change: `<id>.<key id>.vault` and the generation before it, in `$AZWARD_HOME/vaults`
//! (mode 0700, files 0600), beside a lock that all vaults of one config directory share. A new generation is written beside
//! the old one, fsynced and renamed over it, after the old one got its second name by a hard link: at no moment is there no
//! vault. Whatever fails before the rename leaves the old generation as it was and removes what was written.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Kind, Result};
use crate::private;
use crate::sys;

/// More than any vault is: a file beyond it is not read into memory.
const BOUND: u64 = 64 * 1024 * 1024;

/// The ending of a file that is going to replace the one whose name it bears.
pub(super) const REWRITTEN: &str = "rewritten";
const CURRENT: &str = ".vault";
const PREVIOUS: &str = ".vault.previous";
const FRESH: &str = ".vault.new";
const SPARE: &str = ".vault.previous.new";

/// The paths of one vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Files {
    directory: PathBuf,
    pub(super) current: PathBuf,
    pub(super) previous: PathBuf,
    fresh: PathBuf,
    spare: PathBuf,
}

/// The directory of all vaults of one azward home.
pub(super) fn directory_of(azward_home: &Path) -> PathBuf {
    azward_home.join("vaults")
}

impl Files {
    /// The files in `directory` whose names begin with `stem`.
    pub(super) fn new(directory: &Path, stem: &str) -> Self {
        let file = |ending: &str| directory.join(format!("{stem}{ending}"));
        Self {
            current: file(CURRENT),
            previous: file(PREVIOUS),
            fresh: file(FRESH),
            spare: file(SPARE),
            directory: directory.to_owned(),
        }
    }

    /// The current and the previous generation, be they there or not.
    pub(super) fn generations(self) -> [PathBuf; 2] {
        [self.current, self.previous]
    }

    /// Whether there is a current or a previous generation.
    pub(super) fn is_there(&self) -> bool {
        [&self.current, &self.previous].iter().any(|path| path.symlink_metadata().is_ok())
    }

    /// Gives the generations the names of `other`, which nothing has. After each step the current generation is under one
    /// name or the other.
    pub(super) fn rename_to(&self, other: &Self) -> Result<()> {
        for (from, to) in [(&self.current, &other.current), (&self.previous, &other.previous)] {
            match std::fs::rename(from, to) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Failure::storage("rename", from, &error));
                }
                _ => {}
            }
        }
        for path in [&self.fresh, &self.spare] {
            remove(path)?;
        }
        sys::sync_dir(&self.directory).map_err(|error| Failure::storage("sync", &self.directory, &error))
    }

    /// Writes `bytes` beside the current generation, durable but not in force yet.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<()> {
        remove(&self.fresh)?;
        let written = private::make(&self.fresh, bytes);
        if written.is_err() {
            // What was written is of no use, and its failure to go is no second failure.
            let _ = std::fs::remove_file(&self.fresh);
        }
        written.map_err(|error| Failure::storage("write", &self.fresh, &error))
    }

    /// Gives the current generation its second name, if there is one.
    pub(super) fn keep_previous(&self) -> Result<()> {
        remove(&self.spare)?;
        let kept = second_name(&self.current, &self.spare).and_then(|()| sys::rename_over(&self.spare, &self.previous));
        // Renaming one name of a file over another name of the same file does nothing at all, by POSIX.
        let _ = std::fs::remove_file(&self.spare);
        kept.map_err(|error| Failure::storage("keep", &self.previous, &error))
    }

    /// Removes the previous generation for good, and what a killed commit left of it: it has what is to be forgotten. The
    /// current generation is good, and the next one is written already.
    pub(super) fn forget_previous(&self) -> Result<()> {
        remove(&self.spare)?;
        remove(&self.previous)?;
        sys::sync_dir(&self.directory).map_err(|error| Failure::storage("sync", &self.directory, &error))
    }

    /// Gives the previous generation the current one's name, whose own file is missing or was set aside.
    pub(super) fn restore_previous(&self) -> Result<()> {
        std::fs::rename(&self.previous, &self.current)
            .and_then(|()| sys::sync_dir(&self.directory))
            .map_err(|error| Failure::storage("rename", &self.previous, &error))
    }

    /// Puts a copy of the current generation in the place of the previous one: a file of its own, so that what damages one
    /// does not damage both. There is one good generation without it.
    pub(super) fn copy_to_previous(&self, bytes: &[u8]) {
        let copied = remove(&self.spare).is_ok()
            && private::make(&self.spare, bytes).is_ok()
            && sys::rename_over(&self.spare, &self.previous).is_ok();
        if !copied {
            let _ = std::fs::remove_file(&self.spare);
        }
    }

    /// Gives `path` (the current or the previous generation, which does not open) another name that nothing ever
    /// overwrites. The old name stays until [`Self::publish`] or the caller takes it.
    pub(super) fn set_aside(&self, path: &Path, now: i64) -> Result<PathBuf> {
        let aside = free_name(&self.current, now);
        second_name(path, &aside).map_err(|error| Failure::storage("set aside", path, &error))?;
        Ok(aside)
    }

    /// Puts what [`Self::write`] wrote in force.
    pub(super) fn publish(&self) -> Result<()> {
        sys::rename_over(&self.fresh, &self.current)
            .and_then(|()| sys::sync_dir(&self.directory))
            .map_err(|error| Failure::storage("replace", &self.current, &error))
    }

    /// Removes what was written and will not be put in force.
    pub(super) fn discard(&self) {
        let _ = std::fs::remove_file(&self.fresh);
    }

    /// Removes every generation. What was set aside stays.
    pub(super) fn remove_all(&self) -> Result<()> {
        for path in [&self.fresh, &self.spare, &self.previous, &self.current] {
            remove(path)?;
        }
        sys::sync_dir(&self.directory).map_err(|error| Failure::storage("sync", &self.directory, &error))
    }

    /// What was set aside of this vault, oldest first.
    pub(super) fn set_aside_files(&self) -> Vec<PathBuf> {
        let prefix = set_aside_prefix(&self.current);
        let mut found: Vec<_> = list(&self.directory)
            .into_iter()
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix)))
            .collect();
        found.sort();
        found
    }
}

/// Whether a file is one that a commit writes and, unless it is killed, does not leave: never in force, and never the only
/// copy of anything, because what it was to take the place of is there.
pub(super) fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    [FRESH, SPARE].iter().any(|ending| name.ends_with(ending)) || path.extension().is_some_and(|end| end == REWRITTEN)
}

/// The paths in `directory`; none when it cannot be listed.
pub(super) fn list(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory).map_or_else(|_| Vec::new(), |entries| entries.flatten().map(|e| e.path()).collect())
}

fn set_aside_prefix(path: &Path) -> String {
    format!("{}.set-aside-", path.file_name().unwrap_or_default().to_string_lossy())
}

/// A name beside `path` to set it aside under, that no file has.
pub(super) fn free_name(path: &Path, now: i64) -> PathBuf {
    let first = path.with_file_name(format!("{}{now}", set_aside_prefix(path)));
    let more = (2..).map(|count: u32| path.with_file_name(format!("{}{now}-{count}", set_aside_prefix(path))));
    std::iter::once(first.clone()).chain(more).find(|name| name.symlink_metadata().is_err()).unwrap_or(first)
}

/// Reads a file of azward's own; `None` when there is none.
///
/// # Errors
/// [`Kind::Storage`] when something else is in its place or it cannot be read.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let failed = |error| Failure::storage("read", path, &error);
    let foreign = || {
        Failure::new(
            Kind::Storage,
            format!("`{}` is not a file that azward made", path.display()),
            "see what is there and move it away, then run `azward status`",
        )
    };
    let mut file = match private::open_read(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(_) if path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file()) => return Err(foreign()),
        Err(error) => return Err(failed(error)),
    };
    if file.metadata().map_err(failed)?.len() > BOUND {
        return Err(foreign());
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

/// Removes a file that may not be there.
pub(super) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::storage("remove", path, &error)),
        _ => Ok(()),
    }
}

/// Replaces the file at `path`, durably, by way of a name that is nobody's.
pub(super) fn rewrite(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(REWRITTEN);
    private::replace_from(&path.with_file_name(name), path, bytes, 0o600)
        .map_err(|error| Failure::storage("rewrite", path, &error))
}

/// Gives the file at `from` the name `to` as well, where links are refused by a durable copy.
fn second_name(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::hard_link(from, to) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => {
            let copied = private::make(to, &std::fs::read(from)?);
            if copied.is_err() {
                let _ = std::fs::remove_file(to);
            }
            copied
        }
        linked => linked,
    }
}
