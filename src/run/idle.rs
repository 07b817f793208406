//! Whether anybody is at work in an azward home: a run, its guardian, a rotation, a session's start, each of which holds a lock in `run/`. Asked
//! with the home's lock held alone, so that nobody begins meanwhile; a file that cannot be asked counts as held.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::app::App;
use crate::azure::ConfigDir;
use crate::failure::{Failure, Kind, Result};
use crate::home_lock::Alone;
use crate::lock::{Lock, Mode};
use crate::sys;
use crate::vault::{all_vaults, forget_beside};

/// How long a command waits for those at work to end before it says that they are.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

/// How often it is looked whether those at work have ended.
const PAUSE: Duration = Duration::from_millis(50);

/// Takes the home's lock alone as soon as nobody is at work; others may begin meanwhile, and are waited for too.
///
/// # Errors
/// `Busy` where somebody is at work when `deadline` is over, or a signal that was taken comes before; what the lock fails with.
pub(crate) fn alone_when_idle(app: &App, deadline: Duration) -> Result<Alone> {
    let App { context, settings, .. } = app;
    let end = Instant::now() + deadline;
    loop {
        let alone = context.home_lock.alone(end.saturating_duration_since(Instant::now()))?;
        let Some(id) = at_work(&context.azward_home, None, &alone) else { return Ok(alone) };
        drop(alone);
        let is_interrupted = sys::pending_signal().is_some();
        if is_interrupted || Instant::now() >= end {
            let vaults = all_vaults(context, settings).unwrap_or_default();
            let directory = vaults.into_iter().find(|(directory, _)| ConfigDir::at(directory).id() == id);
            let place = directory.map_or_else(String::new, |(directory, _)| format!(" on `{}`", directory.display()));
            let what = if is_interrupted { "interrupted while an az is running" } else { "an az is running" };
            return Err(Failure::new(
                Kind::Busy,
                format!("{what}{place}: nothing was changed"),
                "run this again when it has ended",
            ));
        }
        std::thread::sleep(PAUSE);
    }
}

/// The id of a config directory at which somebody is at work: of any, or of `only`. `None` when nobody is.
#[must_use]
pub(crate) fn at_work(azward_home: &Path, only: Option<&str>, _alone: &Alone) -> Option<String> {
    let entries = std::fs::read_dir(azward_home.join("run")).into_iter().flatten().flatten();
    let mut locks = entries.filter_map(|entry| {
        let name = entry.file_name();
        let (id, ending) = name.to_str()?.split_once('.')?;
        let is_lock = matches!(ending, "lease" | "attendance" | "turn" | "session") || ending.starts_with("rotate-");
        let is_asked = only.is_none_or(|only| only == id) && entry.file_type().is_ok_and(|kind| kind.is_file());
        (is_lock && is_asked).then(|| (id.to_owned(), entry.path()))
    });
    locks.find(|(_, path)| !matches!(Lock::attempt(path, Mode::Exclusive), Ok(Some(_)))).map(|(id, _)| id)
}

/// Removes the locks and notes of a config directory at which nobody is at work, and what is sealed of it beside the vaults.
pub(crate) fn remove_run_files(azward_home: &Path, id: &str, _alone: &Alone) {
    for entry in std::fs::read_dir(azward_home.join("run")).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&format!("{id}.")) {
            // One that stays says nothing about anybody.
            let _ = std::fs::remove_file(entry.path());
        }
    }
    // It is good for an hour or a day, and nobody is given it who is not signed in.
    let _ = forget_beside(azward_home, id);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::home_lock::HomeLock;

    #[test]
    fn whoever_holds_a_lock_is_at_work() {
        let home = tempfile::tempdir().unwrap();
        let run = home.path().join("run");
        std::fs::create_dir(&run).unwrap();
        let alone = HomeLock::of(home.path(), None).alone(Duration::ZERO).unwrap();
        for name in ["a.swept", "exposure.json", "a.lease"] {
            std::fs::write(run.join(name), "").unwrap();
        }
        assert_eq!(at_work(home.path(), None, &alone), None);
        for (name, mode) in [("b.lease", Mode::Shared), ("b.attendance", Mode::Shared), ("b.rotate-1", Mode::Exclusive)]
        {
            let lock = Lock::acquire(&run.join(name), mode, Duration::ZERO).unwrap();
            assert_eq!(at_work(home.path(), None, &alone).as_deref(), Some("b"), "{name}");
            assert_eq!(at_work(home.path(), Some("a"), &alone), None, "{name}");
            drop(lock);
            assert_eq!(at_work(home.path(), None, &alone), None, "{name}");
        }
    }
}
