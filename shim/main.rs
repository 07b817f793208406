//! `az`, as azward stands in for it: recognise the invocation, then hand it to the real az or make a run of it. The only
//! lines ever printed here are a failure of azward's own.

#![forbid(unsafe_code)]

mod answer;
mod invoke;
mod recognise;
mod trial;

use std::ffi::OsString;
use std::mem::ManuallyDrop;
use std::process::ExitCode;

use azward::app::App;
use azward::client;
use azward::context::Context;
use azward::failure::Failure;
use azward::run::{guard, guardian};
use azward::sys;
use azward::ui::{self, Ui};

#[global_allocator]
static HEAP: sys::WipedHeap = sys::WipedHeap;

fn main() -> ExitCode {
    sys::harden();
    ui::report_panics();
    let mut arguments = std::env::args_os();
    let name = arguments.next();
    let arguments: Vec<OsString> = arguments.collect();
    let context = Context::from_process();
    // Elsewhere it is small enough.
    #[cfg(not(target_os = "linux"))]
    let context = context.helped_by(azward::helper::Helper::Here(azward::helper::here));
    if guardian::is_called_for(name.as_deref()) {
        guard::guard(context);
        return ExitCode::SUCCESS;
    }
    if let Some(outcome) = client::stand_in(&context, &arguments) {
        return outcome.unwrap_or_else(|failure| report(&context, &failure));
    }
    let care = invoke::care(&context);
    // The process ends with it, and gives it back in one piece.
    let app = ManuallyDrop::new(App::new(context, care));
    match invoke::invoke(&app, &arguments) {
        Ok(code) => code,
        Err(failure) => report(&app.context, &failure),
    }
}

fn report(context: &Context, failure: &Failure) -> ExitCode {
    Ui::new(context).report(failure);
    ExitCode::from(failure.exit_code())
}
