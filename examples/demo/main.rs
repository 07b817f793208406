//! The demo: what the Azure CLI leaves in its config directory, and what it leaves there with azward in front of it. The
//! real az runs against a stand-in Entra ID on loopback, in a scratch home that is gone afterwards.
//!
//! ```text
//! cargo run --example demo
//! ```
//! Everything it shows it has checked: whatever is untrue ends it with that line and exit code 1. No token is printed,
//! only how many there are and how long. `AZWARD_TEST_AZ` names an az to use instead of the one made under `target/`.

#![forbid(unsafe_code)]

mod programs;
mod scenes;
mod scratch;
mod screen;

// The tests' eyes are good enough for the demo: they include no line of azward's own.
#[path = "../../tests/support/canary.rs"]
#[allow(dead_code, reason = "the demo needs a part of it")]
mod canary;
#[path = "../../tests/support/config_dir.rs"]
#[allow(dead_code, reason = "the demo needs a part of it")]
mod config_dir;
#[path = "../../tests/support/fake_az/json.rs"]
#[allow(dead_code, reason = "the demo needs a part of it")]
mod json;
#[path = "../../tests/support/provision.rs"]
mod provision;

/// The name that the tests' modules know it by.
mod fake_az {
    pub(crate) use crate::json;
}

use std::io::Write;
use std::panic::PanicHookInfo;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use azward::sys;

use crate::scratch::Scratch;
use crate::screen::Screen;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(report_panic));
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(signal) = sys::pending_signal() {
                sys::die_of(signal);
            }
            say(&format!("demo: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let real_az = provision::real_az();
    let programs = programs::built()?;
    // From here on Ctrl-C ends the az of the moment, and then the demo, by way of its cleaning up.
    sys::take_signals();
    let began = Instant::now();
    let mut screen = Screen::new();
    let scratch = Scratch::new(&real_az, &programs)?;
    scenes::play(&mut screen, &scratch)?;
    let searched = scratch.output_searched();
    let root = scratch.remove()?;
    screen.claim(!root.exists(), &format!("the scratch home `{}` is gone", root.display()))?;
    screen.end(searched, began.elapsed()).context("cannot write to the terminal")
}

/// One line without a backtrace: a panic here is the provisioning's or the tests' eyes' way to say what is wrong.
fn report_panic(panic: &PanicHookInfo<'_>) {
    let payload = panic.payload();
    let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref().copied());
    say(&format!("demo: {}", text.unwrap_or("it stopped for an unknown reason")));
}

#[allow(clippy::disallowed_methods, reason = "it is no part of azward")]
fn say(line: &str) {
    // A stderr that is closed is no reason to stop.
    let _ = writeln!(std::io::stderr(), "{line}");
}
