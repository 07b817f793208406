//! The vaults of this azward home: one that does not open because its key is lost or another machine's, one whose directory was
//! removed, and one whose key is kept in a weaker place than this machine has. The last is mended by `vault move`; the others are not
//! mended without a word of its own, which would drop a login.

use super::finding::Seen;
use crate::app::App;
use crate::azure::whereabouts::Whereabouts;
use crate::commands::list::listed;
use crate::commands::vault_move::move_telling;
use crate::failure::Kind;
use crate::settings::KeyStoreChoice;
use crate::text;
use crate::ui::Ui;
use crate::vault::{KeyStoreKind, Move};

/// Looks.
pub(super) fn look<'a>(app: &'a App, ui: &'a Ui, seen: &mut Seen<'a>) {
    let all = match listed(app) {
        Ok(all) => all,
        Err(failure) => return seen.could_not(failure.what),
    };
    let mut is_in_key_file = false;
    for login in all {
        let state = login.vault.describe();
        let directory = text::path(&login.directory);
        let is_lost = state.trouble.as_ref().is_some_and(|trouble| trouble.kind == Kind::KeyLost);
        for path in state.elsewhere.iter().chain(is_lost.then_some(&state.path).filter(|_| state.exists)) {
            let shown = text::path(path);
            let what = format!(
                "the key of `{shown}`, a vault of `{directory}`, is not here: it is lost, or another machine's"
            );
            let why = "the login in it cannot be had on this machine";
            let fix = format!(
                "bring its key back; or sign in with az again and, if no other machine shares this home, run `azward forget \
                 {directory} --others`"
            );
            seen.find("vault-without-key", &shown, what, why, fix);
        }
        if let Some(trouble) = state.trouble.as_ref().filter(|trouble| state.exists && trouble.kind != Kind::KeyLost) {
            let why = "the login in it cannot be had now";
            seen.find("vault-closed", &directory, trouble.what.clone(), why, trouble.hint.clone());
        }
        if login.whereabouts == Whereabouts::Gone {
            let what = format!("the directory `{directory}` was removed, and its login is still in a vault");
            let why = "a refresh token that nobody uses is one more that can be stolen";
            seen.find("vault-of-a-gone-directory", &directory, what, why, format!("run `azward forget {directory}`"));
        }
        is_in_key_file |= state.key_store == Some(KeyStoreKind::KeyFile);
    }
    // Who chose the key file has it.
    if is_in_key_file && app.settings.key_store.value != KeyStoreChoice::KeyFile {
        look_for_a_stronger_store(app, ui, seen);
    }
}

/// Looks whether a store that `auto` prefers to the key file would take a key now, without asking anybody.
fn look_for_a_stronger_store<'a>(app: &'a App, ui: &'a Ui, seen: &mut Seen<'a>) {
    let takes =
        |kind: &KeyStoreKind| Move::plan(&app.context, &app.settings, *kind).is_ok_and(|plan| plan.try_out().is_ok());
    if let Some(kind) = [KeyStoreKind::Keyring, KeyStoreKind::SystemdCreds].into_iter().find(takes) {
        let what = format!("the master key is in a key file, although the {kind} answers now");
        let why = "who has all of this user's files has the key file too, and with it the vault";
        seen.find("key-store-weaker", "", what, why, format!("run `azward vault move --to {}`", kind.word()));
        seen.mended_by(move || move_telling(app, ui, kind, drop));
    }
}
