//! The entries of one program in the Secret Service, as libsecret keeps a password: found by the attribute `service`, told apart by
//! `account`. What is locked is unlocked first, which asks the person; nothing is changed. The calls run on a thread with a
//! deadline, for a keyring may wait for a person.

use std::collections::HashMap;
use std::time::Duration;

use secret_service::blocking::SecretService;
use secret_service::{EncryptionType, Error};

use crate::failure::{Failure, Kind, Result};
use crate::secret::Secret;
use crate::wait;

/// How long a person may take to unlock the keyring.
const PERSON: Duration = Duration::from_secs(60);

/// The names of the entries of `service`, and what each has.
///
/// # Errors
/// `KeyUnavailable`.
pub(super) fn entries(service: &'static str) -> Result<Vec<(String, Secret)>> {
    let unavailable = |why: &str| {
        let what = format!("the keyring cannot be searched for what {service} keeps: {why}");
        Failure::new(Kind::KeyUnavailable, what, "log in to the desktop, or unlock the keyring, and run this again")
    };
    match wait::for_work("keyring", PERSON, Duration::ZERO, move || read(service)) {
        Ok(Ok(entries)) => Ok(entries),
        Ok(Err(Error::Locked | Error::Prompt)) => Err(unavailable("it is locked")),
        Ok(Err(_)) => Err(unavailable("no Secret Service answered")),
        Err(_) => Err(unavailable("it did not answer in time")),
    }
}

fn read(service: &str) -> std::result::Result<Vec<(String, Secret)>, Error> {
    // On its way over the bus it is encrypted, as the keyring library does it.
    let keyring = SecretService::connect(EncryptionType::Dh)?;
    let found = keyring.search_items(HashMap::from([("service", service)]))?;
    for item in &found.locked {
        item.unlock()?;
    }
    let mut entries = Vec::new();
    for item in found.unlocked.iter().chain(&found.locked) {
        if let Some(name) = item.get_attributes()?.remove("account") {
            entries.push((name, Secret::new(item.get_secret()?)));
        }
    }
    Ok(entries)
}
