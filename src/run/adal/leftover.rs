//! `accessTokens.json`, in which an az before 2.30 kept its tokens and which an upgrade leaves behind: with refresh tokens that are
//! good for as long as ever, and secrets of service principals. Where an az runs that reads it no more it is taken into the vault,
//! whole, and given to nobody; it is removed when the vault with it is on the disk. `az account clear` removes it, and an
//! uninstall gives it back. Where nobody knows which az that is, or an earlier one runs, it stays: it is in use.

use std::io::Read;
use std::path::PathBuf;

use crate::azure::Owner;
use crate::azure::credential_marks::{self, Mark};
use crate::credentials::adal::{NAME, file_of};
use crate::failure::{Failure, Result};
use crate::journal::{Action, Event};
use crate::run::whole_files::{put_back, remove};
use crate::secret::Secret;
use crate::store::CredentialStore;
use crate::sys::Access;
use crate::text;
use crate::user_file;
use crate::vault::{Contents, CredentialKind, Record};

/// What is no such file: it is not read into memory.
const BOUND: u64 = 16 * 1024 * 1024;

impl CredentialStore<'_> {
    /// Takes it in, if it is there and has a secret in it, where no az uses it. What keeps it from that is told.
    pub(super) fn take_in_adal_file(&self) {
        if !self.adal_file().symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
            return;
        }
        match self.try_to_take_in() {
            Ok(false) => {}
            Ok(true) => self.app.journal.record(&Event::new(
                self.app.context.now(),
                Action::Adoption,
                format!("{NAME}, which an az before 2.30 has left, was taken into the vault"),
            )),
            Err(failure) => self.app.journal.warn(self.app.context.now(), &failure),
        }
    }

    /// Drops what the vault has of it, and of one that such an az used: whoever had a later az forget everything means that too.
    ///
    /// # Errors
    /// Whatever kept it from that.
    pub(in crate::run) fn forget_adal_file(&self) -> Result<()> {
        let is_of_it = |record: &Record| record.kind == CredentialKind::AdalTokens || file_of(record) == Some(NAME);
        if !self.vault.exists() || !self.vault.load_unasked()?.records.iter().any(is_of_it) {
            return Ok(());
        }
        let vault = self.prepared()?.enter_vault()?;
        let mut opened = vault.open()?;
        opened.change(|contents| {
            contents.records.retain(|record| !is_of_it(record));
            Ok(true)
        })?;
        opened.commit().stored
    }

    /// Puts what `contents` has of it back where it was, durably.
    ///
    /// # Errors
    /// `NoPlace` where another is there by now, `Storage`.
    pub(in crate::run) fn put_back_adal_file(&self, contents: &Contents) -> Result<()> {
        let Some(record) = contents.of(CredentialKind::AdalTokens).next() else { return Ok(()) };
        let path = self.adal_file();
        put_back(&path, &record.entry, &format!("`{}`", text::path(&path)))
    }

    fn try_to_take_in(&self) -> Result<bool> {
        let path = self.adal_file();
        let failed = |error: &std::io::Error| Failure::storage("read", &path, error);
        let mut file = user_file::open(&path, Access::Read).map_err(|error| failed(&error))?;
        let size = file.metadata().map_err(|error| failed(&error))?.len();
        if size > BOUND {
            return Ok(false);
        }
        // One that grows leaves copies behind.
        let mut text = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 4096);
        file.read_to_end(&mut text).map_err(|error| failed(&error))?;
        let text = Secret::new(text);
        let marks = credential_marks::marks(text.expose());
        if !marks.contains_key(&Mark::RefreshToken) && !marks.contains_key(&Mark::ClientSecret) {
            return Ok(false);
        }
        let now = self.app.context.now();
        let record = Record {
            kind: CredentialKind::AdalTokens,
            id: format!("\"{NAME}\""),
            owner: Owner { home_account_id: NAME.to_owned(), environment: String::new() },
            entry: text,
            predecessors: Vec::new(),
            stored_at: now,
            stored_by: "az before 2.30".to_owned(),
            brought_at: now,
            rivals: Vec::new(),
        };
        let vault = self.prepared()?.enter_vault()?;
        let mut opened = vault.open()?;
        opened.change(|contents| {
            // What an earlier az has written since is the newer.
            contents.put(record);
            Ok(true)
        })?;
        opened.commit().stored?;
        remove(&path)?;
        Ok(true)
    }

    fn adal_file(&self) -> PathBuf {
        self.config_dir.path().join(NAME)
    }
}
