//! The command line of `azward login` and `azward token`, and what completes where a session or a login is named.

use std::ffi::OsString;
use std::time::Duration;

use azward::app::App;
use azward::context::Context;
use azward::home::Care;
use azward::sessions::{NamedLogin, Session};
use clap::{Args, ValueEnum};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};

/// How somebody signs in.
#[derive(Args, Debug)]
pub(crate) struct Login {
    /// Its name; without one, az's own config directory
    pub(crate) name: Option<String>,
    /// The tenant
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,
    /// The cloud
    #[arg(long, value_name = "CLOUD")]
    pub(crate) cloud: Option<String>,
    /// Copy what Leapp keeps of an Azure integration in the keyring, instead of signing in; Linux only
    #[arg(long, requires = "name", conflicts_with_all = ["tenant", "cloud", "others"])]
    pub(crate) from_leapp: bool,
    /// With --from-leapp: which one, where there are several
    #[arg(long, value_name = "ID", requires = "from_leapp")]
    pub(crate) integration: Option<String>,
    /// With --from-leapp: do not ask
    #[arg(long, requires = "from_leapp")]
    pub(crate) yes: bool,
    /// What else az's own login is told
    #[arg(last = true, value_name = "OPTION")]
    pub(crate) others: Vec<OsString>,
}

/// Which token is printed, and how.
#[derive(Args, Debug)]
pub(crate) struct Token {
    /// The session; without one, the config directory that az uses here
    #[arg(add = ArgValueCandidates::new(sessions))]
    pub(crate) session: Option<String>,
    /// The resource that it is for; without it, Resource Manager
    #[arg(long, value_name = "RESOURCE", conflicts_with = "scope")]
    pub(crate) resource: Option<String>,
    /// The scope that it is for
    #[arg(long, value_name = "SCOPE")]
    pub(crate) scope: Option<String>,
    /// How long it is to be good at least: 90s, 30m, 1h
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "0s")]
    pub(crate) min_life: Duration,
    /// As JSON, as az prints it
    #[arg(long, conflicts_with = "header")]
    pub(crate) json: bool,
    /// As a header of HTTP
    #[arg(long)]
    pub(crate) header: bool,
}

/// Which shell is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EnvSyntax {
    /// sh, bash, zsh
    Sh,
    /// fish
    Fish,
    /// PowerShell
    Powershell,
    /// None: an object
    Json,
}

impl EnvSyntax {
    pub(crate) const NATIVE: Self = if cfg!(windows) { Self::Powershell } else { Self::Sh };
}

/// A time as `90s`, `30m`, `1h`.
fn parse_time(text: &str) -> Result<Duration, String> {
    let units = [('s', 1), ('m', 60), ('h', 3600)];
    let found = units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(*unit)?, *seconds)));
    let time = found.and_then(|(number, seconds)| number.parse::<u64>().ok()?.checked_mul(seconds));
    time.map(Duration::from_secs).ok_or_else(|| "a number and s, m or h: `30m`".to_owned())
}

/// The names of sessions.
pub(crate) fn sessions() -> Vec<CompletionCandidate> {
    let app = App::new(Context::from_process(), Care::Look);
    let all = azward::sessions::all(&app).unwrap_or_default();
    let help = |session: &Session| format!("{}, {}", session.subscription_name, session.user);
    all.iter().map(|session| CompletionCandidate::new(&session.name).help(Some(help(session).into()))).collect()
}

/// The names of logins.
pub(crate) fn logins() -> Vec<CompletionCandidate> {
    let all = NamedLogin::all(&Context::from_process());
    all.into_iter().map(|login| CompletionCandidate::new(login.name)).collect()
}
