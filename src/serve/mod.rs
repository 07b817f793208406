//! The endpoint that gives tokens of one session to containers and other hosts (`azward serve`): over loopback or a socket of
//! mode 0600, in the protocols that the SDKs have already, to whoever has the secret of this start. It gives nothing but access tokens for the
//! resources that were allowed, and what az says of that session; the login stays where it is. It ends with whom it serves for,
//! after its time, or with the session; who is being answered then is answered first.

mod allowed;
mod az;
mod connections;
mod desk;
mod end;
mod listener;
mod place;
mod protocol;
mod queue;
mod request;
mod response;
mod told;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use allowed::Allowed;
use connections::Connections;
use desk::Desk;
use end::End;
pub use end::Followed;
use listener::Listener;
pub use place::Place;
pub(crate) use place::remove_all;
pub use told::{AZ, Form, IDENTITY, INSIDE, MOUNTED, Told};

use crate::app::App;
use crate::azure::clouds::Cloud;
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::sessions::Session;
use crate::sys;

/// How long who is being answered when it ends has for that.
const FAREWELL: Duration = Duration::from_secs(5);

/// How often to look whether it is to end.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A port of loopback; 0 for one that is free.
    Port(u16),
    /// A Unix socket at this path.
    Socket(PathBuf),
}

/// What is served, and to whom.
#[derive(Debug)]
pub struct Served {
    /// Which session's tokens.
    pub session: Session,
    /// For which resources.
    pub allowed: Allowed,
    /// For how long.
    pub ttl: Duration,
    /// Whose end is its own.
    pub followed: Followed,
}

/// An endpoint that listens, and answers nobody yet.
#[derive(Debug)]
pub struct Endpoint {
    listeners: Vec<Listener>,
    desk: Desk,
    end: End,
    /// Where others find what they need of it, for as long as it is there.
    place: Place,
}

/// The program that speaks with an endpoint from inside a container: beside this one.
fn inside(context: &Context) -> Option<PathBuf> {
    let beside = context.executable.as_deref()?.with_file_name(told::INSIDE);
    beside.is_file().then_some(beside)
}

impl Endpoint {
    /// Listens at each of `addresses`, and puts what others need to know into `place`.
    ///
    /// # Errors
    /// `Usage` for a path that is no place for a socket, `Busy` where something else listens there, `Storage`.
    pub fn open(app: &App, served: Served, cloud: Cloud, addresses: &[Address], place: Place) -> Result<Self> {
        let end = End::of(&served);
        let mut listeners = Vec::new();
        for address in addresses {
            match Listener::open(address) {
                Ok(listener) => listeners.push(listener),
                // A home with a name too long for a socket is served over a port all the same.
                Err(failure) if failure.kind == Kind::Usage && !listeners.is_empty() => {}
                Err(failure) => return Err(failure),
            }
        }
        let endpoint = Self { listeners, desk: Desk::new(app, served, cloud)?, end, place };
        endpoint.place.furnish(&endpoint.told())?;
        Ok(endpoint)
    }

    /// The session whose tokens it gives.
    #[must_use]
    pub fn session(&self) -> &Session {
        self.desk.session()
    }

    /// What those need to know whom it is for.
    #[must_use]
    pub fn told(&self) -> Told {
        let port = self.listeners.iter().find_map(Listener::port);
        let socket = self.listeners.iter().find_map(Listener::socket);
        Told {
            secret: self.desk.secret.duplicate(),
            session: self.desk.session().clone(),
            port,
            socket,
            directory: self.place.path().to_owned(),
            inside: inside(self.desk.context()),
        }
    }

    /// Answers until it is to end: why it did.
    ///
    /// # Errors
    /// `Storage` where no thread can be started.
    pub fn answer(self) -> Result<&'static str> {
        let Self { listeners, desk, end, place } = self;
        let desk = Arc::new(desk);
        let connections = Arc::new(Connections::default());
        let is_over = Arc::new(AtomicBool::new(false));
        for listener in &listeners {
            let listener = listener.duplicate()?;
            let (desk, connections, is_over) = (desk.clone(), connections.clone(), is_over.clone());
            let accept = move || {
                while !is_over.load(Ordering::SeqCst) {
                    if let Some(stream) = listener.accept() {
                        connections.take(stream, &desk);
                    }
                }
            };
            std::thread::Builder::new()
                .name("accept".to_owned())
                .spawn(accept)
                .map_err(|error| Failure::refused("cannot start a thread", error.kind()))?;
        }
        let why = loop {
            if let Some(why) = end.is_come(&desk) {
                break why;
            }
            std::thread::sleep(LOOK_EVERY);
        };
        is_over.store(true, Ordering::SeqCst);
        listeners.iter().for_each(Listener::remove);
        connections.close(FAREWELL);
        drop(place);
        if let Some(signal) = sys::pending_signal() {
            sys::die_of(signal);
        }
        Ok(why)
    }
}
