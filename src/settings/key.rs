//! The settings by name, as files and command lines have them: which there are, and what each may be. A name or a value that is
//! none is a failure that names the nearest one.

use std::path::{Path, PathBuf};

use super::choice::{Choice, ConfirmChoice};
use super::{Provenance, Setting, Settings};
use crate::failure::{Failure, Kind, Result};
use crate::text;

/// How many minutes the window before a token's expiry may be: az takes none that has less than the least.
const WINDOW: std::ops::RangeInclusive<u32> = 5..=720;

/// Whether it can be known here who calls.
const CAN_TELL_CALLERS: bool = cfg!(unix);

/// How much a word must be like another to be meant by it, of 1.
const LIKENESS: f64 = 0.75;

/// A setting's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// How the secrets are handed to a run.
    Exposure,
    /// Where the master key of a new vault is kept.
    KeyStore,
    /// What leaves the files when no run needs it.
    Seal,
    /// For how many minutes the kernel may keep a keyring's key.
    KeyCacheMinutes,
    /// How many minutes before its expiry a token is due.
    WindowMinutes,
    /// The real az.
    RealAz,
    /// Whether events are kept.
    Journal,
    /// Whether a person is asked before a program gets a token.
    Confirm,
}

/// A value, as a file or a command line has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A word or a path.
    Text(String),
    /// A number.
    Number(i64),
}

impl Value {
    /// As it is shown, without quotes.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
        }
    }
}

impl Key {
    /// Every setting there is, and its name.
    pub const ALL: [(&'static str, Self); 8] = [
        ("exposure", Self::Exposure),
        ("key_store", Self::KeyStore),
        ("seal", Self::Seal),
        ("key_cache_minutes", Self::KeyCacheMinutes),
        ("window_minutes", Self::WindowMinutes),
        ("real_az", Self::RealAz),
        ("journal", Self::Journal),
        ("confirm", Self::Confirm),
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, key)| *key == self).map_or("", |(name, _)| name)
    }

    /// The setting of this name.
    ///
    /// # Errors
    /// [`Kind::Usage`], with the nearest name.
    pub fn named(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, key)| *key).ok_or_else(|| {
            let names = Self::ALL.map(|(name, _)| name);
            let what = format!("there is no setting `{}`", text::name(name));
            Failure::new(Kind::Usage, what, suggestion(name, &names, "the settings are"))
        })
    }

    /// The words that it may be, where it is one of a few.
    #[must_use]
    pub fn words(self) -> Vec<&'static str> {
        fn all<T: Choice>() -> Vec<&'static str> {
            T::ALL.iter().map(|(word, _)| *word).collect()
        }
        match self {
            Self::Exposure => all::<super::ExposureChoice>(),
            Self::KeyStore => all::<super::KeyStoreChoice>(),
            Self::Seal => all::<super::SealChoice>(),
            Self::Journal => all::<super::JournalChoice>(),
            Self::Confirm => all::<super::ConfirmChoice>(),
            Self::KeyCacheMinutes | Self::WindowMinutes | Self::RealAz => Vec::new(),
        }
    }

    /// The value that a word of a command line is. What it may be is asked when it is put somewhere.
    #[must_use]
    pub fn value_of(self, word: &str) -> Value {
        match self {
            Self::KeyCacheMinutes | Self::WindowMinutes => {
                word.parse().map_or_else(|_| Value::Text(word.to_owned()), Value::Number)
            }
            Self::Exposure | Self::KeyStore | Self::Seal | Self::RealAz | Self::Journal | Self::Confirm => {
                Value::Text(word.to_owned())
            }
        }
    }

    /// Puts what a file says into `settings`.
    ///
    /// # Errors
    /// [`Kind::Usage`] for what it cannot be, with what it can.
    pub(super) fn put(self, value: &Value, settings: &mut Settings) -> Result<()> {
        fn choose<T: Choice>(value: &Value, setting: &mut Setting<T>) -> Option<()> {
            let Value::Text(word) = value else { return None };
            *setting = Setting::in_file(T::named(word)?);
            Some(())
        }
        fn count(value: &Value, range: &std::ops::RangeInclusive<u32>, setting: &mut Setting<u32>) -> Option<()> {
            let Value::Number(number) = value else { return None };
            *setting = Setting::in_file(u32::try_from(*number).ok().filter(|number| range.contains(number))?);
            Some(())
        }
        let taken = match self {
            Self::Exposure => choose(value, &mut settings.exposure),
            Self::KeyStore => choose(value, &mut settings.key_store),
            Self::Seal => choose(value, &mut settings.seal),
            Self::Journal => choose(value, &mut settings.journal),
            Self::Confirm if !CAN_TELL_CALLERS && *value == Value::Text(ConfirmChoice::NewCaller.word().to_owned()) => {
                let hint = "leave it at `never`: there every program gets its tokens unasked";
                let what = "`confirm` cannot be `new-caller` on Windows, where azward does not know who calls";
                return Err(Failure::new(Kind::Usage, what, hint));
            }
            Self::Confirm => choose(value, &mut settings.confirm),
            Self::KeyCacheMinutes => count(value, &(0..=u32::MAX), &mut settings.key_cache_minutes),
            Self::WindowMinutes => count(value, &WINDOW, &mut settings.window_minutes),
            Self::RealAz => match value {
                Value::Text(path) if Path::new(path).is_absolute() => {
                    *settings = settings.pinning(Some(PathBuf::from(path)));
                    Some(())
                }
                _ => None,
            },
        };
        taken.ok_or_else(|| self.refused(value))
    }

    fn refused(self, value: &Value) -> Failure {
        let shown = value.words();
        let hint = match self {
            Self::Exposure | Self::KeyStore | Self::Seal | Self::Journal | Self::Confirm => {
                suggestion(&shown, &self.words(), "it is one of")
            }
            Self::KeyCacheMinutes => "it is a whole number of minutes, 0 for not at all".to_owned(),
            Self::WindowMinutes => {
                format!("it is a whole number of minutes from {} to {}", WINDOW.start(), WINDOW.end())
            }
            Self::RealAz => "it is the path of a program, from the root on".to_owned(),
        };
        Failure::new(Kind::Usage, format!("`{}` cannot be `{}`", self.name(), text::name(&shown)), hint)
    }

    /// What holds of it in `settings`, and by whom; no value where there is no default.
    #[must_use]
    pub fn effective(self, settings: &Settings) -> (Option<Value>, Provenance) {
        fn word<T: Choice>(setting: Setting<T>) -> (Option<Value>, Provenance) {
            (Some(Value::Text(setting.value.word().to_owned())), setting.provenance)
        }
        let number = |setting: Setting<u32>| (Some(Value::Number(setting.value.into())), setting.provenance);
        match self {
            Self::Exposure => word(settings.exposure),
            Self::KeyStore => word(settings.key_store),
            Self::Seal => word(settings.seal),
            Self::Journal => word(settings.journal),
            Self::Confirm => word(settings.confirm),
            Self::KeyCacheMinutes => number(settings.key_cache_minutes),
            Self::WindowMinutes => number(settings.window_minutes),
            Self::RealAz => settings.real_az.first().map_or((None, Provenance::Default), |setting| {
                (Some(Value::Text(text::path(&setting.value))), setting.provenance)
            }),
        }
    }
}

/// The word that was meant, if one is near, and all there are.
fn suggestion(word: &str, words: &[&str], all: &str) -> String {
    let likeness = |known: &str| strsim::jaro_winkler(word, known);
    let nearest = words.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    let meant = nearest.filter(|known| likeness(known) >= LIKENESS);
    let meant = meant.map_or_else(String::new, |known| format!("did you mean `{known}`? "));
    format!("{meant}{all} {}", words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_misspelt_is_told_the_nearest() {
        let hint = |name| Key::named(name).unwrap_err().hint;
        assert!(hint("exposre").starts_with("did you mean `exposure`? the settings are exposure, key_store,"));
        assert!(hint("key-store").starts_with("did you mean `key_store`? "));
        assert!(hint("teapot").starts_with("the settings are "), "{}", hint("teapot"));
        let refused = |key: Key, word: &str| key.put(&key.value_of(word), &mut Settings::default()).unwrap_err().hint;
        let hint = refused(Key::Exposure, "inplace");
        assert_eq!(hint, "did you mean `in-place`? it is one of auto, private, memory, in-place");
        assert_eq!(refused(Key::Journal, "true"), "it is one of on, off");
    }

    #[test]
    fn what_is_put_is_what_holds_and_nothing_else_can_be() {
        for (name, key) in Key::ALL {
            assert_eq!(Key::named(name).unwrap(), key);
            let (good, bad): (&[&str], &[&str]) = match key {
                Key::Exposure => (&["auto", "private", "memory", "in-place"], &["", "Auto", "1"]),
                Key::KeyStore => (&["auto", "keyring", "systemd-creds", "passphrase", "key-file"], &["key_file"]),
                Key::Seal => (&["refresh-tokens", "all-tokens"], &["all", "access-tokens", ""]),
                Key::Journal => (&["on", "off"], &["yes"]),
                Key::Confirm if CAN_TELL_CALLERS => (&["never", "new-caller"], &["new", "always", ""]),
                Key::Confirm => (&["never"], &["new-caller"]),
                Key::KeyCacheMinutes => (&["0", "60", "4294967295"], &["-1", "4294967296", "1.5", "", "8h"]),
                Key::WindowMinutes => (&["5", "720"], &["4", "721", "twenty"]),
                Key::RealAz if cfg!(windows) => (&[r"C:\opt\az.cmd"], &["az", r".\az", "/opt/az", ""]),
                Key::RealAz => (&["/opt/az"], &["az", "./az", ""]),
            };
            for word in good {
                let mut settings = Settings::default();
                key.put(&key.value_of(word), &mut settings).unwrap();
                assert_eq!(key.effective(&settings), (Some(key.value_of(word)), Provenance::File), "{name} {word}");
            }
            for word in bad {
                key.put(&key.value_of(word), &mut Settings::default()).unwrap_err();
            }
        }
    }
}
