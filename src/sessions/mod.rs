//! Sessions: one for each subscription of each login, with a config directory of its own that is a view of that login: a
//! profile with only that subscription, its account, an access token and no refresh token. Any number of them can be started at
//! once, and all of a login share its vault, its rotations and its logout.
//!
//! Which there are follows from the profiles of the logins, whoever signed in; a name, once given, stays. A profile that
//! cannot be read now takes no session away.

mod az_config;
mod directory;
pub mod environment;
pub mod leapp;
mod lifecycle;
mod logins;
mod register;
mod seen;
mod slug;
mod token;
mod turn;

use std::collections::HashMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use lifecycle::{Forcing, Stopped, rotate, start, stop, stop_alone};
pub use logins::{DEFAULT, NamedLogin};
use register::Changed;
pub use seen::{Seen, seen};
pub use token::{Granted, Wanted, token_here, token_of};
use turn::beside_no_change;

use crate::app::App;
use crate::azure::ConfigDir;
use crate::azure::clouds::Cloud;
use crate::azure::profile::{Profile, Subscription};
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::home_lock::Alone;
use crate::secret::fingerprint;
use crate::text;

/// One subscription of one login, as the register has it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Session {
    /// What tells it from all others, whatever it is called.
    id: String,
    /// Its name.
    pub name: String,
    /// The name of its login.
    pub login: String,
    /// The subscription's id.
    pub subscription: String,
    /// The subscription's name.
    pub subscription_name: String,
    /// The subscription's tenant.
    pub tenant: String,
    /// The cloud that it is in.
    pub cloud: String,
    /// Who sees it.
    pub user: String,
    /// The region that it was started with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What was found out when it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<TokenSought>,
    /// Whether its login's profile lists it now.
    #[serde(skip)]
    pub is_listed: bool,
}

/// The token that a session lives by, as the token cache has it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
struct TokenSought {
    authority: String,
    scope: String,
}

/// Whether a session is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its directory has all that az needs.
    Active,
    /// It has nothing of the login's.
    Inactive,
}

impl State {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
        }
    }
}

impl Session {
    /// Where its config directory is, or would be.
    #[must_use]
    pub fn directory(&self, context: &Context) -> PathBuf {
        context.azward_home.join("sessions").join(&self.id)
    }

    /// Whether that is there.
    #[must_use]
    pub fn is_at(&self, context: &Context, directory: &str) -> bool {
        self.directory(context).to_str() == Some(directory)
    }

    /// Its config directory, be it there or not; to look for every link on the way there takes longer than to read a file.
    #[must_use]
    pub fn config_dir(&self, context: &Context) -> ConfigDir {
        ConfigDir::at(&self.directory(context))
    }

    /// Whether it is started: what says so is written last and removed first.
    #[must_use]
    pub fn state(&self, context: &Context) -> State {
        match self.directory(context).join(directory::STARTED).symlink_metadata() {
            Ok(_) => State::Active,
            Err(_) => State::Inactive,
        }
    }

    /// What tells the session of a subscription from all others; `login` is the id of the login's directory.
    fn id_of(login: &str, subscription: &Subscription) -> String {
        let Subscription { id, environment_name, user, .. } = subscription;
        let identity = format!("{login}\n{environment_name}\n{}\n{}", id.to_lowercase(), user.name.to_lowercase());
        fingerprint(identity.as_bytes())
    }

    /// What a subscription of a login is as a session.
    fn of(id: String, name: String, login: &NamedLogin, subscription: &Subscription) -> Self {
        Self {
            id,
            name,
            login: login.name.clone(),
            subscription: subscription.id.clone(),
            subscription_name: subscription.name.clone(),
            tenant: subscription.tenant_id.clone(),
            cloud: subscription.environment_name.clone(),
            user: subscription.user.name.clone(),
            region: None,
            token: None,
            is_listed: true,
        }
    }

    /// Takes over what the profile says by now; says whether that is another.
    fn follow(&mut self, login: &NamedLogin, now: &Subscription) -> bool {
        self.is_listed = true;
        let said = (&login.name, &now.id, &now.name, &now.tenant_id, &now.user.name);
        if said == (&self.login, &self.subscription, &self.subscription_name, &self.tenant, &self.user) {
            return false;
        }
        let own = (std::mem::take(&mut self.id), std::mem::take(&mut self.name));
        let (region, token) = (self.region.take(), self.token.take());
        *self = Self { region, token, ..Self::of(own.0, own.1, login, now) };
        true
    }
}

/// Every session there is: those that the profiles list, in the order of the logins, and those that are started and not listed
/// any more. Names that were given now are noted, where that can be.
///
/// # Errors
/// `Storage` or `Usage` for a register that cannot be read.
pub fn all(app: &App) -> Result<Vec<Session>> {
    let context = &app.context;
    let mut known = register::read(context)?;
    if merge(context, &mut known) {
        // Where it cannot be written, the names are the same the next time as long as the profiles are.
        let noted = register::update(context, |sessions| {
            let is_changed = merge(context, sessions);
            Ok((if is_changed { Changed::Yes } else { Changed::No }, sessions.clone()))
        });
        if let Ok(noted) = noted {
            known = noted;
        }
    }
    known.retain(|session| session.is_listed || session.state(context) == State::Active);
    let rank = |session: &Session| session.login != DEFAULT;
    known.sort_by(|one, other| (rank(one), &one.login).cmp(&(rank(other), &other.login)));
    Ok(known)
}

/// Brings the register's sessions to what the profiles list, those of one login together; says whether anything is new.
fn merge(context: &Context, known: &mut Vec<Session>) -> bool {
    let mut is_changed = false;
    let mut places: HashMap<String, usize> =
        known.iter().enumerate().map(|(place, session)| (session.id.clone(), place)).collect();
    for login in NamedLogin::all(context) {
        let Some(profile) = Profile::read_whole(&login.config_dir.profile()) else {
            // Nobody knows: what was there is there.
            known.iter_mut().filter(|session| session.login == login.name).for_each(|session| session.is_listed = true);
            continue;
        };
        let login_id = login.config_dir.id();
        for subscription in &profile.subscriptions {
            let id = Session::id_of(login_id, subscription);
            if let Some(place) = places.get(&id) {
                is_changed |= known[*place].follow(&login, subscription);
                continue;
            }
            let slug = slug::slug_of(&subscription.name);
            let name = slug::unique(&slug, |name| known.iter().any(|other| other.name == name));
            places.insert(id.clone(), known.len());
            known.push(Session::of(id, name, &login, subscription));
            is_changed = true;
        }
    }
    is_changed
}

/// The session that is called `name`; or the only one of a subscription that has this id or name.
///
/// # Errors
/// `Usage` where there is none, or more than one.
pub fn named(app: &App, name: &str) -> Result<Session> {
    find(all(app)?, name)
}

/// The session that az works in here: that of its config directory, or of the default subscription of that directory's login.
///
/// # Errors
/// `Usage` where there is none.
pub fn here(app: &App) -> Result<Session> {
    let context = &app.context;
    let here = ConfigDir::of(context);
    let login = NamedLogin::all(context).into_iter().find(|login| login.config_dir.id() == here.id());
    let of_login = login.and_then(|_| {
        let cloud = Cloud::active(context, &here)?;
        let profile = Profile::read(&here.profile());
        Some(Session::id_of(here.id(), profile.default_subscription(&cloud.name)?))
    });
    let is_it =
        |session: &Session| session.config_dir(context).id() == here.id() || Some(&session.id) == of_login.as_ref();
    all(app)?.into_iter().find(is_it).ok_or_else(|| {
        let what = "no session is named, and az works in none here";
        Failure::new(Kind::Usage, what, "name one: `azward list` shows them all")
    })
}

fn find(all: Vec<Session>, name: &str) -> Result<Session> {
    if let Some(session) = all.iter().find(|session| session.name == name) {
        return Ok(session.clone());
    }
    let is_of = |session: &&Session| {
        session.subscription.eq_ignore_ascii_case(name) || session.subscription_name.eq_ignore_ascii_case(name)
    };
    let found: Vec<&Session> = all.iter().filter(is_of).collect();
    let shown = text::name(name);
    match found[..] {
        [session] => Ok(session.clone()),
        [] => {
            let nearest = all.iter().find(|session| session.name.contains(name) || name.contains(&*session.name));
            let hint = match nearest {
                Some(session) => format!("did you mean `{}`? `azward list` names them all", session.name),
                None => "`azward list` names them; `azward login NAME` signs in for more".to_owned(),
            };
            Err(Failure::new(Kind::Usage, format!("there is no session `{shown}`"), hint))
        }
        _ => {
            let names: Vec<&str> = found.iter().map(|session| &*session.name).collect();
            let hint = format!("name one of them: {}", names.join(", "));
            Err(Failure::new(Kind::Usage, format!("`{shown}` is the subscription of several sessions"), hint))
        }
    }
}

/// Gives the session called `from` the name `to`.
///
/// # Errors
/// `Usage` for a name that is none, or is another's; `Storage`.
pub fn rename(app: &App, from: &str, to: &str) -> Result<Session> {
    let session = named(app, from)?;
    if !slug::is_name(to) {
        let what = format!("`{}` is no name for a session", text::name(to));
        return Err(Failure::new(Kind::Usage, what, slug::NAME_HINT));
    }
    change(app, &session.id, |session, others| {
        if others.iter().any(|other| other.name == to) {
            return Err(Failure::new(Kind::Usage, format!("`{to}` is another session's name"), "choose another"));
        }
        to.clone_into(&mut session.name);
        Ok(())
    })
}

/// Removes what is left of all sessions, none of which is started, where azward is uninstalled. A directory in which somebody
/// signed in for something else stays.
pub fn remove_all(context: &Context, _alone: &Alone) {
    register::remove(context);
    let directory = context.azward_home.join("sessions");
    for session in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
        directory::remove_unless_used(&session.path());
    }
    let _ = std::fs::remove_dir(&directory);
    let _ = std::fs::remove_dir(context.azward_home.join("logins"));
}

/// Changes what the register has of one session.
fn change(app: &App, id: &str, change: impl FnOnce(&mut Session, &[Session]) -> Result<()>) -> Result<Session> {
    register::update(&app.context, |sessions| {
        merge(&app.context, sessions);
        let gone = || Failure::new(Kind::Usage, "that session is gone", "`azward list` names those that there are");
        let place = sessions.iter().position(|session| session.id == id).ok_or_else(gone)?;
        let mut session = sessions.remove(place);
        change(&mut session, sessions)?;
        sessions.insert(place, session.clone());
        Ok((Changed::Yes, session))
    })
}

/// Drops what the register has of a login.
///
/// # Errors
/// `Busy`, `Storage`.
pub fn drop_login(app: &App, login: &NamedLogin) -> Result<()> {
    register::update(&app.context, |sessions| {
        let count = sessions.len();
        sessions.retain(|session| session.login != login.name);
        Ok((if sessions.len() < count { Changed::Yes } else { Changed::No }, ()))
    })
}
