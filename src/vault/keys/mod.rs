//! Where the master key is: the OS keyring, systemd-creds, behind a passphrase, or in the key file. A vault's header says
//! which of them sealed it and which key, and that one is asked for that key, whatever the settings say now; the settings only
//! choose for a new vault, and `moving` for those that there are. All
//! vaults that one machine begins in an azward home share one key per store. Making a key is serialised by
//! `$AZWARD_HOME/key.lock`, and what was written is read back, so that two first runs end with one key.
//!
//! Which keys are this machine's can be told without asking a keyring, a person or a TPM: every file that has one is named by
//! what it is bound to, and so is the note that the keyring of that machine and user has a key (`notes`).
//!
//! What fails: [`Kind::KeyUnavailable`] when a store does not answer, is locked or cannot be read (the key may be fine);
//! [`Kind::KeyLost`] when it answers and does not have the key that is asked for.
//!
//! [`Kind::KeyUnavailable`]: crate::failure::Kind::KeyUnavailable
//! [`Kind::KeyLost`]: crate::failure::Kind::KeyLost

mod binding;
mod kernel_cache;
mod key_file;
mod keyring;
mod making;
mod master_key;
mod named_files;
mod notes;
mod opening;
mod passphrase;
mod passphrase_file;
mod removing;
mod stores;
mod systemd_creds;
mod systemd_tool;

use std::fmt;

#[cfg(test)]
pub(super) use binding::Binding;
pub(super) use binding::BoundWhere;
#[cfg(test)]
pub(super) use key_file::KeyFile;
pub(super) use master_key::{KeyId, MasterKey, hex, id_from_hex};
pub(super) use stores::{KeyStores, KeysHere};

pub(super) use crate::helper::Prompting;

/// The kinds of key store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStoreKind {
    /// The OS keyring: Secret Service, Keychain, Credential Manager.
    Keyring,
    /// The key file bound to this machine and user.
    KeyFile,
    /// systemd-creds: the host's key or its TPM.
    SystemdCreds,
    /// A passphrase.
    Passphrase,
}

/// What may become of a key file that does not give a key (torn, from another machine).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LostKey {
    /// It stays, and its failure is told.
    Keep,
    /// It is set aside, and a new key is made.
    Replace,
}

impl KeyStoreKind {
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Keyring),
            2 => Some(Self::KeyFile),
            3 => Some(Self::SystemdCreds),
            4 => Some(Self::Passphrase),
            _ => None,
        }
    }

    pub(super) fn to_byte(self) -> u8 {
        match self {
            Self::Keyring => 1,
            Self::KeyFile => 2,
            Self::SystemdCreds => 3,
            Self::Passphrase => 4,
        }
    }

    /// As it stands in the settings, and on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Keyring => "keyring",
            Self::KeyFile => "key-file",
            Self::SystemdCreds => "systemd-creds",
            Self::Passphrase => "passphrase",
        }
    }
}

impl fmt::Display for KeyStoreKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Keyring => "OS keyring",
            Self::KeyFile => "key file",
            Self::SystemdCreds => "sealed credential of systemd-creds",
            Self::Passphrase => "passphrase's file",
        })
    }
}
