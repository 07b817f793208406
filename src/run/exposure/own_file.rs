//! The exposure to an az before 2.30: a file of its own with the tokens that it is to have, which the variable
//! `AZURE_ACCESS_TOKEN_FILE` tells it of. So none of them is in the file that all see, whatever the az starts, and two that run at
//! once do not write over one another: what each changed is merged, by authority, resource and user. Such an az writes when it
//! ends, and what it stored is taken in then. What it needs of MSAL's files, which is nothing, is `InPlace`'s.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;

use zeroize::Zeroizing;

use crate::azure::profile::Profile;
use crate::credentials::adal::AdalTokens;
use crate::credentials::merge::{Base, Missing, gone_elsewhere, merge};
use crate::credentials::origin::{Order, Origin};
use crate::credentials::service_principals::Replaced;
use crate::credentials::{Change, Credential, CredentialFile, Document};
use crate::failure::{Failure, Result};
use crate::run::adal::{AdalPlace, RunCopy, VARIABLE};
use crate::run::exposure::in_place::InPlace;
use crate::run::exposure::{Ending, Exposure, ExposureKind, Finding, GivenCredentials, Recipient};
use crate::run::manifest::Role;
use crate::run::whole_files::remove;
use crate::store::lease::SharedLock;
use crate::store::{CredentialStore, Forgetting, LOCK_DEADLINE};
use crate::vault::Owner;

/// One run's exposure in a file of its own.
#[derive(Debug)]
pub(crate) struct OwnFile {
    inner: InPlace,
    place: AdalPlace,
    /// Why there is none, where there is none.
    copy: Result<RunCopy>,
    given: GivenCredentials,
    base: Base,
    /// That of the file's login, where that is not the config directory's.
    lease: Option<SharedLock>,
}

impl OwnFile {
    /// One that exposes nothing yet.
    #[must_use]
    pub(crate) fn new(inner: InPlace, place: AdalPlace, copy: Result<RunCopy>, given: GivenCredentials) -> Self {
        Self { inner, place, copy, given, base: Base::default(), lease: None }
    }

    fn fill(&mut self, az: &Recipient<'_>) -> Result<()> {
        let Self { place, given, copy, .. } = &*self;
        let copy = copy.as_ref().map_err(Clone::clone)?;
        let profile = az.store.config_dir.profile();
        let (base, text, lease) = place.with_store(az.store, |store| {
            let lease = if std::ptr::eq(store, az.store) { None } else { Some(store.lease.share()?) };
            // Where there is nothing no key is needed.
            if !store.vault.exists() && place.file.path().symlink_metadata().is_err() {
                return Ok((Base::default(), Zeroizing::default(), lease));
            }
            let _presence = store.app.context.home_lock.enter()?;
            let vault = store.prepared()?.enter_vault()?;
            let section = store.lock_file(&place.file, LOCK_DEADLINE)?;
            let tokens = AdalTokens::parse(section.text(), &place.name)?;
            let now = store.app.context.now();
            if *given == GivenCredentials::None {
                let bare = tokens.without_secrets();
                return Ok((Base::of(&tokens, &AdalTokens::parse(&bare, &place.name)?, now)?, bare, lease));
            }
            let mut opened = vault.open_or_replace(&tokens)?;
            opened.harvest_adal(&tokens, az.origin(), store.order(), Replaced::IsBack)?;
            let committed = opened.commit();
            if let Err(failure) = &committed.stored {
                store.app.journal.warn(now, failure);
            }
            let whole = place.whole(&tokens, committed.contents(), &profile)?;
            let whole = whole.unwrap_or_else(|| section.text().to_owned().into());
            Ok((Base::of(&tokens, &AdalTokens::parse(&whole, &place.name)?, now)?, whole, lease))
        })?;
        copy.fill(if text.trim().is_empty() { "[]" } else { &text })?;
        copy.note(&base);
        (self.base, self.lease) = (base, lease);
        Ok(())
    }

    /// What the real file has is better than nothing; and whom the run signs out of that is signed out.
    fn fill_with_real(&mut self, now: i64) {
        let Ok(copy) = &self.copy else { return };
        let text = self.place.file.read().ok().flatten().unwrap_or_default();
        let filled = copy.fill(if text.is_empty() { "[]" } else { &text });
        if filled.is_ok()
            && let Ok(tokens) = AdalTokens::parse(&text, &self.place.name)
            && let Ok(base) = Base::of(&tokens, &tokens, now)
        {
            copy.note(&base);
            self.base = base;
        }
    }

    /// Takes what the run changed into the vault and the rest into the real file. What the vault cannot take goes into that, as az
    /// itself would have left it; why, is the inner failure.
    fn settle_copy(&self, own: &CredentialStore<'_>, forgetting: Forgetting, by: Origin<'_>) -> Result<Result<()>> {
        let Ok(copy) = &self.copy else { return Ok(Ok(())) };
        let text = copy.text()?;
        let is_removed = text.is_none();
        // What is still there was not cleared.
        let forgetting = if forgetting == Forgetting::Removed && !is_removed { Forgetting::Never } else { forgetting };
        let text = text.unwrap_or_default();
        // What was cut short says nothing of anybody.
        let is_whole = is_removed || !text.trim().is_empty();
        let Some(after) = AdalTokens::parse(&text, &self.place.name).ok().filter(|_| is_whole) else {
            return Ok(Ok(()));
        };
        let profile = own.config_dir.profile();
        self.place.with_store(own, |store| {
            let _presence = store.app.context.home_lock.enter()?;
            let is_nothing = !store.vault.exists() && after.secret_count() == 0 && !self.place.is_in_the_clear();
            let entered = match is_nothing {
                true => Ok(None),
                false => store.prepared().and_then(|prepared| prepared.enter_vault()).map(Some),
            };
            let section = store.lock_file(&self.place.file, LOCK_DEADLINE)?;
            let real = AdalTokens::parse(section.text(), &self.place.name)?;
            let gone = self.gone(&after, forgetting, &profile)?;
            let stored = entered.and_then(|vault| {
                let Some(vault) = vault else { return Ok(None) };
                let mut opened = vault.open_or_replace(&after)?;
                opened.harvest_adal(&real, by, store.order(), Replaced::IsBack)?;
                let changed = self.changed(&after, &gone_elsewhere(&self.base, &real)?)?;
                let changed = AdalTokens::parse(&changed, &self.place.name)?;
                opened.harvest_adal(&changed, by, Order::Successor, Replaced::IsBack)?;
                opened.forget_adal(&gone, &after)?;
                let committed = opened.commit();
                committed.stored.clone().map(|()| Some(committed.on_disk()))
            });
            let missing = if gone.is_empty() { Missing::Lost } else { Missing::LoggedOut };
            let merged = merge(&self.base, &after, &real, missing)?;
            let list = merged.as_deref().map_or(section.text(), String::as_str);
            let list = AdalTokens::parse(list, &self.place.name)?;
            let (new, outcome) = match stored {
                Ok(None) => (None, Ok(())),
                Ok(Some(on_disk)) => (on_disk.scrub(store, &list)?, Ok(())),
                Err(failure) => (self.with_homeless(&list, &after)?, Err(failure)),
            };
            let new = new.or(merged);
            let text = new.as_deref().map_or(section.text(), String::as_str);
            let new = self.place.without_short_lived(store, text)?.or(new);
            match &new {
                // As az does it.
                _ if is_removed && forgetting == Forgetting::Removed && has_nobody(new.as_deref(), section.text()) => {
                    remove(self.place.file.path())?;
                }
                Some(text) => _ = section.write_whole(text)?,
                None => {}
            }
            Ok(outcome)
        })
    }

    /// Whom the run has signed out: of those who were handed to it, those that it has not any more.
    fn gone(&self, after: &AdalTokens<'_>, forgetting: Forgetting, profile: &Path) -> Result<Vec<Owner>> {
        let left = after.owners()?;
        let gone = self.base.handed().iter().filter(|owner| !left.contains(*owner)).cloned();
        Ok(match forgetting {
            Forgetting::Never => Vec::new(),
            Forgetting::Vanished | Forgetting::Removed => gone.collect(),
            Forgetting::IfProven | Forgetting::Unlisted => match Profile::read_whole(profile) {
                Some(profile) => gone.filter(|owner| !profile.names(&owner.home_account_id)).collect(),
                None => Vec::new(),
            },
        })
    }

    /// The list of what the run has changed: what was handed over and what it left alone may be old by now.
    /// Whoever was `signed_out` elsewhere meanwhile stays so, unless this run is one to sign in.
    fn changed(&self, after: &AdalTokens<'_>, signed_out: &HashSet<Owner>) -> Result<Zeroizing<String>> {
        let mut stored = self.base.stored_since(after)?;
        stored.retain(|own| self.given == GivenCredentials::None || !signed_out.contains(&own.owner));
        let credentials: Vec<_> = stored.iter().map(Credential::as_entry).collect();
        let names = after.section_names();
        let [bare, whole] = &*names else { return Ok(Zeroizing::default()) };
        let changes = [Change { section: bare, entries: Vec::new() }, Change { section: whole, entries: credentials }];
        Ok(after.edit(&changes))
    }

    /// The `list` with the secrets that the run has stored, where the vault could not take them.
    fn with_homeless(&self, list: &AdalTokens<'_>, after: &AdalTokens<'_>) -> Result<Option<Zeroizing<String>>> {
        let homeless = self.base.stored_since(after)?;
        if homeless.is_empty() {
            return Ok(None);
        }
        let mut all = list.credentials()?;
        all.retain(|own| !homeless.iter().any(|other| other.id == own.id));
        all.extend(homeless);
        Ok(Some(list.with_credentials(&all)))
    }
}

/// Whether nobody is in the list that a file is to have, or has.
fn has_nobody(new: Option<&String>, old: &str) -> bool {
    AdalTokens::parse(new.map_or(old, String::as_str), "")
        .is_ok_and(|list| list.owners().is_ok_and(|all| all.is_empty()))
}

impl Exposure for OwnFile {
    fn kind(&self) -> ExposureKind {
        self.inner.kind()
    }

    fn variable(&self) -> Option<(&'static OsStr, &OsStr)> {
        let copy = self.copy.as_ref().ok()?;
        Some((OsStr::new(VARIABLE), copy.path().as_os_str()))
    }

    fn expose(&mut self, az: &Recipient<'_>, left_out: &[String]) -> Result<()> {
        self.inner.expose(az, left_out)?;
        self.tell_guardian(az);
        self.fill(az).inspect_err(|_| self.fill_with_real(az.store.app.context.now()))
    }

    fn principals_handicap(&self) -> Option<&Failure> {
        None
    }

    fn tell_guardian(&self, az: &Recipient<'_>) {
        let mut files: Vec<(Role, &File)> = self.inner.files().collect();
        files.extend(self.copy.iter().map(|copy| (Role::OwnFile, copy.lock())));
        az.tell_guardian(self.kind(), &files);
    }

    fn settle(self: Box<Self>, store: &CredentialStore<'_>, ending: Ending<'_>) -> Result<Finding> {
        let settled = self.settle_copy(store, ending.forgetting, ending.origin);
        let Self { inner, copy, lease, .. } = *self;
        // One that could not be settled is the next sweep's.
        let removed = match copy {
            Ok(copy) if settled.is_ok() => copy.remove(),
            _ => Ok(()),
        };
        drop(lease);
        let inner = Box::new(inner).settle(store, ending);
        settled?.and(removed)?;
        inner
    }
}
