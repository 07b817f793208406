//! Turns in a session: who starts, rotates or stops it does so alone, and whoever gets a token in it does so beside others like it. A
//! lock in `run/` of the azward home, which a stop removes and who has that home alone finds held; one who does not get his turn
//! in time is told who is in the way, and has changed nothing.

use std::path::PathBuf;
use std::time::Duration;

use super::{Session, State};
use crate::app::App;
use crate::failure::{Failure, Kind, Result};
use crate::lock::{Lock, Mode};
use crate::private;
use crate::wait;

/// How long to wait for another that starts or rotates the same session, which may wait for the endpoint; and how soon to look.
pub(super) const TURN_DEADLINE: Duration = Duration::from_secs(30);
const TURN_PAUSE: Duration = Duration::from_millis(1);

/// Does `work` in the session while nobody starts, rotates or stops it; others who work in it do so beside. `None` where it is
/// not started.
///
/// # Errors
/// `Busy` where it is being started or rotated for longer than half a minute, `Gone`, `Storage`.
pub(super) fn beside_no_change<T>(app: &App, session: &Session, work: impl FnOnce() -> T) -> Result<Option<T>> {
    let _turn = take_turn(app, session, Mode::Shared)?;
    Ok((session.state(&app.context) == State::Active).then(work))
}

/// Has whoever else starts, rotates or stops the session wait. Who has the azward home alone finds that somebody is at work.
pub(super) fn take_turn(app: &App, session: &Session, mode: Mode) -> Result<Lock> {
    let context = &app.context;
    {
        let _presence = context.home_lock.enter()?;
        private::make_dir(&context.azward_home.join("run"))?;
    }
    let path = turn_of(app, session);
    let held = || {
        let what = format!("the session `{}` is being started or rotated by another process", session.name);
        Failure::new(Kind::Busy, what, "run this again when that has ended")
    };
    let attempt = || {
        let Some(lock) = Lock::attempt(&path, mode)? else { return Ok(None) };
        // An uninstall waits for whoever has it, unless it was there while we waited; and a stop may have looked before we had it,
        // and removed the file: what is locked then nobody else finds.
        drop(context.home_lock.enter()?);
        Ok(lock.is_at(&path).then_some(lock))
    };
    wait::for_lock(format_args!("`{}`", path.display()), TURN_DEADLINE, TURN_PAUSE, attempt, held)
}

/// Whether somebody has a turn of his in the session.
pub(super) fn is_being_changed(app: &App, session: &Session) -> bool {
    let path = turn_of(app, session);
    path.exists() && !matches!(Lock::attempt(&path, Mode::Exclusive), Ok(Some(_)))
}

fn turn_of(app: &App, session: &Session) -> PathBuf {
    let config_dir = session.config_dir(&app.context);
    app.context.azward_home.join("run").join(format!("{}.session", config_dir.id()))
}
