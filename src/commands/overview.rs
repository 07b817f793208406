//! `azward list`: the logins and the sessions, as they are at this moment: whose, in which subscription, whether started, and how long
//! the token is good. No vault is opened and nobody is asked for anything; what it shows is read from the directories themselves,
//! and from what is sealed of them where its key is at hand.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::{Value, json};

use crate::app::App;
use crate::in_use::InUse;
use crate::sessions::{self, NamedLogin, Seen, Session, State};
use crate::text;
use crate::ui::{Form, Ui};

/// A session, and what was looked up of it.
struct Listed {
    session: Session,
    state: State,
    is_in_use: bool,
    /// In seconds since the epoch.
    expires_on: Option<i64>,
}

/// Lists them.
///
/// # Errors
/// `Storage` when the register cannot be read.
pub fn list(app: &App, ui: &Ui, form: Form) -> Result<()> {
    let in_use = InUse::read(&app.context).map(|in_use| in_use.config_dir);
    let sessions = sessions::all(app)?;
    let seen = sessions::seen(app, &sessions);
    let listed = |(session, Seen { state, expires_on }): (Session, Seen)| {
        let is_in_use = in_use.as_ref().is_some_and(|path| session.is_at(&app.context, path));
        Listed { session, state, is_in_use, expires_on }
    };
    let all: Vec<Listed> = sessions.into_iter().zip(seen).map(listed).collect();
    let logins = NamedLogin::all(&app.context);
    if form == Form::Json {
        let logins: Vec<Value> = logins.iter().map(|login| login_as_json(login, &all)).collect();
        let sessions: Vec<Value> = all.iter().map(|listed| as_json(app, listed)).collect();
        ui.json(&json!({ "schema": 1, "logins": logins, "sessions": sessions }));
        return Ok(());
    }
    if all.is_empty() {
        ui.say("there is no session: sign in with az, or with `azward login NAME`");
        return Ok(());
    }
    let now = app.context.now();
    let rows = all.iter().map(|listed| {
        let Session { name, login, subscription_name, tenant, user, is_listed, .. } = &listed.session;
        let state = match (listed.is_in_use, is_listed) {
            (true, _) => format!("{}, in use", listed.state.word()),
            (false, false) => format!("{}, not listed any more", listed.state.word()),
            (false, true) => listed.state.word().to_owned(),
        };
        let left = match listed.expires_on {
            Some(expires_on) => format!("{} min", expires_on.saturating_sub(now).max(0) / 60),
            None => String::new(),
        };
        vec![name.clone(), state, left, text::name(subscription_name), tenant.clone(), text::name(user), login.clone()]
    });
    ui.columns(["session", "state", "left", "subscription", "tenant", "user", "login"], rows.collect());
    Ok(())
}

fn login_as_json(login: &NamedLogin, all: &[Listed]) -> Value {
    let own = all.iter().filter(|listed| listed.session.login == login.name);
    let users: BTreeSet<String> = own.map(|listed| text::name(&listed.session.user)).collect();
    json!({ "name": login.name, "config_directory": text::path(login.config_dir.path()), "users": users })
}

fn as_json(app: &App, listed: &Listed) -> Value {
    let session = &listed.session;
    json!({
        "name": session.name,
        "login": session.login,
        "subscription": session.subscription,
        "subscription_name": text::name(&session.subscription_name),
        "tenant": session.tenant,
        "cloud": session.cloud,
        "user": text::name(&session.user),
        "region": session.region,
        "state": listed.state.word(),
        "in_use": listed.is_in_use,
        "listed": session.is_listed,
        "expires_on": listed.expires_on,
        "config_directory": text::path(&session.directory(&app.context)),
    })
}
