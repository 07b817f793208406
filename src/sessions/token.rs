//! An access token for whoever is handed one by name: of a session that is started, or of the config directory that az uses here.
//! It comes out of the cache, renewed first where it is due or has less life than is asked for. What only the real az can get (what
//! a list of its own says, an endpoint that azward does not ask) is left to that, and told so; where there is none, that is a
//! failure with its reason, and what the cache has stays.

use std::ffi::OsString;
use std::time::Duration;

use zeroize::Zeroizing;

use super::{Session, beside_no_change};
use crate::app::App;
use crate::azure::ConfigDir;
use crate::azure::clouds::Cloud;
use crate::azure::command::{Command, TokenRequest};
use crate::failure::{Failure, Kind, Result};
use crate::journal::{Action, Event};
use crate::store::CredentialStore;
use crate::tokens::{Acquired, Renew, Renewed, TokenKey, Tokens, Who};

/// Which token is wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// For which resource; Resource Manager, if neither that nor a scope is named.
    pub resource: Option<String>,
    /// For which scope.
    pub scope: Option<String>,
    /// How long it is to be good at least.
    pub min_life: Duration,
}

/// A token, and what is told of it.
pub struct Granted {
    /// The token itself.
    pub secret: Zeroizing<String>,
    /// Until when it is good, in seconds since the epoch.
    pub expires_on: i64,
    /// The id of the subscription that it was asked for with.
    pub subscription: String,
    /// The id of its tenant.
    pub tenant: String,
    /// Whose it is.
    pub username: String,
    /// The scope that it is for.
    pub scope: String,
}

impl Granted {
    /// What the journal has of it.
    #[must_use]
    pub fn event(&self, now: i64) -> Event {
        let mut event = Event::new(now, Action::Answer, "answered");
        event.account = Some(self.username.clone());
        event.tenant = Some(self.tenant.clone());
        event.scope = Some(self.scope.clone());
        event
    }
}

/// The token as azward gets it in `session`: `None` for one that is not started, and in it `None` where it is the real az's to
/// get.
///
/// # Errors
/// Those of [`token_here`]; `Busy` where it is being started or rotated for long.
pub fn token_of(app: &App, session: &Session, wanted: &Wanted) -> Result<Option<Option<Granted>>> {
    let inside = session.app(app);
    beside_no_change(app, session, || token_here(&inside, wanted))?.transpose()
}

/// The token as azward gets it where az works here; `None` where it is the real az's to get.
///
/// # Errors
/// `SignInNeeded` where a person has to sign in, `Refused` where the endpoint could not be asked or gives none that lives so
/// long.
pub fn token_here(app: &App, wanted: &Wanted) -> Result<Option<Granted>> {
    let context = &app.context;
    let config_dir = ConfigDir::of(context);
    let store = CredentialStore::new(app, &config_dir);
    let asked =
        TokenRequest { resource: wanted.resource.clone(), scope: wanted.scope.clone(), ..TokenRequest::default() };
    let found = || {
        let cloud = Cloud::active(context, &config_dir)?;
        TokenKey::requested(context, &config_dir, &cloud, &asked).filter(|_| store.token_storage().is_file())
    };
    let Some((key, subscription)) = found() else { return Ok(None) };
    if store.is_in_the_clear()
        && let Err(failure) = store.sweep()
    {
        app.journal.warn(context.now(), &failure);
    }
    if !store.vault.exists() && key.who != Who::ManagedIdentity {
        return Ok(None);
    }
    let arguments = ["account", "get-access-token"].map(OsString::from);
    let command = Command::parse(&arguments);
    let tokens = Tokens { store: &store, real_az: None, command: command.group() };
    let min_life = i64::try_from(wanted.min_life.as_secs()).unwrap_or(i64::MAX);
    let at_hand = || match tokens.acquire(&key, Renew::Never) {
        Acquired::Cached(token) => Some(token),
        _ => None,
    };
    let does = |expires_on: i64| expires_on.saturating_sub(context.now()) >= min_life;
    let mut token = at_hand();
    let is_due = token.as_ref().is_none_or(|token| token.due_in == 0);
    token = token.filter(|token| !is_due && does(token.expires_on));
    if token.is_none() {
        // One that is due somebody else may be renewing; one that is not, and has less than is asked for, nobody is.
        let renew = if is_due { Renew::IfDueOrMissing } else { Renew::Now };
        match tokens.renew(&key, renew) {
            Renewed::Fresh => token = at_hand(),
            Renewed::LeftToAz => return Ok(None),
            // The old one serves while it is as good as was asked for.
            Renewed::Refused(_) | Renewed::Denied(_) if at_hand().is_some_and(|token| does(token.expires_on)) => {
                token = at_hand();
            }
            Renewed::Refused(why) => {
                let hint = "sign in again: `az login`, or `azward login NAME`";
                return Err(Failure::new(Kind::SignInNeeded, format!("no token for {}: {why}", key.username), hint));
            }
            Renewed::Denied(why) => {
                let hint = "try again when the endpoint can be reached; `azward status` shows more";
                return Err(Failure::new(Kind::Refused, format!("no token for {}: {why}", key.username), hint));
            }
        }
    }
    let token = token.ok_or_else(|| {
        let hint = "run this again; `azward status` shows what is wrong";
        Failure::new(Kind::Refused, format!("no token for {} is at hand", key.username), hint)
    })?;
    if !does(token.expires_on) {
        let left = token.expires_on.saturating_sub(context.now()) / 60;
        return Err(Failure::new(
            Kind::Refused,
            format!("the endpoint gives tokens that live for {left} minutes and no longer"),
            "ask for less with --min-life",
        ));
    }
    Ok(Some(Granted {
        // It is a plain string, in its quotes.
        secret: Zeroizing::new(token.secret.trim_matches('"').to_owned()),
        expires_on: token.expires_on,
        subscription: subscription.id,
        tenant: subscription.tenant_id,
        username: key.username,
        scope: key.scope,
    }))
}
