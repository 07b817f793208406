//! The key file, `$AZWARD_HOME/key`: 32 random bytes, and the key derived from them with HKDF-SHA256 whose salt is this
//! machine's id and the user's. A copy of the azward home on another machine, or under another user, opens nothing by
//! itself; whoever can read this file here, or knows both ids, can: it is no keyring, and `azward status` says which one is used.
//!
//! It is made under `key.lock`, written and fsynced under another name and then linked to its own, so that one that is
//! there is never overwritten. One that does not give a key is [`Kind::KeyLost`] and is renamed, never removed.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::files;
use super::key_store::{KeyId, MasterKey};
use crate::failure::{Failure, Kind, Result};
use crate::secret::Secret;
use crate::sys;

const VERSION: u32 = 1;
const INFO: &[u8] = b"azward key file v1";

/// What the key of a key file is bound to.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    /// The machine's id, where it has one.
    pub(super) machine: Option<String>,
    /// The user's id.
    pub(super) user: String,
}

/// The key file of one azward home.
#[derive(Debug)]
pub(super) struct KeyFile {
    path: PathBuf,
    binding: Binding,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum BoundTo {
    MachineId,
    User,
}

/// What every version of the file has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

#[derive(Deserialize, Serialize)]
struct Document<'a> {
    version: u32,
    bound_to: Vec<BoundTo>,
    /// Base64, so never escaped, so always borrowed from the buffer that is zeroed.
    random: &'a str,
    check: &'a str,
}

impl Binding {
    /// This machine, and the user that `azward_home` belongs to (the one that we act as, but for root in another's home).
    pub(super) fn here(azward_home: &Path) -> Self {
        let user = azward_home.metadata().map_or_else(|_| sys::user_id(), |metadata| sys::owner_id(&metadata));
        Self { machine: sys::machine_id(), user }
    }

    /// The salt, or `None` when the machine has no id and one is asked for.
    fn salt(&self, bound_to: &[BoundTo]) -> Option<String> {
        let part = |bound: &BoundTo| match bound {
            BoundTo::MachineId => self.machine.as_ref().map(|id| format!("machine-id={id}\n")),
            BoundTo::User => Some(format!("user={}\n", self.user)),
        };
        bound_to.iter().map(part).collect()
    }
}

impl KeyFile {
    pub(super) fn new(azward_home: &Path, binding: Binding) -> Self {
        Self { path: azward_home.join("key"), binding }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The key; `None` when there is no key file.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`] when it cannot be read or is of a newer version, [`Kind::KeyLost`] when it is torn or
    /// belongs to another machine or user.
    pub(super) fn read(&self) -> Result<Option<MasterKey>> {
        let unavailable = |failure: Failure| Failure::new(Kind::KeyUnavailable, failure.what, failure.hint);
        let Some(text) = files::read(&self.path).map_err(unavailable)? else { return Ok(None) };
        let text = Zeroizing::new(text);
        if let Ok(Versioned { version }) = serde_json::from_slice(&text)
            && version > VERSION
        {
            return Err(Failure::new(
                Kind::KeyUnavailable,
                format!("the key file `{}` was made by a newer azward (version {version})", self.path.display()),
                "update azward, then run the command again",
            ));
        }
        let document: Document<'_> = serde_json::from_slice(&text).map_err(|_| self.torn())?;
        let random = Zeroizing::new(STANDARD.decode(document.random).map_err(|_| self.torn())?);
        if random.len() != MasterKey::LENGTH || document.bound_to.is_empty() {
            return Err(self.torn());
        }
        let Some(salt) = self.binding.salt(&document.bound_to) else {
            return Err(Failure::new(
                Kind::KeyUnavailable,
                format!("the key file `{}` is bound to a machine id and this machine has none", self.path.display()),
                "restore `/etc/machine-id`, then run the command again",
            ));
        };
        let key = derive(&random, &salt).ok_or_else(|| self.torn())?;
        if hex(key.id()) != document.check {
            return Err(Failure::new(
                Kind::KeyLost,
                format!("the key file `{}` belongs to another machine or user, or was changed", self.path.display()),
                "use it where it was made; or sign in to Azure again, and it is set aside and a new one made",
            ));
        }
        Ok(Some(key))
    }

    /// Makes the file with a new key. The caller holds the key lock and has seen that there is none.
    pub(super) fn make(&self) -> Result<MasterKey> {
        let random = MasterKey::generate()?;
        let machine = self.binding.machine.as_ref().map(|_| BoundTo::MachineId);
        let bound_to: Vec<_> = machine.into_iter().chain([BoundTo::User]).collect();
        let salt = self.binding.salt(&bound_to).unwrap_or_default();
        let key = derive(random.expose(), &salt).ok_or_else(|| self.torn())?;
        let encoded = Zeroizing::new(STANDARD.encode(random.expose()));
        let check = hex(key.id());
        let mut text = Zeroizing::new(Vec::with_capacity(512));
        let document = Document { version: VERSION, bound_to, random: &encoded, check: &check };
        serde_json::to_writer_pretty(&mut *text, &document).map_err(|error| self.not_made(&error.into()))?;
        text.push(b'\n');
        self.publish(&text).map_err(|error| self.not_made(&error))?;
        // What counts is what the next run will read.
        self.read()?.ok_or_else(|| self.torn())
    }

    fn publish(&self, text: &[u8]) -> io::Result<()> {
        let directory = self.path.parent().unwrap_or(&self.path);
        let fresh = self.path.with_file_name("key.new");
        // Left by a process that died while it had the lock that we have now.
        let _ = std::fs::remove_file(&fresh);
        let published = files::write_durably(&fresh, text, directory).and_then(|()| {
            match std::fs::hard_link(&fresh, &self.path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
                // Where links are refused; the key lock keeps others from making one in between.
                Err(_) if self.path.symlink_metadata().is_err() => std::fs::rename(&fresh, &self.path),
                linked => linked,
            }
        });
        let _ = std::fs::remove_file(&fresh);
        published.and_then(|()| sys::sync_dir(directory))
    }

    /// Renames a file that gives no key. The caller holds the key lock.
    pub(super) fn set_aside(&self, now: i64) -> Result<()> {
        std::fs::rename(&self.path, files::free_name(&self.path, now))
            .map_err(|error| Failure::storage("set aside", &self.path, &error))
    }

    fn not_made(&self, error: &io::Error) -> Failure {
        Failure::storage("make", &self.path, error)
    }

    fn torn(&self) -> Failure {
        Failure::new(
            Kind::KeyLost,
            format!("the key file `{}` is torn or is none", self.path.display()),
            "restore it from a backup of this machine; or sign in to Azure again, and it is set aside and a new one made",
        )
    }
}

/// The key from the file's random bytes and what it is bound to.
fn derive(random: &[u8], salt: &str) -> Option<MasterKey> {
    let mut key = Zeroizing::new(vec![0; MasterKey::LENGTH]);
    Hkdf::<Sha256>::new(Some(salt.as_bytes()), random).expand(INFO, &mut key).ok()?;
    MasterKey::from_secret(Secret::new(std::mem::take(&mut *key)))
}

fn hex(id: KeyId) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(home: &Path, machine: Option<&str>, user: &str) -> KeyFile {
        KeyFile::new(home, Binding { machine: machine.map(str::to_owned), user: user.to_owned() })
    }

    #[test]
    fn it_gives_its_key_here_and_to_nobody_else() {
        let home = tempfile::tempdir().unwrap();
        assert!(file(home.path(), Some("m"), "1").read().unwrap().is_none());
        let made = file(home.path(), Some("m"), "1").make().unwrap();
        assert_eq!(file(home.path(), Some("m"), "1").read().unwrap().unwrap().id(), made.id());
        for (machine, user) in [("other", "1"), ("m", "2")] {
            let failure = file(home.path(), Some(machine), user).read().unwrap_err();
            assert_eq!(failure.kind, Kind::KeyLost);
            assert!(failure.what.contains("belongs to another machine or user"));
        }
        assert_eq!(file(home.path(), None, "1").read().unwrap_err().kind, Kind::KeyUnavailable);
    }

    #[test]
    fn a_machine_without_an_id_binds_to_the_user_alone() {
        let home = tempfile::tempdir().unwrap();
        let made = file(home.path(), None, "1").make().unwrap();
        assert_eq!(file(home.path(), Some("since then"), "1").read().unwrap().unwrap().id(), made.id());
        assert!(file(home.path(), None, "2").read().is_err());
    }

    #[test]
    fn one_that_is_there_is_never_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let key = file(home.path(), None, "1");
        std::fs::write(key.path(), "precious").unwrap();
        assert_eq!(key.make().unwrap_err().kind, Kind::Storage);
        assert_eq!(std::fs::read_to_string(key.path()).unwrap(), "precious");
        assert_eq!(files::list(home.path()).len(), 1);
        key.set_aside(5).unwrap();
        std::fs::write(key.path(), "precious too").unwrap();
        key.set_aside(5).unwrap();
        let text = |name: &str| std::fs::read_to_string(home.path().join(name)).unwrap();
        assert_eq!((text("key.set-aside-5"), text("key.set-aside-5-2")), ("precious".into(), "precious too".into()));
    }

    #[test]
    fn what_is_wrong_with_it_is_told_apart() {
        let home = tempfile::tempdir().unwrap();
        let key = file(home.path(), None, "1");
        for torn in ["", "{}", "{\"version\":1,\"bound_to\":[\"user\"],\"random\":\"AA==\",\"check\":\"\"}"] {
            std::fs::write(key.path(), torn).unwrap();
            assert_eq!(key.read().unwrap_err().kind, Kind::KeyLost, "{torn}");
        }
        std::fs::write(key.path(), "{\"version\":2,\"anything\":1}").unwrap();
        assert_eq!(key.read().unwrap_err().kind, Kind::KeyUnavailable);
        std::fs::remove_file(key.path()).unwrap();
        std::fs::create_dir(key.path()).unwrap();
        assert_eq!(key.read().unwrap_err().kind, Kind::KeyUnavailable);
    }

    #[cfg(unix)]
    #[test]
    fn it_is_private() {
        let home = tempfile::tempdir().unwrap();
        file(home.path(), None, "1").make().unwrap();
        assert_eq!(sys::mode_of(&home.path().join("key").metadata().unwrap()), 0o600);
    }
}
