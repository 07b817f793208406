//! A login: what a vault, a rotation lock and a flight belong to. That of a config directory is its own, unless the directory
//! is registered as a *view* of another's: then vault and rotations are that one's, and what az writes is the view's. The
//! register is a small file for each view in the azward home's `views`. A view's file that cannot be read or understood is
//! none: the directory is then what it was before, a login of its own, and what az has there is not lost.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::azure::ConfigDir;
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::private;
use crate::secret::fingerprint;
use crate::sys;
use crate::text;

/// The directory of the register, in an azward home.
const VIEWS: &str = "views";

/// Whose vault it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    id: String,
    directory: PathBuf,
}

/// What the register says of one view.
#[derive(Debug, Deserialize, Serialize)]
struct Registered {
    /// The view's config directory, every link resolved.
    directory: String,
    /// The config directory whose login it is a view of, every link resolved.
    login: String,
}

impl Login {
    /// The login of `config_dir`: its own, or the one that it is a view of.
    #[must_use]
    pub fn of(context: &Context, config_dir: &ConfigDir) -> Self {
        match read(&file_of(context, config_dir.id())) {
            Some(view) if Path::new(&view.directory) == config_dir.canonical() => {
                // As it was called then, whatever has become of the links on the way there.
                let directory = PathBuf::from(view.login);
                Self { id: fingerprint(directory.as_os_str().as_encoded_bytes()), directory }
            }
            _ => Self::own(config_dir),
        }
    }

    /// The login that is that directory's own.
    #[must_use]
    pub fn own(config_dir: &ConfigDir) -> Self {
        Self { id: config_dir.id().to_owned(), directory: config_dir.canonical().to_owned() }
    }

    /// The one of which a vault tells.
    pub(super) fn named(id: String, directory: PathBuf) -> Self {
        Self { id, directory }
    }

    /// Its name in those of its files.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The config directory whose own it is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether `config_dir` is a view of it, and not the directory whose own it is.
    #[must_use]
    pub fn is_viewed_in(&self, config_dir: &ConfigDir) -> bool {
        self.directory != config_dir.canonical()
    }

    /// The config directories that are views of it, be they there or not.
    #[must_use]
    pub fn views(&self, context: &Context) -> Vec<PathBuf> {
        let files = std::fs::read_dir(context.azward_home.join(VIEWS)).into_iter().flatten().flatten();
        let mut views: Vec<PathBuf> = files
            .filter_map(|file| read(&file.path()))
            .filter(|view| Path::new(&view.login) == self.directory)
            .map(|view| PathBuf::from(view.directory))
            .collect();
        views.sort();
        views
    }

    /// Registers `view` as a view of it. It must be no login of its own.
    ///
    /// # Errors
    /// `Usage` for a path that is not text, `Storage`.
    pub fn register(&self, context: &Context, view: &ConfigDir) -> Result<()> {
        let as_text = |path: &Path| {
            path.to_str().map(str::to_owned).ok_or_else(|| {
                Failure::new(
                    Kind::Usage,
                    format!("the name of `{}` is not text", text::path(path)),
                    "name a directory that is written in UTF-8",
                )
            })
        };
        let registered = Registered { directory: as_text(view.canonical())?, login: as_text(&self.directory)? };
        let path = file_of(context, view.id());
        let directory = context.azward_home.join(VIEWS);
        private::make_dir(&directory)?;
        let bytes = serde_json::to_vec_pretty(&registered).unwrap_or_default();
        private::replace(&path, &bytes, 0o600)
            .and_then(|()| sys::sync_dir(&directory))
            .map_err(|error| Failure::storage("write", &path, &error))
    }
}

/// Takes the view `config_dir` off the register; it is a login of its own from then on.
///
/// # Errors
/// `Storage`.
pub fn unregister_view(context: &Context, config_dir: &ConfigDir) -> Result<()> {
    let path = file_of(context, config_dir.id());
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::storage("remove", &path, &error)),
        _ => Ok(()),
    }
}

fn file_of(context: &Context, id: &str) -> PathBuf {
    context.azward_home.join(VIEWS).join(format!("{id}.json"))
}

fn read(path: &Path) -> Option<Registered> {
    serde_json::from_slice(&private::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::HOME;

    #[test]
    fn a_view_has_the_login_it_was_registered_with_and_a_broken_register_makes_it_its_own() {
        let root = tempfile::tempdir().unwrap();
        let context = Context::new([(HOME.into(), root.path().into())], None);
        let (own, view) = (ConfigDir::at(&root.path().join("a")), ConfigDir::at(&root.path().join("b")));
        assert_eq!(Login::of(&context, &view), Login::own(&view));
        let login = Login::own(&own);
        login.register(&context, &view).unwrap();
        assert_eq!(Login::of(&context, &view), login);
        assert!(login.is_viewed_in(&view) && !login.is_viewed_in(&own));
        assert_eq!(login.views(&context), [view.canonical()]);
        let path = file_of(&context, view.id());
        let whole = std::fs::read(&path).unwrap();
        for torn in [&b""[..], &whole[..whole.len() / 2], b"[]", b"{\"directory\": 1}"] {
            std::fs::write(&path, torn).unwrap();
            assert_eq!(Login::of(&context, &view), Login::own(&view));
            assert!(login.views(&context).is_empty());
        }
        std::fs::write(&path, &whole).unwrap();
        unregister_view(&context, &view).unwrap();
        unregister_view(&context, &view).unwrap();
        assert_eq!(Login::of(&context, &view), Login::own(&view));
    }
}
