//! The azward home: what marks it as azward's own, and whether it is believed.
//!
//! A home that azward makes carries a marker. An older one has none and is marked when it is unmistakably azward's: when
//! there is nothing in it but what azward puts there, or a vault. A directory that was there before azward came is marked
//! too, as one to be used and not to be closed; one with other things in it is no home and is left alone.
//!
//! Believed is a home that belongs to the user that azward acts as (for root: to root, or to the owner of `$HOME`, whom
//! `sudo az` may be run for), and that others cannot write. One of azward's own making that is open to others is closed
//! and that is told; settings that others could have written meanwhile are set aside. What is above it is its owner's
//! business: a home directory of mode 0775 with a group of one's own is common. A link in its place counts if whoever made
//! the link could as well have made the directory.
//!
//! In a home that is not believed azward reads and writes nothing: the real az runs as if azward were not there, and
//! `azward status` says why.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::consent::known;
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::journal::Journal;
use crate::marker;
use crate::private;
use crate::settings::{self, Settings};
use crate::sys::{self, Directory};
use crate::text;
use crate::vault;

/// The directory of what serves: see [`crate::serve`].
pub(crate) const SERVE: &str = "serve";

/// What an azward home has in it, but for keys and what was set aside.
const CONTENTS: [&str; 21] = [
    "bin",
    known::NAME,
    settings::FIRST_VERSION,
    settings::TAKEN_OVER,
    settings::NAME,
    "home.lock",
    "in-use",
    "journal.1.jsonl",
    "journal.jsonl",
    "key",
    "key.lock",
    "logins",
    "man",
    "run",
    SERVE,
    "sessions",
    "sessions.json",
    vault::DIRECTORY_BESIDE,
    "vaults",
    "views",
    "zsh",
];

/// What others may do with a directory or file, by its mode.
const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;
/// In such a directory nobody can rename or remove what is another's.
const STICKY: u32 = 0o1000;

/// What may be done about a home that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// Nothing is written: one that would have to be closed first is not believed.
    Look,
    /// An older one is marked, and one of our own that is open to others is closed.
    Mend,
}

/// Asks whether the home is to be believed. One that is not there yet is.
///
/// # Errors
/// Why it is not believed.
pub fn examine(context: &Context, care: Care) -> Result<()> {
    let path = &context.azward_home;
    let Ok(mut metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if metadata.is_symlink() {
        // What cannot be looked at or opened has nothing in it to be believed, and says so to whoever needs it.
        let Ok(target) = std::fs::metadata(path) else { return Ok(()) };
        if !sys::may_follow(&metadata, &target) {
            return Err(not_believed(path, "is a link that another user made", "remove it"));
        }
        metadata = target;
    }
    // So it is nearly always, and every answer asks: no file is opened for it.
    let is_closed = sys::mode_of(&metadata) & OTHERS == 0;
    if is_closed
        && marker::is_our_user(&metadata, &context.home)
        && path.join(marker::MARKER).symlink_metadata().is_ok()
    {
        return Ok(());
    }
    let directory = Directory::open(path);
    let metadata = directory.as_ref().ok().and_then(|directory| directory.metadata().ok()).unwrap_or(metadata);
    if !marker::is_our_user(&metadata, &context.home) {
        let hint = "use it as the user that it belongs to, or name another directory in AZWARD_HOME";
        return Err(not_believed(path, "belongs to another user", hint));
    }
    let Ok(directory) = directory else { return Ok(()) };
    let marker = match marker::line_of(&directory) {
        Some(line) => Some(line),
        None => adopt(path, &directory, care)?,
    };
    let mut mode = sys::mode_of(&metadata);
    if mode & STICKY != 0 {
        // What is in it stays what it is, whatever others add: that is theirs, and so not believed.
        mode &= !OTHERS_WRITE;
    }
    if mode & OTHERS == 0 {
        return Ok(());
    }
    if care == Care::Look {
        let hint = "run any az without AZWARD_BYPASS, which closes it, or set its mode to 0700";
        let is_open = mode & OTHERS_WRITE != 0;
        return if is_open { Err(not_believed(path, "can be written by other users", hint)) } else { Ok(()) };
    }
    set_aside_settings(context, mode);
    if marker.as_deref() == Some(marker::MADE) {
        sys::set_mode_of(directory.as_file(), 0o700).map_err(|error| Failure::storage("close", path, &error))?;
        tell(context, path, mode, "it is closed to them now; see whether everything in it is yours");
    } else if mode & OTHERS_WRITE != 0 {
        let hint = "see whether everything in it is yours, then set its mode to 0700";
        return Err(not_believed(path, "can be written by other users", hint));
    }
    Ok(())
}

/// Closes every file in the home that others can read or write, and tells it. Not for every answer: it looks at each.
pub fn close_files(context: &Context) {
    for (path, allowed) in open_files(context) {
        if let Ok(Some(was)) = private::close(&path, allowed) {
            tell(context, &path, was, hint_for(&path));
        }
    }
}

/// The home itself, if azward made it and others can look into it: one to be closed.
#[must_use]
pub(crate) fn is_open(context: &Context) -> bool {
    let Ok(directory) = Directory::open(&context.azward_home) else { return false };
    directory.metadata().is_ok_and(|metadata| sys::mode_of(&metadata) & OTHERS != 0)
        && marker::line_of(&directory).as_deref() == Some(marker::MADE)
}

/// Every file in the home that others can read or write and should not, with the mode that it may have.
#[must_use]
pub(crate) fn open_files(context: &Context) -> Vec<(PathBuf, u32)> {
    let home = &context.azward_home;
    let mut found = Vec::new();
    let below = ["vaults", vault::DIRECTORY_BESIDE, "run", "views", "bin"].map(|name| home.join(name));
    for directory in [home.clone()].into_iter().chain(below) {
        // One that is a link or somebody else's is not opened by what wants to use it either.
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        let allowed = if directory.ends_with("bin") { 0o755 } else { 0o600 };
        for entry in entries.flatten() {
            let is_open = entry
                .metadata()
                .is_ok_and(|metadata| metadata.is_file() && sys::mode_of(&metadata) & OTHERS & !allowed != 0);
            if is_open {
                found.push((entry.path(), allowed));
            }
        }
    }
    found
}

fn hint_for(path: &Path) -> &'static str {
    match path.file_name().and_then(OsStr::to_str) {
        Some(name) if name == "key" || name.ends_with(".key") => {
            "it is closed to them now; if others use this machine, sign out and in again, for a new login"
        }
        _ => "it is closed to them now",
    }
}

/// Others could have written the settings, and so have named a program of theirs as the real az: they are kept under
/// another name, and the defaults hold.
fn set_aside_settings(context: &Context, home_mode: u32) {
    let paths = Settings::paths(&context.azward_home);
    let mode_of =
        |path: &PathBuf| private::open_read(path).ok()?.metadata().ok().map(|metadata| sys::mode_of(&metadata));
    // Where one of them goes, the other is not to count in its place.
    if (home_mode | paths.iter().filter_map(mode_of).fold(0, |all, mode| all | mode)) & OTHERS_WRITE == 0 {
        return;
    }
    for path in paths.iter().filter(|path| mode_of(path).is_some()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let aside = path.with_file_name(format!("{name}.set-aside-{}", context.now()));
        if std::fs::rename(path, &aside).is_ok() {
            let failure = Failure::new(
                Kind::Storage,
                format!("other users could write the settings in `{}`: the defaults hold", text::path(path)),
                format!("they are in `{}` now: put them back if they are yours", text::path(&aside)),
            );
            Journal::at(&context.azward_home).warn(context.now(), &failure);
        }
    }
}

fn tell(context: &Context, path: &Path, mode: u32, hint: &str) {
    let deed = if mode & OTHERS_WRITE == 0 { "read" } else { "write" };
    let what = format!("other users could {deed} `{}`", text::path(path));
    Journal::at(&context.azward_home).warn(context.now(), &Failure::new(Kind::Storage, what, hint));
}

/// What a home that has no marker is marked as; nothing while it is empty.
fn adopt(path: &Path, directory: &Directory, care: Care) -> Result<Option<String>> {
    let names = std::fs::read_dir(path).map_err(|error| Failure::storage("list", path, &error))?;
    let names: Vec<_> = names.flatten().map(|entry| entry.file_name()).collect();
    let is_known = |name: &OsStr| {
        let name = name.to_string_lossy();
        CONTENTS.contains(&&*name)
            || [marker::MARKER, marker::FRESH_MARKER].contains(&&*name)
            || ["key", "config"].iter().any(|kind| name == format!("{kind}.new"))
            || name == known::DRAFT
            || name.contains(".set-aside-")
            || name.ends_with(".key")
    };
    let line = match names.iter().all(|name| is_known(name)) {
        true if names.is_empty() => return Ok(None),
        true => marker::MADE,
        false if marker::has_vault(path) => marker::TAKEN,
        false => {
            let hint = "name an empty directory, or one that is not there yet, in AZWARD_HOME";
            return Err(not_believed(path, "is not azward's: it has other things in it", hint));
        }
    };
    if care == Care::Mend {
        // Without the marker it is asked again the next time.
        let _ = marker::write(directory, line);
    }
    Ok(Some(line.to_owned()))
}

fn not_believed(path: &Path, why: &str, hint: &str) -> Failure {
    Failure::new(Kind::Storage, format!("the azward home `{}` {why}: it is not used", text::path(path)), hint)
}
