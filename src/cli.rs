//! The command line of `azward`: its subcommands and their options, and nothing that acts.

use clap::{Parser, Subcommand};

/// Keeps the Azure CLI's refresh tokens off the disk.
#[derive(Debug, Parser)]
#[command(name = "azward", version, about, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What `azward` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the vault, the logins in it, and whether anything lies in the clear
    Status,
    /// Take what lies in the clear into the vault and scrub it, now
    Scrub,
    /// Put the shim first on PATH, pin the real az, adopt the login that is there
    Install {
        /// Leave the shells' start-up files alone
        #[arg(long)]
        no_modify_path: bool,
    },
    /// Give everything back: PATH, and the refresh tokens to the Azure CLI
    Uninstall {
        /// Drop the logins that cannot be given back, because their directory or its users are gone
        #[arg(long)]
        forget: bool,
    },
}
