//! Where az keeps its tokens: in the token cache's file, from where azward takes them, or encrypted in the system's keyring, which
//! is az's own affair (`core.encrypt_token_cache`; azure-cli-core 2.91.0, `util.py`, `should_encrypt_token_cache`: off by default
//! outside of Windows; in a later version on). What its owner has told az holds. Without a word, the last writing decides of an az
//! that may use a keyring: with every writing there it touches a file beside the cache, and as long as that is newer, the cache
//! is none that it reads.
//! Otherwise an az that azward starts is told to use the file. Nothing here fails: what cannot be seen is not there.

use std::path::Path;
use std::time::SystemTime;

use crate::azure::ini::Ini;
use crate::azure::installation::Installation;
use crate::azure::{ConfigDir, real_az};
use crate::context::Context;
use crate::settings::Settings;

/// Tells az whether to use a keyring.
const VARIABLE: &str = "AZURE_CORE_ENCRYPT_TOKEN_CACHE";

/// The same in its `config`.
const OPTION: &str = "encrypt_token_cache";

/// The variable, and what has az use the file.
const IN_THE_FILE: (&str, &str) = (VARIABLE, "false");

/// What az touches when it has written to the keyring: as msal-extensions 1.3.1 has it (`persistence.py`) with the name that az
/// gives it, and with the name that a later az does. On Windows the first has the tokens themselves in it.
const SIGNS: [&str; 2] = ["msal_token_cache.bin", "msal_token_cache.sig"];

/// Where az keeps its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenStorage {
    /// In the token cache's file.
    File(Say),
    /// In a keyring of its own.
    Keyring(Clue),
}

/// Whether az has to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Say {
    /// Its owner has told it.
    Nothing,
    /// It would do what it does by default.
    IsToBeSaid,
}

/// How it is known that az uses a keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clue {
    /// It was told to, in the environment.
    Variable,
    /// It was told to, in its `config`.
    Option,
    /// What it touches then is newer than the token cache.
    Sign(&'static str),
}

impl Clue {
    /// In words.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Variable => format!("`{VARIABLE}` is set"),
            Self::Option => format!("`{OPTION}` is set"),
            Self::Sign(name) => format!("there is a `{name}`"),
        }
    }

    /// What has az use the file again.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Variable => "unset that variable",
            Self::Option | Self::Sign(_) => "run `az config set core.encrypt_token_cache=false`",
        }
    }
}

impl TokenStorage {
    /// Where an az in this process's place would have its tokens.
    #[must_use]
    pub fn of(context: &Context, settings: &Settings, config_dir: &ConfigDir) -> Self {
        let path = config_dir.path().join("config");
        match Ini::read(&path) {
            Some(config) => Self::by(context, settings, config_dir, &config),
            None => Self::decide(context, settings, config_dir, mentioned_in(&path).as_deref()),
        }
    }

    /// The same where az's `config` was read already.
    #[must_use]
    pub fn by(context: &Context, settings: &Settings, config_dir: &ConfigDir, config: &Ini) -> Self {
        Self::decide(context, settings, config_dir, config.get("core", OPTION))
    }

    fn decide(context: &Context, settings: &Settings, config_dir: &ConfigDir, configured: Option<&str>) -> Self {
        // The environment wins (knack 0.13, `config.py`, `CLIConfig.get`). What is no boolean has az fail, in its own words.
        let told = match context.has_variable(VARIABLE) {
            true => Some((Clue::Variable, context.variable(VARIABLE).map_or(Some(""), |value| value.to_str()))),
            false => configured.map(|value| (Clue::Option, Some(value))),
        };
        match told {
            Some((_, Some(value))) if is_off(value) => Self::File(Say::Nothing),
            Some((clue, _)) => Self::Keyring(clue),
            None => match newer_sign(config_dir).filter(|_| may_default_to_keyring(context, settings)) {
                Some(sign) => Self::Keyring(Clue::Sign(sign)),
                None => Self::File(Say::IsToBeSaid),
            },
        }
    }

    /// Whether that is the token cache's file.
    #[must_use]
    pub fn is_file(self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Why az uses a keyring of its own, if it does.
    #[must_use]
    pub fn clue(self) -> Option<Clue> {
        match self {
            Self::File(_) => None,
            Self::Keyring(clue) => Some(clue),
        }
    }

    /// What an az whose tokens azward has is told.
    #[must_use]
    pub fn variable(self) -> Option<(&'static str, &'static str)> {
        (self == Self::File(Say::IsToBeSaid) && !cfg!(windows)).then_some(IN_THE_FILE)
    }
}

/// When the token cache was written, if that was before az wrote to the keyring: whoever writes it for another reason leaves it
/// older.
#[must_use]
pub(crate) fn written_before_a_sign(config_dir: &ConfigDir) -> Option<SystemTime> {
    newer_sign(config_dir).and_then(|_| written(&config_dir.token_cache()))
}

/// Whether the az at `az` uses a keyring if nobody tells it anything; `None` where its source is not found.
#[must_use]
pub(crate) fn is_keyring_the_default(az: &Path) -> Option<bool> {
    let source = Installation::of(az)?.source("azure/cli/core/util.py")?;
    let (_, body) = source.split_once("def should_encrypt_token_cache(")?;
    let body = body.split("\ndef ").next().unwrap_or_default();
    Some(cfg!(windows) || !body.contains("startswith('win"))
}

/// Whether the real az may use a keyring if nobody tells it anything.
fn may_default_to_keyring(context: &Context, settings: &Settings) -> bool {
    real_az::find(context, settings, &[]).ok().and_then(|az| is_keyring_the_default(&az)) != Some(false)
}

fn is_off(value: &str) -> bool {
    ["false", "no", "0", "off"].contains(&value.to_lowercase().as_str())
}

/// What a `config` that is more than is understood says of it: the last word.
fn mentioned_in(config: &Path) -> Option<String> {
    let bytes = std::fs::read(config).ok()?;
    let text = String::from_utf8_lossy(&bytes).to_lowercase();
    text.lines().rev().find_map(|line| {
        let rest = line.strip_prefix(OPTION)?.trim_start();
        Some(rest.strip_prefix(['=', ':'])?.trim().to_owned())
    })
}

/// The file that says that az wrote to the keyring after the token cache was written.
fn newer_sign(config_dir: &ConfigDir) -> Option<&'static str> {
    let cache = written(&config_dir.token_cache());
    SIGNS.into_iter().find(|name| {
        let metadata = config_dir.path().join(name).metadata();
        metadata.is_ok_and(|metadata| match metadata.modified() {
            _ if cfg!(windows) => true,
            // One with something in it is Windows' own, in a directory that the two share.
            Ok(touched) => metadata.len() == 0 && cache.is_none_or(|cache| touched > cache),
            Err(_) => false,
        })
    })
}

fn written(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|metadata| metadata.modified()).ok()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs::{self, File};
    use std::time::Duration;

    use super::*;

    fn at(dir: &Path, variables: &[(&str, &str)]) -> TokenStorage {
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let context = Context::new(variables.collect::<Vec<_>>(), None);
        // An az that nobody knows.
        let az = dir.join("az");
        fs::write(&az, "#!/bin/sh\n").unwrap();
        crate::sys::set_mode(&az, 0o755).unwrap();
        TokenStorage::of(&context, &Settings::default().pinning(Some(az)), &ConfigDir::at(dir))
    }

    #[test]
    fn what_az_was_told_holds_and_the_environment_has_the_last_word() {
        let dir = tempfile::tempdir().unwrap();
        let config = |text: &str| fs::write(dir.path().join("config"), text).unwrap();
        assert_eq!(at(dir.path(), &[]), TokenStorage::File(Say::IsToBeSaid));
        for (value, is_file) in [("False", true), ("0", true), ("true", false), ("", false), ("teapot", false)] {
            assert_eq!(at(dir.path(), &[(VARIABLE, value)]).is_file(), is_file, "{value}");
        }
        config("[core]\nencrypt_token_cache = on\n");
        assert_eq!(at(dir.path(), &[]), TokenStorage::Keyring(Clue::Option));
        assert_eq!(at(dir.path(), &[(VARIABLE, "no")]), TokenStorage::File(Say::Nothing));
        config("[core]\nencrypt_token_cache = off\n");
        assert_eq!(at(dir.path(), &[]), TokenStorage::File(Say::Nothing));
        assert_eq!(at(dir.path(), &[(VARIABLE, "yes")]), TokenStorage::Keyring(Clue::Variable));
        // More than is understood, and understood in this.
        config("[DEFAULT]\nx = 1\n[core]\nEncrypt_Token_Cache: yes\n");
        assert_eq!(at(dir.path(), &[]), TokenStorage::Keyring(Clue::Option));
        config("[a]\nx = %(y)s\n[core]\nencrypt_token_cache=no\n");
        assert_eq!(at(dir.path(), &[]), TokenStorage::File(Say::Nothing));
    }

    #[test]
    fn without_a_word_the_last_writing_decides() {
        let dir = tempfile::tempdir().unwrap();
        let config_dir = ConfigDir::at(dir.path());
        let touch = |name: &str, text: &str, age: u64| {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            let time = SystemTime::now() - Duration::from_secs(age);
            File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        };
        let storage = || at(dir.path(), &[]);
        for sign in SIGNS {
            touch(sign, "", 10);
            let _ = fs::remove_file(config_dir.token_cache());
            assert_eq!(storage(), TokenStorage::Keyring(Clue::Sign(sign)));
            touch("msal_token_cache.json", "{}", 20);
            assert_eq!(storage(), TokenStorage::Keyring(Clue::Sign(sign)));
            assert!(written_before_a_sign(&config_dir).is_some());
            touch("msal_token_cache.json", "{}", 5);
            assert_eq!(storage(), TokenStorage::File(Say::IsToBeSaid));
            assert!(written_before_a_sign(&config_dir).is_none());
            touch(sign, "what Windows encrypts", 0);
            assert_eq!(storage(), TokenStorage::File(Say::IsToBeSaid));
            touch(sign, "", 0);
            assert_eq!(at(dir.path(), &[(VARIABLE, "false")]), TokenStorage::File(Say::Nothing));
            fs::remove_file(dir.path().join(sign)).unwrap();
        }
    }

    #[test]
    fn what_an_az_does_by_default_is_read_off_its_source() {
        let dir = tempfile::tempdir().unwrap();
        let core = dir.path().join("lib/python3.12/site-packages/azure/cli/core");
        fs::create_dir_all(&core).unwrap();
        fs::create_dir(dir.path().join("bin")).unwrap();
        let az = dir.path().join("bin/az");
        fs::write(&az, "").unwrap();
        for (fallback, is_default) in [("sys.platform.startswith('win32')", Some(false)), ("True", Some(true))] {
            let source = format!(
                "def other():\n    sys.platform.startswith('win')\n\n\ndef should_encrypt_token_cache(cli_ctx):\n    \
                 fallback = {fallback}\n    return fallback\n\n\ndef next():\n    sys.platform.startswith('win')\n"
            );
            fs::write(core.join("util.py"), source).unwrap();
            assert_eq!(is_keyring_the_default(&az), is_default, "{fallback}");
        }
        assert_eq!(is_keyring_the_default(Path::new("/nowhere/az")), None);
    }
}
