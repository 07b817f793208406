//! The Data Protection API of Windows, which seals bytes for the user who is logged on: as az's library has it
//! (msal-extensions 1.3.1, `windows.py`, `WindowsDataProtectionAgent`), without further entropy, and never with a dialogue. What
//! somebody else sealed, or another machine, does not open.

use std::io;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Cryptography::{
    CRYPT_INTEGER_BLOB, CRYPTPROTECT_UI_FORBIDDEN, CryptProtectData, CryptUnprotectData,
};
use windows_sys::w;
use zeroize::{Zeroize, Zeroizing};

/// Seals `text`.
///
/// # Errors
/// The operating system's.
pub fn protect(text: &[u8]) -> io::Result<Vec<u8>> {
    let (from, mut sealed) = (blob_of(text)?, empty());
    // SAFETY: both blobs are ours, `from` describes `text`, which outlives the call and is only read; what is null may be; on
    // success `sealed` describes memory of LocalAlloc's, which `taken` reads and frees.
    let is_done = unsafe {
        CryptProtectData(
            &raw const from,
            w!("python_data"),
            null(),
            null(),
            null(),
            CRYPTPROTECT_UI_FORBIDDEN,
            &raw mut sealed,
        )
    };
    taken(is_done, sealed).map(|mut sealed| std::mem::take(&mut *sealed))
}

/// What was sealed in `payload`.
///
/// # Errors
/// The operating system's.
pub fn unprotect(payload: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    let (from, mut text) = (blob_of(payload)?, empty());
    // SAFETY: both blobs are ours, `from` describes `payload`, which outlives the call and is only read; what is null may be; on
    // success `text` describes memory of LocalAlloc's, which `taken` reads and frees.
    let is_done = unsafe {
        CryptUnprotectData(
            &raw const from,
            null_mut(),
            null(),
            null(),
            null(),
            CRYPTPROTECT_UI_FORBIDDEN,
            &raw mut text,
        )
    };
    taken(is_done, text)
}

fn empty() -> CRYPT_INTEGER_BLOB {
    CRYPT_INTEGER_BLOB { cbData: 0, pbData: null_mut() }
}

/// What describes `bytes`, which nobody writes to.
fn blob_of(bytes: &[u8]) -> io::Result<CRYPT_INTEGER_BLOB> {
    let length = u32::try_from(bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    Ok(CRYPT_INTEGER_BLOB { cbData: length, pbData: bytes.as_ptr().cast_mut() })
}

/// A copy of what the system has put there, which is wiped there and given back.
fn taken(is_done: i32, blob: CRYPT_INTEGER_BLOB) -> io::Result<Zeroizing<Vec<u8>>> {
    if is_done == 0 {
        return Err(io::Error::last_os_error());
    }
    if blob.pbData.is_null() {
        return Ok(Zeroizing::default());
    }
    // SAFETY: the call succeeded, so that `pbData` is `cbData` bytes that nobody else knows of, until they are freed below.
    let bytes = unsafe { std::slice::from_raw_parts_mut(blob.pbData, blob.cbData as usize) };
    let copy = Zeroizing::new(bytes.to_vec());
    bytes.zeroize();
    // SAFETY: it is LocalAlloc's, and not used after this.
    unsafe { LocalFree(blob.pbData.cast()) };
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_and_what_is_none_does_not() {
        let sealed = protect(b"{}").unwrap();
        assert_ne!(sealed, b"{}");
        assert_eq!(**unprotect(&sealed).unwrap(), *b"{}");
        unprotect(b"{}").unwrap_err();
        unprotect(&sealed[..sealed.len() / 2]).unwrap_err();
    }
}
