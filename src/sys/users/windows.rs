//! Users and the machine on Windows, under the names that Unix has: the token of the process and the registry tell.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::PathBuf;

use windows_sys::Win32::Foundation::{ERROR_FILE_NOT_FOUND, LocalFree};
use windows_sys::Win32::Security::Authorization::ConvertSidToStringSidW;
use windows_sys::Win32::Security::{GetTokenInformation, SECURITY_MAX_SID_SIZE, TOKEN_QUERY, TOKEN_USER, TokenUser};
use windows_sys::Win32::System::Registry::{
    HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE, RRF_RT_REG_DWORD, RRF_RT_REG_SZ, RRF_SUBKEY_WOW6464KEY, RegGetValueW,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};
use windows_sys::Win32::UI::Shell::GetUserProfileDirectoryW;
use windows_sys::core::w;

use crate::sys::done;

/// The user that the process acts as: a security identifier, which a change of name does not change.
#[must_use]
pub fn user_id() -> String {
    // Every process may ask for its own.
    token_user().unwrap_or_default()
}

/// A file on Windows may belong to a group (what an administrator makes belongs to all of them), so its owner does not tell
/// whose it is; nor does anybody work on another's files as root does with `sudo`. So every file counts as the user's own.
#[must_use]
pub fn owner_id(_metadata: &Metadata) -> String {
    user_id()
}

/// A new file has its directory's access list, and that, not an owner, says who may use it: nothing to do.
///
/// # Errors
/// None.
pub fn copy_owner(_file: &File, _like: &Metadata) -> io::Result<()> {
    Ok(())
}

/// An owner does not tell here whose a file is (see [`owner_id`]): always so.
#[must_use]
pub fn have_one_owner(_one: &Metadata, _other: &Metadata) -> bool {
    true
}

/// Always so, for the same reason.
#[must_use]
pub fn is_of(_directory: &Metadata, _file: &Metadata) -> bool {
    true
}

/// Always so, for the same reason.
#[must_use]
pub fn may_follow(_link: &Metadata, _target: &Metadata) -> bool {
    true
}

/// The user's profile directory by the system's own record.
#[must_use]
pub fn home_from_passwd() -> Option<PathBuf> {
    let token = own_token().ok()?;
    let mut path = [0_u16; 1024];
    let mut length = path.len() as u32;
    // SAFETY: the handle is open, and the pointers are to live locals of the length given.
    let code = unsafe { GetUserProfileDirectoryW(token.as_raw_handle(), path.as_mut_ptr(), &raw mut length) };
    let path = path.split(|unit| *unit == 0).next().filter(|path| code != 0 && !path.is_empty())?;
    Some(PathBuf::from(OsString::from_wide(path)))
}

fn own_token() -> io::Result<OwnedHandle> {
    let mut token = std::ptr::null_mut();
    // SAFETY: the pointer is to a live local; the process's own handle needs no closing.
    done(unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token) })?;
    // SAFETY: the call succeeded, so the handle is open and nobody else's.
    Ok(unsafe { OwnedHandle::from_raw_handle(token) })
}

fn token_user() -> io::Result<String> {
    let token = own_token()?;
    // The structure and, behind it, the identifier that it points to; of u64, to lie as the structure must.
    let mut buffer = [0_u64; (size_of::<TOKEN_USER>() + SECURITY_MAX_SID_SIZE as usize).div_ceil(8)];
    let mut length = 0;
    let mut text = std::ptr::null_mut();
    // SAFETY: every pointer is to a live local of the length given, and `buffer` is read only after it was filled in. The
    // text is NUL-terminated, is copied, and is then freed as its maker asks.
    unsafe {
        done(GetTokenInformation(
            token.as_raw_handle(),
            TokenUser,
            buffer.as_mut_ptr().cast(),
            size_of_val(&buffer) as u32,
            &raw mut length,
        ))?;
        let user = buffer.as_ptr().cast::<TOKEN_USER>();
        done(ConvertSidToStringSidW((*user).User.Sid, &raw mut text))?;
        let length = (0..).take_while(|at| *text.add(*at) != 0).count();
        let id = String::from_utf16_lossy(std::slice::from_raw_parts(text, length));
        LocalFree(text.cast());
        Ok(id)
    }
}

/// Whether the system's own settings send https through a proxy: what Python asks where the environment has none
/// (CPython 3.11, `urllib/request.py`, `getproxies_registry`). What cannot be known counts as one.
#[must_use]
pub fn has_system_proxy() -> bool {
    let mut enabled = 0_u32;
    let mut size = size_of_val(&enabled) as u32;
    // SAFETY: both names are NUL-terminated, and the pointers are to live locals of the length given.
    let code = unsafe {
        RegGetValueW(
            HKEY_CURRENT_USER,
            w!(r"Software\Microsoft\Windows\CurrentVersion\Internet Settings"),
            w!("ProxyEnable"),
            RRF_RT_REG_DWORD,
            std::ptr::null_mut(),
            (&raw mut enabled).cast(),
            &raw mut size,
        )
    };
    if code == 0 { enabled != 0 } else { code != ERROR_FILE_NOT_FOUND }
}

/// What the operating system calls this machine, the same across boots: made when Windows is installed.
#[must_use]
pub fn machine_id() -> Option<String> {
    let mut text = [0_u16; 64];
    let mut size = size_of_val(&text) as u32;
    // SAFETY: both names are NUL-terminated, and the pointers are to live locals of the length given.
    let code = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            w!(r"SOFTWARE\Microsoft\Cryptography"),
            w!("MachineGuid"),
            RRF_RT_REG_SZ | RRF_SUBKEY_WOW6464KEY,
            std::ptr::null_mut(),
            text.as_mut_ptr().cast(),
            &raw mut size,
        )
    };
    let id = String::from_utf16_lossy(text.split(|unit| *unit == 0).next()?);
    (code == 0 && !id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_machine_have_an_id() {
        assert!(user_id().starts_with("S-1-5-"), "{}", user_id());
        assert!(home_from_passwd().is_some(), "a user is at home somewhere");
        assert!(machine_id().is_some_and(|id| id.len() == 36), "{:?}", machine_id());
    }
}
