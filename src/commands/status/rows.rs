//! What `azward status` shows to people: a row for each thing that was looked at, in words that claim no more than holds.

use crate::app::App;
use crate::azure::ConfigDir;
use crate::azure::profile::Profile;
use crate::commands::install::shim_directory;
use crate::commands::{list, time};
use crate::consent::known::{self, Verdict};
use crate::run::exposure::policy::Plan;
use crate::settings::{ConfirmChoice, Provenance};
use crate::store::CredentialStore;
use crate::text;
use crate::ui::Ui;
use crate::vault::VaultState;

use super::report::{OnPath, RealAz, Report};

/// What there is where the azward home is not believed.
pub(super) fn show_alone(app: &App, ui: &Ui, config_dir: &ConfigDir) {
    ui.row("config directory", &config_dir.path().display().to_string());
    let az = real_az_line(RealAz::of(app).as_ref());
    ui.row("real az", &format!("{az}, alone: as if azward were not there"));
}

/// Everything.
pub(super) fn show(app: &App, ui: &Ui, store: &CredentialStore<'_>, report: &Report) {
    let context = &app.context;
    let state = &report.vault;
    ui.row("config directory", &store.directory().display().to_string());
    if context.is_home_unknown() {
        ui.row("home", "not known, so az takes the working directory for it, and azward does: set HOME");
    }
    if let Some(directory) = &report.view_of {
        ui.row("view of", &format!("the login of {}", directory.display()));
    }
    ui.row("real az", &real_az_line(report.real_az.as_ref()));
    if let Some(az) = &report.real_az {
        ui.row("answers", &az.answers.1);
    }
    ui.row("shim", &shim_line(app, &report.shim));
    ui.row("exposure", &exposure_line(&report.exposures));
    ui.row("seal", &seal_line(store));
    ui.row("renewal", &report.renewal);
    if let Some(identity) = &report.identity {
        ui.row("managed identity", &identity.line());
    }
    if let Some(clue) = report.storage.clue() {
        ui.row(
            "tokens",
            &format!("az keeps them in the system's keyring itself, and azward does not: {}", clue.words()),
        );
    }
    for user in &report.brokered {
        let user = text::name(user);
        ui.row(
            "broker",
            &format!("the system's broker signed {user} in and keeps the refresh token: it is in no file"),
        );
    }
    if app.settings.confirm.value == ConfirmChoice::NewCaller {
        ui.row("confirm", &callers_line(app));
    }
    ui.row("vault", &vault_line(store, report));
    ui.row("key", key_line(state));
    for login in state.contents.iter().flat_map(list::logins) {
        ui.row("login", &login);
    }
    for elsewhere in &state.elsewhere {
        ui.row("another's vault", &format!("{}, its key is not here", elsewhere.display()));
    }
    for aside in &state.set_aside {
        ui.row("set aside", &aside.display().to_string());
    }
    for line in report.clear.rows() {
        ui.row("in the clear", &line);
    }
    for line in report.clear.unseen_rows() {
        ui.row("not looked at", &line);
    }
    if let Some(failure) = &app.settings_failure {
        ui.warning(&failure.what);
    }
    for warning in &report.warnings {
        ui.warning(&format!("{} {}", time(warning.time), warning.outcome));
        ui.row("", &format!("hint: {}", warning.hint.as_deref().unwrap_or("see the journal")));
    }
}

fn real_az_line(az: Option<&RealAz>) -> String {
    let Some(RealAz { path, version, named_by, .. }) = az else { return "none".to_owned() };
    let version = version.map_or_else(|| "version unknown".to_owned(), |version| format!("version {version}"));
    match named_by {
        Some(Provenance::File) => format!("{} (pinned), {version}", path.display()),
        Some(Provenance::Environment(name)) => format!("{} (named in {name}), {version}", path.display()),
        Some(Provenance::Default) | None => format!("{}, {version}", path.display()),
    }
}

fn shim_line(app: &App, shim: &OnPath) -> String {
    match shim {
        OnPath::Shim(path) => format!("{}, first on PATH", path.display()),
        OnPath::Other(path) => {
            let directory = shim_directory(&app.context.azward_home);
            format!("not in use: PATH leads to `{}`; put `{}` before it", path.display(), directory.display())
        }
        OnPath::Nothing => "not on PATH".to_owned(),
    }
}

/// Who may use the login, where others are asked about.
fn callers_line(app: &App) -> String {
    let callers = match known::read(&app.context) {
        Ok(callers) => callers.callers,
        Err(failure) => return format!("new-caller: nobody may use the login: {}", failure.what),
    };
    let count = |verdict| callers.iter().filter(|known| known.verdict == verdict).count();
    let counts = [Verdict::Allowed, Verdict::Refused, Verdict::NotAsked].map(|verdict| (count(verdict), verdict));
    let told = counts.iter().filter(|(count, verdict)| *count > 0 || *verdict == Verdict::Allowed);
    let told: Vec<String> = told.map(|(count, verdict)| format!("{count} {}", verdict.words())).collect();
    format!("before a program's first token: {}; `azward callers` lists them", told.join(", "))
}

fn exposure_line(exposures: &[Plan; 2]) -> String {
    let [alone, others] = exposures.each_ref().map(|plan| match plan {
        Plan::Private => "private: az gets the refresh tokens in a file in memory, on no disk".to_owned(),
        Plan::Memory => "in memory: the token cache is on no disk while az runs".to_owned(),
        Plan::InPlace(reason) => format!("in place, while az runs: {reason}"),
        Plan::Nothing => "none: private exposure is set and this system refuses it".to_owned(),
    });
    match alone == others {
        true => alone,
        false => format!("{alone}; for what may start other programs {others}"),
    }
}

/// What leaves the token cache while no run needs it.
fn seal_line(store: &CredentialStore<'_>) -> String {
    let there = store.short_lived_in_the_clear().map_or_else(String::new, |count| format!(": {count} in it now"));
    match store.seals_all() {
        true if there.is_empty() => "all tokens".to_owned(),
        true => format!("all tokens, when no az needs the access and ID tokens in the token cache{there}"),
        false => format!("refresh tokens and secrets; access and ID tokens stay in the token cache{there}"),
    }
}

fn vault_line(store: &CredentialStore<'_>, report: &Report) -> String {
    let state = &report.vault;
    match (state.exists, &state.contents) {
        (false, _) => format!("none yet: {}", who_is_there(store, report)),
        (true, Some(_)) => state.path.display().to_string(),
        (true, None) => format!("{}, does not open", state.path.display()),
    }
}

/// Who is signed in where there is no vault, as far as az's own files say.
fn who_is_there(store: &CredentialStore<'_>, report: &Report) -> String {
    if let Some(clue) = report.storage.clue() {
        return format!("{}, so az keeps its tokens elsewhere, and azward does not", clue.words());
    }
    if !store.directory().is_dir() {
        return "the config directory is not there".to_owned();
    }
    let profile = Profile::read(&store.config_dir.profile());
    let people = profile.subscriptions.iter().filter(|s| s.user.is_person()).count();
    match (people, profile.subscriptions.len()) {
        (0, 0) => "azureProfile.json lists nobody".to_owned(),
        (0, _) => "azureProfile.json lists service principals and managed identities only".to_owned(),
        _ if !report.brokered.is_empty() => "the system's broker keeps the refresh token".to_owned(),
        _ => "azureProfile.json lists a user, of whom azward has stored nothing".to_owned(),
    }
}

fn key_line(state: &VaultState) -> &'static str {
    match (state.exists, state.key) {
        (_, Some(key)) => key,
        (true, None) => "not here",
        (false, None) => "none yet",
    }
}
