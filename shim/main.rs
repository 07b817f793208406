//! `az`, as azward stands in for it: recognise the invocation, then hand it to the real az or make a run of it. The only
//! lines ever printed here are a failure of azward's own.

#![forbid(unsafe_code)]

mod answer;
mod invoke;
mod recognise;

use std::ffi::OsString;
use std::process::ExitCode;

use azward::context::Context;
use azward::failure::Failure;
use azward::run::guardian;
use azward::sys;

#[global_allocator]
static HEAP: sys::WipedHeap = sys::WipedHeap;

fn main() -> ExitCode {
    sys::harden();
    std::panic::set_hook(Box::new(|panic| {
        if let Some(failure) = Failure::of_panic(panic) {
            report(&failure);
        }
    }));
    let mut arguments = std::env::args_os();
    let name = arguments.next();
    let arguments: Vec<OsString> = arguments.collect();
    if name.is_some_and(|name| name == guardian::NAME) {
        guardian::guard(&Context::from_process());
        return ExitCode::SUCCESS;
    }
    match invoke::invoke(&Context::from_process(), &arguments) {
        Ok(code) => code,
        Err(failure) => {
            report(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Says on stderr what went wrong on azward's side; a stderr that is closed is no reason to fail.
fn report(failure: &Failure) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{failure}");
}
