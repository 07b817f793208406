//! The steps of a system-wide installation on Linux, in their order, and what is said of each.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::diversion::{self, Diversion};
use super::places::{self, DIRECTORY, FILES};
use crate::commands::aids::{self, Aids};
use crate::commands::install::{self, PROGRAMS};
use crate::commands::version::{self, Downgrade};
use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::marker;
use crate::sys;
use crate::text;
use crate::ui::Ui;

/// Installs for all users, and says what it did.
///
/// # Errors
/// `Usage` for who is not root and where a newer azward is installed, `Storage` when something cannot be written.
pub fn install(context: &Context, ui: &Ui, aids: &Aids, downgrade: Downgrade) -> Result<()> {
    require_root()?;
    let source = install::source(context)?;
    version::require_no_newer(&Path::new(DIRECTORY).join(PROGRAMS[2]), downgrade)?;
    for program in PROGRAMS {
        let place = Path::new(DIRECTORY).join(program);
        let bytes = std::fs::read(source.join(program))
            .with_context(|| format!("cannot read `{}`", text::path(&source.join(program))))?;
        say(ui, places::put(&place, &bytes, 0o755)?, "installed", &place);
    }
    for (path, text) in FILES {
        match places::is_free(Path::new(path), text) {
            true => say(ui, places::put(Path::new(path), text.as_bytes(), 0o644)?, "wrote", Path::new(path)),
            false => ui.say(format!("left `{path}`: it is not azward's")),
        }
    }
    for (path, text) in places::of_aids(aids) {
        // Another version's is replaced.
        let is_free = places::is_free(&path, text) || std::fs::read(&path).is_ok_and(|bytes| aids::is_ours(&bytes));
        match is_free {
            true => say(ui, places::put(&path, text.as_bytes(), 0o644)?, "wrote", &path),
            false => ui.say(format!("left `{}`: it is not azward's", path.display())),
        }
    }
    match Diversion::install(&Path::new(DIRECTORY).join(PROGRAMS[0]))? {
        diversion::Outcome::Done(place) => {
            ui.say(format!("diverted `{}`: the packaged az is `{}`", place.at, place.aside));
        }
        diversion::Outcome::Already(place) => ui.say(format!("already diverted: `{}`", place.at)),
        diversion::Outcome::Left(why) => {
            ui.say(format!("diverted no packaged az: {why}; callers that take PATH from nowhere get the real one"));
        }
    }
    ui.say("to check: `ssh` to this machine with `command -v az`, then `azward status` as any of its users");
    Ok(())
}

/// Undoes exactly that, and says what it did. The program with which users get their logins back stays until they have.
///
/// # Errors
/// `Usage` for who is not root, `NoPlace` while users have logins in vaults, `Storage`.
pub fn uninstall(_context: &Context, ui: &Ui) -> Result<()> {
    require_root()?;
    let shim = Path::new(DIRECTORY).join(PROGRAMS[0]);
    match Diversion::uninstall(&shim)? {
        diversion::Outcome::Done(place) => ui.say(format!("gave `{}` back to the package", place.at)),
        diversion::Outcome::Already(_) => {}
        diversion::Outcome::Left(why) => ui.say(format!("left the packaged az: {why}")),
    }
    for (path, text) in FILES {
        match places::take_away(Path::new(path), text)? {
            places::Taken::Away => ui.say(format!("removed `{path}`")),
            places::Taken::Left => ui.say(format!("left `{path}`: it was changed")),
            places::Taken::WasNot => {}
        }
    }
    for path in places::all_aids() {
        if std::fs::read(&path).is_ok_and(|bytes| aids::is_ours(&bytes)) && places::remove(&path)? {
            ui.say(format!("removed `{}`", path.display()));
        }
    }
    let mut programs = PROGRAMS.iter().map(|program| Path::new(DIRECTORY).join(program)).collect::<Vec<_>>();
    let holders = homes_with_vaults();
    let kept = if holders.is_empty() { None } else { programs.pop() };
    for program in &programs {
        if places::remove(program)? {
            ui.say(format!("removed `{}`", program.display()));
        }
    }
    if let Some(azward) = kept.filter(|azward| azward.exists()) {
        let names: Vec<String> = holders.iter().map(|(user, _)| text::name(user)).collect();
        bail!(Failure::new(
            Kind::NoPlace,
            format!("`{}` stays: there are logins in vaults of {}", azward.display(), names.join(", ")),
            format!("each gets them back with `{} uninstall`; then run this again", azward.display()),
        ));
    }
    places::remove_directories();
    Ok(())
}

fn say(ui: &Ui, is_new: bool, deed: &str, path: &Path) {
    ui.say(format!("{} `{}`", if is_new { deed } else { "already there:" }, path.display()));
}

fn require_root() -> Result<()> {
    if sys::user_id() != "0" {
        let what = "what is for all users only root can install and take away";
        bail!(Failure::new(Kind::Usage, what, "run this with sudo; without --system it is for you alone"));
    }
    Ok(())
}

/// The users of this machine that have vaults in the usual place, and no programs of their own there.
fn homes_with_vaults() -> Vec<(String, PathBuf)> {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let users = users.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        Some(((*fields.first()?).to_owned(), Path::new(fields.get(5)?).join(".azward")))
    });
    let has_own = |home: &Path| home.join("bin").join(PROGRAMS[2]).symlink_metadata().is_ok();
    users.filter(|(_, home)| marker::has_vault(home) && !has_own(home)).collect()
}
