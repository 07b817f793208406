//! `azward env`, `azward shell` and `azward exec SESSION`: a process tree that works in a session, by its environment alone: az, SDKs and
//! Terraform in it use that session's config directory and subscription. No secret is in it; what az needs, the shim hands to it
//! there as everywhere.

use std::ffi::{OsStr, OsString};
use std::process::Command;

use anyhow::{Result, bail};

use crate::app::App;
use crate::azure::ConfigDir;
use crate::client;
use crate::commands::containers::equipped;
use crate::commands::exec::found;
use crate::commands::serve::started_behind;
use crate::commands::session::started;
use crate::consent;
use crate::failure::{Failure, Kind};
use crate::run::{run_variable, supervise};
use crate::sessions::environment::{self, Syntax};
use crate::sessions::{self, Session};
use crate::settings::ConfirmChoice;
use crate::ui::{self, Ui};

/// Lets whoever called azward go on, if he may use the login. What runs inside a run has it already.
///
/// # Errors
/// Those of [`consent::require`].
pub fn require_consent(app: &App, deed: &str) -> Result<()> {
    let is_inside = || run_variable::is_inside(&app.context, &ConfigDir::of(&app.context));
    if app.settings.confirm.value == ConfirmChoice::NewCaller && !is_inside() {
        consent::require(app, deed)?;
    }
    Ok(())
}

/// Tells a shell what the session called `name` needs in its environment.
///
/// # Errors
/// Those of [`sessions::start`].
pub fn env(app: &App, ui: &Ui, name: &str, syntax: Syntax) -> Result<()> {
    let session = started(app, ui, &sessions::named(app, name)?)?;
    let variables = environment::variables(&app.context, &session)?;
    match ui::answer(&environment::told(&variables, syntax)) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => bail!(error),
        _ => Ok(()),
    }
}

/// Becomes the program that the first of `words` names, in the session called `name`; where resources are `served`, with an endpoint
/// beside it that gives that session's tokens for those: its variables are in the program's environment, and in that of the
/// containers that it starts.
///
/// # Errors
/// Those of [`sessions::start`], the endpoint's, `NoProgram`, `NotStarted`.
pub fn exec(app: &App, ui: &Ui, name: &str, served: Option<&[String]>, words: &[OsString]) -> Result<()> {
    let Some((program, arguments)) = words.split_first() else {
        bail!(Failure::new(Kind::Usage, "there is no program to run", "name one: `azward exec SESSION -- PROGRAM`"));
    };
    let session = started(app, ui, &sessions::named(app, name)?)?;
    let Some(allowed) = served else { return become_program(app, &session, program, arguments) };
    let here = started_behind(app, &session, allowed)?;
    let arguments = equipped(program, arguments, &here)?;
    // An az here has the session itself, and asks nobody.
    let of_client = |name: &str| [client::ENDPOINT, client::SECRET].contains(&name);
    let variables = here.variables.iter().filter(|(name, _)| !of_client(name));
    let variables = variables.map(|(name, value)| (OsString::from(name), OsString::from(value.as_str())));
    let app = App::with(app.context.with(variables), app.settings.clone());
    become_program(&app, &session, program, &arguments)
}

/// Becomes the user's shell, in the session called `name`.
///
/// # Errors
/// As above.
pub fn shell(app: &App, ui: &Ui, name: &str) -> Result<()> {
    let session = started(app, ui, &sessions::named(app, name)?)?;
    let (variable, default) = if cfg!(windows) { ("COMSPEC", "cmd.exe") } else { ("SHELL", "/bin/sh") };
    let shell = app.context.variable(variable).unwrap_or(OsStr::new(default)).to_owned();
    become_program(app, &session, &shell, &[])
}

fn become_program(app: &App, session: &Session, name: &OsStr, arguments: &[OsString]) -> Result<()> {
    let variables = environment::variables(&app.context, session)?;
    let context = app.context.with(variables);
    let mut command = Command::new(found(&context, name)?);
    command.envs(context.added());
    consent::cover_this_process(app)?;
    bail!(supervise::become_program(command, name, arguments))
}
