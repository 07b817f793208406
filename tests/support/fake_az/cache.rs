//! What the fake az does to the config directory: MSAL's token cache, changed the way MSAL does it (its lock, then truncate
//! and write in place), and the profile beside it. What stands in them is `contents`.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::contents::{self, NO_TOKEN, Who, add_access_token, name_of_user, now, own_refresh_token, roll, section};
use crate::json::{Json, object};

/// The files of one config directory.
pub(crate) struct Cache {
    path: PathBuf,
    pub(crate) profile: PathBuf,
}

/// MSAL's lock, held.
pub(crate) struct Lock {
    file: File,
    path: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.file.unlock();
        let _ = fs::remove_file(&self.path);
    }
}

impl Cache {
    /// That of the environment.
    pub(crate) fn here() -> Self {
        let given = std::env::var_os("AZURE_CONFIG_DIR").filter(|value| !value.is_empty()).map(PathBuf::from);
        let directory = given.unwrap_or_else(|| std::env::home_dir().unwrap_or_default().join(".azure"));
        let _ = fs::create_dir_all(&directory);
        Self { path: directory.join("msal_token_cache.json"), profile: directory.join("azureProfile.json") }
    }

    /// Takes the lock as msal-extensions does.
    pub(crate) fn lock(&self) -> Result<Lock, String> {
        let mut name = self.path.clone().into_os_string();
        name.push(".lockfile");
        let path = PathBuf::from(name);
        let wait = |mut attempt: Box<dyn FnMut() -> bool + '_>| {
            let end = Instant::now() + Duration::from_secs(5);
            while !attempt() {
                if Instant::now() > end {
                    return false;
                }
                std::thread::sleep(Duration::from_millis(250));
            }
            true
        };
        if !wait(Box::new(|| OpenOptions::new().write(true).create_new(true).open(&path).is_ok())) {
            eprintln!("WARNING: Process {} failed to create lock file", std::process::id());
        }
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).open(&path).map_err(|e| e.to_string())?;
        if !wait(Box::new(|| file.try_lock().is_ok())) {
            return Err("AlreadyLocked".to_owned());
        }
        let _ = write!(file, "{} az", std::process::id());
        Ok(Lock { file, path })
    }

    /// Adds a user with a refresh token, an access token for Resource Manager, and a subscription.
    pub(crate) fn login(&self, user: &str) -> Result<(), String> {
        let who = Who::named(user);
        self.edit(|document| {
            contents::add_login(document, &who, user);
            Ok(())
        })?;
        let subscription = contents::subscription_of(&who, user);
        self.edit_profile(|subscriptions| {
            subscriptions.retain(|known| name_of_user(known) != user);
            subscriptions.iter_mut().for_each(|known| known.set("isDefault", false));
            subscriptions.push(subscription);
        })
    }

    /// Forgets a user as `az logout` does: the client's metadata stays.
    pub(crate) fn logout(&self, user: &str) -> Result<(), String> {
        let who = Who::named(user);
        self.edit(|document| {
            for name in contents::OF_A_USER {
                section(document, name).retain(|_, entry| entry.text("home_account_id") != who.home);
            }
            Ok(())
        })?;
        self.edit_profile(|subscriptions| subscriptions.retain(|known| name_of_user(known) != user))
    }

    /// Forgets everyone as `az account clear` does.
    pub(crate) fn clear(&self) -> Result<(), String> {
        self.edit_profile(Vec::clear)?;
        fs::remove_file(&self.path).map_err(|error| format!("cannot remove the token cache: {error}"))
    }

    /// Gives the active user a new refresh token in place of the old.
    pub(crate) fn roll(&self) -> Result<(), String> {
        let who = self.active();
        self.edit(|document| roll(document, &who))
    }

    /// Adds an access token for `scope`; needs the refresh token for it, as az does.
    pub(crate) fn write_token(&self, scope: &str) -> Result<(), String> {
        let who = self.active();
        self.edit(|document| {
            own_refresh_token(document, &who).ok_or(NO_TOKEN)?;
            add_access_token(document, &who, scope);
            Ok(())
        })
    }

    /// The access token for `scope`: the one there is, if it has five minutes left, else a new one (and a new refresh token
    /// with it); and whether it is new.
    pub(crate) fn access_token(&self, scope: &str) -> Result<(Json, bool), String> {
        let who = self.active();
        let usable = |document: &Json| {
            let tokens = document.get("AccessToken").map_or(&[][..], Json::members);
            let mut usable = tokens.iter().map(|(_, entry)| entry).filter(|entry| {
                entry.text("home_account_id") == who.home
                    && entry.text("realm") == who.tenant
                    && entry.text("target").split(' ').any(|target| target == scope)
                    && entry.text("expires_on").parse().is_ok_and(|end: u64| end >= now() + 300)
            });
            usable.next().cloned()
        };
        if let Some(entry) = usable(&self.read()?) {
            return Ok((entry, false));
        }
        self.edit(|document| {
            own_refresh_token(document, &who).ok_or(NO_TOKEN)?;
            if std::env::var_os("FAKE_AZ_OFFLINE").is_some() {
                return Err("HTTPSConnectionPool: the fake az is offline".to_owned());
            }
            add_access_token(document, &who, scope);
            roll(document, &who)
        })?;
        usable(&self.read()?).map(|entry| (entry, true)).ok_or_else(|| "FAKE_AZ_LIFETIME is below 300".to_owned())
    }

    /// Cuts the cache to half its length, as a crash in the middle of a write would.
    pub(crate) fn tear(&self) -> Result<(), String> {
        let file = OpenOptions::new().write(true).open(&self.path).map_err(|error| error.to_string())?;
        let length = file.metadata().map_err(|error| error.to_string())?.len();
        file.set_len(length / 2).map_err(|error| error.to_string())
    }

    /// What the cache holds, without a secret.
    pub(crate) fn summary(&self) -> Json {
        let Ok(metadata) = fs::metadata(&self.path) else { return Json::Null };
        let document = fs::read_to_string(&self.path).ok().and_then(|text| Json::parse(&text));
        let section = |name: &str| document.as_ref().and_then(|all| all.get(name)).map_or(&[][..], Json::members);
        let mut secrets: Vec<&str> = section("RefreshToken").iter().map(|(_, entry)| entry.text("secret")).collect();
        secrets.sort_unstable();
        let mut hasher = DefaultHasher::new();
        secrets.hash(&mut hasher);
        object([
            ("mode", format!("{:o}", metadata.permissions().mode() & 0o7777).into()),
            ("parses", document.is_some().into()),
            ("refresh_tokens", secrets.len().into()),
            ("fingerprint", format!("{:016x}", hasher.finish()).into()),
            ("access_tokens", section("AccessToken").len().into()),
        ])
    }

    /// The user of the default subscription, else somebody whom no cache knows.
    fn active(&self) -> Who {
        let profile = fs::read_to_string(&self.profile).ok().and_then(|text| Json::parse(&text));
        let Some(Json::List(known)) = profile.as_ref().and_then(|profile| profile.get("subscriptions")) else {
            return Who::named("nobody");
        };
        let default = known.iter().find(|known| known.get("isDefault") == Some(&Json::Bool(true)));
        Who::named(default.map_or("nobody", name_of_user))
    }

    /// The document; no file is an empty one. Like MSAL, reads again when it caught somebody else's write.
    fn read(&self) -> Result<Json, String> {
        for _ in 0..3 {
            let Ok(text) = fs::read_to_string(&self.path) else { return Ok(Json::Object(Vec::new())) };
            if let Some(document) = Json::parse(&text) {
                return Ok(document);
            }
            if text.is_empty() {
                return Ok(Json::Object(Vec::new()));
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        Err("the token cache is no JSON".to_owned())
    }

    /// Changes the document under the lock and writes it in place.
    fn edit(&self, change: impl FnOnce(&mut Json) -> Result<(), String>) -> Result<(), String> {
        let _lock = self.lock()?;
        let mut document = self.read()?;
        change(&mut document)?;
        let open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&self.path);
        let mut file = open.map_err(|error| error.to_string())?;
        if let Some(pause) = std::env::var("FAKE_AZ_WRITE_PAUSE").ok().and_then(|pause| pause.parse().ok()) {
            std::thread::sleep(Duration::from_millis(pause));
        }
        file.write_all(document.to_lines().as_bytes()).map_err(|error| error.to_string())
    }

    fn edit_profile(&self, change: impl FnOnce(&mut Vec<Json>)) -> Result<(), String> {
        let text = fs::read_to_string(&self.profile).unwrap_or_default();
        let mut profile = Json::parse(&text).filter(|profile| profile.get("subscriptions").is_some());
        let profile = profile.get_or_insert_with(|| object([("subscriptions", Json::List(Vec::new()))]));
        if let Some(Json::List(subscriptions)) = profile.get_mut("subscriptions") {
            change(subscriptions);
        }
        fs::write(&self.profile, format!("\u{feff}{}", profile.to_line())).map_err(|error| error.to_string())
    }
}
