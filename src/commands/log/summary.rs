//! `azward log --by`: how many tokens each caller got, or were got for each scope, most first. A caller is a process's name, as
//! it calls itself: who wants to hide is not found out by it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::{events_since, hands_out, moment, start, tell_if_off};
use crate::app::App;
use crate::journal::{Action, Event};
use crate::ui::{Form, Ui};

/// What is summed up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The process that asked.
    Caller,
    /// The scope that was asked for.
    Scope,
}

/// What comes together under one name.
#[derive(Debug, Default)]
struct Tally {
    /// How many tokens were handed out.
    tokens: u64,
    /// How many other commands of az ran.
    runs: u64,
    /// The scopes of a caller, the callers of a scope.
    others: BTreeSet<String>,
    /// When the last of it was, in seconds since the epoch.
    last: i64,
}

/// Says it for the last `since`, or for all that there is.
///
/// # Errors
/// None so far.
pub fn sum_up(app: &App, ui: &Ui, since: Option<Duration>, by: By, form: Form) -> Result<()> {
    let tallies = tallies(by, &events_since(app, since, app.journal.follow().0));
    match form {
        Form::Json => {
            let entries: Vec<Value> = tallies.iter().map(|(name, tally)| as_json(by, name, tally)).collect();
            let by = if by == By::Caller { "caller" } else { "scope" };
            ui.json(&json!({ "schema": 1, "by": by, "since": start(app, since), "entries": entries }));
        }
        Form::Table if tallies.is_empty() => ui.say("no token was handed out in that time"),
        Form::Table => tallies.iter().for_each(|(name, tally)| ui.say(line(by, name, tally))),
    }
    tell_if_off(app, ui, form);
    Ok(())
}

fn tallies(by: By, events: &[Event]) -> Vec<(String, Tally)> {
    let mut found: BTreeMap<String, Tally> = BTreeMap::new();
    for event in events {
        let is_token = hands_out(event);
        let is_run = event.action == Action::Run && !is_token;
        let caller = event.caller.clone().unwrap_or_else(|| "?".to_owned());
        let (name, other) = match (by, &event.scope) {
            (By::Caller, scope) => (caller, scope.clone()),
            (By::Scope, Some(scope)) => (scope.clone(), Some(caller)),
            (By::Scope, None) => continue,
        };
        if !is_token && !is_run {
            continue;
        }
        let tally = found.entry(name).or_default();
        tally.tokens += u64::from(is_token);
        tally.runs += u64::from(is_run);
        tally.others.extend(other);
        tally.last = tally.last.max(event.time);
    }
    let mut tallies: Vec<_> = found.into_iter().collect();
    tallies.sort_by_key(|(_, tally)| std::cmp::Reverse((tally.tokens, tally.runs)));
    tallies
}

fn line(by: By, name: &str, tally: &Tally) -> String {
    let count = |count: u64, one: &str| if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") };
    let others = tally.others.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let others = match by {
        _ if others.is_empty() => String::new(),
        By::Caller => format!(", for {others}"),
        By::Scope => format!(", by {others}"),
    };
    let (tokens, runs) = (count(tally.tokens, "token"), count(tally.runs, "run"));
    format!("{name:<15}  {tokens}, {runs}{others}; last {}", moment(tally.last))
}

fn as_json(by: By, name: &str, tally: &Tally) -> Value {
    let Tally { tokens, runs, others, last } = tally;
    match by {
        By::Caller => json!({ "caller": name, "tokens": tokens, "runs": runs, "scopes": others, "last": last }),
        By::Scope => json!({ "scope": name, "tokens": tokens, "runs": runs, "callers": others, "last": last }),
    }
}
