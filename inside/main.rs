//! `azward-inside`: what a container has of azward, one small static program. Called `az` it is an az that has no login and asks the
//! endpoint (`azward serve`) what an az on the host would say. Called by its own name it runs a program that finds the endpoint
//! on loopback, as the SDKs look for it, and ends as that does; without one it says where that is, and stays.

#![forbid(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use azward::client::relay::Relay;
use azward::client::{self, Endpoint};
use azward::commands::exec::found;
use azward::context::Context;
use azward::failure::{Failure, Kind, Result};
use azward::run::supervise;
use azward::sessions::environment::{self, Syntax};
use azward::sys;
use azward::ui::{self, Ui};

#[global_allocator]
static HEAP: sys::WipedHeap = sys::WipedHeap;

fn main() -> ExitCode {
    sys::harden();
    ui::report_panics();
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let arguments: Vec<OsString> = arguments.collect();
    let context = Context::from_process();
    let is_az = Path::new(&name).file_stem() == Some(OsStr::new("az"));
    let outcome = if is_az { az(&context, &arguments) } else { inside(&context, &arguments) };
    outcome.unwrap_or_else(|failure| {
        Ui::new(&context).report(&failure);
        ExitCode::from(failure.exit_code())
    })
}

fn az(context: &Context, arguments: &[OsString]) -> Result<ExitCode> {
    client::stand_in(context, arguments).unwrap_or_else(|| Err(no_endpoint()))
}

fn inside(context: &Context, words: &[OsString]) -> Result<ExitCode> {
    let place = context.variable(client::ENDPOINT).ok_or_else(no_endpoint)?;
    let secret = context.variable(client::SECRET).map(OsStr::to_owned);
    let (port, words) = read_port(words)?;
    let relay = Relay::open(Endpoint::told(&place.to_string_lossy(), secret)?, port)?;
    let context = context.with(relay.variables());
    let Some((name, arguments)) = words.split_first() else {
        let told = environment::told(&relay.variables(), Syntax::Sh);
        ui::answer(&told)
            .map_err(|error| Failure::refused(format!("cannot say where it is: {error}"), error.kind()))?;
        relay.pass_on();
        return Ok(ExitCode::SUCCESS);
    };
    let program = found(&context, name)?;
    sys::take_signals();
    let passing = std::thread::Builder::new().spawn(move || relay.pass_on());
    passing.map_err(|error| Failure::refused(format!("cannot start a thread: {error}"), error.kind()))?;
    sys::exit_as(supervise::run_program(&context, &program, name, arguments)?)
}

/// `--port N` first, for who has to know it beforehand; then the program's words, after `--` or at once.
fn read_port(words: &[OsString]) -> Result<(u16, &[OsString])> {
    let usage = |what: &str| {
        let hint = "azward-inside [--port N] [--] [PROGRAM [ARGUMENT]...]";
        Failure::new(Kind::Usage, what.to_owned(), hint)
    };
    let word = |place: usize| words.get(place).and_then(|word| word.to_str());
    match (word(0), word(1)) {
        (Some("--port"), port) => {
            let port =
                port.and_then(|port| port.parse().ok()).ok_or_else(|| usage("--port needs the number of a port"))?;
            let rest = &words[2..];
            Ok((port, if word(2) == Some("--") { &rest[1..] } else { rest }))
        }
        (Some("--"), _) => Ok((0, &words[1..])),
        (Some(option), _) if option.starts_with('-') => Err(usage("there is no such option")),
        _ => Ok((0, words)),
    }
}

fn no_endpoint() -> Failure {
    let what = format!("`{}` says nowhere where an endpoint of azward's is", client::ENDPOINT);
    Failure::new(Kind::Usage, what, "start the container with what `azward serve` printed on the host")
}
