//! What is seen of sessions without changing anything: whether each is started, and when the token that it lives by expires, in the
//! file or, where it is sealed, beside the vault. Nobody is asked for a key, and what cannot be read is as if it were not there.
//! There may be hundreds: one buffer serves for all, and where there are many, half of them are looked at on a thread of its own.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use super::{Session, State};
use crate::app::App;
use crate::credentials::msal::TokenCache;
use crate::store::CredentialStore;
use crate::tokens::access_token::CachedToken;
use crate::vault;

/// From how many on a thread costs less than it saves.
const MANY: usize = 64;

/// How large a token cache is for the most part, in bytes.
const USUAL: usize = 16 * 1024;

/// What was seen of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whether it is started.
    pub state: State,
    /// When the access token that it lives by expires, in seconds since the epoch, where it is started; `None` where there is none
    /// that is good.
    pub expires_on: Option<i64>,
}

/// What is seen of each of `sessions`, in their order.
#[must_use]
pub fn seen(app: &App, sessions: &[Session]) -> Vec<Seen> {
    let of = |sessions: &[Session]| {
        let mut view = View::of(app);
        sessions.iter().map(|session| view.seen(session)).collect::<Vec<_>>()
    };
    if sessions.len() < MANY {
        return of(sessions);
    }
    let (here, there) = sessions.split_at(sessions.len() / 2);
    std::thread::scope(|scope| {
        let beside = std::thread::Builder::new().spawn_scoped(scope, || of(there));
        let mut all = of(here);
        // A thread that cannot be had is only slower.
        let there = beside.ok().and_then(|beside| beside.join().ok()).unwrap_or_else(|| of(there));
        all.extend(there);
        all
    })
}

impl Session {
    /// When the access token that it lives by expires, in seconds since the epoch; `None` where there is none that is good.
    #[must_use]
    pub fn expires_on(&self, app: &App) -> Option<i64> {
        View::of(app).look(self, |found| found.expires_on)
    }

    /// Whether the token that it lives by is missing or due.
    #[must_use]
    pub fn is_due(&self, app: &App) -> bool {
        View::of(app).look(self, |found| found.is_due(app.context.now(), app.settings.window())).unwrap_or(true)
    }
}

/// What all sessions are looked at with.
struct View<'a> {
    app: &'a App,
    text: Zeroizing<Vec<u8>>,
    /// Whether something is sealed of any config directory.
    is_sealed: bool,
}

impl<'a> View<'a> {
    fn of(app: &'a App) -> Self {
        Self { app, text: Zeroizing::default(), is_sealed: !vault::ids_beside(&app.context.azward_home).is_empty() }
    }

    fn seen(&mut self, session: &Session) -> Seen {
        let state = session.state(&self.app.context);
        let expires_on = if state == State::Active { self.look(session, |found| found.expires_on) } else { None };
        Seen { state, expires_on }
    }

    /// Looks at the token that a session lives by.
    fn look<T>(&mut self, session: &Session, look: impl Fn(CachedToken<'_>) -> T) -> Option<T> {
        let Self { app, text, is_sealed } = self;
        let wanted = session.token_key()?;
        let look_into = |text: &str| {
            let cache = TokenCache::parse(text).ok()?;
            let account = wanted.account(&cache).ok()??;
            wanted.find(&cache, &account, app.context.now()).ok()?.map(&look)
        };
        let length = read_into(text, &session.directory(&app.context).join("msal_token_cache.json")).ok()?;
        let text = std::str::from_utf8(&text[..length]).ok()?;
        let in_seal = || {
            let config_dir = session.config_dir(&app.context);
            CredentialStore::new(app, &config_dir).with_sealed(text).and_then(|whole| look_into(&whole))
        };
        look_into(text).or_else(|| is_sealed.then(in_seal).flatten())
    }
}

/// Reads a file into a buffer that serves for many, and says how much of that it is. The heap wipes what growing leaves behind.
fn read_into(buffer: &mut Vec<u8>, path: &Path) -> io::Result<usize> {
    let mut file = File::open(path)?;
    let mut length = 0;
    loop {
        if length == buffer.len() {
            buffer.resize(USUAL.max(2 * length), 0);
        }
        match file.read(&mut buffer[length..]) {
            Ok(0) => return Ok(length),
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
