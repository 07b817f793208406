//! The requests that MSAL keeps with the endpoint's errors in `msal_http_cache.bin`: an older one pickles the whole exchange, and
//! with it what was redeemed (msal before 1.29, `throttled_http_client.py`). There the values of secrets are written over,
//! letter for letter, so that the file stays what it is to az. What cannot be written is tried again by the next sweep.

use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::credentials::CredentialFile;
use crate::store::CredentialStore;
use crate::sys;
use crate::user_file::{self, Readers};

/// A larger file is nobody's cache.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The fields of a request that are a secret for long (RFC 6749, RFC 7523), as they stand in a form.
const FIELDS: [&str; 4] = ["refresh_token=", "client_secret=", "client_assertion=", "password="];

impl CredentialStore<'_> {
    /// Writes over what MSAL kept of secrets.
    pub(crate) fn blank_kept_answers(&self) {
        let path = self.kept_answers();
        // Nearly always there is none, and every run asks twice.
        let Ok(mut metadata) = path.symlink_metadata() else { return };
        let mut path = path;
        if metadata.is_symlink() {
            let target = path.canonicalize().and_then(|target| Ok((std::fs::metadata(&target)?, target)));
            match target {
                Ok((found, target)) if !user_file::is_foreign_link(&path) => (metadata, path) = (found, target),
                _ => return,
            }
        }
        if !metadata.is_file() || metadata.len() > LARGEST {
            return;
        }
        let mut text = Zeroizing::new(std::fs::read(&path).unwrap_or_default());
        if !blank(&mut text) {
            return;
        }
        let draft = path.with_file_name(".msal_http_cache.azward");
        let written = user_file::write_draft(&draft, &path, &text, Readers::AsBefore);
        if written.and_then(|_| sys::rename_over(&draft, &path)).is_err() {
            let _ = std::fs::remove_file(&draft);
        }
    }

    /// The file.
    pub(crate) fn kept_answers(&self) -> PathBuf {
        self.cache.path().with_file_name("msal_http_cache.bin")
    }
}

/// Writes over every secret; says whether there was one.
fn blank(text: &mut [u8]) -> bool {
    // As much as a form has of a value, and nothing that ends a text in a pickle.
    let is_of_value = |byte: &u8| byte.is_ascii_alphanumeric() || b"%+-._~*!".contains(byte);
    let mut has_blanked = false;
    for place in 0..text.len() {
        if text[place] != b'=' || !FIELDS.iter().any(|field| text[..=place].ends_with(field.as_bytes())) {
            continue;
        }
        let value = &mut text[place + 1..];
        let length = value.iter().take_while(|byte| is_of_value(byte)).count();
        has_blanked |= value[..length].iter().any(|byte| *byte != b'-');
        value[..length].fill(b'-');
    }
    has_blanked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_of_secrets_are_written_over_and_that_once() {
        let mut text =
            *b"X\x1a\0client_id=c&refresh_token=1.AQ%2Bx_y&scope=s&client_secret=~z\x94refresh_token=&password=p ";
        let blanked =
            *b"X\x1a\0client_id=c&refresh_token=----------&scope=s&client_secret=--\x94refresh_token=&password=- ";
        assert!(blank(&mut text));
        assert_eq!(text, blanked);
        assert!(!blank(&mut text));
        assert!(!blank(&mut b"refresh_token".to_vec()));
    }
}
