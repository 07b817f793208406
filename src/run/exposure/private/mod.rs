//! Private exposure: the whole token cache, refresh tokens and all, in a file that only the run can see, mounted over the
//! real one, which never holds any. The harvest reads that file through a descriptor of ours, whatever became of the run.
//! What goes to and fro is `exchange`. It needs the mount namespaces of Linux.
//!
//! While the run lives, a refresh token that az stores there goes into the vault at once, and what other processes renew
//! comes back the other way, so that runs side by side live with one another even where a refresh token is good for one
//! use. Whoever wipes the file at the end leaves what az needs no secret for.

mod exchange;
mod principals;
mod untouched;

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::PathBuf;
use std::sync::Mutex;

use zeroize::Zeroizing;

use self::principals::PrincipalsCopy;
use crate::azure::command::Subject;
use crate::credentials::CredentialFile;
use crate::credentials::merge::{Base, Brought};
use crate::credentials::origin::Origin;
use crate::failure::{Failure, Kind, Result, persist};
use crate::run::exposure::{AzEnd, Ending, Exposure, ExposureKind, Finding, GivenCredentials, Recipient, temp_cache};
use crate::run::manifest::{Files, Role};
use crate::store::lease::SharedLock;
use crate::store::section::CacheSection;
use crate::store::{CredentialStore, Forgetting};
use crate::sys::{self, CoveredFile, PrivateFiles, PrivateMount, Watch};
use crate::user_file;
use crate::vault;

/// A run's private copy of the token cache.
#[derive(Debug)]
pub(crate) struct PrivateCopy {
    /// The file, as az sees it.
    file: File,
    /// The namespace in which it is mounted, where it is still of use to keep that.
    namespace: Option<File>,
    /// What it was made of.
    pub(super) base: Base,
    /// What its az is given.
    given: GivenCredentials,
    /// Says that the run is going on.
    mount_lock: Option<SharedLock>,
    /// The access tokens that others renewed and that came to it since it was made.
    brought: Mutex<Brought>,
    /// Tells what az stores in it, and what others store in the vault and in the real cache.
    watch: Option<Watch>,
    /// How it was when it had been made, where an az that changes nothing leaves nothing to settle.
    untouched: Option<Untouched>,
    /// The copy of the list of service principals, where that is covered too.
    principals: Option<PrincipalsCopy>,
}

/// How a copy and the real cache looked, from outside, when the one had been made of the other.
#[derive(Debug)]
struct Untouched {
    copy: String,
    real: String,
}

/// A private mount that a child is to enter, and the lock that keeps its place from being taken away.
#[derive(Debug)]
pub(crate) struct Entrance {
    /// What is mounted where.
    pub mount: PrivateMount,
    /// Held since before there was something that a rename could take away.
    pub lock: SharedLock,
}

impl Entrance {
    /// A mount over the token cache, which is made if it is not there, and over the list of service principals, if there is one
    /// or `subject` may be about to make one.
    ///
    /// # Errors
    /// Why that cannot be, in words.
    pub(crate) fn new(store: &CredentialStore<'_>, subject: Subject) -> std::result::Result<Self, String> {
        let made = || -> Result<(PathBuf, SharedLock)> {
            let context = &store.app.context;
            let stage = context.azward_home.join("run/stage");
            let _presence = context.home_lock.enter()?;
            crate::private::make_dir(&stage)?;
            store.make_placeholder()?;
            if subject == Subject::Application {
                // Without it what az stores lies there until the end of the run.
                let _ = store.make_principals_placeholder();
            }
            Ok((stage, store.lease.mount_lock()?))
        };
        let (stage, lock) = made().map_err(|failure| failure.what)?;
        // Nobody brings it into memory unseen from here on: see `PrivateMount`.
        if store.is_in_memory() || store.has_principals_in_memory() {
            return Err("another az has the token cache in memory".to_owned());
        }
        let (target, principals) = (store.cache.target(), store.principals.target());
        // Each file that az keeps credentials in; the files of the mount come in this order.
        let mut covered = vec![CoveredFile { path: &target, name: "msal_token_cache.json", mode: 0o600 }];
        if store.principals.path().is_file() && store.exposed_secrets().is_ok() {
            covered.push(CoveredFile { path: &principals, name: "service_principal_entries.json", mode: 0o600 });
        }
        match PrivateMount::over(&covered, &stage) {
            Ok(Ok(mount)) => Ok(Self { mount, lock }),
            Ok(Err(reason)) => Err(reason.to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl PrivateCopy {
    /// The copy of a child that has entered its mount; `None` where there is no file for it.
    #[must_use]
    pub(crate) fn new(entered: PrivateFiles, mount_lock: SharedLock, given: GivenCredentials) -> Option<Self> {
        let mut files = entered.files.into_iter();
        let file = files.next()?;
        Some(Self {
            namespace: Some(entered.namespace),
            mount_lock: Some(mount_lock),
            principals: files.next().map(PrincipalsCopy::new),
            ..Self::of(file, Base::default(), given)
        })
    }

    /// The one that a guardian was told of; `None` when it cannot be harvested.
    pub(super) fn from_files(given: GivenCredentials, files: &mut Files) -> Option<Self> {
        let (file, mut base) = files.take(Role::Copy).zip(files.take(Role::Base))?;
        let mount_lock = files.take(Role::MountLock).map(SharedLock::from_file);
        let mut text = Vec::new();
        let read = base.rewind().and_then(|()| base.read_to_end(&mut text));
        let base = read.ok().and_then(|_| serde_json::from_slice(&text).ok()).unwrap_or_default();
        let principals = PrincipalsCopy::from_files(files);
        Some(Self { mount_lock, principals, ..Self::of(file, base, given) })
    }

    fn of(file: File, base: Base, given: GivenCredentials) -> Self {
        Self {
            file,
            namespace: None,
            base,
            given,
            mount_lock: None,
            brought: Mutex::default(),
            watch: None,
            untouched: None,
            principals: None,
        }
    }

    /// Reads it whole.
    ///
    /// # Errors
    /// `Storage`.
    pub(crate) fn read(&self) -> Result<Zeroizing<String>> {
        read_whole(&self.file)
    }

    /// Writes it whole.
    ///
    /// # Errors
    /// `Storage`.
    pub(crate) fn write(&self, text: &str) -> Result<()> {
        write_whole(&self.file, text)
    }
}

/// Reads a copy whole.
fn read_whole(mut file: &File) -> Result<Zeroizing<String>> {
    let size = file.metadata().map_or(0, |metadata| usize::try_from(metadata.len()).unwrap_or(0));
    // Room for the whole text at once: a buffer that grows leaves copies behind that nobody zeroes.
    let mut text = Zeroizing::new(String::with_capacity(size + 4096));
    file.rewind().and_then(|()| file.read_to_string(&mut text)).map_err(|error| unusable(&error))?;
    sys::keep_from_swap(text.as_bytes());
    Ok(text)
}

/// Writes a copy whole. az, which takes no lock to read, never finds it shorter than the new text, nor with something of the
/// old text at its end: white space fills the rest.
fn write_whole(mut file: &File, text: &str) -> Result<()> {
    let size = file.metadata().map_or(0, |metadata| usize::try_from(metadata.len()).unwrap_or(0));
    let mut padded = Zeroizing::new(String::with_capacity(size.max(text.len())));
    padded.push_str(text);
    while padded.len() < size {
        padded.push(' ');
    }
    let mut write = || file.rewind().and_then(|()| file.write_all(padded.as_bytes()));
    persist(|| write().map_err(|error| unusable(&error)))?;
    // An az that does not see the change at once sees it a little later.
    let _ = sys::set_modified_ahead(file);
    Ok(())
}

/// What a copy was made of, as a file to be handed over.
fn base_file(base: &Base) -> Option<File> {
    let text = serde_json::to_vec(base).unwrap_or_default();
    let mut file = sys::memory_file().ok()?;
    file.write_all(&text).ok()?;
    Some(file)
}

impl Exposure for PrivateCopy {
    fn kind(&self) -> ExposureKind {
        ExposureKind::Private
    }

    fn expose(&mut self, az: &Recipient<'_>, left_out: &[String]) -> Result<()> {
        az.store.expose_privately(self, az.origin(), left_out)?;
        if let Some(principals) = &mut self.principals {
            principals.expose(az.store, self.given, az.origin());
        }
        self.base.note_names(temp_cache::names_in(az.store.config_dir.path()));
        self.watch = az.store.watch(self);
        self.tell_guardian(az);
        Ok(())
    }

    fn tell_guardian(&self, az: &Recipient<'_>) {
        let Some(base) = base_file(&self.base) else { return };
        let principals = self.principals.as_ref().and_then(|copy| Some((&copy.file, copy.base_file()?)));
        let mount_lock = self.mount_lock.as_ref().map(SharedLock::as_file);
        let others = [
            (Role::MountLock, mount_lock),
            (Role::Namespace, self.namespace.as_ref()),
            (Role::Watch, self.watch.as_ref().map(Watch::as_file)),
            (Role::PrincipalsCopy, principals.as_ref().map(|(file, _)| *file)),
            (Role::PrincipalsBase, principals.as_ref().map(|(_, base)| base)),
        ];
        let others = others.into_iter().filter_map(|(role, file)| Some((role, file?)));
        let files: Vec<_> = [(Role::Copy, &self.file), (Role::Base, &base)].into_iter().chain(others).collect();
        az.tell_guardian(self.kind(), &files);
    }

    fn principals_handicap(&self) -> Option<&Failure> {
        self.principals.as_ref()?.handicap.as_ref()
    }

    fn watched(&self) -> Option<&File> {
        self.watch.as_ref().map(Watch::as_file)
    }

    fn keep_together(&self, store: &CredentialStore<'_>, origin: Origin<'_>) {
        self.watch.iter().for_each(Watch::drain);
        // What is stored here is told as well, and finds nothing left to do; to forget it would be to forget what az stores
        // at the same moment. A copy that az is writing at this moment is not whole; the next change tells of it again.
        let _ = store.harvest_living(self, origin).and_then(|()| store.refresh_living(self));
        let _ = self.principals.as_ref().map_or(Ok(()), |copy| copy.harvest_living(store, origin));
    }

    fn settle(mut self: Box<Self>, store: &CredentialStore<'_>, ending: Ending<'_>) -> Result<Finding> {
        let principals = self.principals.take();
        let is_untouched = principals.as_ref().is_none_or(|copy| copy.is_untouched(store));
        let settled = self.settle_cache(store, &ending);
        // The mount may go by now, and with it what would keep the real list from being replaced.
        let principals = principals.map_or(Ok(()), |copy| match is_untouched && is_without_effect(&ending) {
            true => copy.wipe(),
            false => copy.settle(store, ending.forgetting, ending.origin),
        });
        let finding = settled?;
        principals.map(|()| finding)
    }
}

/// Whether az did what it was told, and that took nobody out.
fn is_without_effect(ending: &Ending<'_>) -> bool {
    (ending.az, ending.forgetting) == (AzEnd::Succeeded, Forgetting::Never)
}

impl PrivateCopy {
    fn settle_cache(&mut self, store: &CredentialStore<'_>, ending: &Ending<'_>) -> Result<Finding> {
        if self.is_to_be_wiped_only(store, ending) && store.wipe_untouched(self)? {
            return Ok(Finding::Nothing);
        }
        let temp_caches = match ending.az {
            AzEnd::Error | AzEnd::Failed => temp_cache::left_behind(store, &self.base),
            AzEnd::Succeeded | AzEnd::NeverBegan => Vec::new(),
        };
        for temp_cache in &temp_caches {
            self.write(&temp_cache.taken_into(self.read()?, &self.base)?)?;
        }
        store.settle_privately(self, ending.forgetting, ending.origin)?;
        let renames = temp_cache::clear_up(store, &temp_caches)?;
        Ok(if renames { Finding::Renames } else { Finding::Nothing })
    }
}

impl CredentialStore<'_> {
    /// Watches a living run's copy, and what could be of interest to it.
    fn watch(&self, copy: &PrivateCopy) -> Option<Watch> {
        let watch = Watch::new().ok()?;
        watch.add_file(&copy.file).ok()?;
        if let Some(principals) = &copy.principals {
            let _ = watch.add_file(&principals.file);
        }
        let sealed = self.app.context.azward_home.join(vault::DIRECTORY_BESIDE);
        for directory in [self.vault.parent(), self.config_dir.path(), &sealed] {
            // A directory that is not there yet has nothing to tell.
            let _ = watch.add_directory(directory);
        }
        Some(watch)
    }

    /// Makes the file that a private mount needs to cover, as az would: an empty one is an empty cache to MSAL.
    ///
    /// # Errors
    /// `Storage`.
    pub(in crate::run) fn make_placeholder(&self) -> Result<()> {
        let path = self.cache.path();
        if path.exists() {
            return Ok(());
        }
        let failed = |error| Failure::storage("make", path, &error);
        user_file::make_dir(self.config_dir.path()).map_err(failed)?;
        match sys::create_new(path, 0o600) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            made => {
                user_file::give(&made.map_err(failed)?, path);
                Ok(())
            }
        }
    }

    /// Removes that file if nothing was ever put into it.
    pub(in crate::run) fn remove_placeholder(&self, _locked: &CacheSection<'_>) -> Result<()> {
        let path = self.cache.path();
        let Some(_no_mounts) = self.lease.no_mounts() else { return Ok(()) };
        // A link is somebody's, or leads into memory for another run.
        if path.symlink_metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0) {
            std::fs::remove_file(path).map_err(|error| Failure::storage("remove", path, &error))?;
        }
        Ok(())
    }
}

fn unusable(error: &std::io::Error) -> Failure {
    Failure::new(
        Kind::Storage,
        format!("the run's private token cache cannot be used: {error}"),
        "run `azward config set exposure in-place` if this goes on",
    )
}
