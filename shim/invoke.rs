//! The split: answer, hand on, pass, run. Anything that goes wrong before az is started ends in the real az all the
//! same, unless there is none; but for a caller whom nobody allowed to use the login, and who has that asked about.

use std::cell::Cell;
use std::ffi::OsString;
use std::process::ExitCode;

use azward::app::App;
use azward::azure::known_az::KnownAz;
use azward::azure::{Command, ConfigDir, TokenStorage};
use azward::consent;
use azward::context::Context;
use azward::failure::Result;
use azward::home::{self, Care};
use azward::run::run_variable::{self, Role, RunVariable};
use azward::run::{Asked, Run, supervise};
use azward::settings::ConfirmChoice;
use azward::store::{CredentialStore, is_covered};
use azward::sys;
use azward::tokens::Renew;
use azward::ui::Ui;

use crate::answer::{self, Answered};
use crate::recognise::{Invocation, Purpose, recognise};
use crate::trial::Trial;

/// How the azward home is looked at: a bypass writes nothing there.
pub(crate) fn care(context: &Context) -> Care {
    if is_told_to_pass(context) { Care::Look } else { Care::Mend }
}

fn is_told_to_pass(context: &Context) -> bool {
    context.variable("AZWARD_BYPASS").is_some_and(|value| value == "1")
}

/// Does what the arguments ask for. Returns only with a failure of azward's own: an az that ran has its own end.
pub(crate) fn invoke(app: &App, arguments: &[OsString]) -> Result<ExitCode> {
    let App { context, settings, journal, .. } = app;
    let given = RunVariable::given(context);
    // A home that is not believed is not read and not written; `azward status` says why.
    let is_bypassed = app.home_failure.is_some() || is_told_to_pass(context) || ConfigDir::is_nowhere(context);
    if let Some(failure) = app.settings_failure.as_ref().filter(|_| !is_bypassed) {
        journal.warn(context.now(), failure);
    }
    let config_dir = ConfigDir::of(context);
    let command = Command::parse(arguments);
    let purpose = if context.has_variable("_ARGCOMPLETE") { Purpose::Completion } else { Purpose::Execution };
    let invocation = recognise(&command, purpose);
    let az = match KnownAz::find(app, run_variable::tried(given.as_ref())) {
        // What was tried may be a real az that starts another, and then there need be no second one.
        Err(_) if !run_variable::is_bounce(given.as_ref()) && !given.as_ref().is_some_and(RunVariable::is_circle) => {
            KnownAz::find(app, &[])?
        }
        found => found?,
    };
    if !is_bypassed && settings.confirm.value == ConfirmChoice::NewCaller {
        let uses_login = purpose == Purpose::Completion || command.uses_login();
        if uses_login && !run_variable::is_inside(context, &config_dir) {
            consent::require(app, format!("az {}", command.group()).trim_end())?;
        }
    }
    // Without a stdout there is nobody to answer, and az has something to say about it.
    let may_answer = !is_bypassed && sys::has_stdout();
    let may_hand_out = may_answer && invocation == Invocation::Token;
    let answer = |az: &KnownAz<'_>, renew| match may_hand_out {
        true => answer::token(app, &config_dir, &command, az, renew),
        false => Answered::No,
    };
    let asked = match answer(&az, Renew::IfDueOrMissing) {
        Answered::Yes => return Ok(ExitCode::SUCCESS),
        Answered::InVain => Asked::InVain,
        Answered::No => Asked::Not,
    };
    let real_az = az.path().to_owned();
    // What is at hand is in the file, whatever az would do by default.
    let inside = |mut az: std::process::Command| {
        az.envs(TokenStorage::of(context, settings, &config_dir).variable());
        supervise::become_az(az, arguments)
    };
    let is_shown = || may_answer && invocation == Invocation::Facts && answer::facts(app, &config_dir, &command, &az);
    if let Some(run) = given.as_ref().filter(|given| given.covers(&config_dir)) {
        if is_shown() {
            return Ok(ExitCode::SUCCESS);
        }
        // The secrets are at hand already; the run above harvests what this az changes.
        return Err(inside(supervise::command(context, &real_az, &run.passed_on(&real_az))));
    }
    let passer = || {
        let run_variable = RunVariable::of_this_process(given.as_ref(), &config_dir, Role::Passer, &real_az);
        supervise::command(context, &real_az, &run_variable)
    };
    let pass = || supervise::become_az(passer(), arguments);
    // Where azward was uninstalled since this process began, the real az has its logins back.
    if is_bypassed || context.home_lock.is_gone() {
        return Err(pass());
    }
    // Inside a private mount, whoever took the run variable away, the secrets are at hand as well.
    if is_covered(&config_dir.token_cache()) && !CredentialStore::new(app, &config_dir).is_left_behind() {
        return Err(inside(passer()));
    }
    if matches!(invocation, Invocation::Facts | Invocation::Pass) {
        home::close_files(context);
        if let Err(failure) = CredentialStore::new(app, &config_dir).sweep() {
            journal.warn(context.now(), &failure);
        }
        if is_shown() {
            return Ok(ExitCode::SUCCESS);
        }
        return Err(pass());
    }
    let run_variable = RunVariable::of_this_process(given.as_ref(), &config_dir, Role::Supervisor, &real_az);
    let run = Run { app, config_dir: &config_dir, program: real_az.clone(), real_az: Some(real_az), run_variable };
    let has_answered = Cell::new(false);
    // What another found out about this az while this one waited counts.
    let answer_instead = || answer(&az.anew(), Renew::Never) == Answered::Yes;
    let go = || run.perform(&command, asked, &|| answer_instead() && !has_answered.replace(true));
    let trial = if may_hand_out { Trial::of(app, &config_dir, &command, &az) } else { None };
    let finished = match &trial {
        Some(trial) => trial.watch(&go, &has_answered)?,
        None => go()?,
    };
    if let Some(failure) = &finished.handicap {
        Ui::new(context).report(failure);
    }
    sys::exit_as(finished.status)
}
