//! The items in which an az that encrypts its tokens keeps them in the system's keyring, as a [`Helper`] reads, writes and removes them. The
//! calls run on a thread with a deadline, for a keyring may not answer at all.

use std::time::Duration;

use crate::failure::{Failure, Kind, Result};
use crate::helper::{Helper, KeyringItem, Refusal};
use crate::secret::Secret;
use crate::wait;

/// How long a keyring may take to answer.
const DEADLINE: Duration = Duration::from_secs(2);

/// What an item has; `None` where there is no such item.
///
/// # Errors
/// `KeyUnavailable`.
pub(crate) fn read(helper: &Helper, item: KeyringItem) -> Result<Option<Secret>> {
    let helper = helper.clone();
    ask(move || helper.read_item(item))
}

/// Has an item have `text`, made where it is missing.
///
/// # Errors
/// `KeyUnavailable`.
pub(crate) fn write(helper: &Helper, item: KeyringItem, text: &str) -> Result<()> {
    let (helper, text) = (helper.clone(), Secret::from_text(text.to_owned()));
    ask(move || helper.write_item(item, &text))
}

/// Removes an item, if it is there.
///
/// # Errors
/// `KeyUnavailable`.
pub(crate) fn remove(helper: &Helper, item: KeyringItem) -> Result<()> {
    let helper = helper.clone();
    ask(move || helper.remove_item(item))
}

fn ask<T: Send + 'static>(work: impl FnOnce() -> std::result::Result<T, Refusal> + Send + 'static) -> Result<T> {
    match wait::for_work("keyring", DEADLINE, Duration::ZERO, work) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) | Err(_) => Err(Failure::new(
            Kind::KeyUnavailable,
            "the keyring in which az has its tokens is locked, or does not answer",
            "unlock it, or log in to the desktop, and run this again",
        )),
    }
}
