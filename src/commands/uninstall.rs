//! `azward uninstall`: gives everything back. The refresh tokens go into their caches first; only when they are there is
//! their vault removed, and only when every vault is gone are the key, the programs and PATH. What cannot be given back
//! stays where it is, with a word about why.

use std::path::Path;

use crate::azure::ConfigDir;
use crate::commands::install::{PROGRAMS, shim_directory};
use crate::commands::start_up_files::start_up_files;
use crate::commands::{Surroundings, say};
use crate::failure::{Failure, Kind, Result};
use crate::run::custody::Custody;
use crate::vault;

/// Uninstalls, and says what it did.
///
/// # Errors
/// `Busy` while a run is going on; whatever kept a login from being given back.
pub fn uninstall(surroundings: &Surroundings) -> Result<()> {
    let Surroundings { context, settings, journal, .. } = surroundings;
    let mut kept = None;
    for (directory, _) in vault::all_vaults(context, settings)? {
        let config_dir = ConfigDir::at(&directory);
        let custody = Custody::new(context, settings, &config_dir, journal);
        if custody.has_run()? {
            return Err(Failure::new(
                Kind::Busy,
                format!("an az is running on `{}`", directory.display()),
                "run this again when it has ended",
            ));
        }
        match custody.give_back() {
            Ok(count) => say(format!("gave {count} login(s) back to `{}`", directory.display())),
            Err(failure) => {
                say(format!("kept the vault of `{}`: {}", directory.display(), failure.what));
                kept = Some(failure);
            }
        }
    }
    for file in start_up_files(context) {
        if file.remove()? {
            say(format!("took it off PATH in `{}`", file.path().display()));
        }
    }
    let home = &context.azward_home;
    let programs = PROGRAMS.map(|program| shim_directory(home).join(program));
    for program in programs {
        match std::fs::remove_file(&program) {
            Ok(()) => say(format!("removed `{}`", program.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            // It is off PATH, and the real az is what is found there.
            Err(error) => say(format!("left `{}`: {error}", program.display())),
        }
    }
    let _ = std::fs::remove_dir(shim_directory(home));
    if let Some(failure) = kept {
        return Err(failure);
    }
    vault::remove_master_key(context, settings)?;
    for name in ["config.json", "journal.jsonl", "journal.1.jsonl", "key.lock"] {
        let _ = std::fs::remove_file(home.join(name));
    }
    let _ = std::fs::remove_dir_all(home.join("run"));
    remove_vault_locks(&home.join("vaults"));
    // Fails where something of the user's own is in it, and then it stays.
    match std::fs::remove_dir(home) {
        Ok(()) => say(format!("removed `{}`", home.display())),
        Err(_) => say(format!("left `{}`: it is not empty", home.display())),
    }
    Ok(())
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
