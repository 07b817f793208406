//! `azward`: manages what the shim does by itself.

#![forbid(unsafe_code)]

mod cli;

use std::io::Write;
use std::process::ExitCode;

use azward::commands::forget::{self, Asking, Which};
use azward::commands::list;
use azward::commands::uninstall::Leftovers;
use azward::commands::{self, Surroundings};
use azward::context::Context;
use azward::failure::Failure;
use azward::sys;
use azward::vault::Extent;
use clap::Parser;
use cli::{Cli, Command};

#[global_allocator]
static HEAP: sys::WipedHeap = sys::WipedHeap;

fn main() -> ExitCode {
    sys::harden();
    std::panic::set_hook(Box::new(|panic| {
        if let Some(failure) = Failure::of_panic(panic) {
            report(&failure);
        }
    }));
    let cli = Cli::parse();
    let surroundings = Surroundings::of(Context::from_process());
    // Only `status` has something to say about a home that is not believed.
    let not_believed = surroundings.home_failure.clone().filter(|_| !matches!(cli.command, Command::Status));
    let outcome = match cli.command {
        _ if not_believed.is_some() => not_believed.map_or(Ok(()), Err),
        Command::Status => commands::status::status(&surroundings),
        Command::Scrub => commands::scrub::scrub(&surroundings),
        Command::Lock => commands::lock::lock(&surroundings),
        Command::Install { no_modify_path } => commands::install::install(&surroundings, !no_modify_path),
        Command::Uninstall { forget, others } => {
            let leftovers = if forget { Leftovers::Forget(extent(others)) } else { Leftovers::Keep };
            commands::uninstall::uninstall(&surroundings, leftovers)
        }
        Command::List { json } => {
            let form = if json { list::Form::Json } else { list::Form::Table };
            list::list(&surroundings, form)
        }
        Command::Forget { directory, gone, others, yes, .. } => {
            let which = match directory {
                Some(directory) => Which::Directory(directory),
                None if gone => Which::Gone,
                None => Which::All,
            };
            let asking = if yes { Asking::Never } else { Asking::OnATerminal };
            forget::forget(&surroundings, &which, extent(others), asking)
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn extent(others: bool) -> Extent {
    if others { Extent::Everyones } else { Extent::Ours }
}

/// Says on stderr what went wrong; a stderr that is closed is no reason to fail.
fn report(failure: &Failure) {
    let _ = writeln!(std::io::stderr(), "{failure}");
}
