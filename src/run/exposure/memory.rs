//! Where a token cache is while it is in memory: below the user's own directory on a tmpfs, which only the user can look into,
//! a directory for each config directory. `$XDG_RUNTIME_DIR` is one, where the system has it; `/dev/shm`, where everybody may
//! make directories, is looked at closely. What is somebody else's, open to others or on a disk is not used, and why is said.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use crate::azure::ConfigDir;
use crate::context::Context;
use crate::credentials::in_memory::DIRECTORY;
use crate::sys::{self, Directory};

/// Where every user may make a directory in memory.
const SHARED: &str = "/dev/shm";

/// The file for the token cache of `config_dir`; its directory is made.
///
/// # Errors
/// Why there is none, in words.
pub(crate) fn place(context: &Context, config_dir: &ConfigDir) -> Result<PathBuf, String> {
    if config_dir.path().metadata().is_ok_and(|metadata| sys::owner_id(&metadata) != sys::user_id()) {
        // Who has it is not to find a link to what only root can read.
        return Err("the config directory is another user's".to_owned());
    }
    let directory = directory(context).map_err(|error| format!("there is no directory in memory: {error}"))?;
    let id = config_dir.id();
    let made = Directory::open(&directory).and_then(|above| own(&above, OsStr::new(&id)));
    made.map_err(|error| format!("`{}` cannot be used: {error}", directory.display()))?;
    let cache = config_dir.token_cache();
    Ok(directory.join(id).join(cache.file_name().unwrap_or_default()))
}

/// The user's directory.
fn directory(context: &Context) -> io::Result<PathBuf> {
    let name = OsString::from(DIRECTORY);
    if let Some(runtime) = context.variable("XDG_RUNTIME_DIR").map(Path::new).filter(|path| path.is_absolute())
        && let Ok(above) = Directory::open(runtime)
        && is_own(&above)
        && own(&above, &name).is_ok()
    {
        return Ok(runtime.join(name));
    }
    let name = OsString::from(format!("{DIRECTORY}-{}", sys::user_id()));
    own(&Directory::open(Path::new(SHARED))?, &name)?;
    Ok(Path::new(SHARED).join(name))
}

/// The directory `name` in `above`, made if it is missing.
fn own(above: &Directory, name: &OsStr) -> io::Result<Directory> {
    let directory = match above.below(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => above.make(name).or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => above.below(name),
            _ => Err(error),
        }),
        opened => opened,
    }?;
    match is_own(&directory) {
        true => Ok(directory),
        false => Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is on a disk, or not this user's alone")),
    }
}

/// Whether a directory is in memory, this user's, and open to nobody else.
fn is_own(directory: &Directory) -> bool {
    let is_closed = |metadata: std::fs::Metadata| {
        sys::owner_id(&metadata) == sys::user_id() && sys::mode_of(&metadata) & 0o077 == 0
    };
    directory.metadata().is_ok_and(is_closed) && sys::is_in_memory(directory)
}
