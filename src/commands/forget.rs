//! `azward forget`: drops logins that their owner does not want any more, from every file of azward's: all generations of
//! their vaults, what was set aside, and what lies in the clear in their token cache. It says first what goes, asks on a
//! terminal and wants `--yes` elsewhere, and leaves alone where an az runs. Of a directory that is still there it says what
//! stays in it. A login is gone here; only Entra ID can end it everywhere.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::app::App;
use crate::azure::ConfigDir;
use crate::azure::whereabouts::Whereabouts;
use crate::commands::clear::Clear;
use crate::commands::list::{Listed, listed, owner_name};
use crate::credentials::msal::{Section, TokenCache};
use crate::failure::{Failure, Kind, Result};
use crate::home_lock::Alone;
use crate::journal::{Action, Event};
use crate::run::idle;
use crate::store::CredentialStore;
use crate::text;
use crate::ui::Ui;
use crate::vault::{self, Extent, Login, unregister_view};

/// How long to wait for whoever creates something in the azward home, and for the token cache.
const LOCK_DEADLINE: Duration = Duration::from_secs(10);

/// Which logins go.
#[derive(Debug)]
pub enum Which {
    /// That of one config directory, be it there or not.
    Directory(PathBuf),
    /// Those whose directory was removed.
    Gone,
    /// All of them.
    All,
}

/// Whether a person is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// Where there is one.
    OnATerminal,
    /// The command line said so already.
    Never,
}

/// Forgets them, and says what went and what stays.
///
/// # Errors
/// `Usage` where nobody can be asked, or no such login is stored; `Busy` while an az runs there; `Storage`.
pub fn forget(app: &App, ui: &Ui, which: &Which, extent: Extent, asking: Asking) -> anyhow::Result<()> {
    let App { context, settings, .. } = app;
    let without_vault = sealed_without_vault(app, which)?;
    let chosen = choose(app, ui, which, &without_vault)?;
    // A vault whose key the keyring has is known to be ours once that was asked for.
    let waiting = ui.waiting_for("the key store");
    for login in &chosen {
        let _ = login.vault.prepare();
    }
    drop(waiting);
    let mut count = 0;
    for login in &chosen {
        count += login.vault.belongings(extent).len();
        describe(ui, login, extent);
    }
    let unclaimed = match which {
        Which::All => vault::unclaimed_files(context, settings),
        _ => Vec::new(),
    };
    for path in &unclaimed {
        ui.say(format!("`{}`, which belongs to no vault that opens", text::path(path)));
    }
    if !without_vault.is_empty() {
        ui.say(format!("access tokens of {} directory(ies) without a vault, for a while", without_vault.len()));
    }
    if count == 0 && unclaimed.is_empty() && without_vault.is_empty() {
        ui.say("there is nothing to forget");
        return Ok(());
    }
    confirm(app, ui, asking)?;
    let waiting = ui.waiting_for("another azward at work here");
    let alone = context.home_lock.alone(LOCK_DEADLINE)?;
    drop(waiting);
    for login in &chosen {
        let views = views_of(app, login);
        let mut ids = views.iter().map(ConfigDir::id).chain([login.vault.login().id()]);
        if ids.any(|id| idle::at_work(&context.azward_home, Some(id), &alone).is_some()) {
            bail!(Failure::new(
                Kind::Busy,
                format!("an az is running on `{}`: nothing was forgotten", text::path(&login.directory)),
                "run this again when it has ended",
            ));
        }
    }
    for login in &chosen {
        let stays = || format!("the login of `{}` was not forgotten", text::path(&login.directory));
        drop_login(app, ui, login, extent, &alone).with_context(stays)?;
    }
    for id in &without_vault {
        if idle::at_work(&context.azward_home, Some(id), &alone).is_some() {
            bail!(Failure::new(Kind::Busy, "an az is running: its tokens stay", "run this again when it has ended"));
        }
        vault::forget_beside(&context.azward_home, id)?;
        ui.say("dropped the access tokens of a directory without a vault");
    }
    if matches!(which, Which::All) {
        for path in vault::forget_unclaimed(context, settings, extent, &alone)? {
            ui.say(format!("dropped `{}`", text::path(&path)));
        }
    }
    Ok(())
}

/// The directories of which there are tokens and no vault: a managed identity has none.
fn sealed_without_vault(app: &App, which: &Which) -> Result<Vec<String>> {
    let mut ids = vault::ids_beside(&app.context.azward_home);
    match which {
        Which::All => {}
        Which::Gone => ids.clear(),
        Which::Directory(directory) => {
            let directory = ConfigDir::at(&app.context.expand_user(directory));
            ids.retain(|other| other == directory.id());
        }
    }
    // Those of the others go with their logins.
    for login in listed(app)? {
        let views = views_of(app, &login);
        ids.retain(|id| id != login.vault.login().id() && !views.iter().any(|view| view.id() == *id));
    }
    Ok(ids)
}

fn choose(app: &App, ui: &Ui, which: &Which, without_vault: &[String]) -> Result<Vec<Listed>> {
    let mut all = listed(app)?;
    match which {
        Which::All => {}
        Which::Gone => {
            for login in all.iter().filter(|login| login.whereabouts == Whereabouts::OutOfSight) {
                let directory = text::path(&login.directory);
                ui.say(format!("left `{directory}`: {}; name it to forget it", login.whereabouts.words()));
            }
            all.retain(|login| login.whereabouts == Whereabouts::Gone);
        }
        Which::Directory(directory) => {
            let config_dir = ConfigDir::at(&app.context.expand_user(directory));
            let login = Login::of(&app.context, &config_dir);
            if login.is_viewed_in(&config_dir) {
                return Err(Failure::new(
                    Kind::Usage,
                    format!(
                        "`{}` is a view of the login of `{}`",
                        text::path(config_dir.path()),
                        text::path(login.directory())
                    ),
                    "forget that one, or take the view back with `azward view --remove`",
                ));
            }
            all.retain(|login| login.vault.login().id() == config_dir.id() || login.directory == config_dir.path());
            if all.is_empty() && without_vault.is_empty() {
                return Err(Failure::new(
                    Kind::Usage,
                    format!("no login of `{}` is stored", text::path(config_dir.path())),
                    "`azward list --logins` names the directories of all",
                ));
            }
        }
    }
    Ok(all)
}

/// The views of a login.
fn views_of(app: &App, login: &Listed) -> Vec<ConfigDir> {
    login.vault.login().views(&app.context).iter().map(|view| ConfigDir::at(view)).collect()
}

/// Says what goes.
fn describe(ui: &Ui, login: &Listed, extent: Extent) {
    let state = login.vault.describe();
    let names: Vec<String> = state
        .contents
        .iter()
        .flat_map(|contents| contents.records.iter().map(|kept| owner_name(contents, kept)))
        .collect();
    let directory = text::path(&login.directory);
    let who = match (names.is_empty(), &state.trouble) {
        (false, _) => names.join(", "),
        (true, Some(trouble)) => trouble.what.clone(),
        (true, None) => "nobody".to_owned(),
    };
    let files = login.vault.belongings(extent).len();
    ui.say(format!("`{directory}` ({}): {who}, {files} file(s)", login.whereabouts.words()));
    let others = login.vault.belongings(Extent::Everyones).len() - files;
    if others > 0 {
        ui.say(format!("    {others} more whose key is another machine's, or lost: `--others` drops them too"));
    }
}

/// Asks, where there is somebody to ask.
fn confirm(app: &App, ui: &Ui, asking: Asking) -> Result<()> {
    if asking == Asking::Never {
        return Ok(());
    }
    if !app.context.is_interactive {
        return Err(Failure::new(
            Kind::Usage,
            "nothing was forgotten: there is nobody to ask",
            "add --yes if all of the above is to go",
        ));
    }
    let answer = ui.ask("forget all of this for good? [y/N]").unwrap_or_default();
    match matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        true => Ok(()),
        false => Err(Failure::new(Kind::Usage, "nothing was forgotten", "answer y if all of the above is to go")),
    }
}

/// What was dropped of a login.
pub(super) struct Dropped {
    /// How many of azward's files.
    files: usize,
    /// How many credentials lay in its files in the clear.
    cleared: usize,
    /// The directories that were views of it.
    views: Vec<ConfigDir>,
}

/// Drops a login from every file of azward's, and its refresh tokens from its token caches.
///
/// # Errors
/// `Busy`, `Storage`.
pub(super) fn drop_files(app: &App, login: &Listed, extent: Extent, alone: &Alone) -> Result<Dropped> {
    let App { context, journal, .. } = app;
    let store_dir = ConfigDir::at(&login.directory);
    let lock = login.vault.lock(LOCK_DEADLINE)?;
    // What lies there in the clear would be taken in again by the next az.
    let mut cleared = match login.whereabouts {
        Whereabouts::There => drop_credentials(&CredentialStore::new(app, &store_dir))?,
        _ => 0,
    };
    let views = views_of(app, login);
    for view in views.iter().filter(|view| view.path().is_dir()) {
        cleared += drop_credentials(&CredentialStore::new(app, view))?;
    }
    let files = login.vault.forget(&lock, extent)?.len();
    drop(lock);
    login.vault.remove_lock(alone);
    idle::remove_run_files(&context.azward_home, login.vault.login().id(), alone);
    for view in &views {
        unregister_view(context, view)?;
        idle::remove_run_files(&context.azward_home, view.id(), alone);
    }
    let mut event = Event::new(context.now(), Action::Forgetting, "its owner had azward forget it");
    event.account = Some(text::path(&login.directory));
    journal.record(&event);
    Ok(Dropped { files, cleared, views })
}

/// Takes what lies in the clear out of the files that azward keeps clear, and says how much that was. A list of service
/// principals that is none stays what it is, for its owner to see.
fn drop_credentials(store: &CredentialStore<'_>) -> Result<usize> {
    let tokens = store.drop_refresh_tokens()?;
    match store.drop_client_secrets() {
        Err(failure) if failure.kind == Kind::CacheForeign => Ok(tokens),
        secrets => Ok(tokens + secrets?),
    }
}

fn drop_login(app: &App, ui: &Ui, login: &Listed, extent: Extent, alone: &Alone) -> Result<()> {
    let waiting = ui.waiting_for("the vault and the token cache");
    let Dropped { files, cleared, views } = drop_files(app, login, extent, alone)?;
    drop(waiting);
    for view in views {
        ui.say(format!("    and its view `{}`", text::path(view.path())));
    }
    ui.say(format!("forgot the login of `{}`: {files} file(s) dropped", text::path(&login.directory)));
    if cleared > 0 {
        ui.say(format!("    and {cleared} credential(s) that lay in its files in the clear"));
    }
    if login.whereabouts == Whereabouts::There {
        let config_dir = ConfigDir::at(&login.directory);
        for line in what_stays(&CredentialStore::new(app, &config_dir), &app.context) {
            ui.say(format!("    stays: {line}"));
        }
    }
    Ok(())
}

/// What a directory that is still there has left of its logins.
fn what_stays(store: &CredentialStore<'_>, context: &crate::context::Context) -> Vec<String> {
    let cache_text = store.read_cache().ok().flatten().unwrap_or_default();
    let count = TokenCache::parse(&cache_text)
        .and_then(|cache| Ok(cache.entries(Section::AccessToken)?.len()))
        .unwrap_or_default();
    let tokens = format!("{count} access token(s), good until they expire; `az account clear` there removes them");
    let mut lines: Vec<String> = (count > 0).then_some(tokens).into_iter().collect();
    lines.extend(Clear::of(context, store).others());
    lines
}
