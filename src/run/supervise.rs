//! The real az as a child: started in our own process group with everything the caller gave us (terminal, stdio, every
//! descriptor, working directory, environment) plus the marker, and waited for. We never stand between it and its
//! caller. An az that cannot be started is [`Kind::NotStarted`].

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitStatus};

use crate::failure::{Failure, Kind, Result};
use crate::run::keep_alive::End;
use crate::run::marker::{self, Marker};
use crate::sys;

/// The command that runs the real az at `path` under `marker`.
#[must_use]
pub fn command(path: &Path, marker: &Marker) -> Command {
    let mut command = Command::new(path);
    command.env(marker::VARIABLE, marker.to_value());
    command
}

/// Runs the real az to its end and says how it ended; `meanwhile` runs beside it, on a thread of its own, and is told when
/// the end has come.
///
/// # Errors
/// [`Kind::NotStarted`].
pub fn run(mut az: Command, arguments: &[OsString], meanwhile: impl FnOnce(&End) + Send) -> Result<ExitStatus> {
    az.args(arguments);
    sys::give_back_inherited(&mut az);
    let mut child = sys::spawn(&mut az).map_err(|error| not_started(&az, &error))?;
    let end = End::default();
    std::thread::scope(|scope| {
        // A thread that cannot be had is one rotation less.
        let beside = std::thread::Builder::new().spawn_scoped(scope, || meanwhile(&end));
        let ended = sys::wait_for(&mut child);
        end.come();
        drop(beside);
        ended
    })
    .map_err(|error| not_started(&az, &error))
}

/// Becomes the real az; returns only if that failed.
#[must_use]
pub fn become_az(mut az: Command, arguments: &[OsString]) -> Failure {
    az.args(arguments);
    sys::give_back_inherited(&mut az);
    let error = sys::replace_process(&mut az);
    not_started(&az, &error)
}

fn not_started(az: &Command, error: &std::io::Error) -> Failure {
    Failure::new(
        Kind::NotStarted,
        format!("cannot start the real az, `{}`: {error}", Path::new(az.get_program()).display()),
        "repair that installation, or name another one in AZWARD_REAL_AZ",
    )
}
