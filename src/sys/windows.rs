//! Files, the user and the machine on Windows, under the names that Unix has. Where Windows has no such thing (modes, a
//! file's owner as a person) the nearest that does no harm stands in, and says so. Errors are the operating system's.

use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use windows_sys::Win32::Foundation::ERROR_FILE_NOT_FOUND;
use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, LocalFree};
use windows_sys::Win32::Security::Authorization::ConvertSidToStringSidW;
use windows_sys::Win32::Security::{GetTokenInformation, SECURITY_MAX_SID_SIZE, TOKEN_QUERY, TOKEN_USER, TokenUser};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_FLAG_BACKUP_SEMANTICS, FILE_STANDARD_INFO, FileStandardInfo,
    GetFileInformationByHandle, GetFileInformationByHandleEx,
};
use windows_sys::Win32::System::Memory::VirtualLock;
use windows_sys::Win32::System::Registry::{
    HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE, RRF_RT_REG_DWORD, RRF_RT_REG_SZ, RRF_SUBKEY_WOW6464KEY, RegGetValueW,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};
use windows_sys::core::{BOOL, w};

/// Readers and writers may share a file, and it may be renamed meanwhile (`FILE_SHARE_READ | WRITE | DELETE`).
const SHARE_ALL: u32 = 7;

/// How long a replacement waits for a reader that does not share the file: Python's `open` does not.
const RENAME_PATIENCE: u32 = 50;

/// Opens a file of azward's own for reading and writing, made if it is missing. The profile directory's access list
/// keeps others out.
///
/// # Errors
/// The operating system's.
pub fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).share_mode(SHARE_ALL).open(path)
}

/// Makes a new file; one already there is an error. Windows has no mode.
///
/// # Errors
/// The operating system's.
pub fn create_new(path: &Path, _mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).share_mode(SHARE_ALL).open(path)
}

/// Opens for appending, made if it is missing.
///
/// # Errors
/// The operating system's.
pub fn open_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).share_mode(SHARE_ALL).open(path)
}

/// Makes a directory and its parents.
///
/// # Errors
/// The operating system's.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

/// Windows has no mode: always what a private file would have.
#[must_use]
pub fn mode_of(_metadata: &Metadata) -> u32 {
    0o600
}

/// Windows has no mode: does nothing.
///
/// # Errors
/// None.
pub fn set_mode(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// What tells the file behind `path` from every other: the volume's serial number and the file's index on it.
///
/// # Errors
/// The operating system's.
pub fn file_identity(path: &Path) -> io::Result<(u64, u64)> {
    // No access at all is asked for, so that a file that may not be read has an identity too; the flag lets directories in.
    let file =
        OpenOptions::new().access_mode(0).share_mode(SHARE_ALL).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path)?;
    identity_of(&file)
}

/// The same of an open file, whatever name it has now.
///
/// # Errors
/// The operating system's.
pub fn identity_of(file: &File) -> io::Result<(u64, u64)> {
    let mut information = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open and the pointer is to a live local.
    done(unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut information) })?;
    let index = u64::from(information.nFileIndexHigh) << 32 | u64::from(information.nFileIndexLow);
    Ok((information.dwVolumeSerialNumber.into(), index))
}

/// Keeps the memory of `bytes` out of the page file, as far as the working set allows.
pub fn keep_from_swap(bytes: &[u8]) {
    // SAFETY: the range is that of a live slice; the system only changes how it keeps those pages.
    unsafe { VirtualLock(bytes.as_ptr().cast_mut().cast(), bytes.len()) };
}

/// How a file looks from outside: it looks another way after every change, unless two come within one tick of a clock.
#[derive(Debug)]
pub struct Look {
    /// Size and times, as text.
    pub text: String,
    /// How long ago the last change was; nothing for one from the future.
    pub rested: Duration,
}

/// Looks at a file.
///
/// # Errors
/// The operating system's.
pub fn look_of(path: &Path) -> io::Result<Look> {
    use std::os::windows::fs::MetadataExt;
    let metadata = std::fs::metadata(path)?;
    let text = format!("{} {} {}", metadata.file_size(), metadata.creation_time(), metadata.last_write_time());
    let rested = metadata.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok());
    Ok(Look { text, rested: rested.unwrap_or_default() })
}

/// When a file's content changed last: the nearest that std tells here.
#[must_use]
pub fn changed_at(metadata: &Metadata) -> Option<std::time::SystemTime> {
    metadata.modified().ok()
}

/// Whether a file has one name only, which std does not tell here: there is no private exposure that would ask.
#[must_use]
pub fn has_one_name(_metadata: &Metadata) -> bool {
    true
}

/// How many names the open file still has; 0 when it was removed under us, as a file that is opened here can be.
///
/// # Errors
/// The operating system's.
pub fn link_count(file: &File) -> io::Result<u64> {
    let mut information = FILE_STANDARD_INFO::default();
    // SAFETY: the handle is open and the pointer is to a live local of the length given.
    done(unsafe {
        GetFileInformationByHandleEx(
            file.as_raw_handle(),
            FileStandardInfo,
            (&raw mut information).cast(),
            size_of::<FILE_STANDARD_INFO>() as u32,
        )
    })?;
    Ok(if information.DeletePending { 0 } else { information.NumberOfLinks.into() })
}

/// A new file has its directory's access list, and that, not an owner, says who may use it: nothing to do.
///
/// # Errors
/// None.
pub fn copy_owner(_file: &File, _like: &Metadata) -> io::Result<()> {
    Ok(())
}

/// NTFS journals a rename by itself: nothing to do.
///
/// # Errors
/// None.
pub fn sync_dir(_directory: &Path) -> io::Result<()> {
    Ok(())
}

/// See the Unix version.
///
/// # Errors
/// The operating system's.
pub fn set_modified_ahead(file: &File) -> io::Result<()> {
    file.set_modified(SystemTime::now() + Duration::from_millis(5))
}

/// Puts `from` in the place of `to` in one step, waiting a little for a reader that does not share the file.
///
/// # Errors
/// The operating system's.
pub fn rename_over(from: &Path, to: &Path) -> io::Result<()> {
    for _ in 0..RENAME_PATIENCE {
        match std::fs::rename(from, to) {
            Err(error) if is_in_use(&error) => {
                std::thread::sleep(Duration::from_millis(10));
            }
            other => return other,
        }
    }
    std::fs::rename(from, to)
}

/// Whether an error may be that somebody has the file open; Windows says so in two ways.
fn is_in_use(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(i32::cast_unsigned);
    matches!(code, Some(ERROR_ACCESS_DENIED | ERROR_SHARING_VIOLATION))
}

/// Whether a path is a file: what may be executed is a matter of its ending.
#[must_use]
pub fn is_executable(metadata: &Metadata) -> bool {
    metadata.is_file()
}

/// The user's profile directory by the system's own record.
#[must_use]
pub fn home_from_passwd() -> Option<PathBuf> {
    std::env::home_dir()
}

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

fn token_user() -> io::Result<String> {
    let mut token = std::ptr::null_mut();
    // SAFETY: the pointer is to a live local; the process's own handle needs no closing.
    done(unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token) })?;
    // SAFETY: the call succeeded, so the handle is open and nobody else's.
    let token = unsafe { OwnedHandle::from_raw_handle(token) };
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

/// A path as bytes that [`path_from_bytes`] makes the same path of: its UTF-16 units, little-endian, for not every path
/// is text.
#[must_use]
pub fn path_to_bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().encode_wide().flat_map(u16::to_le_bytes).collect()
}

/// The path that [`path_to_bytes`] made bytes of.
#[must_use]
pub fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    let (units, _) = bytes.as_chunks();
    let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    PathBuf::from(OsString::from_wide(&units))
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

/// What a call to Windows returned, as a result.
fn done(returned: BOOL) -> io::Result<()> {
    if returned == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_itself_under_every_name_and_its_copy_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let [one, link, copy] = ["one", "link", "copy"].map(|name| dir.path().join(name));
        std::fs::write(&one, "text").unwrap();
        std::fs::hard_link(&one, &link).unwrap();
        std::fs::copy(&one, &copy).unwrap();
        let identity = |path: &Path| file_identity(path).unwrap();
        assert_eq!(identity(&one), identity(&link));
        assert_ne!(identity(&one), identity(&copy));
        assert_ne!(identity(dir.path()), identity(&one));
        assert!(file_identity(&dir.path().join("none")).is_err());
    }

    #[test]
    fn an_open_file_s_names_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let [one, link] = ["one", "link"].map(|name| dir.path().join(name));
        let file = open_private(&one).unwrap();
        assert_eq!(link_count(&file).unwrap(), 1);
        std::fs::hard_link(&one, &link).unwrap();
        // That a removal counts cannot be seen under wine, which removes an open file only when it is closed.
        assert_eq!(link_count(&file).unwrap(), 2);
    }

    #[test]
    fn user_and_machine_have_an_id() {
        assert!(user_id().starts_with("S-1-5-"), "{}", user_id());
        assert!(machine_id().is_some_and(|id| id.len() == 36), "{:?}", machine_id());
    }

    #[test]
    fn a_path_that_is_no_text_comes_back() {
        for units in [&[0x43, 0x3a, 0x5c, 0xe4][..], &[0xd800, 0x41], &[]] {
            let path = PathBuf::from(OsString::from_wide(units));
            assert_eq!(path_from_bytes(&path_to_bytes(&path)), path);
        }
    }

    #[test]
    fn a_file_takes_another_s_place_while_that_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let [old, new] = ["old", "new"].map(|name| dir.path().join(name));
        std::fs::write(&old, "old").unwrap();
        std::fs::write(&new, "new").unwrap();
        let reader = OpenOptions::new().read(true).share_mode(3).open(&old).unwrap();
        let waiting = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            drop(reader);
        });
        rename_over(&new, &old).unwrap();
        waiting.join().unwrap();
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "new");
    }
}
