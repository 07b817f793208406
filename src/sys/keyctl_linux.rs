//! Keys that the kernel keeps for a user, with an end to their life: never written to a disk, never swapped, gone with
//! the machine. Where the kernel or a sandbox refuses, nothing is kept and nothing is found.

use std::ffi::CString;
use std::time::Duration;

/// Who possesses the key may view, read, search and link it (`0x1b`), the user may view, read and search it (`0x0b`), and
/// others have no right at all (linux/keyctl.h, `KEY_POS_*`, `KEY_USR_*`).
const PERMISSIONS: libc::c_long = 0x1b0b_0000;

/// Has the kernel keep `key` under `description` for `lifetime`. The key gets its end and its permissions in this thread's
/// own keyring, which nobody else sees, and only then its place in the user's, where it displaces an older one.
pub fn cache_key(description: &str, key: &[u8], lifetime: Duration) {
    let Ok(description) = CString::new(description) else { return };
    // SAFETY: both strings are NUL-terminated, `key` is readable for the length given, and the kernel copies all three.
    let id = unsafe {
        libc::syscall(
            libc::SYS_add_key,
            c"user".as_ptr(),
            description.as_ptr(),
            key.as_ptr(),
            key.len(),
            libc::KEY_SPEC_THREAD_KEYRING,
        )
    };
    let seconds = libc::c_long::try_from(lifetime.as_secs()).unwrap_or(libc::c_long::MAX);
    if id > 0
        && control(libc::KEYCTL_SET_TIMEOUT, id, seconds) == 0
        && control(libc::KEYCTL_SETPERM, id, PERMISSIONS) == 0
    {
        control(libc::KEYCTL_LINK, id, libc::KEY_SPEC_USER_KEYRING.into());
    }
    if id > 0 {
        control(libc::KEYCTL_UNLINK, id, libc::KEY_SPEC_THREAD_KEYRING.into());
    }
}

/// The key under `description`, if the kernel has one of `length` bytes.
#[must_use]
pub fn cached_key(description: &str, length: usize) -> Option<Vec<u8>> {
    let id = find(description)?;
    let mut key = vec![0_u8; length];
    // SAFETY: the buffer is writable for the length given, and the kernel writes no more than that.
    let got = unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_READ, id, key.as_mut_ptr(), key.len()) };
    (usize::try_from(got) == Ok(length)).then_some(key)
}

/// Takes the key under `description` from the user's keyring, if it is there.
pub fn forget_key(description: &str) {
    if let Some(id) = find(description) {
        control(libc::KEYCTL_UNLINK, id, libc::KEY_SPEC_USER_KEYRING.into());
    }
}

fn find(description: &str) -> Option<libc::c_long> {
    let description = CString::new(description).ok()?;
    // SAFETY: both strings are NUL-terminated and the kernel only reads them; 0 links the key nowhere.
    let id = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            libc::KEYCTL_SEARCH,
            libc::KEY_SPEC_USER_KEYRING,
            c"user".as_ptr(),
            description.as_ptr(),
            0,
        )
    };
    (id > 0).then_some(id)
}

/// A keyctl operation on two numbers.
fn control(operation: u32, id: libc::c_long, argument: libc::c_long) -> libc::c_long {
    // SAFETY: the operations used here take numbers only and touch no memory of ours.
    unsafe { libc::syscall(libc::SYS_keyctl, operation, id, argument) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_keeps_it_gives_back_until_it_forgets() {
        let description = format!("azward-test:{}", std::process::id());
        assert!(cached_key(&description, 4).is_none());
        cache_key(&description, b"1234", Duration::from_secs(60));
        if find(&description).is_none() {
            // This kernel or sandbox refuses, and that is allowed.
            return;
        }
        assert_eq!(cached_key(&description, 4).as_deref(), Some(&b"1234"[..]));
        assert!(cached_key(&description, 5).is_none());
        cache_key(&description, b"5678", Duration::from_secs(60));
        assert_eq!(cached_key(&description, 4).as_deref(), Some(&b"5678"[..]));
        forget_key(&description);
        assert!(cached_key(&description, 4).is_none());
    }

    #[test]
    fn what_is_kept_ends() {
        let description = format!("azward-test-end:{}", std::process::id());
        cache_key(&description, b"1234", Duration::from_secs(1));
        std::thread::sleep(Duration::from_millis(2100));
        assert!(cached_key(&description, 4).is_none());
    }
}
