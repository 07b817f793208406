//! The system's keyring: azward's own entries, by the keyring library, and the items in which an az that encrypts its tokens keeps them,
//! read, written and removed as libsecret and the Keychain do it for az. Those are one for each user, whatever config directory he works in;
//! who reads one here takes no more out of it than is his, and nobody is asked to unlock anything for it: what is locked is unavailable.
//!
//! Before the Secret Service is asked for an entry it is asked whether it is locked, because to read from it when it is would prompt.

use keyring::{Entry, Error};
use serde::{Deserialize, Serialize};

#[cfg(target_os = "linux")]
use super::secret_service;
use super::{Prompting, Refusal};
use crate::secret::Secret;

/// The service of azward's entries.
const SERVICE: &str = "azward";

/// One of az's items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum KeyringItem {
    /// The one item for the token cache and for the service principals too, of which each takes the other's place (azure-cli-core
    /// 2.91.0, `auth/persistence.py`, `build_persistence`).
    Shared,
    /// The token cache's of a later az (azure-cli#33849).
    TokenCache,
    /// That of the service principals.
    SecretStore,
}

#[cfg(target_os = "linux")]
mod store {
    use std::collections::HashMap;

    use secret_service::blocking::{Item, SecretService};
    use secret_service::{EncryptionType, Error};

    use super::KeyringItem;
    use crate::secret::Secret;

    /// What libsecret names the schema of an item with.
    const SCHEMA: &str = "xdg:schema";

    /// az's, as text.
    const CONTENT_TYPE: &str = "text/plain";

    impl KeyringItem {
        fn attributes(self) -> HashMap<&'static str, &'static str> {
            match self {
                Self::Shared => HashMap::from([(SCHEMA, "my_schema_name"), ("my_attr1", "foo"), ("my_attr2", "bar")]),
                Self::TokenCache | Self::SecretStore => {
                    HashMap::from([(SCHEMA, "Microsoft Azure CLI"), ("type", self.label())])
                }
            }
        }

        fn label(self) -> &'static str {
            match self {
                Self::Shared => "",
                Self::TokenCache => "Token cache",
                Self::SecretStore => "Secret store",
            }
        }
    }

    pub(super) fn read(item: KeyringItem) -> Result<Option<Secret>, Error> {
        with(item, |_, found| found.map(|item| item.get_secret().map(Secret::new)).transpose())
    }

    pub(super) fn write(item: KeyringItem, text: &Secret) -> Result<(), Error> {
        with(item, |keyring, found| match found {
            Some(there) => there.set_secret(text.expose(), CONTENT_TYPE),
            None => {
                let collection = keyring.get_default_collection()?;
                if collection.is_locked()? {
                    return Err(Error::Locked);
                }
                let attributes = item.attributes();
                collection.create_item(item.label(), attributes, text.expose(), true, CONTENT_TYPE).map(drop)
            }
        })
    }

    pub(super) fn remove(item: KeyringItem) -> Result<(), Error> {
        with(item, |_, found| found.map_or(Ok(()), Item::delete))
    }

    /// On its way over the bus it is encrypted, as the keyring library does it.
    fn with<T>(
        item: KeyringItem,
        work: impl FnOnce(&SecretService<'_>, Option<&Item<'_>>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let keyring = SecretService::connect(EncryptionType::Dh)?;
        let found = keyring.search_items(item.attributes())?;
        match (found.unlocked.first(), found.locked.is_empty()) {
            (None, false) => Err(Error::Locked),
            (unlocked, _) => work(&keyring, unlocked),
        }
    }
}

#[cfg(target_os = "macos")]
mod store {
    use keyring::{Entry, Error};

    use super::KeyringItem;
    use crate::secret::Secret;

    fn entry(item: KeyringItem) -> Result<Entry, Error> {
        match item {
            KeyringItem::Shared => Entry::new("my_service_name", "my_account_name"),
            KeyringItem::TokenCache => Entry::new("Microsoft Azure CLI", "Token cache"),
            KeyringItem::SecretStore => Entry::new("Microsoft Azure CLI", "Secret store"),
        }
    }

    pub(super) fn read(item: KeyringItem) -> Result<Option<Secret>, Error> {
        match entry(item)?.get_secret() {
            Ok(text) => Ok(Some(Secret::new(text))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn write(item: KeyringItem, text: &Secret) -> Result<(), Error> {
        entry(item)?.set_secret(text.expose())
    }

    pub(super) fn remove(item: KeyringItem) -> Result<(), Error> {
        match entry(item)?.delete_credential() {
            Err(Error::NoEntry) => Ok(()),
            removed => removed,
        }
    }
}

/// An az on Windows keeps nothing there.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
mod store {
    use keyring::Error;

    use super::KeyringItem;
    use crate::secret::Secret;

    pub(super) fn read(_item: KeyringItem) -> Result<Option<Secret>, Error> {
        Ok(None)
    }

    pub(super) fn write(_item: KeyringItem, _text: &Secret) -> Result<(), Error> {
        Err(Error::NoDefaultStore)
    }

    pub(super) fn remove(_item: KeyringItem) -> Result<(), Error> {
        Ok(())
    }
}

impl KeyringItem {
    pub(super) fn read(self) -> Result<Option<Secret>, Refusal> {
        store::read(self).map_err(|_| Refusal::Refused)
    }

    pub(super) fn write(self, text: &Secret) -> Result<(), Refusal> {
        store::write(self, text).map_err(|_| Refusal::Refused)
    }

    pub(super) fn remove(self) -> Result<(), Refusal> {
        store::remove(self).map_err(|_| Refusal::Refused)
    }
}

/// Sees to it that the entry of `user` can be read or written without a prompt.
#[cfg(target_os = "linux")]
pub(super) fn make_ready(user: &str, prompting: Prompting) -> Result<(), Refusal> {
    secret_service::make_ready(SERVICE, user, prompting)
}

/// Only the Secret Service can be asked beforehand.
#[cfg(not(target_os = "linux"))]
pub(super) fn make_ready(_user: &str, _prompting: Prompting) -> Result<(), Refusal> {
    Ok(())
}

/// What the first of `users` has who has anything.
pub(super) fn read(users: &[String], prompting: Prompting) -> Result<Vec<Secret>, Refusal> {
    for user in users {
        // One that is not there may be because the keyring is locked; the first version's name may still be.
        let woken = make_ready(user, prompting);
        if woken == Err(Refusal::LockedAndEmpty) && Some(user) != users.last() {
            continue;
        }
        woken?;
        let secrets = read_entry(user)?;
        if !secrets.is_empty() {
            return Ok(secrets);
        }
    }
    Ok(Vec::new())
}

/// Puts a secret into an unlocked keyring for `user`, and gives back what he has after that.
pub(super) fn write_and_read_back(user: &str, secret: &Secret) -> Result<Vec<Secret>, Refusal> {
    let entry = Entry::new(SERVICE, user).map_err(|error| refusal_of(&error))?;
    entry.set_secret(secret.expose()).map_err(|error| refusal_of(&error))?;
    read_entry(user)
}

/// Removes what `user` has, if anything.
pub(super) fn remove(user: &str) -> Result<(), Refusal> {
    match Entry::new(SERVICE, user).and_then(|entry| entry.delete_credential()) {
        Ok(()) | Err(Error::NoEntry) => Ok(()),
        Err(error) => Err(refusal_of(&error)),
    }
}

fn read_entry(user: &str) -> Result<Vec<Secret>, Refusal> {
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
