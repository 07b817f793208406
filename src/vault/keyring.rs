//! The OS keyring as a key store: one entry of 32 bytes per azward home, service `azward`, user
//! `master-key:<fingerprint of the azward home>`. Every call runs on a thread of its own with a deadline, for a keyring
//! may wait for a person for as long as a year: 60 s when a person is there, 3 s when nobody is. Before the Secret
//! Service is asked for the key it is asked whether it is locked, because to read from it when it is would prompt.
//!
//! On Linux the key is then kept in the kernel's keyring for this user, for eight hours, so that the next runs need no
//! D-Bus; where the kernel refuses, nothing is kept and nothing is said. (After such a call the process has threads.)

use std::path::{Path, PathBuf};
use std::time::Duration;

use keyring::{Entry, Error};

use super::key_store::{KeyLock, MasterKey, Patience};
#[cfg(target_os = "linux")]
use super::secret_service;
use crate::failure::{Failure, Kind, Result};
use crate::secret::{Secret, fingerprint};
#[cfg(target_os = "linux")]
use crate::sys;
use crate::wait::{self, Unheard};

pub(super) const SERVICE: &str = "azward";

/// How long a person may take to unlock the keyring.
const PERSON: Duration = Duration::from_secs(60);
/// How long a keyring may take that asks nobody.
const NOBODY: Duration = Duration::from_secs(3);
/// How long the kernel keeps the key.
#[cfg(target_os = "linux")]
const CACHED_FOR: Duration = Duration::from_secs(8 * 60 * 60);

/// The keyring's entry for one azward home.
#[derive(Debug)]
pub(super) struct Keyring {
    azward_home: PathBuf,
}

/// Why the keyring gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is none in this session.
    Absent,
    /// It is locked, and nobody unlocked it.
    Locked,
    /// It did not answer in time.
    Silent,
    /// It answered with an error.
    Refused,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let (what, hint) = match refusal {
            Refusal::Absent => (
                "there is no OS keyring in this session",
                "run the command where the keyring is, for instance in the desktop session, or start the keyring here",
            ),
            Refusal::Locked => (
                "the OS keyring is locked",
                "unlock it, for instance by logging in to the desktop, then run the command again",
            ),
            Refusal::Silent => (
                "the OS keyring did not answer in time",
                "see whether it waits for a password, then run the command again",
            ),
            Refusal::Refused => {
                ("the OS keyring refused", "see whether other programs can use it, then run the command again")
            }
        };
        Self::new(Kind::KeyUnavailable, what, hint)
    }
}

impl Keyring {
    pub(super) fn of(azward_home: &Path) -> Self {
        Self { azward_home: azward_home.to_owned() }
    }

    /// The entry's user: two azward homes do not share a key, and one home has one name through every link.
    pub(super) fn user(&self) -> String {
        format!("master-key:{}", self.home_fingerprint())
    }

    fn home_fingerprint(&self) -> String {
        let home = std::fs::canonicalize(&self.azward_home);
        fingerprint(home.as_ref().unwrap_or(&self.azward_home).as_os_str().as_encoded_bytes())
    }

    /// The keys in the keyring under our name: none, one, or more where two keyrings were merged.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`].
    pub(super) fn read(&self, patience: Patience) -> Result<Vec<MasterKey>> {
        let user = self.user();
        let keys = within(patience, move || {
            wake(&user, patience)?;
            read_entry(&user)
        })?;
        Ok(keys.into_iter().filter_map(MasterKey::from_secret).collect())
    }

    /// Puts a key into an unlocked keyring that has none, and gives back what it has after that. The key lock is held
    /// until the write is over, even when nobody waits for it any more: a late write must not replace another's key.
    pub(super) fn write_and_read_back(&self, key: MasterKey, lock: KeyLock) -> Result<MasterKey> {
        let user = self.user();
        let id = key.id();
        let keys = within(Patience::Nobody, move || {
            let _lock = lock;
            let entry = Entry::new(SERVICE, &user).map_err(|error| refusal_of(&error))?;
            entry.set_secret(key.expose()).map_err(|error| refusal_of(&error))?;
            read_entry(&user)
        })?;
        let kept = keys.into_iter().filter_map(MasterKey::from_secret).find(|kept| kept.id() == id);
        kept.ok_or_else(|| Refusal::Refused.into())
    }

    /// Removes the entry.
    pub(super) fn remove(&self) -> Result<()> {
        let user = self.user();
        within(Patience::Nobody, move || match Entry::new(SERVICE, &user).and_then(|entry| entry.delete_credential()) {
            Ok(()) | Err(Error::NoEntry) => Ok(()),
            Err(error) => Err(refusal_of(&error)),
        })
    }
}

#[cfg(target_os = "linux")]
impl Keyring {
    /// The key that the kernel has.
    pub(super) fn cached(&self) -> Option<MasterKey> {
        sys::cached_key(&self.description(), MasterKey::LENGTH).and_then(|key| MasterKey::from_secret(Secret::new(key)))
    }

    /// Has the kernel keep the key.
    pub(super) fn cache(&self, key: &MasterKey) {
        sys::cache_key(&self.description(), key.expose(), CACHED_FOR);
    }

    /// Has the kernel forget the key.
    pub(super) fn forget_cached(&self) {
        sys::forget_key(&self.description());
    }

    fn description(&self) -> String {
        format!("azward:{}", self.home_fingerprint())
    }
}

#[cfg(not(target_os = "linux"))]
impl Keyring {
    /// See the Linux version above.
    pub(super) fn cached(&self) -> Option<MasterKey> {
        None
    }

    /// See the Linux version above.
    pub(super) fn cache(&self, _key: &MasterKey) {}

    /// See the Linux version above.
    pub(super) fn forget_cached(&self) {}
}

/// Sees to it that the keyring can be read without a prompt.
#[cfg(target_os = "linux")]
fn wake(user: &str, patience: Patience) -> std::result::Result<(), Refusal> {
    secret_service::wake(SERVICE, user, patience)
}

/// Only the Secret Service can be asked beforehand.
#[cfg(not(target_os = "linux"))]
fn wake(_user: &str, _patience: Patience) -> std::result::Result<(), Refusal> {
    Ok(())
}

fn read_entry(user: &str) -> std::result::Result<Vec<Secret>, Refusal> {
    let entry = Entry::new(SERVICE, user).map_err(|error| refusal_of(&error))?;
    match entry.get_secret() {
        Ok(secret) => Ok(vec![Secret::new(secret)]),
        Err(Error::NoEntry) => Ok(Vec::new()),
        Err(Error::Ambiguous(entries)) => {
            Ok(entries.iter().filter_map(|entry| entry.get_secret().ok()).map(Secret::new).collect())
        }
        Err(error) => Err(refusal_of(&error)),
    }
}

/// The keyring's own texts are not passed on: they may hold words that az's callers look for.
fn refusal_of(error: &Error) -> Refusal {
    match error {
        Error::NoDefaultStore => Refusal::Absent,
        Error::NoStorageAccess(_) => Refusal::Locked,
        _ => Refusal::Refused,
    }
}

/// Runs `work` on a thread and waits for it as long as `patience` allows and no signal comes; after that nobody does.
fn within<T: Send + 'static>(
    patience: Patience,
    work: impl FnOnce() -> std::result::Result<T, Refusal> + Send + 'static,
) -> Result<T> {
    let deadline = match patience {
        Patience::Person => PERSON,
        Patience::Nobody => NOBODY,
    };
    match wait::for_work("keyring", deadline, Duration::ZERO, work) {
        Ok(outcome) => outcome.map_err(Failure::from),
        Err(Unheard::Interrupted) => Err(wait::interrupted("the OS keyring")),
        Err(Unheard::Late) => Err(Refusal::Silent.into()),
        // The thread panicked: the keyring library met something that it did not expect.
        Err(Unheard::Lost) => Err(Refusal::Refused.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyring_that_hangs_or_panics_is_given_up() {
        let begun = std::time::Instant::now();
        let hung = within(Patience::Nobody, || {
            std::thread::sleep(Duration::from_secs(600));
            Ok(())
        });
        assert_eq!(hung.unwrap_err().kind, Kind::KeyUnavailable);
        assert!(begun.elapsed() < NOBODY + Duration::from_secs(2));
        let panicked = within(Patience::Nobody, || -> std::result::Result<(), Refusal> { panic!("on purpose") });
        assert_eq!(panicked.unwrap_err().kind, Kind::KeyUnavailable);
    }

    #[test]
    fn no_text_says_what_callers_look_for() {
        for refusal in [Refusal::Absent, Refusal::Locked, Refusal::Silent, Refusal::Refused] {
            let text = Failure::from(refusal).to_string();
            for word in ["az login", "AADSTS", "not found", "is not recognized"] {
                assert!(!text.contains(word), "{text}");
            }
        }
    }

    #[test]
    fn every_azward_home_has_an_entry_of_its_own() {
        let homes = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert_ne!(Keyring::of(homes.0.path()).user(), Keyring::of(homes.1.path()).user());
        assert_eq!(Keyring::of(homes.0.path()).user(), Keyring::of(&homes.0.path().join(".")).user());
    }
}
