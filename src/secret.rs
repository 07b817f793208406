//! The one type that holds a secret: its bytes are kept out of the swap where that is to be had and zeroed on drop, it
//! prints as `[redacted]`, and it can be neither displayed nor cloned by accident. Whoever needs the bytes says so with
//! [`Secret::expose`].

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::sys;

/// Bytes that must never reach an argument, the environment, a log, an error message or a core dump.
#[derive(PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes ownership of `bytes`.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        sys::keep_from_swap(&bytes);
        Self(Zeroizing::new(bytes))
    }

    /// Takes ownership of `text`.
    #[must_use]
    pub fn from_text(text: String) -> Self {
        Self::new(text.into_bytes())
    }

    /// The bytes themselves.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, empty when they are not UTF-8 (they always are where azward put them there itself).
    #[must_use]
    pub fn expose_text(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// A second copy, for the few places that need one and say so.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }

    /// Eight bytes of SHA-256 in hexadecimal: enough to tell one high-entropy secret from another, and no way back.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

/// Eight bytes of SHA-256 over `bytes`, in hexadecimal.
#[must_use]
pub fn fingerprint(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let halves = Sha256::digest(bytes).into_iter().take(8).flat_map(|byte| [byte >> 4, byte & 15]);
    halves.map(|half| DIGITS[usize::from(half)]).collect()
}

/// Wipes what functions that have returned left on this thread's stack: ciphers, digests and parsers keep parts of what
/// they work on there. For who is about to wait for long.
#[inline(never)]
pub fn wipe_stack() {
    /// Deeper than the deepest of them goes, in bytes. What nobody has touched yet is taken from the system to be wiped: where the
    /// optimiser has been, none goes a third as deep.
    const DEPTH: usize = if cfg!(debug_assertions) { 192 * 1024 } else { 96 * 1024 };
    let mut frame = [0_u8; DEPTH];
    // Somebody might look: without that there need be no such array.
    std::hint::black_box(&mut frame);
    // A copy goes through as many registers as its size asks for, and what it left there may be saved to the stack yet.
    for size in [24, 48, 96, 200, 400, 900, 2000, 5000] {
        frame.copy_within(0..size, DEPTH / 2 + 1);
        std::hint::black_box(&mut frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_is_redacted() {
        assert_eq!(format!("{:?}", Secret::from_text("hush".into())), "[redacted]");
    }

    #[test]
    fn fingerprints_tell_secrets_apart() {
        assert_ne!(Secret::from_text("a".into()).fingerprint(), Secret::from_text("b".into()).fingerprint());
        assert_eq!(fingerprint(b"a"), "ca978112ca1bbdca");
    }
}
