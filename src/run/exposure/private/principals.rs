//! The service principals of a run in private exposure: their list, secrets and all, in a second file over the real one. It comes and
//! goes as the copy of the token cache does, and is never in its way: what is no list is not covered, and stays what it is to az.

use std::fs::File;
use std::io::{Read, Seek};

use super::{Untouched, read_whole, write_whole};
use crate::azure::profile::Profile;
use crate::credentials::merge::{Base, Missing, merge};
use crate::credentials::origin::{Order, Origin};
use crate::credentials::service_principals::{self, Replaced, ServicePrincipals};
use crate::credentials::{Change, Credential, CredentialFile, Document};
use crate::failure::{Failure, Result};
use crate::run::exposure::GivenCredentials;
use crate::run::manifest::{Files, Role};
use crate::run::principals::replaced;
use crate::store::opened::Opened;
use crate::store::{CLIENT_SECRETS, CredentialStore, Forgetting};
use crate::sys;
use crate::tokens;

/// A run's private copy of the list of service principals.
#[derive(Debug)]
pub(super) struct PrincipalsCopy {
    /// The file, as az sees it.
    pub(super) file: File,
    base: Base,
    untouched: Option<Untouched>,
    /// What kept them from being handed over.
    pub(super) handicap: Option<Failure>,
}

impl PrincipalsCopy {
    /// The copy that has this file and nothing in it yet.
    pub(super) fn new(file: File) -> Self {
        Self { file, base: Base::default(), untouched: None, handicap: None }
    }

    /// The one that a guardian was told of.
    pub(super) fn from_files(files: &mut Files) -> Option<Self> {
        let (file, mut base) = files.take(Role::PrincipalsCopy).zip(files.take(Role::PrincipalsBase))?;
        let mut text = Vec::new();
        let read = base.rewind().and_then(|()| base.read_to_end(&mut text));
        let base = read.ok().and_then(|_| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Some(Self { base, ..Self::new(file) })
    }

    /// What it was made of, for a guardian.
    pub(super) fn base_file(&self) -> Option<File> {
        super::base_file(&self.base)
    }

    /// Whether neither it nor the real list is another than when it was made.
    pub(super) fn is_untouched(&self, store: &CredentialStore<'_>) -> bool {
        self.untouched.as_ref().is_some_and(|then| {
            sys::state_of(&self.file).is_ok_and(|now| now.text == then.copy)
                && sys::file_state(store.principals.path()).is_ok_and(|now| now.text == then.real)
        }) && !store.principals.has_leftover()
            && !crate::credentials::MsalLock::is_taken(store.principals.path())
    }

    /// Takes the secrets out of it.
    pub(super) fn wipe(&self) -> Result<()> {
        let text = read_whole(&self.file)?;
        match ServicePrincipals::parse(&text) {
            Ok(list) => write_whole(&self.file, &list.without_secrets()),
            // Torn by an az that was killed.
            Err(_) => write_whole(&self.file, "[]"),
        }
    }

    /// Fills it with what its az is given, taking in first what is new in the real list; what keeps it from that is told, and az
    /// has the list as it is.
    pub(super) fn expose(&mut self, store: &CredentialStore<'_>, given: GivenCredentials, by: Origin<'_>) {
        let exposed = match given {
            GivenCredentials::All => self.expose_all(store, by),
            GivenCredentials::None => self.expose_bare(store),
        };
        if let Err(failure) = exposed {
            store.app.journal.warn(store.app.context.now(), &failure);
            self.handicap = Some(failure);
            let text = store.principals.read().ok().flatten().unwrap_or_default();
            let _ = write_whole(&self.file, if text.is_empty() { "[]" } else { &text });
        }
    }

    fn expose_bare(&mut self, store: &CredentialStore<'_>) -> Result<()> {
        let section = store.lock_principals()?;
        let list = section.parse()?;
        let handed = list.without_secrets();
        self.base = Base::of(&list, &ServicePrincipals::parse(&handed)?, store.app.context.now())?;
        write_whole(&self.file, &handed)
    }

    fn expose_all(&mut self, store: &CredentialStore<'_>, by: Origin<'_>) -> Result<()> {
        if !store.vault.exists() && store.exposed_secrets()? == 0 {
            return self.expose_bare(store);
        }
        let (vault, section) = store.prepared()?.enter_principals()?;
        let list = section.parse()?;
        let order = store.order();
        let mut opened = vault.open_or_replace(&list)?;
        opened.harvest_principals(&list, by, order, replaced(order))?;
        let committed = opened.commit();
        match &committed.stored {
            Ok(()) => store.note_adoption(committed.taken, CLIENT_SECRETS),
            Err(failure) => store.app.journal.warn(store.app.context.now(), failure),
        }
        let profile = Profile::read(&store.config_dir.profile());
        let injected = service_principals::inject(&list, committed.contents(), |id| profile.has_application(id))?;
        // An empty text is no list to az.
        let own = if section.text().trim().is_empty() { "[]" } else { section.text() };
        let whole = injected.as_deref().map_or(own, String::as_str);
        let handed = tokens::hand_over_assertions(store, committed.contents(), whole)?;
        let whole = handed.as_deref().map_or(whole, String::as_str);
        self.base = Base::of(&list, &ServicePrincipals::parse(whole)?, store.app.context.now())?;
        write_whole(&self.file, whole)?;
        let is_done_with = committed.stored.is_ok() && list.secret_count() == 0 && !section.is_missing();
        self.untouched = is_done_with.then(|| Untouched::of(&self.file, store.principals.path())).flatten();
        Ok(())
    }

    /// Takes the secrets that az has just stored into the vault, if there are any that it does not have.
    pub(super) fn harvest_living(&self, store: &CredentialStore<'_>, by: Origin<'_>) -> Result<()> {
        let text = read_whole(&self.file)?;
        let after = ServicePrincipals::parse(&text)?;
        if self.base.stored_since(&after)?.is_empty() {
            return Ok(());
        }
        let section = store.prepared()?.enter_vault()?;
        let mut opened = section.open_or_replace(&after)?;
        self.take_in(&after, &mut opened, by)?;
        opened.commit().stored
    }

    /// Ends it: takes what the run changed into the vault and the rest into the real list, and wipes the copy. What the vault
    /// cannot take goes into the real list, as az itself would have left it.
    pub(super) fn settle(&self, store: &CredentialStore<'_>, forgetting: Forgetting, by: Origin<'_>) -> Result<()> {
        let text = read_whole(&self.file)?;
        let after = ServicePrincipals::parse(&text)?;
        // An empty copy is a write cut short, not a logout.
        let is_whole = !text.trim().is_empty();
        let forgetting = if is_whole { forgetting } else { Forgetting::Never };
        let has_nothing = !store.vault.exists() && after.secret_count() == 0 && !store.has_clear_principals();
        let outcome = match has_nothing {
            true => self.merge_only(store, &after, forgetting),
            false => self.settle_vault(store, is_whole.then_some(&after), forgetting, by),
        };
        self.wipe().and(outcome)
    }

    /// For where no secret is anywhere.
    fn merge_only(
        &self,
        store: &CredentialStore<'_>,
        after: &ServicePrincipals<'_>,
        forgetting: Forgetting,
    ) -> Result<()> {
        let section = store.lock_principals()?;
        match merge(&self.base, after, &section.parse()?, missing(forgetting))? {
            Some(text) => section.write(&text).map(drop),
            None => store.remove_principals_placeholder(&section),
        }
    }

    fn settle_vault(
        &self,
        store: &CredentialStore<'_>,
        after: Option<&ServicePrincipals<'_>>,
        forgetting: Forgetting,
        by: Origin<'_>,
    ) -> Result<()> {
        let presence = store.app.context.home_lock.enter();
        let nothing = ServicePrincipals::parse("")?;
        let newest = after.unwrap_or(&nothing);
        // One lock over both: who looks at the real list between a commit and its writing takes what it has there for newer.
        let entered = store.prepared().and_then(|prepared| prepared.enter_principals());
        let (vault, section) = match entered {
            Ok((vault, section)) => (Ok(vault), section),
            Err(failure) => (Err(failure), store.lock_principals()?),
        };
        let real = section.parse()?;
        let stored = vault.as_ref().map_err(Clone::clone).and_then(|vault| {
            let mut opened = vault.open_or_replace(newest)?;
            let order = store.order();
            opened.harvest_principals(&real, by, order, replaced(order))?;
            if let Some(after) = after {
                self.take_in(after, &mut opened, by)?;
                match forgetting {
                    Forgetting::Never => {}
                    Forgetting::IfProven | Forgetting::Unlisted => {
                        opened.forget_principals(&store.unlisted_principals(opened.contents()), after)?;
                    }
                    Forgetting::Vanished | Forgetting::Removed => {
                        opened.forget_principals(self.base.handed(), after)?;
                    }
                }
            }
            let committed = opened.commit();
            committed.stored.clone()?;
            let has_forgotten = !committed.forgotten.is_empty();
            Ok((committed.on_disk(), has_forgotten))
        });
        let missing = match &stored {
            Ok((_, true)) => Missing::LoggedOut,
            Ok(_) => missing(forgetting),
            Err(_) => Missing::Lost,
        };
        let mut new = match after {
            Some(after) => merge(&self.base, after, &real, missing)?,
            None => None,
        };
        let (on_disk, outcome) = match stored {
            Ok((on_disk, _)) => (Some(on_disk), Ok(())),
            Err(failure) => (None, Err(failure)),
        };
        let whole = new.clone();
        let list = ServicePrincipals::parse(whole.as_deref().map_or(section.text(), String::as_str))?;
        match on_disk {
            // What the vault has on disk may be scrubbed, but for what another run needs in place.
            Some(on_disk) if presence.is_ok() && store.lease.nobody()?.is_some() => {
                new = on_disk.scrub(store, &list)?.or(new);
            }
            Some(_) => {}
            None => {
                let homeless = self.base.stored_since(newest)?;
                if !homeless.is_empty() {
                    let is_same = |own: &Credential<'_>| homeless.iter().any(|other| other.id == own.id);
                    let mut all = list.credentials()?;
                    all.retain(|own| !is_same(own));
                    all.extend(homeless);
                    new = Some(list.with_credentials(&all));
                }
            }
        }
        match &new {
            Some(text) => _ = section.write(text)?,
            None => store.remove_principals_placeholder(&section)?,
        }
        outcome
    }

    /// Harvests what az has changed in it: what was handed over and what it left alone may be old by now.
    fn take_in(&self, after: &ServicePrincipals<'_>, opened: &mut Opened<'_>, by: Origin<'_>) -> Result<()> {
        let credentials: Vec<_> = self.base.stored_since(after)?.iter().map(Credential::as_entry).collect();
        let names = after.section_names();
        let [principals, secrets] = &*names else { return Ok(()) };
        let mut entries = after.section(principals)?;
        let is_stored = |key: &str| credentials.iter().any(|credential| credential.key == key);
        entries.retain(|entry| !self.base.had(principals, entry) || is_stored(entry.key));
        let text =
            after.edit(&[Change { section: principals, entries }, Change { section: secrets, entries: credentials }]);
        opened.harvest_principals(&ServicePrincipals::parse(&text)?, by, Order::Successor, Replaced::IsBack)
    }
}

/// What it means that somebody is missing from a copy.
fn missing(forgetting: Forgetting) -> Missing {
    match forgetting {
        Forgetting::Vanished | Forgetting::Removed => Missing::LoggedOut,
        Forgetting::Never | Forgetting::IfProven | Forgetting::Unlisted => Missing::Lost,
    }
}

impl CredentialStore<'_> {
    /// Makes the list that a private mount needs to cover: one with nobody in it, as an empty text is none to az.
    pub(super) fn make_principals_placeholder(&self) -> Result<()> {
        if self.principals.is_there() {
            return Ok(());
        }
        let section = self.lock_principals()?;
        if section.is_missing() { section.write(PLACEHOLDER).map(drop) } else { Ok(()) }
    }

    /// Removes that list if nobody was ever put into it.
    fn remove_principals_placeholder(&self, locked: &crate::store::section::PrincipalsSection<'_>) -> Result<()> {
        let path = self.principals.path();
        let Some(_no_mounts) = self.lease.no_mounts() else { return Ok(()) };
        // A link is somebody's, or leads into memory for another run.
        if locked.text() == PLACEHOLDER && path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
            let removed = std::fs::remove_file(path);
            removed.map_err(|error| Failure::storage("remove", path, &error))?;
        }
        Ok(())
    }
}

/// What nobody but azward writes: az has no white space after it.
const PLACEHOLDER: &str = "[]\n";
