//! By what az is told whether to encrypt its tokens: a setting in the environment or in its `config`, whose name changed once.
//! `core.token_encryption` of az 2.30 is `core.encrypt_token_cache` since 2.31 (azure-cli-core, `_profile.py`,
//! `_create_identity_instance`), and each of them knows its own name alone. Of an az whose version is not known (`version.rs`)
//! either may be meant, and the one that encrypts is believed. Nothing here fails: what cannot be read says nothing.

use std::path::Path;

use crate::azure::installation::Installation;
use crate::azure::real_az;
use crate::azure::version::Version;
use crate::context::Context;
use crate::settings::Settings;

/// A name of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// In its environment.
    pub(crate) variable: &'static str,
    /// In its `config`, in the section `core`.
    option: &'static str,
}

/// The name that it has now, and the one that it had in az 2.30.
pub(crate) const SETTING: Setting =
    Setting { variable: "AZURE_CORE_ENCRYPT_TOKEN_CACHE", option: "encrypt_token_cache" };
const FIRST_SETTING: Setting = Setting { variable: "AZURE_CORE_TOKEN_ENCRYPTION", option: "token_encryption" };

impl Setting {
    /// What has az use the file.
    pub(crate) fn remedy(self) -> String {
        format!("run `az config set core.{}=false`", self.option)
    }
}

/// What az was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    UseTheFile,
    UseAKeyring(By),
}

/// By what it was told to encrypt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The variable, which is of this very command.
    Variable(Setting),
    /// The option.
    Option(Setting),
}

impl By {
    /// The name by which it was told.
    pub(crate) fn setting(self) -> Setting {
        let (Self::Variable(setting) | Self::Option(setting)) = self;
        setting
    }

    /// In words.
    pub(crate) fn words(self) -> String {
        let (Self::Variable(Setting { variable: name, .. }) | Self::Option(Setting { option: name, .. })) = self;
        format!("`{name}` is set")
    }

    /// What has az use the file again.
    pub(crate) fn remedy(self) -> String {
        match self {
            Self::Variable(setting) => format!("unset `{}`", setting.variable),
            Self::Option(setting) => setting.remedy(),
        }
    }
}

/// What the real az was told, where `configured` says what its `config` has for an option; `None` for nothing.
pub(crate) fn told(
    context: &Context,
    settings: &Settings,
    configured: impl Fn(&str) -> Option<String>,
) -> Option<Told> {
    let [told, first] = [SETTING, FIRST_SETTING].map(|setting| told_by(setting, context, &configured));
    match (told, first) {
        // Whichever az it is: one that does not know the name uses the file anyway.
        (None | Some(Told::UseTheFile), None) => told,
        _ => match version(context, settings) {
            Some(version) if version.reads_encrypt_token_cache() => told,
            Some(_) => first,
            None => [told, first].into_iter().flatten().find(|told| *told != Told::UseTheFile).or(told),
        },
    }
}

/// The environment wins (knack 0.8 to 0.14, `config.py`, `CLIConfig.get`). What is no boolean has az fail, in its own words.
fn told_by(setting: Setting, context: &Context, configured: impl Fn(&str) -> Option<String>) -> Option<Told> {
    let (by, is_off) = match context.has_variable(setting.variable) {
        true => {
            let value = context.variable(setting.variable).and_then(|value| value.to_str());
            (By::Variable(setting), value.is_some_and(is_off))
        }
        false => (By::Option(setting), is_off(&configured(setting.option)?)),
    };
    Some(if is_off { Told::UseTheFile } else { Told::UseAKeyring(by) })
}

/// What a variable tells an az on Windows, where it seals its files by default; `None` where there is none.
#[cfg(windows)]
pub(crate) fn is_sealing_by(context: &Context) -> Option<bool> {
    context.variable(SETTING.variable).map(|value| !value.to_str().is_some_and(is_off))
}

/// What its `config` tells it.
#[cfg(windows)]
pub(crate) fn is_sealing_there(config: &Path) -> bool {
    !mentioned_in(config, SETTING.option).is_some_and(|value| is_off(&value))
}

/// The version of the real az, where that is known.
fn version(context: &Context, settings: &Settings) -> Option<Version> {
    let az = real_az::find(context, settings, &[]).ok()?;
    Installation::of(&az)?.package().map(|(version, _)| version)
}

fn is_off(value: &str) -> bool {
    ["false", "no", "0", "off"].contains(&value.to_lowercase().as_str())
}

/// What a `config` that is more than is understood says of an option: the last word.
pub(crate) fn mentioned_in(config: &Path, option: &str) -> Option<String> {
    let bytes = std::fs::read(config).ok()?;
    let text = String::from_utf8_lossy(&bytes).to_lowercase();
    text.lines().rev().find_map(|line| {
        let rest = line.strip_prefix(option)?.trim_start();
        Some(rest.strip_prefix(['=', ':'])?.trim().to_owned())
    })
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_az_is_told_by_the_name_that_it_knows() {
        let dir = tempfile::tempdir().unwrap();
        let packages = dir.path().join("lib/python3.12/site-packages");
        fs::create_dir_all(packages.join("azure/cli/core")).unwrap();
        fs::create_dir(dir.path().join("bin")).unwrap();
        let az = dir.path().join("bin/az");
        fs::write(&az, "").unwrap();
        crate::sys::set_mode(&az, 0o755).unwrap();
        let metadata = |version: &str| packages.join(format!("azure_cli-{version}.dist-info"));
        let told = |config: &str, variables: &[(&str, &str)]| {
            fs::write(dir.path().join("config"), format!("[core]\n{config}")).unwrap();
            let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
            let context = Context::new(variables.collect::<Vec<_>>(), None);
            let settings = Settings::default().pinning(Some(az.clone()));
            let config = dir.path().join("config");
            told(&context, &settings, |option| mentioned_in(&config, option))
        };
        let settings = [SETTING, FIRST_SETTING];
        for (version, known) in
            [("2.30.0", Some(FIRST_SETTING)), ("2.31.0", Some(SETTING)), ("2.91.0", Some(SETTING)), ("none", None)]
        {
            fs::create_dir(metadata(version)).unwrap();
            for setting in settings {
                let other = settings.into_iter().find(|other| *other != setting).unwrap();
                let is_known = known.is_none_or(|known| known == setting);
                let on = |by| is_known.then_some(Told::UseAKeyring(by));
                let (option, variable) = (setting.option, setting.variable);
                assert_eq!(told(&format!("{option} = true\n"), &[]), on(By::Option(setting)), "{version}");
                assert_eq!(told("", &[(variable, "1")]), on(By::Variable(setting)), "{version}");
                assert_eq!(
                    told(&format!("{option} = on\n"), &[(variable, "")]),
                    on(By::Variable(setting)),
                    "{version}"
                );
                let off = told(&format!("{option} = on\n"), &[(variable, "0")]);
                assert!(matches!(off, None | Some(Told::UseTheFile)), "{version}");
                // Of two that may both be meant, the one that is on is.
                let both = told(&format!("{option} = on\n{} = off\n", other.option), &[]);
                assert_eq!(both.filter(|told| *told != Told::UseTheFile), on(By::Option(setting)), "{version}");
            }
            fs::remove_dir(metadata(version)).unwrap();
        }
    }
}
