//! `azward start`, `rotate`, `stop`, `rename` and `use`: what a person does with sessions. Each says in one line what is so now;
//! what was so before is no failure.

use anyhow::{Result, bail};

use crate::app::App;
use crate::commands::time;
use crate::failure::{Failure, Kind};
use crate::in_use::InUse;
use crate::sessions::{self, Forcing, Session, State, Stopped, environment};
use crate::text;
use crate::ui::Ui;

/// Starts the session called `name`.
///
/// # Errors
/// Those of [`sessions::start`].
pub fn start(app: &App, ui: &Ui, name: &str, region: Option<&str>) -> Result<()> {
    let session = sessions::named(app, name)?;
    let waiting = ui.waiting_for("the token endpoint");
    let session = sessions::start(app, &session, region)?;
    drop(waiting);
    ui.say(format!("`{}` is started{}", session.name, until(app, &session)));
    Ok(())
}

/// Renews the token of the session called `name`.
///
/// # Errors
/// Those of [`sessions::rotate`].
pub fn rotate(app: &App, ui: &Ui, name: &str, forcing: Forcing) -> Result<()> {
    let session = sessions::named(app, name)?;
    let waiting = ui.waiting_for("the token endpoint");
    sessions::rotate(app, &session, forcing)?;
    drop(waiting);
    ui.say(format!("`{}` has a token{}", session.name, until(app, &session)));
    Ok(())
}

fn until(app: &App, session: &Session) -> String {
    session.expires_on(app).map_or_else(String::new, |expires_on| format!(", good until {}", time(expires_on)))
}

/// Which sessions are stopped.
#[derive(Debug)]
pub enum Which {
    /// The one of that name.
    Named(String),
    /// Every one that is started.
    All,
}

/// Stops them. One that cannot be stopped keeps no other from it.
///
/// # Errors
/// Those of [`sessions::stop`], the last one where there are several.
pub fn stop(app: &App, ui: &Ui, which: &Which) -> Result<()> {
    let chosen = match which {
        Which::Named(name) => vec![sessions::named(app, name)?],
        Which::All => {
            let is_active = |session: &Session| session.state(&app.context) == State::Active;
            sessions::all(app)?.into_iter().filter(is_active).collect()
        }
    };
    if chosen.is_empty() {
        ui.say("no session is started");
    }
    let mut trouble: Option<Failure> = None;
    for session in &chosen {
        match sessions::stop(app, session) {
            Ok(Stopped::Now) => ui.say(format!("stopped `{}`", session.name)),
            Ok(Stopped::Before) => ui.say(format!("`{}` was not started", session.name)),
            Err(failure) => {
                if let Some(earlier) = trouble.replace(failure) {
                    ui.report(&earlier);
                }
                continue;
            }
        }
        if is_in_use(app, session) {
            let _ = InUse::remove(&app.context)?;
            ui.say("az uses the user's own config directory again");
        }
    }
    match trouble {
        Some(failure) => bail!(failure),
        None => Ok(()),
    }
}

/// Gives the session called `from` another name.
///
/// # Errors
/// Those of [`sessions::rename`].
pub fn rename(app: &App, ui: &Ui, from: &str, to: &str) -> Result<()> {
    let session = sessions::rename(app, from, to)?;
    ui.say(format!("`{}` is called `{}` now", text::name(from), session.name));
    Ok(())
}

/// Whether plain az works in this session.
#[must_use]
pub fn is_in_use(app: &App, session: &Session) -> bool {
    InUse::read(&app.context).is_some_and(|in_use| session.is_at(&app.context, &in_use.config_dir))
}

/// Has plain az work in the session called `name`, which is started if it is not; in the one that is picked, where none is
/// named and there is somebody to pick.
///
/// # Errors
/// `Usage` where nobody can be asked, those of [`sessions::start`], `Storage`.
pub fn use_session(app: &App, ui: &Ui, name: Option<&str>) -> Result<()> {
    let session = match name {
        Some(name) => sessions::named(app, name)?,
        None => picked(app, ui)?,
    };
    let session = started(app, ui, &session)?;
    let directory = session.config_dir(&app.context).path().to_owned();
    let Some(config_dir) = directory.to_str().map(str::to_owned) else {
        bail!(Failure::new(
            Kind::Usage,
            format!("the name of `{}` is not text", text::path(&directory)),
            "name a home for azward that is written in UTF-8",
        ));
    };
    let extensions = environment::extensions(&app.context, &session);
    let extensions = extensions.and_then(|(_, directory)| directory.into_string().ok());
    InUse { config_dir, extensions }.write(&app.context)?;
    ui.say(format!("az uses `{}` from now on: {}", session.name, text::name(&session.subscription_name)));
    Ok(())
}

/// Has plain az work in the user's own config directory again.
///
/// # Errors
/// `Storage`.
pub fn use_none(app: &App, ui: &Ui) -> Result<()> {
    match InUse::remove(&app.context)? {
        true => ui.say("az uses the user's own config directory again"),
        false => ui.say("az uses the user's own config directory already"),
    }
    Ok(())
}

/// The session, started if it was not, and with a token that is not due.
///
/// # Errors
/// Those of [`sessions::start`].
pub(super) fn started(app: &App, ui: &Ui, session: &Session) -> Result<Session> {
    if session.state(&app.context) == State::Active && !session.is_due(app) {
        return Ok(session.clone());
    }
    let _waiting = ui.waiting_for("the token endpoint");
    Ok(sessions::start(app, session, None)?)
}

fn picked(app: &App, ui: &Ui) -> Result<Session> {
    let mut all = sessions::all(app)?;
    if !app.context.is_interactive {
        bail!(Failure::new(
            Kind::Usage,
            "no session is named, and there is nobody to ask",
            "name one: `azward use SESSION`"
        ));
    }
    if all.is_empty() {
        bail!(Failure::new(Kind::Usage, "there is no session", "sign in first: `azward login NAME`"));
    }
    for (place, session) in all.iter().enumerate() {
        let sign = if is_in_use(app, session) { '*' } else { ' ' };
        ui.say(format!("{sign}{:>3}  {}  {}", place + 1, session.name, text::name(&session.subscription_name)));
    }
    let answer = ui.ask("which one? (number or name)").unwrap_or_default();
    let answer = answer.trim();
    match answer.parse::<usize>().ok().and_then(|number| number.checked_sub(1)).filter(|place| *place < all.len()) {
        Some(place) => Ok(all.swap_remove(place)),
        None => Ok(sessions::named(app, answer)?),
    }
}
