//! `azward log`: who got which token when, and what else happened, as the journal has it: line by line, from now on
//! (`--follow`), or summed up by caller or scope (`summary`). It shows what is there and changes nothing; what was never
//! noted, or was put by long ago, nobody can tell. A reader that goes away ends it, and so does INT, quietly.

mod summary;

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::app::App;
use crate::journal::{Action, Event};
use crate::settings::JournalChoice;
use crate::sys;
use crate::ui::{Form, Ui};

pub use summary::{By, sum_up};

/// How many events are shown of what was before, where it is not said since when.
const BEFORE: usize = 10;

/// How often it is looked for what was added.
const PAUSE: Duration = Duration::from_millis(200);

/// Shows the events of the last `since`, or all.
///
/// # Errors
/// None so far.
pub fn log(app: &App, ui: &Ui, since: Option<Duration>, form: Form) -> Result<()> {
    for event in events_since(app, since, app.journal.follow().0) {
        show(ui, &event, form);
    }
    tell_if_off(app, ui, form);
    Ok(())
}

/// Shows them, and then each as it happens, until nobody reads any more.
///
/// # Errors
/// None so far.
pub fn follow(app: &App, ui: &Ui, since: Option<Duration>, form: Form) -> Result<()> {
    tell_if_off(app, ui, form);
    let (all, mut follower) = app.journal.follow();
    let mut events = events_since(app, since, all);
    if since.is_none() {
        events.drain(..events.len().saturating_sub(BEFORE));
    }
    loop {
        for event in &events {
            show(ui, event, form);
        }
        if ui.is_unheard() {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
        events = follower.added();
    }
}

/// Says to people that there is more to tell than there is.
fn tell_if_off(app: &App, ui: &Ui, form: Form) {
    if form == Form::Table && app.settings.journal.value == JournalChoice::Off {
        ui.say("nothing but warnings is noted: `journal` is off; `azward config set journal on` changes that");
    }
}

fn events_since(app: &App, since: Option<Duration>, mut all: Vec<Event>) -> Vec<Event> {
    if let Some(start) = start(app, since) {
        all.retain(|event| event.time >= start);
    }
    all
}

/// In seconds since the epoch.
fn start(app: &App, since: Option<Duration>) -> Option<i64> {
    since.map(|since| app.context.now().saturating_sub(i64::try_from(since.as_secs()).unwrap_or(i64::MAX)))
}

/// Whether a caller got a token for a scope by it.
fn hands_out(event: &Event) -> bool {
    match event.action {
        Action::Answer => event.scope.is_some() && event.outcome == "answered",
        Action::Run => event.scope.is_some() && is_for_a_token(event),
        _ => false,
    }
}

fn is_for_a_token(event: &Event) -> bool {
    event.command.as_deref() == Some("account get-access-token")
}

fn show(ui: &Ui, event: &Event, form: Form) {
    match form {
        Form::Table => ui.say(format!("{}  {}", moment(event.time), sentence(event))),
        Form::Json => ui.json_line(&as_json(event)),
    }
}

fn moment(seconds: i64) -> String {
    let time = sys::local_time(seconds);
    time.map_or_else(|| "at an unknown time ".to_owned(), |time| time.format("%Y-%m-%d %H:%M:%S").to_string())
}

/// What happened, for people.
fn sentence(event: &Event) -> String {
    let given = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
    let (caller, command) = (given(&event.caller), given(&event.command));
    let account = event.account.as_ref().map(|account| format!(" of {account}")).unwrap_or_default();
    let tenant = event.tenant.as_ref().map(|tenant| format!(" in {tenant}")).unwrap_or_default();
    let token = event.scope.as_ref().map(|scope| format!("the token{account} for {scope}{tenant}"));
    let took = event.milliseconds.map(|time| format!(", {time} ms")).unwrap_or_default();
    let outcome = &event.outcome;
    match (event.action, token) {
        (Action::Answer, Some(token)) if hands_out(event) => format!("{caller} got {token}{took}"),
        (Action::Answer, Some(token)) => format!("{caller} asked for {token}: {outcome}{took}"),
        (Action::Answer, None) => format!("{caller} asked for {command}: {outcome}{took}"),
        (Action::Run, Some(token)) if is_for_a_token(event) => format!("{caller} got {token}, from the real az{took}"),
        (Action::Run, Some(token)) => format!("{caller} ran {command} with {token}: {outcome}{took}"),
        (Action::Run, None) => format!("{caller} ran {command}{account}: {outcome}{took}"),
        (Action::Rotation, token) => {
            format!("{}: {outcome}, for {caller}, {command}{took}", token.unwrap_or_else(|| "a token".to_owned()))
        }
        (Action::Consent, _) => format!("{outcome}, for {command}"),
        (Action::Warning, _) => {
            let hint = event.hint.as_ref().map(|hint| format!("; hint: {hint}")).unwrap_or_default();
            format!("warning: {outcome}{hint}")
        }
        (Action::Adoption | Action::Forgetting | Action::Session | Action::Other, _) => match &event.account {
            Some(account) => format!("{account}: {outcome}"),
            None => outcome.clone(),
        },
    }
}

/// As `docs/json.md` tells.
fn as_json(event: &Event) -> Value {
    json!({
        "time": event.time,
        "deed": event.action,
        "got_token": hands_out(event),
        "caller": event.caller,
        "command": event.command,
        "account": event.account,
        "tenant": event.tenant,
        "scope": event.scope,
        "milliseconds": event.milliseconds,
        "outcome": event.outcome,
        "hint": event.hint,
    })
}
