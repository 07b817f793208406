//! Where az keeps its tokens: in the token cache's file, from where azward takes them (on Windows always: what az seals there is in a
//! file too), or encrypted in the system's keyring, from where azward takes them too (`run::az_keyring`), and else leaves them to az
//! (`core.encrypt_token_cache`; azure-cli-core 2.91.0, `util.py`, `should_encrypt_token_cache`: off by default outside of Windows; in
//! a later version on). The last writing decides of an az that may use a keyring: with every writing there it touches a file beside
//! the cache, and as long as that is newer, the cache is none that it reads. Otherwise an az that azward starts is told to use the
//! file, unless its owner has told it something by a variable. Nothing here fails: what cannot be seen is not there.

use std::path::Path;
use std::time::SystemTime;

use crate::azure::encryption_setting::{By, SETTING, Setting, Told, mentioned_in, told};
use crate::azure::ini::Ini;
use crate::azure::installation::Installation;
use crate::azure::{ConfigDir, real_az};
use crate::context::Context;
use crate::settings::Settings;

/// What az touches when it has written to the keyring (msal-extensions 1.3.1, `persistence.py`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// By the name that az gives it.
    Bin,
    /// By that which a later az does (azure-cli#33849).
    Sig,
}

impl Sign {
    const ALL: [Self; 2] = [Self::Bin, Self::Sig];

    /// The name of the token cache's.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bin => "msal_token_cache.bin",
            Self::Sig => "msal_token_cache.sig",
        }
    }

    /// What both names end with, the token cache's and the service principals'.
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Bin => "bin",
            Self::Sig => "sig",
        }
    }
}

/// Where an az decides what it does if nobody tells it anything: since 2.37, and before.
const DECIDED_IN: [(&str, &str); 2] = [
    ("azure/cli/core/util.py", "def should_encrypt_token_cache("),
    ("azure/cli/core/_profile.py", "def _create_identity_instance("),
];

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
    /// It would do what it does by default, or what its `config` says: by this name.
    IsToBeSaid(Setting),
}

/// How it is known that az uses a keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clue {
    /// It was told to.
    Told(By),
    /// What it touches then is newer than the token cache.
    Sign(Sign),
}

impl Clue {
    /// In words.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Told(by) => by.words(),
            Self::Sign(sign) => format!("there is a `{}`", sign.name()),
        }
    }

    /// What has az use the file again.
    #[must_use]
    pub fn remedy(self) -> String {
        match self {
            Self::Told(by) => by.remedy(),
            Self::Sign(_) => use_the_file(),
        }
    }
}

impl TokenStorage {
    /// Where an az in this process's place would have its tokens.
    #[must_use]
    pub fn of(context: &Context, settings: &Settings, config_dir: &ConfigDir) -> Self {
        Self::decide(context, settings, config_dir, told_there(context, settings, config_dir))
    }

    /// The same where az's `config` was read already.
    #[must_use]
    pub fn by(context: &Context, settings: &Settings, config_dir: &ConfigDir, config: &Ini) -> Self {
        Self::decide(context, settings, config_dir, told_by(context, settings, config))
    }

    fn decide(context: &Context, settings: &Settings, config_dir: &ConfigDir, told: Option<Told>) -> Self {
        if cfg!(windows) {
            // Which is sealed or not (`credentials::codec`).
            return Self::File(Say::Nothing);
        }
        match told {
            Some(Told::UseTheFile) => Self::File(Say::Nothing),
            // Of this very command.
            Some(Told::UseAKeyring(by @ By::Variable(_))) => Self::Keyring(Clue::Told(by)),
            Some(Told::UseAKeyring(by)) => match newer_sign(config_dir) {
                Some(_) => Self::Keyring(Clue::Told(by)),
                None => Self::File(Say::IsToBeSaid(by.setting())),
            },
            None => match newer_sign(config_dir).filter(|_| may_default_to_keyring(context, settings)) {
                Some(sign) => Self::Keyring(Clue::Sign(sign)),
                // One that does not know it uses the file anyway.
                None => Self::File(Say::IsToBeSaid(SETTING)),
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
        match self {
            Self::File(Say::IsToBeSaid(setting)) => Some((setting.variable, "false")),
            _ => None,
        }
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
    let installation = Installation::of(az)?;
    DECIDED_IN.into_iter().find_map(|(file, function)| {
        let source = installation.source(file)?;
        let (_, body) = source.split_once(function)?;
        let body = body.split("\ndef ").next().unwrap_or_default();
        Some(!body.contains("startswith('win"))
    })
}

/// What has an az use the file that uses a keyring by default.
#[must_use]
pub(crate) fn use_the_file() -> String {
    SETTING.remedy()
}

/// Whether the real az may use a keyring if nobody tells it anything.
fn may_default_to_keyring(context: &Context, settings: &Settings) -> bool {
    real_az::find(context, settings, &[]).ok().and_then(|az| is_keyring_the_default(&az)) != Some(false)
}

/// What has az read the file where azward does not tell it to, if it would not; `None` where it does, or nobody can tell.
#[must_use]
pub(crate) fn remedy_without_azward(context: &Context, settings: &Settings, config_dir: &ConfigDir) -> Option<String> {
    if cfg!(windows) {
        return None;
    }
    match told_there(context, settings, config_dir) {
        Some(Told::UseTheFile) => None,
        Some(Told::UseAKeyring(by)) => Some(by.remedy()),
        None => {
            let az = real_az::find(context, settings, &[]).ok()?;
            (is_keyring_the_default(&az) == Some(true)).then(use_the_file)
        }
    }
}

/// What az was told, as far as its `config` is read.
fn told_there(context: &Context, settings: &Settings, config_dir: &ConfigDir) -> Option<Told> {
    let path = config_dir.path().join("config");
    match Ini::read(&path) {
        Some(config) => told_by(context, settings, &config),
        None => told(context, settings, |option| mentioned_in(&path, option)),
    }
}

fn told_by(context: &Context, settings: &Settings, config: &Ini) -> Option<Told> {
    told(context, settings, |option| config.get("core", option).map(str::to_owned))
}

/// The file that says that az wrote to the keyring after the token cache was written.
#[must_use]
pub(crate) fn newer_sign(config_dir: &ConfigDir) -> Option<Sign> {
    let cache = written(&config_dir.token_cache());
    let is_newer = |sign: &Sign| {
        let touched = touched(config_dir, *sign);
        touched.is_some_and(|touched| cache.is_none_or(|cache| touched > cache))
    };
    Sign::ALL.into_iter().find(is_newer)
}

/// The file that says that az once wrote to the keyring; the later one.
#[cfg(any(target_os = "linux", target_os = "macos"))]
#[must_use]
pub(crate) fn sign(config_dir: &ConfigDir) -> Option<Sign> {
    let there = Sign::ALL.into_iter().filter_map(|sign| Some((touched(config_dir, sign)?, sign)));
    there.max_by_key(|(touched, _)| *touched).map(|(_, sign)| sign)
}

/// When az last touched it. One with something in it is Windows' own, in a directory that the two share.
fn touched(config_dir: &ConfigDir, sign: Sign) -> Option<SystemTime> {
    let metadata = config_dir.path().join(sign.name()).metadata().ok()?;
    if cfg!(windows) || metadata.len() > 0 {
        return None;
    }
    metadata.modified().ok()
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
        assert_eq!(at(dir.path(), &[]), TokenStorage::File(Say::IsToBeSaid(SETTING)));
        for (value, is_file) in [("False", true), ("0", true), ("true", false), ("", false), ("teapot", false)] {
            assert_eq!(at(dir.path(), &[(SETTING.variable, value)]).is_file(), is_file, "{value}");
        }
        config("[core]\nencrypt_token_cache = on\n");
        // It has not been there yet, and need not go there.
        assert_eq!(at(dir.path(), &[]), TokenStorage::File(Say::IsToBeSaid(SETTING)));
        fs::write(dir.path().join("msal_token_cache.bin"), "").unwrap();
        assert_eq!(at(dir.path(), &[]), TokenStorage::Keyring(Clue::Told(By::Option(SETTING))));
        assert_eq!(at(dir.path(), &[(SETTING.variable, "no")]), TokenStorage::File(Say::Nothing));
        config("[core]\nencrypt_token_cache = off\n");
        assert_eq!(at(dir.path(), &[]), TokenStorage::File(Say::Nothing));
        assert_eq!(
            at(dir.path(), &[(SETTING.variable, "yes")]),
            TokenStorage::Keyring(Clue::Told(By::Variable(SETTING)))
        );
        // More than is understood, and understood in this.
        config("[DEFAULT]\nx = 1\n[core]\nEncrypt_Token_Cache: yes\n");
        assert_eq!(at(dir.path(), &[]), TokenStorage::Keyring(Clue::Told(By::Option(SETTING))));
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
        for sign in Sign::ALL {
            let name = sign.name();
            touch(name, "", 10);
            let _ = fs::remove_file(config_dir.token_cache());
            assert_eq!(storage(), TokenStorage::Keyring(Clue::Sign(sign)));
            touch("msal_token_cache.json", "{}", 20);
            assert_eq!(storage(), TokenStorage::Keyring(Clue::Sign(sign)));
            assert!(written_before_a_sign(&config_dir).is_some());
            touch("msal_token_cache.json", "{}", 5);
            assert_eq!(storage(), TokenStorage::File(Say::IsToBeSaid(SETTING)));
            assert!(written_before_a_sign(&config_dir).is_none());
            touch(name, "what Windows encrypts", 0);
            assert_eq!(storage(), TokenStorage::File(Say::IsToBeSaid(SETTING)));
            touch(name, "", 0);
            assert_eq!(at(dir.path(), &[(SETTING.variable, "false")]), TokenStorage::File(Say::Nothing));
            fs::remove_file(dir.path().join(name)).unwrap();
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
        // Before it had a function of its own.
        fs::write(core.join("util.py"), "def other():\n    pass\n").unwrap();
        let source = "def _create_identity_instance(cli_ctx):\n    fallback = sys.platform.startswith('win32')\n";
        fs::write(core.join("_profile.py"), source).unwrap();
        assert_eq!(is_keyring_the_default(&az), Some(false));
        assert_eq!(is_keyring_the_default(Path::new("/nowhere/az")), None);
    }
}
