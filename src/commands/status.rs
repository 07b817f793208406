//! `azward status`: what is in the vault, what lies in the clear, how az is found, and what the journal has to warn of. It
//! changes nothing, asks nobody for anything, and claims nothing that it has not just looked at: what lies in the clear is
//! what `clear` finds in the whole config directory, and what was not looked at is named.

use anyhow::{Result, bail};

use crate::app::App;
use crate::azure::command::Programs;
use crate::azure::known_az::KnownAz;
use crate::azure::profile::Profile;
use crate::azure::real_az;
use crate::azure::{ConfigDir, TokenStorage};
use crate::commands::clear::Clear;
use crate::commands::install::shim_directory;
use crate::commands::{list, time};
use crate::journal::{Action, Event};
use crate::run::exposure::policy::{Plan, Policy, Started};
use crate::settings::Provenance;
use crate::store::CredentialStore;
use crate::tokens::renewal::Renewal;
use crate::ui::Ui;
use crate::vault::VaultState;

/// How many warnings are shown, newest last.
const WARNINGS: usize = 5;

/// Shows the state of the config directory that az would use here.
///
/// # Errors
/// The vault's trouble where it does not open, and refresh tokens in the clear that no run needs: both after everything
/// was shown.
pub fn status(app: &App, ui: &Ui) -> Result<()> {
    let App { context, home_failure, settings_failure, journal, .. } = app;
    let config_dir = &ConfigDir::of(context);
    if let Some(failure) = home_failure {
        ui.row("config directory", &config_dir.path().display().to_string());
        ui.row("real az", &format!("{}, alone: as if azward were not there", real_az_line(app)));
        bail!(failure.clone());
    }
    let store = CredentialStore::new(app, config_dir);
    let state = store.vault.describe();
    ui.row("config directory", &config_dir.path().display().to_string());
    if context.is_home_unknown() {
        ui.row("home", "not known, so az takes the working directory for it, and azward does: set HOME");
    }
    let login = store.vault.login();
    if login.is_viewed_in(config_dir) {
        ui.row("view of", &format!("the login of {}", login.directory().display()));
    }
    ui.row("real az", &real_az_line(app));
    if let Ok(az) = KnownAz::find(app, &[]) {
        ui.row("answers", &az.line());
    }
    ui.row("shim", &shim_line(app));
    ui.row("exposure", &exposure_line(app));
    ui.row("renewal", &renewal_line(app));
    if let Some(clue) = store.token_storage().clue() {
        ui.row(
            "tokens",
            &format!("az keeps them in the system's keyring itself, and azward does not: {}", clue.words()),
        );
    }
    ui.row("vault", &vault_line(&state, app));
    ui.row("key", &key_line(&state));
    for login in state.contents.iter().flat_map(list::logins) {
        ui.row("login", &login);
    }
    for elsewhere in &state.elsewhere {
        ui.row("another's vault", &format!("{}, its key is not here", elsewhere.display()));
    }
    for aside in &state.set_aside {
        ui.row("set aside", &aside.display().to_string());
    }
    let clear = Clear::of(context, &store);
    for line in clear.rows() {
        ui.row("in the clear", &line);
    }
    for line in clear.unseen_rows() {
        ui.row("not looked at", &line);
    }
    if let Some(failure) = settings_failure {
        ui.warning(&failure.what);
    }
    for warning in warnings(&journal.recent()) {
        ui.warning(&format!("{} {}", time(warning.time), warning.outcome));
        ui.row("", &format!("hint: {}", warning.hint.as_deref().unwrap_or("see the journal")));
    }
    if let Some(trouble) = state.trouble {
        bail!(trouble);
    }
    Ok(clear.verdict()?)
}

fn real_az_line(app: &App) -> String {
    let Ok(path) = real_az::find(&app.context, &app.settings, &[]) else { return "none".to_owned() };
    let setting = app.settings.real_az.iter().find(|setting| setting.value == path);
    let version = KnownAz::at(&app.context, &path).version();
    let version = version.map_or_else(|| "version unknown".to_owned(), |version| format!("version {version}"));
    match setting.map(|setting| setting.provenance) {
        Some(Provenance::File) => format!("{} (pinned), {version}", path.display()),
        Some(Provenance::Environment(name)) => format!("{} (named in {name}), {version}", path.display()),
        Some(Provenance::Default) | None => format!("{}, {version}", path.display()),
    }
}

/// Whether the az that a shell would start is the shim.
fn shim_line(app: &App) -> String {
    let context = &app.context;
    let first = context.variable("PATH").and_then(|path| which::which_in("az", Some(path), ".").ok());
    match first {
        Some(path) if real_az::is_shim(context, &path) => format!("{}, first on PATH", path.display()),
        Some(path) => {
            let directory = shim_directory(&context.azward_home);
            format!("not in use: PATH leads to `{}`; put `{}` before it", path.display(), directory.display())
        }
        None => "not on PATH".to_owned(),
    }
}

/// Which exposure a run gets, and why: tried out, because what holds may have changed since the last run.
fn exposure_line(app: &App) -> String {
    let App { context, settings, .. } = app;
    let real_az = real_az::find(context, settings, &[]).unwrap_or_default();
    let policy = Policy::new(app, &real_az, Started::Az);
    let words = |programs| match policy.try_out(programs) {
        Plan::Private => "private: az gets the refresh tokens in a file in memory, on no disk".to_owned(),
        Plan::Memory => "in memory: the token cache is on no disk while az runs".to_owned(),
        Plan::InPlace(reason) => format!("in place, while az runs: {reason}"),
        Plan::Nothing => "none: private exposure is set and this system refuses it".to_owned(),
    };
    let (alone, others) = (words(Programs::None), words(Programs::Any));
    match alone == others {
        true => alone,
        false => format!("{alone}; for what may start other programs {others}"),
    }
}

/// Who renews tokens before they expire.
fn renewal_line(app: &App) -> String {
    let App { context, settings, .. } = app;
    let config_dir = &ConfigDir::of(context);
    let Ok(real_az) = real_az::find(context, settings, &[]) else { return "by nobody: there is no real az".to_owned() };
    Renewal { context, real_az: &real_az }.line(config_dir)
}

fn vault_line(state: &VaultState, app: &App) -> String {
    match (state.exists, &state.contents) {
        (false, _) => format!("none yet: {}", who_is_there(app)),
        (true, Some(_)) => state.path.display().to_string(),
        (true, None) => format!("{}, does not open", state.path.display()),
    }
}

/// Who is signed in where there is no vault, as far as az's own files say.
fn who_is_there(app: &App) -> String {
    let context = &app.context;
    let config_dir = &ConfigDir::of(context);
    if let Some(clue) = TokenStorage::of(context, &app.settings, config_dir).clue() {
        return format!("{}, so az keeps its tokens elsewhere, and azward does not", clue.words());
    }
    if !config_dir.path().is_dir() {
        return "the config directory is not there".to_owned();
    }
    let profile = Profile::read(&config_dir.profile());
    let people = profile.subscriptions.iter().filter(|s| s.user.is_person()).count();
    match (people, profile.subscriptions.len()) {
        (0, 0) => "azureProfile.json lists nobody".to_owned(),
        (0, _) => "azureProfile.json lists service principals and managed identities only".to_owned(),
        _ => "azureProfile.json lists a user, of whom azward has stored nothing".to_owned(),
    }
}

fn key_line(state: &VaultState) -> String {
    match (state.exists, state.key) {
        (_, Some(key)) => key,
        (true, None) => "not here",
        (false, None) => "none yet",
    }
    .to_owned()
}

fn warnings(events: &[Event]) -> Vec<&Event> {
    let mut warnings: Vec<&Event> = events.iter().filter(|event| event.action == Action::Warning).collect();
    warnings.drain(..warnings.len().saturating_sub(WARNINGS));
    warnings
}
