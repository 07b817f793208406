//! The exposures in the token cache that all see, in place and in memory: the refresh tokens go into it for as long as a run
//! needs them, which a share in the lease says. In memory that cache is on no disk meanwhile (`credentials::in_memory`); where
//! it cannot be, the run is exposed in place, unless that is not wanted. Critical section and order are those of `section`, and
//! the end is `settling`, or less where az changed nothing (`untouched`). What az stores in memory, or where the login has
//! other config directories, goes into the vault at once, and from there to whoever has the old one exposed.

#[cfg(target_os = "linux")]
mod medium;
mod principals;
#[cfg(target_os = "linux")]
mod untouched;

use std::fs::File;
#[cfg(target_os = "linux")]
use std::path::PathBuf;

use self::principals::Principals;
#[cfg(target_os = "linux")]
use self::untouched::{Untouched, is_at_rest};
use crate::azure::profile::Profile;
#[cfg(target_os = "linux")]
use crate::credentials::merge::Base;
use crate::credentials::msal;
use crate::credentials::origin::{Order, Origin};
use crate::credentials::{CredentialFile, Document};
use crate::failure::{Failure, Kind, Result};
use crate::run::exposure::{Ending, Exposure, ExposureKind, Finding, GivenCredentials, Recipient, policy};
use crate::run::manifest::{Files, Role};
use crate::store::CredentialStore;
use crate::store::lease::SharedLock;
use crate::store::section::Prepared;
#[cfg(target_os = "linux")]
use crate::sys::{self, Watch};
use crate::vault::Owner;

/// How much of the real token cache's credentials is exposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The refresh tokens go into the file.
    All,
    /// Nothing: the command needs none.
    Nothing,
    /// Nothing, although the command may need it: private exposure is set and cannot be had.
    Withheld,
    /// What another az of the same run has exposed there serves this one too, and that one settles it.
    OfAnother,
}

/// Where the token cache is while a run needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    /// Where it always is.
    Disk,
    /// In this file, in memory.
    #[cfg(target_os = "linux")]
    Memory(PathBuf),
}

/// One run's exposure in the token cache that all see.
#[derive(Debug)]
pub(crate) struct InPlace {
    medium: Medium,
    extent: Extent,
    given: GivenCredentials,
    held: Option<Held>,
    /// Tells what az stores, where that concerns another directory.
    #[cfg(target_os = "linux")]
    watch: Option<Watch>,
}

/// What a run holds while az may use what is in the file, or store something there.
#[derive(Debug)]
struct Held {
    lease: Option<SharedLock>,
    /// What is settled beside it.
    principals: Principals,
    /// The accounts that the cache had when the run began: those that az can forget.
    before: Vec<Owner>,
    /// What was handed over, where that is known.
    #[cfg(target_os = "linux")]
    handed: Option<Base>,
    /// How it all looked then, where an az that changes nothing leaves nothing to settle.
    #[cfg(target_os = "linux")]
    untouched: Option<Untouched>,
}

impl Held {
    fn new(lease: Option<SharedLock>) -> Self {
        Self {
            lease,
            principals: Principals::default(),
            before: Vec::new(),
            #[cfg(target_os = "linux")]
            handed: None,
            #[cfg(target_os = "linux")]
            untouched: None,
        }
    }
}

impl InPlace {
    /// One that exposes nothing yet.
    #[must_use]
    pub(crate) fn new(extent: Extent, given: GivenCredentials, medium: Medium) -> Self {
        Self::of(extent, given, None, medium)
    }

    /// The one that a guardian was told of.
    pub(super) fn from_files(given: GivenCredentials, files: &mut Files) -> Self {
        let lease = files.take(Role::Lease).map(SharedLock::from_file);
        // Where it is is seen when it is settled.
        Self::of(Extent::All, given, Some(Held::new(lease)), Medium::Disk)
    }

    fn of(extent: Extent, given: GivenCredentials, held: Option<Held>, medium: Medium) -> Self {
        Self {
            medium,
            extent,
            given,
            held,
            #[cfg(target_os = "linux")]
            watch: None,
        }
    }

    /// Says that a run may need what is in the file, and has the guardian watch it.
    ///
    /// # Errors
    /// Whatever keeps it from being said; the guardian watches all the same.
    fn hold(&mut self, az: &Recipient<'_>) -> Result<()> {
        let (lease, outcome) = match self.given.share_in(&az.store.lease) {
            Ok(lease) => (Some(lease), Ok(())),
            Err(failure) => (None, Err(failure)),
        };
        self.held = Some(Held::new(lease));
        self.tell_guardian(az);
        outcome
    }

    /// Exposes nothing to an az that may store something all the same: it may still log in.
    fn expose_nothing(&mut self, az: &Recipient<'_>) {
        let store = az.store;
        if let Err(failure) = store.cache.close() {
            store.app.journal.warn(store.app.context.now(), &failure);
        }
        // Without it what az stores is scrubbed early.
        let held = self.hold(az);
        if held.is_err_and(|failure| failure.kind == Kind::Gone) {
            // Nobody who was uninstalled brings anything back.
            self.medium = Medium::Disk;
            self.held = None;
            return;
        }
        #[cfg(target_os = "linux")]
        if self.extent == Extent::Nothing {
            self.move_as_it_is(store);
            if self.medium == Medium::Disk && store.is_another_user_s() {
                // What root's az makes would be root's; what is there stays its owner's. Without it they sign in again.
                let _ = store.make_placeholder();
            }
            self.watch(az);
        }
        self.note_accounts(store.accounts());
        if let Some(held) = self.held.as_mut().filter(|_| self.extent != Extent::OfAnother) {
            held.principals.expose_none(az, &self.medium);
        }
    }

    fn expose_all(&mut self, az: &Recipient<'_>) -> Result<()> {
        let store = az.store;
        // No lock is held while a keyring waits for a person. Where there is nothing no key is needed.
        let prepared = if store.has_nothing() { Ok(None) } else { store.prepared().map(Some) };
        // One share for each lock below.
        let _presence = store.app.context.home_lock.enter();
        // Asked before this run needs the file too.
        let order = store.order();
        // Before a refresh token is in it, by us or by az.
        let closed = store.cache.close();
        let held = self.hold(az);
        let exposed = match prepared.and_then(|prepared| closed.and(held).map(|()| prepared)) {
            Ok(Some(prepared)) => self.expose_prepared(store, prepared, az.origin(), order),
            Ok(None) => {
                #[cfg(target_os = "linux")]
                self.move_as_it_is(store);
                Ok(store.accounts())
            }
            Err(failure) => Err(failure),
        };
        let (accounts, outcome) = match exposed {
            Ok(accounts) => (accounts, Ok(())),
            Err(failure) => (store.accounts(), Err(failure)),
        };
        self.note_accounts(accounts);
        if let Some(held) = &mut self.held {
            match &outcome {
                Ok(()) => held.principals.expose(az, &self.medium, order),
                Err(_) => held.principals.expose_none(az, &self.medium),
            }
        }
        #[cfg(target_os = "linux")]
        if outcome.is_ok() {
            self.watch(az);
        }
        outcome
    }

    /// Makes the secrets readable to a run that holds the lease, taking in first what is new in the file, in the `order` that
    /// was known before; returns the accounts that the cache has.
    fn expose_prepared(
        &mut self,
        store: &CredentialStore<'_>,
        prepared: Prepared<'_>,
        by: Origin<'_>,
        order: Order,
    ) -> Result<Vec<Owner>> {
        let section = prepared.enter()?;
        let cache = section.cache.parse()?;
        let mut opened = section.vault.open_or_replace(&cache)?;
        opened.harvest(&cache, by, order)?;
        let committed = opened.commit();
        store.note_taken_in(committed.taken, &committed.stored);
        let profile = Profile::read(&store.config_dir.profile());
        let injected = msal::inject(&cache, committed.contents(), |name| profile.has_user(name))?;
        let accounts = cache.owners()?.into_iter().collect();
        #[cfg(target_os = "linux")]
        let is_at_rest = is_at_rest(&section.cache, &cache);
        #[cfg(target_os = "linux")]
        {
            let whole = injected.as_deref().map_or(section.cache.text(), String::as_str);
            if self.put_into_memory(&section.cache, &cache, whole)? {
                if is_at_rest {
                    self.note_untouched(store, &committed.stored);
                }
                return Ok(accounts);
            }
        }
        // What is sealed of it is handed over too.
        let sealed = section.cache.has_sealed().then(|| section.cache.text());
        let text = injected.as_deref().map(String::as_str).or(sealed);
        if let Some(text) = text {
            #[cfg(target_os = "linux")]
            let is_kept = is_at_rest && store.cache.file().keep_aside().is_ok();
            section.cache.hand_over(text)?;
            #[cfg(target_os = "linux")]
            {
                sys::set_never_read(store.cache.path());
                if is_kept {
                    self.note_untouched(store, &committed.stored);
                    // One that was written over has no other file to come back.
                    if self.held.as_ref().is_none_or(|held| held.untouched.is_none()) {
                        store.cache.file().drop_aside();
                    }
                }
            }
        }
        Ok(accounts)
    }

    /// What a guardian needs to settle it.
    pub(super) fn files(&self) -> impl Iterator<Item = (Role, &File)> {
        let lease = self.held.as_ref().and_then(|held| held.lease.as_ref());
        let files = lease.map(|lease| (Role::Lease, lease.as_file())).into_iter();
        #[cfg(target_os = "linux")]
        let files = files.chain(self.watched().map(|watch| (Role::Watch, watch)));
        files
    }

    fn note_accounts(&mut self, accounts: Vec<Owner>) {
        if let Some(held) = &mut self.held {
            held.before = accounts;
        }
    }
}

impl Exposure for InPlace {
    fn kind(&self) -> ExposureKind {
        match self.medium {
            Medium::Disk => ExposureKind::InPlace,
            #[cfg(target_os = "linux")]
            Medium::Memory(_) => ExposureKind::Memory,
        }
    }

    fn expose(&mut self, az: &Recipient<'_>, _left_out: &[String]) -> Result<()> {
        match self.extent {
            Extent::All => self.expose_all(az),
            Extent::Nothing | Extent::OfAnother => {
                self.expose_nothing(az);
                Ok(())
            }
            Extent::Withheld => {
                self.expose_nothing(az);
                Err(policy::refused("private exposure is set and cannot be had"))
            }
        }
    }

    fn principals_handicap(&self) -> Option<&Failure> {
        self.held.as_ref()?.principals.handicap.as_ref()
    }

    fn tell_guardian(&self, az: &Recipient<'_>) {
        az.tell_guardian(self.kind(), &self.files().collect::<Vec<_>>());
    }

    #[cfg(target_os = "linux")]
    fn watched(&self) -> Option<&File> {
        self.watch.as_ref().map(Watch::as_file)
    }

    #[cfg(target_os = "linux")]
    fn keep_together(&self, store: &CredentialStore<'_>, origin: Origin<'_>) {
        self.watch.iter().for_each(Watch::drain);
        // A cache that az is writing at this moment is not whole; the next change tells of it again.
        let _ = store.harvest_in_place(origin);
        store.keep_principals(origin);
    }

    fn settle(mut self: Box<Self>, store: &CredentialStore<'_>, ending: Ending<'_>) -> Result<Finding> {
        let Some(held) = self.held.take() else { return Ok(Finding::Nothing) };
        // The guardian has the same lease, and scrubs when ours cannot be given up; it goes with its last holder.
        let given_up = held.lease.map_or(Ok(()), SharedLock::give_up);
        if self.extent == Extent::OfAnother {
            return Ok(Finding::Nothing);
        }
        #[cfg(target_os = "linux")]
        let finding = self.finding(store, ending.az);
        #[cfg(not(target_os = "linux"))]
        let finding = Finding::Nothing;
        #[cfg(target_os = "linux")]
        let is_put_back = Self::puts_back(held.untouched.as_ref(), store, &ending);
        #[cfg(not(target_os = "linux"))]
        let is_put_back = false;
        let settled = match is_put_back {
            true => Ok(()),
            false => store.settle_in_place(&held.before, ending.forgetting, ending.origin),
        };
        #[cfg(target_os = "linux")]
        if let (Err(_), Some(handed)) = (&settled, &held.handed) {
            // The failure is told; the next sweep tries again.
            let _ = store.bring_back_unsettled(handed);
        }
        let principals = held.principals.settle(store, &self.medium, &ending);
        settled?;
        #[cfg(target_os = "linux")]
        if let Medium::Memory(memory) = &self.medium {
            store.forget_memory(&store.cache, memory)?;
        }
        principals?;
        given_up.map_err(|error| Failure::storage("unlock", store.lease.path(), &error))?;
        Ok(finding)
    }
}
