//! How the bytes of a credential file become its text and the other way round: as they are, or sealed by the operating
//! system as MSAL's extensions have it there. What does not decode is said without any of it.

use std::borrow::Cow;
use std::path::Path;

use zeroize::{Zeroize, Zeroizing};

#[cfg(windows)]
use crate::sys;

/// One way in which a credential file is encoded, whole.
pub trait Codec {
    /// The text that is in `payload`.
    ///
    /// # Errors
    /// Why there is none: what the file "is" or "has".
    fn decode(&self, payload: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, String>;

    /// What stands in the file for `text`. It is borrowed where that is the text itself: what is owned is sealed.
    ///
    /// # Errors
    /// Why it cannot be made.
    fn encode<'t>(&self, text: &'t str) -> Result<Cow<'t, [u8]>, String>;
}

/// How the file at `path` is encoded, which its name says (azure-cli-core 2.91.0, `auth/persistence.py`, `file_extensions`). Elsewhere
/// than on Windows one that is encrypted is empty, and its text is in the system's keyring.
pub(super) fn of(path: &Path) -> &'static dyn Codec {
    #[cfg(windows)]
    if path.extension().is_some_and(|extension| extension == "bin") {
        return &Dpapi;
    }
    let _ = path;
    &Plain
}

/// The text is the payload, in UTF-8.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain;

impl Codec for Plain {
    fn decode(&self, mut payload: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, String> {
        String::from_utf8(std::mem::take(&mut *payload)).map(Zeroizing::new).map_err(|error| {
            error.into_bytes().zeroize();
            "is not text".to_owned()
        })
    }

    fn encode<'t>(&self, text: &'t str) -> Result<Cow<'t, [u8]>, String> {
        Ok(Cow::Borrowed(text.as_bytes()))
    }
}

/// Windows seals the text for the user who is logged on (msal-extensions 1.3.1, `persistence.py`, `FilePersistenceWithDataProtection`).
#[cfg(windows)]
#[derive(Clone, Copy, Debug)]
struct Dpapi;

#[cfg(windows)]
impl Codec for Dpapi {
    fn decode(&self, payload: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, String> {
        // A write cut short.
        if payload.is_empty() {
            return Ok(Zeroizing::default());
        }
        let text = sys::unprotect(&payload).map_err(|error| format!("does not open: {error}"))?;
        Plain.decode(text)
    }

    fn encode<'t>(&self, text: &'t str) -> Result<Cow<'t, [u8]>, String> {
        sys::protect(text.as_bytes()).map(Cow::Owned).map_err(|error| format!("cannot be sealed: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_itself_and_what_is_none_is_not_quoted() {
        let payload = Plain.encode("{\u{e4}}").unwrap();
        assert!(matches!(payload, Cow::Borrowed(_)));
        assert_eq!(*Plain.decode(Zeroizing::new(payload.into_owned())).unwrap(), "{\u{e4}}");
        assert_eq!(Plain.decode(Zeroizing::new(vec![b'a', 0xff])).unwrap_err(), "is not text");
    }
}
