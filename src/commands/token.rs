//! `azward token`: an access token for a script or as a credential process, of a session or of the config directory that az uses
//! here: out of the cache, renewed first where it is due or has less life than is asked for. What only the real az can
//! get (what a list of its own says, an endpoint that azward does not ask) is asked of that, through the shim; where it fails, its words
//! and its exit code stand.

use std::ffi::OsString;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::app::App;
use crate::azure::ConfigDir;
use crate::azure::clouds::Cloud;
use crate::azure::command::{self, TokenRequest};
use crate::azure::output::{self, Format, Map, Selection, Value};
use crate::commands::session::started;
use crate::consent;
use crate::failure::{Failure, Kind};
use crate::journal::{Action, Event};
use crate::sessions::{self, environment};
use crate::store::CredentialStore;
use crate::sys;
use crate::text;
use crate::tokens::{Acquired, Renew, Renewed, TokenKey, Tokens, Who};
use crate::ui::{self, Ui};

/// How often a session is started that another process stops.
const STARTS: usize = 5;

/// How the token is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The token and nothing else.
    Raw,
    /// As `az account get-access-token` tells it.
    Json,
    /// A header of HTTP.
    Header,
}

/// What is asked for.
#[derive(Debug)]
pub struct Request {
    /// Whose; the config directory's that az uses here, if none is named.
    pub session: Option<String>,
    /// For which resource.
    pub resource: Option<String>,
    /// For which scope.
    pub scope: Option<String>,
    /// How long it is to be good at least.
    pub min_life: Duration,
    /// How it is told.
    pub form: Form,
}

/// A token, and what is told of it.
struct Told {
    secret: Zeroizing<String>,
    expires_on: i64,
    subscription: String,
    tenant: String,
}

/// Prints it.
///
/// # Errors
/// `SignInNeeded` where a person has to sign in, `Refused` where the endpoint could not be asked or gives none that lives so
/// long, `Usage` for a session that is not there.
pub fn token(app: &App, ui: &Ui, request: &Request) -> Result<()> {
    let (inside, own) = match &request.session {
        Some(name) => {
            let (inside, own) = of_session(app, ui, name, request)?;
            (Some(inside), own)
        }
        None => (None, own(app, ui, request)?),
    };
    let app = inside.as_ref().unwrap_or(app);
    let waiting = ui.waiting_for("a token");
    let text = match (&own, request.form) {
        (Some(told), Form::Json) => as_json(told).context("the token cannot be told")?,
        (Some(told), form) => as_text(&told.secret, form),
        (None, form) => through_az(app, request, form)?,
    };
    drop(waiting);
    match ui::answer(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => bail!(error),
        _ => Ok(()),
    }
}

/// The token as azward gets it in the session called `name`, and azward as one that works in that. One that was stopped between
/// its start and that is started again.
fn of_session(app: &App, ui: &Ui, name: &str, request: &Request) -> Result<(App, Option<Told>)> {
    for _ in 0..STARTS {
        let session = started(app, ui, &sessions::named(app, name)?)?;
        let inside = session.app(app);
        if let Some(own) = sessions::beside_no_change(app, &session, || own(&inside, ui, request))? {
            let own = own?;
            return Ok((inside, own));
        }
    }
    bail!(Failure::new(
        Kind::Busy,
        format!("the session `{}` is stopped by another process again and again", text::name(name)),
        "run this again when that has ended",
    ))
}

/// The token as azward gets it; `None` where it is the real az's to get.
fn own(app: &App, ui: &Ui, request: &Request) -> Result<Option<Told>, Failure> {
    let _waiting = ui.waiting_for("a token");
    let context = &app.context;
    let config_dir = ConfigDir::of(context);
    let store = CredentialStore::new(app, &config_dir);
    let asked =
        TokenRequest { resource: request.resource.clone(), scope: request.scope.clone(), ..TokenRequest::default() };
    let found = || {
        let cloud = Cloud::active(context, &config_dir)?;
        TokenKey::requested(context, &config_dir, &cloud, &asked).filter(|_| store.token_storage().is_file())
    };
    let Some((wanted, subscription)) = found() else { return Ok(None) };
    if store.is_in_the_clear()
        && let Err(failure) = store.sweep()
    {
        app.journal.warn(context.now(), &failure);
    }
    if !store.vault.exists() && wanted.who != Who::ManagedIdentity {
        return Ok(None);
    }
    let arguments = ["account", "get-access-token"].map(OsString::from);
    let command = command::Command::parse(&arguments);
    let tokens = Tokens { store: &store, real_az: None, command: command.group() };
    let min_life = i64::try_from(request.min_life.as_secs()).unwrap_or(i64::MAX);
    let at_hand = || match tokens.acquire(&wanted, Renew::Never) {
        Acquired::Cached(token) => Some(token),
        _ => None,
    };
    let does = |expires_on: i64| expires_on.saturating_sub(context.now()) >= min_life;
    let mut token = at_hand().filter(|token| token.due_in > 0 && does(token.expires_on));
    if token.is_none() {
        let renew = if at_hand().is_some() { Renew::Now } else { Renew::IfDueOrMissing };
        match tokens.renew(&wanted, renew) {
            Renewed::Fresh => token = at_hand(),
            Renewed::LeftToAz => return Ok(None),
            // The old one serves while it is as good as was asked for.
            Renewed::Refused(_) | Renewed::Denied(_) if at_hand().is_some_and(|token| does(token.expires_on)) => {
                token = at_hand();
            }
            Renewed::Refused(why) => {
                let hint = "sign in again: `az login`, or `azward login NAME`";
                return Err(Failure::new(Kind::SignInNeeded, format!("no token for {}: {why}", wanted.username), hint));
            }
            Renewed::Denied(why) => {
                let hint = "try again when the endpoint can be reached; `azward status` shows more";
                return Err(Failure::new(Kind::Refused, format!("no token for {}: {why}", wanted.username), hint));
            }
        }
    }
    let token = token.ok_or_else(|| {
        let hint = "run this again; `azward status` shows what is wrong";
        Failure::new(Kind::Refused, format!("no token for {} is at hand", wanted.username), hint)
    })?;
    if !does(token.expires_on) {
        let left = token.expires_on.saturating_sub(context.now()) / 60;
        return Err(Failure::new(
            Kind::Refused,
            format!("the endpoint gives tokens that live for {left} minutes and no longer"),
            "ask for less with --min-life",
        ));
    }
    // It is a plain string, in its quotes.
    let secret = Zeroizing::new(token.secret.trim_matches('"').to_owned());
    let (subscription, tenant) = (subscription.id, subscription.tenant_id);
    note(app, &wanted);
    Ok(Some(Told { secret, expires_on: token.expires_on, subscription, tenant }))
}

fn note(app: &App, wanted: &TokenKey) {
    let mut event = Event::new(app.context.now(), Action::Answer, "answered");
    event.command = Some("azward token".to_owned());
    event.account = Some(wanted.username.clone());
    event.tenant = Some(wanted.tenant.clone());
    event.scope = Some(wanted.scope.clone());
    event.caller = sys::process_name(sys::parent_id());
    app.journal.record(&event);
}

/// What the real az hands out.
fn through_az(app: &App, request: &Request, form: Form) -> Result<Zeroizing<String>> {
    #[derive(Deserialize)]
    struct Said {
        #[serde(rename = "accessToken")]
        secret: String,
    }
    let shim = environment::shim(&app.context);
    consent::cover_this_process(app)?;
    let mut command = Command::new(&shim);
    command.args(["account", "get-access-token", "--output", "json"]);
    for (option, value) in [("--resource", &request.resource), ("--scope", &request.scope)] {
        command.args(value.iter().flat_map(|value| [option, value]));
    }
    let child = command.envs(app.context.added()).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = child.output().with_context(|| format!("cannot start `{}`", shim.display()))?;
    let said = Zeroizing::new(output.stdout);
    if !output.status.success() {
        sys::exit_as(output.status);
    }
    let not_understood = "what the real az said of a token is not understood";
    if form == Form::Json {
        return Ok(Zeroizing::new(std::str::from_utf8(&said).context(not_understood)?.to_owned()));
    }
    let Said { secret } = serde_json::from_slice(&said).context(not_understood)?;
    Ok(as_text(&Zeroizing::new(secret), form))
}

fn as_text(secret: &str, form: Form) -> Zeroizing<String> {
    let beginning = if form == Form::Header { "Authorization: Bearer " } else { "" };
    Zeroizing::new(format!("{beginning}{secret}\n"))
}

fn as_json(told: &Told) -> Option<Zeroizing<String>> {
    let local = sys::local_time(told.expires_on)?.format("%Y-%m-%d %H:%M:%S.000000").to_string();
    let entries = vec![
        ("accessToken".into(), Value::text(&**told.secret)),
        ("expiresOn".into(), Value::text(local)),
        ("expires_on".into(), Value::Number(told.expires_on)),
        ("subscription".into(), Value::text(&*told.subscription)),
        ("tenant".into(), Value::text(&*told.tenant)),
        ("tokenType".into(), Value::text("Bearer")),
    ];
    output::print(&Value::Map(Map::of(entries)), Format::Json, Selection::Whole)
}
