//! What an az that replaces its token cache by rename leaves in the config directory when the rename fails on a private
//! mount: the file that it meant to put in the cache's place, refresh tokens and all. What is new in it is the newest there
//! is, so it is taken into the run's copy, and the file is removed once the vault has all of it on disk.
//!
//! Nobody tells which process made a file, and a config directory gets others too: a backup that is just restored, the
//! conflict copy of a synchroniser, an editor's. So a file is taken for the run's own only if everything speaks for it: it
//! was not there when the run began, it has this user for its owner and no other name, its name is one that a writer gives to
//! what is to take the cache's place, and its text descends from the run's private copy: each token is one of the copy's or
//! younger than the run, and there are some of both. (Tokens are random: what another machine or an older backup has is not
//! the same.) Whatever else has refresh tokens in it and came up meanwhile is left
//! where it is, as it is, and told.

use std::fmt;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use zeroize::Zeroizing;

use crate::credentials::CredentialFile;
use crate::credentials::edit;
use crate::credentials::merge::Base;
use crate::credentials::msal::{Entry, Section, TokenCache};
use crate::failure::{Failure, Kind, Result};
use crate::store::CredentialStore;
use crate::sys;

/// The largest file that is looked at: no token cache comes near it.
const LARGEST: u64 = 64 << 20;

/// What follows a file's name when it is kept, and not about to take the other's place.
const KEPT: [&str; 12] =
    ["bak", "backup", "old", "orig", "save", "saved", "copy", "swp", "swo", "rej", "lockfile", "azward"];

/// A file that the run's az left.
pub(super) struct TempCache {
    path: PathBuf,
    /// How it looked when it was read.
    state: String,
    changed: SystemTime,
    text: Zeroizing<String>,
}

impl fmt::Debug for TempCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TempCache").field("path", &self.path).finish_non_exhaustive()
    }
}

impl TempCache {
    /// The text of the run's copy, made of `base`, with what this one has that is new.
    ///
    /// # Errors
    /// `CacheForeign` when either is no cache.
    pub(super) fn taken_into(&self, mut text: Zeroizing<String>, base: &Base) -> Result<Zeroizing<String>> {
        let cache = TokenCache::parse(&self.text)?;
        for section in Section::ALL {
            let mut new = cache.entries(section)?;
            new.retain(|entry| !was_handed_over(base, section, entry));
            if !new.is_empty() {
                text = TokenCache::parse(&text)?.with_upserted(section, &new)?;
            }
        }
        Ok(text)
    }
}

/// Removes those of them whose refresh tokens are all in the vault, on disk. Says whether there were any.
///
/// # Errors
/// When the vault cannot be read or a file not be removed.
pub(super) fn clear_up(store: &CredentialStore<'_>, temp_caches: &[TempCache]) -> Result<bool> {
    if temp_caches.is_empty() {
        return Ok(false);
    }
    let contents = store.vault.load()?;
    for temp_cache in temp_caches {
        let cache = TokenCache::parse(&temp_cache.text)?;
        let rest = edit::scrub(&cache, &contents)?;
        let rest = TokenCache::parse(rest.as_ref().unwrap_or(&temp_cache.text))?;
        let is_the_same = sys::file_state(&temp_cache.path).is_ok_and(|state| state.text == temp_cache.state);
        if !rest.has_refresh_token()? && is_the_same {
            std::fs::remove_file(&temp_cache.path)
                .map_err(|error| Failure::storage("remove", &temp_cache.path, &error))?;
        } else {
            tell(store, &temp_cache.path);
        }
    }
    Ok(true)
}

/// The names of a directory's files, to tell later what came up since.
#[must_use]
pub(super) fn names_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// The files in the config directory, changed since the run began, that are this run's, whose copy was made of `base`: the
/// oldest first. The others are told.
pub(super) fn left_behind(store: &CredentialStore<'_>, base: &Base) -> Vec<TempCache> {
    let began = UNIX_EPOCH + Duration::from_secs(base.began().saturating_sub(1).unsigned_abs());
    let Ok(entries) = std::fs::read_dir(store.config_dir.path()) else { return Vec::new() };
    let cache = store.cache.path();
    let temp_cache = |entry: std::fs::DirEntry| {
        let path = entry.path();
        // A link leads somewhere else, and what is there is none of this directory's.
        let metadata = path.symlink_metadata().ok()?;
        let changed = sys::changed_at(&metadata)?;
        if path == cache || !metadata.is_file() || metadata.len() > LARGEST || changed < began {
            return None;
        }
        let state = sys::file_state(&path).ok()?.text;
        let text = Zeroizing::new(std::fs::read_to_string(&path).ok()?);
        let parsed = TokenCache::parse(&text).ok()?;
        if !parsed.has_refresh_token().ok()? {
            return None;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_own = !base.was_there(&name)
            && is_of_us_alone(&metadata)
            && cache.file_name().is_some_and(|cache| is_a_writer_s(&name, &cache.to_string_lossy()))
            && descends(&parsed, base);
        if !is_own {
            // One that was there before tells of itself by other ways.
            if !base.was_there(&name) {
                tell(store, &path);
            }
            return None;
        }
        Some(TempCache { path, state, changed, text })
    };
    let mut found: Vec<TempCache> = entries.flatten().filter_map(temp_cache).collect();
    found.sort_by_key(|temp_cache| temp_cache.changed);
    found
}

fn tell(store: &CredentialStore<'_>, path: &Path) {
    let failure = Failure::new(
        Kind::CacheForeign,
        format!("`{}` has refresh tokens in it and is none of azward's: it was left as it is", path.display()),
        "move it away from the config directory if you put it there, or remove it",
    );
    store.app.journal.warn(store.app.context.now(), &failure);
}

fn is_of_us_alone(metadata: &Metadata) -> bool {
    sys::owner_id(metadata) == sys::user_id() && sys::has_one_name(metadata)
}

/// Whether a writer that replaces `cache` by rename gives such a name to what is to take its place: that of the cache with
/// something appended, hidden or not, or one of Python's `tempfile`.
fn is_a_writer_s(name: &str, cache: &str) -> bool {
    let is_plain = |part: &str| {
        (1..=32).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    };
    if let Some(random) = name.strip_prefix("tmp") {
        let is_random = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        return random.len() == 8 && random.bytes().all(is_random);
    }
    let Some(rest) = name.strip_prefix('.').unwrap_or(name).strip_prefix(cache) else { return false };
    let Some(rest) = rest.strip_prefix(['.', '-', '_']) else { return false };
    let is_kept = |part: &str| KEPT.contains(&part.to_ascii_lowercase().as_str());
    rest.split('.').count() <= 3 && rest.split('.').all(|part| is_plain(part) && !is_kept(part))
}

/// Whether a text was made of the run's private copy: each of its tokens was in the copy or is younger than the run, and
/// there are some of both.
fn descends(text: &TokenCache<'_>, base: &Base) -> bool {
    let (mut is_like_the_copy, mut is_changed) = (false, false);
    for section in [Section::AccessToken, Section::RefreshToken] {
        let Ok(entries) = text.entries(section) else { return false };
        for entry in entries {
            if was_handed_over(base, section, &entry) {
                is_like_the_copy = true;
            } else if stored_at(section, &entry) < base.began() {
                return false;
            } else {
                is_changed = true;
            }
        }
    }
    is_like_the_copy && is_changed
}

/// Whether this very entry was in the copy when it was handed over.
fn was_handed_over(base: &Base, section: Section, entry: &Entry<'_>) -> bool {
    match section {
        Section::RefreshToken => base.handed_over(entry),
        _ => base.had(section.name(), entry),
    }
}

fn stored_at(section: Section, entry: &Entry<'_>) -> i64 {
    match section {
        Section::RefreshToken => {
            let fields = entry.refresh_token().ok();
            fields.and_then(|token| token.last_modification_time).and_then(|time| time.parse().ok()).unwrap_or(0)
        }
        _ => entry.cached_at(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_to_take_the_cache_s_place_is_a_writer_s() {
        let cache = "msal_token_cache.json";
        for name in
            ["msal_token_cache.json.new", "msal_token_cache.json.4711.tmp", ".msal_token_cache.json.x_9", "tmpab12cd_4"]
        {
            assert!(is_a_writer_s(name, cache), "{name}");
        }
        for name in [
            "msal_token_cache.json",
            "msal_token_cache.json~",
            "msal_token_cache.json.bak",
            "msal_token_cache.json.2026.BAK",
            ".msal_token_cache.json.swp",
            "msal_token_cache (conflicted copy).json",
            "msal_token_cache.sync-conflict-20261125-101010-ABCDEFG.json",
            "msal_token_cache.json.lockfile",
            "msal_token_cache.json.azward",
            "msal_token_cache.json (1)",
            "#msal_token_cache.json#",
            "backup.json",
            "tmpab12cd34.json",
            "tmpABCDEFGH",
            "tmp",
        ] {
            assert!(!is_a_writer_s(name, cache), "{name}");
        }
    }
}
