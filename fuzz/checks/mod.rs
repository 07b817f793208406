//! What is fuzzed: one module a subject, each with a `check` that takes any bytes, panics when azward does with them what it
//! must not, and says whether azward understood them. Beside azward's readers stand slow and simple ones, written from
//! Python's and MSAL's rules and not from azward's sources.
//!
//! This compiles on a stable compiler: the fuzz targets and `tests/e2e/fuzz_corpus.rs` both include it.

#![allow(dead_code, reason = "each fuzz target needs one of them")]
#![allow(clippy::unwrap_used, reason = "clippy only knows the functions marked as tests")]

pub(crate) mod adal;
pub(crate) mod argv;
pub(crate) mod certificate;
pub(crate) mod clouds;
pub(crate) mod config;
pub(crate) mod credential_marks;
pub(crate) mod identity_answer;
pub(crate) mod ini;
pub(crate) mod json;
pub(crate) mod moving;
pub(crate) mod profile;
pub(crate) mod service_principals;
pub(crate) mod token_cache;
pub(crate) mod token_response;
pub(crate) mod vault_file;

use std::path::{Path, PathBuf};

/// A directory for the files of one check, in memory where the system has such a place. It is emptied for nobody: each
/// check uses names of its own.
pub(crate) struct Scratch(tempfile::TempDir);

impl Scratch {
    pub(crate) fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        Self(tempfile::Builder::new().prefix("azward-fuzz-").tempdir_in(parent).unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, and says where it is.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}
