//! The command line of `azward`: its subcommands and their options, and nothing that acts. What is wrong with one is said, and
//! so is the help that is asked for, through [`Ui`].

mod config;
mod serve;
mod sessions;
mod vault;

use std::process::ExitCode;

use azward::app::App;
use azward::commands::completions::Shell;
use azward::commands::list;
use azward::commands::version;
use azward::context::Context;
use azward::home::Care;
use azward::ui::Ui;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};

pub(crate) use config::Config;
pub(crate) use serve::{AllowedResources, Format, Serve};
pub(crate) use sessions::{EnvSyntax, Login, Token};
use sessions::{logins, sessions};
pub(crate) use vault::{Adopt, Forget, KeyStore, VaultCommand};

use crate::examples;

/// Keeps the Azure CLI's refresh tokens off the disk.
#[derive(Debug, Parser)]
#[command(name = "azward", version = version::shown(), about, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What the command line, its help, its completions and its manual are made of.
pub(crate) fn definition() -> clap::Command {
    examples::added_to(Cli::command())
}

/// Reads this process's command line. Where there is nothing to do for it, because it makes no sense or asks for help, that is
/// said, and what is returned is the exit code.
pub(crate) fn parse(ui: &Ui) -> Result<Cli, ExitCode> {
    let parse =
        |definition: clap::Command| definition.try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    // The examples are for whoever is told something.
    let parsed = parse(Cli::command()).or_else(|_| parse(definition()));
    parsed.map_err(|error| {
        let text = error.render();
        match error.use_stderr() {
            true => ui.usage(&text.to_string()),
            false => ui.help(&text.to_string(), &text.ansi().to_string()),
        }
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
    })
}

/// What `azward log` sums up by.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum By {
    /// The process that asked.
    Caller,
    /// The scope that was asked for.
    Scope,
}

/// What `azward` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the vault, the logins in it, and whether anything lies in the clear
    Status {
        /// As JSON, in the schema of docs/json.md
        #[arg(long)]
        json: bool,
        /// For scripts: say nothing but what is wrong; 0 for good, 3 where a person has to sign in, 1 for trouble
        #[arg(long)]
        check: bool,
    },
    /// Show who got which token when, and what else happened
    Log {
        /// Go on telling until it is interrupted; of what was before the last ten, or what --since says
        #[arg(long, conflicts_with = "by")]
        follow: bool,
        /// Only what is no older than this: 30s, 15m, 1h, 2d
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
        since: Option<std::time::Duration>,
        /// A summary instead: the tokens that each caller got, or that were got for each scope
        #[arg(long, value_name = "WHAT")]
        by: Option<By>,
        /// As JSON, in the schema of docs/json.md
        #[arg(long)]
        json: bool,
    },
    /// Look for what is not as it should be: PATH, the real az, secrets, modes, locks, vaults, the endpoint
    Doctor {
        /// Mend what can be mended safely, and look again; asks on a terminal before each
        #[arg(long)]
        fix: bool,
        /// Do not ask
        #[arg(long, requires = "fix")]
        yes: bool,
        /// As JSON, in the schema of docs/json.md
        #[arg(long)]
        json: bool,
    },
    /// Take what lies in the clear into the vault and scrub it, now
    Scrub,
    /// End the keys that the kernel keeps for a while: the next command asks the key store again
    Lock,
    /// Ask for the keys of all vaults now, so that no later command has to, and say how long they are kept
    Unlock,
    /// Put the shim first on PATH, pin the real az, adopt the login that is there
    Install {
        /// Leave the shells' start-up files alone
        #[arg(long)]
        no_modify_path: bool,
        /// For all users of this machine: for cron, services and `ssh host az`; only root can
        #[arg(long, conflicts_with = "no_modify_path")]
        system: bool,
        /// In the place of a newer azward, too; what that has sealed may not open any more
        #[arg(long)]
        allow_downgrade: bool,
    },
    /// Give everything back: PATH, and the refresh tokens to the Azure CLI
    Uninstall {
        /// Drop the logins that cannot be given back, because their directory or its users are gone
        #[arg(long)]
        forget: bool,
        /// With --forget: those as well whose key is another machine's, or lost
        #[arg(long, requires = "forget")]
        others: bool,
        /// What `install --system` did; logins are given back by each user
        #[arg(long, conflicts_with = "forget")]
        system: bool,
    },
    /// Make a directory a view of a login: another config directory for az, with the same refresh token
    View {
        /// The directory, which is made if it is not there
        directory: std::path::PathBuf,
        /// The config directory whose login it is to have; without it, the one that az uses here
        #[arg(long, value_name = "DIRECTORY", conflicts_with = "remove", add = ArgValueCandidates::new(directories))]
        of: Option<std::path::PathBuf>,
        /// Take it back: the directory has no login from then on
        #[arg(long)]
        remove: bool,
    },
    /// Get a new access token now, for a role or a group that was granted a moment ago
    Refresh {
        /// The resource that it is for; without it, Resource Manager
        #[arg(long, value_name = "RESOURCE", conflicts_with = "all")]
        resource: Option<String>,
        /// A new one in the place of each that the token cache has
        #[arg(long)]
        all: bool,
    },
    /// Run any program in a session, or as az is run, with the refresh tokens at hand for as long as it takes
    Exec {
        /// The session; without one, the program is run as az is
        #[arg(add = ArgValueCandidates::new(sessions))]
        session: Option<String>,
        /// Give its tokens to the program over an endpoint, too: to a container, to what has no az
        #[arg(long, requires = "session")]
        serve: bool,
        #[command(flatten)]
        allowed: AllowedResources,
        /// The program, found on PATH, and its arguments
        #[arg(required = true, last = true, value_name = "COMMAND")]
        words: Vec<std::ffi::OsString>,
    },
    /// Sign in to a login of its own; each subscription that it sees is a session
    Login(Login),
    /// Have az ask again which subscriptions a login sees
    Sync {
        /// The login
        #[arg(default_value = "default", add = ArgValueCandidates::new(logins))]
        name: String,
    },
    /// Sign a login out and forget it all: its sessions, its refresh tokens, its directory
    Logout {
        /// The login
        #[arg(add = ArgValueCandidates::new(logins))]
        name: String,
    },
    /// Start a session: a config directory of its own, with that subscription and an access token
    Start {
        /// The session
        #[arg(add = ArgValueCandidates::new(sessions))]
        session: String,
        /// The region that az's commands there use when they are not told otherwise
        #[arg(long, value_name = "REGION")]
        region: Option<String>,
    },
    /// Renew the access token of a session that is due
    Rotate {
        /// The session
        #[arg(add = ArgValueCandidates::new(sessions))]
        session: String,
        /// Whatever it has left
        #[arg(long)]
        force: bool,
    },
    /// Stop sessions: nothing of the login's stays in their directories
    #[command(group(clap::ArgGroup::new("sessions").required(true)))]
    Stop {
        /// The session
        #[arg(group = "sessions", add = ArgValueCandidates::new(sessions))]
        session: Option<String>,
        /// Every one that is started
        #[arg(long, group = "sessions")]
        all: bool,
    },
    /// Give a session another name
    Rename {
        /// The session
        #[arg(add = ArgValueCandidates::new(sessions))]
        session: String,
        /// Its name from now on
        name: String,
    },
    /// Have plain az use a session from now on; without a name, pick one from a list
    Use {
        /// The session
        #[arg(add = ArgValueCandidates::new(sessions))]
        session: Option<String>,
        /// The user's own config directory again
        #[arg(long, conflicts_with = "session")]
        none: bool,
    },
    /// Print what a shell needs in its environment to work in a session: for eval, direnv, mise
    Env {
        /// The session
        #[arg(add = ArgValueCandidates::new(sessions))]
        session: String,
        /// For which shell
        #[arg(long, value_enum, value_name = "SHELL", default_value_t = EnvSyntax::NATIVE)]
        shell: EnvSyntax,
    },
    /// Start a shell that works in a session
    Shell {
        /// The session
        #[arg(add = ArgValueCandidates::new(sessions))]
        session: String,
    },
    /// Print an access token
    Token(Token),
    /// Give tokens of one session to containers and other hosts, for as long as this runs
    Serve(Serve),
    /// Make the config directory that az uses here a view of the login that it is a copy of
    Adopt(Adopt),
    /// List the logins and the sessions: subscription, tenant, user, state, how long the token is good
    List {
        /// The logins of every config directory instead: whether that exists, when it was last used, where its key is
        #[arg(long)]
        logins: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// The programs that may use the login, where `confirm` has azward ask before one that never did
    Callers {
        #[command(subcommand)]
        deed: Option<Callers>,
    },
    /// Show and change the settings: what holds, and where that comes from
    Config {
        #[command(subcommand)]
        deed: Option<Config>,
    },
    /// Print what has a shell complete this command's line (`azward install` puts it where the shells look)
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page of azward, or of a subcommand
    Man {
        /// The subcommand's words
        #[arg(value_name = "SUBCOMMAND")]
        words: Vec<String>,
        /// Write every page to this directory
        #[arg(long, value_name = "DIRECTORY", hide = true, conflicts_with = "words")]
        into: Option<std::path::PathBuf>,
    },
    /// Drop logins from every file of azward's, without giving them back
    Forget(Forget),
    /// The vaults, and where their keys are
    #[command(subcommand)]
    Vault(VaultCommand),
}

/// What `azward callers` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Callers {
    /// Show those that are known (so does `azward callers` alone)
    List {
        /// As JSON, in the schema of docs/json.md
        #[arg(long)]
        json: bool,
    },
    /// Allow one beforehand
    Allow {
        /// The file of the program, or a script that names its interpreter itself
        program: std::path::PathBuf,
        /// The script, if the program is its interpreter
        script: Option<String>,
    },
    /// Have one be asked about anew
    Forget {
        /// The file of the program, or of its script
        path: std::path::PathBuf,
    },
}

/// The directories of the logins that azward keeps, for a shell that asks: nothing is mended or asked for.
fn directories() -> Vec<CompletionCandidate> {
    let app = App::new(Context::from_process(), Care::Look);
    list::directories(&app).into_iter().map(CompletionCandidate::new).collect()
}
