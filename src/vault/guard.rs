//! A vault that is open under its lock, from its loading to its commit. What was found when it was loaded (which file,
//! which generation, which key, what it held) is still so when it is committed, because nobody else writes without the
//! lock: so a commit decrypts nothing anew. Where it was not the current generation that opened, a commit looks again at
//! all there is.

use super::choosing::Chosen;
use super::contents::Gone;
use super::files::Files;
use super::keys::Prompting;
use super::{Contents, HeldKey, Vault, VaultLock};
use crate::failure::Result;

/// A vault that is open under its lock.
#[derive(Debug)]
pub struct Guard<'v> {
    /// What it has, and is going to have.
    pub contents: Contents,
    vault: &'v Vault,
    lock: &'v VaultLock,
    current: Option<Current>,
}

/// The current generation as it was when it was opened.
#[derive(Debug)]
struct Current {
    files: Files,
    number: u64,
    key: HeldKey,
    had: Gone,
}

impl Vault {
    /// Reads the vault to change it; empty contents when there is none.
    ///
    /// # Errors
    /// Those of [`Self::load`].
    pub fn open<'v>(&'v self, lock: &'v VaultLock) -> Result<Guard<'v>> {
        self.open_for(lock, self.prompting())
    }

    /// The same, and nobody is asked to unlock a keyring for it.
    ///
    /// # Errors
    /// Those of [`Self::load`].
    pub fn open_unasked<'v>(&'v self, lock: &'v VaultLock) -> Result<Guard<'v>> {
        self.open_for(lock, Prompting::Never)
    }

    /// A new vault's contents, in the place of one that is lost or damaged, which the commit sets aside.
    #[must_use]
    pub fn begin_anew<'v>(&'v self, lock: &'v VaultLock) -> Guard<'v> {
        Guard { contents: Contents::default(), vault: self, lock, current: None }
    }

    fn open_for<'v>(&'v self, lock: &'v VaultLock, prompting: Prompting) -> Result<Guard<'v>> {
        debug_assert_eq!(lock.path, self.lock, "the lock of another vault");
        // Anything but a vault that is plainly this machine's, by its present name, is looked at again by the commit.
        if let Chosen::Ours(candidate) = self.choose(prompting)?
            && let Some((number, key, contents)) = self.open_current(&candidate, prompting)?
        {
            let had = Gone::everything_in(&contents);
            let current = Some(Current { files: candidate.files, number, key, had });
            return Ok(Guard { contents, vault: self, lock, current });
        }
        Ok(Guard { contents: self.load_with(prompting)?, vault: self, lock, current: None })
    }
}

impl Guard<'_> {
    /// Seals the contents as the vault's next generation. It is on the disk when this returns; when it fails, the vault is as
    /// it was, and this can be tried again. Nobody is asked to unlock a keyring, because a lock is held.
    ///
    /// # Errors
    /// Those of [`Vault::commit`].
    pub fn commit(&mut self) -> Result<()> {
        let Some(Current { files, number, key, had }) = &self.current else {
            return self.vault.commit(self.lock, &self.contents);
        };
        let next = number.saturating_add(1);
        let gone = had.but_for(&self.contents);
        self.vault.commit_next(files, &self.contents, key, next, &gone)?;
        if let Some(current) = &mut self.current {
            current.number = next;
            current.had = Gone::everything_in(&self.contents);
        }
        Ok(())
    }

    /// Removes the vault, after everything in it was given back.
    ///
    /// # Errors
    /// Those of [`Vault::remove`].
    pub fn remove(self) -> Result<()> {
        self.vault.remove(self.lock)
    }
}
