//! A refusal told on to az, so that the endpoint is asked once and az says in its own words what came of it: MSAL keeps the
//! endpoint's errors for a minute in `msal_http_cache.bin` and does not ask again meanwhile (msal 1.39.0,
//! `throttled_http_client.py`). There the answer that azward got is put, under the key of the request that az is about to
//! make. What is not understood stays as it is, and az asks for itself: another MSAL, another key, a file that is torn.

mod pickle;

use std::fmt::Write;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::azure::installation::Installation;
use crate::azure::known_az::NORMALISED;
use crate::secret::Secret;
use crate::store::CredentialStore;
use crate::sys;
use crate::tokens::entra::GrantRequest;
use crate::user_file::{self, Readers};
use pickle::{Cache, Entry};

/// For how many seconds MSAL keeps an error.
const KEPT_FOR: i64 = 60;

/// A larger file is nobody's cache.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Has the next az find that `request` was answered with status 400 and this text, if that is `real_az`, and one whose MSAL
/// keeps answers so: an older one has no such class, and fails at the file.
pub(super) fn tell_az(
    real_az: &Path,
    store: &CredentialStore<'_>,
    request: &GrantRequest<'_>,
    answer: &Secret,
    now: i64,
) {
    let source = Installation::of(real_az).and_then(|az| az.source("msal/throttled_http_client.py"));
    if !source.is_some_and(|source| source.contains(NORMALISED)) {
        return;
    }
    let Some(key) = key(request) else { return };
    let entry = Entry { key: &key, text: answer.expose_text(), created: now, expires: now.saturating_add(KEPT_FOR) };
    let path = store.kept_answers();
    if user_file::is_foreign_link(&path) {
        return;
    }
    let path = path.canonicalize().unwrap_or(path);
    let old = match std::fs::metadata(&path) {
        Ok(metadata) if !metadata.is_file() || metadata.len() > LARGEST => return,
        Ok(_) => std::fs::read(&path).unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    let Some(new) = Cache::read(&old).map(|cache| cache.with(&entry)) else { return };
    let draft = path.with_file_name(".msal_http_cache.azward");
    // What cannot be written costs one request more.
    let written = user_file::write_draft(&draft, &path, &new, Readers::AsBefore);
    if written.and_then(|_| sys::rename_over(&draft, &path)).is_err() {
        let _ = std::fs::remove_file(&draft);
    }
}

/// The key under which MSAL would look for its answer: the address, and a digest of the form as Python shows a dictionary.
/// `None` for what Python would show in another way.
fn key(request: &GrantRequest<'_>) -> Option<String> {
    let mut shown = zeroize::Zeroizing::new(String::with_capacity(8192));
    shown.push_str("None{");
    for (place, (name, value)) in request.form.iter().enumerate() {
        let value = std::str::from_utf8(value.bytes()).ok()?;
        if !value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'\'' && byte != b'\\') {
            return None;
        }
        shown.push_str(if place == 0 { "'" } else { ", '" });
        shown.push_str(name);
        shown.push_str("': ");
        // A number there, a text in all other places.
        let quote = if *name == "client_info" { "" } else { "'" };
        shown.push_str(quote);
        shown.push_str(value);
        shown.push_str(quote);
    }
    shown.push('}');
    // And that text as Python shows a text: in the quotes that it does not have, else with those escaped that it has.
    let mut digest = Sha256::new();
    match shown.contains('"') {
        true => {
            digest.update(b"'");
            for (place, part) in shown.split('\'').enumerate() {
                if place > 0 {
                    digest.update(b"\\'");
                }
                digest.update(part.as_bytes());
            }
            digest.update(b"'");
        }
        false => {
            digest.update(b"\"");
            digest.update(shown.as_bytes());
            digest.update(b"\"");
        }
    }
    let mut key = format!("POST {} hash=", request.url());
    for byte in digest.finalize() {
        let _ = write!(key, "{byte:02x}");
    }
    key.push_str(" 400");
    Some(key)
}
