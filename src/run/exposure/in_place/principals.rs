//! The service principals of a run that is exposed in memory or in place: their secrets go into the list that all see for as long
//! as the run's share in the lease says so, in memory where the token cache would be. An application that signs in stores its
//! secret there, too. What fails is told, and az runs with the list as it is.

#[cfg(target_os = "linux")]
use std::path::{Path, PathBuf};

use super::Medium;
use crate::azure::command::{AccountEffect, Subject};
use crate::azure::profile::Profile;
use crate::credentials::CredentialFile;
#[cfg(target_os = "linux")]
use crate::credentials::merge::Base;
use crate::credentials::origin::Order;
#[cfg(target_os = "linux")]
use crate::credentials::origin::Origin;
use crate::credentials::service_principals;
#[cfg(target_os = "linux")]
use crate::credentials::service_principals::ServicePrincipals;
use crate::failure::{Failure, Result};
#[cfg(target_os = "linux")]
use crate::run::exposure::policy;
use crate::run::exposure::{Ending, Recipient};
use crate::run::principals::replaced;
#[cfg(target_os = "linux")]
use crate::settings::ExposureChoice;
use crate::store::{CLIENT_SECRETS, CredentialStore};
use crate::tokens;
use crate::vault::Owner;

/// What a run's exposure of service principals is known by at its end.
#[derive(Debug, Default)]
pub(super) struct Principals {
    /// Those that the list had when the run began: those that az can forget.
    before: Vec<Owner>,
    /// What was handed over in memory.
    #[cfg(target_os = "linux")]
    handed: Option<Base>,
    /// What kept them from being handed over.
    pub(super) handicap: Option<Failure>,
}

impl Principals {
    /// Exposes them to an az; what keeps it from that is told.
    pub(super) fn expose(&mut self, az: &Recipient<'_>, medium: &Medium, order: Order) {
        let store = az.store;
        self.before = store.principal_owners();
        if let Err(failure) = self.try_to_expose(az, medium, order) {
            store.app.journal.warn(store.app.context.now(), &failure);
            self.handicap = Some(failure);
        }
    }

    /// Exposes none of them to an az that may sign one in, or out.
    pub(super) fn expose_none(&mut self, az: &Recipient<'_>, medium: &Medium) {
        let store = az.store;
        self.before = store.principal_owners();
        // Before a secret is in it.
        let closed = store.principals.close();
        let outcome = closed.and_then(|()| if may_sign_in(az) { move_bare(store, medium) } else { Ok(()) });
        if let Err(failure) = outcome {
            store.app.journal.warn(store.app.context.now(), &failure);
        }
    }

    /// Takes what az changed into the vault and scrubs what nobody needs any more.
    pub(super) fn settle(&self, store: &CredentialStore<'_>, medium: &Medium, ending: &Ending<'_>) -> Result<()> {
        let settled = store.settle_principals(&self.before, ending.forgetting, ending.origin);
        #[cfg(target_os = "linux")]
        if let (Err(_), Some(handed)) = (&settled, &self.handed) {
            // The failure is told; the next sweep tries again.
            let _ = store.bring_back_unsettled_principals(handed);
        }
        match medium {
            #[cfg(target_os = "linux")]
            Medium::Memory(memory) => {
                settled.and_then(|()| store.forget_memory(&store.principals, &beside(memory, store)))
            }
            Medium::Disk => settled,
        }
    }

    fn try_to_expose(&mut self, az: &Recipient<'_>, medium: &Medium, order: Order) -> Result<()> {
        let store = az.store;
        if !store.principals.is_there() || (!store.vault.exists() && store.exposed_secrets()? == 0) {
            return if may_sign_in(az) { move_bare(store, medium) } else { Ok(()) };
        }
        store.principals.close()?;
        let (vault, section) = store.prepared()?.enter_principals()?;
        let list = section.parse()?;
        let mut opened = vault.open_or_replace(&list)?;
        opened.harvest_principals(&list, az.origin(), order, replaced(order))?;
        let committed = opened.commit();
        match &committed.stored {
            Ok(()) => store.note_adoption(committed.taken, CLIENT_SECRETS),
            Err(failure) => store.app.journal.warn(store.app.context.now(), failure),
        }
        let profile = Profile::read(&store.config_dir.profile());
        let is_listed = |id: &str| profile.has_application(id);
        let injected = service_principals::inject(&list, committed.contents(), is_listed)?;
        let own = injected.as_deref().map_or_else(|| section.text(), String::as_str);
        let injected = tokens::hand_over_assertions(store, committed.contents(), own)?.or(injected);
        #[cfg(target_os = "linux")]
        if (injected.is_some() || section.is_in_memory() || may_sign_in(az))
            && let Medium::Memory(memory) = medium
        {
            let whole = injected.as_deref().map_or_else(|| section.text(), String::as_str);
            self.handed = Some(Base::of(&list, &ServicePrincipals::parse(whole)?, store.app.context.now())?);
            // What is exposed in place already, or could not be stored, is on the disk.
            let reason = match !section.is_in_memory() && list.secret_count() > 0 {
                true => "another az has the service principals in place".to_owned(),
                false => match section.put_into_memory(&beside(memory, store), whole) {
                    Ok(()) => return Ok(()),
                    Err(error) => format!("the list of service principals cannot be in memory: {error}"),
                },
            };
            if store.app.settings.exposure.value == ExposureChoice::Memory {
                return Err(policy::refused(&reason));
            }
        }
        match injected {
            Some(text) => section.write(&text).map(drop),
            None => Ok(()),
        }
    }
}

impl CredentialStore<'_> {
    /// Takes what az stores while it runs into the vault; what fails now is done at the end.
    #[cfg(target_os = "linux")]
    pub(super) fn keep_principals(&self, origin: Origin<'_>) {
        let _ = self.harvest_principals_in_place(origin);
    }
}

/// Whether an az may sign an application in, or what it starts may.
fn may_sign_in(az: &Recipient<'_>) -> bool {
    az.subject == Subject::Application || az.command.effect() == AccountEffect::Unknown
}

/// Has az store what it may store in memory.
#[cfg(target_os = "linux")]
fn move_bare(store: &CredentialStore<'_>, medium: &Medium) -> Result<()> {
    let Medium::Memory(memory) = medium else { return Ok(()) };
    let section = store.lock_principals()?;
    if (section.is_in_memory() && (store.principals.file().is_there_in_memory() || section.text().is_empty()))
        || section.parse()?.secret_count() > 0
    {
        return Ok(());
    }
    let moved = section.put_into_memory(&beside(memory, store), section.text());
    moved.map_err(|error| crate::failure::Failure::storage("bring into memory", store.principals.path(), &error))
}

#[cfg(not(target_os = "linux"))]
fn move_bare(_store: &CredentialStore<'_>, _medium: &Medium) -> Result<()> {
    Ok(())
}

/// The list's file in memory, beside the token cache's.
#[cfg(target_os = "linux")]
fn beside(memory: &Path, store: &CredentialStore<'_>) -> PathBuf {
    memory.with_file_name(store.principals.path().file_name().unwrap_or_default())
}
