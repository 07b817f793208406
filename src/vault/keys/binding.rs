//! What a key file is bound to: the machine's id, where it has one, and the user.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::secret::fingerprint;
use crate::sys;

/// What the key of a key file is bound to.
#[derive(Clone, Debug)]
pub(in crate::vault) struct Binding {
    /// The machine's id, where it has one.
    pub(in crate::vault) machine: Option<String>,
    /// The user's id.
    pub(in crate::vault) user: String,
}

/// What a key file is bound to, for those who are told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::vault) enum BoundWhere {
    /// This machine and this user.
    MachineAndUser,
    /// This user alone.
    User,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum BoundTo {
    MachineId,
    User,
}

impl Binding {
    /// This machine, and the user that `azward_home` belongs to (the one that we act as, but for root in another's home).
    pub(in crate::vault) fn here(azward_home: &Path) -> Self {
        let user = azward_home.metadata().map_or_else(|_| sys::user_id(), |metadata| sys::owner_id(&metadata));
        Self { machine: sys::machine_id(), user }
    }

    /// The same user on any machine.
    pub(in crate::vault) fn of_user(&self) -> Self {
        Self { machine: None, user: self.user.clone() }
    }

    /// A name that tells nothing of it, and that no other binding has.
    pub(in crate::vault) fn id(&self) -> String {
        fingerprint(self.salt(&self.parts()).unwrap_or_default().as_bytes())
    }

    pub(super) fn parts(&self) -> Vec<BoundTo> {
        let machine = self.machine.as_ref().map(|_| BoundTo::MachineId);
        machine.into_iter().chain([BoundTo::User]).collect()
    }

    /// The salt, or `None` when the machine has no id and one is asked for.
    pub(super) fn salt(&self, bound_to: &[BoundTo]) -> Option<String> {
        let part = |bound: &BoundTo| match bound {
            BoundTo::MachineId => self.machine.as_ref().map(|id| format!("machine-id={id}\n")),
            BoundTo::User => Some(format!("user={}\n", self.user)),
        };
        bound_to.iter().map(part).collect()
    }
}
