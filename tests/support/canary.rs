//! Finds in the clear whatever is a secret for long: refresh tokens, what service principals sign in with, passwords; in a file the
//! tokens of managed identities, too, which az keeps in none, and private keys but in their own; and where all tokens are sealed every
//! token. Whatever the stand-in or the fake az issues carries the canary text of its kind, near its start and again near its end,
//! so that half of one is found as well.

use std::fs::{self, DirEntry};
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::provision;

/// What nobody is to see.
const LONG_LIVED: [&str; 5] = [
    entra::REFRESH_TOKEN_CANARY,
    entra::CLIENT_SECRET_CANARY,
    entra::CLIENT_ASSERTION_CANARY,
    entra::PASSWORD_CANARY,
    entra::ARC_KEY_CANARY,
];

/// Tells whether `bytes` hold (part of) a refresh token, a password, or what a service principal or Azure Arc's machine signs in with.
pub(crate) fn is_in(bytes: &[u8]) -> bool {
    LONG_LIVED.iter().any(|canary| holds(bytes, canary))
}

/// Tells whether `bytes` hold `text`.
pub(crate) fn holds(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

/// What is searched for in files.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    canaries: Vec<&'static str>,
    keys: Vec<PrivateKey>,
}

impl Wanted {
    /// What is in no file at rest, whatever the settings.
    pub(crate) fn always() -> Self {
        Self { canaries: [&LONG_LIVED[..], &[entra::IDENTITY_TOKEN_CANARY]].concat(), keys: Vec::new() }
    }

    /// The access and ID tokens, too.
    pub(crate) fn and_all_tokens(mut self) -> Self {
        self.canaries.extend([entra::ACCESS_TOKEN_CANARY, entra::ID_TOKEN_CANARY]);
        self
    }

    /// These private keys, too.
    pub(crate) fn and_keys(mut self, keys: impl IntoIterator<Item = PrivateKey>) -> Self {
        self.keys.extend(keys);
        self
    }

    /// Whether `bytes`, which are those of the file at `path`, hold part of one.
    fn is_in(&self, path: &Path, bytes: &[u8]) -> bool {
        self.canaries.iter().any(|canary| holds(bytes, canary))
            || self.keys.iter().any(|key| !key.may_be_at(path) && key.is_in(bytes))
    }
}

/// The private key of a certificate, with the one file that it may be in: as long as azward has not said that it has removed that.
#[derive(Clone, Debug)]
pub(crate) struct PrivateKey {
    path: PathBuf,
    /// Two lines of it, one near its start and one near its end.
    lines: [String; 2],
    is_sealed: bool,
}

impl PrivateKey {
    /// Notes the key in what is in the PEM file at `path`.
    pub(crate) fn note(path: &Path, pem: &str) {
        let key: Vec<&str> = pem.lines().take_while(|line| !line.starts_with("-----END")).collect();
        let lines = [key[4], key[key.len() - 3]].map(str::to_owned);
        Self::all().push(Self { path: path.to_owned(), lines, is_sealed: false });
    }

    /// Every one that this process has noted.
    fn all() -> MutexGuard<'static, Vec<Self>> {
        static KEYS: Mutex<Vec<PrivateKey>> = Mutex::new(Vec::new());
        KEYS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys whose files were made below `root`.
    pub(crate) fn made_below(root: &Path) -> Vec<Self> {
        Self::all().iter().filter(|key| key.path.starts_with(root)).cloned().collect()
    }

    /// Believes what a command said of the keys below `root`: that their files are removed, or there again.
    pub(crate) fn believe(root: &Path, command: &str, said: &[u8]) {
        for key in Self::all().iter_mut().filter(|key| key.path.starts_with(root)) {
            let path = key.path.display();
            let is_there_again = holds(said, &format!("`{path}` is there again")) || command.ends_with(" uninstall");
            key.is_sealed = holds(said, &format!("`{path}` is removed")) || key.is_sealed && !is_there_again;
        }
    }

    /// The same where its own file may have it, whatever was said of that.
    pub(crate) fn in_its_file(self) -> Self {
        Self { is_sealed: false, ..self }
    }

    /// Whether `bytes` hold part of it.
    pub(crate) fn is_in(&self, bytes: &[u8]) -> bool {
        self.lines.iter().any(|line| holds(bytes, line))
    }

    /// Whether it is the user's own file.
    pub(crate) fn may_be_at(&self, path: &Path) -> bool {
        !self.is_sealed && self.path == path
    }
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
        Self::of(&Wanted::always(), root, skipped)
    }

    /// The same for what is `wanted`.
    pub(crate) fn of(wanted: &Wanted, root: &Path, skipped: &[PathBuf]) -> Self {
        let mut search = Self::default();
        search.directory(wanted, root, skipped);
        search
    }

    fn directory(&mut self, wanted: &Wanted, path: &Path, skipped: &[PathBuf]) {
        let entries = with_permission(path, 0o700, |path| fs::read_dir(path)?.collect::<Result<Vec<DirEntry>, _>>());
        for entry in entries.unwrap_or_default() {
            let path = entry.path();
            if is_in(entry.file_name().as_bytes()) {
                self.found.push(path.clone());
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.directory(wanted, &path, skipped),
                Ok(kind) if kind.is_file() && !skipped.contains(&path) => self.file(wanted, path),
                _ => {}
            }
        }
    }

    fn file(&mut self, wanted: &Wanted, path: PathBuf) {
        let Some(bytes) = with_permission(&path, 0o600, |path| fs::read(path)) else { return };
        self.files += 1;
        self.bytes += bytes.len() as u64;
        if wanted.is_in(&path, &bytes) {
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
