//! A config directory that was copied (`cp -r ~/.azure job1`) has the accounts and no refresh token: that is in the vault of the
//! directory that it is a copy of, and an az that needs it fails without a word why. When one has failed so, this looks whether
//! another vault of the same user has the account. Whatever keeps it from looking is no reason to say anything.

use crate::credentials::msal::{self, TokenCache};
use crate::credentials::{CredentialFile, Document, service_principals};
use crate::failure::{Failure, Kind};
use crate::store::CredentialStore;
use crate::text;
use crate::vault;

impl CredentialStore<'_> {
    /// Whose login the accounts of this directory are, where it has none itself.
    pub(crate) fn login_of_the_original(&self) -> Option<Failure> {
        if self.vault.exists() || self.is_in_the_clear() {
            return None;
        }
        let text = self.cache.read().ok()?.unwrap_or_default();
        let mut accounts = TokenCache::parse(&text).ok()?.owners().ok()?;
        accounts.extend(self.principal_owners());
        if accounts.is_empty() {
            return None;
        }
        let vaults = vault::all_vaults(&self.app.context, &self.app.settings).ok()?;
        vaults.into_iter().find_map(|(original, vault)| {
            let contents = vault.load_unasked().ok()?;
            let record = contents.records.iter().find(|record| accounts.contains(&record.owner))?;
            let application = service_principals::name_of(record);
            let what = if application.is_some() { "secret" } else { "refresh token" };
            let name = application.or_else(|| msal::name_of(&contents, &record.owner)).unwrap_or_default();
            let (here, original) = (text::path(self.config_dir.path()), text::path(&original));
            Some(Failure::new(
                Kind::Usage,
                format!("`{here}` has no {what} of {}: that is in the vault of `{original}`", text::name(&name)),
                format!(
                    "if it is a copy of that directory, `azward adopt --from {original}` lets it use the same login"
                ),
            ))
        })
    }
}
