//! The command line of `azward vault`, and what it shares with the commands that were there before it.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// What `azward vault` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum VaultCommand {
    /// List the vaults: whose each is, where its key is, whether it opens
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Have another key store keep the key of every vault; the old one loses it when the new one has been read back
    Move {
        /// The new key store
        #[arg(long, value_name = "STORE")]
        to: KeyStore,
        /// Say what would happen, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Take the certificates of service principals out of their PEM files: az gets an assertion for each run, never the key
    SealCertificate {
        /// The application's id; without it, of all that sign in here with one
        #[arg(value_name = "CLIENT-ID", conflicts_with = "undo")]
        client_id: Option<String>,
        /// Put the files back where they were
        #[arg(long)]
        undo: bool,
    },
    /// Make the config directory that az uses here a view of the login that it is a copy of
    Adopt(Adopt),
    /// Drop logins from every file of azward's, without giving them back
    Forget(Forget),
}

/// The key stores that there are.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum KeyStore {
    /// The OS keyring: Secret Service, Keychain, Credential Manager
    Keyring,
    /// systemd-creds: the host's key or its TPM
    SystemdCreds,
    /// A passphrase: asked for at the terminal, or in the file that AZWARD_PASSPHRASE_FILE names
    Passphrase,
    /// A file that is bound to this machine and user
    KeyFile,
}

/// Which copy is adopted.
#[derive(Args, Debug)]
pub(crate) struct Adopt {
    /// The config directory of that login
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) from: PathBuf,
}

/// Which logins are forgotten.
#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("which").required(true)))]
pub(crate) struct Forget {
    /// The config directory whose login goes, be it there or not
    #[arg(group = "which")]
    pub(crate) directory: Option<PathBuf>,
    /// The logins of directories that were removed
    #[arg(long, group = "which")]
    pub(crate) gone: bool,
    /// All logins
    #[arg(long, group = "which")]
    pub(crate) all: bool,
    /// Those as well whose key is another machine's, or lost
    #[arg(long)]
    pub(crate) others: bool,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}
