//! What becomes of a session: started, rotated, stopped. Each step leaves a directory that az understands, and each can be done
//! again: what is started twice is started, and what was killed half-way is finished by the next start or stop. Two that start
//! one session at once do the same, one after the other, and a stop waits for them. A token that cannot be had is a failure, and what is started stays what it was.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use super::directory::{clean, furnish, not_listed, note_started, write_profile};
use super::turn::{TURN_DEADLINE, is_being_changed, take_turn};
use super::{NamedLogin, Session, State, TokenSought, all, change};
use crate::app::App;
use crate::azure::clouds::Cloud;
use crate::azure::command::Command;
use crate::azure::profile::Profile;
use crate::azure::{HttpsUrl, real_az};
use crate::failure::{Failure, Kind, Result};
use crate::home_lock::Alone;
use crate::journal::{Action, Event};
use crate::lock::Mode;
use crate::run::run_variable::{Role, RunVariable};
use crate::run::{Asked, Run, idle};
use crate::store::CredentialStore;
use crate::tokens::{Renew, Renewed, TokenKey, Tokens, Who};
use crate::vault::unregister_view;

/// How long to wait for whoever creates something in the azward home.
const LOCK_DEADLINE: Duration = Duration::from_secs(10);

/// Whether a token is renewed that has time left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forcing {
    /// It is not.
    WhenDue,
    /// It is.
    Always,
}

/// What a stop came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It was started, and is not any more.
    Now,
    /// It was not started.
    Before,
}

/// Starts `session`, in `region` if one is named: what it is by then.
///
/// # Errors
/// `SignInNeeded` where a person has to sign in, `Refused` where the endpoint could not be asked, `Usage` for what is no
/// person's, `Storage`, `Busy`.
pub fn start(app: &App, session: &Session, region: Option<&str>) -> Result<Session> {
    let context = &app.context;
    let login = NamedLogin::existing(context, &session.login)?;
    let _turn = take_turn(app, session, Mode::Exclusive)?;
    let before = session.state(context);
    let mut session = session.clone();
    if let Some(region) = region {
        session.region = Some(region.to_owned());
    }
    furnish(app, &login, &session)?;
    let inside = session.app(app);
    let config_dir = session.config_dir(context);
    session.token = Some(sought(&inside, &login, &session)?);
    let store = CredentialStore::new(&inside, &config_dir);
    let outcome = seat(&store, &login, &session).and_then(|()| {
        write_profile(app, &login, &session)?;
        renew(&inside, &session, Forcing::WhenDue)?;
        note_started(&config_dir)
    });
    if let Err(failure) = outcome {
        if before == State::Inactive {
            // What is left is found and finished by the next one.
            let _ = empty(app, &session);
        }
        return Err(failure);
    }
    let found = session;
    let session = change(app, &found.id, |session, _| {
        session.region.clone_from(&found.region);
        session.token.clone_from(&found.token);
        Ok(())
    })?;
    if before == State::Inactive {
        note(app, &session, "started");
    }
    Ok(session)
}

/// Renews the access token of a session that is started, if it is due or that is forced.
///
/// # Errors
/// `Usage` for one that is not started; those of [`start`].
pub fn rotate(app: &App, session: &Session, forcing: Forcing) -> Result<()> {
    let _turn = take_turn(app, session, Mode::Exclusive)?;
    // Whoever started it for the first time while we waited has found out what it lives by.
    let noted = all(app)?.into_iter().find(|other| other.id == session.id);
    let session = noted.as_ref().unwrap_or(session);
    if session.state(&app.context) == State::Inactive {
        return Err(Failure::new(
            Kind::Usage,
            format!("the session `{}` is not started", session.name),
            format!("`azward start {}` starts it", session.name),
        ));
    }
    renew(&session.app(app), session, forcing)
}

/// Stops `session`: what an az left there is taken into the login's vault, and everything of the login's is taken out of the
/// directory.
///
/// # Errors
/// `Busy` while an az runs there; `Storage`.
pub fn stop(app: &App, session: &Session) -> Result<Stopped> {
    let context = &app.context;
    let config_dir = session.config_dir(context);
    let is_active = session.state(context) == State::Active;
    let store = CredentialStore::new(app, &config_dir);
    if !is_active && !store.vault.login().is_viewed_in(&config_dir) {
        return Ok(Stopped::Before);
    }
    // Asked for before anything is locked.
    let _ = store.prepare_vault();
    let end = Instant::now() + TURN_DEADLINE;
    loop {
        // Whoever is starting or rotating it comes first, and is none that would have to end.
        drop(take_turn(app, session, Mode::Exclusive)?);
        match stop_alone(app, session, &context.home_lock.alone(LOCK_DEADLINE)?) {
            Err(failure) if failure.kind == Kind::Busy && is_being_changed(app, session) && Instant::now() < end => {}
            outcome => return outcome,
        }
    }
}

/// The same, for who is alone in the azward home already.
///
/// # Errors
/// As above.
pub fn stop_alone(app: &App, session: &Session, alone: &Alone) -> Result<Stopped> {
    let context = &app.context;
    let config_dir = session.config_dir(context);
    let is_active = session.state(context) == State::Active;
    let store = CredentialStore::new(app, &config_dir);
    if idle::at_work(&context.azward_home, Some(config_dir.id()), alone).is_some() {
        return Err(Failure::new(
            Kind::Busy,
            format!("an az is running in the session `{}`", session.name),
            "stop it again when that has ended",
        ));
    }
    if config_dir.path().is_dir() {
        store.sweep()?;
    }
    clean(&config_dir)?;
    unregister_view(context, &config_dir)?;
    idle::remove_run_files(&context.azward_home, config_dir.id(), alone);
    if is_active {
        note(app, session, "stopped");
    }
    Ok(if is_active { Stopped::Now } else { Stopped::Before })
}

impl Session {
    /// The token that it lives by; `None` before it was ever started.
    pub(super) fn token_key(&self) -> Option<TokenKey> {
        let token = self.token.as_ref()?;
        let authority = HttpsUrl::parse(&token.authority)?;
        let is_adfs = authority.path() == "/adfs";
        Some(TokenKey {
            who: Who::Person,
            username: self.user.clone(),
            tenant: if is_adfs { "adfs".to_owned() } else { self.tenant.to_lowercase() },
            environment: authority.host().to_owned(),
            authority,
            scope: token.scope.clone(),
        })
    }

    /// This process as one that works in the session.
    #[must_use]
    pub fn app(&self, app: &App) -> App {
        let context = app.context.with([
            ("AZURE_CONFIG_DIR".into(), self.config_dir(&app.context).path().into()),
            ("AZURE_CLOUD_NAME".into(), OsString::from(&self.cloud)),
        ]);
        App::with(context, app.settings.clone())
    }
}

/// Which token the session is going to live by.
fn sought(inside: &App, login: &NamedLogin, session: &Session) -> Result<TokenSought> {
    let config_dir = session.config_dir(&inside.context);
    let not_understood = || {
        Failure::new(
            Kind::Usage,
            format!("the cloud `{}` of `{}` is not one that azward understands", session.cloud, session.name),
            "`az cloud list` shows those that are registered",
        )
    };
    let cloud = Cloud::active(&inside.context, &config_dir).ok_or_else(not_understood)?;
    let scope = cloud.resource_manager_scope().ok_or_else(not_understood)?;
    let profile = Profile::read(&login.config_dir.profile());
    let subscription = profile.subscriptions.iter().find(|other| {
        other.id.eq_ignore_ascii_case(&session.subscription)
            && other.environment_name == session.cloud
            && other.user.name.eq_ignore_ascii_case(&session.user)
    });
    if !subscription.ok_or_else(|| not_listed(login, session))?.user.is_person() {
        return Err(Failure::new(
            Kind::Usage,
            format!("`{}` is seen by an application or a managed identity, not by a person", session.name),
            "az itself serves those, in the login's own directory",
        ));
    }
    Ok(TokenSought { authority: cloud.active_directory.to_string(), scope })
}

/// Puts the session's account into its token cache, out of its login's vault.
fn seat(store: &CredentialStore<'_>, login: &NamedLogin, session: &Session) -> Result<()> {
    // What an unwrapped az has signed in for is taken in first.
    CredentialStore::new(store.app, &login.config_dir).adopt()?;
    match store.vault.exists() && store.seat_account(&session.user)? {
        true => Ok(()),
        false => Err(sign_in_needed(session, "azward has no refresh token of its user")),
    }
}

/// Has the session's cache have a token that is not due.
fn renew(inside: &App, session: &Session, forcing: Forcing) -> Result<()> {
    if forcing == Forcing::WhenDue && !session.is_due(inside) {
        return Ok(());
    }
    let config_dir = session.config_dir(&inside.context);
    let store = CredentialStore::new(inside, &config_dir);
    let wanted = session.token_key().ok_or_else(|| sign_in_needed(session, "it was never started"))?;
    let arguments = ["account", "get-access-token", "--output", "none"].map(OsString::from);
    let command = Command::parse(&arguments);
    let renew = if forcing == Forcing::Always { Renew::Now } else { Renew::IfDueOrMissing };
    let tokens = Tokens { store: &store, real_az: None, command: command.group() };
    match tokens.renew(&wanted, renew) {
        Renewed::Fresh => Ok(()),
        Renewed::Refused(why) => Err(sign_in_needed(session, &why)),
        Renewed::Denied(why) => Err(Failure::new(
            Kind::Refused,
            format!("no token for the session `{}`: {why}", session.name),
            "try again when the endpoint can be reached; `azward status` shows more",
        )),
        Renewed::LeftToAz => through_az(inside, session, &command),
    }
}

/// Has the real az get the token, where only that can speak to the endpoint.
fn through_az(inside: &App, session: &Session, command: &Command<'_>) -> Result<()> {
    let config_dir = session.config_dir(&inside.context);
    let real_az = real_az::find(&inside.context, &inside.settings, &[])?;
    let run_variable = RunVariable::of_this_process(None, &config_dir, Role::Supervisor, &real_az);
    let (program, real_az) = (real_az.clone(), Some(real_az));
    let run = Run { app: inside, config_dir: &config_dir, program, real_az, run_variable };
    let finished = run.perform(command, Asked::Not, &|| false)?;
    match (finished.status.success(), finished.handicap) {
        (true, _) => Ok(()),
        (false, Some(failure)) => Err(failure),
        (false, None) => Err(sign_in_needed(session, "the real az got none")),
    }
}

fn sign_in_needed(session: &Session, why: &str) -> Failure {
    Failure::new(
        Kind::SignInNeeded,
        format!("no token for the session `{}`: {why}", session.name),
        format!("sign in again with `azward login {}`", session.login),
    )
}

/// Takes out of a directory what a start that failed has put there.
fn empty(app: &App, session: &Session) -> Result<()> {
    let config_dir = session.config_dir(&app.context);
    clean(&config_dir)?;
    unregister_view(&app.context, &config_dir)
}

fn note(app: &App, session: &Session, outcome: &str) {
    let mut event = Event::new(app.context.now(), Action::Session, format!("{outcome}: {}", session.name));
    event.account = Some(session.user.clone());
    event.tenant = Some(session.tenant.clone());
    app.journal.record(&event);
}
