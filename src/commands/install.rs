//! `azward install`: puts the two programs into the shim directory, pins the real az, puts the shim first on PATH, completions
//! and manual pages where shells and `man` look, and adopts the login that is there. What cannot be done (a directory that
//! cannot stand in PATH, a start-up file that cannot be edited, settings that are not understood) is refused before anything
//! is changed, and so is to put an older azward in the place of a newer one. Each step can be done again and then changes nothing;
//! one that fails leaves the steps before it standing and az working. Where the programs are a package's, links to them are
//! installed, so that an upgrade of the package reaches who installed before it, and an uninstall takes away no more than the links.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::app::App;
use crate::azure::ConfigDir;
use crate::azure::real_az;
use crate::commands::aids::Aids;
#[cfg(windows)]
use crate::commands::registry_path;
use crate::commands::start_up_files::{self, start_up_files};
use crate::commands::version::{self, Downgrade};
use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::home_lock::{Alone, SHIM_TAKEN_OUT};
use crate::private;
use crate::sessions::NamedLogin;
use crate::settings::{self, Change, Key, Settings, Value};
use crate::store::CredentialStore;
#[cfg(unix)]
use crate::sys;
use crate::text;
use crate::ui::Ui;

/// The programs, which are built side by side and installed side by side; with the last of them logins are given back.
pub const PROGRAMS: [&str; 3] =
    if cfg!(windows) { ["az.exe", "azward-inside.exe", "azward.exe"] } else { ["az", "azward-inside", "azward"] };

/// Where a package of the system has the programs (`install/release.sh`).
#[cfg(unix)]
const PACKAGED: &str = "/usr/lib/azward/bin";

/// How long another install or an uninstall may take.
const HOME_LOCK_DEADLINE: Duration = Duration::from_secs(30);

/// Where the shim stands.
#[must_use]
pub(super) fn shim_directory(azward_home: &Path) -> PathBuf {
    azward_home.join("bin")
}

/// What becomes of the shells' start-up files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartUp {
    /// They put the shim first on PATH.
    Edit,
    /// They stay as they are: PATH is the user's to set.
    LeaveAlone,
}

/// Installs, and says what it did.
///
/// # Errors
/// `Usage` where a newer azward is installed, `Storage` when a file cannot be written.
pub fn install(app: &App, ui: &Ui, start_up: StartUp, aids: &Aids, downgrade: Downgrade) -> Result<()> {
    let App { context, settings_failure, .. } = app;
    let config_dir = &ConfigDir::of(context);
    let directory = shim_directory(&context.azward_home);
    // What cannot be done is refused before anything is.
    if context.is_home_unknown() && (start_up == StartUp::Edit || !context.has_variable("AZWARD_HOME")) {
        let what = "nobody knows where this user is at home: HOME is not set, and the passwd database has no entry";
        bail!(Failure::new(Kind::Usage, what, "set HOME; or name a directory in AZWARD_HOME, with --no-modify-path"));
    }
    start_up_files::check(&directory)?;
    if let Some(failure) = settings_failure {
        // They would be written anew, without what they say.
        bail!(failure.clone());
    }
    let files = match start_up {
        StartUp::Edit => start_up_files(context),
        StartUp::LeaveAlone => Vec::new(),
    };
    for file in &files {
        file.plan(&directory)?;
    }
    let source = source(context)?;
    version::require_no_newer(&directory.join(PROGRAMS[2]), downgrade)?;
    let waiting = ui.waiting_for("another azward at work here");
    let alone = context.home_lock.alone(HOME_LOCK_DEADLINE)?;
    drop(waiting);
    private::make_dir(&directory)?;
    // The settings come first: by them an installed shim knows its home.
    pin_real_az(app, ui, &alone)?;
    for program in PROGRAMS {
        let (from, to) = (source.join(program), directory.join(program));
        let (changed, deed) = match is_packaged(context, &source) {
            true => (link_program(&from, &to)?, "linked"),
            false => (copy_program(&from, &to)?, "installed"),
        };
        ui.say(format!("{} `{}`", if changed { deed } else { "already there:" }, to.display()));
    }
    // Left by an uninstall that was killed.
    let _ = std::fs::remove_file(directory.join(SHIM_TAKEN_OUT));
    #[cfg(windows)]
    if start_up == StartUp::Edit {
        put_on_user_path(ui, &directory)?;
    }
    if start_up == StartUp::Edit {
        for file in &files {
            let changed = file.plan(&directory)?.make()?;
            ui.say(format!(
                "{} `{}`",
                if changed { "put it first on PATH in" } else { "already on PATH in" },
                file.path().display()
            ));
        }
    } else {
        ui.say(format!("left PATH alone: put `{}` first on it", directory.display()));
    }
    // Nobody's login waits for them.
    let aided = aids.put(context, ui, start_up);
    // What follows may wait for a keyring, and takes the locks that a run takes.
    drop(alone);
    let store = CredentialStore::new(app, config_dir);
    let in_the_clear = store.exposed_tokens().unwrap_or(0);
    let waiting = ui.waiting_for("the vault and its key");
    let found = match store.adopt() {
        // An uninstall came right behind: nothing is installed by now.
        Err(failure) if failure.kind == Kind::Gone => bail!(failure),
        adopted => adopted.context("azward is installed, but the login that is here was not adopted")? + in_the_clear,
    };
    for login in NamedLogin::all(context).iter().filter(|login| !login.is_default()) {
        // Where an uninstall gave it back to.
        let adopted = CredentialStore::new(app, &login.config_dir).adopt();
        adopted.with_context(|| format!("azward is installed, but the login `{}` was not adopted", login.name))?;
    }
    drop(waiting);
    if let Some(clue) = store.token_storage().clue() {
        ui.say(format!("left az's tokens in the system's keyring, where it keeps them itself: {}", clue.words()));
    }
    match found {
        0 => ui.say(format!("no login lies in the clear in `{}`", config_dir.path().display())),
        n => ui
            .say(format!("adopted {n} login(s): the vault has them, `{}` no longer does", config_dir.path().display())),
    }
    ui.say("to check: open a new terminal, then `command -v az` names the shim and `azward status` tells the rest");
    aided.context("azward is installed, but not all completions and manual pages are")
}

/// In the registry, where Windows has it.
#[cfg(windows)]
fn put_on_user_path(ui: &Ui, directory: &Path) -> Result<()> {
    let changed = registry_path::put(directory)?;
    ui.say(if changed { "put it first on the user's PATH" } else { "already on the user's PATH" });
    if let Some(az) = registry_path::az_before(directory) {
        let (az, directory) = (text::path(&az), text::path(directory));
        ui.say(format!(
            "the machine's PATH comes before it, and has `{az}`: have an administrator put `{directory}` before that"
        ));
    }
    Ok(())
}

/// Finds the real az afresh and pins it; an older pin is kept only where nothing else is found.
fn pin_real_az(app: &App, ui: &Ui, alone: &Alone) -> Result<()> {
    let App { context, settings, .. } = app;
    let unpinned = settings.pinning(None);
    let found = real_az::find(context, &unpinned, &[]).ok();
    // The settings are text, and a path that is none cannot be pinned: it is found anew every time.
    let real_az = found.or_else(|| settings.pinned().map(Path::to_owned)).filter(|path| path.to_str().is_some());
    match &real_az {
        Some(path) => ui.say(format!("the real az is `{}`", path.display())),
        None => ui.say("no Azure CLI is installed yet: the shim will look for it when it is called"),
    }
    if Settings::file(&context.azward_home).is_some() && settings.pinned() == real_az.as_deref() {
        return Ok(());
    }
    let change = match real_az.as_deref().and_then(Path::to_str) {
        Some(path) => Change::Set(Key::RealAz, Value::Text(path.to_owned())),
        None => Change::Unset(Key::RealAz.name()),
    };
    settings::edit(&context.azward_home, &change, alone)?;
    Ok(())
}

/// The directory of the programs that are installed: this one's, whatever link it was called by. There the shim has to be,
/// because an az beside a link to this one may be the real one.
///
/// # Errors
/// `Storage` where that is no shim.
pub(super) fn source(context: &Context) -> Result<PathBuf> {
    let executable = context.executable.as_deref().context("where this program is cannot be told")?;
    let file = std::fs::canonicalize(executable).unwrap_or_else(|_| executable.to_owned());
    let source = file.parent().unwrap_or(Path::new(".")).to_owned();
    let shim = source.join(PROGRAMS[0]);
    if !real_az::is_shim(context, &shim) {
        let what = format!("the shim is not beside this program: `{}` is none", text::path(&shim));
        bail!(Failure::new(
            Kind::Storage,
            what,
            "keep the programs of one build in one directory, and run the `azward` there"
        ));
    }
    Ok(source)
}

/// Whether the programs are a package's, which replaces them where they are. A home in an unusual place has copies all the same: by
/// its own place alone a program knows it.
#[cfg(unix)]
fn is_packaged(context: &Context, source: &Path) -> bool {
    source == Path::new(PACKAGED) && context.azward_home == context.home.join(".azward")
}
#[cfg(not(unix))]
fn is_packaged(_context: &Context, _source: &Path) -> bool {
    false
}

#[cfg(unix)]
fn link_program(from: &Path, to: &Path) -> Result<bool> {
    if std::fs::read_link(to).is_ok_and(|old| old == from) {
        return Ok(false);
    }
    let draft = private::draft_of(to);
    // Left by an install that was killed.
    let _ = std::fs::remove_file(&draft);
    let linked = std::os::unix::fs::symlink(from, &draft).and_then(|()| sys::rename_over(&draft, to));
    linked.map_err(|error| Failure::storage("write", to, &error))?;
    Ok(true)
}
#[cfg(not(unix))]
fn link_program(from: &Path, to: &Path) -> Result<bool> {
    copy_program(from, to)
}

fn copy_program(from: &Path, to: &Path) -> Result<bool> {
    let new = std::fs::read(from).with_context(|| format!("cannot read `{}`", text::path(from)))?;
    if std::fs::read(to).is_ok_and(|old| old == new) {
        return Ok(false);
    }
    // A running program's file cannot be written, but it can be replaced.
    let written = write(to, &new, 0o755);
    if written.is_ok() || !cfg!(windows) {
        return written.map(|()| true);
    }
    // On Windows only its name can be taken from it. What is left there by the last install runs no longer.
    let aside = to.with_extension("replaced");
    let _ = std::fs::remove_file(&aside);
    std::fs::rename(to, &aside).with_context(|| format!("cannot put aside `{}`", text::path(to)))?;
    let written = write(to, &new, 0o755);
    if written.is_err() {
        let _ = std::fs::rename(&aside, to);
    }
    written.map(|()| true)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    private::replace(path, bytes, mode).with_context(|| format!("cannot write `{}`", text::path(path)))
}
