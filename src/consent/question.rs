//! The question itself: on this process's own terminal, where it is in the foreground of one, never on the caller's streams;
//! else in a window, where there is a desktop and a program that root installed to make one; else there is nobody. Whoever does
//! not answer in time has not said yes.

use std::time::{Duration, Instant};

use super::caller::Program;
use super::dialog;
use crate::context::Context;
use crate::sys;
use crate::text;
use crate::wait;

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    /// Somebody could have answered, and did not.
    Unanswered,
    /// There is no terminal and no desktop.
    NobodyThere,
}

/// Asks whether a program may use the login for `deed`, and for whatever else from then on.
pub(super) fn ask(context: &Context, program: &Program, deed: &str, limit: Duration) -> Answer {
    on_terminal(program, deed, limit).unwrap_or_else(|| dialog::ask(context, &words(program, deed), limit))
}

/// What is asked, in one line.
fn words(program: &Program, deed: &str) -> String {
    text::line(&format!("{program} wants to use your Azure login for the first time, for `{deed}`."))
}

/// `None` where there is no terminal to ask on.
fn on_terminal(program: &Program, deed: &str, limit: Duration) -> Option<Answer> {
    let end = Instant::now() + limit;
    let question = format!("azward: {}\nMay it, from now on? [y/N] ", words(program, deed));
    let typed = sys::ask_seen(&question, || wait::is_over() || Instant::now() >= end).ok()?;
    Some(match typed {
        Some(line) if [&b"y"[..], b"yes"].contains(&&*line.trim_ascii().to_ascii_lowercase()) => Answer::Yes,
        None if Instant::now() >= end => Answer::Unanswered,
        _ => Answer::No,
    })
}
