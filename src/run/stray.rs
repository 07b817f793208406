//! What an az that replaces its token cache by rename leaves in the config directory when the rename fails on a private
//! mount: the file that it meant to put in the cache's place, refresh tokens and all. It is the newest there is, so it is
//! taken for the run's copy and removed once it is stored there. A file that is no token cache with a refresh token in it
//! is none of ours.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use zeroize::Zeroizing;

use crate::azure::token_cache::{Section, TokenCache};
use crate::failure::{Failure, Result};
use crate::run::custody::Custody;
use crate::run::private::PrivateCopy;

/// The largest file that is looked at: no token cache comes near it.
const LARGEST: u64 = 64 << 20;

/// Takes such a file, if there is one, for the run's copy. Says whether there was one.
///
/// # Errors
/// When the copy cannot be written; the file is still there then.
pub fn take_in(custody: &Custody<'_>, copy: &PrivateCopy) -> Result<bool> {
    let mut strays = find(custody, copy.base.began());
    strays.sort_by_key(|(time, ..)| *time);
    if let Some((_, _, text)) = strays.last() {
        copy.write(text)?;
    }
    let is_any = !strays.is_empty();
    for (_, path, _) in strays {
        std::fs::remove_file(&path).map_err(|error| Failure::storage("remove", &path, &error))?;
    }
    Ok(is_any)
}

/// The files in the config directory, changed since the run began, that are token caches with a refresh token.
fn find(custody: &Custody<'_>, began: i64) -> Vec<(SystemTime, PathBuf, Zeroizing<String>)> {
    let began = UNIX_EPOCH + Duration::from_secs(began.saturating_sub(1).unsigned_abs());
    let Ok(entries) = std::fs::read_dir(custody.config_dir.path()) else { return Vec::new() };
    let cache = custody.cache.path();
    let stray = |entry: std::fs::DirEntry| {
        let (path, metadata) = (entry.path(), entry.metadata().ok()?);
        let changed = metadata.modified().ok()?;
        if path == cache || !metadata.is_file() || metadata.len() > LARGEST || changed < began {
            return None;
        }
        let text = Zeroizing::new(std::fs::read_to_string(&path).ok()?);
        let has_tokens = TokenCache::parse(&text)
            .and_then(|cache| cache.entries(Section::RefreshToken))
            .is_ok_and(|tokens| !tokens.is_empty());
        has_tokens.then_some((changed, path, text))
    };
    entries.flatten().filter_map(stray).collect()
}
