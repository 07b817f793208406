//! The files in which az keeps credentials, and what azward does to any of them. A [`CredentialFile`] says where one is, how
//! its bytes become text ([`Codec`]) and what lock its writers take; `file` is the one module that writes it. A [`Document`] is
//! its parsed text: which of its entries are credentials, and an edit that keeps every other byte. Inject, harvest, scrub
//! (`edit`) and merge are pure functions over any document; what only MSAL's token cache has is in `msal`,
//! what only the list of service principals has in `service_principals`, and what an az before 2.30 has in `adal`.
//!
//! What is not understood is an error ([`Kind::CacheForeign`]) and is left as it is.
//!
//! [`Kind::CacheForeign`]: crate::failure::Kind::CacheForeign

pub mod adal;
mod codec;
mod document;
pub mod edit;
pub(crate) mod file;
#[cfg(target_os = "linux")]
pub(crate) mod in_memory;
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub(crate) mod keyring_items;
mod list;
pub(crate) mod merge;
pub mod msal;
mod msal_lock;
pub mod origin;
mod overwriting;
#[cfg(test)]
mod property_tests;
mod rivals;
pub mod service_principals;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

pub use codec::Codec;
pub use document::{Absence, Change, Credential, Document, Entry};
pub use msal_lock::MsalLock;

use crate::credentials::file::{WholeFile, WriteMode};
use crate::failure::Result;

/// A file that az keeps credentials in.
pub trait CredentialFile {
    /// Where it is.
    fn file(&self) -> &WholeFile;

    /// How its bytes become text.
    fn codec(&self) -> &dyn Codec {
        codec::of(self.path())
    }

    /// Takes the lock that az takes before it writes, waiting no longer than `deadline`.
    ///
    /// # Errors
    /// `Busy`, `Interrupted`, `Storage`.
    fn lock(&self, deadline: Duration) -> Result<MsalLock> {
        MsalLock::acquire(self.path(), deadline)
    }

    /// The file as az names it.
    fn path(&self) -> &Path {
        self.file().path()
    }

    /// The file that the bytes are in: a link's target, be it there or not.
    fn target(&self) -> PathBuf {
        self.file().target()
    }

    /// Its text, `None` when there is no such file.
    ///
    /// # Errors
    /// `CacheForeign` for what is no file or no text, `Storage` otherwise.
    fn read(&self) -> Result<Option<Zeroizing<String>>> {
        let Some(payload) = self.file().read()? else { return Ok(None) };
        self.codec().decode(payload).map(Some).map_err(|reason| self.file().foreign(&reason))
    }

    /// Replaces its text.
    ///
    /// # Errors
    /// `Storage`; the file then has its old text.
    fn replace(&self, _held: &MsalLock, text: &str, write: WriteMode) -> Result<()> {
        let payload = self.codec().encode(text).map_err(|reason| self.file().foreign(&reason))?;
        self.file().replace(&payload, write)
    }

    /// Has it look as if it had been written at `time`.
    ///
    /// # Errors
    /// The operating system's.
    fn set_written(&self, time: SystemTime) -> io::Result<()> {
        File::options().write(true).open(self.path())?.set_modified(time)
    }

    /// Closes it, if it is there, to others: something is about to be put into it that is not for them.
    ///
    /// # Errors
    /// `CacheForeign` for a link that is not followed, `Storage` when it is somebody else's.
    fn close(&self) -> Result<()> {
        self.file().close()
    }

    /// Whether a process that was killed while it replaced the text left a file behind.
    fn has_leftover(&self) -> bool {
        self.file().has_leftover()
    }

    /// Removes such files, after repairing this one if that process was killed in the middle.
    fn clear_leftovers(&self, _held: &MsalLock) {
        self.file().clear_leftovers();
    }
}
