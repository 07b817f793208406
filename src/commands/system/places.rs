//! The files of a system-wide installation, and how one is put into its place and taken away: whole, by rename, in directories of
//! root's. A file that has other text than azward's is somebody else's.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::commands::aids::Aids;
use crate::failure::{Failure, Result};
use crate::sys;

/// Where the programs stand.
pub(super) const DIRECTORY: &str = "/opt/azward/bin";

/// Which directories were made for it all, a line for each.
const MADE: &str = "/opt/azward/made";

/// What puts that directory first on PATH: for login shells, and for the services of users that are signed in (systemd,
/// environment.d(5)).
pub(super) const FILES: [(&str, &str); 2] = [
    (
        "/etc/profile.d/zz-azward.sh",
        "# azward stands first on PATH (azward uninstall --system takes this away)\n\
         case \"$PATH:\" in\n    /opt/azward/bin:*) ;;\n    *) export PATH=\"/opt/azward/bin:$PATH\" ;;\nesac\n",
    ),
    (
        "/etc/environment.d/60-azward.conf",
        "# azward stands first on PATH (azward uninstall --system takes this away)\nPATH=/opt/azward/bin:$PATH\n",
    ),
];

/// Where the shells of all users look for completions: of bash, zsh, fish.
const COMPLETIONS: [&str; 3] = [
    "/usr/local/share/bash-completion/completions/azward",
    "/usr/local/share/zsh/site-functions/_azward",
    "/usr/local/share/fish/vendor_completions.d/azward.fish",
];

/// Where `man` looks.
const PAGES: &str = "/usr/local/share/man/man1";

/// Each completion and manual page, and its place.
pub(super) fn of_aids(aids: &Aids) -> impl Iterator<Item = (PathBuf, &str)> {
    let completions = COMPLETIONS.iter().map(PathBuf::from).zip([&*aids.bash, &aids.zsh, &aids.fish]);
    completions.chain(aids.pages.iter().map(|(name, page)| (Path::new(PAGES).join(name), page.as_str())))
}

/// Where any version put one.
#[must_use]
pub(super) fn all_aids() -> Vec<PathBuf> {
    let pages = std::fs::read_dir(PAGES).into_iter().flatten().flatten();
    let pages = pages.filter(|page| page.file_name().to_string_lossy().starts_with("azward"));
    COMPLETIONS.iter().map(PathBuf::from).chain(pages.map(|page| page.path())).collect()
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is no more.
    Away,
    /// It has other text than azward's.
    Left,
    /// It was not there.
    WasNot,
}

/// Whether nothing is at `path`, or what azward would put there.
#[must_use]
pub(super) fn is_free(path: &Path, text: &str) -> bool {
    match std::fs::read(path) {
        Ok(bytes) => bytes == text.as_bytes(),
        Err(error) => error.kind() == ErrorKind::NotFound && path.symlink_metadata().is_err(),
    }
}

/// Puts a file into its place, and says whether it was not there so.
///
/// # Errors
/// `Storage`.
pub(super) fn put(path: &Path, bytes: &[u8], mode: u32) -> Result<bool> {
    let has_mode = path.symlink_metadata().is_ok_and(|metadata| metadata.is_file() && sys::mode_of(&metadata) == mode);
    if has_mode && std::fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    let failed = |error: std::io::Error| Failure::storage("write", path, &error);
    make_noted(path.parent().unwrap_or(Path::new("/"))).map_err(failed)?;
    let draft = PathBuf::from(format!("{}.azward-new", path.display()));
    // Left by one that was killed.
    let _ = std::fs::remove_file(&draft);
    let written = sys::create_new(&draft, mode).and_then(|mut file| {
        file.write_all(bytes)?;
        // Whatever the umask is.
        sys::set_mode_of(&file, mode)?;
        file.sync_all()
    });
    written.and_then(|()| sys::rename_over(&draft, path)).map_err(|error| {
        let _ = std::fs::remove_file(&draft);
        failed(error)
    })?;
    Ok(true)
}

/// Takes a file away that has azward's text.
///
/// # Errors
/// `Storage`.
pub(super) fn take_away(path: &Path, text: &str) -> Result<Taken> {
    match std::fs::read(path) {
        Ok(bytes) if bytes == text.as_bytes() => remove(path).map(|_| Taken::Away),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Taken::WasNot),
        _ => Ok(Taken::Left),
    }
}

/// Removes a file, and says whether it was there.
///
/// # Errors
/// `Storage`.
pub(super) fn remove(path: &Path) -> Result<bool> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Failure::storage("remove", path, &error)),
    }
}

/// Removes the directories that were made, if nothing else is in them by now.
pub(super) fn remove_directories() {
    let made = std::fs::read_to_string(MADE).unwrap_or_default();
    let _ = std::fs::remove_file(MADE);
    let mut made: Vec<&Path> = made.lines().map(Path::new).collect();
    // What is inside goes first.
    made.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
    for path in made {
        let _ = std::fs::remove_dir(path);
    }
}

/// Makes a directory and notes what was made for it.
fn make_noted(path: &Path) -> std::io::Result<()> {
    let mut made = Vec::new();
    make_directory(path, &mut made)?;
    if made.is_empty() {
        return Ok(());
    }
    let mut note = std::fs::OpenOptions::new().create(true).append(true).open(MADE)?;
    made.iter().try_for_each(|path| writeln!(note, "{}", path.display()))
}

/// Makes a directory that everybody can read, and those above it.
fn make_directory(path: &Path, made: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    path.parent().map_or(Ok(()), |parent| make_directory(parent, made))?;
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => {
            made.push(path.to_owned());
            sys::set_mode(path, 0o755)
        }
    }
}
