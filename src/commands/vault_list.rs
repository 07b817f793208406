//! `azward vault list`: the sealed files of every login, and which key store has the key of each. It changes nothing and asks
//! nobody for anything, so of a vault whose key store is locked it says that, and no more than its header does.
//! What `--json` says is in `docs/json.md`.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::app::App;
use crate::commands::list::{Listed, listed};
use crate::text;
use crate::ui::{Form, Ui};
use crate::vault::{self, VaultState};

/// Lists them.
///
/// # Errors
/// `Storage` when the vaults cannot be listed.
pub fn list(app: &App, ui: &Ui, form: Form) -> anyhow::Result<()> {
    let all: Vec<(Listed, VaultState)> = listed(app)?
        .into_iter()
        .map(|login| {
            let state = login.vault.describe();
            (login, state)
        })
        .collect();
    let set_aside: Vec<&PathBuf> = all.iter().flat_map(|(_, state)| &state.set_aside).collect();
    let mut unclaimed = vault::unclaimed_files(&app.context, &app.settings);
    unclaimed.retain(|path| !set_aside.contains(&path));
    if form == Form::Json {
        let vaults: Vec<Value> = all.iter().map(|(login, state)| as_json(login, state)).collect();
        ui.json(&json!({ "schema": 1, "vaults": vaults, "unclaimed": paths(&unclaimed) }));
        return Ok(());
    }
    if all.is_empty() {
        ui.say(format!("there is no vault in `{}` yet", text::path(&app.context.azward_home)));
    }
    for (place, (login, state)) in all.iter().enumerate() {
        if place > 0 {
            ui.say("");
        }
        show(ui, login, state);
    }
    for path in &unclaimed {
        ui.row("unclaimed", &text::path(path));
    }
    Ok(())
}

fn show(ui: &Ui, login: &Listed, state: &VaultState) {
    ui.row("config directory", &text::path(&login.directory));
    if state.exists {
        ui.row("vault", &text::path(&state.path));
        let kept = if state.is_kept { "; the kernel keeps it for this session" } else { "" };
        ui.row("key", &format!("{}{kept}", state.key.unwrap_or("not here")));
    }
    if let Some(trouble) = state.trouble.as_ref().filter(|_| state.exists) {
        ui.row("does not open", &trouble.what);
    }
    for path in &state.elsewhere {
        ui.row("not opened here", &format!("{}: its key is another machine's, or lost", text::path(path)));
    }
    for path in &state.set_aside {
        ui.row("set aside", &text::path(path));
    }
}

fn as_json(login: &Listed, state: &VaultState) -> Value {
    json!({
        "config_directory": text::path(&login.directory),
        "path": state.exists.then(|| text::path(&state.path)),
        "key_store": state.key_store.map(vault::KeyStoreKind::word),
        "key": state.key,
        "kept_by_kernel": state.is_kept,
        "generation": state.generation,
        "opens": state.contents.is_some() && state.exists,
        "trouble": state.trouble.as_ref().map(|failure| text::line(&failure.what)),
        "not_opened_here": paths(&state.elsewhere),
        "set_aside": paths(&state.set_aside),
    })
}

fn paths(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| text::path(path)).collect()
}
