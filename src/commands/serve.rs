//! `azward serve`: the endpoint for containers and other hosts, from when it says where it is until it ends. Started behind another command
//! (`azward exec --serve`) it is nobody's child and says so in JSON, once, to who started it.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::app::App;
use crate::azure::ConfigDir;
use crate::azure::clouds::Cloud;
use crate::commands::failure_of;
use crate::commands::session::started;
use crate::consent;
use crate::failure::{Failure, Kind};
pub use crate::serve::Form;
use crate::serve::{Address, Allowed, Endpoint, Followed, Place, Served};
use crate::sessions::{self, Session};
use crate::sys;
use crate::ui::{self, Ui};

/// How much is read of what an endpoint says of itself.
const ANNOUNCEMENT: u64 = 64 * 1024;

/// The time of an endpoint that another command started: that command's end comes before.
const AS_LONG_AS_IT_IS_THERE: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// What is to be served.
#[derive(Debug)]
pub struct Options {
    /// Whose tokens; of the session that az works in here, if none is named.
    pub session: Option<String>,
    /// Where: a free port and a socket in azward's home, if nowhere is named.
    pub address: Option<Address>,
    /// For how long.
    pub ttl: Duration,
    /// For which resources; for Resource Manager, if none is named.
    pub allowed: Vec<String>,
    /// For the process with this id.
    pub follows: Option<u32>,
    /// To whom it is told.
    pub form: Form,
}

/// How an endpoint says of itself where it is, to azward.
#[derive(Deserialize, Serialize)]
pub(super) enum Announcement {
    /// It is there.
    Here(Here),
    /// It is not.
    Failed {
        /// What happened.
        what: String,
        /// What to do.
        hint: String,
        /// The exit code that says so.
        is_sign_in: bool,
    },
}

/// Where it is.
#[derive(Deserialize, Serialize)]
pub(super) struct Here {
    /// The variables of a process on this machine.
    pub(super) variables: Vec<(String, String)>,
    /// Those of a container.
    pub(super) container: Vec<(String, String)>,
    /// The directory with the socket.
    pub(super) mounted: Option<PathBuf>,
    /// The program that speaks with it from inside.
    pub(super) inside: Option<PathBuf>,
}

/// Serves until it is to end.
///
/// # Errors
/// Those of [`sessions::start`] and [`Endpoint::open`].
pub fn serve(app: &App, ui: &Ui, options: &Options) -> Result<()> {
    let parent = Followed::parent();
    sys::take_signals();
    let endpoint = opened(app, ui, options, parent)?;
    match ui::answer(&endpoint.told().in_form(options.form)) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => bail!(error),
        _ => {}
    }
    let name = endpoint.session().name.clone();
    let why = endpoint.answer()?;
    ui.note(&format!("no more tokens of `{name}`: {why}"));
    Ok(())
}

/// Serves behind the caller, and says where, or that it does not.
///
/// # Errors
/// Where that cannot be said.
pub fn serve_announced(app: &App, ui: &Ui, options: &Options) -> Result<()> {
    let parent = Followed::parent();
    sys::take_signals();
    let opened = opened(app, ui, options, parent);
    let announcement = match &opened {
        Ok(endpoint) => {
            let told = endpoint.told();
            let text = |value: OsString| value.to_string_lossy().into_owned();
            let variables = told.variables().into_iter().map(|(name, value)| (text(name), text(value)));
            let container = told.container_variables().into_iter().map(|(name, value)| (text(name), text(value)));
            Announcement::Here(Here {
                variables: variables.collect(),
                container: container.collect(),
                mounted: told.mounted().map(PathBuf::from),
                inside: told.inside().map(PathBuf::from),
            })
        }
        Err(error) => {
            let failure = failure_of(error);
            let is_sign_in = failure.kind == Kind::SignInNeeded;
            Announcement::Failed { what: failure.what, hint: failure.hint, is_sign_in }
        }
    };
    let mut line = Zeroizing::new(serde_json::to_vec(&announcement)?);
    line.push(b'\n');
    ui::answer(&line)?;
    if let Ok(endpoint) = opened {
        endpoint.answer()?;
    }
    Ok(())
}

/// Has another process serve, which is no child of who waits for this one, and passes on what that says of itself.
///
/// # Errors
/// Where none can be started.
pub fn serve_detached(app: &App, options: &Options) -> Result<()> {
    let (mut command, not_started) = another(app, options)?;
    // What a terminal sends to the program in front is not for this one.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child =
        command.arg("--announced").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().context(not_started)?;
    let mut line = Zeroizing::new(Vec::new());
    if let Some(output) = child.stdout.take() {
        BufReader::new(output.take(ANNOUNCEMENT)).read_until(b'\n', &mut line)?;
    }
    Ok(ui::answer(&line)?)
}

/// Starts an endpoint for `session` behind this process, and for as long as that is there: where it is.
///
/// # Errors
/// Its own; where it cannot be started.
pub(super) fn started_behind(app: &App, session: &Session, allowed: &[String]) -> Result<Here> {
    let options = Options {
        session: Some(session.name.clone()),
        address: None,
        ttl: AS_LONG_AS_IT_IS_THERE,
        allowed: allowed.to_vec(),
        follows: Some(std::process::id()),
        form: Form::All,
    };
    let (mut command, not_started) = another(app, &options)?;
    let output = command.arg("--detached").stderr(Stdio::inherit()).output().context(not_started)?;
    let said = Zeroizing::new(output.stdout);
    match serde_json::from_slice(&said) {
        Ok(Announcement::Here(here)) => Ok(here),
        Ok(Announcement::Failed { what, hint, is_sign_in }) => {
            let kind = if is_sign_in { Kind::SignInNeeded } else { Kind::Refused };
            bail!(Failure::new(kind, what, hint))
        }
        Err(_) => bail!(Failure::new(
            Kind::Fault,
            "the endpoint did not say where it is",
            "try `azward serve` alone, which says what is wrong",
        )),
    }
}

/// Another azward that serves the same, and what is said where it cannot be started. Whoever called may have it, for as long as this
/// process is there.
fn another(app: &App, options: &Options) -> Result<(Command, String)> {
    consent::cover_this_process(app)?;
    let program = app.context.executable.as_deref().context("where this program is cannot be told")?;
    let mut command = Command::new(program);
    command.arg("serve").args(&options.session).arg(format!("--ttl={}s", options.ttl.as_secs()));
    command.args(options.allowed.iter().map(|resource| format!("--allow-resource={resource}")));
    command.args(options.follows.map(|id| format!("--for={id}")));
    command.envs(app.context.added()).stdin(Stdio::null());
    Ok((command, format!("cannot start `{}`", program.display())))
}

fn opened(app: &App, ui: &Ui, options: &Options, parent: Followed) -> Result<Endpoint> {
    let followed = options.follows.map_or(Ok(parent), Followed::process)?;
    let session = match &options.session {
        Some(name) => sessions::named(app, name)?,
        None => sessions::here(app)?,
    };
    let session = started(app, ui, &session)?;
    let inside = session.app(app);
    let cloud = Cloud::active(&inside.context, &ConfigDir::of(&inside.context));
    let cloud = cloud.with_context(|| format!("the cloud of `{}` is not one that azward understands", session.name))?;
    let allowed = Allowed::named(&options.allowed, &cloud);
    consent::cover_this_process(app)?;
    let place = Place::take(&app.context, &session)?;
    let addresses = match &options.address {
        Some(address) => vec![address.clone()],
        None if cfg!(unix) => vec![Address::Port(0), Address::Socket(place.socket())],
        None => vec![Address::Port(0)],
    };
    let served = Served { session, allowed, ttl: options.ttl, followed };
    Ok(Endpoint::open(app, served, cloud, &addresses, place)?)
}
