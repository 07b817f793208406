//! `azward doctor`: looks at everything that keeps az from its tokens or tokens from being safe, and tells of each finding what it
//! is, why it matters and what mends it. What can be mended without losing anything `--fix` mends, asking before each, and then
//! it looks again. A subject is a file here, and what one could not look at is told; looking changes nothing.

mod config_dir;
mod endpoint;
mod finding;
mod home;
mod leapp;
mod locks;
mod mending;
mod places;
mod real_az;
mod secrets;
mod shells;
mod shim;
mod storage;
mod vaults;

use anyhow::{Result, bail};
use serde_json::json;

use crate::app::App;
use crate::azure::ConfigDir;
use crate::failure::{Failure, Kind};
use crate::store::CredentialStore;
use crate::text;
use crate::ui::{Form, Ui};

use finding::Seen;
use mending::Mended;
pub use mending::Mending;

/// Looks, mends what is to be mended, and tells what was found.
///
/// # Errors
/// `Usage` where it is to ask and there is nobody; `Found` when something is not as it should be, after all was told.
pub fn doctor(app: &App, ui: &Ui, mending: Mending, form: Form) -> Result<()> {
    mending.check(app)?;
    let config_dir = ConfigDir::of(&app.context);
    let store = CredentialStore::new(app, &config_dir);
    let mut seen = look(app, ui, &store);
    let mut mended = Vec::new();
    if mending != Mending::Nothing {
        if form == Form::Table {
            show(ui, &seen);
        }
        mended = mending::mend(ui, mending, &seen);
        // What was mended may have been in the way of more.
        seen = look(app, ui, &store);
        for mended in &mut mended {
            mended.is_gone = !seen.has(mended.id, &mended.about);
        }
    }
    match form {
        Form::Json => ui.json(&json!({
            "schema": 1,
            "findings": seen.findings.iter().map(finding::Finding::as_json).collect::<Vec<_>>(),
            "mended": mended.iter().map(Mended::as_json).collect::<Vec<_>>(),
            "suggestions": seen.suggestions.iter().map(|line| text::line(line)).collect::<Vec<_>>(),
            "not_looked_at": seen.unseen.iter().map(|line| text::line(line)).collect::<Vec<_>>(),
        })),
        Form::Table if mending == Mending::Nothing => show(ui, &seen),
        Form::Table => mended.iter().for_each(|mended| ui.row(mended.word(), &mended.line())),
    }
    verdict(&seen)
}

/// Looks at one subject after the other.
fn look<'a>(app: &'a App, ui: &'a Ui, store: &'a CredentialStore<'a>) -> Seen<'a> {
    let mut seen = Seen::default();
    let waiting = ui.waiting_for("the shells, the key store and the token endpoint");
    shim::look(app, &mut seen);
    real_az::look(app, &mut seen);
    home::look(app, &mut seen);
    if app.home_failure.is_none() {
        config_dir::look(app, store, &mut seen);
        secrets::look(app, store, &mut seen);
        locks::look(store, &mut seen);
        vaults::look(app, ui, &mut seen);
        storage::look(store, &mut seen);
    }
    places::look(app, store, &mut seen);
    endpoint::look(app, store, &mut seen);
    leapp::look(app, &mut seen);
    drop(waiting);
    seen
}

fn show(ui: &Ui, seen: &Seen<'_>) {
    for (place, finding) in seen.findings.iter().enumerate() {
        if place > 0 {
            ui.say("");
        }
        finding.show(ui);
    }
    for line in &seen.unseen {
        ui.row("not looked at", line);
    }
    if seen.findings.is_empty() {
        ui.say("all is as it should be");
    }
    for line in &seen.suggestions {
        ui.row("suggestion", line);
    }
}

fn verdict(seen: &Seen<'_>) -> Result<()> {
    let mendable = seen.findings.iter().filter(|finding| finding.mend.is_some()).count();
    let what = match seen.findings.len() {
        0 => return Ok(()),
        1 => "one thing is not as it should be".to_owned(),
        count => format!("{count} things are not as they should be"),
    };
    let hint = match mendable {
        0 => "what mends each stands beside it".to_owned(),
        1 => "`azward doctor --fix` mends one of them, and asks before; what mends the others stands beside them"
            .to_owned(),
        count => format!("`azward doctor --fix` mends {count} of them, and asks before each"),
    };
    bail!(Failure::new(Kind::Found, what, hint))
}
