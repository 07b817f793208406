//! `azward config`: shows what is set, and by whom, and changes the settings' file one setting at a time. A name that is no
//! setting's, or a value that a setting cannot be, is refused with the nearest one, and nothing is changed. What cannot be
//! understood in the file can be mended with it: only what the file would be after a change is asked.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Map, json};

use crate::app::App;
use crate::azure::{ConfigDir, real_az};
use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::settings::{self, Change, Edited, Key, Provenance, Settings, Value};
use crate::store::CredentialStore;
use crate::text;
use crate::ui::{Form, Ui};
use crate::vault;

/// How long an install or an uninstall may take.
const LOCK_DEADLINE: Duration = Duration::from_secs(30);

/// How a setting is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// With its name, and who set it.
    Whole,
    /// Its value alone, for scripts; an empty line where there is none.
    Value,
}

/// Lists every setting: what holds, and where that comes from.
///
/// # Errors
/// Why the file is not understood, after the defaults that hold were shown.
pub fn list(app: &App, ui: &Ui, form: Form) -> Result<()> {
    match form {
        Form::Json => {
            let all = Key::ALL.iter().map(|(name, key)| ((*name).to_owned(), as_json(app, *key)));
            ui.json(&all.collect::<Map<_, _>>().into());
        }
        Form::Table => {
            for (name, key) in Key::ALL {
                ui.row(name, &line(app, key));
            }
        }
    }
    app.settings_failure.clone().map_or(Ok(()), |failure| Err(failure.into()))
}

/// Shows one.
///
/// # Errors
/// `Usage` for a name that is no setting's; why the file is not understood.
pub fn get(app: &App, ui: &Ui, name: &str, shown: Shown) -> Result<()> {
    let key = Key::named(name)?;
    if let Some(failure) = &app.settings_failure {
        bail!(failure.clone());
    }
    match shown {
        Shown::Whole => ui.row(key.name(), &line(app, key)),
        Shown::Value => ui.say(key.effective(&app.settings).0.map_or_else(String::new, |value| value.words())),
    }
    Ok(())
}

/// Sets one in the file.
///
/// # Errors
/// `Usage` for what is no setting, or cannot be its value; `Storage`.
pub fn set(app: &App, ui: &Ui, name: &str, word: &str) -> Result<()> {
    let key = Key::named(name)?;
    let value = match key {
        Key::RealAz => program(&app.context, Path::new(word))?,
        _ => key.value_of(word),
    };
    let words = value.words();
    let edited = change(app, ui, &Change::Set(key, value))?;
    let is = if edited.is_changed { "is now" } else { "was already" };
    ui.say(format!("{name} {is} {words}, in `{}`", text::path(&Settings::path(&app.context.azward_home))));
    match (key, key.effective(&app.settings).1) {
        (_, Provenance::Environment(variable)) => ui.say(format!("{variable} is set, and comes before it")),
        (Key::RealAz, _) => ui.say("an az on PATH comes before it: this one is for callers whose PATH has none"),
        (Key::KeyStore, _) => {
            ui.say("it is for vaults that are new: those that are there keep their keys where they are");
        }
        (Key::Seal, _) => put_at_rest(app, ui),
        _ => {}
    }
    Ok(())
}

/// Takes one out of the file, be it a setting or what stands there in the place of one.
///
/// # Errors
/// `Usage` for what is neither; `Storage`.
pub fn unset(app: &App, ui: &Ui, name: &str) -> Result<()> {
    let known = Key::named(name);
    let edited = change(app, ui, &Change::Unset(name))?;
    let path = text::path(&Settings::path(&app.context.azward_home));
    match known {
        Err(failure) if !edited.is_changed => bail!(failure),
        Err(_) => ui.say(format!("`{}` is no longer in `{path}`", text::name(name))),
        Ok(key) if edited.is_changed => {
            let (default, _) = key.effective(&Settings::default());
            let holds = default.map_or_else(String::new, |value| format!(": {} holds, by default", value.words()));
            ui.say(format!("{name} is no longer set in `{path}`{holds}"));
            if key == Key::Seal {
                put_at_rest(app, ui);
            }
        }
        Ok(_) => ui.say(format!("{name} was not set in `{path}`")),
    }
    Ok(())
}

/// Has what `seal` says be so now, in every directory of every login; one that cannot be had now is the next az's to see to.
fn put_at_rest(app: &App, ui: &Ui) {
    let Ok(settings) = Settings::load(&app.context.azward_home) else { return };
    let app = &App::with(app.context.clone(), settings);
    let _waiting = ui.waiting_for("the vaults and their keys");
    let mut directories = vec![ConfigDir::of(&app.context)];
    for (directory, vault) in vault::all_vaults(&app.context, &app.settings).unwrap_or_default() {
        directories
            .extend([directory].iter().chain(&vault.login().views(&app.context)).map(|path| ConfigDir::at(path)));
    }
    directories.sort_by(|one, other| one.id().cmp(other.id()));
    directories.dedup_by(|one, other| one.id() == other.id());
    for config_dir in directories.iter().filter(|directory| directory.path().is_dir()) {
        let store = CredentialStore::new(app, config_dir);
        let outcome = store.sweep();
        let shown = text::path(config_dir.path());
        if let Err(failure) = outcome {
            ui.say(format!("not in `{shown}` yet, the next az there sees to it: {}", failure.what));
        } else if store.is_to_be_put_at_rest() {
            ui.say(format!("not in `{shown}` yet: an az is running there, and sees to it when it ends"));
        }
    }
}

fn change(app: &App, ui: &Ui, change: &Change<'_>) -> Result<Edited> {
    let context = &app.context;
    let waiting = ui.waiting_for("another azward at work here");
    let alone = context.home_lock.alone(LOCK_DEADLINE)?;
    drop(waiting);
    let edited = settings::edit(&context.azward_home, change, &alone)?;
    if edited.took_over {
        let aside = context.azward_home.join(settings::TAKEN_OVER);
        ui.say(format!("what `config.json` had is taken over; it is `{}` now, and does not count", text::path(&aside)));
    }
    Ok(edited)
}

/// The path of a program that may be named as the real az.
fn program(context: &Context, path: &Path) -> Result<Value> {
    let path = context.directory.join(context.expand_user(path));
    let wrong = if real_az::is_shim(context, &path) {
        "is azward's own"
    } else if !path.is_file() {
        "is no program that is there"
    } else {
        let words = path.to_str().map(|path| Value::Text(path.to_owned()));
        return words
            .ok_or_else(|| Failure::new(Kind::Usage, "its path is no text", "put a link to it elsewhere").into());
    };
    bail!(Failure::new(
        Kind::Usage,
        format!("`{}` {wrong}: it cannot be the real az", text::path(&path)),
        "name the az that its installer put there, as `/usr/bin/az`",
    ));
}

/// What holds, and where that comes from, in words.
fn line(app: &App, key: Key) -> String {
    let (value, provenance) = key.effective(&app.settings);
    let value = value.map_or_else(|| "not set".to_owned(), |value| value.words());
    match provenance {
        Provenance::Default if value == "not set" => format!("{value}: the first on PATH is taken"),
        Provenance::Default => format!("{value}, by default"),
        Provenance::File => format!("{value}, from {}", file(app)),
        Provenance::Environment(variable) => format!("{value}, from {variable}"),
    }
}

fn as_json(app: &App, key: Key) -> serde_json::Value {
    let (value, provenance) = key.effective(&app.settings);
    let value = value.map(|value| match value {
        Value::Text(text) => json!(text),
        Value::Number(number) => json!(number),
    });
    let (from, name) = match provenance {
        Provenance::Default => ("default", None),
        Provenance::File => ("file", Some(file(app))),
        Provenance::Environment(variable) => ("environment", Some(variable.to_owned())),
    };
    json!({ "value": value, "from": from, "name": name })
}

/// The file that counts.
fn file(app: &App) -> String {
    let home = &app.context.azward_home;
    text::path(&Settings::file(home).unwrap_or_else(|| Settings::path(home)))
}
