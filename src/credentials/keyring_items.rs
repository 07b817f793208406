//! The items in which an az that encrypts its tokens keeps them in the system's keyring, read, written and removed as libsecret and
//! the Keychain do it for az. They are one for each user, whatever config directory he works in; who reads one here takes no
//! more out of it than is his. Nobody is asked to unlock anything: what is locked is unavailable. The calls run on a thread with a
//! deadline, for a keyring may not answer at all.

use std::time::Duration;

use crate::failure::{Failure, Kind, Result};
use crate::secret::Secret;
use crate::wait;

/// How long a keyring may take to answer.
const DEADLINE: Duration = Duration::from_secs(2);

/// One of az's items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

impl KeyringItem {
    /// What it has; `None` where there is no such item.
    ///
    /// # Errors
    /// `KeyUnavailable`.
    pub(crate) fn read(self) -> Result<Option<Secret>> {
        self.ask(move || store::read(self))
    }

    /// Has it have `text`, made where it is missing.
    ///
    /// # Errors
    /// `KeyUnavailable`.
    pub(crate) fn write(self, text: &str) -> Result<()> {
        let text = Secret::from_text(text.to_owned());
        self.ask(move || store::write(self, &text))
    }

    /// Removes it, if it is there.
    ///
    /// # Errors
    /// `KeyUnavailable`.
    pub(crate) fn remove(self) -> Result<()> {
        self.ask(move || store::remove(self))
    }

    fn ask<T: Send + 'static, E: Send + 'static>(
        self,
        work: impl FnOnce() -> std::result::Result<T, E> + Send + 'static,
    ) -> Result<T> {
        match wait::for_work("keyring", DEADLINE, Duration::ZERO, work) {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_)) | Err(_) => Err(Failure::new(
                Kind::KeyUnavailable,
                "the keyring in which az has its tokens is locked, or does not answer",
                "unlock it, or log in to the desktop, and run this again",
            )),
        }
    }
}
