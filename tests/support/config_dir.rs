//! The Azure config directory as tests look at it: what the token cache and the profile hold, and a token cache made older
//! than it is, with the layout that MSAL gave it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::fake_az::json::Json;

/// A config directory, the box's own or a copy.
#[derive(Clone, Debug)]
pub(crate) struct ConfigDir {
    path: PathBuf,
}

impl ConfigDir {
    pub(crate) fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Copies the whole directory, times and modes included, as a backup or a thief would.
    pub(crate) fn copy_to(&self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let status = Command::new("cp").arg("-a").arg(&self.path).arg(&path).status();
        assert!(status.is_ok_and(|status| status.success()), "cannot copy to `{}`", path.display());
        Self { path }
    }

    pub(crate) fn token_cache_path(&self) -> PathBuf {
        self.path.join("msal_token_cache.json")
    }

    /// The token cache's text; panics if there is none.
    pub(crate) fn token_cache_text(&self) -> String {
        read(&self.token_cache_path())
    }

    /// The token cache; an empty object if there is no file.
    pub(crate) fn token_cache(&self) -> Value {
        if !self.token_cache_path().exists() {
            return Value::Object(serde_json::Map::new());
        }
        // One who takes no lock may find it half written, as az's own readers do; they look three times.
        let attempts = (0..3).find_map(|attempt| {
            std::thread::sleep(Duration::from_millis(attempt * 200));
            serde_json::from_str(&self.token_cache_text()).ok()
        });
        attempts.expect("the token cache is JSON")
    }

    /// The entries of one section, without their keys.
    pub(crate) fn entries(&self, section: &str) -> Vec<Value> {
        let cache = self.token_cache();
        cache[section].as_object().map(|entries| entries.values().cloned().collect()).unwrap_or_default()
    }

    /// How many refresh tokens the token cache holds.
    pub(crate) fn refresh_token_count(&self) -> usize {
        self.entries("RefreshToken").len()
    }

    /// The user names of the accounts in the token cache, sorted.
    pub(crate) fn accounts(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.entries("Account").iter().filter_map(|entry| entry["username"].as_str().map(str::to_owned)).collect();
        names.sort();
        names
    }

    /// The subscriptions in the profile; none if there is no profile.
    pub(crate) fn subscriptions(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path.join("azureProfile.json")).unwrap_or_default();
        let profile: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap_or_default();
        profile["subscriptions"].as_array().cloned().unwrap_or_default()
    }

    /// The access token for a realm ("organizations" or a tenant's id) and a scope.
    pub(crate) fn access_token(&self, realm: &str, scope: &str) -> Option<Value> {
        self.entries("AccessToken").into_iter().find(|entry| {
            entry["realm"] == realm
                && entry["target"].as_str().is_some_and(|target| target.split(' ').any(|t| t == scope))
        })
    }

    /// Leaves every access token whose target contains `text` so many seconds to live, as if that much time had passed
    /// since it was issued; returns how many there are. Panics if there is none: the test would test nothing.
    pub(crate) fn age_access_tokens(&self, seconds_left: i64, text: &str) -> usize {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
        let mut aged = 0;
        self.edit_token_cache(|cache| {
            let Some(Json::Object(tokens)) = cache.get_mut("AccessToken") else { return };
            for (_, entry) in tokens.iter_mut().filter(|(_, entry)| entry.text("target").contains(text)) {
                let older =
                    now + seconds_left - entry.text("expires_on").parse::<i64>().expect("expires_on is a number");
                for time in ["cached_at", "expires_on", "extended_expires_on", "refresh_on"] {
                    if let Ok(before) = entry.text(time).parse::<i64>() {
                        entry.set(time, (before + older).to_string());
                    }
                }
                aged += 1;
            }
        });
        assert_ne!(aged, 0, "no access token in `{}` is for `{text}`", self.path.display());
        aged
    }

    /// Takes all access tokens out of the token cache.
    pub(crate) fn drop_access_tokens(&self) {
        self.edit_token_cache(|cache| cache.set("AccessToken", Json::Object(Vec::new())));
    }

    /// Edits the token cache and writes it in place as MSAL does, in MSAL's layout. Nothing else may be running.
    pub(crate) fn edit_token_cache(&self, edit: impl FnOnce(&mut Json)) {
        let mut cache = Json::parse(&self.token_cache_text()).expect("the token cache is JSON");
        edit(&mut cache);
        let path = self.token_cache_path();
        fs::write(&path, cache.to_lines()).unwrap_or_else(|error| panic!("cannot write `{}`: {error}", path.display()));
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("cannot read `{}`: {error}", path.display()))
}
