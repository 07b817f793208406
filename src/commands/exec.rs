//! `azward exec`: any program gets what az gets, for those that use azure-cli-core as a library, or az for many things: a run of
//! it, with the same end. It is found as a shell finds it, and called by the name that it was given. Inside a live run, and where
//! the real az would be left alone, it is executed as it is.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::app::App;
use crate::azure::{Command, ConfigDir, TokenStorage, real_az};
use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::run::run_variable::{Role, RunVariable};
use crate::run::{Asked, Run, supervise};
use crate::store::is_covered;
use crate::sys;
use crate::text;
use crate::ui::Ui;

/// Where programs are looked for without a PATH.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Runs the program that the first of `words` names with the others as its arguments. Returns only with a failure of azward's
/// own: a program that ran has its own end.
///
/// # Errors
/// `NoProgram`, `NotStarted`, `Usage`.
pub fn exec(app: &App, ui: &Ui, words: &[OsString]) -> Result<()> {
    let App { context, settings, .. } = app;
    let Some((name, arguments)) = words.split_first() else {
        bail!(Failure::new(Kind::Usage, "there is no program to run", "name one: `azward exec -- PROGRAM`"));
    };
    let program = found(context, name)?;
    let config_dir = ConfigDir::of(context);
    let given = RunVariable::given(context);
    if let Some(failure) = &app.settings_failure {
        app.journal.warn(context.now(), failure);
    }
    let covering = given.as_ref().filter(|given| given.covers(&config_dir));
    let is_told_to_pass = context.variable("AZWARD_BYPASS").is_some_and(|value| value == "1");
    if is_told_to_pass || ConfigDir::is_nowhere(context) || covering.is_some() || is_covered(&config_dir.token_cache())
    {
        let run_variable = match covering {
            Some(run) => run.passed_to_program(),
            None => RunVariable::of_this_process(given.as_ref(), &config_dir, Role::Passer, Path::new("")),
        };
        let mut command = supervise::command(context, &program, &run_variable);
        if !is_told_to_pass {
            command.envs(TokenStorage::of(context, settings, &config_dir).variable());
        }
        bail!(supervise::become_program(command, name, arguments));
    }
    let run = Run {
        app,
        config_dir: &config_dir,
        program,
        real_az: real_az::find(context, settings, &[]).ok(),
        run_variable: RunVariable::of_program(given.as_ref(), &config_dir),
    };
    let finished = run.perform(&Command::of_program(name, arguments), Asked::Not, &|| false)?;
    if let Some(failure) = &finished.handicap {
        ui.report(failure);
    }
    sys::exit_as(finished.status)
}

/// The file of the program that a shell would start by this name.
///
/// # Errors
/// `NoProgram`.
pub fn found(context: &Context, name: &OsStr) -> Result<PathBuf, Failure> {
    let is_path = name.as_encoded_bytes().iter().any(|byte| std::path::is_separator(char::from(*byte)));
    if cfg!(windows) {
        let path = context.variable("PATH").unwrap_or_default();
        return which::which_in(name, Some(path), &context.directory).map_err(|_| not_found(name));
    }
    if is_path {
        // What it is the system tells when it is started; here only whether it is there.
        return match Path::new(name).metadata() {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Err(not_found(name))
            }
            _ => Ok(name.into()),
        };
    }
    let path = context.variable("PATH").unwrap_or(OsStr::new(DEFAULT_PATH));
    let candidates = std::env::split_paths(path).map(|directory| match directory.as_os_str().is_empty() {
        true => Path::new(".").join(name),
        false => directory.join(name),
    });
    let mut unusable = None;
    for candidate in candidates.filter(|_| !name.is_empty()) {
        match candidate.metadata() {
            Ok(metadata) if metadata.is_file() && sys::is_executable(&metadata) => return Ok(candidate),
            Ok(metadata) if metadata.is_file() => unusable = unusable.or(Some(candidate)),
            _ => {}
        }
    }
    // The system refuses it then.
    unusable.ok_or_else(|| not_found(name))
}

fn not_found(name: &OsStr) -> Failure {
    let shown = text::path(Path::new(name));
    Failure::new(Kind::NoProgram, format!("`{shown}` was not found"), "name a program that is on PATH, or its path")
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_as_a_shell_finds_it() {
        let dir = tempfile::tempdir().unwrap();
        for (place, mode) in [("a/one", 0o644), ("b/one", 0o755), ("a/two", 0o644), ("b/three", 0o755)] {
            let path = dir.path().join(place);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            sys::set_mode(&path, mode).unwrap();
        }
        std::fs::create_dir(dir.path().join("a/three")).unwrap();
        let path = std::env::join_paths(["a", "b"].map(|name| dir.path().join(name))).unwrap();
        let context = Context::new([("PATH".into(), path)], None);
        let find = |name: &str| found(&context, OsStr::new(name)).map_err(|failure| failure.exit_code());
        assert_eq!(find("one"), Ok(dir.path().join("b/one")));
        assert_eq!(find("two"), Ok(dir.path().join("a/two")));
        assert_eq!(find("three"), Ok(dir.path().join("b/three")));
        assert_eq!((find("four"), find(""), find("./nothing")), (Err(127), Err(127), Err(127)));
        let direct = dir.path().join("a/two").display().to_string();
        assert_eq!(find(&direct), Ok(direct.clone().into()));
    }
}
