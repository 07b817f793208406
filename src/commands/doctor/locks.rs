//! Lock files of MSAL's protocol that a killed process left in the config directory. azward takes them over where it meets them; an
//! az by itself waits five seconds for each, at every command.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use super::finding::Seen;
use crate::credentials::MsalLock;
use crate::store::CredentialStore;
use crate::text;

/// Looks.
pub(super) fn look<'a>(store: &'a CredentialStore<'a>, seen: &mut Seen<'a>) {
    let entries = std::fs::read_dir(store.directory()).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_lock = |path: &PathBuf| path.extension() == Some(OsStr::new("lockfile"));
    let mut locks: Vec<PathBuf> = entries.filter(is_lock).collect();
    locks.sort();
    for path in locks {
        let locked = path.with_extension("");
        if MsalLock::is_stale(&locked) {
            let shown = text::path(&path);
            let what = format!("`{shown}` was left by a process that is dead");
            let why = "an az without azward waits five seconds for it at every command";
            seen.find("lock-file-stale", &shown, what, why, format!("remove `{shown}`"));
            // Taken over and given back, as its protocol has it: by now it may be somebody's.
            seen.mended_by(move || {
                drop(MsalLock::acquire(&locked, Duration::ZERO)?);
                Ok(())
            });
        }
    }
}
