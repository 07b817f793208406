//! Finds refresh tokens in the clear, and secrets of service principals. Every refresh token that the stand-in or the fake az issues
//! carries a canary text near its start and again near its end, so that half of one is found as well.

use std::fs::{self, DirEntry};
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::provision;

/// Tells whether `bytes` hold (part of) a refresh token, or what a service principal signs in with.
pub(crate) fn is_in(bytes: &[u8]) -> bool {
    let canaries = [entra::REFRESH_TOKEN_CANARY, entra::CLIENT_SECRET_CANARY, entra::CLIENT_ASSERTION_CANARY];
    canaries.iter().any(|canary| holds(bytes, canary))
}

/// Tells whether `bytes` hold `text`.
pub(crate) fn holds(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

/// What a search looked at, and where it found a canary.
#[derive(Debug, Default)]
pub(crate) struct Search {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) found: Vec<PathBuf>,
}

impl Search {
    /// Searches every file below `root` but those in `skipped`, names included. Links are not followed: what they lead to in
    /// the box is searched where it is. What vanishes under the search has no canary any more.
    ///
    /// # Panics
    /// When something can be read by nobody, not even after its mode was widened: it would go unsearched.
    pub(crate) fn below(root: &Path, skipped: &[PathBuf]) -> Self {
        let mut search = Self::default();
        search.directory(root, skipped);
        search
    }

    fn directory(&mut self, path: &Path, skipped: &[PathBuf]) {
        let entries = with_permission(path, 0o700, |path| fs::read_dir(path)?.collect::<Result<Vec<DirEntry>, _>>());
        for entry in entries.unwrap_or_default() {
            let path = entry.path();
            if is_in(entry.file_name().as_bytes()) {
                self.found.push(path.clone());
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.directory(&path, skipped),
                Ok(kind) if kind.is_file() && !skipped.contains(&path) => self.file(path),
                _ => {}
            }
        }
    }

    fn file(&mut self, path: PathBuf) {
        let Some(bytes) = with_permission(&path, 0o600, |path| fs::read(path)) else { return };
        self.files += 1;
        self.bytes += bytes.len() as u64;
        if is_in(&bytes) {
            self.found.push(path);
        }
    }

    /// Appends what was searched to `target/canary-scan.log`.
    pub(crate) fn write_down(&self, name: &str) {
        let directory = provision::target_dir();
        // Cargo makes it unless CARGO_TARGET_DIR names another. What fails here fails below, with the path.
        let _ = fs::create_dir_all(&directory);
        let path = directory.join("canary-scan.log");
        let log = fs::OpenOptions::new().append(true).create(true).open(&path);
        let line = format!("{name}: {} files, {} bytes, {} found\n", self.files, self.bytes, self.found.len());
        // One write, so that the lines of parallel tests do not mix.
        log.and_then(|mut log| log.write_all(line.as_bytes()))
            .unwrap_or_else(|error| panic!("cannot write to `{}`: {error}", path.display()));
    }
}

/// Reads a path, with its mode widened by `mode` where that is what stands in the way; `None` if it is gone.
fn with_permission<T>(path: &Path, mode: u32, read: impl Fn(&Path) -> std::io::Result<T>) -> Option<T> {
    let outcome = read(path).or_else(|error| {
        if error.kind() != ErrorKind::PermissionDenied {
            return Err(error);
        }
        let widened = fs::symlink_metadata(path)?.permissions().mode() | mode;
        fs::set_permissions(path, fs::Permissions::from_mode(widened))?;
        read(path)
    });
    match outcome {
        Ok(value) => Some(value),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("`{}` cannot be searched for canaries: {error}", path.display()),
    }
}
