//! What an az here says of the session, for an az elsewhere: an exact form of `account get-access-token`, of `account show`, `account
//! list`, `cloud show` or `version`, for that session's own subscription and tenant and a resource that is allowed. It is the shim that answers, in the session,
//! so the bytes are those of the real az here; a few at a time, however many ask.

use std::ffi::OsString;
use std::process::{Command as Process, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};

use serde::Deserialize;
use zeroize::Zeroizing;

use super::allowed::Allowed;
use super::response::Response;
use crate::app::App;
use crate::azure::clouds::Cloud;
use crate::azure::command::{Command, Fact};
use crate::client::{EXIT_CODE, NOT_SERVED, OUTPUT_LENGTH};
use crate::failure::{Failure, Kind, Result};
use crate::sessions::{Granted, Session, environment};
use crate::text;

/// How many answer at once.
const MOST: usize = 16;

/// What one said.
pub(super) struct Said {
    /// How it ended.
    pub(super) exit_code: i32,
    output: Zeroizing<Vec<u8>>,
    errors: Vec<u8>,
}

impl Said {
    /// As it is sent: its output, then what it said on stderr.
    pub(super) fn into_response(self) -> Response {
        let Self { exit_code, output, errors } = self;
        let mut body = Zeroizing::new(Vec::with_capacity(output.len() + errors.len()));
        body.extend_from_slice(&output);
        body.extend_from_slice(&errors);
        Response::bytes(body).with(EXIT_CODE, exit_code.to_string()).with(OUTPUT_LENGTH, output.len().to_string())
    }
}

/// The scope of the token that `command` asks for; `None` for one that asks for none, and is answered.
///
/// # Errors
/// What is answered to one that is not.
pub(super) fn allowed_scope(
    command: &Command<'_>,
    session: &Session,
    cloud: &Cloud,
    allowed: &Allowed,
) -> std::result::Result<Option<String>, Response> {
    let not_served = || Response::error(404, NOT_SERVED, "only tokens and facts of one session are given here");
    let is_own = |name: &Option<String>| {
        name.as_deref().is_none_or(|name| {
            name.eq_ignore_ascii_case(&session.subscription) || name.eq_ignore_ascii_case(&session.subscription_name)
        })
    };
    if let Some(request) = command.token_request() {
        let scope = request.scope_in(cloud).ok_or_else(not_served)?;
        let is_tenant = request.tenant.as_deref().is_none_or(|tenant| tenant.eq_ignore_ascii_case(&session.tenant));
        if !is_tenant || !is_own(&request.subscription) {
            return Err(Response::error(403, "access_denied", "only tokens of one subscription are given here"));
        }
        if !allowed.has(&scope) {
            let what = format!("no tokens for `{}` are given here; `--allow-resource` allows more", text::name(&scope));
            return Err(Response::error(403, "access_denied", &what));
        }
        return Ok(Some(scope));
    }
    match command.question().map(|question| &question.subject) {
        Some(Fact::Version | Fact::Accounts(_) | Fact::Cloud(None)) if !command.needs_credentials() => Ok(None),
        Some(Fact::Account(name)) if is_own(name) => Ok(None),
        Some(Fact::Cloud(Some(name))) if *name == session.cloud => Ok(None),
        _ => Err(not_served()),
    }
}

/// Room for those that answer.
#[derive(Debug, Default)]
pub(super) struct Room {
    taken: Mutex<usize>,
    is_left: Condvar,
}

impl Room {
    /// What an az in the session says to `arguments`.
    ///
    /// # Errors
    /// `NotStarted`.
    pub(super) fn ask(&self, inside: &App, arguments: &[OsString]) -> Result<Said> {
        let _place = self.enter();
        let shim = environment::shim(&inside.context);
        let mut command = Process::new(&shim);
        // Who got it is written down here, where he is known.
        let command = command.args(arguments).envs(inside.context.added()).env("AZWARD_JOURNAL", "off");
        let output = command.stdin(Stdio::null()).output().map_err(|error| {
            let what = format!("cannot start `{}`: {error}", text::path(&shim));
            Failure::new(Kind::NotStarted, what, "`azward doctor` looks at the installation")
        })?;
        let exit_code = output.status.code().unwrap_or(1);
        Ok(Said { exit_code, output: Zeroizing::new(output.stdout), errors: output.stderr })
    }

    /// The token for `resource` that only the real az can get.
    ///
    /// # Errors
    /// `Refused` where it gets none, with its own last words.
    pub(super) fn token(&self, inside: &App, resource: &str, session: &Session) -> Result<Granted> {
        #[derive(Deserialize)]
        struct Token {
            #[serde(rename = "accessToken")]
            secret: String,
            expires_on: i64,
        }
        let arguments = ["account", "get-access-token", "--output", "json", "--resource", resource];
        let said = self.ask(inside, &arguments.map(OsString::from))?;
        let refused = |what: &str| {
            let what = format!("no token for the session `{}`: {what}", session.name);
            Failure::new(Kind::Refused, what, format!("try `azward token {}` there", session.name))
        };
        if said.exit_code != 0 {
            let words = String::from_utf8_lossy(&said.errors);
            return Err(refused(&text::line(words.lines().last().unwrap_or("the real az got none"))));
        }
        let Ok(Token { secret, expires_on }) = serde_json::from_slice(&said.output) else {
            return Err(refused("what the real az said of it is not understood"));
        };
        Ok(Granted {
            secret: Zeroizing::new(secret),
            expires_on,
            subscription: session.subscription.clone(),
            tenant: session.tenant.clone(),
            username: session.user.clone(),
            scope: resource.to_owned(),
        })
    }

    fn enter(&self) -> Place<'_> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = self.is_left.wait_while(taken, |taken| *taken >= MOST).unwrap_or_else(PoisonError::into_inner);
        *taken += 1;
        Place(self)
    }
}

/// A place of one of them.
struct Place<'a>(&'a Room);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.is_left.notify_one();
    }
}
