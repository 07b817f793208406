//! `azward login NAME --from-leapp`: a login out of what Leapp keeps in the OS keyring. It says first what there is, and copies it when
//! that is wanted: asked on a terminal, `--yes` elsewhere. Nothing of Leapp's is deleted.

use anyhow::{Result, bail};

use crate::app::App;
use crate::failure::{Failure, Kind};
use crate::sessions::leapp::{self, Integration};
use crate::sessions::{self, NamedLogin};
use crate::text;
use crate::ui::Ui;

/// Which integration becomes which login.
#[derive(Debug)]
pub struct Options {
    /// The login's name.
    pub name: String,
    /// Leapp's id of the integration, where it has several.
    pub integration: Option<String>,
    /// Whether a person is asked.
    pub asking: super::forget::Asking,
}

/// Copies it.
///
/// # Errors
/// `Usage` where there is none, several, or nobody to ask; `KeyUnavailable`; `Storage`.
pub fn import(app: &App, ui: &Ui, options: &Options) -> Result<()> {
    let login = NamedLogin::named(&app.context, &options.name)?;
    let waiting = ui.waiting_for("the keyring");
    let found = leapp::integrations()?;
    drop(waiting);
    for Integration { id, user, subscriptions, .. } in &found {
        let names: Vec<String> = subscriptions.iter().map(|name| text::name(name)).collect();
        ui.say(format!("{}: {}, {}", text::name(id), text::name(user), names.join(", ")));
    }
    let wanted: Vec<&Integration> =
        found.iter().filter(|one| options.integration.as_ref().is_none_or(|id| one.id == *id)).collect();
    let integration = match wanted[..] {
        [integration] => integration,
        [] => bail!(Failure::new(
            Kind::Usage,
            "Leapp has no such Azure integration that is signed in",
            "sign in with `azward login NAME`",
        )),
        _ => bail!(Failure::new(Kind::Usage, "Leapp has several", "name one of them with --integration")),
    };
    confirm(app, ui, options)?;
    leapp::adopt(app, &login, integration)?;
    ui.say(format!("the login `{}` has it now; Leapp has it as before, and each renewal is one's own", login.name));
    for session in sessions::all(app)?.into_iter().filter(|session| session.login == login.name) {
        ui.say(format!("+ {}: {}", session.name, text::name(&session.subscription_name)));
    }
    Ok(())
}

fn confirm(app: &App, ui: &Ui, options: &Options) -> Result<(), Failure> {
    if options.asking == super::forget::Asking::Never {
        return Ok(());
    }
    let is_wanted = app.context.is_interactive
        && ui
            .ask("copy it into a vault of azward's? [y/N]")
            .is_some_and(|answer| matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"));
    match is_wanted {
        true => Ok(()),
        false => Err(Failure::new(Kind::Usage, "nothing was copied", "add --yes if the above is to be")),
    }
}
