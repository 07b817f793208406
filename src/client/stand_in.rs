//! This process as an az that has no login of its own: tokens and what is known of one session come from an endpoint; what needs no
//! credential is the real az's, where there is one; and what would need others is refused, for another login is not what was meant.

use std::ffi::OsString;
use std::io;
use std::process::{Command as Process, ExitCode};

use super::{ENDPOINT, Endpoint, SECRET, Said};
use crate::azure::{Command, real_az};
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::run::supervise;
use crate::settings::Settings;
use crate::ui;

/// Does what `arguments` ask for, where the environment tells of an endpoint; `None` where it does not.
///
/// # Errors
/// `Refused` where nobody answers or what is asked for is not given, `Usage` where what is told of an endpoint makes no sense.
pub fn stand_in(context: &Context, arguments: &[OsString]) -> Option<Result<ExitCode>> {
    let place = context.variable(ENDPOINT)?;
    Some(answer(context, &place.to_string_lossy(), arguments))
}

fn answer(context: &Context, place: &str, arguments: &[OsString]) -> Result<ExitCode> {
    let command = Command::parse(arguments);
    let is_asked = command.token_request().is_some() || command.question().is_some();
    if is_asked {
        let endpoint = Endpoint::told(place, context.variable(SECRET).map(OsString::from))?;
        if let Said::Az { exit_code, output, errors } = endpoint.ask(arguments)? {
            return match ui::answer(&output).and_then(|()| ui::answer_errors(&errors)) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    Err(Failure::refused(format!("cannot write what the endpoint said: {error}"), error.kind()))
                }
                _ => Ok(ExitCode::from(exit_code)),
            };
        }
    }
    if is_asked || command.needs_credentials() {
        return Err(Failure::new(
            Kind::Refused,
            "this az has no login: it gives tokens of one session, and what is known of that",
            "run this on the host: `azward exec SESSION -- az ...`",
        ));
    }
    let real_az = real_az::find(context, &Settings::default(), &[])?;
    Err(supervise::become_az(Process::new(real_az), arguments))
}
