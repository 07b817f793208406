//! Random text and GUIDs: what makes the secrets of one server differ from those of the next.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Fills a fresh array from the operating system's generator.
///
/// # Panics
/// When the operating system has no randomness to give; no request can cause that.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system provides randomness");
    bytes
}

/// Returns `length` characters of the base64url alphabet.
pub(crate) fn text(length: usize) -> String {
    let mut text = String::with_capacity(length + 64);
    while text.len() < length {
        text.push_str(&URL_SAFE_NO_PAD.encode(bytes::<48>()));
    }
    text.truncate(length);
    text
}

/// Returns `length` characters a person can type off a screen.
pub(crate) fn code(length: usize) -> String {
    const ALPHABET: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ23456789";
    std::iter::repeat_with(|| bytes::<1>()[0])
        .map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]))
        .take(length)
        .collect()
}

/// Returns a random GUID (version 4).
pub(crate) fn guid() -> String {
    let mut b = bytes::<16>();
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    let hex: String = b.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_shapes() {
        assert_ne!(text(40), text(40));
        assert_eq!(text(333).len(), 333);
        assert_eq!(code(9).len(), 9);
        let guid = guid();
        assert_eq!(guid.len(), 36);
        assert_eq!(guid.as_bytes()[14], b'4');
    }
}
