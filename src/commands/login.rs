//! `azward login`: the real az signs in, in a config directory of the login's own, and each subscription that it sees is a session.
//! The refresh token is in the vault by then, and the files are clean: what az does there is a run like any other. `azward sync`
//! has az look again which subscriptions there are. Where az fails, its words and its exit code stand.

use std::collections::BTreeSet;
use std::ffi::OsString;

use anyhow::Result;

use crate::app::App;
use crate::azure::{Command, real_az};
use crate::run::run_variable::{Role, RunVariable};
use crate::run::{Asked, Finished, Run};
use crate::sessions::{self, NamedLogin, Session, State};
use crate::sys;
use crate::text;
use crate::ui::Ui;

/// How a login is made.
#[derive(Debug)]
pub struct Options {
    /// Its name; none for the user's own.
    pub name: Option<String>,
    /// The tenant to sign in to.
    pub tenant: Option<String>,
    /// The cloud to sign in to.
    pub cloud: Option<String>,
    /// What else `az login` is told.
    pub others: Vec<OsString>,
}

/// Signs in, and says which sessions there are. Ends as az does where that fails.
///
/// # Errors
/// Those of [`NamedLogin::make`], `NoRealAz`.
pub fn login(app: &App, ui: &Ui, options: &Options) -> Result<()> {
    let login = NamedLogin::named(&app.context, options.name.as_deref().unwrap_or(sessions::DEFAULT))?;
    let is_new = !login.is_there();
    login.make(&app.context, options.cloud.as_deref())?;
    let before = names(app, &login)?;
    let mut arguments = vec![OsString::from("login")];
    if let Some(tenant) = &options.tenant {
        arguments.extend(["--tenant".into(), tenant.into()]);
    }
    arguments.extend(options.others.iter().cloned());
    // It prints every subscription as JSON, which the sessions below say better.
    let is_output =
        |argument: &&OsString| argument.to_str().is_some_and(|text| text.starts_with("--o") || text.starts_with("-o"));
    if options.others.iter().find(is_output).is_none() {
        arguments.extend(["--output", "none"].map(OsString::from));
    }
    let finished = run(app, &login, &arguments)?;
    if !finished.status.success() {
        if is_new && !login.is_default() {
            // Nothing came of it. What az has put there is no login; what cannot be removed is one that nobody is signed in to.
            let _ = login.remove_unless_used(app);
        }
        end_as(ui, &finished);
    }
    say_what_is_new(app, ui, &login, &before)
}

/// Has az ask which subscriptions a login sees, and says which came and which went.
///
/// # Errors
/// `Usage` for a login that is not there, `NoRealAz`, `Storage`.
pub fn sync(app: &App, ui: &Ui, name: &str) -> Result<()> {
    let login = NamedLogin::existing(&app.context, name)?;
    let before = names(app, &login)?;
    let arguments = ["account", "list", "--refresh", "--output", "none"].map(OsString::from);
    let finished = run(app, &login, &arguments)?;
    if !finished.status.success() {
        end_as(ui, &finished);
    }
    say_what_is_new(app, ui, &login, &before)
}

/// Runs the real az on a login's config directory, as the shim would.
///
/// # Errors
/// `NoRealAz`, `NotStarted`.
pub(super) fn run(app: &App, login: &NamedLogin, arguments: &[OsString]) -> Result<Finished> {
    let mut variables = vec![(OsString::from("AZURE_CONFIG_DIR"), OsString::from(login.config_dir.path()))];
    // Every subscription becomes a session: there is none to be chosen.
    if !app.context.has_variable("AZURE_CORE_LOGIN_EXPERIENCE_V2") {
        variables.push(("AZURE_CORE_LOGIN_EXPERIENCE_V2".into(), "false".into()));
    }
    let inside = App::with(app.context.with(variables), app.settings.clone());
    let real_az = real_az::find(&inside.context, &inside.settings, &[])?;
    let given = RunVariable::given(&app.context);
    let run_variable = RunVariable::of_this_process(given.as_ref(), &login.config_dir, Role::Supervisor, &real_az);
    let (program, real_az) = (real_az.clone(), Some(real_az));
    let run = Run { app: &inside, config_dir: &login.config_dir, program, real_az, run_variable };
    Ok(run.perform(&Command::parse(arguments), Asked::Not, &|| false)?)
}

/// Ends as az did, which has said why.
fn end_as(ui: &Ui, finished: &Finished) -> ! {
    if let Some(failure) = &finished.handicap {
        ui.report(failure);
    }
    sys::exit_as(finished.status)
}

/// The names of the sessions of a login.
fn names(app: &App, login: &NamedLogin) -> Result<BTreeSet<String>> {
    let all = sessions::all(app)?.into_iter().filter(|session| session.login == login.name && session.is_listed);
    Ok(all.map(|session| session.name).collect())
}

fn say_what_is_new(app: &App, ui: &Ui, login: &NamedLogin, before: &BTreeSet<String>) -> Result<()> {
    let all: Vec<Session> = sessions::all(app)?.into_iter().filter(|session| session.login == login.name).collect();
    let (listed, gone): (Vec<_>, Vec<_>) = all.iter().partition(|session| session.is_listed);
    for session in &listed {
        let sign = if before.contains(&session.name) { ' ' } else { '+' };
        ui.say(format!(
            "{sign} {}: {}, {}",
            session.name,
            text::name(&session.subscription_name),
            session.subscription
        ));
    }
    for name in before.iter().filter(|name| !listed.iter().any(|session| session.name == **name)) {
        ui.say(format!("- {name}: the login does not see it any more"));
    }
    for session in gone.into_iter().filter(|session| session.state(&app.context) == State::Active) {
        sessions::stop(app, session)?;
        ui.say(format!("stopped `{}`", session.name));
    }
    if listed.is_empty() {
        ui.say(format!("the login `{}` sees no subscription", login.name));
    }
    Ok(())
}
