//! A vault's next generation is written. What does not open with its own key is never overwritten and never removed.

use std::path::Path;

use super::candidates::{Candidate, Naming, candidates};
use super::choosing::Chosen;
use super::contents::Gone;
use super::files::{self, Files};
use super::keys::{self, KeyId, Prompting};
use super::reading::Generation;
use super::{Contents, HeldKey, Vault, VaultLock, sealed, trouble};
use crate::failure::{Failure, Result};

impl Vault {
    /// Seals `contents` as the vault's next generation. It is on the disk when this returns; when it fails, the vault is as
    /// it was. Nobody is asked to unlock a keyring, because a lock is held.
    ///
    /// # Errors
    /// `Kind::KeyUnavailable`, `Kind::VaultDamaged` for a vault that a newer azward made, `Kind::Busy`,
    /// `Kind::Storage`.
    pub fn commit(&self, lock: &VaultLock, contents: &Contents) -> Result<()> {
        debug_assert_eq!(lock.path, self.lock, "the lock of another vault");
        let Chosen::Ours(candidate) = self.choose(Prompting::Never)? else { return self.begin(contents) };
        let files = &self.renamed(&candidate)?;
        let current = self.examine(&candidate, &files.current, Prompting::Never)?;
        if let Generation::Opens { number, key, contents: old } = &current {
            return self.commit_next(files, contents, key, number.saturating_add(1), &Gone::between(old, contents));
        }
        let previous = self.examine(&candidate, &files.previous, Prompting::Never)?;
        if let Generation::Opens { number, key, contents: old } = &previous {
            let number = number.saturating_add(1);
            let gone = Gone::between(old, contents);
            if gone.is_nothing() {
                self.write(files, contents, key, number)?;
                return or_discard(files, self.set_aside(files, &current).and_then(|()| files.publish()));
            }
            self.set_aside(files, &current)?;
            // Under the current one's name it is not missed while the next one takes its place.
            files.restore_previous()?;
            return self.commit_forgetting(files, contents, key, number, &gone);
        }
        if current.is_lost() || previous.is_lost() {
            return self.begin(contents);
        }
        self.replace_damaged(contents, files, &current, &previous)
    }

    /// Commits `contents` as the generation that comes after a current one that opens; `gone` is what that one had and they
    /// have not.
    pub(super) fn commit_next(
        &self,
        files: &Files,
        contents: &Contents,
        key: &HeldKey,
        number: u64,
        gone: &Gone,
    ) -> Result<()> {
        if !gone.is_nothing() {
            return self.commit_forgetting(files, contents, key, number, gone);
        }
        self.write(files, contents, key, number)?;
        or_discard(files, files.keep_previous().and_then(|()| files.publish()))
    }

    /// Begins a vault, beside those that are there.
    pub(super) fn begin(&self, contents: &Contents) -> Result<()> {
        let files = self.write_first(contents)?;
        or_discard(&files, files.publish())
    }

    /// Begins a vault in the place of one of which neither generation opens with its own key.
    pub(super) fn replace_damaged(
        &self,
        contents: &Contents,
        damaged: &Files,
        current: &Generation,
        previous: &Generation,
    ) -> Result<()> {
        let files = self.write_first(contents)?;
        let aside = [(current, &damaged.current), (previous, &damaged.previous)];
        let replaced = aside.iter().try_for_each(|(generation, path)| self.set_aside_at(damaged, generation, path));
        or_discard(&files, replaced.and_then(|()| files.publish()))?;
        for (generation, path) in aside {
            if matches!(generation, Generation::Closed(_)) && *path != files.current {
                files::remove(path)?;
            }
        }
        Ok(())
    }

    /// Writes a new vault's first generation, which counts on from what is there.
    pub(super) fn write_first(&self, contents: &Contents) -> Result<Files> {
        let key = self.key_for_new()?;
        let files = self.files_of(key.key.id());
        self.write(&files, contents, &key, self.highest_generation().saturating_add(1))?;
        Ok(files)
    }

    /// The highest generation of all vaults of this login, whosever they are; 0 where there is none.
    pub(super) fn highest_generation(&self) -> u64 {
        candidates(&self.vaults, self.login.id()).iter().map(|candidate| candidate.generation).max().unwrap_or(0)
    }

    /// Gives a vault with a first version's name, and the key file with one, the names that they have now.
    pub(super) fn renamed(&self, candidate: &Candidate) -> Result<Files> {
        let (Naming::FirstVersion, Some(id)) = (candidate.naming, candidate.key_id) else {
            return Ok(candidate.files.clone());
        };
        // The key's name hinders nothing.
        let _ = self.stores.adopt_first_version();
        let files = self.files_of(id);
        if files.is_there() {
            return Ok(candidate.files.clone());
        }
        candidate.files.rename_to(&files)?;
        Ok(files)
    }

    pub(super) fn files_of(&self, id: KeyId) -> Files {
        Files::new(&self.vaults, &format!("{}.{}", self.login.id(), keys::hex(id)))
    }

    pub(super) fn set_aside(&self, files: &Files, current: &Generation) -> Result<()> {
        self.set_aside_at(files, current, &files.current)
    }

    /// Gives what is damaged another name as well.
    pub(super) fn set_aside_at(&self, files: &Files, generation: &Generation, path: &Path) -> Result<()> {
        if let Generation::Closed(failure) = generation {
            let aside = files.set_aside(path, self.now)?;
            self.warn(trouble::set_aside(failure, &aside));
        }
        Ok(())
    }

    /// Removes the vault, after everything in it was given back. What was set aside stays.
    ///
    /// # Errors
    /// `Kind::Storage`.
    pub fn remove(&self, lock: &VaultLock) -> Result<()> {
        debug_assert_eq!(lock.path, self.lock, "the lock of another vault");
        match self.choose(Prompting::Never)? {
            Chosen::Ours(candidate) => self.remove_unfinished().and_then(|()| candidate.files.remove_all()),
            Chosen::Elsewhere(_) | Chosen::Nothing => Ok(()),
        }
    }

    pub(super) fn write(&self, files: &Files, contents: &Contents, held: &HeldKey, generation: u64) -> Result<Vec<u8>> {
        let sealed = sealed::seal(contents, held.kind, &held.key, generation, self.login.directory())
            .map_err(|error| Failure::storage("seal", &files.current, &error))?;
        files.write(&sealed)?;
        Ok(sealed)
    }
}

pub(super) fn or_discard(files: &Files, outcome: Result<()>) -> Result<()> {
    if outcome.is_err() {
        files.discard();
    }
    outcome
}
