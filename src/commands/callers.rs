//! `azward callers`: the programs that azward knows of, what was decided about each, and a decision beforehand. It is for
//! `confirm = "new-caller"`, and can be used before that is set. A program that knows azward can allow itself by it, as whoever
//! is the user can: the journal has that.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde_json::json;

use crate::app::App;
use crate::commands::time;
use crate::consent::known::{self, Known, Verdict};
use crate::consent::{self, Program, interpreter_of};
use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::settings::ConfirmChoice;
use crate::text;
use crate::ui::{Form, Ui};

/// Lists them.
///
/// # Errors
/// Those of reading the file.
pub fn list(app: &App, ui: &Ui, form: Form) -> Result<()> {
    let callers = known::read(&app.context)?.callers;
    if form == Form::Json {
        let callers: Vec<_> = callers.iter().map(as_json).collect();
        ui.json(&json!({ "schema": 1, "callers": callers }));
        return Ok(());
    }
    if callers.is_empty() {
        ui.say("no program is known yet");
    } else {
        let cells = |known: &Known| {
            let program = known.program();
            vec![known.verdict.words().to_owned(), time(known.time), text::name(&known.owner), program.words()]
        };
        ui.columns(["", "since", "owner", "program"], callers.iter().map(cells).collect());
    }
    tell_if_off(app, ui);
    Ok(())
}

/// Has a program be one that may use the login: a program's file, a script with the interpreter that it names itself, or the
/// two.
///
/// # Errors
/// `Usage` for what is not there, `Storage`, `Busy`.
pub fn allow(app: &App, ui: &Ui, path: &Path, script: Option<&str>) -> Result<()> {
    let context = &app.context;
    let all = candidates(context, path, script)?;
    known::update(context, |callers| {
        let mut all = all.clone();
        // Under whatever interpreter it was seen.
        let seen = callers.callers.iter().map(Known::program).filter(|known| {
            script.is_none() && all.iter().any(|program| program.script.is_some() && program.script == known.script)
        });
        all.extend(seen.filter(|known| all[0].owner == known.owner).collect::<Vec<_>>());
        for program in &all {
            callers.decide(program, Verdict::Allowed, context.now());
        }
    })?;
    for program in &all {
        consent::note(app, "azward callers allow", program, Verdict::Allowed);
        ui.say(format!("{program} may use the Azure login from now on"));
    }
    tell_if_off(app, ui);
    Ok(())
}

/// Has programs not be known any more: those of that file, be it the program or its script.
///
/// # Errors
/// `Usage` for one that is not known, `Storage`, `Busy`.
pub fn forget(app: &App, ui: &Ui, path: &Path) -> Result<()> {
    let given = path.to_string_lossy().into_owned();
    let whole = app.context.directory.join(app.context.expand_user(path));
    let real = whole.canonicalize().unwrap_or(whole).to_string_lossy().into_owned();
    let is_meant = |path: &str| path == given || path == real;
    let forgotten: Vec<Program> = known::update(&app.context, |callers| {
        let (gone, left) = std::mem::take(&mut callers.callers)
            .into_iter()
            .partition::<Vec<_>, _>(|known| is_meant(&known.program) || known.script.as_deref().is_some_and(is_meant));
        callers.callers = left;
        gone.iter().map(Known::program).collect()
    })?;
    if forgotten.is_empty() {
        let what = format!("`{}` is not known", text::path(path));
        bail!(Failure::new(Kind::Usage, what, "`azward callers list` shows which are"));
    }
    for program in forgotten {
        ui.say(format!("{program} is not known any more"));
    }
    Ok(())
}

/// The program that was meant.
fn candidates(context: &Context, path: &Path, script: Option<&str>) -> Result<Vec<Program>> {
    let here = |path: &Path| context.directory.join(context.expand_user(path));
    let missing = |path: &Path| {
        let what = format!("`{}` is not there", text::path(path));
        Failure::new(Kind::Usage, what, "name the file of a program, and that of its script where it has one")
    };
    let given = path.to_string_lossy();
    let path = here(path);
    if script.is_none() && !path.exists() {
        // One that lets nobody look has a name and no file.
        let seen: Vec<Program> = known::read(context)?.callers.iter().map(Known::program).collect();
        let seen: Vec<Program> = seen.into_iter().filter(|known| known.is_hidden() && known.path == given).collect();
        return if seen.is_empty() { Err(missing(&path).into()) } else { Ok(seen) };
    }
    if let Some(script) = script {
        let script = if script.starts_with("module:") { script.into() } else { here(Path::new(script)) };
        let program = Program::at(&path, script.to_str());
        return Ok(vec![program.ok_or_else(|| missing(if path.exists() { &script } else { &path }))?]);
    }
    let Some(words) = interpreter_of(&path) else {
        return Ok(vec![Program::at(&path, None).filter(|_| path.is_file()).ok_or_else(|| missing(&path))?]);
    };
    let interpreter = interpreter(context, &words);
    let program = interpreter.and_then(|interpreter| Program::at(&interpreter, path.to_str()));
    let unknown = || {
        let what = format!("the interpreter that `{}` names is not there", text::path(&path));
        Failure::new(Kind::Usage, what, "name both: `azward callers allow INTERPRETER SCRIPT`")
    };
    Ok(vec![program.ok_or_else(unknown)?])
}

/// The program that the words after `#!` name: with env, the one that it finds.
fn interpreter(context: &Context, words: &[String]) -> Option<PathBuf> {
    let first = Path::new(words.first()?);
    if !first.ends_with("env") {
        return Some(first.to_owned());
    }
    let name = words[1..].iter().find(|word| !word.starts_with('-') && !word.contains('='))?;
    which::which_in(name, context.variable("PATH"), &context.directory).ok()
}

fn as_json(known: &Known) -> serde_json::Value {
    json!({
        "program": text::path(Path::new(&known.program)),
        "script": known.script.as_deref().map(|script| text::path(Path::new(script))),
        "owner": text::name(&known.owner),
        "verdict": known.verdict,
        "time": known.time,
    })
}

fn tell_if_off(app: &App, ui: &Ui) {
    if app.settings.confirm.value == ConfirmChoice::Never {
        ui.say("nobody is asked: `confirm` is `never`; `azward config set confirm new-caller` changes that");
    }
}
