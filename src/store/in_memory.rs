//! A config directory's token cache while it is in memory: how it gets there and back, in the critical section. What other
//! processes have mounted over the regular file meanwhile is left to them.

use std::io;
use std::path::Path;

use crate::credentials::in_memory::{Mounts, remove_memory};
use crate::credentials::merge::Base;
use crate::credentials::msal::{Entry, Section};
use crate::credentials::{Credential, CredentialFile, MsalLock};
use crate::failure::{Failure, Kind, Result, persist};
use crate::store::lease::{NoMounts, NobodyNeedsIt};
use crate::store::section::FileSection;
use crate::store::{CredentialStore, LOCK_DEADLINE};
use crate::user_file;

impl CredentialStore<'_> {
    /// Whether the token cache is in memory, or was when a run was killed.
    #[must_use]
    pub(crate) fn is_in_memory(&self) -> bool {
        self.cache.file().is_in_memory()
    }

    /// Clears up what a killed run left of a file in memory. The caller holds its lock.
    pub(super) fn clear_memory_leftovers(&self, file: &impl CredentialFile) {
        let (_no_mounts, mounts) = self.mounts();
        let is_needed = || self.is_needed().unwrap_or(true);
        file.file().clear_memory_leftovers(self.config_dir.id(), mounts, is_needed);
    }

    /// Whether it is, and has no refresh token in it, as far as can be seen without a lock.
    #[must_use]
    pub(crate) fn is_unexposed_in_memory(&self) -> bool {
        self.is_in_memory() && self.exposed_tokens().is_ok_and(|count| count == 0)
    }

    /// Has a cache in which no refresh token is be in memory, in the file `memory`.
    ///
    /// # Errors
    /// Whatever kept it from doing so; it is where it was.
    pub(crate) fn move_unexposed(&self, memory: &Path) -> Result<()> {
        let failed = |error| Failure::storage("bring into memory", self.cache.path(), &error);
        user_file::make_dir(self.config_dir.path()).map_err(failed)?;
        let section = self.lock_cache()?;
        if self.is_in_memory() && (self.cache.file().is_there_in_memory() || section.text().is_empty()) {
            return Ok(());
        }
        match section.parse()?.has_refresh_token()? {
            // It is in place already, for another.
            true => Ok(()),
            false => section.put_into_memory(memory, section.text()).map_err(failed),
        }
    }

    /// Brings a cache back from memory in which no refresh token is: no vault is needed for that.
    ///
    /// # Errors
    /// Whatever kept it from doing so.
    pub(crate) fn bring_back_unexposed(&self, nobody: &NobodyNeedsIt) -> Result<()> {
        let section = self.lock_cache()?;
        match section.parse()?.has_refresh_token()? {
            true => Ok(()),
            false => section.bring_back(section.text(), nobody),
        }
    }

    /// Has the regular file that lies beside the cache's name take that back as it is, where nobody needs what has it now and
    /// `is_as_it_was`; says whether that is so. Where somebody does, it is for the last of them to settle.
    ///
    /// # Errors
    /// Whatever kept it from doing so; all is where it was.
    pub(crate) fn put_back(&self, is_as_it_was: &dyn Fn() -> bool) -> Result<bool> {
        let _presence = self.app.context.home_lock.enter()?;
        let nobody = self.lease.nobody()?;
        // A lock that somebody left is in the next az's way, and whoever signs in is about to store something.
        if MsalLock::is_taken(self.cache.path()) || self.lease.login_since()?.is_some() {
            return Ok(false);
        }
        let _lock = self.cache.lock(LOCK_DEADLINE)?;
        if !is_as_it_was() {
            return Ok(false);
        }
        let Some(_nobody) = nobody else { return Ok(true) };
        let (_no_mounts, mounts) = self.mounts();
        let file = self.cache.file();
        let put_back = match (file.is_in_memory(), mounts) {
            (true, mounts) => file.bring_back(None, mounts),
            (false, Mounts::None) => file.put_back(),
            (false, Mounts::Some) => return Ok(false),
        };
        put_back.map(|()| true).map_err(|error| Failure::storage("put back", self.cache.path(), &error))
    }

    /// Brings a cache back whose vault does not open now: what the run stored in it goes to the disk, as az would have left
    /// it, and what was handed to it the vault has.
    ///
    /// # Errors
    /// Whatever kept it from doing so; it is in memory still.
    pub(crate) fn bring_back_unsettled(&self, handed: &Base) -> Result<()> {
        let Some(nobody) = self.lease.nobody()? else { return Ok(()) };
        let section = self.lock_cache()?;
        let cache = section.parse()?;
        let homeless = handed.stored_since(&cache)?;
        let homeless: Vec<Entry<'_>> = homeless.iter().map(Credential::as_entry).collect();
        section.bring_back(&cache.with_entries(Section::RefreshToken, &homeless), &nobody)
    }

    /// Brings back whatever is in memory, with the secrets that are in it, for who has azward let go of them: a dead run's, since
    /// nobody at work is left.
    ///
    /// # Errors
    /// `Busy` where somebody needs it; whatever else kept it from doing so. It is in memory still.
    pub(crate) fn bring_back_for_good(&self) -> Result<()> {
        if !self.is_in_memory() && !self.has_principals_in_memory() {
            return Ok(());
        }
        let busy =
            || Failure::new(Kind::Busy, "an az has its token cache in memory", "run this again when it has ended");
        let nobody = self.lease.nobody()?.ok_or_else(busy)?;
        self.lock_cache()?.bring_back_as_it_is(&nobody)?;
        self.lock_principals()?.bring_back_as_it_is(&nobody)
    }

    /// Removes the file `memory` where `file` leads to it no more: az has removed that, or replaced it.
    ///
    /// # Errors
    /// Whatever kept it from doing so.
    pub(crate) fn forget_memory<F>(&self, file: &F, memory: &Path) -> Result<()>
    where
        F: CredentialFile,
    {
        if file.file().is_in_memory() || memory.symlink_metadata().is_err() {
            return Ok(());
        }
        let _section = self.lock_file(file, LOCK_DEADLINE)?;
        if file.file().is_in_memory() || self.is_needed()? {
            return Ok(());
        }
        remove_memory(memory).map_err(|error| Failure::storage("remove", memory, &error))
    }

    /// Whether somebody has, or is about to have, something mounted over the file; nobody comes while this is held.
    fn mounts(&self) -> (Option<NoMounts>, Mounts) {
        let no_mounts = self.lease.no_mounts();
        let mounts = if no_mounts.is_some() { Mounts::None } else { Mounts::Some };
        (no_mounts, mounts)
    }
}

impl<F: CredentialFile> FileSection<'_, F> {
    /// Has the file be in memory, in the file `memory` or where it is already, with `text`.
    ///
    /// # Errors
    /// The operating system's: then it is where it was.
    pub(crate) fn put_into_memory(&self, memory: &Path, text: &str) -> io::Result<()> {
        let store = self.store;
        let file = self.file.file();
        let payload = self.file.codec().encode(text).map_err(io::Error::other)?;
        match file.memory() {
            Some(_) if file.is_there_in_memory() => {
                return self.write_whole(text).map(drop).map_err(|failure| io::Error::other(failure.what));
            }
            // Another machine's, or gone with the last session of its user.
            Some(there) if there == memory => file.write_in_memory(memory, &payload)?,
            there => {
                let (_no_mounts, mounts) = store.mounts();
                if there.is_some() {
                    file.bring_back(None, mounts)?;
                }
                file.move_into_memory(memory, &payload, mounts)?;
            }
        }
        self.note_whole().map(drop).map_err(|failure| io::Error::other(failure.what))
    }

    /// Has the regular file take its name back, with `text`, where it is in memory; what is lost there leaves it as it was.
    ///
    /// # Errors
    /// `Storage`; it is in memory still.
    pub(crate) fn bring_back(&self, text: &str, _nobody: &NobodyNeedsIt) -> Result<()> {
        let store = self.store;
        // Whoever signs in holds no lease, and is about to store something.
        if store.lease.login_since()?.is_some() {
            return if text == self.text() { Ok(()) } else { self.write(text).map(drop) };
        }
        self.at_rest(text, |text| self.bring_back_text(text)).map(drop)
    }

    fn bring_back_text(&self, text: &str) -> Result<()> {
        let store = self.store;
        let payload = self.file.codec().encode(text).map_err(|reason| self.file.file().foreign(&reason))?;
        // An empty text is a write cut short, or nothing at all.
        let payload = (!text.trim().is_empty()).then_some(&*payload);
        let (_no_mounts, mounts) = store.mounts();
        persist(|| {
            let brought = self.file.file().bring_back(payload, mounts);
            brought.map_err(|error| Failure::storage("bring back", self.file.path(), &error))
        })
    }

    /// The same with its own text, also where somebody signs in: he finds the regular file, as he would without azward.
    fn bring_back_as_it_is(&self, _nobody: &NobodyNeedsIt) -> Result<()> {
        if self.is_in_memory() { self.bring_back_text(self.text()) } else { Ok(()) }
    }

    /// Whose it is.
    pub(crate) fn store(&self) -> &CredentialStore<'_> {
        self.store
    }

    /// Whether it is in memory.
    pub(crate) fn is_in_memory(&self) -> bool {
        self.file.file().is_in_memory()
    }
}
