//! `azward token`: an access token for a script or as a credential process, of a session or of the config directory that az uses
//! here: out of the cache, renewed first where it is due or has less life than is asked for. What only the real az can
//! get (what a list of its own says, an endpoint that azward does not ask) is asked of that, through the shim; where it fails, its words
//! and its exit code stand.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::app::App;
use crate::azure::output::{self, Format, Map, Selection, Value};
use crate::commands::session::started;
use crate::consent;
use crate::failure::{Failure, Kind};
use crate::sessions::{self, Granted, Wanted, environment};
use crate::sys;
use crate::text;
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
    /// Which.
    pub wanted: Wanted,
    /// How it is told.
    pub form: Form,
}

/// Prints it.
///
/// # Errors
/// `SignInNeeded` where a person has to sign in, `Refused` where the endpoint could not be asked or gives none that lives so
/// long, `Usage` for a session that is not there.
pub fn token(app: &App, ui: &Ui, request: &Request) -> Result<()> {
    let waiting = ui.waiting_for("a token");
    let (inside, own) = match &request.session {
        Some(name) => {
            let (inside, own) = of_session(app, ui, name, request)?;
            (Some(inside), own)
        }
        None => (None, sessions::token_here(app, &request.wanted)?),
    };
    let app = inside.as_ref().unwrap_or(app);
    if let Some(granted) = &own {
        note(app, granted);
    }
    let text = match (&own, request.form) {
        (Some(granted), Form::Json) => as_json(granted).context("the token cannot be told")?,
        (Some(granted), form) => as_text(&granted.secret, form),
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
fn of_session(app: &App, ui: &Ui, name: &str, request: &Request) -> Result<(App, Option<Granted>)> {
    for _ in 0..STARTS {
        let session = started(app, ui, &sessions::named(app, name)?)?;
        if let Some(own) = sessions::token_of(app, &session, &request.wanted)? {
            return Ok((session.app(app), own));
        }
    }
    bail!(Failure::new(
        Kind::Busy,
        format!("the session `{}` is stopped by another process again and again", text::name(name)),
        "run this again when that has ended",
    ))
}

fn note(app: &App, granted: &Granted) {
    let mut event = granted.event(app.context.now());
    event.command = Some("azward token".to_owned());
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
    for (option, value) in [("--resource", &request.wanted.resource), ("--scope", &request.wanted.scope)] {
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

fn as_json(told: &Granted) -> Option<Zeroizing<String>> {
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
