//! Files on Windows, under the names that Unix has. Where Windows has no such thing (modes, syncing a directory) the nearest
//! that does no harm stands in, and says so.

use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_LOCK_VIOLATION, ERROR_SHARING_VIOLATION};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_STANDARD_INFO,
    FileStandardInfo, GetFileInformationByHandle, GetFileInformationByHandleEx,
};

use super::FileState;
use crate::sys::done;

/// Readers and writers may share a file, and it may be renamed meanwhile (`FILE_SHARE_READ | WRITE | DELETE`).
const SHARE_ALL: u32 = 7;

/// How often a replacement is tried while there is a reader that does not share the file: Python's `open` does not.
const RENAME_TRIES: u32 = 50;

/// Makes a new file; one already there is an error. Windows has no mode.
///
/// # Errors
/// The operating system's.
pub fn create_new(path: &Path, _mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).share_mode(SHARE_ALL).open(path)
}

/// Opens what is at `path` to read it, and nothing that it leads to: a link is opened as what it is, and is no plain file.
///
/// # Errors
/// The operating system's.
pub fn open_itself(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).share_mode(SHARE_ALL).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT).open(path)
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

/// The state that a file is in.
///
/// # Errors
/// The operating system's.
pub fn file_state(path: &Path) -> io::Result<FileState> {
    use std::os::windows::fs::MetadataExt;
    let metadata = std::fs::metadata(path)?;
    let text = format!("{} {} {}", metadata.file_size(), metadata.creation_time(), metadata.last_write_time());
    let unchanged_for = metadata.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok());
    Ok(FileState { text, unchanged_for: unchanged_for.unwrap_or_default() })
}

/// What tells a file's content from another's, as far as nobody hides a change, as text: a new name of it changes nothing.
///
/// # Errors
/// The operating system's.
pub fn file_stamp(path: &Path) -> io::Result<String> {
    let (volume, index) = file_identity(path)?;
    Ok(format!("{volume} {index} {}", file_state(path)?.text))
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

/// NTFS journals a rename by itself: nothing to do.
///
/// # Errors
/// None.
pub fn sync_dir(_directory: &Path) -> io::Result<()> {
    Ok(())
}

/// Puts `from` in the place of `to` in one step, waiting a little for a reader that does not share the file.
///
/// # Errors
/// The operating system's.
pub fn rename_over(from: &Path, to: &Path) -> io::Result<()> {
    for _ in 0..RENAME_TRIES {
        match std::fs::rename(from, to) {
            Err(error) if is_in_use(&error) => {
                std::thread::sleep(Duration::from_millis(10));
            }
            other => return other,
        }
    }
    std::fs::rename(from, to)
}

/// Whether an error may be that somebody has the file open, locked, or half renamed; Windows says so in three ways.
#[must_use]
pub fn is_in_use(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(i32::cast_unsigned);
    matches!(code, Some(ERROR_ACCESS_DENIED | ERROR_SHARING_VIOLATION | ERROR_LOCK_VIOLATION))
}

/// Whether a path is a file: what may be executed is a matter of its ending.
#[must_use]
pub fn is_executable(metadata: &Metadata) -> bool {
    metadata.is_file()
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
        let file = create_new(&one, 0o600).unwrap();
        assert_eq!(link_count(&file).unwrap(), 1);
        std::fs::hard_link(&one, &link).unwrap();
        // That a removal counts cannot be seen under wine, which removes an open file only when it is closed.
        assert_eq!(link_count(&file).unwrap(), 2);
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
