//! The copies of the token file that runs have for themselves: one file for each, which only its az is told of, in memory where that
//! can be had, else in the azward home. Whoever has one holds a lock beside it, `run/<directory>.copy-<n>.lock` in the azward home,
//! and so does its guardian; a copy whose lock is free is a dead run's. What its az stored there goes into the vault, and it is
//! removed. One that cannot be taken in stays, and is tried again. In the lock is written what the copy was made of, without any secret:
//! whom it had then and has no more was signed out.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::AdalPlace;
use crate::azure::profile::Profile;
use crate::credentials::adal::{AdalFile, AdalTokens};
use crate::credentials::file::WriteMode;
use crate::credentials::merge::Base;
use crate::credentials::origin::{Order, Origin};
use crate::credentials::service_principals::Replaced;
use crate::credentials::{CredentialFile, Document, edit};
use crate::failure::{Failure, Result};
use crate::lock::{Lock, Mode};
use crate::private;
#[cfg(target_os = "linux")]
use crate::run::exposure::memory;
use crate::run::exposure::policy;
use crate::run::whole_files::remove;
use crate::settings::ExposureChoice;
use crate::store::{CredentialStore, LOCK_DEADLINE};
use crate::vault::Owner;

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
        let own = name.strip_prefix(store.config_dir.id())?.strip_prefix(".copy-")?;
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
            // What another's was made of.
            let failed = |error: &io::Error| Failure::storage("empty", &lock_path, error);
            if lock.as_file().metadata().map_err(|error| failed(&error))?.len() > 0 {
                lock.as_file().set_len(0).map_err(|error| failed(&error))?;
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

    /// Notes what it was made of, once that is in it. Where that fails nobody is taken for signed out if its run dies.
    pub(crate) fn note(&self, base: &Base) {
        if let Ok(line) = serde_json::to_vec(base) {
            let _ = self.lock.as_file().write_all(&line);
        }
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

/// Takes what dead runs of the store's directory have stored in their copies into the vault, and removes those. Whom one has signed out,
/// as the `profile` says too, is forgotten.
///
/// # Errors
/// Whatever kept it from doing so; what could not be taken in is where it was.
pub(crate) fn take_in_dead(store: &CredentialStore<'_>, profile: &Path) -> Result<()> {
    let mut outcome = Ok(());
    let mut numbers: Vec<Number> =
        names_in(&run_directory(store)).filter_map(|name| Number::of_lock(store, &name)).collect();
    // What came last counts.
    numbers.sort_by_key(|number| number.changed_at(store));
    for number in numbers {
        let lock_path = number.lock_path(store);
        let Some(dead) = Lock::attempt(&lock_path, Mode::Exclusive)? else { continue };
        let base = base_in(&dead);
        let take_in = |(path, name): (PathBuf, String)| take_in(store, path, &name, &base, profile);
        let taken = number.copies(store).into_iter().try_for_each(take_in);
        match taken {
            Ok(()) => remove(&lock_path)?,
            Err(failure) => outcome = Err(failure),
        }
    }
    outcome
}

fn take_in(store: &CredentialStore<'_>, path: PathBuf, name: &str, base: &Base, profile: &Path) -> Result<()> {
    let file = AdalFile::at(path);
    let text = file.read()?.unwrap_or_default();
    // One that was torn when its az was killed has nothing that can be used; what was handed over the vault has.
    let tokens = AdalTokens::parse(&text, name).ok().filter(|_| !text.trim().is_empty());
    if let Some(tokens) = tokens
        && (tokens.secret_count() > 0 || !base.handed().is_empty())
    {
        let _presence = store.app.context.home_lock.enter()?;
        let vault = store.prepared()?.enter_vault()?;
        let real = AdalFile::at(store.config_dir.path().join(name));
        let section = store.lock_file(&real, LOCK_DEADLINE)?;
        let list = AdalTokens::parse(section.text(), name)?;
        let gone = signed_out(&tokens, base, &list, profile)?;
        let mut opened = vault.open_or_replace(&tokens)?;
        opened.harvest_adal(&tokens, Origin::Sweep, Order::Ran, Replaced::IsOld)?;
        opened.forget_adal(&gone, &tokens)?;
        opened.commit().stored?;
        if let Some(text) = edit::sign_out(&list, &gone)? {
            section.put_at_rest(&text)?;
        }
    }
    remove(file.path())
}

/// What the dead run's copy was made of, as its lock says.
fn base_in(lock: &Lock) -> Base {
    let mut text = Vec::new();
    let read = lock.as_file().read_to_end(&mut text);
    read.ok().and_then(|_| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

/// Whom the dead run has signed out: those that its copy had and has no more, whom the profile no longer knows either, and who have not
/// come back to the real list meanwhile. The profile alone is no proof: it may give their subscriptions to somebody else.
fn signed_out(copy: &AdalTokens<'_>, base: &Base, real: &AdalTokens<'_>, profile: &Path) -> Result<Vec<Owner>> {
    let left = copy.owners()?;
    let mut gone: Vec<Owner> = base.handed().iter().filter(|owner| !left.contains(*owner)).cloned().collect();
    if gone.is_empty() {
        return Ok(gone);
    }
    let Some(profile) = Profile::read_whole(profile) else { return Ok(Vec::new()) };
    let names = real.section_names();
    let [bare, _] = &*names else { return Ok(Vec::new()) };
    let entries = real.section(bare)?;
    let came_back: Vec<Owner> =
        entries.into_iter().filter(|entry| !base.had(bare, entry)).filter_map(AdalTokens::owner).collect();
    gone.retain(|owner| !profile.names(&owner.home_account_id) && !came_back.contains(owner));
    Ok(gone)
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
