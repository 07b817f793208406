//! The directories of an azward home that this process has opened, kept open: a run goes into each of them a dozen times, and
//! to walk there anew is half a dozen calls. One is used again while its path still leads to that very directory, of the same
//! owner and mode; else it is opened anew, with all that is asked then.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::sys::Directory;

/// How many are kept: as many as there are in a home, and not without end where there are many homes.
const MOST: usize = 8;

static HELD: Mutex<Vec<Held>> = Mutex::new(Vec::new());

struct Held {
    path: PathBuf,
    looks: (u64, u64, u32, u32),
    directory: Arc<Directory>,
}

/// What it was asked of, when it was opened.
fn looks(metadata: &Metadata) -> (u64, u64, u32, u32) {
    (metadata.dev(), metadata.ino(), metadata.uid(), metadata.mode())
}

/// What is made of a link at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Links {
    /// It is followed: a home may be one.
    Followed,
    /// It is no directory.
    Refused,
}

/// The directory at `path`, and what it is now, if it is one that was kept. While it is, its inode is no other's.
pub(super) fn recall(path: &Path, links: Links) -> Option<(Arc<Directory>, Metadata)> {
    let mut all = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    let place = all.iter().position(|held| held.path == path)?;
    let metadata = match links {
        Links::Followed => std::fs::metadata(path),
        Links::Refused => std::fs::symlink_metadata(path),
    };
    match metadata {
        Ok(metadata) if looks(&metadata) == all[place].looks => Some((Arc::clone(&all[place].directory), metadata)),
        _ => {
            all.remove(place);
            None
        }
    }
}

/// Keeps the directory at `path`.
pub(super) fn keep(path: &Path, directory: &Arc<Directory>, metadata: &Metadata) {
    let mut all = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() == MOST {
        all.remove(0);
    }
    all.push(Held { path: path.to_owned(), looks: looks(metadata), directory: Arc::clone(directory) });
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use crate::private::{make_dir, open};

    #[test]
    fn what_has_come_into_a_directory_s_place_is_opened_anew() {
        let root = tempfile::tempdir().unwrap();
        let [home, other, link] = ["home", "other", "link"].map(|name| root.path().join(name));
        let run = home.join("run");
        make_dir(&run).unwrap();
        open(&run.join("first")).unwrap();
        std::fs::rename(&run, home.join("moved")).unwrap();
        assert!(open(&run.join("second")).is_err(), "there is none");
        make_dir(&run).unwrap();
        open(&run.join("second")).unwrap();
        assert!(run.join("second").exists() && !home.join("moved/second").exists());

        std::fs::rename(&run, home.join("moved on")).unwrap();
        symlink(home.join("moved on"), &run).unwrap();
        assert!(open(&run.join("third")).is_err() && make_dir(&run).is_err(), "a link, be it to the same");

        make_dir(&other).unwrap();
        for target in [&home, &other] {
            let _ = std::fs::remove_file(&link);
            symlink(target, &link).unwrap();
            open(&link.join("journal.jsonl")).unwrap();
            assert!(target.join("journal.jsonl").exists());
        }
    }
}
