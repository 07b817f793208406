//! MSAL's token cache: the file, its format, and what only it has: accounts, notes about clients, access tokens. Format, keys
//! and lock are MSAL's; azward adds nothing to them.

mod accounts;
mod additions;
mod cache_entry;
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod moving;
mod redeem;
mod sections;
mod short_lived;
mod token_cache;

pub use crate::credentials::document::Entry;
pub use accounts::{accounts, forget, harvest, inject, inject_present, name_of, seat, vault_accounts};
pub use additions::Additions;
pub use cache_entry::{AccountFields, RefreshTokenFields};
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub use moving::{Listed, with_entries_from, without_entries_of};
pub use redeem::{Redeemable, accept, add_tokens, redeemable, replace_refresh_token, rivals_of};
pub use sections::Section;
pub(in crate::credentials) use sections::{Members, joined, not_understood};
pub use short_lived::{count_short_lived, only_short_lived, with_short_lived, without_short_lived};
pub use token_cache::TokenCache;

use crate::azure::ConfigDir;
use crate::credentials::CredentialFile;
use crate::credentials::file::WholeFile;

/// The token cache of one config directory.
#[derive(Clone, Debug)]
pub struct TokenCacheFile(WholeFile);

impl TokenCacheFile {
    /// That of `config_dir`; nothing is opened yet.
    #[must_use]
    pub fn of(config_dir: &ConfigDir) -> Self {
        Self(WholeFile::at(config_dir.token_cache(), "token cache"))
    }
}

impl CredentialFile for TokenCacheFile {
    fn file(&self) -> &WholeFile {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::credentials::file::WriteMode;
    use crate::failure::Kind;

    #[test]
    fn a_text_comes_back_and_bytes_that_are_not_text_are_foreign() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenCacheFile::of(&ConfigDir::at(dir.path()));
        assert!(file.read().unwrap().is_none());
        let lock = file.lock(Duration::ZERO).unwrap();
        file.replace(&lock, "{\"\u{e4}\": 1}", WriteMode::Rename).unwrap();
        assert_eq!(file.read().unwrap().unwrap().as_str(), "{\"\u{e4}\": 1}");
        std::fs::write(file.path(), [0xff, 0xfe]).unwrap();
        let failure = file.read().unwrap_err();
        assert_eq!(failure.kind, Kind::CacheForeign);
        // Where az seals the file, nobody has sealed that.
        let why = if cfg!(windows) { "does not open" } else { "is not text" };
        assert!(failure.to_string().contains(why), "{failure}");
    }
}
