//! The shim directory first on the user's own PATH, as Windows keeps it: put there once, and taken away again with nothing else
//! changed. What stands in the registry may have variables in percent signs, which stay. A PATH of the machine comes before
//! the user's: an az that is on that one goes first, which is told.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};
use crate::sys;

/// What separates directories.
const SEPARATOR: &str = ";";

/// Puts `directory` first. Says whether anything was changed.
///
/// # Errors
/// `Storage`.
pub(super) fn put(directory: &Path) -> Result<bool> {
    change(directory, |path| with(path, directory))
}

/// Takes `directory` away. Says whether anything was changed.
///
/// # Errors
/// `Storage`.
pub(super) fn remove(directory: &Path) -> Result<bool> {
    change(directory, |path| without(path, directory))
}

/// The az that the machine's PATH has, which goes before whatever the user's has.
pub(super) fn az_before(directory: &Path) -> Option<PathBuf> {
    let path = sys::machine_path()?;
    which::which_in_all("az", Some(path), directory).ok()?.find(|az| az.parent() != Some(directory))
}

fn change(directory: &Path, changed: impl Fn(&OsStr) -> OsString) -> Result<bool> {
    let failed = |what| move |error: std::io::Error| Failure::storage(what, directory, &error);
    let before = sys::user_path().map_err(failed("look for, on the user's PATH,"))?;
    let text = before.as_ref().map(|path| path.text.clone()).unwrap_or_default();
    let after = changed(&text);
    if after == text {
        return Ok(false);
    }
    // One that has nothing in it was made for this, or is as good as none.
    let after = Some(&*after).filter(|after| !after.is_empty());
    sys::set_user_path(after, before.as_ref()).map_err(failed("change, on the user's PATH,"))?;
    Ok(true)
}

/// `path` with the directory first, and nowhere else.
fn with(path: &OsStr, directory: &Path) -> OsString {
    let rest = without(path, directory);
    let mut whole = directory.as_os_str().to_owned();
    if !rest.is_empty() {
        whole.push(SEPARATOR);
        whole.push(rest);
    }
    whole
}

/// `path` without the directory. Of what is no text nothing is taken: it is not azward's.
fn without(path: &OsStr, directory: &Path) -> OsString {
    let (Some(text), Some(directory)) = (path.to_str(), directory.to_str()) else { return path.to_owned() };
    let is_it = |entry: &&str| entry.trim_matches('"').trim_end_matches('\\').eq_ignore_ascii_case(directory);
    if !text.split(SEPARATOR).any(|entry| is_it(&entry)) {
        return path.to_owned();
    }
    text.split(SEPARATOR).filter(|entry| !is_it(entry)).collect::<Vec<_>>().join(SEPARATOR).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_first_once_and_goes_without_a_trace() {
        let directory = Path::new(r"C:\Users\me\.azward\bin");
        for (before, with_it) in [
            ("", r"C:\Users\me\.azward\bin"),
            (r"%USERPROFILE%\bin;;D:\x", r"C:\Users\me\.azward\bin;%USERPROFILE%\bin;;D:\x"),
            (r"D:\x;", r"C:\Users\me\.azward\bin;D:\x;"),
        ] {
            let after = with(OsStr::new(before), directory);
            assert_eq!(after, with_it);
            assert_eq!((with(&after, directory), without(&after, directory)), (after.clone(), before.into()));
        }
        for entry in [r"c:\users\ME\.azward\bin\", r#""C:\Users\me\.azward\bin""#] {
            let path = format!(r"D:\x;{entry}");
            assert_eq!(with(OsStr::new(&path), directory), OsStr::new(r"C:\Users\me\.azward\bin;D:\x"));
        }
        assert_eq!(without(OsStr::new(r"D:\x;;"), directory), OsStr::new(r"D:\x;;"));
    }
}
