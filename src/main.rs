//! `azward`: manages what the shim does by itself.

#![forbid(unsafe_code)]

mod cli;
mod examples;
mod perform;

use std::process::ExitCode;

use anyhow::Result;
use azward::app::App;
use azward::commands;
use azward::commands::completions;
use azward::context::Context;
use azward::helper::{self, Helper};
use azward::home::Care;
use azward::run::{guard, guardian};
use azward::sys;
use azward::ui::{self, Ui};
use cli::Command;
use perform::perform;

#[global_allocator]
static HEAP: sys::WipedHeap = sys::WipedHeap;

fn main() -> ExitCode {
    sys::harden();
    ui::report_panics();
    let name = std::env::args_os().next();
    #[cfg(target_os = "linux")]
    if helper::is_called_for(name.as_deref()) {
        return helper::serve(ui::answer);
    }
    let context = Context::from_process().helped_by(Helper::Here(helper::here));
    if guardian::is_called_for(name.as_deref()) {
        guard::guard(context);
        return ExitCode::SUCCESS;
    }
    let ui = Ui::new(&context);
    if completions::are_asked_for(&context) {
        // A shell at a Tab has no use for a failure's words.
        let arguments = std::env::args_os().collect();
        let is_answered = completions::answer(&context, &ui, cli::definition(), arguments).is_ok();
        return if is_answered { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    match cli::parse(&ui) {
        Ok(cli) => {
            // What it would mend on its way is a finding of the doctor's.
            let care = if matches!(cli.command, Command::Doctor { .. }) { Care::Look } else { Care::Mend };
            let app = App::new(context, care);
            end(&ui, perform(cli.command, &app, &ui), ExitCode::SUCCESS)
        }
        Err(code) => end(&ui, Ok(()), code),
    }
}

/// Ends with `code` if all went well and all that was said is out.
fn end(ui: &Ui, outcome: Result<()>, code: ExitCode) -> ExitCode {
    match outcome.and(ui.finish().map_err(Into::into)) {
        Ok(()) => code,
        Err(error) => {
            let failure = commands::failure_of(&error);
            ui.report(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}
