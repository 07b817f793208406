//! The key file, `$AZWARD_HOME/<binding>.key`: 32 random bytes, and the key derived from them with HKDF-SHA256 whose salt
//! is this machine's id and the user's. A copy of the azward home on another machine, or under another user, opens nothing
//! by itself; whoever can read this file here, or knows both ids, can: it is no keyring, and `azward status` says which one
//! is used. The file is named by a fingerprint of what it is bound to, so machines that share a home each have their own
//! and none takes another's for a broken one. Where a machine has no id the file is bound to the user alone; a machine
//! that has one reads such a file too, because it may have got its id later.
//!
//! It is made under `key.lock`, written and fsynced under another name and then linked to its own, so that one that is
//! there is never overwritten. One that does not give a key is [`Kind::KeyLost`] and is renamed, never removed. The first
//! version's name was `key`, whatever it was bound to: it is read where it gives its key, renamed when a vault is written,
//! and left alone where it does not.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::binding::{Binding, BoundTo, BoundWhere};
use super::master_key::{MasterKey, hex};
use crate::failure::{Failure, Kind, Result};
use crate::private;
use crate::secret::Secret;
use crate::sys;
use crate::vault::files;

const VERSION: u32 = 1;
const INFO: &[u8] = b"azward key file v1";

/// One key file of an azward home.
#[derive(Debug)]
pub(in crate::vault) struct KeyFile {
    path: PathBuf,
    binding: Binding,
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

impl KeyFile {
    /// The key file of `binding`.
    pub(in crate::vault) fn new(azward_home: &Path, binding: Binding) -> Self {
        Self { path: azward_home.join(format!("{}.key", binding.id())), binding }
    }

    /// The first version's, which may be bound to this machine or to another.
    pub(in crate::vault) fn first_version(azward_home: &Path, binding: Binding) -> Self {
        Self { path: azward_home.join("key"), binding }
    }

    pub(in crate::vault) fn bound_where(&self) -> BoundWhere {
        if self.binding.machine.is_some() { BoundWhere::MachineAndUser } else { BoundWhere::User }
    }

    pub(in crate::vault) fn path(&self) -> &Path {
        &self.path
    }

    /// The key; `None` when there is no key file.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`] when it cannot be read or is of a newer version, [`Kind::KeyLost`] when it is torn or
    /// belongs to another machine or user.
    pub(in crate::vault) fn read(&self) -> Result<Option<MasterKey>> {
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
        let Some(salt) = self.binding.salt(&document.bound_to) else { return Err(self.elsewhere()) };
        let key = derive(&random, &salt).ok_or_else(|| self.torn())?;
        if hex(key.id()) == document.check { Ok(Some(key)) } else { Err(self.elsewhere()) }
    }

    /// Gives the first version's file, which has just given its key here, the name of what it is bound to, unless there is
    /// a file of that name. The caller holds the key lock.
    pub(in crate::vault) fn rename_first_version(&self) -> Result<()> {
        let failed = |error| Failure::storage("rename", &self.path, &error);
        let Some(text) = files::read(&self.path)?.map(Zeroizing::new) else { return Ok(()) };
        let Ok(document) = serde_json::from_slice::<Document<'_>>(&text) else { return Ok(()) };
        let is_of_machine = document.bound_to.contains(&BoundTo::MachineId);
        let binding = if is_of_machine { self.binding.clone() } else { self.binding.of_user() };
        let named = Self::new(self.path.parent().unwrap_or(&self.path), binding);
        if named.path.symlink_metadata().is_ok() {
            return Ok(());
        }
        std::fs::rename(&self.path, &named.path).map_err(failed)?;
        sys::sync_dir(self.path.parent().unwrap_or(&self.path)).map_err(failed)
    }

    /// Makes the file with a new key. The caller holds the key lock and has seen that there is none.
    pub(in crate::vault) fn make(&self) -> Result<MasterKey> {
        let random = MasterKey::generate()?;
        let bound_to = self.binding.parts();
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

    /// Where it is written before it has its name. What is there when nobody makes one was left by a process that was killed.
    pub(in crate::vault) fn draft(&self) -> PathBuf {
        self.path.with_extension("key.new")
    }

    fn publish(&self, text: &[u8]) -> io::Result<()> {
        let directory = self.path.parent().unwrap_or(&self.path);
        let fresh = self.draft();
        // Left by a process that died while it had the lock that we have now.
        let _ = std::fs::remove_file(&fresh);
        let published = private::make(&fresh, text).and_then(|()| {
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
    pub(in crate::vault) fn set_aside(&self, now: i64) -> Result<()> {
        std::fs::rename(&self.path, files::free_name(&self.path, now))
            .map_err(|error| Failure::storage("set aside", &self.path, &error))
    }

    fn not_made(&self, error: &io::Error) -> Failure {
        Failure::storage("make", &self.path, error)
    }

    fn elsewhere(&self) -> Failure {
        Failure::new(
            Kind::KeyLost,
            format!("the key file `{}` belongs to another machine or user, or was changed", self.path.display()),
            "use it where it was made; or sign in to Azure again, and a new one is made beside it",
        )
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

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(machine: Option<&str>, user: &str) -> Binding {
        Binding { machine: machine.map(str::to_owned), user: user.to_owned() }
    }

    fn file(home: &Path, machine: Option<&str>, user: &str) -> KeyFile {
        KeyFile::new(home, binding(machine, user))
    }

    #[test]
    fn each_machine_and_user_has_its_own_beside_the_others() {
        let home = tempfile::tempdir().unwrap();
        let bindings = [(Some("m"), "1"), (Some("other"), "1"), (Some("m"), "2"), (None, "1"), (None, "2")];
        let mut ids = Vec::new();
        for (machine, user) in bindings {
            assert!(file(home.path(), machine, user).read().unwrap().is_none(), "{machine:?} {user}");
            ids.push(file(home.path(), machine, user).make().unwrap().id());
        }
        for ((machine, user), id) in bindings.iter().zip(&ids) {
            assert_eq!(file(home.path(), *machine, user).read().unwrap().unwrap().id(), *id);
            assert_eq!(ids.iter().filter(|other| *other == id).count(), 1);
        }
        assert_eq!(files::list(home.path()).len(), bindings.len());
    }

    #[test]
    fn under_another_s_name_it_gives_nothing() {
        let home = tempfile::tempdir().unwrap();
        let made = file(home.path(), Some("m"), "1");
        made.make().unwrap();
        for (machine, user) in [(Some("other"), "1"), (Some("m"), "2"), (None, "1")] {
            let other = file(home.path(), machine, user);
            std::fs::copy(made.path(), other.path()).unwrap();
            let failure = other.read().unwrap_err();
            assert_eq!(failure.kind, Kind::KeyLost);
            assert!(failure.what.contains("belongs to another machine or user"));
        }
    }

    #[test]
    fn the_first_version_s_gets_the_name_of_what_it_is_bound_to() {
        for made_on in [Some("m"), None] {
            let home = tempfile::tempdir().unwrap();
            let made = file(home.path(), made_on, "1");
            let id = made.make().unwrap().id();
            std::fs::rename(made.path(), home.path().join("key")).unwrap();
            let elsewhere = KeyFile::first_version(home.path(), binding(Some("other"), "2"));
            assert_eq!(elsewhere.read().unwrap_err().kind, Kind::KeyLost);
            let first = KeyFile::first_version(home.path(), binding(Some("m"), "1"));
            assert_eq!(first.read().unwrap().unwrap().id(), id);
            first.rename_first_version().unwrap();
            assert!(!first.path().exists());
            assert_eq!(made.read().unwrap().unwrap().id(), id);
            first.rename_first_version().unwrap();
            // Another's file of that name is never in the way of this one.
            std::fs::copy(made.path(), home.path().join("key")).unwrap();
            first.rename_first_version().unwrap();
            assert!(first.path().exists());
        }
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
        let name = key.path().to_str().unwrap();
        let text = |ending: &str| std::fs::read_to_string(format!("{name}.set-aside-{ending}")).unwrap();
        assert_eq!((text("5"), text("5-2")), ("precious".into(), "precious too".into()));
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
        let key = file(home.path(), Some("m"), "1");
        key.make().unwrap();
        assert_eq!(sys::mode_of(&key.path().metadata().unwrap()), 0o600);
    }
}
