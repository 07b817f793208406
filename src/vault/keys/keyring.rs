//! The OS keyring as a key store: one entry of 32 bytes per key, service `azward`, user `master-key:<key id>`, so that
//! keyrings that are merged, synchronised or carried to another machine never have two keys in one place. (The first
//! version's user was `master-key:<fingerprint of the azward home>`; it is read where it has the key.) Every call runs on a
//! thread of its own with a deadline, for a keyring may wait for a person for as long as a year: 60 s when a person is
//! there, 3 s when nobody is. (After such a call the process has threads.) Who asks it is a [`Helper`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Prompting;
use super::kernel_cache::KernelCache;
use super::making::KeyLock;
use super::master_key::{KeyId, MasterKey, hex};
use crate::failure::{Failure, Result};
use crate::helper::{Helper, Refusal};
use crate::secret::fingerprint;
use crate::wait::{self, Unheard};

/// How long a person may take to unlock the keyring.
const PERSON: Duration = Duration::from_secs(60);
/// How long a keyring may take that asks nobody.
const NOBODY: Duration = Duration::from_secs(3);

/// The keyring's entry for one azward home.
#[derive(Debug)]
pub(super) struct Keyring {
    azward_home: PathBuf,
    pub(super) helper: Helper,
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux keeps keys for a while"))]
    pub(super) kernel: KernelCache,
}

/// What a look for a key of which it is not known whether the keyring has it came to.
#[derive(Debug)]
pub(super) enum Found {
    /// The key.
    Key(MasterKey),
    /// The keyring has it and is locked, or a signal came before it could say.
    Locked(Failure),
    /// It is not there, or nobody can say.
    Nothing,
}

impl Keyring {
    pub(super) fn of(azward_home: &Path, kernel: KernelCache, helper: &Helper) -> Self {
        Self { azward_home: azward_home.to_owned(), helper: helper.clone(), kernel }
    }

    /// The user of the first version's entry.
    pub(super) fn first_version_user(&self) -> String {
        let home = std::fs::canonicalize(&self.azward_home);
        let home = home.as_ref().unwrap_or(&self.azward_home).as_os_str().as_encoded_bytes();
        format!("master-key:{}", fingerprint(home))
    }

    /// The keys in the keyring under the name of the key called `id`, or under the first version's name: none, one, or
    /// more where two keyrings were merged.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`](crate::failure::Kind::KeyUnavailable).
    pub(super) fn read(&self, id: KeyId, prompting: Prompting) -> Result<Vec<MasterKey>> {
        Ok(self.read_users(vec![user_of(id), self.first_version_user()], prompting)?)
    }

    /// The same under the first version's name alone.
    pub(super) fn read_first_version(&self, prompting: Prompting) -> Result<Vec<MasterKey>> {
        Ok(self.read_users(vec![self.first_version_user()], prompting)?)
    }

    /// Looks for the key called `id`, of which nothing says that it should be there.
    pub(super) fn look(&self, id: KeyId, prompting: Prompting) -> Found {
        let users = || vec![user_of(id), self.first_version_user()];
        let mut looked = self.read_users(users(), Prompting::Never);
        if matches!(looked, Err(Refusal::Locked)) && prompting == Prompting::Allowed {
            looked = self.read_users(users(), Prompting::Allowed);
        }
        match looked {
            Ok(keys) => keys.into_iter().find(|key| key.id() == id).map_or(Found::Nothing, Found::Key),
            Err(refusal @ (Refusal::Locked | Refusal::Interrupted)) => Found::Locked(refusal.into()),
            Err(_) => Found::Nothing,
        }
    }

    fn read_users(&self, users: Vec<String>, prompting: Prompting) -> std::result::Result<Vec<MasterKey>, Refusal> {
        let helper = self.helper.clone();
        let keys = within(prompting, move || helper.read(users, prompting))?;
        Ok(keys.into_iter().filter_map(MasterKey::from_secret).collect())
    }

    /// Puts a key into an unlocked keyring that does not have it, and gives back what it has after that. The key lock is
    /// held until the write is over, even when nobody waits for it any more: a late write must not come after whatever the
    /// next holder does.
    pub(super) fn write_and_read_back(&self, key: MasterKey, lock: KeyLock) -> Result<MasterKey> {
        let id = key.id();
        let (user, helper) = (user_of(id), self.helper.clone());
        let keys = within(Prompting::Never, move || {
            let _lock = lock;
            helper.write(user, key.secret())
        })?;
        let kept = keys.into_iter().filter_map(MasterKey::from_secret).find(|kept| kept.id() == id);
        kept.ok_or_else(|| Refusal::Refused.into())
    }

    /// Removes the entry of the key called `id`.
    pub(super) fn remove(&self, id: KeyId) -> Result<()> {
        self.remove_user(user_of(id))
    }

    /// Removes the first version's entry.
    pub(super) fn remove_first_version(&self) -> Result<()> {
        self.remove_user(self.first_version_user())
    }

    fn remove_user(&self, user: String) -> Result<()> {
        let helper = self.helper.clone();
        Ok(within(Prompting::Never, move || helper.remove(user))?)
    }
}

/// The user of a key's entry.
pub(super) fn user_of(id: KeyId) -> String {
    format!("master-key:{}", hex(id))
}

/// Runs `work` on a thread and waits for it as long as `prompting` allows and no signal comes; after that nobody does.
fn within<T: Send + 'static>(
    prompting: Prompting,
    work: impl FnOnce() -> std::result::Result<T, Refusal> + Send + 'static,
) -> std::result::Result<T, Refusal> {
    let deadline = match prompting {
        Prompting::Allowed => PERSON,
        Prompting::Never => NOBODY,
    };
    within_time(deadline, work)
}

pub(super) fn within_time<T: Send + 'static>(
    deadline: Duration,
    work: impl FnOnce() -> std::result::Result<T, Refusal> + Send + 'static,
) -> std::result::Result<T, Refusal> {
    match wait::for_work("keyring", deadline, Duration::ZERO, work) {
        Ok(outcome) => outcome,
        Err(Unheard::Interrupted) => Err(Refusal::Interrupted),
        Err(Unheard::Late) => Err(Refusal::Silent),
        // The thread panicked: the keyring library met something that it did not expect.
        Err(Unheard::Lost | Unheard::Overtaken) => Err(Refusal::Refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyring_that_hangs_or_panics_is_given_up() {
        let begun = std::time::Instant::now();
        let hung = within(Prompting::Never, || {
            std::thread::sleep(Duration::from_secs(600));
            Ok(())
        });
        assert_eq!(hung.unwrap_err(), Refusal::Silent);
        assert!(begun.elapsed() < NOBODY + Duration::from_secs(2));
        let panicked = within(Prompting::Never, || -> std::result::Result<(), Refusal> { panic!("on purpose") });
        assert_eq!(panicked.unwrap_err(), Refusal::Refused);
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
    fn the_first_version_s_entry_is_one_for_each_azward_home() {
        let homes = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let user = |home: &Path| {
            Keyring::of(home, KernelCache { lifetime: Duration::ZERO }, &Helper::beside(None)).first_version_user()
        };
        assert_ne!(user(homes.0.path()), user(homes.1.path()));
        assert_eq!(user(homes.0.path()), user(&homes.0.path().join(".")));
    }
}
