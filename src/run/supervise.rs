//! The real az as a child that was let go: waited for, with what goes on beside it; and this process as az itself. We never
//! stand between it and its caller. An az that cannot be started is [`Kind::NotStarted`].

use std::ffi::{OsStr, OsString};
#[cfg(target_os = "linux")]
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::run::keep_alive::End;
use crate::run::run_variable::{self, RunVariable};
use crate::sys::{self, ChildProcess, Program};
use crate::text;
use crate::wait;

/// Until when an az that has nothing to tell has nobody beside it: many are over by then.
#[cfg(target_os = "linux")]
const ALONE: Duration = Duration::from_secs(1);

/// Waits for the end of `az`, which has its signals handed on; `meanwhile` runs beside it, on a thread of its own, and is told
/// when the end has come. Where that can be done with none, there is no such thread before a second has passed, or `watched` has
/// something to read.
///
/// # Errors
/// The operating system's.
pub fn wait_for(
    mut az: ChildProcess,
    #[cfg(target_os = "linux")] watched: Option<&File>,
    meanwhile: impl FnOnce(&End) + Send,
) -> io::Result<ExitStatus> {
    az.hand_signals();
    #[cfg(target_os = "linux")]
    if az.ends_within(ALONE, watched) {
        return az.wait();
    }
    let end = End::new().ok();
    let has_ended = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        // A thread that cannot be had is one rotation less.
        let beside = end.as_ref().map(|end| {
            let has_ended = Arc::clone(&has_ended);
            std::thread::Builder::new().spawn_scoped(scope, move || {
                wait::is_beside(has_ended);
                meanwhile(end);
            })
        });
        let ended = az.wait();
        has_ended.store(true, Ordering::SeqCst);
        if let Some(end) = &end {
            end.ring();
        }
        drop(beside);
        ended
    })
}

/// Whether `az` succeeds before the deadline, and before a signal asks us to stop.
#[must_use]
pub fn succeeds_within(mut az: ChildProcess, deadline: Duration) -> bool {
    let end = Instant::now() + deadline;
    loop {
        match az.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < end && sys::pending_signal().is_none() => {
                std::thread::sleep(Duration::from_millis(5));
            }
            _ => {
                az.kill();
                return false;
            }
        }
    }
}

/// The command that becomes the real az at `path` under `run_variable`, in the environment of `context`.
#[must_use]
pub fn command(context: &Context, path: &Path, run_variable: &RunVariable) -> Command {
    let mut command = Command::new(path);
    command.envs(context.added());
    command.env(run_variable::VARIABLE, run_variable.to_value());
    command
}

/// Becomes the real az; returns only if that failed.
#[must_use]
pub fn become_az(mut az: Command, arguments: &[OsString]) -> Failure {
    // One that came while this process was about something else is not to be lost with it.
    if let Some(signal) = sys::pending_signal() {
        sys::die_of(signal);
    }
    az.args(arguments);
    let error = sys::replace_process(&mut az);
    not_started(Path::new(az.get_program()), &error)
}

/// Becomes the program at `path`, called `name`; returns only if that failed.
#[must_use]
pub fn become_program(mut program: Command, name: &OsStr, arguments: &[OsString]) -> Failure {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::arg0(&mut program, name);
    program.args(arguments);
    program_not_started(name, &sys::replace_process(&mut program))
}

/// Runs the program at `path`, called `name`, with the signals of this process handed on to it: how it ended.
///
/// # Errors
/// [`Kind::NotStarted`].
pub fn run_program(
    context: &Context,
    path: &Path,
    name: &OsStr,
    arguments: &[OsString],
) -> Result<ExitStatus, Failure> {
    let started = Program::new(path, arguments, context.variables())
        .and_then(|program| program.called(name))
        .and_then(|program| program.start());
    let ended = started.and_then(|mut child| {
        child.hand_signals();
        child.wait()
    });
    ended.map_err(|error| program_not_started(name, &error))
}

/// The failure of a program that cannot be started.
pub(super) fn program_not_started(name: &OsStr, error: &io::Error) -> Failure {
    let shown = text::path(Path::new(name));
    Failure::new(Kind::NotStarted, format!("cannot start `{shown}`: {error}"), "check that program, or name another")
}

/// The failure of an az that cannot be started.
pub(super) fn not_started(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        Kind::NotStarted,
        format!("cannot start the real az, `{}`: {error}", path.display()),
        "repair that installation, or name another one in AZWARD_REAL_AZ",
    )
}
