//! A credential file that is in memory for a while. Its name is a symbolic link of azward's then, to a file on a tmpfs with the
//! whole text; the regular file, in which no credential is, lies beside it (`.azward-disk`) and gets its name back at the end,
//! with whatever has changed. Names are exchanged in one step, so that whoever opens the file finds the one or the other, and
//! what other namespaces have mounted over the regular file stays with it. Whoever does any of this holds the file's lock.
//!
//! A file that is exposed in place may have its regular one, without a credential, wait beside it as well ([`WholeFile::keep_aside`]).
//!
//! Of a process that was killed on the way, a link that leads nowhere, a link beside the file or a file of that name are
//! left; whoever gets the lock next clears them up. After a reboot the regular file is there, beside a link that leads nowhere.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::credentials::file::{DRAFT, WholeFile};
use crate::credentials::overwriting::{WHOLE, beside, overwrite_safely, read_whole, repair};
use crate::sys::{self, Access};
use crate::user_file::{self, Readers};

/// The ending of the regular file, while its name leads into memory.
pub(super) const DISK: &str = ".azward-disk";

/// What the name of a directory for such files begins with.
pub(crate) const DIRECTORY: &str = "azward";

/// More links than any chain of them has.
const LINKS: usize = 40;

/// Whether a rename may take away what is mounted over the file in other namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mounts {
    /// There is none.
    None,
    /// There may be some.
    Some,
}

/// Where the file's name leads.
struct Place {
    /// The name itself, or where links of the user's own lead.
    path: PathBuf,
    /// The file in memory, where that is a link of azward's.
    memory: Option<PathBuf>,
}

impl Place {
    fn disk(&self) -> PathBuf {
        beside(&self.path, DISK)
    }

    /// Whether the file in memory is there, and with its directories the link's owner's: whoever reads where a link leads that
    /// a reboot left could make one there.
    fn has_memory(&self) -> bool {
        self.memory.as_ref().is_some_and(|memory| are_own(&self.path, memory.ancestors().take(3)))
    }
}

impl WholeFile {
    /// Whether it is in memory, or was when the machine went down.
    #[must_use]
    pub(crate) fn is_in_memory(&self) -> bool {
        self.place().memory.is_some()
    }

    /// The file in memory that its name leads to, be it there or not.
    #[must_use]
    pub(crate) fn memory(&self) -> Option<PathBuf> {
        self.place().memory
    }

    /// Whether it is in memory, and there.
    #[must_use]
    pub(crate) fn is_there_in_memory(&self) -> bool {
        self.place().has_memory()
    }

    /// Whether its name leads into memory, and to nothing there that is its owner's.
    pub(crate) fn is_lost(&self) -> bool {
        let place = self.place();
        place.memory.is_some() && !place.has_memory()
    }

    /// Whether its name leads into memory, or something of it lies beside it.
    pub(super) fn is_moved_or_beside(&self) -> bool {
        let place = self.place();
        let is_beside = |ending: &&str| beside(&place.path, ending).symlink_metadata().is_ok();
        place.memory.is_some() || [DISK, DRAFT, WHOLE].iter().any(is_beside)
    }

    /// Puts `bytes` into the file `memory`, and has the name lead there. No credential may be in the regular file; where there
    /// is none and nothing to put, there is none in memory either until az makes it.
    ///
    /// # Errors
    /// The operating system's: then nothing has changed.
    pub(crate) fn move_into_memory(&self, memory: &Path, bytes: &[u8], mounts: Mounts) -> io::Result<()> {
        let place = self.place();
        let disk = place.disk();
        symlink(memory, &disk)?;
        // Before there is something in memory somebody can find out that there is.
        let is_there = place.path.symlink_metadata().is_ok();
        let written = if is_there || !bytes.is_empty() { self.write_in_memory(memory, bytes) } else { Ok(()) };
        let moved = written.and_then(|()| match is_there {
            true => exchange(&disk, &place.path, mounts),
            false => sys::rename_over(&disk, &place.path),
        });
        if moved.is_err() {
            let _ = remove_memory(memory).and_then(|()| std::fs::remove_file(&disk));
        }
        moved
    }

    /// Writes the file `memory`, whole before it has its name.
    ///
    /// # Errors
    /// The operating system's.
    #[expect(clippy::unused_self, reason = "it is this file's text")]
    pub(crate) fn write_in_memory(&self, memory: &Path, bytes: &[u8]) -> io::Result<()> {
        let draft = beside(memory, DRAFT);
        user_file::write_draft(&draft, memory, bytes, Readers::Owner)
            .and_then(|_| sys::rename_over(&draft, memory))
            .inspect_err(|_| _ = std::fs::remove_file(&draft))
    }

    /// Keeps the regular file beside its name, which is about to be another's for a while: no credential may be in it. Whoever gets
    /// the file's lock meanwhile clears it up.
    ///
    /// # Errors
    /// The operating system's: then there is none.
    pub(crate) fn keep_aside(&self) -> io::Result<()> {
        let place = self.place();
        std::fs::hard_link(&place.path, place.disk())
    }

    /// How the regular file looks from outside that lies beside its name; `None` where there is none, where it is what has the name, or
    /// where something else lies there that a killed process left.
    pub(crate) fn aside(&self) -> Option<String> {
        let place = self.place();
        let disk = place.disk();
        let is_alone = [DRAFT, WHOLE].iter().all(|ending| beside(&place.path, ending).symlink_metadata().is_err());
        let is_another =
            is_regular(&disk) && sys::file_identity(&disk).ok()? != sys::file_identity(&place.path).ok()?;
        if is_alone && is_another { sys::file_state(&disk).ok().map(|state| state.text) } else { None }
    }

    /// Removes what lies beside the name.
    pub(crate) fn drop_aside(&self) {
        let _ = std::fs::remove_file(self.place().disk());
    }

    /// Gives the regular file that lies beside its name that name back. Nothing may be mounted over what has it.
    ///
    /// # Errors
    /// The operating system's: then nothing has changed.
    pub(crate) fn put_back(&self) -> io::Result<()> {
        let place = self.place();
        sys::rename_over(&place.disk(), &place.path)?;
        // An az that does not see the change at once sees it a little later.
        let _ = user_file::open(&place.path, Access::Write).and_then(|file| sys::set_modified_ahead(&file));
        Ok(())
    }

    /// Puts `bytes` into the regular file, or leaves that as it is where there are none to put, and gives it its name back.
    ///
    /// # Errors
    /// The operating system's: then the name leads to the file in memory still.
    pub(crate) fn bring_back(&self, bytes: Option<&[u8]>, mounts: Mounts) -> io::Result<()> {
        let place = self.place();
        let Some(memory) = &place.memory else { return Ok(()) };
        let disk = place.disk();
        // What is somebody else's there is theirs.
        let is_own = is_in_own_directory(&place.path, memory);
        let remove_memory = || if is_own { remove_memory(memory) } else { Ok(()) };
        let _ = repair(&disk);
        let is_there = is_regular(&disk);
        if let Some(bytes) = bytes
            && !(is_there && user_file::open(&disk, Access::Read).and_then(read_whole).is_ok_and(|own| **own == *bytes))
        {
            let draft = beside(&place.path, DRAFT);
            let file = user_file::write_draft(&draft, &place.path, bytes, Readers::Owner)?;
            // An az that does not see the change at once sees it a little later.
            let _ = sys::set_modified_ahead(&file);
            match mounts {
                Mounts::Some if is_there => overwrite_safely(&draft, &disk, bytes)?,
                _ => sys::rename_over(&draft, &disk)?,
            }
        }
        match sys::exchange(&disk, &place.path) {
            // The link tells of what is in memory for as long as that is there.
            Ok(()) => _ = remove_memory().and_then(|()| std::fs::remove_file(&disk)),
            Err(_) => {
                // Nothing is going to tell of it.
                if let Some(bytes) = bytes.filter(|_| is_own) {
                    let _ = self.write_in_memory(memory, bytes);
                }
                restore(&place)?;
                let _ = remove_memory();
            }
        }
        Ok(())
    }

    /// Clears up what a killed process left of this; `id` is that of the file's own directory, whose links are its own, and
    /// those of others were copied. What leads nowhere stays for as long as somebody may see more of it than we do.
    pub(crate) fn clear_memory_leftovers(&self, id: &str, mounts: Mounts, is_needed: impl FnOnce() -> bool) {
        let place = self.place();
        let disk = place.disk();
        // What cannot be cleared up now is the next one's.
        let _ = match &place.memory {
            Some(memory) => {
                let _ = std::fs::remove_file(beside(&place.path, DRAFT));
                let is_copied = directory_of(memory) != Some(OsStr::new(id));
                if is_copied || (!place.has_memory() && !is_needed()) { restore(&place) } else { Ok(()) }
            }
            None => match disk.symlink_metadata() {
                Ok(link) if link.is_symlink() => {
                    let memory = std::fs::read_link(&disk).ok();
                    let own = memory.filter(|memory| {
                        self.is_memory(memory)
                            && directory_of(memory) == Some(OsStr::new(id))
                            && is_in_own_directory(&disk, memory)
                    });
                    own.map_or(Ok(()), |memory| remove_memory(&memory)).and_then(|()| std::fs::remove_file(&disk))
                }
                // Over which something may be mounted.
                Ok(_) if mounts == Mounts::Some => Ok(()),
                Ok(_) => std::fs::remove_file(&disk),
                Err(_) => Ok(()),
            },
        };
    }

    fn place(&self) -> Place {
        let mut path = self.path().to_owned();
        for _ in 0..LINKS {
            let Ok(next) = std::fs::read_link(&path) else { break };
            if self.is_memory(&next) {
                return Place { path, memory: Some(next) };
            }
            path = path.parent().map_or(next.clone(), |parent| parent.join(next));
        }
        Place { path, memory: None }
    }

    /// Whether a path is that of such a file in memory: a directory of azward's, one with an id for its name, and its own name.
    fn is_memory(&self, path: &Path) -> bool {
        let is_id = |name: &OsStr| name.to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let above = path.parent().and_then(Path::parent).and_then(Path::file_name).and_then(OsStr::to_str);
        path.is_absolute()
            && path.file_name() == self.path().file_name()
            && directory_of(path).is_some_and(is_id)
            && above.is_some_and(|name| {
                name == DIRECTORY || name.strip_prefix(DIRECTORY).is_some_and(|rest| rest.starts_with('-'))
            })
    }
}

/// Gives the regular file its name back; where there is none, nothing has that name any more.
fn restore(place: &Place) -> io::Result<()> {
    let disk = place.disk();
    let _ = repair(&disk);
    match is_regular(&disk) {
        true => sys::rename_over(&disk, &place.path),
        false => std::fs::remove_file(&place.path),
    }
}

/// Exchanges the link at `disk` and the regular file at `path`; where the system cannot, the one takes the other's place.
fn exchange(disk: &Path, path: &Path, mounts: Mounts) -> io::Result<()> {
    match sys::exchange(disk, path) {
        Err(error) if mounts == Mounts::None && error.kind() == io::ErrorKind::InvalidInput => {
            let draft = beside(path, DRAFT);
            sys::rename_over(disk, &draft)?;
            let taken = std::fs::hard_link(path, disk).and_then(|()| sys::rename_over(&draft, path));
            if taken.is_err() {
                let _ = std::fs::remove_file(&draft);
            }
            taken
        }
        exchanged => exchanged,
    }
}

/// Removes a file that is in memory, and what a killed process left beside it.
pub(crate) fn remove_memory(memory: &Path) -> io::Result<()> {
    [beside(memory, DRAFT), beside(memory, WHOLE), memory.to_owned()].iter().try_for_each(|path| {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    })
}

/// Whether a file in memory is, or would be, in directories of the owner of the link to it.
fn is_in_own_directory(link: &Path, memory: &Path) -> bool {
    are_own(link, memory.ancestors().skip(1).take(2))
}

fn are_own<'p>(link: &Path, mut paths: impl Iterator<Item = &'p Path>) -> bool {
    let Ok(link) = link.symlink_metadata() else { return false };
    paths.all(|path| {
        let metadata = path.symlink_metadata();
        metadata.is_ok_and(|metadata| !metadata.is_symlink() && sys::have_one_owner(&metadata, &link))
    })
}

fn is_regular(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| Metadata::is_file(&metadata))
}

/// The name of the directory that a path is in.
fn directory_of(path: &Path) -> Option<&OsStr> {
    path.parent().and_then(Path::file_name)
}
