//! The real az as a child: started in our own process group with everything the caller gave us (terminal, stdio, every
//! descriptor, working directory, environment) plus the run variable, and waited for. We never stand between it and its
//! caller. An az that cannot be started is [`Kind::NotStarted`].

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::run::keep_alive::End;
use crate::run::run_variable::{self, RunVariable};
use crate::sys::{self, ChildProcess, PrivateMount, Program, WaitingChild};
use crate::wait;

/// A real az that waits to be let go.
#[derive(Debug)]
pub struct WaitingAz {
    path: PathBuf,
    child: WaitingChild,
}

impl WaitingAz {
    /// Forks one that will run `arguments` in the caller's environment; a quiet one has nothing of the caller's standard
    /// streams.
    ///
    /// # Errors
    /// [`Kind::NotStarted`].
    pub fn fork(
        context: &Context,
        path: &Path,
        arguments: &[OsString],
        run_variable: &RunVariable,
        mount: Option<&PrivateMount>,
        is_quiet: bool,
    ) -> Result<Self> {
        let run_variable = run_variable.to_value();
        let others = context.variables().filter(|(name, _)| *name != run_variable::VARIABLE);
        let program =
            Program::new(path, arguments, others.chain([(OsStr::new(run_variable::VARIABLE), &*run_variable)]));
        let program = if is_quiet { program.and_then(Program::quietly) } else { program };
        let child = program.and_then(|program| WaitingChild::fork(&program, mount));
        let child = child.map_err(|error| not_started(path, &error))?;
        Ok(Self { path: path.to_owned(), child })
    }

    /// The child, for who asks about its private mount, or watches it.
    #[must_use]
    pub fn child(&self) -> &WaitingChild {
        &self.child
    }

    /// Lets it go and waits for its end; `meanwhile` runs beside it, on a thread of its own, and is told when the end has
    /// come.
    ///
    /// # Errors
    /// [`Kind::NotStarted`].
    pub fn run(self, meanwhile: impl FnOnce(&End) + Send) -> Result<ExitStatus> {
        let failed = |error: io::Error| not_started(&self.path, &error);
        let end = End::new().ok();
        let has_ended = Arc::new(AtomicBool::new(false));
        let mut child = self.child.go().map_err(failed)?;
        child.hand_signals();
        std::thread::scope(|scope| {
            // A thread that cannot be had is one rotation less.
            let beside = end.as_ref().map(|end| {
                let has_ended = Arc::clone(&has_ended);
                std::thread::Builder::new().spawn_scoped(scope, move || {
                    wait::is_beside(has_ended);
                    meanwhile(end);
                })
            });
            let ended = child.wait();
            has_ended.store(true, Ordering::SeqCst);
            if let Some(end) = &end {
                end.ring();
            }
            drop(beside);
            ended
        })
        .map_err(failed)
    }

    /// Lets it go and says whether it succeeded before the deadline, and before a signal asked us to stop.
    #[must_use]
    pub fn succeeds_within(self, deadline: Duration) -> bool {
        self.child.go().is_ok_and(|child| succeeds(child, deadline))
    }
}

fn succeeds(mut child: ChildProcess, deadline: Duration) -> bool {
    let end = Instant::now() + deadline;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < end && sys::pending_signal().is_none() => {
                std::thread::sleep(Duration::from_millis(5));
            }
            _ => {
                child.kill();
                return false;
            }
        }
    }
}

/// The command that becomes the real az at `path` under `run_variable`.
#[must_use]
pub fn command(path: &Path, run_variable: &RunVariable) -> Command {
    let mut command = Command::new(path);
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

fn not_started(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        Kind::NotStarted,
        format!("cannot start the real az, `{}`: {error}", path.display()),
        "repair that installation, or name another one in AZWARD_REAL_AZ",
    )
}
