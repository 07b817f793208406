//! `azward`: manages what the shim does by itself.

#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

use azward::commands::forget::{self, Asking, Which};
use azward::commands::uninstall::Leftovers;
use azward::commands::{self, Surroundings};
use azward::context::Context;
use azward::failure::Result;
use azward::sys;
use azward::ui::{self, Form, Ui};
use azward::vault::Extent;
use cli::Command;

#[global_allocator]
static HEAP: sys::WipedHeap = sys::WipedHeap;

fn main() -> ExitCode {
    sys::harden();
    ui::report_panics();
    let context = Context::from_process();
    let ui = Ui::new(&context);
    match cli::parse(&ui) {
        Ok(cli) => {
            let surroundings = Surroundings::of(context, ui);
            let outcome = perform(cli.command, &surroundings);
            end(&surroundings.ui, outcome, ExitCode::SUCCESS)
        }
        Err(code) => end(&ui, Ok(()), code),
    }
}

fn perform(command: Command, surroundings: &Surroundings) -> Result<()> {
    // Only `status` has something to say about a home that is not believed.
    let not_believed = surroundings.home_failure.clone().filter(|_| !matches!(command, Command::Status));
    if let Some(failure) = not_believed {
        return Err(failure);
    }
    match command {
        Command::Status => commands::status::status(surroundings),
        Command::Scrub => commands::scrub::scrub(surroundings),
        Command::Lock => commands::lock::lock(surroundings),
        Command::Install { no_modify_path } => commands::install::install(surroundings, !no_modify_path),
        Command::Uninstall { forget, others } => {
            let leftovers = if forget { Leftovers::Forget(extent(others)) } else { Leftovers::Keep };
            commands::uninstall::uninstall(surroundings, leftovers)
        }
        Command::List { json } => {
            let form = if json { Form::Json } else { Form::Table };
            commands::list::list(surroundings, form)
        }
        Command::Forget { directory, gone, others, yes, .. } => {
            let which = match directory {
                Some(directory) => Which::Directory(directory),
                None if gone => Which::Gone,
                None => Which::All,
            };
            let asking = if yes { Asking::Never } else { Asking::OnATerminal };
            forget::forget(surroundings, &which, extent(others), asking)
        }
    }
}

/// Ends with `code` if all went well and all that was said is out.
fn end(ui: &Ui, outcome: Result<()>, code: ExitCode) -> ExitCode {
    match outcome.and(ui.finish()) {
        Ok(()) => code,
        Err(failure) => {
            ui.report(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn extent(others: bool) -> Extent {
    if others { Extent::Everyones } else { Extent::Ours }
}
