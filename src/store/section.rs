//! The critical section: whatever changes a token cache or its vault is done in it, under the vault's lock and then MSAL's,
//! and in one order that the compiler knows. `Prepared`: the key is at hand and no lock is held. `VaultSection` and
//! `CacheSection`: locked. `Opened`: the vault is loaded, and takes in what is new. `Committed`: what it took in is on the
//! disk, or why not. Only what is `OnDisk` can be scrubbed from a file, and only a cache that is `Written` lets a vault
//! go. The list of service principals has a section like the token cache's (`FileSection`). What is done with locks is here, what is done with the vault in `opened`.
//!
//! Fails open and loses nothing: what cannot be read is left alone, and a commit that failed is told and leaves vault and
//! file as they were.

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::credentials::file::WriteMode;
use crate::credentials::msal::{TokenCache, TokenCacheFile};
use crate::credentials::origin::Origin;
use crate::credentials::service_principals::{ServicePrincipals, ServicePrincipalsFile};
use crate::credentials::{CredentialFile, Document, MsalLock};
use crate::failure::{Kind, Result};
use crate::store::lease::NobodyNeedsIt;
use crate::store::opened::{Change, Opened, Written};
use crate::store::{CredentialStore, LOCK_DEADLINE};
use crate::vault::{Guard, VaultLock};

/// The key is at hand, and no lock is held.
#[derive(Debug)]
pub(crate) struct Prepared<'c>(&'c CredentialStore<'c>);

/// The whole section: the vault is locked, and the token cache is.
#[derive(Debug)]
pub(crate) struct Section<'c> {
    // Let go first: az waits for it.
    pub(crate) cache: CacheSection<'c>,
    pub(crate) vault: VaultSection<'c>,
}

/// The vault is locked.
#[derive(Debug)]
pub(crate) struct VaultSection<'c> {
    store: &'c CredentialStore<'c>,
    lock: VaultLock,
}

/// A credential file is locked, whole again if a writer was killed, and read.
pub(crate) struct FileSection<'c, F> {
    pub(super) store: &'c CredentialStore<'c>,
    pub(super) file: &'c F,
    lock: MsalLock,
    text: Option<Zeroizing<String>>,
    /// Whether some of the text is not in the file but sealed beside the vault.
    has_sealed: bool,
}

/// The token cache is.
pub(crate) type CacheSection<'c> = FileSection<'c, TokenCacheFile>;

/// The list of service principals is.
pub(crate) type PrincipalsSection<'c> = FileSection<'c, ServicePrincipalsFile>;

impl<F> fmt::Debug for FileSection<'_, F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FileSection").finish_non_exhaustive()
    }
}

impl CredentialStore<'_> {
    /// Gets the key, which may wait for a keyring or a person.
    ///
    /// # Errors
    /// Those of [`CredentialStore::prepare_vault`].
    pub(crate) fn prepared(&self) -> Result<Prepared<'_>> {
        self.prepare_vault()?;
        Ok(Prepared(self))
    }

    /// For where the key was got before, or nobody is to be asked for it.
    pub(crate) fn unprepared(&self) -> Prepared<'_> {
        Prepared(self)
    }

    /// Locks the token cache alone, for what concerns no refresh token.
    ///
    /// # Errors
    /// `Busy`, `Storage`, `CacheForeign`.
    pub(crate) fn lock_cache(&self) -> Result<CacheSection<'_>> {
        self.lock_cache_within(LOCK_DEADLINE)
    }

    /// The same, for who waits no longer than `deadline`.
    ///
    /// # Errors
    /// `Busy`, `Storage`, `CacheForeign`.
    pub(super) fn lock_cache_within(&self, deadline: Duration) -> Result<CacheSection<'_>> {
        let mut section = self.lock_file(&self.cache, deadline)?;
        if let Some(whole) = section.text.as_deref().and_then(|text| self.with_sealed(text)) {
            section.text = Some(whole);
            section.has_sealed = true;
        }
        Ok(section)
    }

    /// Locks the list of service principals alone; whoever has the token cache's lock too has taken that first.
    ///
    /// # Errors
    /// `Busy`, `Storage`, `CacheForeign`.
    pub(crate) fn lock_principals(&self) -> Result<PrincipalsSection<'_>> {
        self.lock_file(&self.principals, LOCK_DEADLINE)
    }

    /// The same, for who waits no longer than `deadline`.
    ///
    /// # Errors
    /// `Busy`, `Storage`, `CacheForeign`.
    pub(crate) fn lock_file<'c, F>(&'c self, file: &'c F, deadline: Duration) -> Result<FileSection<'c, F>>
    where
        F: CredentialFile,
    {
        let lock = file.lock(deadline)?;
        file.clear_leftovers(&lock);
        #[cfg(target_os = "linux")]
        self.clear_memory_leftovers(file);
        let text = file.read()?;
        Ok(FileSection { store: self, file, lock, text, has_sealed: false })
    }
}

impl<'c> Prepared<'c> {
    /// Locks the vault, then the token cache.
    ///
    /// # Errors
    /// `Gone`, `Busy`, `Storage`, `CacheForeign`.
    pub(crate) fn enter(self) -> Result<Section<'c>> {
        let store = self.0;
        let vault = self.enter_vault()?;
        Ok(Section { cache: store.lock_cache()?, vault })
    }

    /// Locks the vault, then the list of service principals.
    ///
    /// # Errors
    /// `Gone`, `Busy`, `Storage`, `CacheForeign`.
    pub(crate) fn enter_principals(self) -> Result<(VaultSection<'c>, PrincipalsSection<'c>)> {
        let store = self.0;
        let vault = self.enter_vault()?;
        Ok((vault, store.lock_principals()?))
    }

    /// Locks the vault alone.
    ///
    /// # Errors
    /// `Gone`, `Busy`, `Storage`.
    pub(crate) fn enter_vault(self) -> Result<VaultSection<'c>> {
        Ok(VaultSection { lock: self.0.vault.lock(LOCK_DEADLINE)?, store: self.0 })
    }
}

impl VaultSection<'_> {
    /// Loads the vault.
    ///
    /// # Errors
    /// Whatever keeps it from opening.
    pub(crate) fn open(&self) -> Result<Opened<'_>> {
        self.store.vault.open(&self.lock).map(|vault| self.opened(vault, Change::None))
    }

    /// The same, and nobody is asked to unlock a keyring for it.
    ///
    /// # Errors
    /// Whatever keeps it from opening.
    pub(crate) fn open_unasked(&self) -> Result<Opened<'_>> {
        self.store.vault.open_unasked(&self.lock).map(|vault| self.opened(vault, Change::None))
    }

    /// Loads the vault; one that is damaged or whose key is lost gives way to a new one if `newest` has something to store,
    /// and is set aside by the commit.
    ///
    /// # Errors
    /// Whatever keeps it from opening.
    pub(crate) fn open_or_replace<D: Document>(&self, newest: &D) -> Result<Opened<'_>> {
        let store = self.store;
        let opened = store.vault.open(&self.lock);
        store.note_warnings();
        match opened {
            Ok(vault) => Ok(self.opened(vault, Change::None)),
            Err(failure) if matches!(failure.kind, Kind::KeyLost | Kind::VaultDamaged) => {
                if newest.credentials()?.is_empty() {
                    return Err(failure);
                }
                store.app.journal.warn(store.app.context.now(), &failure);
                Ok(self.opened(store.vault.begin_anew(&self.lock), Change::Some))
            }
            Err(failure) => Err(failure),
        }
    }

    fn opened<'s>(&'s self, vault: Guard<'s>, change: Change) -> Opened<'s> {
        let mut opened = Opened::of(self.store, vault, change);
        self.store.for_exposed_siblings(|sibling, cache| opened.harvest(cache, Origin::Run, sibling.order()));
        opened
    }
}

impl<F: CredentialFile> FileSection<'_, F> {
    /// Its text, what is sealed of it included; nothing where there is no file.
    pub(crate) fn text(&self) -> &str {
        self.text.as_deref().map_or("", String::as_str)
    }

    /// Whether there is no file.
    pub(crate) fn is_missing(&self) -> bool {
        self.text.is_none()
    }

    /// Puts `text` in its place, by a means that takes no private mount away: whole where a run needs it, else as it is at rest.
    ///
    /// # Errors
    /// `Storage`; the file then has its old text.
    pub(crate) fn write(&self, text: &str) -> Result<Written> {
        match self.is_sealed_at_rest() && !self.store.is_needed()? {
            true => self.put_at_rest(text),
            false => self.write_whole(text),
        }
    }

    /// The same where nobody needs it.
    ///
    /// # Errors
    /// `Storage`; the file then has its old text.
    pub(crate) fn put_at_rest(&self, text: &str) -> Result<Written> {
        self.at_rest(text, |text| self.store.replace(self.file, &self.lock, text, WriteMode::Rename))
    }

    /// The same, and the file comes back from memory where it is there.
    ///
    /// # Errors
    /// `Storage`; the file then has its old text.
    pub(crate) fn end_exposure(&self, text: &str, nobody: &NobodyNeedsIt) -> Result<()> {
        #[cfg(target_os = "linux")]
        if self.is_in_memory() {
            return self.bring_back(text, nobody);
        }
        let _ = nobody;
        self.put_at_rest(text).map(drop)
    }

    /// The same for who needs it, or has azward let go of it: nothing of it is sealed then.
    ///
    /// # Errors
    /// `Storage`; the file then has its old text.
    pub(crate) fn write_whole(&self, text: &str) -> Result<Written> {
        self.store.replace(self.file, &self.lock, text, WriteMode::Rename)?;
        self.note_whole()
    }

    /// The same for an az that is about to run: nobody waits for the disk. Where the machine stops meanwhile the file may be
    /// empty, as it may be after any writing of az's; who is signed in is known to the vault, and the rest is renewed.
    ///
    /// # Errors
    /// `Storage`; the file then has its old text.
    pub(crate) fn hand_over(&self, text: &str) -> Result<Written> {
        self.store.replace(self.file, &self.lock, text, WriteMode::RenameUnflushed)?;
        self.note_whole()
    }

    /// Has `write` write what is to be in the file at rest.
    pub(super) fn at_rest(&self, text: &str, write: impl FnOnce(&str) -> Result<()>) -> Result<Written> {
        match self.is_sealed_at_rest().then(|| self.store.sealed_from(text)).flatten() {
            Some(bare) => write(&bare).map(|()| Written::whole()),
            None => write(text).and_then(|()| self.note_whole()),
        }
    }

    /// The file has all of its text.
    pub(super) fn note_whole(&self) -> Result<Written> {
        if self.is_cache() && self.store.has_sealed() {
            self.store.drop_sealed()?;
        }
        Ok(Written::whole())
    }

    /// Whether the file is not as it is to be at rest, whatever is scrubbed from it: in memory, or with what is to be sealed.
    pub(crate) fn is_to_be_put_at_rest(&self) -> bool {
        #[cfg(target_os = "linux")]
        if self.is_in_memory() {
            return true;
        }
        self.is_cache() && self.store.is_to_be_put_at_rest()
    }

    /// Whether some of its text is not in the file.
    pub(crate) fn has_sealed(&self) -> bool {
        self.has_sealed
    }

    fn is_sealed_at_rest(&self) -> bool {
        self.is_cache() && self.store.seals_all()
    }

    fn is_cache(&self) -> bool {
        self.file.path() == self.store.cache.path()
    }

    /// The file has what it is to have.
    pub(crate) fn leave(&self) -> Written {
        Written::whole()
    }
}

impl CacheSection<'_> {
    /// Its text, read.
    ///
    /// # Errors
    /// `CacheForeign`.
    pub(crate) fn parse(&self) -> Result<TokenCache<'_>> {
        TokenCache::parse(self.text())
    }
}

impl PrincipalsSection<'_> {
    /// Its text, read.
    ///
    /// # Errors
    /// `CacheForeign`.
    pub(crate) fn parse(&self) -> Result<ServicePrincipals<'_>> {
        ServicePrincipals::parse(self.text())
    }
}
