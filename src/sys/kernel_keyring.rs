//! Keys that the kernel keeps for a login session, with an end to their life: never written to a disk, never swapped, gone
//! with the session. Only who is in the session possesses such a key and can read it; the user's other sessions see that it
//! is there, so that they can end it, and nothing more. (A process without a session keyring, as in a cron job, has the
//! one that the kernel keeps for all such processes of a user, as long as there are any.) Where the kernel or a sandbox
//! refuses, nothing is kept and nothing is found.

use std::ffi::CString;
use std::time::Duration;

/// Who possesses the key may view, read, search and link it (`0x1b`), the user may view it and search for it (`0x09`), which
/// is what it takes to end it, and others have no right at all (linux/keyctl.h, `KEY_POS_*`, `KEY_USR_*`).
const PERMISSIONS: libc::c_long = 0x1b09_0000;

/// Has the kernel keep `key` under `description` for `lifetime`. The key gets its end and its permissions in this thread's
/// own keyring, which nobody else sees, and only then its place in the session's, where it displaces an older one.
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
        // By its number: to link into "the session's" where there is none makes one for this process alone.
        let session = control(libc::KEYCTL_GET_KEYRING_ID, libc::KEY_SPEC_SESSION_KEYRING.into(), 0);
        if session > 0 {
            control(libc::KEYCTL_LINK, id, session);
        }
    }
    if id > 0 {
        control(libc::KEYCTL_UNLINK, id, libc::KEY_SPEC_THREAD_KEYRING.into());
    }
}

/// The key under `description`, if the kernel has one of `length` bytes.
#[must_use]
pub fn cached_key(description: &str, length: usize) -> Option<Vec<u8>> {
    let id = find(description, libc::KEY_SPEC_SESSION_KEYRING)?;
    let mut key = vec![0_u8; length];
    // SAFETY: the buffer is writable for the length given, and the kernel writes no more than that.
    let got = unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_READ, id, key.as_mut_ptr(), key.len()) };
    (usize::try_from(got) == Ok(length)).then_some(key)
}

/// Ends the keys under `description`, in this session and in every other of the user, and the one that the first version put
/// into the user's own keyring. Says how many there were.
pub fn forget_key(description: &str) -> usize {
    let mut ended = 0;
    for keyring in [libc::KEY_SPEC_SESSION_KEYRING, libc::KEY_SPEC_USER_KEYRING] {
        if let Some(id) = find(description, keyring) {
            control(libc::KEYCTL_UNLINK, id, keyring.into());
            control(libc::KEYCTL_INVALIDATE, id, 0);
            ended += 1;
        }
    }
    let user = super::user_id();
    // The kernel lists the keys that this process may view, and where it lists none there are none to be ended.
    for line in std::fs::read_to_string("/proc/keys").unwrap_or_default().lines() {
        if let Some(id) = listed(line, description, &user)
            && control(libc::KEYCTL_INVALIDATE, id, 0) == 0
        {
            ended += 1;
        }
    }
    ended
}

/// Ends the key that the first version put into the user's own keyring.
pub fn forget_first_version_key(description: &str) -> usize {
    let Some(id) = find(description, libc::KEY_SPEC_USER_KEYRING) else { return 0 };
    control(libc::KEYCTL_UNLINK, id, libc::KEY_SPEC_USER_KEYRING.into());
    1
}

/// The id in a line of `/proc/keys`, if it is that of a user's key under `description` that is still alive:
/// `id flags usage timeout permissions uid gid type description: length`.
fn listed(line: &str, description: &str, user: &str) -> Option<libc::c_long> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [id, flags, _, _, _, uid, _, "user", name, ..] = fields[..] else { return None };
    let is_it = name.strip_suffix(':') == Some(description) && uid == user && !flags.contains(['R', 'D', 'i']);
    is_it.then(|| libc::c_long::from_str_radix(id, 16).ok()).flatten()
}

fn find(description: &str, keyring: i32) -> Option<libc::c_long> {
    let description = CString::new(description).ok()?;
    // SAFETY: both strings are NUL-terminated and the kernel only reads them; 0 links the key nowhere.
    let id = unsafe {
        libc::syscall(libc::SYS_keyctl, libc::KEYCTL_SEARCH, keyring, c"user".as_ptr(), description.as_ptr(), 0)
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
        if find(&description, libc::KEY_SPEC_SESSION_KEYRING).is_none() {
            // This kernel or sandbox refuses, and that is allowed.
            return;
        }
        assert_eq!(cached_key(&description, 4).as_deref(), Some(&b"1234"[..]));
        assert!(cached_key(&description, 5).is_none());
        cache_key(&description, b"5678", Duration::from_secs(60));
        assert_eq!(cached_key(&description, 4).as_deref(), Some(&b"5678"[..]));
        assert!(find(&description, libc::KEY_SPEC_USER_KEYRING).is_none(), "it is the session's");
        assert!(forget_key(&description) > 0);
        assert!(cached_key(&description, 4).is_none());
        assert_eq!(forget_key(&description), 0);
    }

    #[test]
    fn another_session_cannot_read_it_and_can_end_it() {
        let description = format!("azward-test-session:{}", std::process::id());
        cache_key(&description, b"1234", Duration::from_secs(60));
        if find(&description, libc::KEY_SPEC_SESSION_KEYRING).is_none() {
            return;
        }
        let elsewhere = |work: &(dyn Fn() -> usize + Sync)| {
            std::thread::scope(|scope| {
                let joined = scope.spawn(|| {
                    // No name makes a new session keyring, for this thread alone.
                    assert!(control(libc::KEYCTL_JOIN_SESSION_KEYRING, 0, 0) > 0);
                    work()
                });
                joined.join().unwrap()
            })
        };
        assert_eq!(elsewhere(&|| usize::from(cached_key(&description, 4).is_some())), 0);
        assert_eq!(cached_key(&description, 4).as_deref(), Some(&b"1234"[..]));
        assert_eq!(elsewhere(&|| forget_key(&description)), 1);
        assert!(cached_key(&description, 4).is_none());
    }

    #[test]
    fn only_living_keys_of_this_name_and_user_are_taken_from_the_list() {
        let line = "07881133 I--Q---     1   7h 1b090000     0     0 user      azward:62ad: 32";
        assert_eq!(listed(line, "azward:62ad", "0"), Some(0x0788_1133));
        assert_eq!(listed(line, "azward:62a", "0"), None);
        assert_eq!(listed(line, "azward:62ad", "1000"), None);
        for other in [line.replace("I--Q---", "I--Q--i"), line.replace(" user ", " keyring "), String::new()] {
            assert_eq!(listed(&other, "azward:62ad", "0"), None);
        }
    }

    #[test]
    fn what_is_kept_ends() {
        let description = format!("azward-test-end:{}", std::process::id());
        cache_key(&description, b"1234", Duration::from_secs(1));
        std::thread::sleep(Duration::from_millis(2100));
        assert!(cached_key(&description, 4).is_none());
    }
}
