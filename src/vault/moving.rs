//! The vaults' key is moved from one key store to another. They get another key: whoever has a copy of the old one, in a
//! backup or on an old disk, opens nothing that is written from then on.
//!
//! What a person or a keyring is asked for is asked first, while nothing is locked ([`Move::ask`]). Then, with the azward
//! home alone, the new key is made and read back from its store, and each vault is sealed with it beside the old one, a
//! generation on, and read back from the disk with what the new store gave; only then does the old one go. When no file
//! needs the old key any more, its store loses it. Killed at any step, each vault is the old one or the new one, and both
//! keys are there; the same move given again finishes it. What a lost key sealed stays where it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::candidates::Standing;
use super::choosing::Chosen;
use super::committing::or_discard;
use super::contents::Gone;
use super::inventory::key_of;
use super::keys::{KeyId, KeyStores, LostKey, Prompting};
use super::reading::Generation;
use super::trouble::elsewhere;
use super::{HeldKey, KeyStoreKind, Vault, VaultLock, all_vaults, files, sealed};
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::home_lock::Alone;
use crate::settings::Settings;
use crate::text;

/// How long to wait for a vault's lock: nobody is at work then.
const LOCK_DEADLINE: Duration = Duration::from_secs(10);

/// A move of the vaults' key to another store.
#[derive(Debug)]
pub struct Move {
    to: KeyStoreKind,
    stores: KeyStores,
    prompting: Prompting,
    vaults: Vec<MovedVault>,
}

/// One vault, and what is to become of it.
#[derive(Debug)]
pub struct MovedVault {
    /// The config directory whose login it has.
    pub directory: PathBuf,
    /// Where its key is now.
    pub from: KeyStoreKind,
    /// Why it stays, where that is known.
    pub stays: Option<Failure>,
    standing: Standing,
    vault: Vault,
    id: KeyId,
}

/// A key that seals nothing any more, or that something may still need.
#[derive(Debug)]
pub struct OldKey {
    /// Its store.
    pub kind: KeyStoreKind,
    /// The file that may need it; none where the key is gone.
    pub needed_by: Option<PathBuf>,
    id: KeyId,
}

impl Move {
    /// The move of all vaults that this machine opens to the store of kind `to`. Nobody is asked, and nothing is changed.
    ///
    /// # Errors
    /// [`Kind::Storage`] when the vaults cannot be listed, [`Kind::KeyUnavailable`] where it cannot be told whose they are.
    pub fn plan(context: &Context, settings: &Settings, to: KeyStoreKind) -> Result<Self> {
        let mut vaults = Vec::new();
        for (directory, vault) in all_vaults(context, settings)? {
            let ranked = vault.ranked();
            let Some((standing, candidate)) = ranked.into_iter().next() else { continue };
            let (Some(from), Some(id)) = (candidate.kind, candidate.key_id) else { continue };
            let stays = (standing == Standing::Elsewhere).then(|| elsewhere(&candidate.files.current));
            vaults.push(MovedVault { directory, from, stays, standing, vault, id });
        }
        vaults.sort_by(|one, other| one.directory.cmp(&other.directory));
        let prompting = if context.is_interactive { Prompting::Allowed } else { Prompting::Never };
        Ok(Self { to, stores: KeyStores::new(context, settings), prompting, vaults })
    }

    /// The vaults, in the order of their directories.
    #[must_use]
    pub fn vaults(&self) -> &[MovedVault] {
        &self.vaults
    }

    /// Whether there is a vault to be moved.
    #[must_use]
    pub fn has_any(&self) -> bool {
        self.vaults.iter().any(|vault| vault.from != self.to && vault.stays.is_none())
    }

    /// Whether the new store can be had, as far as that can be told without asking anybody or making anything.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`].
    pub fn try_out(&self) -> Result<()> {
        self.stores.try_out(self.to)
    }

    /// Gets every key, and what the new one needs: a person may be asked, so nothing may be locked. A vault whose key is lost
    /// stays where it is.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`] while an old or the new store does not answer, is locked, or the passphrase is not given.
    pub fn ask(&mut self) -> Result<()> {
        let is_needed = self.has_any();
        let mut held: Vec<HeldKey> = Vec::new();
        for vault in self.vaults.iter_mut().filter(|vault| vault.stays.is_none()) {
            let known = held.iter().find(|key| key.kind == vault.from && key.key.id() == vault.id);
            let key = match known {
                Some(key) => key.clone(),
                // The one that is there already is asked for where another vault is to be sealed with it.
                None if vault.from == self.to && !is_needed => continue,
                None => match self.stores.find(vault.from, vault.id, self.prompting) {
                    Ok(key) => HeldKey { kind: vault.from, key: Arc::new(key) },
                    // A keyring that may have nothing of ours need not answer.
                    Err(failure) if failure.kind == Kind::KeyLost || vault.standing == Standing::Undecided => {
                        vault.stays = Some(failure);
                        continue;
                    }
                    Err(failure) => return Err(failure),
                },
            };
            vault.vault.hold_again(key.clone());
            held.push(key);
        }
        if self.has_any() && !held.iter().any(|key| key.kind == self.to) {
            self.stores.ask_for_new(self.to, self.prompting)?;
        }
        Ok(())
    }

    /// Moves them. `tell` hears of each that has been moved.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`], [`Kind::Storage`], [`Kind::Busy`], [`Kind::VaultDamaged`]: what was moved before stays moved,
    /// and the same move can be given again.
    pub fn carry_out(&self, _alone: &Alone, mut tell: impl FnMut(&MovedVault)) -> Result<()> {
        if self.has_any() {
            // A passphrase that was chosen for a move that was killed is no longer anybody's.
            self.drop_unused(self.to)?;
        }
        let mut new = None;
        for moved in self.vaults.iter().filter(|vault| vault.stays.is_none()) {
            let lock = moved.vault.lock(LOCK_DEADLINE)?;
            if moved.from != self.to {
                let key = match &new {
                    Some(key) => key,
                    None => new.insert(self.new_key()?),
                };
                moved.vault.seal_anew(&lock, key)?;
                tell(moved);
            }
            moved.vault.drop_superseded(&lock, self.to)?;
        }
        Ok(())
    }

    /// Has the stores lose the keys that seal nothing any more, and says which those are and which are still needed.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`] where a store does not let one go, [`Kind::Storage`].
    pub fn drop_old_keys(&self, _alone: &Alone) -> Result<Vec<OldKey>> {
        let old = self.old_keys();
        for key in old.iter().filter(|key| key.needed_by.is_none()) {
            self.stores.remove_own(key.kind, key.id)?;
        }
        Ok(old)
    }

    /// This machine's keys in other stores than the new one, and what needs them now.
    fn old_keys(&self) -> Vec<OldKey> {
        self.old_keys_beside(&self.sealed_files())
    }

    /// The same as it will be when the vaults have been moved.
    #[must_use]
    pub fn old_keys_after(&self) -> Vec<OldKey> {
        let moved = self.vaults.iter().filter(|vault| vault.stays.is_none());
        let moved: Vec<PathBuf> = moved.flat_map(|vault| vault.vault.files_of(vault.id).generations()).collect();
        let mut files = self.sealed_files();
        files.retain(|(_, path)| !moved.contains(path));
        self.old_keys_beside(&files)
    }

    fn old_keys_beside(&self, files: &[(Option<KeyId>, PathBuf)]) -> Vec<OldKey> {
        let old = self.stores.own_keys().into_iter().filter(|(kind, _)| *kind != self.to);
        // What does not say which key it needs may need any.
        let needs = |id: KeyId| files.iter().find(|(of, _)| of.is_none_or(|of| of == id)).map(|(_, path)| path.clone());
        old.map(|(kind, id)| OldKey { kind, id, needed_by: needs(id) }).collect()
    }

    fn drop_unused(&self, kind: KeyStoreKind) -> Result<()> {
        let files = self.sealed_files();
        let is_used = |id: KeyId| files.iter().any(|(of, _)| of.is_none_or(|of| of == id));
        for (_, id) in self.stores.own_keys().into_iter().filter(|(of, _)| *of == kind) {
            // An unused key of the other stores is as good as a new one.
            if kind == KeyStoreKind::Passphrase && !is_used(id) {
                self.stores.remove_own(kind, id)?;
            }
        }
        Ok(())
    }

    /// Every file beside the vaults but the locks, with the key that it was sealed with; none where that cannot be told.
    fn sealed_files(&self) -> Vec<(Option<KeyId>, PathBuf)> {
        let mut found = files::list(self.stores.vaults_directory().as_path());
        found.retain(|path| path.extension().is_none_or(|extension| extension != "lock"));
        found.into_iter().map(|path| (key_of(&path), path)).collect()
    }

    /// The new key, as its store gives it back.
    fn new_key(&self) -> Result<HeldKey> {
        let key = self.stores.for_new_in(self.to, Prompting::Never, LostKey::Replace)?;
        Ok(HeldKey { kind: self.to, key: Arc::new(key) })
    }
}

impl Vault {
    fn hold_again(&self, key: HeldKey) {
        *self.held.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(key);
    }

    /// Seals what the vault has with `key` beside it, as its next generation, and reads that back from the disk.
    fn seal_anew(&self, lock: &VaultLock, key: &HeldKey) -> Result<()> {
        let Chosen::Ours(candidate) = self.choose(Prompting::Never)? else { return Ok(()) };
        if candidate.key_id == Some(key.key.id()) {
            return Ok(());
        }
        let contents = match self.examine(&candidate, &candidate.files.current, Prompting::Never)? {
            Generation::Opens { contents, .. } => contents,
            // The generation before it takes its place first, and what is damaged is set aside: as every commit does it.
            Generation::Closed(_) | Generation::Absent => {
                let contents = self.load_unasked()?;
                self.commit(lock, &contents)?;
                contents
            }
        };
        let files = self.files_of(key.key.id());
        let sealed = self.write(&files, &contents, key, self.highest_generation().saturating_add(1))?;
        or_discard(&files, files.publish())?;
        let written = files::read(&files.current)?.unwrap_or_default();
        if sealed::open(&written, &key.key).ok().as_ref() != Some(&contents) {
            files.remove_all()?;
            return Err(not_read_back(&files.current));
        }
        files.copy_to_previous(&sealed);
        Ok(())
    }

    /// Removes the other vaults of this login that this machine opens, and what a killed commit left of any, where the one in
    /// use, whose key is in the store of kind `to`, has all that is in them, or newer.
    fn drop_superseded(&self, _lock: &VaultLock, to: KeyStoreKind) -> Result<()> {
        let ranked = self.ranked();
        let Some((Standing::Own, used)) = ranked.first() else { return Ok(()) };
        if used.kind != Some(to) {
            return Ok(());
        }
        let Ok(Generation::Opens { contents, .. }) = self.examine(used, &used.files.current, Prompting::Never) else {
            return Ok(());
        };
        for (_, other) in ranked.iter().skip(1).filter(|(standing, _)| *standing == Standing::Own) {
            let Ok(Generation::Opens { contents: old, .. }) =
                self.examine(other, &other.files.current, Prompting::Never)
            else {
                continue;
            };
            if Gone::between(&old, &contents).is_nothing() {
                other.files.remove_all()?;
            }
        }
        self.remove_unfinished()
    }
}

fn not_read_back(path: &Path) -> Failure {
    Failure::new(
        Kind::Storage,
        format!(
            "`{}` did not read back as it was written: the vault and its key are where they were",
            text::path(path)
        ),
        "check that disk, then run the command again",
    )
}
