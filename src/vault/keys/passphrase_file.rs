//! The passphrase's file, `$AZWARD_HOME/<binding>.<key id>.passphrase`: the master key, sealed with XChaCha20-Poly1305 under a
//! key that Argon2id makes of the passphrase. Salt and costs stand in it in clear and are associated data, as are the key's
//! id and what the file is bound to: a file that was moved, renamed or changed does not open. Neither does it with another
//! passphrase, and which of the two it is nobody can tell.
//!
//! A file that is torn, or belongs to another machine or user, is [`Kind::KeyLost`]; it is renamed where it must make room,
//! never removed. One that a newer azward made, or that asks for more memory than is sensible, is [`Kind::KeyUnavailable`].

use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::binding::{Binding, BoundTo};
use super::master_key::{KeyId, MasterKey, hex};
use super::named_files;
use crate::failure::{Failure, Kind, Result};
use crate::secret::Secret;
use crate::vault::files;

/// The ending of its name.
pub(super) const ENDING: &str = ".passphrase";

const VERSION: u32 = 1;

/// What a guess costs: RFC 9106's second recommendation, on one core, a fifth of a second on today's machines.
const COSTS: Costs = Costs { memory_kib: 64 * 1024, passes: 3, lanes: 1 };

/// More than this no file makes this process take.
const MOST: Costs = Costs { memory_kib: 1024 * 1024, passes: 64, lanes: 64 };

const SALT: usize = 16;
const NONCE: usize = 24;
const TAG: usize = 16;

/// The file of one key.
#[derive(Debug)]
pub(super) struct PassphraseFile {
    path: PathBuf,
    binding: Binding,
    id: KeyId,
}

/// What every version of the file has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

#[derive(Deserialize, Serialize)]
struct Document {
    version: u32,
    bound_to: Vec<BoundTo>,
    argon2id: Costs,
    /// Base64, like what follows.
    salt: String,
    nonce: String,
    sealed: String,
}

/// What Argon2id takes.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
struct Costs {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl PassphraseFile {
    /// The one of the key called `id`; nothing is read of it yet.
    pub(super) fn of(azward_home: &Path, binding: Binding, id: KeyId) -> Self {
        Self { path: named_files::path_of(azward_home, &binding, id, ENDING), binding, id }
    }

    #[cfg(test)]
    fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file for `key`. The caller holds the key lock.
    ///
    /// # Errors
    /// [`Kind::Storage`], and [`Kind::KeyUnavailable`] where there is no memory or no randomness for it.
    pub(super) fn make(&self, key: &MasterKey, passphrase: &Secret) -> Result<()> {
        let (mut salt, mut nonce) = ([0; SALT], [0; NONCE]);
        getrandom::fill(&mut salt).and_then(|()| getrandom::fill(&mut nonce)).map_err(|_| no_room())?;
        let bound_to = self.binding.parts();
        let associated = self.associated(&bound_to, COSTS).unwrap_or_default();
        let mut sealed = key.expose().to_vec();
        let tag = cipher(passphrase, &salt, COSTS)?
            .encrypt_inout_detached(&nonce.into(), associated.as_bytes(), sealed.as_mut_slice().into())
            .map_err(|_| no_room())?;
        sealed.extend_from_slice(&tag);
        let [salt, nonce, sealed] = [&salt[..], &nonce, &sealed].map(|bytes| STANDARD.encode(bytes));
        let document = Document { version: VERSION, bound_to, argon2id: COSTS, salt, nonce, sealed };
        let mut text = serde_json::to_vec_pretty(&document).unwrap_or_default();
        text.push(b'\n');
        named_files::put(&self.path, &text)
    }

    /// The key, where the passphrase is the right one; `None` where it does not open.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`] when it cannot be read or is of a newer version, [`Kind::KeyLost`] when it is missing, torn, or
    /// belongs to another machine or user.
    pub(super) fn open(&self, passphrase: &Secret) -> Result<Option<MasterKey>> {
        let document = self.read()?;
        let Some(associated) = self.associated(&document.bound_to, document.argon2id) else {
            return Err(self.elsewhere());
        };
        let decode = |text: &String| STANDARD.decode(text).map_err(|_| self.torn());
        let (salt, nonce, sealed) = (decode(&document.salt)?, decode(&document.nonce)?, decode(&document.sealed)?);
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| self.torn())?;
        let middle = sealed.len().checked_sub(TAG).filter(|length| *length == MasterKey::LENGTH);
        let (sealed, tag) = sealed.split_at(middle.ok_or_else(|| self.torn())?);
        let tag = tag.try_into().map_err(|_| self.torn())?;
        let mut key = Zeroizing::new(sealed.to_vec());
        let opened = cipher(passphrase, &salt, document.argon2id)?.decrypt_inout_detached(
            &nonce.into(),
            associated.as_bytes(),
            key.as_mut_slice().into(),
            &tag,
        );
        if opened.is_err() {
            return Ok(None);
        }
        let key = MasterKey::from_secret(Secret::new(std::mem::take(&mut *key)));
        key.filter(|key| key.id() == self.id).map(Some).ok_or_else(|| self.torn())
    }

    /// Whether it is a file that a passphrase may open.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub(super) fn check(&self) -> Result<()> {
        let document = self.read()?;
        self.associated(&document.bound_to, document.argon2id).map(drop).ok_or_else(|| self.elsewhere())
    }

    fn read(&self) -> Result<Document> {
        let unavailable = |failure: Failure| Failure::new(Kind::KeyUnavailable, failure.what, failure.hint);
        let text = files::read(&self.path).map_err(unavailable)?.ok_or_else(|| self.missing())?;
        if let Ok(Versioned { version }) = serde_json::from_slice(&text)
            && version > VERSION
        {
            return Err(self.newer());
        }
        let document: Document = serde_json::from_slice(&text).map_err(|_| self.torn())?;
        let Costs { memory_kib, passes, lanes } = document.argon2id;
        if memory_kib > MOST.memory_kib || passes > MOST.passes || lanes > MOST.lanes {
            return Err(self.newer());
        }
        match document.bound_to.is_empty() {
            true => Err(self.torn()),
            false => Ok(document),
        }
    }

    /// What is sealed with it; `None` where it is bound to a machine's id and this one has none.
    fn associated(&self, bound_to: &[BoundTo], costs: Costs) -> Option<String> {
        let Costs { memory_kib, passes, lanes } = costs;
        let salt = self.binding.salt(bound_to)?;
        let id = hex(self.id);
        Some(format!("azward passphrase v1\nkey={id}\n{salt}memory={memory_kib}\npasses={passes}\nlanes={lanes}\n"))
    }

    fn missing(&self) -> Failure {
        Failure::new(
            Kind::KeyLost,
            format!("the passphrase's file `{}`, which has the vault's key, is gone", self.path.display()),
            "bring that file back; or sign in to Azure again: the old vault stays beside the new one",
        )
    }

    fn elsewhere(&self) -> Failure {
        Failure::new(
            Kind::KeyLost,
            format!("the passphrase's file `{}` belongs to another machine or user", self.path.display()),
            "use it where it was made; or sign in to Azure again, and a new one is made beside it",
        )
    }

    fn torn(&self) -> Failure {
        Failure::new(
            Kind::KeyLost,
            format!("the passphrase's file `{}` is torn or is none", self.path.display()),
            "restore it from a backup of this machine; or sign in to Azure again, and it is set aside and a new one made",
        )
    }

    fn newer(&self) -> Failure {
        Failure::new(
            Kind::KeyUnavailable,
            format!("the passphrase's file `{}` was made by a newer azward", self.path.display()),
            "update azward, then run the command again",
        )
    }
}

fn cipher(passphrase: &Secret, salt: &[u8], costs: Costs) -> Result<XChaCha20Poly1305> {
    let Costs { memory_kib, passes, lanes } = costs;
    let params = Params::new(memory_kib, passes, lanes, Some(MasterKey::LENGTH)).map_err(|_| no_room())?;
    let mut key = Zeroizing::new([0; MasterKey::LENGTH]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose(), salt, &mut *key)
        .map_err(|_| no_room())?;
    XChaCha20Poly1305::new_from_slice(&*key).map_err(|_| no_room())
}

fn no_room() -> Failure {
    Failure::new(
        Kind::KeyUnavailable,
        "a passphrase needs 64 MiB of memory and some randomness, and the operating system did not give both",
        "run the command again when there is room",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(machine: Option<&str>, user: &str) -> Binding {
        Binding { machine: machine.map(str::to_owned), user: user.to_owned() }
    }

    fn made(home: &Path) -> (PassphraseFile, MasterKey) {
        let key = MasterKey::generate().unwrap();
        let file = PassphraseFile::of(home, binding(Some("m"), "1"), key.id());
        file.make(&key, &Secret::from_text("correct horse".into())).unwrap();
        (file, key)
    }

    #[test]
    fn it_opens_with_its_passphrase_and_no_other_where_it_was_made_and_nowhere_else() {
        let home = tempfile::tempdir().unwrap();
        let (file, key) = made(home.path());
        let right = Secret::from_text("correct horse".into());
        assert_eq!(file.open(&right).unwrap().unwrap().id(), key.id());
        assert!(file.open(&Secret::from_text("correct horse ".into())).unwrap().is_none());
        assert!(!std::fs::read(file.path()).unwrap().windows(32).any(|bytes| bytes == key.expose()));
        for (machine, user, kind) in
            [(Some("other"), "1", None), (Some("m"), "2", None), (None, "1", Some(Kind::KeyLost))]
        {
            let other = PassphraseFile::of(home.path(), binding(machine, user), key.id());
            assert_eq!(other.open(&right).unwrap_err().kind, Kind::KeyLost, "it has another name");
            std::fs::copy(file.path(), other.path()).unwrap();
            match kind {
                Some(kind) => assert_eq!(other.open(&right).unwrap_err().kind, kind),
                None => assert!(other.open(&right).unwrap().is_none()),
            }
        }
    }

    #[test]
    fn what_was_changed_does_not_open_and_what_is_torn_or_newer_says_so() {
        let home = tempfile::tempdir().unwrap();
        let (file, _) = made(home.path());
        let right = Secret::from_text("correct horse".into());
        let whole = std::fs::read_to_string(file.path()).unwrap();
        let open = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            (file.open(&right).map(|key| key.is_some()), file.check().is_ok())
        };
        assert!(matches!(open(&whole.replace("\"passes\": 3", "\"passes\": 2")), (Ok(false), true)));
        let kinds = [
            ("{".to_owned(), Kind::KeyLost),
            (whole.replace("\"sealed\": \"", "\"sealed\": \"AAAA"), Kind::KeyLost),
            (whole.replace("\"version\": 1", "\"version\": 2"), Kind::KeyUnavailable),
            (whole.replace("65536", "4194304"), Kind::KeyUnavailable),
        ];
        for (text, kind) in kinds {
            assert_ne!(text, whole);
            assert_eq!(open(&text).0.unwrap_err().kind, kind, "{text}");
        }
        assert!(matches!(open(&whole), (Ok(true), true)));
    }
}
