//! A managed identity as a subscription's user names it (azure-cli-core 2.91.0, `_profile.py`,
//! `_parse_managed_identity_account`, `ManagedIdentityAuth`). What is not understood is none, and stays the real az's.

use crate::azure::profile::User;

/// An identity that the machine has by what it is, without a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManagedIdentity {
    /// The machine's own.
    SystemAssigned,
    /// One that it was given, by an id.
    UserAssigned(IdKind, String),
}

/// By which of its ids a user-assigned identity is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdKind {
    /// Its client id.
    Client,
    /// Its object id.
    Object,
    /// Its resource id.
    Resource,
}

/// What az calls each kind in `assignedIdentityInfo`.
const KINDS: [(&str, IdKind); 3] =
    [("MSIClient", IdKind::Client), ("MSIObject", IdKind::Object), ("MSIResource", IdKind::Resource)];

/// What az calls the one without an id.
const SYSTEM_ASSIGNED: &str = "MSI";

impl ManagedIdentity {
    /// The one that `user` is.
    #[must_use]
    pub fn of(user: &User) -> Option<Self> {
        let identity = Self::named(user.assigned_identity_info.as_deref()?)?;
        let name = match identity {
            Self::SystemAssigned => "systemAssignedIdentity",
            Self::UserAssigned(..) => "userAssignedIdentity",
        };
        (user.name == name && user.kind == "servicePrincipal" && user.cloud_shell_id.is_none()).then_some(identity)
    }

    /// The one with this `assignedIdentityInfo`.
    #[must_use]
    pub fn named(info: &str) -> Option<Self> {
        if info == SYSTEM_ASSIGNED {
            return Some(Self::SystemAssigned);
        }
        let (kind, id) = info.split_once('-')?;
        let (_, kind) = KINDS.into_iter().find(|(name, _)| *name == kind)?;
        let is_plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic());
        is_plain.then(|| Self::UserAssigned(kind, id.to_owned()))
    }

    /// Its `assignedIdentityInfo`.
    #[must_use]
    pub fn info(&self) -> String {
        match self {
            Self::SystemAssigned => SYSTEM_ASSIGNED.to_owned(),
            Self::UserAssigned(kind, id) => {
                let name = KINDS.into_iter().find(|(_, other)| other == kind).map_or("", |(name, _)| name);
                format!("{name}-{id}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identities_of_az_are_read_and_nothing_else() {
        let user = |name: &str, kind: &str, info: Option<&str>| User {
            name: name.to_owned(),
            kind: kind.to_owned(),
            assigned_identity_info: info.map(str::to_owned),
            cloud_shell_id: None,
        };
        let of = |name: &str, info: &str| ManagedIdentity::of(&user(name, "servicePrincipal", Some(info)));
        assert_eq!(of("systemAssignedIdentity", "MSI"), Some(ManagedIdentity::SystemAssigned));
        for (info, kind, id) in [
            ("MSIClient-2e5a-b", IdKind::Client, "2e5a-b"),
            ("MSIObject-o", IdKind::Object, "o"),
            (
                "MSIResource-/subscriptions/s/resourcegroups/r-g",
                IdKind::Resource,
                "/subscriptions/s/resourcegroups/r-g",
            ),
        ] {
            let identity = of("userAssignedIdentity", info).unwrap();
            assert_eq!(identity, ManagedIdentity::UserAssigned(kind, id.to_owned()));
            assert_eq!(identity.info(), info);
        }
        assert_eq!(ManagedIdentity::SystemAssigned.info(), "MSI");
        for (name, info) in [
            ("systemAssignedIdentity", "MSIClient-a"),
            ("userAssignedIdentity", "MSI"),
            ("userAssignedIdentity", "MSIClient"),
            ("userAssignedIdentity", "MSIClient-"),
            ("userAssignedIdentity", "MSIClient-a b"),
            ("userAssignedIdentity", "MSIOther-a"),
            ("alice@x", "MSI"),
        ] {
            assert_eq!(of(name, info), None, "{name} {info}");
        }
        assert_eq!(ManagedIdentity::of(&user("systemAssignedIdentity", "user", Some("MSI"))), None);
        assert_eq!(ManagedIdentity::of(&user("systemAssignedIdentity", "servicePrincipal", None)), None);
    }
}
