//! Whether a config directory is there, was removed, or cannot be seen from here now: on a disk that is not mounted, on a
//! machine that does not answer, in a container. Only of one that was removed is it certain that nobody will come back
//! to it, so in every doubt it is out of sight.

use std::io::ErrorKind;
use std::path::Path;

/// What became of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// It is there.
    There,
    /// It was removed.
    Gone,
    /// It cannot be told.
    OutOfSight,
}

/// Where other disks and other machines appear and vanish.
const MOUNTED_BELOW: [&str; 8] =
    ["/media", "/mnt", "/run/media", "/run/user", "/net", "/misc", "/Volumes", "/var/run/media"];

impl Whereabouts {
    /// Of `directory`.
    #[must_use]
    pub(crate) fn of(directory: &Path) -> Self {
        let fstab = std::fs::read_to_string("/etc/fstab").unwrap_or_default();
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        Self::by(directory, &fstab, &mounts)
    }

    fn by(directory: &Path, fstab: &str, mounts: &str) -> Self {
        match directory.metadata() {
            Ok(metadata) if metadata.is_dir() => return Self::There,
            Err(error) if error.kind() == ErrorKind::NotFound && !directory.is_symlink() => {}
            _ => return Self::OutOfSight,
        }
        let Some(last) = directory.ancestors().skip(1).find(|path| path.symlink_metadata().is_ok()) else {
            return Self::OutOfSight;
        };
        let is_listed = |table: &str, kind: Option<&str>| {
            table.lines().any(|line| {
                let mut fields = line.split_whitespace().skip(1);
                fields.next().is_some_and(|at| Path::new(&at.replace("\\040", " ")) == last)
                    && kind.is_none_or(|kind| fields.next() == Some(kind))
            })
        };
        let is_empty = last.read_dir().is_ok_and(|mut entries| entries.next().is_none());
        let is_in_doubt = last.parent().is_none()
            || !last.is_dir()
            || MOUNTED_BELOW.iter().any(|place| last.starts_with(place) || Path::new(place) == directory)
            || is_listed(mounts, Some("autofs"))
            || (is_empty && is_listed(fstab, None));
        if is_in_doubt { Self::OutOfSight } else { Self::Gone }
    }

    /// In words.
    #[must_use]
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::There => "there",
            Self::Gone => "gone",
            Self::OutOfSight => "not to be seen now: it may be on something that is not mounted",
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_removed_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        std::fs::create_dir_all(path("home/.azure")).unwrap();
        std::fs::create_dir(path("disk")).unwrap();
        std::fs::write(path("file"), "").unwrap();
        std::os::unix::fs::symlink("nowhere", path("link")).unwrap();
        let fstab = format!("# x\nUUID=1 {} ext4 defaults 0 2\n", path("disk").display());
        let mounts =
            format!("x {} autofs rw 0 0\ny {} ext4 rw 0 0\n", path("home/.azure").display(), path("home").display());
        let by = |name: &str| Whereabouts::by(&path(name), &fstab, &mounts);
        assert_eq!(by("home/.azure"), Whereabouts::There);
        for name in ["home/.config", "jobs/7/azure", "home/a/b"] {
            assert_eq!(by(name), Whereabouts::Gone, "{name}");
        }
        for name in ["disk/azure", "home/.azure/below", "file", "file/azure", "link", "link/azure"] {
            assert_eq!(by(name), Whereabouts::OutOfSight, "{name}");
        }
        for name in ["/media/u/stick/azure", "/mnt/azure", "/no-such-directory-at-the-root/azure", "/net/h/azure"] {
            assert_eq!(Whereabouts::by(Path::new(name), "", ""), Whereabouts::OutOfSight, "{name}");
        }
        std::fs::write(path("disk/lost+found"), "").unwrap();
        assert_eq!(by("disk/azure"), Whereabouts::Gone, "the disk is there");
    }
}
