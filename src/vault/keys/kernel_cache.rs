//! On Linux a key that a store gave is kept in the kernel's keyring for this login session, for as long as is set, so that
//! the next runs need not ask for it again; where the kernel refuses, nothing is kept and nothing is said. `azward lock`
//! ends it in every session.
//!
//! That of the OS keyring is used while the Secret Service does not say that it is locked: a service that is locked ends it.

use std::time::Duration;

#[cfg(target_os = "linux")]
use super::Prompting;
use super::keyring::Keyring;
#[cfg(target_os = "linux")]
use super::keyring::{user_of, within_time};
#[cfg(target_os = "linux")]
use super::master_key::hex;
use super::master_key::{KeyId, MasterKey};
#[cfg(target_os = "linux")]
use crate::helper::Refusal;
#[cfg(target_os = "linux")]
use crate::secret::Secret;
#[cfg(target_os = "linux")]
use crate::sys;

/// How long the Secret Service may take to say whether it is locked, before a key that the kernel has is used all the same.
#[cfg(target_os = "linux")]
const LOCKED_OR_NOT: Duration = Duration::from_millis(500);

/// How long a trial may take.
#[cfg(target_os = "linux")]
const TRIAL: Duration = Duration::from_secs(10);

/// The kernel, as the keeper of keys for a while.
#[derive(Clone, Copy, Debug)]
pub(super) struct KernelCache {
    /// How long it keeps one; zero for not at all.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux keeps keys for a while"))]
    pub(super) lifetime: Duration,
}

#[cfg(target_os = "linux")]
impl KernelCache {
    /// The key called `id`, if the kernel has it for this session.
    pub(super) fn get(self, id: KeyId) -> Option<MasterKey> {
        if self.lifetime.is_zero() {
            return None;
        }
        let key = sys::cached_key(&description(id), MasterKey::LENGTH)?;
        MasterKey::from_secret(Secret::new(key)).filter(|key| key.id() == id)
    }

    /// Has the kernel keep the key, from now on for the whole lifetime.
    pub(super) fn keep(self, key: &MasterKey) {
        if !self.lifetime.is_zero() {
            sys::cache_key(&description(key.id()), key.expose(), self.lifetime);
        }
    }

    /// Has the kernel forget the key called `id`, in every session. Says how many there were.
    pub(super) fn forget(self, id: KeyId) -> usize {
        sys::forget_key(&description(id))
    }

    /// Whether the kernel keeps keys at all: containers and sandboxes often do not let it.
    pub(super) fn can_keep(self) -> bool {
        let description = format!("azward-trial:{}", std::process::id());
        sys::cache_key(&description, b"trial", TRIAL);
        sys::forget_key(&description) > 0
    }
}

#[cfg(target_os = "linux")]
impl Keyring {
    /// The key called `id`, if the kernel has it and the Secret Service is not locked.
    pub(super) fn cached(&self, id: KeyId) -> Option<MasterKey> {
        // The first version's is where every session of the user can read it.
        self.forget_cached_of_first_version();
        let key = self.kernel.get(id)?;
        let (user, helper) = (user_of(id), self.helper.clone());
        let is_locked = within_time(LOCKED_OR_NOT, move || helper.make_ready(user, Prompting::Never));
        if let Err(Refusal::Locked | Refusal::LockedAndEmpty) = is_locked {
            self.kernel.forget(id);
            return None;
        }
        Some(key)
    }

    /// Has the kernel forget the key that the first version had it keep.
    pub(super) fn forget_cached_of_first_version(&self) -> usize {
        sys::forget_first_version_key(&self.first_version_user().replace("master-key:", "azward:"))
    }
}

#[cfg(target_os = "linux")]
fn description(id: KeyId) -> String {
    format!("azward:{}", hex(id))
}

#[cfg(not(target_os = "linux"))]
impl KernelCache {
    /// See the Linux version above.
    pub(super) fn get(self, _id: KeyId) -> Option<MasterKey> {
        None
    }

    /// See the Linux version above.
    pub(super) fn keep(self, _key: &MasterKey) {}

    /// See the Linux version above.
    pub(super) fn forget(self, _id: KeyId) -> usize {
        0
    }

    /// See the Linux version above.
    pub(super) fn can_keep(self) -> bool {
        false
    }
}

#[cfg(not(target_os = "linux"))]
impl Keyring {
    /// See the Linux version above.
    pub(super) fn cached(&self, _id: KeyId) -> Option<MasterKey> {
        None
    }

    /// See the Linux version above.
    pub(super) fn forget_cached_of_first_version(&self) -> usize {
        0
    }
}
