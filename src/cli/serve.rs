//! The command line of `azward serve`, and what of it `azward exec --serve` has.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCandidates;

use super::sessions::sessions;

/// What is served, where, and for how long.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// The session; without one, the one that az works in here
    #[arg(add = ArgValueCandidates::new(sessions))]
    pub(crate) session: Option<String>,
    /// A Unix socket at this path, which nobody else can connect to
    #[arg(long, value_name = "PATH", conflicts_with = "port")]
    pub(crate) socket: Option<PathBuf>,
    /// This port of loopback; without either, one that is free, and a socket in azward's home
    #[arg(long, value_name = "N")]
    pub(crate) port: Option<u16>,
    /// For how long: 30m, 8h, 2d
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "8h")]
    pub(crate) ttl: Duration,
    #[command(flatten)]
    pub(crate) allowed: AllowedResources,
    /// Only what is for this one
    #[arg(long, value_enum, value_name = "WHOM")]
    pub(crate) format: Option<Format>,
    /// For the process with this id, and no longer than that is there
    #[arg(long = "for", value_name = "PID")]
    pub(crate) follows: Option<u32>,
    /// Behind the caller, who is told of it in JSON
    #[arg(long, hide = true, requires = "follows")]
    pub(crate) detached: bool,
    #[arg(long, hide = true, requires = "follows")]
    pub(crate) announced: bool,
}

/// The resources whose tokens are given.
#[derive(Args, Clone, Debug)]
pub(crate) struct AllowedResources {
    /// Tokens for this resource, too, and as often as it is said; without any, for Resource Manager alone, with `*` for all
    #[arg(long = "allow-resource", value_name = "RESOURCE")]
    pub(crate) names: Vec<String>,
}

/// For whom it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// sh, bash, zsh
    Sh,
    /// fish
    Fish,
    /// PowerShell
    Powershell,
    /// An object
    Json,
    /// docker run, podman run
    Docker,
    /// A compose file
    Compose,
    /// A devcontainer.json
    Devcontainer,
}
