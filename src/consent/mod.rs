//! Consent: with `confirm = "new-caller"` a person is asked before a program that never had a token has az, or azward, use the
//! login for it. A person who types `az` in a shell is never asked, and a program that was allowed once is known from then on.
//!
//! What calls is told by its processes (`caller`), whom to believe by `callers.json` (`known`), and asked is on the terminal,
//! else on the desktop (`question`); where neither is, the program is refused. One question is asked at a time, under a lock:
//! whoever waited for it finds the answer there, and a refusal is not asked again for some minutes. All of it together takes
//! no longer than an SDK waits for az. What cannot be read allows nobody, and what cannot be written is asked again.
//!
//! It keeps programs from a login that its user did not think of. It keeps nobody from it who is that user and means to: he
//! can type the answer, write the file, or be a program that is known.

mod caller;
mod command_line;
mod dialog;
pub(crate) mod known;
mod question;

use std::time::{Duration, Instant};

use crate::app::App;
use crate::failure::{Failure, Kind, Result};
use crate::journal::{Action, Event};
use crate::lock::{Lock, Mode};
use crate::private;
use crate::settings::ConfirmChoice;
use caller::Caller;
pub(crate) use caller::{Program, interpreter_of};
use known::{Standing, Verdict};
use question::Answer;

/// How long a person has to answer: SDKs give az ten seconds, and the token takes some of them.
const PATIENCE: Duration = Duration::from_secs(8);

/// How much longer who waits for another's question waits: what was answered at the last moment counts for all.
const GRACE: Duration = Duration::from_millis(500);

/// Lets whoever had this process started use the login for `deed`, if he may; a person is asked where he never did.
///
/// # Errors
/// [`Kind::NotAllowed`]; [`Kind::Usage`] for what a newer azward knows of callers.
pub fn require(app: &App, deed: &str) -> Result<()> {
    // Whoever has it off pays for nothing more than this.
    if app.settings.confirm.value == ConfirmChoice::Never {
        return Ok(());
    }
    let callers = known::read(&app.context)?;
    let Caller::Program(program) = caller::of_this_process(&callers) else { return Ok(()) };
    let standing = callers.standing(&program, app.context.now());
    decided(&program, standing).unwrap_or_else(|| ask(app, deed, &program))
}

/// Has what this process is going to start, or to become, count as allowed, for as long as this process is there: whoever
/// may use the login has had it do that. Nothing where nobody is asked.
///
/// # Errors
/// `Storage`, `Busy`, `Gone`.
pub(crate) fn cover_this_process(app: &App) -> Result<()> {
    match app.settings.confirm.value {
        ConfirmChoice::Never => Ok(()),
        ConfirmChoice::NewCaller => known::cover(&app.context, std::process::id()),
    }
}

/// What follows from what is known alone; `None` where somebody has to be asked.
fn decided(program: &Program, standing: Standing) -> Option<Result<()>> {
    match standing {
        Standing::Allowed => Some(Ok(())),
        Standing::RefusedLately { ago } => {
            let what = format!("{program} was refused the Azure login {} s ago", ago.as_secs());
            Some(Err(refusal(program, what)))
        }
        Standing::Unknown => None,
    }
}

fn ask(app: &App, deed: &str, program: &Program) -> Result<()> {
    let context = &app.context;
    let end = Instant::now() + PATIENCE;
    let _turn = match turn(app) {
        Ok(turn) => turn,
        Err(failure) if failure.kind == Kind::Busy => {
            let what = format!("{program} never used the Azure login, and nobody was asked: another question was open");
            return Err(refusal(program, what));
        }
        Err(failure) => return Err(failure),
    };
    // Somebody may have answered while this one waited.
    if let Some(decided) = decided(program, known::read(context)?.standing(program, context.now())) {
        return decided;
    }
    let answer = question::ask(context, program, deed, end.saturating_duration_since(Instant::now()));
    let (verdict, outcome) = match answer {
        Answer::Yes => (Verdict::Allowed, Ok("allowed")),
        Answer::No => (Verdict::Refused, Err(format!("{program} is refused the Azure login: the answer was no"))),
        Answer::Unanswered => {
            (Verdict::Refused, Err(format!("{program} never used the Azure login, and nobody answered whether it may")))
        }
        Answer::NobodyThere => {
            (Verdict::NotAsked, Err(format!("{program} never used the Azure login, and there is nobody to ask")))
        }
    };
    // What is not kept is asked again.
    if let Err(failure) = known::remember(context, program, verdict) {
        app.journal.warn(context.now(), &failure);
    }
    note(app, deed, program, verdict);
    outcome.map(|_| ()).map_err(|what| refusal(program, what))
}

/// Waits until nobody else asks.
fn turn(app: &App) -> Result<Lock> {
    let run = app.context.azward_home.join("run");
    {
        let _presence = app.context.home_lock.enter()?;
        private::make_dir(&run)?;
    }
    Lock::acquire(&run.join("question"), Mode::Exclusive, PATIENCE + GRACE)
}

fn refusal(program: &Program, what: String) -> Failure {
    Failure::new(Kind::NotAllowed, what, format!("`azward callers allow {}` allows it beforehand", program.words()))
}

/// Writes down what became of it.
pub(crate) fn note(app: &App, deed: &str, program: &Program, verdict: Verdict) {
    let mut event = Event::new(app.context.now(), Action::Consent, format!("{}: {program}", verdict.words()));
    event.command = Some(deed.to_owned());
    event.caller = Some(program.name());
    app.journal.record(&event);
}
