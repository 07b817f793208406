//! One change of the settings' file, in one step: the old file stays as it is where the new one would not be understood or cannot
//! be written. The first one takes over what `config.json` of the first version had, which then is put aside. Who changes it
//! has the home's lock alone.

use std::path::Path;

use super::file::Draft;
use super::first_version::{self, FirstVersion};
use super::key::{Key, Value};
use super::{Settings, TAKEN_OVER, not_understood, read};
use crate::failure::{Failure, Result};
use crate::home_lock::Alone;
use crate::private;

/// What is to be changed.
#[derive(Debug)]
pub enum Change<'a> {
    /// A setting is to be this.
    Set(Key, Value),
    /// A setting, or what stands there without being one, is not to be set.
    Unset(&'a str),
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edited {
    /// Whether the file has something else now.
    pub is_changed: bool,
    /// Whether it has what `config.json` had, and that is put aside.
    pub took_over: bool,
}

/// Makes the change in the file of `azward_home`.
///
/// # Errors
/// [`Kind::Usage`](crate::failure::Kind::Usage) where the setting cannot be that, or the file would not be understood;
/// [`Kind::Storage`](crate::failure::Kind::Storage) where it cannot be read or written.
pub fn edit(azward_home: &Path, change: &Change<'_>, _alone: &Alone) -> Result<Edited> {
    if let Change::Set(key, value) = change {
        key.put(value, &mut Settings::default())?;
    }
    let [path, first_version] = Settings::paths(azward_home);
    let old = read(&path)?;
    let mut draft = match &old {
        Some(text) => Draft::of(text).map_err(|failure| not_understood(&path, failure))?,
        None => Draft::new(match read(&first_version)? {
            Some(text) => first_version::read(&text, &first_version)?,
            None => FirstVersion::default(),
        }),
    };
    match change {
        Change::Set(key, value) => draft.set(*key, value),
        Change::Unset(name) => {
            draft.unset(name);
        }
    }
    let text = draft.text().map_err(|failure| not_understood(&path, failure))?;
    let is_changed = old.as_deref() != Some(text.as_bytes());
    if is_changed {
        let failed = |error: std::io::Error| Failure::storage("write", &path, &error);
        private::replace(&path, text.as_bytes(), 0o600).map_err(failed)?;
    }
    // As well where whoever took it over was killed before this.
    let took_over = std::fs::rename(&first_version, azward_home.join(TAKEN_OVER)).is_ok();
    Ok(Edited { is_changed, took_over })
}
