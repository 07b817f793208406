//! Where what was asked is answered: only who has the secret of this start, and is the user or root as far as the system tells, gets
//! anything; then a token of the session for a resource that was allowed, or what az says of it. Every grant is in the journal with who
//! got it, and so is what was refused, once a second at most. Whatever goes wrong is told in the words of OAuth 2.0, and what
//! the endpoint said of the login is no part of it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq as _;

use super::Served;
use super::az;
use super::listener::{Peer, peer_of};
use super::protocol::{self, Asked, Manner};
use super::queue::Queues;
use super::request::{Request, Unreadable};
use super::response::Response;
use crate::app::App;
use crate::azure::clouds::Cloud;
use crate::azure::command::Command;
use crate::client::Stream;
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::journal::{Action, Event};
use crate::secret::Secret;
use crate::sessions::{self, Granted, Session, State, Wanted};
use crate::text;

/// How many bytes the secret has.
const SECRET: usize = 32;

/// How often it is written down that somebody was refused.
const REFUSALS: Duration = Duration::from_secs(1);

/// It.
#[derive(Debug)]
pub(super) struct Desk {
    app: App,
    inside: App,
    served: Served,
    cloud: Cloud,
    /// What who asks has to have.
    pub(super) secret: Secret,
    refused: Mutex<Option<Instant>>,
    room: az::Room,
    queues: Queues,
}

impl Desk {
    /// One for what is served, with a secret of its own.
    ///
    /// # Errors
    /// `Fault` without randomness.
    pub(super) fn new(app: &App, served: Served, cloud: Cloud) -> Result<Self> {
        let inside = served.session.app(app);
        let app = App::with(app.context.clone(), app.settings.clone());
        let mut bytes = zeroize::Zeroizing::new([0; SECRET]);
        getrandom::fill(&mut bytes[..]).map_err(|error| {
            Failure::new(Kind::Fault, format!("the system gives no randomness: {error}"), "try again")
        })?;
        let secret = Secret::from_text(text::hexadecimal(&bytes[..]));
        Ok(Self {
            app,
            inside,
            served,
            cloud,
            secret,
            refused: Mutex::default(),
            room: az::Room::default(),
            queues: Queues::default(),
        })
    }

    /// What this process was started with.
    pub(super) fn context(&self) -> &Context {
        &self.app.context
    }

    /// The session whose tokens these are.
    pub(super) fn session(&self) -> &Session {
        &self.served.session
    }

    /// Whether it is still started.
    pub(super) fn is_session_there(&self) -> bool {
        !self.app.context.home_lock.is_gone() && self.session().state(&self.app.context) == State::Active
    }

    /// The answer to what came over `stream`; `None` where nobody is there to have it.
    pub(super) fn answer(
        &self,
        request: std::result::Result<Request, Unreadable>,
        stream: &Stream,
    ) -> Option<Response> {
        let request = match request {
            Ok(request) => request,
            Err(Unreadable::Gone) => return None,
            Err(Unreadable::Late) => return Some(Response::error(408, "invalid_request", "the request took too long")),
            Err(Unreadable::TooLong) => {
                return Some(Response::error(413, "invalid_request", "the request is too long"));
            }
            Err(Unreadable::NotHttp) => return Some(Response::error(400, "invalid_request", "that is no request")),
        };
        let peer = peer_of(stream);
        Some(self.answer_to(&request, &peer).unwrap_or_else(|refusal| {
            self.note_refusal(&peer, &refusal);
            protocol::refusal(refusal, &request.path)
        }))
    }

    fn answer_to(&self, request: &Request, peer: &Peer) -> std::result::Result<Response, Response> {
        let path = self.path_of_entitled(request)?;
        if !peer.is_trusted {
            return Err(Response::error(403, "access_denied", "the endpoint is another user's"));
        }
        match protocol::read(request, path)? {
            Asked::Token { resource, manner } => self.hand_out(&resource, manner, peer),
            Asked::Az(arguments) => {
                let command = Command::parse(&arguments);
                let scope = az::allowed_scope(&command, self.session(), &self.cloud, &self.served.allowed)?;
                let said = self.room.ask(&self.inside, &arguments).map_err(|failure| unavailable(&failure))?;
                if let Some(scope) = scope.filter(|_| said.exit_code == 0) {
                    let mut event = Event::new(self.app.context.now(), Action::Answer, "answered");
                    event.account = Some(self.session().user.clone());
                    event.tenant = Some(self.session().tenant.clone());
                    event.scope = Some(scope);
                    self.note(event, peer);
                }
                Ok(said.into_response())
            }
        }
    }

    /// The path that is asked for, of who has the secret: in a header, or as the path's first part.
    fn path_of_entitled<'a>(&self, request: &'a Request) -> std::result::Result<&'a str, Response> {
        let is_it = |given: &[u8]| bool::from(given.ct_eq(self.secret.expose()));
        let rest = request.path.strip_prefix('/').and_then(|path| path.split_once('/'));
        if let Some((first, _)) = rest.filter(|(first, _)| is_it(first.as_bytes())) {
            return Ok(&request.path[first.len() + 1..]);
        }
        match request.header(protocol::SECRET).is_some_and(is_it) {
            true => Ok(&request.path),
            false => Err(Response::error(401, "invalid_client", "the secret of this endpoint is not that")),
        }
    }

    fn hand_out(&self, resource: &str, manner: Manner, peer: &Peer) -> std::result::Result<Response, Response> {
        if !self.served.allowed.has(resource) {
            let what =
                format!("no tokens for that resource are given here; `--allow-resource {resource}` would allow it");
            return Err(Response::error(403, "access_denied", &what));
        }
        let granted =
            self.queues.take_turn(resource, || self.granted(resource)).map_err(|failure| unavailable(&failure))?;
        let mut event = granted.event(self.app.context.now());
        event.tenant = Some(self.session().tenant.clone());
        self.note(event, peer);
        Ok(protocol::token(&granted, resource, manner, self.app.context.now()))
    }

    fn granted(&self, resource: &str) -> Result<Granted> {
        let wanted = Wanted { resource: Some(resource.to_owned()), ..Wanted::default() };
        match sessions::token_of(&self.app, self.session(), &wanted)? {
            Some(Some(granted)) => Ok(granted),
            // What only the real az can get.
            Some(None) => self.room.token(&self.inside, resource, self.session()),
            None => {
                let what = format!("the session `{}` is not started", self.session().name);
                Err(Failure::new(Kind::Usage, what, format!("`azward start {}` starts it", self.session().name)))
            }
        }
    }

    fn note(&self, mut event: Event, peer: &Peer) {
        event.command = Some("azward serve".to_owned());
        event.caller = Some(peer.name.clone());
        self.app.journal.record(&event);
    }

    fn note_refusal(&self, peer: &Peer, refusal: &Response) {
        let mut last = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= REFUSALS) {
            *last = Some(Instant::now());
            let outcome = format!("refused: {}", refusal.status());
            self.note(Event::new(self.app.context.now(), Action::Answer, outcome), peer);
        }
    }
}

/// What is told of a token that cannot be had: whether it may be had later, and what its owner can do.
fn unavailable(failure: &Failure) -> Response {
    let what = format!("{}; on the host: {}", failure.what, failure.hint);
    match failure.kind {
        Kind::SignInNeeded => Response::error(400, "invalid_grant", &what),
        _ => Response::error(503, "temporarily_unavailable", &what).with("Retry-After", "5"),
    }
}
