//! `azward status`: what is in the vault, what lies in the clear, how az is found, and what the journal has to warn of. It
//! changes nothing and asks nobody for anything.

use chrono::{DateTime, Local};

use crate::azure::real_az;
use crate::commands::install::shim_directory;
use crate::commands::{Surroundings, row};
use crate::failure::{Failure, Kind, Result};
use crate::journal::{Deed, Event};
use crate::run::custody::Custody;
use crate::run::edit;
use crate::run::exposure::{Exposure, Plan};
use crate::vault::{Contents, KeptToken, VaultState};

/// How many warnings are shown, newest last.
const WARNINGS: usize = 5;

/// Shows the state of the config directory that az would use here.
///
/// # Errors
/// The vault's trouble where it does not open, and refresh tokens in the clear that no run needs: both after everything
/// was shown.
pub fn status(surroundings: &Surroundings) -> Result<()> {
    let Surroundings { context, settings, settings_failure, config_dir, journal } = surroundings;
    let custody = Custody::new(context, settings, config_dir, journal);
    let state = custody.vault.describe();
    row("config directory", &config_dir.path().display().to_string());
    row("real az", &real_az_line(surroundings));
    row("shim", &shim_line(surroundings));
    row("exposure", &exposure_line(surroundings));
    row("vault", &vault_line(&state));
    row("key", &key_line(&state));
    for login in state.contents.iter().flat_map(logins) {
        row("login", &login);
    }
    for elsewhere in &state.elsewhere {
        row("another's vault", &format!("{}, its key is not here", elsewhere.display()));
    }
    for aside in &state.set_aside {
        row("set aside", &aside.display().to_string());
    }
    let clear = custody.exposed_tokens();
    let is_needed = custody.is_needed().unwrap_or(false);
    row("in the clear", &clear_line(&clear, is_needed, custody.cache.has_leftover()));
    if let Some(failure) = settings_failure {
        row("warning", &failure.what);
    }
    for warning in warnings(&journal.recent()) {
        row("warning", &format!("{} {}", time(warning.time), warning.outcome));
        row("", &format!("hint: {}", warning.hint.as_deref().unwrap_or("see the journal")));
    }
    if let Some(trouble) = state.trouble {
        return Err(trouble);
    }
    let is_clean = matches!(clear, Ok(0)) && !custody.cache.has_leftover();
    if is_clean || is_needed || clear.is_err() {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Storage,
        format!("refresh tokens lie in the clear in `{}`", config_dir.path().display()),
        "run `azward scrub`; it says what keeps them there",
    ))
}

fn real_az_line(surroundings: &Surroundings) -> String {
    match real_az::find(&surroundings.context, &surroundings.settings, &[]) {
        Ok(path) if surroundings.settings.real_az.as_ref() == Some(&path) => format!("{} (pinned)", path.display()),
        Ok(path) => path.display().to_string(),
        Err(_) => "none".to_owned(),
    }
}

/// Whether the az that a shell would start is the shim.
fn shim_line(surroundings: &Surroundings) -> String {
    let context = &surroundings.context;
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
fn exposure_line(surroundings: &Surroundings) -> String {
    let Surroundings { context, settings, .. } = surroundings;
    let real_az = real_az::find(context, settings, &[]).unwrap_or_default();
    match Exposure::new(context, settings, &real_az).try_out() {
        Plan::Private => "private: refresh tokens are never in the config directory".to_owned(),
        Plan::InPlace(reason) => format!("in place, while az runs: {reason}"),
        Plan::Nothing => "none: private exposure is set and this system refuses it".to_owned(),
    }
}

fn vault_line(state: &VaultState) -> String {
    match (state.exists, &state.contents) {
        (false, _) => "none yet: nobody has logged in".to_owned(),
        (true, Some(_)) => state.path.display().to_string(),
        (true, None) => format!("{}, does not open", state.path.display()),
    }
}

/// A line for each refresh token: whose it is, and when and by what it was stored.
fn logins(contents: &Contents) -> Vec<String> {
    let line = |kept: &KeptToken| {
        let owner = edit::owner_of(kept).ok();
        let name = owner.and_then(|owner| edit::name_of(contents, &owner).or(Some(owner.home_account_id)));
        format!("{}, stored {} by {}", name.as_deref().unwrap_or("?"), time(kept.stored_at), kept.stored_by)
    };
    contents.refresh_tokens.iter().map(line).collect()
}

fn key_line(state: &VaultState) -> String {
    match (state.exists, state.key) {
        (_, Some(key)) => key,
        (true, None) => "not here",
        (false, None) => "none yet",
    }
    .to_owned()
}

fn clear_line(clear: &Result<usize>, is_needed: bool, has_leftover: bool) -> String {
    match clear {
        Ok(0) if has_leftover => "a killed process's file beside the token cache".to_owned(),
        Ok(0) => "nothing".to_owned(),
        Ok(count) if is_needed => format!("{count} refresh token(s), for an az that is running"),
        Ok(count) => format!("{count} refresh token(s) that no az needs"),
        Err(failure) => failure.what.clone(),
    }
}

fn warnings(events: &[Event]) -> Vec<&Event> {
    let mut warnings: Vec<&Event> = events.iter().filter(|event| event.deed == Deed::Warning).collect();
    warnings.drain(..warnings.len().saturating_sub(WARNINGS));
    warnings
}

fn time(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0).map_or_else(
        || "at an unknown time".to_owned(),
        |time| time.with_timezone(&Local).format("%Y-%m-%d %H:%M").to_string(),
    )
}
