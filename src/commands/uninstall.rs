//! `azward uninstall`: gives everything back, whatever else goes on. The shim is taken out first, so that no new one starts;
//! then the home's lock is taken alone, when nobody is at work any more; then every login goes back into its cache, and
//! only when it is there is its vault removed. The key goes when no vault is left that may need it, and `azward` itself
//! goes last. Each step can be done again: one that was killed anywhere is finished by the next uninstall, and undone by
//! the next install. What cannot be given back stays in its vault, with its key and a word about why.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::app::App;
use crate::azure::{ConfigDir, token_storage};
use crate::commands::aids;
use crate::commands::install::{PROGRAMS, shim_directory};
#[cfg(windows)]
use crate::commands::registry_path;
use crate::commands::start_up_files::start_up_files;
use crate::consent::known;
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::home_lock::{self, Alone, SHIM, SHIM_TAKEN_OUT};
use crate::in_use::InUse;
use crate::marker;
use crate::private;
use crate::run::idle;
use crate::serve;
use crate::sessions::{self, NamedLogin, Stopped};
use crate::settings::{self, Settings};
use crate::store::CredentialStore;
use crate::sys;
use crate::text;
use crate::ui::Ui;
use crate::vault::{self, Extent, Vault};

/// How often a directory is tried that somebody put something into meanwhile.
const ATTEMPTS: u32 = 20;

/// What becomes of logins that cannot be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftovers {
    /// Their vaults stay, and so does what is needed to uninstall again.
    Keep,
    /// Their vaults are dropped.
    Forget(Extent),
}

/// Uninstalls, and says what it did.
///
/// # Errors
/// `Busy` while somebody is at work; whatever kept a login from being given back.
pub fn uninstall(app: &App, ui: &Ui, leftovers: Leftovers) -> anyhow::Result<()> {
    let App { context, settings, .. } = app;
    let home = &context.azward_home;
    if !home.exists() {
        ui.say(format!("nothing is left in `{}`", home.display()));
        return Ok(());
    }
    // A keyring may want a person: before any lock is held. What keeps a vault shut is told when its turn comes.
    let waiting = ui.waiting_for("the key store");
    let prepared: Vec<Prepared> = vault::all_vaults(context, settings)?
        .into_iter()
        .map(|(_, vault)| Prepared { outcome: vault.prepare(), vault })
        .collect();
    drop(waiting);
    // Those that cannot be told keep it from beginning; which are started is asked when nobody starts any more.
    sessions::all(app)?;
    sys::take_signals();
    let shim = TakenOut::from(&shim_directory(home))?;
    let waiting = ui.waiting_for("those at work here to end");
    let alone = idle::alone_when_idle(app, idle::DEADLINE)?;
    drop(waiting);
    for session in &sessions::all(app)? {
        if sessions::stop_alone(app, session, &alone)? == Stopped::Now {
            ui.say(format!("stopped the session `{}`", session.name));
        }
    }
    let kept = give_all_back(app, ui, prepared, leftovers, &alone)?;
    shim.for_good(ui);
    for file in start_up_files(context) {
        if file.remove().context("the logins were given back, but the shim is still named there")? {
            ui.say(format!("took it off PATH in `{}`", file.path().display()));
        }
    }
    #[cfg(windows)]
    if registry_path::remove(&shim_directory(home))
        .context("the logins were given back, but the shim is still on PATH")?
    {
        ui.say("took it off the user's PATH");
    }
    aids::remove_for_shells(context, ui);
    if let Some(failure) = kept {
        // It stays as well if it may be needed; that of another machine always does.
        let _ = vault::remove_master_key(context, settings);
        ui.say(format!(
            "`{}` stays: run it again when that is mended",
            shim_directory(home).join(PROGRAMS[2]).display()
        ));
        bail!(failure);
    }
    vault::remove_master_key(context, settings)?;
    let _ = InUse::remove(context);
    sessions::remove_all(context, &alone);
    serve::remove_all(context, &alone);
    for login in NamedLogin::all(context).into_iter().filter(|login| !login.is_default()) {
        let directory = text::path(login.config_dir.path());
        ui.say(format!("the login `{}` stays in `{directory}`: AZURE_CONFIG_DIR names that to az", login.name));
    }
    remove_the_rest(ui, context, &alone);
    end_if_told_to();
    Ok(())
}

/// The shim, put back when this is dropped.
struct TakenOut {
    shim: PathBuf,
    aside: PathBuf,
    is_for_good: bool,
}

impl TakenOut {
    fn from(directory: &Path) -> anyhow::Result<Self> {
        let (shim, aside) = (directory.join(SHIM), directory.join(SHIM_TAKEN_OUT));
        match std::fs::rename(&shim, &aside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot take out `{}`", text::path(&shim)));
            }
            _ => {}
        }
        Ok(Self { shim, aside, is_for_good: false })
    }

    fn for_good(mut self, ui: &Ui) {
        self.is_for_good = true;
        match std::fs::remove_file(&self.aside) {
            Ok(()) => ui.say(format!("removed `{}`", self.shim.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            // It is off PATH under this name, and the real az is what is found there.
            Err(error) => ui.say(format!("left `{}`: {error}", self.aside.display())),
        }
    }
}

impl Drop for TakenOut {
    fn drop(&mut self) {
        if !self.is_for_good && !self.shim.exists() {
            // Where this fails the real az is found, and an install puts the shim back.
            let _ = std::fs::rename(&self.aside, &self.shim);
        }
    }
}

/// A vault whose key was asked for before any lock was held, and what came of that.
struct Prepared {
    vault: Vault,
    outcome: Result<()>,
}

/// Gives every login back that can be. What is returned is why one could not.
fn give_all_back(
    app: &App,
    ui: &Ui,
    mut prepared: Vec<Prepared>,
    leftovers: Leftovers,
    alone: &Alone,
) -> Result<Option<Failure>> {
    let App { context, settings, .. } = app;
    let mut kept = None;
    let _waiting = ui.waiting_for("a vault, its key or a token cache");
    for (directory, found) in vault::all_vaults(context, settings)? {
        let known = prepared.iter().position(|prepared| prepared.vault.login() == found.login());
        let Prepared { vault, outcome } =
            known.map_or_else(|| Prepared { vault: found, outcome: Ok(()) }, |place| prepared.swap_remove(place));
        let config_dir = ConfigDir::at(&directory);
        let store = CredentialStore::with_vault(app, &config_dir, vault);
        let directory = text::path(&directory);
        let mut failure = match outcome.and_then(|()| store.give_back()) {
            Ok(given) => {
                for (directory, count) in given {
                    ui.say(format!("gave {count} login(s) back to `{}`", text::path(&directory)));
                    tell_who_reads_it(app, ui, &ConfigDir::at(&directory));
                }
                // Another machine's, which needs the same programs.
                store.vault.load().err()
            }
            Err(failure) => Some(failure),
        };
        if let (Some(why), Leftovers::Forget(extent)) = (&failure, leftovers)
            && is_lost_for_good(why.kind)
        {
            let lock = store.vault.lock(idle::DEADLINE)?;
            let files = store.vault.forget(&lock, extent)?;
            if !files.is_empty() {
                ui.say(format!("dropped the vault of `{directory}` ({} file(s)): {}", files.len(), why.what));
            }
            if store.vault.belongings(Extent::Everyones).is_empty() {
                failure = None;
            }
        }
        if let Some(failure) = failure {
            ui.say(format!("kept the vault of `{directory}`: {}", failure.what));
            kept = Some(failure);
        }
        store.vault.remove_lock(alone);
    }
    if let Leftovers::Forget(extent) = leftovers {
        for path in vault::forget_unclaimed(context, settings, extent, alone)? {
            ui.say(format!("dropped `{}`, which no vault could open", text::path(&path)));
        }
    }
    Ok(kept)
}

/// A login that was given back to an az that reads the system's keyring instead is of no use there, and lies in the clear.
fn tell_who_reads_it(app: &App, ui: &Ui, config_dir: &ConfigDir) {
    let App { context, settings, .. } = app;
    let Some(remedy) = token_storage::remedy_without_azward(context, settings, config_dir) else { return };
    let cache = config_dir.token_cache();
    if !cache.exists() {
        // Given back to the keyring.
        return;
    }
    ui.say(format!("    az keeps its tokens in the system's keyring: to have it use this login, {remedy};"));
    ui.say(format!("    or sign in anew, and remove `{}`", text::path(&cache)));
}

/// Whether waiting would not help: the directory or its users are gone, or no key opens the vault.
fn is_lost_for_good(kind: Kind) -> bool {
    matches!(kind, Kind::NoPlace | Kind::KeyLost | Kind::VaultDamaged)
}

/// Removes what is left, `azward` itself last of what can be run.
fn remove_the_rest(ui: &Ui, context: &Context, _alone: &Alone) {
    let home = &context.azward_home;
    for name in ["journal.jsonl", "journal.1.jsonl", "key.lock", known::NAME, known::DRAFT] {
        let _ = std::fs::remove_file(home.join(name));
    }
    try_again(|| std::fs::remove_dir_all(home.join("run")));
    for name in ["views", vault::DIRECTORY_BESIDE, aids::MAN, aids::ZSH] {
        try_again(|| std::fs::remove_dir_all(home.join(name)));
    }
    remove_vault_locks(&home.join("vaults"));
    for program in PROGRAMS.map(|program| shim_directory(home).join(program)) {
        let _ = std::fs::remove_file(private::draft_of(&program));
        if cfg!(windows) {
            // Left by an install while the program ran.
            let _ = take_away(&program.with_extension("replaced"), context);
        }
        match take_away(&program, context) {
            Ok(None) => ui.say(format!("removed `{}`", program.display())),
            Ok(Some(aside)) => ui.say(format!(
                "moved `{}` to `{}`, where it may be deleted once this is over",
                program.display(),
                text::path(&aside)
            )),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            // It is off PATH, and the real az is what is found there.
            Err(error) => ui.say(format!("left `{}`: {error}", program.display())),
        }
    }
    let _ = std::fs::remove_dir(shim_directory(home));
    let [settings, first_version] = Settings::paths(home);
    let others = [settings::TAKEN_OVER, marker::FRESH_MARKER].map(|name| home.join(name));
    for path in [private::draft_of(&settings), settings, first_version].into_iter().chain(others) {
        let _ = std::fs::remove_file(path);
    }
    // Where something of the user's own or another machine's is in it, it stays.
    match remove_home(context) {
        true => ui.say(format!("removed `{}`", home.display())),
        false => ui.say(format!("left `{}`: it is not empty", home.display())),
    }
}

/// Removes the home if there is nothing else in it. Its lock goes last, with the directory right behind it: from then on
/// an install may make both anew, and what it makes is its own.
fn remove_home(context: &Context) -> bool {
    let home = &context.azward_home;
    let last = ["journal.jsonl", marker::MARKER, home_lock::NAME];
    for _ in 0..ATTEMPTS {
        let entries = std::fs::read_dir(home).into_iter().flatten().flatten();
        if entries.map(|entry| entry.file_name()).any(|name| !last.iter().any(|own| *own == name)) {
            return false;
        }
        for name in last {
            let _ = take_away(&home.join(name), context);
        }
        match std::fs::remove_dir(home) {
            Ok(()) => return true,
            // Whoever made a new lock has come to stay.
            Err(_) if home.join(home_lock::NAME).exists() => return false,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return true,
            // A process that began before noted something.
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    false
}

/// Removes a file that may be open, or run: Windows lets go of its name only once nobody has it any more, so that it is given
/// another one first, among what is temporary. That is returned if it is still there.
fn take_away(path: &Path, context: &Context) -> std::io::Result<Option<PathBuf>> {
    if !cfg!(windows) {
        return std::fs::remove_file(path).map(|()| None);
    }
    let directory = context.variable("TEMP").map_or_else(|| context.home.clone(), PathBuf::from);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = directory.join(format!("azward-uninstalled-{}-{name}", std::process::id()));
    match std::fs::rename(path, &aside) {
        Ok(()) => Ok(std::fs::remove_file(&aside).is_err().then_some(aside)),
        // It may be on another drive.
        Err(_) => std::fs::remove_file(path).map(|()| None),
    }
}

/// Does it, and again while a process that began before notes something there. Says whether it was done, or nothing was
/// to be done.
fn try_again(mut remove: impl FnMut() -> std::io::Result<()>) -> bool {
    for attempt in 0..ATTEMPTS {
        match remove() {
            Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => {
                std::thread::sleep(Duration::from_millis(u64::from(attempt)));
            }
            Err(error) => return error.kind() == std::io::ErrorKind::NotFound,
            Ok(()) => return true,
        }
    }
    false
}

/// Only locks: a vault that was set aside once is somebody's only copy.
fn remove_vault_locks(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "lock") {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    let _ = std::fs::remove_dir(directory);
}

/// Dies of a signal that came meanwhile, now that nothing is half done.
fn end_if_told_to() {
    if let Some(signal) = sys::pending_signal() {
        sys::die_of(signal);
    }
}
