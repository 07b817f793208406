//! What an az that encrypts keeps in the system's keyring: taken into the vault, as what lies in a file is, and out of the keyring
//! when the vault with it is on the disk. There it is one item for all of a user's config directories, so that a second one's
//! login takes the first one's place; here each directory has its own, and of the item only what its profile lists is taken. An
//! uninstall gives back where it was taken from. A keyring that is locked or does not answer keeps what it has, and az goes on with
//! that; so does one that was told to use it by a variable, which is of this very command.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use zeroize::Zeroizing;

use crate::azure::encryption_setting::By;
use crate::azure::profile::Profile;
use crate::azure::token_storage::{self, Clue, Sign};
use crate::credentials::keyring_items;
use crate::credentials::msal::{Listed, TokenCache, with_entries_from, without_entries_of};
use crate::credentials::origin::{Order, Origin};
use crate::credentials::service_principals::{
    Replaced, ServicePrincipals, all_in, listed_in, with_principals, without_listed,
};
use crate::credentials::{CredentialFile, Document, MsalLock};
use crate::failure::{Failure, Kind, Result};
use crate::helper::{Helper, KeyringItem};
use crate::lock::{Lock, Mode};
use crate::private;
use crate::run::whole_files::remove;
use crate::secret::Secret;
use crate::store::lease::NobodyNeedsIt;
use crate::store::opened::Opened;
use crate::store::{CLIENT_SECRETS, CredentialStore, LOCK_DEADLINE, REFRESH_TOKENS, is_covered};
use crate::sys::{self, Access};
use crate::user_file;

/// The token cache's item of an az that touches this file.
fn cache_item(sign: Sign) -> KeyringItem {
    match sign {
        Sign::Bin => KeyringItem::Shared,
        Sign::Sig => KeyringItem::TokenCache,
    }
}

/// That of its service principals, if it is another.
fn list_item(sign: Sign) -> Option<KeyringItem> {
    match sign {
        Sign::Bin => None,
        Sign::Sig => Some(KeyringItem::SecretStore),
    }
}

/// What an item has, as text; `None` where that is none.
fn text_of(helper: &Helper, item: KeyringItem) -> Result<Option<Secret>> {
    let is_text = |text: &Secret| std::str::from_utf8(text.expose()).is_ok_and(|text| !text.trim().is_empty());
    Ok(keyring_items::read(helper, item)?.filter(is_text))
}

/// The token cache in it and the list of principals begin differently, and the shared one is either.
fn is_list(text: &Secret) -> bool {
    text.expose_text().trim_start().starts_with('[')
}

impl CredentialStore<'_> {
    /// Takes in what az has in the keyring of those whom the profile lists, where it uses the keyring for this directory. What keeps it
    /// from that is told, but for a keyring that is not open: then all is as it was. Says how many credentials that were.
    pub(super) fn take_in_keyring_items(&self) -> usize {
        self.take_in_open_keyring().unwrap_or_else(|failure| {
            self.app.journal.warn(self.app.context.now(), &failure);
            0
        })
    }

    /// The same for who has asked for it.
    ///
    /// # Errors
    /// What kept it from that, but for a keyring that is not open.
    pub(super) fn take_in_open_keyring(&self) -> Result<usize> {
        if self.sign_to_be_taken_over().is_none() {
            return Ok(0);
        }
        match self.take_in_in_turn() {
            Err(failure) if failure.kind == Kind::KeyUnavailable => Ok(0),
            taken => taken,
        }
    }

    /// The sign of an az that keeps its tokens for this directory in the keyring, where they are to be taken in.
    fn sign_to_be_taken_over(&self) -> Option<Sign> {
        let sign = token_storage::newer_sign(self.config_dir)?;
        let by_variable = |clue: &Clue| matches!(clue, Clue::Told(By::Variable(_)));
        let is_to_be_taken = self.token_storage().clue().is_some_and(|clue| !by_variable(&clue));
        (is_to_be_taken && !is_covered(self.cache.path())).then_some(sign)
    }

    /// One after another: whoever came while the item is empty and the file is not yet the newer would have its az find nothing.
    fn take_in_in_turn(&self) -> Result<usize> {
        let run = self.app.context.azward_home.join("run");
        let presence = self.app.context.home_lock.enter()?;
        private::make_dir(&run)?;
        let path = run.join(format!("{}.keyring", self.config_dir.id()));
        drop(presence);
        let _turn = Lock::acquire(&path, Mode::Exclusive, LOCK_DEADLINE)?;
        // Another may have done it meanwhile.
        let Some(sign) = self.sign_to_be_taken_over() else { return Ok(0) };
        // The token cache last: when that is taken in, it is seen that all is.
        let items = list_item(sign).into_iter().chain([cache_item(sign)]);
        items.map(|item| self.take_in_item(item, sign)).sum()
    }

    fn take_in_item(&self, item: KeyringItem, sign: Sign) -> Result<usize> {
        // Seen before anything is locked or asked for; what is done is done with what is there then.
        let Some(text) = text_of(self.helper(), item)? else {
            if item != KeyringItem::SecretStore && self.vault.exists() {
                self.use_the_file()?;
            }
            return Ok(0);
        };
        let taken = Cell::new(0);
        let profile = Profile::read(&self.config_dir.profile());
        if is_list(&text) {
            if !listed_in(&ServicePrincipals::parse(text.expose_text())?, &profile).is_empty() {
                let take = |nobody: &NobodyNeedsIt| self.take_in_list(item, sign, &profile, nobody);
                self.sweep_unneeded(&|nobody| take(nobody).map(|count| taken.set(count)))?;
            }
            return Ok(taken.get());
        }
        let cache = TokenCache::parse(text.expose_text())?;
        if Listed::of(&cache, &profile)?.has_any_of(&cache)? {
            let take = |nobody: &NobodyNeedsIt| self.take_in_cache(item, sign, &profile, nobody);
            self.sweep_unneeded(&|nobody| take(nobody).map(|count| taken.set(count)))?;
        }
        Ok(taken.get())
    }

    /// Has az read the file from here on, with the login that the vault has: whoever took that out of the keyring was killed then, or
    /// the item was removed by hand.
    fn use_the_file(&self) -> Result<()> {
        let _presence = self.app.context.home_lock.enter()?;
        let section = self.lock_cache()?;
        if section.is_missing() {
            section.write("{}")?;
        }
        let _ = self.cache.set_written(SystemTime::now());
        Ok(())
    }

    fn take_in_cache(&self, item: KeyringItem, sign: Sign, profile: &Profile, nobody: &NobodyNeedsIt) -> Result<usize> {
        let section = self.prepared()?.enter()?;
        let _az_s = MsalLock::acquire(&self.sign(sign), LOCK_DEADLINE)?;
        let Some(text) = text_of(self.helper(), item)?.filter(|text| !is_list(text)) else { return Ok(0) };
        let kept = TokenCache::parse(text.expose_text())?;
        let listed = Listed::of(&kept, profile)?;
        let merged = with_entries_from(&section.cache.parse()?, &kept, |entry| listed.has(entry))?;
        let cache = TokenCache::parse(&merged)?;
        let mut opened = section.vault.open_or_replace(&cache)?;
        opened.harvest(&cache, Origin::Sweep, Order::Unknown)?;
        let (taken, scrubbed) = self.stored(opened, &cache)?;
        // First, or it would stay there if this were killed now. What the file then lacks the vault has, too (`use_the_file`).
        match without_entries_of(&kept, &listed)? {
            Some(rest) => keyring_items::write(self.helper(), item, &rest)?,
            None => keyring_items::remove(self.helper(), item)?,
        }
        section.cache.end_exposure(scrubbed.as_deref().unwrap_or(&merged), nobody)?;
        // From here on it is the file that is read, and the later of the two.
        let _ = self.cache.set_written(SystemTime::now());
        self.note_adoption(taken, REFRESH_TOKENS);
        Ok(taken)
    }

    fn take_in_list(&self, item: KeyringItem, sign: Sign, profile: &Profile, nobody: &NobodyNeedsIt) -> Result<usize> {
        let (vault, section) = self.prepared()?.enter_principals()?;
        let _az_s = MsalLock::acquire(&self.principals_sign(sign), LOCK_DEADLINE)?;
        let Some(text) = text_of(self.helper(), item)?.filter(is_list) else { return Ok(0) };
        let kept = ServicePrincipals::parse(text.expose_text())?;
        let merged = with_principals(&section.parse()?, &listed_in(&kept, profile));
        let list = ServicePrincipals::parse(&merged)?;
        let mut opened = vault.open_or_replace(&list)?;
        opened.harvest_principals(&list, Origin::Sweep, Order::Unknown, Replaced::IsBack)?;
        let (taken, scrubbed) = self.stored(opened, &list)?;
        match without_listed(&kept, profile) {
            Some(rest) => keyring_items::write(self.helper(), item, &rest)?,
            None => keyring_items::remove(self.helper(), item)?,
        }
        section.end_exposure(scrubbed.as_deref().unwrap_or(&merged), nobody)?;
        self.note_adoption(taken, CLIENT_SECRETS);
        Ok(taken)
    }

    /// Commits what was taken in, all of it or nothing: says how much that was, and what the file is to have then, if that is another text
    /// than the document's.
    fn stored(&self, opened: Opened<'_>, document: &impl Document) -> Result<(usize, Option<Zeroizing<String>>)> {
        let committed = opened.commit();
        committed.stored.clone()?;
        let taken = committed.taken;
        Ok((taken, committed.on_disk().scrub(self, document)?))
    }

    /// Where an uninstall gives the token cache back to, and the list of principals: the items of the az that they were taken from, if
    /// that reads them when azward is gone.
    pub(super) fn keyring_to_give_back_to(&self) -> Option<Sign> {
        let sign = token_storage::sign(self.config_dir)?;
        token_storage::remedy_without_azward(&self.app.context, &self.app.settings, self.config_dir).map(|_| sign)
    }

    /// Puts `text`, a token cache, into az's item, beside what others have there, and removes the file, of which the item has all then.
    ///
    /// # Errors
    /// `KeyUnavailable`, `Storage`; the vault still has what is to be given back.
    pub(super) fn put_cache_in_keyring(&self, sign: Sign, text: &str) -> Result<()> {
        let item = cache_item(sign);
        let _az_s = MsalLock::acquire(&self.sign(sign), LOCK_DEADLINE)?;
        let there = text_of(self.helper(), item)?;
        if there.as_ref().is_some_and(is_list) {
            return Err(is_a_principal_s());
        }
        let there = TokenCache::parse(there.as_ref().map_or("", Secret::expose_text))?;
        let cache = TokenCache::parse(text)?;
        // Nothing stays behind: the file is about to go.
        let whole = with_entries_from(&there, &cache, |_| true)?;
        keyring_items::write(self.helper(), item, &whole)?;
        read_back(self.helper(), item, &whole)?;
        self.touch(&self.sign(sign))?;
        remove(&self.cache.target())
    }

    /// The same for the list of principals; says whether az has an item for that.
    ///
    /// # Errors
    /// As above.
    pub(super) fn put_list_in_keyring(&self, sign: Sign, text: &str) -> Result<bool> {
        let Some(item) = list_item(sign) else { return Ok(false) };
        let _az_s = MsalLock::acquire(&self.principals_sign(sign), LOCK_DEADLINE)?;
        let there = text_of(self.helper(), item)?;
        let there = ServicePrincipals::parse(there.as_ref().map_or("", Secret::expose_text))?;
        let whole = with_principals(&there, &all_in(&ServicePrincipals::parse(text)?));
        keyring_items::write(self.helper(), item, &whole)?;
        read_back(self.helper(), item, &whole)?;
        self.touch(&self.principals_sign(sign))?;
        remove(&self.principals.target())?;
        Ok(true)
    }

    /// az's own file, which says that it has written to the keyring.
    fn touch(&self, path: &Path) -> Result<()> {
        let touched = user_file::open(path, Access::Write)
            .or_else(|_| sys::create_new(path, 0o644))
            .and_then(|file| file.set_modified(SystemTime::now()));
        touched.map_err(|error| Failure::storage("touch", path, &error))
    }

    fn helper(&self) -> &Helper {
        &self.app.context.helper
    }

    fn sign(&self, sign: Sign) -> PathBuf {
        self.config_dir.path().join(sign.name())
    }

    fn principals_sign(&self, sign: Sign) -> PathBuf {
        self.principals.path().with_extension(sign.extension())
    }
}

fn read_back(helper: &Helper, item: KeyringItem, text: &str) -> Result<()> {
    match keyring_items::read(helper, item)? {
        Some(there) if there.expose() == text.as_bytes() => Ok(()),
        _ => Err(Failure::new(
            Kind::KeyUnavailable,
            "the keyring does not have what was just put into it",
            "check the keyring, and run this again",
        )),
    }
}

fn is_a_principal_s() -> Failure {
    Failure::new(
        Kind::NoPlace,
        "the login cannot be put back into the keyring: az has a service principal where it has its tokens",
        "sign that one out with az first; or run `az config set core.encrypt_token_cache=false`, and it goes into the file",
    )
}
