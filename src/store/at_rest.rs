//! What a token cache is while no run needs it. With `seal = "all-tokens"` its access and ID tokens are not in the file then but
//! sealed beside the vault (`vault::beside`), and the file keeps who is signed in. Whoever reads the cache here has both as one
//! text; whoever writes it in the critical section says by that whether a run needs it: what is handed over stands in the file,
//! whole, and nothing is sealed; what is put at rest is sealed first and leaves the file then. Where both have an entry the file's is
//! the newer. That file's lock guards what is sealed of it.
//!
//! What cannot be sealed stays in the file, and that is told; what cannot be opened is as if it were not there, and is renewed.

use zeroize::Zeroizing;

use crate::credentials::CredentialFile;
use crate::credentials::msal::{
    TokenCache, count_short_lived, only_short_lived, with_short_lived, without_short_lived,
};
use crate::failure::Result;
use crate::settings::SealChoice;
use crate::store::CredentialStore;
use crate::vault::Beside;

impl CredentialStore<'_> {
    /// The token cache's text, what is sealed of it included; `None` where there is no file.
    ///
    /// # Errors
    /// `CacheForeign` or `Storage`.
    pub fn read_cache(&self) -> Result<Option<Zeroizing<String>>> {
        let text = self.cache.read()?;
        if let Some(whole) = text.as_deref().and_then(|text| self.with_sealed(text)) {
            return Ok(Some(whole));
        }
        match self.seals_all() {
            // It may have been handed over since the file was read, and then the file has it now.
            true => self.cache.read(),
            false => Ok(text),
        }
    }

    /// Whether short-lived tokens leave the file, too.
    pub(crate) fn seals_all(&self) -> bool {
        self.app.settings.seal.value == SealChoice::AllTokens
    }

    /// Whether the file has something that is to be sealed, or does not have what is not to be sealed any more, as far as can be
    /// seen without a lock.
    #[must_use]
    pub fn is_to_be_put_at_rest(&self) -> bool {
        match self.seals_all() {
            true => self.short_lived_in_the_clear().is_some(),
            false => self.has_sealed(),
        }
    }

    /// How many short-lived tokens are in the file; none where there are none, or it is not understood.
    pub(crate) fn short_lived_in_the_clear(&self) -> Option<usize> {
        let text = self.cache.read().ok()??;
        let count = count_short_lived(&TokenCache::parse(&text).ok()?).ok()?;
        (count > 0).then_some(count)
    }

    /// Whether something is sealed of the cache.
    pub(crate) fn has_sealed(&self) -> bool {
        self.vault.has_beside(Beside::TokenCache, self.config_dir)
    }

    /// `text`, the file's, with what is sealed of it; `None` where that is nothing.
    pub(crate) fn with_sealed(&self, text: &str) -> Option<Zeroizing<String>> {
        // Nearly always there is none, and every answer asks.
        if text.trim().is_empty() || !self.has_sealed() {
            return None;
        }
        let sealed = self.vault.open_beside(Beside::TokenCache, self.config_dir)?;
        with_short_lived(text, &sealed).ok()
    }

    /// Seals what is short-lived in `text`, and says what is to stand in the file; `None` where that is all of it.
    pub(super) fn sealed_from(&self, text: &str) -> Option<Zeroizing<String>> {
        let split = || -> Result<Option<Zeroizing<String>>> {
            let cache = TokenCache::parse(text)?;
            if count_short_lived(&cache)? == 0 {
                return Ok(None);
            }
            let sealed = only_short_lived(&cache)?;
            self.vault.seal_beside(Beside::TokenCache, self.config_dir, &sealed)?;
            Ok(Some(without_short_lived(&cache)))
        };
        split().unwrap_or_else(|failure| {
            self.app.journal.warn(self.app.context.now(), &failure);
            None
        })
    }

    /// Removes what is sealed, because the file has it.
    pub(super) fn drop_sealed(&self) -> Result<()> {
        match self.vault.remove_beside(Beside::TokenCache, self.config_dir) {
            Err(failure) if self.vault.open_beside(Beside::TokenCache, self.config_dir).is_some() => Err(failure),
            // What does not open is of no use to anybody.
            _ => Ok(()),
        }
    }
}
