//! Redeem: what there is to redeem for a token goes to the endpoint, one source after the other where one is refused and
//! there is another, and what is granted is committed. A refresh token goes from the vault to the endpoint and never
//! touches a file. Whatever goes wrong, the old token stays where it is.

use std::sync::Arc;
use std::time::Duration;

use crate::failure::Result;
use crate::store::CredentialStore;
use crate::sys;
use crate::tokens::TokenKey;
use crate::tokens::commit::commit;
use crate::tokens::entra::{Client, Granted, Manner, Reason, TokenError};
use crate::tokens::single_flight::Flight;
use crate::tokens::source::TokenSource;
use crate::wait::{self, Unheard};

/// How long to wait for the endpoint at the most: longer than the client does.
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);

/// How long an answer may take that was on its way when a signal came: a refresh token in it may be the only one.
const GRACE_AFTER_SIGNAL: Duration = Duration::from_secs(2);

/// How many sources are tried for one token.
const ATTEMPTS: usize = 4;

/// What became of a request.
#[derive(Debug)]
pub(super) enum Redeemed {
    /// There is a fresh token in the cache.
    Granted,
    /// There is none, for this reason, and none to be had another way.
    Denied(String),
    /// This endpoint is, for this reason, the real az's to speak to.
    LeftToAz(String),
}

/// Asks for `wanted`. The caller has the right to.
///
/// # Errors
/// `Interrupted` when a signal came and no answer soon after it; whatever kept a source from being read, or what was
/// granted from being stored.
pub(super) fn redeem(
    store: &CredentialStore<'_>,
    wanted: &TokenKey,
    manner: &Manner,
    flight: &Flight,
) -> Result<Redeemed> {
    let denied = |outcome: &str| Ok(Redeemed::Denied(outcome.to_owned()));
    let Some(mut source) = TokenSource::all(store, wanted)?.into_iter().next() else {
        return denied("the vault has no refresh token for this account");
    };
    if flight.backs_off(&source.fingerprint(), store.app.context.now()) {
        return denied("not asked: the same request was denied a moment ago");
    }
    let client = match Client::of(&store.app.context, manner) {
        Ok(client) => Arc::new(client),
        Err(token_error) => return Ok(Redeemed::LeftToAz(token_error.what)),
    };
    let mut refused = Vec::new();
    loop {
        let TokenError { what, retry_after, reason } = match ask(&client, wanted, &source)? {
            Ok(granted) => {
                commit(store, wanted, &source, &granted)?;
                return Ok(Redeemed::Granted);
            }
            Err(TokenError { what, reason: Reason::LeftToAz, .. }) => return Ok(Redeemed::LeftToAz(what)),
            Err(token_error) => token_error,
        };
        // Where a refresh token is good for one use, a rotation for another scope may have spent this one meanwhile; and
        // where it is not known which of several is the newest, it may be another.
        refused.push(source.fingerprint());
        let current = if reason == Reason::Refused { TokenSource::all(store, wanted)? } else { Vec::new() };
        let preferred = current.first().map(TokenSource::fingerprint);
        let mut others = current.into_iter().filter(|one| !refused.contains(&one.fingerprint()));
        if refused.len() < ATTEMPTS
            && let Some(other) = others.next()
        {
            source = other;
            continue;
        }
        let denied_one = preferred.unwrap_or_else(|| refused.swap_remove(0));
        flight.back_off(&denied_one, store.app.context.now(), retry_after);
        return denied(&what);
    }
}

/// Asks the endpoint, on a thread that a signal does not interrupt. From here on signals do not end this process: whoever
/// called asks for them when it is over.
///
/// # Errors
/// `Interrupted` when a signal came and no answer soon after it.
fn ask(
    client: &Arc<Client>,
    wanted: &TokenKey,
    source: &TokenSource,
) -> Result<std::result::Result<Granted, TokenError>> {
    sys::take_signals();
    let (client, wanted) = (Arc::clone(client), wanted.clone());
    let source = source.duplicate();
    let ask = move || client.send(&source.request(&wanted, client.capability()));
    match wait::for_work("rotation", REQUEST_DEADLINE, GRACE_AFTER_SIGNAL, ask) {
        Ok(answer) => Ok(answer),
        Err(Unheard::Interrupted) => Err(wait::interrupted("the token endpoint")),
        Err(_) => Ok(Err(TokenError::unreachable("the endpoint could not be asked".to_owned()))),
    }
}
