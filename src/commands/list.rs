//! `azward list --logins`: every login of this user, whatever config directory az would use here: its directory and whether that is
//! still there, who it is, when it was last used, where its key is, and what else lies beside it. It changes nothing and
//! asks nobody for anything.

use std::path::PathBuf;

use crate::app::App;
use serde_json::{Value, json};

use crate::azure::whereabouts::Whereabouts;
use crate::commands::time;
use crate::credentials::{adal, msal, service_principals};
use crate::failure::Result;
use crate::text;
use crate::ui::{Form, Ui};
use crate::vault::{self, Contents, CredentialKind, Record, Vault, VaultState};

/// One config directory's login.
#[derive(Debug)]
pub(super) struct Listed {
    /// The config directory.
    pub(super) directory: PathBuf,
    /// Whether it is there.
    pub(super) whereabouts: Whereabouts,
    /// Its vault.
    pub(super) vault: Vault,
}

/// Every login of this azward home.
///
/// # Errors
/// `Storage` when the vaults cannot be listed.
pub(super) fn listed(app: &App) -> Result<Vec<Listed>> {
    let App { context, settings, .. } = app;
    let mut all: Vec<Listed> = vault::all_vaults(context, settings)?
        .into_iter()
        .map(|(directory, vault)| Listed { whereabouts: Whereabouts::of(&directory), directory, vault })
        .collect();
    all.sort_by(|one, other| one.directory.cmp(&other.directory));
    Ok(all)
}

/// The config directories that have one; none where the azward home is not believed.
#[must_use]
pub fn directories(app: &App) -> Vec<PathBuf> {
    let all = if app.home_failure.is_some() { Vec::new() } else { listed(app).unwrap_or_default() };
    all.into_iter().map(|login| login.directory).collect()
}

/// Lists them.
///
/// # Errors
/// `Storage` when the vaults cannot be listed.
pub fn list(app: &App, ui: &Ui, form: Form) -> anyhow::Result<()> {
    let all = listed(app)?;
    let unclaimed = vault::unclaimed_files(&app.context, &app.settings);
    if form == Form::Json {
        let logins: Vec<Value> = all.iter().map(|login| as_json(app, login)).collect();
        let others: Vec<String> = unclaimed.iter().map(|path| text::path(path)).collect();
        ui.json(&json!({ "logins": logins, "unclaimed": others }));
        return Ok(());
    }
    if all.is_empty() {
        ui.say(format!("no login is stored in `{}`", text::path(&app.context.azward_home)));
    }
    for (place, login) in all.iter().enumerate() {
        if place > 0 {
            ui.say("");
        }
        show(app, ui, login);
    }
    let claimed: Vec<PathBuf> = all.iter().flat_map(|login| login.vault.describe().set_aside).collect();
    for path in unclaimed.iter().filter(|path| !claimed.contains(path)) {
        ui.row("unclaimed", &text::path(path));
    }
    Ok(())
}

fn show(app: &App, ui: &Ui, login: &Listed) {
    let state = login.vault.describe();
    ui.row("config directory", &text::path(&login.directory));
    ui.row("which is", login.whereabouts.words());
    for line in state.contents.iter().flat_map(logins) {
        ui.row("login", &line);
    }
    if let Some(trouble) = state.trouble.as_ref().filter(|_| state.exists) {
        ui.row("does not open", &trouble.what);
    }
    for view in login.vault.login().views(&app.context) {
        ui.row("view", &format!("{}, which is {}", text::path(&view), Whereabouts::of(&view).words()));
    }
    ui.row("last used", &last_used(login, &state).map_or_else(|| "never".to_owned(), time));
    if let Some(key) = state.key {
        ui.row("key", key);
    }
    for path in &state.elsewhere {
        ui.row("not opened here", &format!("{}: its key is another machine's, or lost", text::path(path)));
    }
    for path in &state.set_aside {
        ui.row("set aside", &text::path(path));
    }
}

/// A line for each credential: whose it is, and when and by what it was stored.
pub(super) fn logins(contents: &Contents) -> Vec<String> {
    let line = |kept: &Record| {
        format!("{}, stored {} by {}", owner_name(contents, kept), time(kept.stored_at), text::name(&kept.stored_by))
    };
    let mut lines: Vec<String> = Vec::with_capacity(contents.records.len());
    for kept in &contents.records {
        let line = line(kept);
        // ADAL has an entry for each authority and resource of the same user.
        if adal::file_of(kept).is_none() || !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// Whose a credential is.
pub(super) fn owner_name(contents: &Contents, kept: &Record) -> String {
    if kept.kind == CredentialKind::AdalTokens {
        return "accessTokens.json, which an az before 2.30 has left".to_owned();
    }
    if adal::file_of(kept).is_some() {
        return format!("{}, of an az before 2.30", text::name(&kept.owner.home_account_id));
    }
    if kept.kind == CredentialKind::ClientCertificate {
        let client_id = service_principals::name_of(kept).unwrap_or_default();
        return format!("{}, its certificate", text::name(&client_id));
    }
    let id = || Some(kept.owner.home_account_id.clone()).filter(|id| !id.is_empty());
    let application = || service_principals::name_of(kept);
    let name = msal::name_of(contents, &kept.owner).or_else(application).or_else(id);
    text::name(name.as_deref().unwrap_or("?"))
}

/// In seconds since the epoch: when its vault was last written.
fn last_used(login: &Listed, state: &VaultState) -> Option<i64> {
    let stored = state.contents.iter().flat_map(|contents| &contents.records).map(|kept| kept.stored_at);
    login.vault.last_written().into_iter().chain(stored).max()
}

fn as_json(app: &App, login: &Listed) -> Value {
    let state = login.vault.describe();
    let tokens = state.contents.iter().flat_map(|contents| {
        contents.records.iter().map(|kept| {
            json!({ "account": owner_name(contents, kept), "stored_at": kept.stored_at,
                    "stored_by": text::name(&kept.stored_by) })
        })
    });
    let paths = |paths: &[PathBuf]| paths.iter().map(|path| text::path(path)).collect::<Vec<_>>();
    json!({
        "config_directory": text::path(&login.directory),
        "state": match login.whereabouts {
            Whereabouts::There => "there",
            Whereabouts::Gone => "gone",
            Whereabouts::OutOfSight => "out-of-sight",
        },
        "logins": tokens.collect::<Vec<_>>(),
        "views": paths(&login.vault.login().views(&app.context)),
        "trouble": state.trouble.as_ref().map(|failure| text::line(&failure.what)),
        "last_used": last_used(login, &state),
        "key": state.key,
        "not_opened_here": paths(&state.elsewhere),
        "set_aside": paths(&state.set_aside),
    })
}
