//! Which of several vaults is this machine's. Whether a keyring has the key of one is asked only where no other is.

use super::Vault;
use super::candidates::{Candidate, Naming, Standing, candidates, stems};
use super::keys::{KeyId, KeyStoreKind, Prompting};
use super::trouble::elsewhere;
use crate::failure::{Failure, Kind, Result};

/// Which vault is this machine's.
pub(super) enum Chosen {
    Ours(Candidate),
    /// There are others, and why none of them is.
    Elsewhere(Failure),
    Nothing,
}

impl Vault {
    /// The vault that is this machine's, as far as can be told without asking a keyring.
    pub(super) fn known(&self) -> Option<Candidate> {
        let (standing, candidate) = self.ranked().into_iter().next()?;
        (standing != Standing::Elsewhere).then_some(candidate)
    }

    /// The vault that is this machine's. Whether a keyring has the key of one of which that is not known is asked only
    /// where no other is this machine's.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`] while it cannot be told, because a key store does not answer.
    pub(super) fn choose(&self, prompting: Prompting) -> Result<Chosen> {
        if let Some(candidate) = self.plainly_ours() {
            return Ok(Chosen::Ours(candidate));
        }
        // What was got stays got, whatever becomes of its store meanwhile.
        let (ranked, trouble) = self.ranked_with(self.held().map(|held| held.key.id()));
        let mut chosen = Chosen::Nothing;
        for (standing, candidate) in ranked {
            match standing {
                Standing::Own => return Ok(Chosen::Ours(candidate)),
                Standing::Undecided if self.is_in_keyring(&candidate, prompting)? => {
                    return Ok(Chosen::Ours(candidate));
                }
                Standing::Undecided => {}
                Standing::Shared | Standing::Elsewhere if trouble.is_some() => {
                    return trouble.map_or(Ok(Chosen::Nothing), Err);
                }
                Standing::Shared => return Ok(Chosen::Ours(candidate)),
                Standing::Elsewhere => {}
            }
            chosen = Chosen::Elsewhere(elsewhere(&candidate.files.current));
        }
        Ok(chosen)
    }

    /// The only vault that there is, if its key is the one that was got before, the own key file's, or one that is noted to be
    /// in another store here: no key makes another vault more this machine's, so the others need not be looked for. Nearly always
    /// it is so.
    fn plainly_ours(&self) -> Option<Candidate> {
        let [stem] = <[String; 1]>::try_from(stems(&self.vaults, self.login.id())).ok()?;
        let candidate = Candidate::named_by_key(&self.vaults, &stem)?;
        let id = candidate.key_id?;
        if self.held().is_some_and(|held| held.key.id() == id) || self.stores.is_noted(id) {
            return Some(candidate);
        }
        self.home.note();
        match self.stores.find_in_own_key_file(id) {
            Some(key) => drop(self.hold(KeyStoreKind::KeyFile, key)),
            None if self.stores.is_sealed_here(id) => {}
            None => return None,
        }
        Some(candidate)
    }

    /// The vaults of the config directory, the one to use first.
    pub(super) fn ranked(&self) -> Vec<(Standing, Candidate)> {
        self.ranked_with(None).0
    }

    /// The same where this key is this machine's, too; and why a key file did not say which key it has, if one did not.
    fn ranked_with(&self, key: Option<KeyId>) -> (Vec<(Standing, Candidate)>, Option<Failure>) {
        let found = candidates(&self.vaults, self.login.id());
        // After the vaults: one that is begun meanwhile has its key before it has a name.
        let mut keys = self.stores.keys_here();
        keys.own.extend(key);
        let mut ranked: Vec<_> = found.into_iter().map(|candidate| (candidate.standing(&keys), candidate)).collect();
        ranked.sort_by_key(|(standing, candidate)| std::cmp::Reverse((*standing, candidate.generation)));
        (ranked, keys.trouble)
    }

    /// Whether the keyring has the key of `candidate`, which is then noted and held.
    pub(super) fn is_in_keyring(&self, candidate: &Candidate, prompting: Prompting) -> Result<bool> {
        let Some(id) = candidate.key_id else { return Ok(false) };
        let found = match candidate.naming {
            Naming::ByKey => self.stores.find_unnoted(id, prompting)?,
            // The first version made no notes: a keyring that does not answer may well have its key.
            Naming::FirstVersion => match self.stores.find(KeyStoreKind::Keyring, id, prompting) {
                Ok(key) => Some(key),
                Err(failure) if failure.kind == Kind::KeyLost => None,
                Err(failure) => return Err(failure),
            },
        };
        let Some(key) = found else { return Ok(false) };
        // Without a note the keyring is asked again the next time.
        let _ = self.stores.note(id);
        self.hold(KeyStoreKind::Keyring, key);
        Ok(true)
    }
}
