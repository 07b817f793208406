//! What a shim is too small to do itself: HTTP, and the system's keyring. `azward` beside it does that for it, as a child that reads one
//! [`Request`] on its stdin and writes one [`Answer`] to its stdout, as JSON with the secrets in base64, through pipes that nobody else
//! has; it is in a session of its own, so that no signal of the terminal's comes between a refresh token and who has to store it, and dies
//! with who asked. azward's own commands do the same in their own process.
//!
//! A child that cannot be started or does not answer is as good as an endpoint that cannot be reached and a keyring that is not there.
//! Deadlines are the asker's: whoever gives up waiting leaves the child to who started it.

mod certificate;
#[cfg(target_os = "linux")]
mod child;
mod exchange;
mod here;
mod http;
mod keyring;
mod refusal;
mod resolver;
#[cfg(target_os = "linux")]
mod secret_service;
mod transit;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

#[cfg(target_os = "linux")]
pub use child::{is_called_for, serve};
pub(crate) use exchange::{Exchange, Fault, Method, Reply};
pub use here::here;
pub(crate) use keyring::KeyringItem;
pub(crate) use refusal::Refusal;
use transit::InTransit;

use crate::secret::Secret;

/// Whether a person may be asked to unlock a store, which takes as long as it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Prompting {
    /// A prompt may appear.
    Allowed,
    /// No prompt: there is no person, or a lock is held.
    Never,
}

/// What may be asked of a helper.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request(Asked);

#[derive(Debug, Serialize, Deserialize)]
enum Asked {
    /// One HTTP request.
    Exchange(Exchange),
    /// That the keyring's entry of this user can be read or written without a prompt.
    MakeReady(String, Prompting),
    /// The secrets of the first of these users who has any.
    Read(Vec<String>, Prompting),
    /// A secret for this user; what he has after that.
    Write(String, InTransit),
    /// That this user has none.
    Remove(String),
    /// What is in one of az's items, if it is there.
    ReadItem(KeyringItem),
    /// What one of az's items is to have, made where it is missing.
    WriteItem(KeyringItem, InTransit),
    /// That one of az's items is not there.
    RemoveItem(KeyringItem),
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer(Said);

#[derive(Debug, Serialize, Deserialize)]
enum Said {
    Replied(Result<Reply, Fault>),
    Found(Result<Vec<InTransit>, Refusal>),
    Done(Result<(), Refusal>),
}

/// Who does it.
#[derive(Clone)]
pub enum Helper {
    /// This process: [`here`].
    Here(fn(Request) -> Answer),
    /// `azward`, at this place.
    Child(PathBuf),
}

impl Helper {
    /// The `azward` beside this program.
    #[must_use]
    pub fn beside(executable: Option<&Path>) -> Self {
        Self::Child(executable.map_or_else(PathBuf::new, |own| own.with_file_name("azward")))
    }

    /// Sends one HTTP request, and reads what comes.
    ///
    /// # Errors
    /// Why nothing came.
    pub(crate) fn exchange(&self, exchange: Exchange) -> Result<Reply, Fault> {
        match self.ask(Asked::Exchange(exchange)) {
            Some(Said::Replied(replied)) => replied,
            _ => Err(Fault::left_to_az("azward, which asks it, could not be started")),
        }
    }

    /// Sees to it that the keyring's entry of `user` can be read or written without a prompt.
    ///
    /// # Errors
    /// Why it cannot.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only the Secret Service is asked beforehand"))]
    pub(crate) fn make_ready(&self, user: String, prompting: Prompting) -> Result<(), Refusal> {
        self.have_done(Asked::MakeReady(user, prompting))
    }

    /// The secrets that the keyring has for the first of `users` who has any: none, one, or more where keyrings were merged.
    ///
    /// # Errors
    /// Why it says nothing.
    pub(crate) fn read(&self, users: Vec<String>, prompting: Prompting) -> Result<Vec<Secret>, Refusal> {
        self.find(Asked::Read(users, prompting))
    }

    /// Puts a secret into the keyring for `user`, and gives back what he has after that.
    ///
    /// # Errors
    /// Why it is not there.
    pub(crate) fn write(&self, user: String, secret: &Secret) -> Result<Vec<Secret>, Refusal> {
        self.find(Asked::Write(user, InTransit(secret.duplicate())))
    }

    /// Removes what the keyring has for `user`, if anything.
    ///
    /// # Errors
    /// Why it may still be there.
    pub(crate) fn remove(&self, user: String) -> Result<(), Refusal> {
        self.have_done(Asked::Remove(user))
    }

    /// What is in an item of az's; `None` where there is none.
    ///
    /// # Errors
    /// Why it says nothing.
    #[cfg_attr(windows, expect(dead_code, reason = "az keeps nothing in a keyring there"))]
    pub(crate) fn read_item(&self, item: KeyringItem) -> Result<Option<Secret>, Refusal> {
        Ok(self.find(Asked::ReadItem(item))?.pop())
    }

    /// Has an item of az's have `text`, made where it is missing.
    ///
    /// # Errors
    /// Why it has not.
    #[cfg_attr(windows, expect(dead_code, reason = "az keeps nothing in a keyring there"))]
    pub(crate) fn write_item(&self, item: KeyringItem, text: &Secret) -> Result<(), Refusal> {
        self.have_done(Asked::WriteItem(item, InTransit(text.duplicate())))
    }

    /// Removes an item of az's, if it is there.
    ///
    /// # Errors
    /// Why it may still be there.
    #[cfg_attr(windows, expect(dead_code, reason = "az keeps nothing in a keyring there"))]
    pub(crate) fn remove_item(&self, item: KeyringItem) -> Result<(), Refusal> {
        self.have_done(Asked::RemoveItem(item))
    }

    fn have_done(&self, asked: Asked) -> Result<(), Refusal> {
        match self.ask(asked) {
            Some(Said::Done(done)) => done,
            _ => Err(Refusal::NoHelper),
        }
    }

    fn find(&self, asked: Asked) -> Result<Vec<Secret>, Refusal> {
        match self.ask(asked) {
            Some(Said::Found(found)) => Ok(found?.into_iter().map(|secret| secret.0).collect()),
            _ => Err(Refusal::NoHelper),
        }
    }

    fn ask(&self, asked: Asked) -> Option<Said> {
        match self {
            Self::Here(perform) => Some(perform(Request(asked)).0),
            #[cfg(target_os = "linux")]
            Self::Child(program) => child::ask(program, &Request(asked)).map(|answer| answer.0),
            #[cfg(not(target_os = "linux"))]
            Self::Child(_) => None,
        }
    }
}

impl fmt::Debug for Helper {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(_) => formatter.write_str("Here"),
            Self::Child(program) => formatter.debug_tuple("Child").field(program).finish(),
        }
    }
}
