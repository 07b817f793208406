//! `azward`: manages what the shim does by itself.

#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

use azward::commands::{self, Surroundings};
use azward::context::Context;
use azward::sys;
use clap::Parser;
use cli::{Cli, Command};

fn main() -> ExitCode {
    sys::harden();
    let cli = Cli::parse();
    let surroundings = Surroundings::of(Context::from_process());
    let outcome = match cli.command {
        Command::Status => commands::status::status(&surroundings),
        Command::Scrub => commands::scrub::scrub(&surroundings),
        Command::Install { no_modify_path } => commands::install::install(&surroundings, !no_modify_path),
        Command::Uninstall => commands::uninstall::uninstall(&surroundings),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "{failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
