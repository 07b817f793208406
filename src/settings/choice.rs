//! Settings that are one of a few words: the words, and what each stands for. A word that is none of them stands for nothing.

use serde::Deserialize;

/// A setting that is one of a few words.
pub trait Choice: Copy + Default + PartialEq + 'static {
    /// Each word, and what it stands for.
    const ALL: &'static [(&'static str, Self)];

    /// What a word stands for.
    #[must_use]
    fn named(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == word).map(|(_, choice)| *choice)
    }

    /// Its word.
    #[must_use]
    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, choice)| *choice == self).map_or("", |(name, _)| name)
    }
}

/// Where the master key is kept.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum KeyStoreChoice {
    /// The OS keyring where it answers, else systemd-creds where that seals for this user, else the key file.
    #[default]
    Auto,
    /// The OS keyring and nothing else.
    Keyring,
    /// systemd-creds: the host's key or its TPM.
    SystemdCreds,
    /// A passphrase.
    Passphrase,
    /// The key file bound to this machine and user.
    KeyFile,
}

impl Choice for KeyStoreChoice {
    const ALL: &'static [(&'static str, Self)] = &[
        ("auto", Self::Auto),
        ("keyring", Self::Keyring),
        ("systemd-creds", Self::SystemdCreds),
        ("passphrase", Self::Passphrase),
        ("key-file", Self::KeyFile),
    ];
}

/// How the secrets are handed to a run.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ExposureChoice {
    /// Private for what starts no other program, else in memory, each where the system allows it; in place last.
    #[default]
    Auto,
    /// In a mount namespace of the run's own, or not at all.
    Private,
    /// In the token cache that all see, while that is in memory and on no disk, or not at all.
    Memory,
    /// In the real token cache, for as long as a run needs it.
    InPlace,
}

impl Choice for ExposureChoice {
    const ALL: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("private", Self::Private), ("memory", Self::Memory), ("in-place", Self::InPlace)];
}

/// What leaves the files when no run needs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SealChoice {
    /// What is good for long: refresh tokens, secrets of service principals.
    #[default]
    RefreshTokens,
    /// Access and ID tokens as well.
    AllTokens,
}

impl Choice for SealChoice {
    const ALL: &'static [(&'static str, Self)] =
        &[("refresh-tokens", Self::RefreshTokens), ("all-tokens", Self::AllTokens)];
}

/// Whether events are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JournalChoice {
    /// All of them, within the journal's bound.
    #[default]
    On,
    /// None but warnings, which `azward status` has to tell.
    Off,
}

impl Choice for JournalChoice {
    const ALL: &'static [(&'static str, Self)] = &[("on", Self::On), ("off", Self::Off)];
}

/// Whether a person is asked before a program gets a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConfirmChoice {
    /// Nobody is asked.
    #[default]
    Never,
    /// Before one that never had a token gets its first.
    NewCaller,
}

impl Choice for ConfirmChoice {
    const ALL: &'static [(&'static str, Self)] = &[("never", Self::Never), ("new-caller", Self::NewCaller)];
}
