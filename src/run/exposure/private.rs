//! Private exposure: the whole token cache, refresh tokens and all, in a file that only the run can see, mounted over the
//! real one, which never holds any. The harvest reads that file through a descriptor of ours, whatever became of the run.
//! Critical section and order are those of `section`. It needs the mount namespaces of Linux.
//!
//! While the run lives, a refresh token that az stores there goes into the vault at once, and what other processes renew
//! comes back the other way, so that runs side by side live with one another even where a refresh token is good for one
//! use. Whoever wipes the file at the end leaves what az needs no secret for.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

use crate::azure::profile::Profile;
use crate::credentials::merge::{Base, Brought, Missing, gone_elsewhere, merge};
use crate::credentials::msal::{self, Entry, Section, TokenCache};
use crate::credentials::origin::Origin;
use crate::credentials::rivals::Order;
use crate::credentials::{Credential, CredentialFile};
use crate::failure::{Failure, Kind, Result, persist};
use crate::run::exposure::{AzEnd, Ending, Exposure, ExposureKind, Finding, GivenCredentials, Recipient, temp_cache};
use crate::run::manifest::{Files, Role};
use crate::store::lease::MountLock;
use crate::store::section::{CacheSection, OnDisk, Opened};
use crate::store::{CredentialStore, Forgetting};
use crate::sys::{self, CoveredFile, PrivateFiles, PrivateMount, Watch};
use crate::user_file;
use crate::vault::Owner;

/// A run's private copy of the token cache.
#[derive(Debug)]
pub struct PrivateCopy {
    /// The file, as az sees it.
    file: File,
    /// The namespace in which it is mounted, where it is still of use to keep that.
    namespace: Option<File>,
    /// What it was made of.
    pub(super) base: Base,
    /// What its az is given.
    given: GivenCredentials,
    /// Says that the run is going on.
    mount_lock: Option<MountLock>,
    /// The access tokens that others renewed and that came to it since it was made.
    brought: Mutex<Brought>,
    /// Tells what az stores in it, and what others store in the vault and in the real cache.
    watch: Option<Watch>,
}

/// A private mount that a child is to enter, and the lock that keeps its place from being taken away.
#[derive(Debug)]
pub struct Entrance {
    /// What is mounted where.
    pub mount: PrivateMount,
    /// Held since before there was something that a rename could take away.
    pub lock: MountLock,
}

impl Entrance {
    /// A mount over the token cache, which is made if it is not there.
    ///
    /// # Errors
    /// Why that cannot be, in words.
    pub fn new(store: &CredentialStore<'_>) -> std::result::Result<Self, String> {
        let made = || -> Result<(PathBuf, MountLock)> {
            let context = &store.app.context;
            let stage = context.azward_home.join("run/stage");
            let _presence = context.home_lock.enter()?;
            crate::private::make_dir(&stage)?;
            store.make_placeholder()?;
            Ok((stage, store.lease.mount_lock()?))
        };
        let (stage, lock) = made().map_err(|failure| failure.what)?;
        let target = store.cache.target();
        // Each file that az keeps credentials in; the files of the mount come in this order.
        let covered = [CoveredFile { path: &target, name: "msal_token_cache.json", mode: 0o600 }];
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
    pub fn new(entered: PrivateFiles, mount_lock: MountLock, given: GivenCredentials) -> Option<Self> {
        let file = entered.files.into_iter().next()?;
        Some(Self {
            namespace: Some(entered.namespace),
            mount_lock: Some(mount_lock),
            ..Self::of(file, Base::default(), given)
        })
    }

    /// The one that a guardian was told of; `None` when it cannot be harvested.
    pub(super) fn from_files(given: GivenCredentials, files: &mut Files) -> Option<Self> {
        let (file, mut base) = files.take(Role::Copy).zip(files.take(Role::Base))?;
        let mount_lock = files.take(Role::MountLock).map(MountLock::from_file);
        let mut text = Vec::new();
        let read = base.rewind().and_then(|()| base.read_to_end(&mut text));
        let base = read.ok().and_then(|_| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Some(Self { mount_lock, ..Self::of(file, base, given) })
    }

    fn of(file: File, base: Base, given: GivenCredentials) -> Self {
        Self { file, namespace: None, base, given, mount_lock: None, brought: Mutex::default(), watch: None }
    }

    /// Reads it whole.
    ///
    /// # Errors
    /// `Storage`.
    pub fn read(&self) -> Result<Zeroizing<String>> {
        let mut file = &self.file;
        let size = file.metadata().map_or(0, |metadata| usize::try_from(metadata.len()).unwrap_or(0));
        // Room for the whole text at once: a buffer that grows leaves copies behind that nobody zeroes.
        let mut text = Zeroizing::new(String::with_capacity(size + 4096));
        file.rewind().and_then(|()| file.read_to_string(&mut text)).map_err(|error| unusable(&error))?;
        sys::keep_from_swap(text.as_bytes());
        Ok(text)
    }

    /// Writes it whole. az, which takes no lock to read, never finds it shorter than the new text, nor with something of the
    /// old text at its end: white space fills the rest.
    ///
    /// # Errors
    /// `Storage`.
    pub fn write(&self, text: &str) -> Result<()> {
        let mut file = &self.file;
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
}

impl Exposure for PrivateCopy {
    fn kind(&self) -> ExposureKind {
        ExposureKind::Private
    }

    fn expose(&mut self, az: &Recipient<'_>, left_out: &[String]) -> Result<()> {
        az.store.expose_privately(self, az.origin(), left_out)?;
        self.base.note_names(temp_cache::names_in(az.store.config_dir.path()));
        self.watch = az.store.watch(self);
        self.tell_guardian(az);
        Ok(())
    }

    fn tell_guardian(&self, az: &Recipient<'_>) {
        let base = serde_json::to_vec(&self.base).unwrap_or_default();
        let Ok(mut file) = sys::memory_file() else { return };
        if file.write_all(&base).is_err() {
            return;
        }
        let mount_lock = self.mount_lock.as_ref().map(MountLock::as_file);
        let others = [
            (Role::MountLock, mount_lock),
            (Role::Namespace, self.namespace.as_ref()),
            (Role::Watch, self.watch.as_ref().map(Watch::as_file)),
        ];
        let others = others.into_iter().filter_map(|(role, file)| Some((role, file?)));
        let files: Vec<_> = [(Role::Copy, &self.file), (Role::Base, &file)].into_iter().chain(others).collect();
        az.guardian.watch(az, self.kind(), &files);
    }

    fn watched(&self) -> Option<&File> {
        self.watch.as_ref().map(Watch::as_file)
    }

    fn keep_together(&self, store: &CredentialStore<'_>, origin: Origin<'_>) {
        self.watch.iter().for_each(Watch::drain);
        // What is stored here is told as well, and finds nothing left to do; to forget it would be to forget what az stores
        // at the same moment. A copy that az is writing at this moment is not whole; the next change tells of it again.
        let _ = store.harvest_living(self, origin).and_then(|()| store.refresh_living(self));
    }

    fn settle(mut self: Box<Self>, store: &CredentialStore<'_>, ending: Ending<'_>) -> Result<Finding> {
        let temp_caches = match ending.az {
            AzEnd::Failed => temp_cache::take_in(store, &self)?,
            AzEnd::Succeeded | AzEnd::NeverBegan => Vec::new(),
        };
        store.settle_privately(&mut self, ending.forgetting, ending.origin)?;
        let renames = temp_cache::clear_up(store, &temp_caches)?;
        Ok(if renames { Finding::Renames } else { Finding::Nothing })
    }
}

/// What became of the vault at a run's end.
struct Settled {
    on_disk: Option<OnDisk>,
    has_forgotten: bool,
}

impl CredentialStore<'_> {
    /// Puts the whole cache into the copy, without the access tokens `left_out`, taking in first what is new in the real one.
    ///
    /// # Errors
    /// Whatever kept it from doing so; az can run all the same, with what the real file has.
    fn expose_privately(&self, copy: &mut PrivateCopy, by: Origin<'_>, left_out: &[String]) -> Result<()> {
        if self.has_nothing() || copy.given == GivenCredentials::None {
            // Where there is nothing there is nothing to guard either: a lock that a killed shim leaves is in az's way.
            let locked = (!self.has_nothing()).then(|| self.lock_cache()).transpose()?;
            let unlocked = if locked.is_none() { self.cache.read()? } else { None };
            let text =
                locked.as_ref().map_or_else(|| unlocked.as_deref().map_or("", String::as_str), CacheSection::text);
            let cache = TokenCache::parse(text)?;
            let handed = match cache.has_refresh_token()? {
                false => Zeroizing::new(text.to_owned()),
                true => cache.with_entries(Section::RefreshToken, &[]),
            };
            copy.base = Base::of(&cache, &TokenCache::parse(&handed)?, self.app.context.now())?;
            return copy.write(&handed);
        }
        let section = self.prepared()?.enter()?;
        let cache = section.cache.parse()?;
        let mut opened = section.vault.open_or_replace(&cache)?;
        opened.harvest(&cache, by, self.order())?;
        let committed = opened.commit();
        self.note_taken_in(&committed);
        let profile = Profile::read(&self.config_dir.profile());
        let injected = msal::inject(&cache, committed.contents(), |name| profile.has_user(name))?;
        let whole = injected.as_deref().map_or_else(|| section.cache.text(), String::as_str);
        let handed = TokenCache::parse(whole)?;
        copy.base = Base::of(&cache, &handed, self.app.context.now())?;
        if left_out.is_empty() {
            return copy.write(whole);
        }
        copy.base.leave_out(Section::AccessToken.name(), left_out);
        let mut tokens = handed.entries(Section::AccessToken)?;
        tokens.retain(|entry| !left_out.iter().any(|key| key == entry.key));
        copy.write(&handed.with_entries(Section::AccessToken, &tokens))
    }

    /// Ends a run's private exposure: takes what it changed into the vault and the rest into the real cache, and wipes the
    /// copy. What the vault cannot take goes into the real cache, as az itself would have left it.
    ///
    /// # Errors
    /// Whatever kept it from doing so. A copy that az left torn is `CacheForeign`, and the login is as it was before.
    fn settle_privately(&self, copy: &mut PrivateCopy, forgetting: Forgetting, by: Origin<'_>) -> Result<()> {
        let text = copy.read()?;
        let after = TokenCache::parse(&text)?;
        let brought = std::mem::take(copy.brought.get_mut().unwrap_or_else(PoisonError::into_inner));
        copy.base.add(Section::AccessToken.name(), brought);
        // An empty copy is a write cut short, not a logout.
        let forgetting = if text.trim().is_empty() { Forgetting::Never } else { forgetting };
        let stored = self.settle_vault(&copy.base, &after, forgetting, by);
        let homeless = if stored.is_err() { copy.base.stored_since(&after)? } else { Vec::new() };
        let homeless: Vec<Entry<'_>> = homeless.iter().map(Credential::as_entry).collect();

        // From here on the mount may go. azward may not: what is scrubbed below is in the vault.
        let presence = self.app.context.home_lock.enter();
        if let Some(mount_lock) = copy.mount_lock.take() {
            mount_lock.end();
        }
        let section = self.lock_cache()?;
        let real = section.parse()?;
        // az logs out of an account of which the vault has nothing, too.
        let has_logged_out = match forgetting {
            Forgetting::Vanished | Forgetting::Removed => stored.is_ok(),
            Forgetting::Never | Forgetting::IfProven => stored.as_ref().is_ok_and(|settled| settled.has_forgotten),
        };
        let missing = if has_logged_out { Missing::LoggedOut } else { Missing::Lost };
        let is_whole = !text.trim().is_empty();
        let mut new = if is_whole { merge(&copy.base, &after, &real, missing)? } else { None };
        if !homeless.is_empty() {
            let whole = TokenCache::parse(new.as_deref().map_or(section.text(), String::as_str))?;
            new = Some(whole.with_upserted(Section::RefreshToken, &homeless)?);
        }
        // What the vault has on disk may be scrubbed, but for what another run needs in place.
        let (on_disk, outcome) = match stored {
            Ok(settled) => (settled.on_disk, Ok(())),
            Err(failure) => (None, Err(failure)),
        };
        if let Some(on_disk) = on_disk
            && presence.is_ok()
            && self.lease.nobody()?.is_some()
        {
            let whole = TokenCache::parse(new.as_deref().map_or(section.text(), String::as_str))?;
            new = on_disk.scrub(self, &whole)?.or(new);
        }
        match &new {
            Some(text) => _ = section.write(text)?,
            None => self.remove_placeholder(&section)?,
        }
        let rest = TokenCache::parse(new.as_deref().map_or(section.text(), String::as_str))?;
        copy.write(&rest.with_entries(Section::RefreshToken, &[]))?;
        outcome
    }

    /// Takes what the run changed, and what an unwrapped az may have stored meanwhile, into the vault.
    fn settle_vault(
        &self,
        base: &Base,
        after: &TokenCache<'_>,
        forgetting: Forgetting,
        by: Origin<'_>,
    ) -> Result<Settled> {
        let real_text = self.cache.read().ok().flatten().unwrap_or_default();
        // A real cache that somebody is writing at this moment tells nothing.
        let real = TokenCache::parse(&real_text).or_else(|_| TokenCache::parse(""))?;
        let is_empty = |cache: &TokenCache<'_>| cache.has_refresh_token().is_ok_and(|has_one| !has_one);
        if !self.vault.exists() && is_empty(after) && is_empty(&real) {
            return Ok(Settled { on_disk: None, has_forgotten: false });
        }
        let section = self.prepared()?.enter_vault()?;
        let mut opened = section.open_or_replace(after)?;
        opened.harvest(&real, by, self.order())?;
        self.take_in(base, after, &real, &mut opened, by)?;
        match forgetting {
            Forgetting::Never => {}
            Forgetting::IfProven => opened.forget(&self.signed_out(opened.contents())?, after)?,
            Forgetting::Vanished | Forgetting::Removed => opened.forget(base.handed(), after)?,
        }
        let committed = opened.commit();
        committed.stored.clone()?;
        let has_forgotten = !committed.forgotten.is_empty();
        Ok(Settled { on_disk: Some(committed.on_disk()), has_forgotten })
    }

    /// Takes the refresh tokens that az has just stored in its copy into the vault, if there are any that it does not have.
    ///
    /// # Errors
    /// Whatever kept it from doing so; the copy still has them.
    fn harvest_living(&self, copy: &PrivateCopy, by: Origin<'_>) -> Result<()> {
        let text = copy.read()?;
        let after = TokenCache::parse(&text)?;
        if !after.has_refresh_token()? {
            return Ok(());
        }
        let section = self.prepared()?.enter_vault()?;
        let real_text = self.cache.read()?.unwrap_or_default();
        let mut opened = section.open_or_replace(&after)?;
        self.take_in(&copy.base, &after, &TokenCache::parse(&real_text)?, &mut opened, by)?;
        opened.commit().stored
    }

    /// Gives a living run what others have renewed since: refresh tokens of its accounts, and access tokens that are newer
    /// than its own.
    ///
    /// # Errors
    /// Whatever kept it from doing so; the copy is as it was.
    fn refresh_living(&self, copy: &PrivateCopy) -> Result<()> {
        if !self.vault.exists() || copy.given == GivenCredentials::None {
            return Ok(());
        }
        let section = self.prepared()?.enter()?;
        let text = copy.read()?;
        if text.trim().is_empty() {
            return Ok(());
        }
        let own = TokenCache::parse(&text)?;
        let real = section.cache.parse()?;
        let mut opened = section.vault.open()?;
        // What az stored a moment ago and nobody has taken in yet is the newest there is.
        self.take_in(&copy.base, &own, &real, &mut opened, Origin::Run)?;
        let committed = opened.commit();
        committed.stored.clone()?;
        let mut newer = msal::inject_present(&own, committed.contents())?;
        let held = own.entries(Section::AccessToken)?;
        let mut brought = copy.brought.lock().unwrap_or_else(PoisonError::into_inner);
        // What the copy had and has no longer az has removed: a logout is not undone.
        let is_removed = |entry: &Entry<'_>| copy.base.had(Section::AccessToken.name(), entry) || brought.has(entry);
        let renewed: Vec<Entry<'_>> = real
            .entries(Section::AccessToken)?
            .into_iter()
            .filter(|entry| match held.iter().find(|other| other.key == entry.key) {
                Some(other) => other.value != entry.value && other.cached_at() < entry.cached_at(),
                None => !is_removed(entry),
            })
            .collect();
        if !renewed.is_empty() {
            let whole = newer.as_ref().unwrap_or(&text);
            newer = Some(TokenCache::parse(whole)?.with_upserted(Section::AccessToken, &renewed)?);
        }
        if let Some(text) = newer {
            copy.write(&text)?;
            brought.note(&renewed);
        }
        Ok(())
    }

    /// Harvests a copy, but for the accounts that somebody else logged out meanwhile.
    fn take_in(
        &self,
        base: &Base,
        after: &TokenCache<'_>,
        real: &TokenCache<'_>,
        opened: &mut Opened<'_>,
        by: Origin<'_>,
    ) -> Result<()> {
        let accounts = msal::vault_accounts(opened.contents())?;
        let kept: Vec<Owner> = accounts.into_iter().map(|account| account.id).collect();
        let gone = gone_elsewhere(base, real)?;
        let is_gone = |owner: &Owner| gone.contains(owner) && !kept.contains(owner);
        let tokens = after.entries(Section::RefreshToken)?;
        let mut own = tokens.clone();
        own.retain(|entry| !entry.owner().is_some_and(|owner| is_gone(&owner)));
        if own.len() == tokens.len() {
            return opened.harvest(after, by, Order::Successor);
        }
        let text = after.with_entries(Section::RefreshToken, &own);
        opened.harvest(&TokenCache::parse(&text)?, by, Order::Successor)
    }

    /// Watches a living run's copy, and what could be of interest to it.
    fn watch(&self, copy: &PrivateCopy) -> Option<Watch> {
        let watch = Watch::new().ok()?;
        watch.add_file(&copy.file).ok()?;
        for directory in [self.vault.parent(), self.config_dir.path()] {
            // A directory that is not there yet has nothing to tell.
            let _ = watch.add_directory(directory);
        }
        Some(watch)
    }

    /// Makes the file that a private mount needs to cover, as az would: an empty one is an empty cache to MSAL.
    ///
    /// # Errors
    /// `Storage`.
    fn make_placeholder(&self) -> Result<()> {
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
    fn remove_placeholder(&self, _locked: &CacheSection<'_>) -> Result<()> {
        let path = self.cache.path();
        let Some(_no_mounts) = self.lease.no_mounts() else { return Ok(()) };
        if path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0) {
            std::fs::remove_file(path).map_err(|error| Failure::storage("remove", path, &error))?;
        }
        Ok(())
    }
}

fn unusable(error: &std::io::Error) -> Failure {
    Failure::new(
        Kind::Storage,
        format!("the run's private token cache cannot be used: {error}"),
        "set `exposure` to `in-place` in azward's config.json if this goes on",
    )
}
