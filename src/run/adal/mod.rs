//! The tokens of an az before 2.30, which keeps them in `accessTokens.json`. Such an az is given a file of its own for each run
//! (`exposure::own_file`); what lies in the real one is taken in before that, and whatever dead runs left (`copies`). With a later
//! az the file is a leftover, which nobody is given (`leftover`). Whatever fails, the file stays and az runs with it as it is.

mod copies;
mod leftover;

use std::path::Path;

pub(crate) use copies::{RunCopy, take_in_dead};

use zeroize::Zeroizing;

use crate::app::App;
use crate::azure::ConfigDir;
use crate::azure::profile::Profile;
use crate::azure::version::Version;
use crate::context::Context;
use crate::credentials::CredentialFile;
use crate::credentials::adal::{AdalFile, AdalTokens, NAME, file_of, inject};
use crate::credentials::origin::{Order, Origin};
use crate::credentials::service_principals::Replaced;
use crate::failure::{Failure, Result};
use crate::secret::Secret;
use crate::store::opened::Opened;
use crate::store::{CredentialStore, LOCK_DEADLINE};
use crate::sys;
use crate::vault::{Contents, CredentialKind, Owner};

/// The variable that names the file, where it is not the one in the config directory.
pub(crate) const VARIABLE: &str = "AZURE_ACCESS_TOKEN_FILE";

/// What is taken in.
const SECRETS: &str = "refresh token(s) and secret(s) of an az before 2.30";

/// The token file that an az before 2.30 uses.
#[derive(Debug)]
pub(crate) struct AdalPlace {
    pub(crate) file: AdalFile,
    /// What tells it from others in its directory.
    pub(crate) name: String,
    /// The directory that it is in, where that is not the config directory: its login is that directory's, whoever else uses it.
    elsewhere: Option<ConfigDir>,
}

impl AdalPlace {
    /// The one that az would use with `config_dir` in this environment; none where its name is no text.
    #[must_use]
    pub(crate) fn of(context: &Context, config_dir: &ConfigDir) -> Option<Self> {
        let Some(named) = context.variable(VARIABLE).filter(|value| !value.is_empty()) else {
            let file = AdalFile::at(config_dir.path().join(NAME));
            return Some(Self { file, name: NAME.to_owned(), elsewhere: None });
        };
        let path = std::path::absolute(Path::new(named)).ok()?;
        let name = path.file_name()?.to_str()?.to_owned();
        let directory = ConfigDir::at(path.parent()?);
        let elsewhere = (directory.canonical() != config_dir.canonical()).then_some(directory);
        Some(Self { file: AdalFile::at(path), name, elsewhere })
    }

    /// Does something with the store of its login: `own` is the config directory's.
    pub(crate) fn with_store<T>(
        &self,
        own: &CredentialStore<'_>,
        then: impl FnOnce(&CredentialStore<'_>) -> Result<T>,
    ) -> Result<T> {
        match &self.elsewhere {
            None => then(own),
            Some(directory) => then(&CredentialStore::new(own.app, directory)),
        }
    }

    /// Whether the file, or what a killed process left beside it, has a secret in it, as far as can be seen without a lock.
    #[must_use]
    pub(crate) fn is_in_the_clear(&self) -> bool {
        let text = || self.file.read().ok().flatten().unwrap_or_default();
        self.file.has_leftover() || AdalTokens::parse(&text(), &self.name).is_ok_and(|tokens| tokens.secret_count() > 0)
    }

    /// Takes in what lies in the file, and what dead runs left, and scrubs it; whom an az without azward has signed out is forgotten.
    ///
    /// # Errors
    /// Whatever kept it from doing so; nothing is lost.
    pub(crate) fn sweep(&self, own: &CredentialStore<'_>) -> Result<()> {
        let profile = own.config_dir.profile();
        self.with_store(own, |store| {
            let copies = take_in_dead(store, &profile);
            self.sweep_file(store, &profile)?;
            copies
        })
    }

    fn sweep_file(&self, store: &CredentialStore<'_>, profile: &Path) -> Result<()> {
        if !self.is_in_the_clear() && !store.vault.exists() {
            return Ok(());
        }
        let _presence = store.app.context.home_lock.enter()?;
        let vault = store.prepared()?.enter_vault()?;
        let section = store.lock_file(&self.file, LOCK_DEADLINE)?;
        let tokens = AdalTokens::parse(section.text(), &self.name)?;
        let mut opened = vault.open_or_replace(&tokens)?;
        self.use_leftover(&mut opened)?;
        opened.harvest_adal(&tokens, Origin::Sweep, Order::Unknown, Replaced::IsBack)?;
        if let Some(profile) = Profile::read_whole(profile) {
            let unlisted = self.unlisted(opened.contents(), &profile);
            // Where all were cleared nobody can use what is left of their entries.
            let left = if profile.subscriptions.is_empty() { "" } else { section.text() };
            opened.forget_adal(&unlisted, &AdalTokens::parse(left, &self.name)?)?;
        }
        let committed = opened.commit();
        if committed.stored.is_ok() {
            store.note_adoption(committed.taken, SECRETS);
        }
        let stored = committed.stored.clone();
        let scrubbed = committed.on_disk().scrub(store, &tokens)?;
        let text = scrubbed.as_deref().map_or(section.text(), String::as_str);
        if let Some(text) = self.without_short_lived(store, text)?.or_else(|| scrubbed.clone()) {
            section.put_at_rest(&text)?;
        }
        stored
    }

    /// The `text` of the file without access tokens, where those are sealed too: the vault has the entries whole. `None` where it is
    /// to stay as it is.
    ///
    /// # Errors
    /// `CacheForeign`.
    pub(crate) fn without_short_lived(
        &self,
        store: &CredentialStore<'_>,
        text: &str,
    ) -> Result<Option<Zeroizing<String>>> {
        match store.seals_all() {
            true => AdalTokens::parse(text, &self.name).map(|tokens| tokens.without_access_tokens()),
            false => Ok(None),
        }
    }

    /// What a later az left, and this one uses: the vault has it whole, and has it by entries from now on.
    fn use_leftover(&self, opened: &mut Opened<'_>) -> Result<()> {
        let whole = opened.contents().of(CredentialKind::AdalTokens).next().filter(|_| self.name == NAME);
        let Some(text) = whole.map(|record| Secret::new(record.entry.expose().to_vec())) else { return Ok(()) };
        let Ok(tokens) = AdalTokens::parse(text.expose_text(), &self.name) else { return Ok(()) };
        opened.harvest_adal(&tokens, Origin::Sweep, Order::Unknown, Replaced::IsOld)?;
        opened.change(|contents| {
            contents.records.retain(|record| record.kind != CredentialKind::AdalTokens);
            Ok(true)
        })
    }

    /// The owners of the vault's secrets of this file of whom the profile does not know.
    fn unlisted(&self, contents: &Contents, profile: &Profile) -> Vec<Owner> {
        let own = contents.records.iter().filter(|record| file_of(record) == Some(&*self.name));
        let gone = own.filter(|record| !profile.names(&record.owner.home_account_id));
        gone.map(|record| record.owner.clone()).collect()
    }

    /// The list with the vault's secrets in it, for whoever is in it or in that profile. `None` when there is nothing to do.
    ///
    /// # Errors
    /// `CacheForeign` for what the vault never holds.
    pub(crate) fn whole(
        &self,
        tokens: &AdalTokens<'_>,
        contents: &Contents,
        profile: &Path,
    ) -> Result<Option<Zeroizing<String>>> {
        let profile = Profile::read(profile);
        inject(tokens, contents, &self.name, |name| profile.names(name))
    }
}

impl CredentialStore<'_> {
    /// Takes in what an az before 2.30 has left, or stored without azward: by entries where the az of this `version` is such a one, whole
    /// where it is a later one. What keeps it from that is told.
    pub(crate) fn take_in_adal(&self, version: impl FnOnce() -> Option<Version>) {
        let App { context, journal, .. } = self.app;
        let Some(place) = AdalPlace::of(context, self.config_dir) else { return };
        if place.file.path().symlink_metadata().is_err() {
            return;
        }
        match version() {
            None => {}
            Some(version) if version.keeps_an_msal_cache() => self.take_in_adal_file(),
            Some(_) => {
                if let Err(failure) = place.sweep(self) {
                    journal.warn(context.now(), &failure);
                }
            }
        }
    }

    /// Puts what `contents` has of such files back into them, durably.
    ///
    /// # Errors
    /// `NoPlace` where one cannot have it, `Storage`.
    pub(in crate::run) fn put_back_adal_tokens(&self, contents: &Contents) -> Result<()> {
        let mut names: Vec<&str> = contents.records.iter().filter_map(file_of).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let file = AdalFile::at(self.config_dir.path().join(name));
            let section = self.lock_file(&file, LOCK_DEADLINE)?;
            let tokens = AdalTokens::parse(section.text(), name)?;
            if let Some(text) = inject(&tokens, contents, name, |_| true)? {
                section.write_whole(&text)?;
                let directory = file.target();
                let directory = directory.parent().unwrap_or(self.config_dir.path());
                sys::sync_dir(directory).map_err(|error| Failure::storage("sync", directory, &error))?;
            }
        }
        Ok(())
    }
}
