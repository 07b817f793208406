//! A vault is read: the newest of its generations that opens, or why none does.

use std::path::Path;

use super::candidates::{Candidate, Naming};
use super::choosing::Chosen;
use super::keys::{LostKey, Prompting};
use super::sealed::{self, Flaw, Header};
use super::trouble::{damaged, fell_back, newer};
use super::{Contents, HeldKey, Vault, files};
use crate::failure::{Failure, Kind, Result};

/// How often a vault is looked for that was there a moment ago.
const ATTEMPTS: u32 = 3;

/// One generation, looked at.
pub(super) enum Generation {
    Absent,
    Opens { number: u64, key: HeldKey, contents: Contents },
    Closed(Failure),
}

impl Vault {
    /// Gets the master key, making one for a vault that is not there yet, so that [`Self::load`] and [`Self::commit`] ask
    /// no key store any more. Only here, and in a `load` without it, can a person be asked to unlock the keyring.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`], [`Kind::KeyLost`] (a commit would begin a new vault), [`Kind::VaultDamaged`] for one that
    /// a newer azward made, [`Kind::Busy`], [`Kind::Storage`].
    pub fn prepare(&self) -> Result<()> {
        let candidate = match self.choose(self.prompting())? {
            Chosen::Ours(candidate) => candidate,
            Chosen::Elsewhere(failure) => return Err(failure),
            Chosen::Nothing => {
                let (kind, key) = self.stores.for_new(self.prompting(), LostKey::Keep)?;
                self.hold(kind, key);
                return Ok(());
            }
        };
        // By its name it asks for the key that is at hand; whether it opens shows when it is read.
        if candidate.naming == Naming::ByKey && self.held().map(|held| held.key.id()) == candidate.key_id {
            return Ok(());
        }
        let mut lost = None;
        for path in [&candidate.files.current, &candidate.files.previous] {
            let Some(header) = self.header(path)? else { continue };
            if candidate.key_id != Some(header.key_id) {
                continue;
            }
            match self.key_for(&header, self.prompting()) {
                Err(failure) if failure.kind == Kind::KeyLost => lost = lost.or(Some(failure)),
                outcome => return outcome.map(drop),
            }
        }
        if let Some(failure) = lost {
            return Err(failure);
        }
        let (kind, key) = self.stores.for_new(self.prompting(), LostKey::Keep)?;
        self.hold(kind, key);
        Ok(())
    }

    /// Reads the vault; empty contents when there is none.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`], [`Kind::KeyLost`], [`Kind::VaultDamaged`], [`Kind::Storage`].
    pub fn load(&self) -> Result<Contents> {
        self.load_with(self.prompting())
    }

    /// The same, and nobody is asked to unlock a keyring for it.
    ///
    /// # Errors
    /// Those of [`Self::load`].
    pub fn load_unasked(&self) -> Result<Contents> {
        self.load_with(Prompting::Never)
    }

    pub(super) fn load_with(&self, prompting: Prompting) -> Result<Contents> {
        for _ in 0..ATTEMPTS {
            let candidate = match self.choose(prompting)? {
                Chosen::Ours(candidate) => candidate,
                Chosen::Elsewhere(failure) => return Err(failure),
                Chosen::Nothing => break,
            };
            // One that is gone by now was renamed, and is found under its new name.
            if let Some(contents) = self.newest(&candidate, prompting)? {
                return Ok(contents);
            }
        }
        Ok(Contents::default())
    }

    /// The contents of the newest generation that opens; `None` when there is no file any more.
    pub(super) fn newest(&self, candidate: &Candidate, prompting: Prompting) -> Result<Option<Contents>> {
        let current = match self.examine(candidate, &candidate.files.current, prompting)? {
            Generation::Opens { contents, .. } => return Ok(Some(contents)),
            Generation::Closed(failure) => Some(failure),
            Generation::Absent => None,
        };
        match (self.examine(candidate, &candidate.files.previous, prompting)?, current) {
            (Generation::Opens { contents, .. }, reason) => {
                self.warn(fell_back(&candidate.files.current, reason));
                Ok(Some(contents))
            }
            (_, Some(failure)) | (Generation::Closed(failure), None) => Err(failure),
            (Generation::Absent, None) => Ok(None),
        }
    }

    /// The current generation, where that opens and has the name and place that it is to have.
    pub(super) fn open_current(
        &self,
        candidate: &Candidate,
        prompting: Prompting,
    ) -> Result<Option<(u64, HeldKey, Contents)>> {
        if candidate.naming != Naming::ByKey {
            return Ok(None);
        }
        match self.examine(candidate, &candidate.files.current, prompting)? {
            Generation::Opens { number, key, contents } => Ok(Some((number, key, contents))),
            Generation::Closed(_) | Generation::Absent => Ok(None),
        }
    }

    /// The header of a generation; `None` when there is none or it is damaged.
    pub(super) fn header(&self, path: &Path) -> Result<Option<Header>> {
        let Some(bytes) = files::read(path)? else { return Ok(None) };
        match Header::parse(&bytes) {
            Ok((header, _)) => Ok(Some(header)),
            Err(Flaw::Damaged(_)) => Ok(None),
            Err(Flaw::Newer(version)) => Err(newer(path, version)),
        }
    }

    /// Looks at one generation. What may be fine and cannot be opened now is an error; what is not fine is `Closed`.
    pub(super) fn examine(&self, candidate: &Candidate, path: &Path, prompting: Prompting) -> Result<Generation> {
        let Some(bytes) = files::read(path)? else { return Ok(Generation::Absent) };
        let header = match Header::parse(&bytes) {
            Ok((header, _)) => header,
            Err(Flaw::Newer(version)) => return Err(newer(path, version)),
            Err(Flaw::Damaged(why)) => return Ok(Generation::Closed(damaged(path, why))),
        };
        if candidate.naming == Naming::ByKey && candidate.key_id != Some(header.key_id) {
            return Ok(Generation::Closed(damaged(path, "asks for another key than the one it is named by")));
        }
        if header.directory != self.login.directory() {
            let why = format!("belongs to another config directory, `{}`", header.directory.display());
            return Ok(Generation::Closed(damaged(path, &why)));
        }
        let key = match self.key_for(&header, prompting) {
            Ok(key) => key,
            Err(failure) if failure.kind == Kind::KeyLost => return Ok(Generation::Closed(failure)),
            Err(failure) => return Err(failure),
        };
        match sealed::open(&bytes, &key.key) {
            Ok(contents) => Ok(Generation::Opens { number: header.generation, key, contents }),
            Err(Flaw::Newer(version)) => Err(newer(path, version)),
            Err(Flaw::Damaged(why)) => Ok(Generation::Closed(damaged(path, why))),
        }
    }
}

impl Generation {
    /// Whether its key store answered and does not have its key.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Self::Closed(failure) if failure.kind == Kind::KeyLost)
    }
}
