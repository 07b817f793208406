//! The copies of the token file that runs have for themselves: one file for each, which only its az is told of, in memory where that
//! can be had, else in the azward home. Whoever has one holds a lock beside it, `run/<directory>.copy-<n>.lock` in the azward home,
//! and so does its guardian; a copy whose lock is free is a dead run's. What its az stored there goes into the vault, and it is
//! removed. One that cannot be taken in stays, and is tried again.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::AdalPlace;
use crate::credentials::CredentialFile;
use crate::credentials::adal::{AdalFile, AdalTokens};
use crate::credentials::file::WriteMode;
use crate::credentials::origin::{Order, Origin};
use crate::credentials::service_principals::Replaced;
use crate::failure::{Failure, Result};
use crate::lock::{Lock, Mode};
use crate::private;
#[cfg(target_os = "linux")]
use crate::run::exposure::memory;
use crate::run::exposure::policy;
use crate::settings::ExposureChoice;
use crate::store::CredentialStore;

/// How many copies there may be at once, the dead ones that could not be taken in among them.
const MOST: u32 = 10_000;

/// One run's copy.
#[derive(Debug)]
pub(crate) struct RunCopy {
    file: AdalFile,
    lock: Lock,
    lock_path: PathBuf,
}

/// What a copy is called, but for where it is.
#[derive(Clone, Copy)]
struct Number(u32);

impl Number {
    fn lock_path(self, store: &CredentialStore<'_>) -> PathBuf {
        let name = format!("{}.copy-{}.lock", store.config_dir.id(), self.0);
        run_directory(store).join(name)
    }

    /// In memory.
    fn in_memory(self, directory: &Path, name: &str) -> PathBuf {
        directory.join(format!("copy-{}-{name}", self.0))
    }

    /// In the azward home.
    fn on_disk(self, store: &CredentialStore<'_>, name: &str) -> PathBuf {
        run_directory(store).join(format!("{}.copy-{}-{name}", store.config_dir.id(), self.0))
    }

    /// The copies of that number, each with the name of the file that it is one of.
    fn copies(self, store: &CredentialStore<'_>) -> Vec<(PathBuf, String)> {
        let below = |directory: &Path, start: &str| {
            let found = names_in(directory).filter_map(|name| {
                let own = name.strip_prefix(start)?.to_owned();
                Some((directory.join(name), own))
            });
            found.collect::<Vec<_>>()
        };
        let mut found = below(&run_directory(store), &format!("{}.copy-{}-", store.config_dir.id(), self.0));
        if let Ok(memory) = memory_of(store) {
            found.extend(below(&memory, &format!("copy-{}-", self.0)));
        }
        found
    }

    /// When the last of them was written.
    fn changed_at(self, store: &CredentialStore<'_>) -> Option<SystemTime> {
        let copies = self.copies(store).into_iter();
        copies.filter_map(|(path, _)| path.metadata().and_then(|metadata| metadata.modified()).ok()).max()
    }

    /// The number of the lock with this file name, if it is one of the store's config directory.
    fn of_lock(store: &CredentialStore<'_>, name: &str) -> Option<Self> {
        let own = name.strip_prefix(&store.config_dir.id())?.strip_prefix(".copy-")?;
        own.strip_suffix(".lock")?.parse().ok().map(Self)
    }
}

impl RunCopy {
    /// A copy with nothing in it, for an az that has `place`'s secrets.
    ///
    /// # Errors
    /// `Storage`: also where it would have to be on a disk and is not to be.
    pub(crate) fn begin(place: &AdalPlace, store: &CredentialStore<'_>) -> Result<Self> {
        let memory = memory_of(store);
        let choice = store.app.settings.exposure.value;
        let directory = match (memory, choice) {
            (Ok(directory), ExposureChoice::Auto | ExposureChoice::Private | ExposureChoice::Memory) => Some(directory),
            (Err(reason), ExposureChoice::Private | ExposureChoice::Memory) => return Err(policy::refused(&reason)),
            (_, ExposureChoice::InPlace) | (Err(_), ExposureChoice::Auto) => None,
        };
        let _presence = store.app.context.home_lock.enter()?;
        private::make_dir(&run_directory(store))?;
        for number in (0..MOST).map(Number) {
            let lock_path = number.lock_path(store);
            let Some(lock) = Lock::attempt(&lock_path, Mode::Exclusive)? else { continue };
            let path = match &directory {
                Some(directory) => number.in_memory(directory, &place.name),
                None => number.on_disk(store, &place.name),
            };
            // A dead run's, that could not be taken in.
            if path.symlink_metadata().is_ok() {
                continue;
            }
            let copy = Self { file: AdalFile::at(path), lock, lock_path };
            copy.fill("[]")?;
            return Ok(copy);
        }
        let error = io::Error::other("there are too many copies");
        Err(Failure::storage("make a copy in", &run_directory(store), &error))
    }

    /// Where it is: what az is told.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// The lock that says that it is in use.
    #[must_use]
    pub(crate) fn lock(&self) -> &std::fs::File {
        self.lock.as_file()
    }

    /// Puts `text` into it.
    ///
    /// # Errors
    /// `Storage`.
    pub(crate) fn fill(&self, text: &str) -> Result<()> {
        self.file.file().replace(text.as_bytes(), WriteMode::RenameUnflushed)
    }

    /// What is in it; `None` where az has removed it.
    ///
    /// # Errors
    /// `CacheForeign`, `Storage`.
    pub(crate) fn text(&self) -> Result<Option<Zeroizing<String>>> {
        self.file.read()
    }

    /// Removes it.
    ///
    /// # Errors
    /// `Storage`.
    pub(crate) fn remove(self) -> Result<()> {
        remove(self.file.path())?;
        remove(&self.lock_path)
    }
}

/// Takes what dead runs of the store's directory have stored in their copies into the vault, and removes those.
///
/// # Errors
/// Whatever kept it from doing so; what could not be taken in is where it was.
pub(crate) fn take_in_dead(store: &CredentialStore<'_>) -> Result<()> {
    let mut outcome = Ok(());
    let mut numbers: Vec<Number> =
        names_in(&run_directory(store)).filter_map(|name| Number::of_lock(store, &name)).collect();
    // What came last counts.
    numbers.sort_by_key(|number| number.changed_at(store));
    for number in numbers {
        let lock_path = number.lock_path(store);
        let Some(_dead) = Lock::attempt(&lock_path, Mode::Exclusive)? else { continue };
        let taken = number.copies(store).into_iter().try_for_each(|(path, name)| take_in(store, path, &name));
        match taken {
            Ok(()) => remove(&lock_path)?,
            Err(failure) => outcome = Err(failure),
        }
    }
    outcome
}

fn take_in(store: &CredentialStore<'_>, path: PathBuf, name: &str) -> Result<()> {
    let file = AdalFile::at(path);
    let text = file.read()?.unwrap_or_default();
    // One that was torn when its az was killed has nothing that can be used; what was handed over the vault has.
    if let Ok(tokens) = AdalTokens::parse(&text, name)
        && tokens.secret_count() > 0
    {
        let _presence = store.app.context.home_lock.enter()?;
        let vault = store.prepared()?.enter_vault()?;
        let mut opened = vault.open_or_replace(&tokens)?;
        opened.harvest_adal(&tokens, Origin::Sweep, Order::Ran, Replaced::IsOld)?;
        opened.commit().stored?;
    }
    remove(file.path())
}

fn names_in(directory: &Path) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

fn run_directory(store: &CredentialStore<'_>) -> PathBuf {
    store.app.context.azward_home.join("run")
}

/// The directory in memory for the store's config directory; why there is none.
fn memory_of(store: &CredentialStore<'_>) -> std::result::Result<PathBuf, String> {
    #[cfg(target_os = "linux")]
    return memory::place(&store.app.context, store.config_dir)
        .map(|cache| cache.parent().map_or_else(PathBuf::new, Path::to_owned));
    #[cfg(not(target_os = "linux"))]
    {
        let _ = store;
        Err(policy::NO_MEMORY.to_owned())
    }
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::storage("remove", path, &error)),
        _ => Ok(()),
    }
}
