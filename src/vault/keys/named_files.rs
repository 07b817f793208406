//! Files of the azward home that are named by what they are bound to and by a key, `<binding>.<key id>.<ending>`: which
//! keys are this machine's can so be told by a look at the directory. Such a file is put in its place whole and durable.

use std::path::{Path, PathBuf};

use super::binding::Binding;
use super::master_key::{KeyId, hex, id_from_hex};
use crate::failure::{Failure, Result};
use crate::private;
use crate::vault::files;

/// The files in an azward home with this ending: the binding's id, and the key's.
pub(super) fn named(azward_home: &Path, ending: &str) -> Vec<(String, KeyId)> {
    let named = |path: &PathBuf| {
        let (binding, id) = path.file_name()?.to_str()?.strip_suffix(ending)?.split_once('.')?;
        Some((binding.to_owned(), id_from_hex(id)?))
    };
    let mut found: Vec<_> = files::list(azward_home).iter().filter_map(named).collect();
    found.sort();
    found
}

/// The keys in files with this ending that are bound so.
pub(super) fn ids_of(azward_home: &Path, binding: &Binding, ending: &str) -> Vec<KeyId> {
    let binding = binding.id();
    named(azward_home, ending).into_iter().filter(|(of, _)| *of == binding).map(|(_, id)| id).collect()
}

/// The file with this ending of the key called `id`.
pub(super) fn path_of(azward_home: &Path, binding: &Binding, id: KeyId, ending: &str) -> PathBuf {
    azward_home.join(format!("{}.{}{ending}", binding.id(), hex(id)))
}

/// Puts `bytes` there, durably and in one step. The caller holds the key lock.
pub(super) fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    private::replace(path, bytes, 0o600).map_err(|error| Failure::storage("make", path, &error))
}

/// Removes what a process that was killed had begun to put at `path`, and what is there.
pub(super) fn remove(path: &Path) -> Result<()> {
    files::remove(&private::draft_of(path))?;
    files::remove(path)
}
