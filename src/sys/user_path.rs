//! The user's own PATH in Windows' registry (`HKEY_CURRENT_USER\Environment`, value `Path`), which every program that is started
//! from the desktop or a new console has after the machine's. It is read and written as it stands there, with what it has in
//! percent signs; who shows windows is told of a change, as the control panel does it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{ERROR_FILE_NOT_FOUND, ERROR_MORE_DATA};
use windows_sys::Win32::System::Registry::{
    HKEY, HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE, REG_EXPAND_SZ, RRF_NOEXPAND, RRF_RT_REG_EXPAND_SZ, RRF_RT_REG_SZ,
    RegDeleteKeyValueW, RegGetValueW, RegSetKeyValueW,
};
use windows_sys::Win32::UI::WindowsAndMessaging::{
    HWND_BROADCAST, SMTO_ABORTIFHUNG, SendMessageTimeoutW, WM_SETTINGCHANGE,
};
use windows_sys::core::{PCWSTR, w};

const KEY: PCWSTR = w!("Environment");
const MACHINE_KEY: PCWSTR = w!(r"SYSTEM\CurrentControlSet\Control\Session Manager\Environment");
const VALUE: PCWSTR = w!("Path");

/// How long a program that shows windows is waited for, in milliseconds.
const PATIENCE: u32 = 1000;

/// What a PATH in the registry is: its text, and whether what is in percent signs in it is to be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPath {
    /// Its directories.
    pub text: OsString,
    kind: u32,
}

/// The user's own PATH; `None` where he has none.
///
/// # Errors
/// The operating system's.
pub fn user_path() -> io::Result<Option<UserPath>> {
    path_in(HKEY_CURRENT_USER, KEY, RRF_RT_REG_SZ | RRF_RT_REG_EXPAND_SZ | RRF_NOEXPAND)
}

/// The machine's PATH, which programs have before the user's, filled in; `None` where it has none or cannot be read.
#[must_use]
pub fn machine_path() -> Option<OsString> {
    path_in(HKEY_LOCAL_MACHINE, MACHINE_KEY, RRF_RT_REG_SZ).ok().flatten().map(|path| path.text)
}

fn path_in(root: HKEY, key: PCWSTR, flags: u32) -> io::Result<Option<UserPath>> {
    let mut buffer: Vec<u16> = vec![0; 1024];
    loop {
        let (mut kind, mut size) = (0, size_of_val(&*buffer) as u32);
        // SAFETY: both names are NUL-terminated, and the other pointers are to live locals, the buffer of the length given.
        let code =
            unsafe { RegGetValueW(root, key, VALUE, flags, &raw mut kind, buffer.as_mut_ptr().cast(), &raw mut size) };
        match code {
            0 => {
                let text = buffer.split(|unit| *unit == 0).next().unwrap_or_default();
                return Ok(Some(UserPath { text: OsString::from_wide(text), kind }));
            }
            ERROR_FILE_NOT_FOUND => return Ok(None),
            ERROR_MORE_DATA => buffer.resize((size as usize).div_ceil(2).max(buffer.len() * 2), 0),
            code => return Err(io::Error::from_raw_os_error(code.cast_signed())),
        }
    }
}

/// Has the user's own PATH be `text`, or none, of the kind that `before` was; and tells of it.
///
/// # Errors
/// The operating system's; it is then as it was.
pub fn set_user_path(text: Option<&OsStr>, before: Option<&UserPath>) -> io::Result<()> {
    let code = match text {
        Some(text) => {
            let wide: Vec<u16> = text.encode_wide().chain([0]).collect();
            let kind = before.map_or(REG_EXPAND_SZ, |before| before.kind);
            let size = size_of_val(&*wide) as u32;
            // SAFETY: both names are NUL-terminated, and the text is of the length given and only read.
            unsafe { RegSetKeyValueW(HKEY_CURRENT_USER, KEY, VALUE, kind, wide.as_ptr().cast(), size) }
        }
        // SAFETY: both names are NUL-terminated.
        None => unsafe { RegDeleteKeyValueW(HKEY_CURRENT_USER, KEY, VALUE) },
    };
    if code != 0 && (text.is_some() || code != ERROR_FILE_NOT_FOUND) {
        return Err(io::Error::from_raw_os_error(code.cast_signed()));
    }
    // SAFETY: the text is NUL-terminated and constant, and nothing is asked back. Who does not listen has the new one later.
    unsafe {
        let what = w!("Environment");
        SendMessageTimeoutW(HWND_BROADCAST, WM_SETTINGCHANGE, 0, what as isize, SMTO_ABORTIFHUNG, PATIENCE, null_mut());
    }
    Ok(())
}
