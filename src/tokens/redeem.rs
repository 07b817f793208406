//! Redeem: what there is to redeem for a token goes to the endpoint, one source after the other where one is refused and
//! there is another, and what is granted is committed. A refresh token goes from the vault to the endpoint and never
//! touches a file. Whatever goes wrong, the old token stays where it is.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::failure::Result;
use crate::store::CredentialStore;
use crate::sys;
use crate::tokens::TokenKey;
use crate::tokens::budget::{Budget, Patience};
use crate::tokens::commit::commit;
use crate::tokens::entra::{Client, Denial, Granted, Manner, Reason, TokenError};
use crate::tokens::single_flight::Flight;
use crate::tokens::source::TokenSource;
use crate::tokens::token_key::Who;
use crate::tokens::told::tell_az;
use crate::wait::{self, Unheard};

/// How often to look whether somebody else has got the token.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long an answer may take that was on its way when a signal came: a refresh token in it may be the only one.
const GRACE_AFTER_SIGNAL: Duration = Duration::from_secs(2);

/// How often to look for what another rotation is going to store.
const STORED_PAUSE: Duration = Duration::from_millis(20);

/// How many sources are tried for one token. Where a refresh token is good for one use, each refusal means that somebody else was
/// granted something: of so many at once, in all directories of a login, each has his turn.
const ATTEMPTS: usize = 32;

/// What became of a request.
#[derive(Debug)]
pub(super) enum Redeemed {
    /// There is a fresh token in the cache.
    Granted,
    /// There is none, for this reason, and none to be had another way.
    Denied(String),
    /// The same, and only a person who signs in changes that.
    Refused(String),
    /// This endpoint is, for this reason, the real az's to speak to.
    LeftToAz(String),
    /// Somebody else has got one while we waited for the answer.
    Overtaken,
}

/// Asks for `wanted`. The caller has the right to, and says whether it is there by now when the answer does not come.
///
/// # Errors
/// `Interrupted` when a signal came and no answer soon after it; whatever kept a source from being read, or what was
/// granted from being stored.
pub(super) fn redeem(
    store: &CredentialStore<'_>,
    wanted: &TokenKey,
    manner: &Manner,
    flight: &Flight,
    budget: &Budget,
    is_there: &dyn Fn() -> bool,
) -> Result<Redeemed> {
    let denied = |outcome: &str| Ok(Redeemed::Denied(outcome.to_owned()));
    let Some(mut source) = TokenSource::all(store, wanted)?.into_iter().next() else {
        // An uninstall may have taken the vault away, and then it is not the account that is missing.
        drop(store.app.context.home_lock.enter()?);
        return Ok(Redeemed::Refused(match wanted.who {
            Who::Person => "the vault has no refresh token for this account".to_owned(),
            Who::Application => "the vault has nothing that this application signs in with".to_owned(),
            Who::ManagedIdentity => "there is nothing that a managed identity signs in with".to_owned(),
        }));
    };
    let now = || store.app.context.now();
    if flight.backs_off(&source.fingerprint(), now(), budget.patience) {
        match flight.is_refused() {
            true => return Ok(Redeemed::Refused("not asked: the same request was refused a moment ago".to_owned())),
            false if budget.is_a_person_s() => {}
            false => return denied("not asked: the same request was denied a moment ago"),
        }
    }
    let client = Arc::new(Client::of(&store.app.context, manner, budget.left() + GRACE_AFTER_SIGNAL));
    let mut refused = Vec::new();
    loop {
        flight.expect_silence(&source.fingerprint(), now(), budget.patience);
        let answer = ask(&client, wanted, &source, budget, is_there).inspect_err(|_| {
            // Who was sent a signal so soon says nothing of the endpoint.
            if !budget.is_late() {
                flight.clear();
            }
        })?;
        let Some(answer) = answer else {
            flight.clear();
            return Ok(Redeemed::Overtaken);
        };
        let Denial { error: TokenError { what, retry_after, reason }, answer } = match answer {
            Ok(granted) => {
                commit(store, wanted, &source, &granted)?;
                flight.clear();
                return Ok(Redeemed::Granted);
            }
            Err(Denial { error: TokenError { what, reason: Reason::LeftToAz, .. }, .. }) => {
                flight.clear();
                return Ok(Redeemed::LeftToAz(what));
            }
            Err(denial) => denial,
        };
        // Where a refresh token is good for one use, a rotation for another scope may have spent this one meanwhile; and
        // where it is not known which of several is the newest, it may be another.
        refused.push(source.fingerprint());
        let current = match reason {
            Reason::Refused => {
                // Noted for those who wait for one that may yet be granted something.
                flight.back_off_from_refusal(&source.fingerprint(), now(), retry_after);
                stored_by_now(store, wanted, flight, &refused, budget)?
            }
            _ => Vec::new(),
        };
        let preferred = current.first().map(TokenSource::fingerprint);
        let mut others = current.into_iter().filter(|one| !refused.contains(&one.fingerprint()));
        if refused.len() < ATTEMPTS
            && let Some(other) = others.next()
        {
            flight.clear();
            source = other;
            continue;
        }
        let denied_one = preferred.unwrap_or_else(|| refused.swap_remove(0));
        // The caller is about to start an az, which redeems that very one.
        if let Some(answer) = answer.filter(|_| budget.patience == Patience::AsForAz)
            && denied_one == source.fingerprint()
        {
            tell_az(manner.real_az(), store, &source.request(wanted, client.capability()), &answer, now());
        }
        match reason {
            Reason::Silent => flight.back_off_from_silence(&denied_one, now(), budget.patience),
            Reason::Refused => flight.back_off_from_refusal(&denied_one, now(), retry_after),
            _ => flight.back_off(&denied_one, now(), retry_after),
        }
        return if reason == Reason::Refused { Ok(Redeemed::Refused(what)) } else { denied(&what) };
    }
}

/// What there is to redeem, after these were refused. Where there is nothing else and the login's rotation for another scope is
/// under way, that may have spent the last of them and be about to store what it was granted: it is waited for.
fn stored_by_now(
    store: &CredentialStore<'_>,
    wanted: &TokenKey,
    flight: &Flight,
    refused: &[String],
    budget: &Budget,
) -> Result<Vec<TokenSource>> {
    loop {
        // Asked first: what one has stored that is not under way any more is seen.
        // What an application signs in with nobody spends.
        let is_another_under_way = wanted.who == Who::Person && flight.is_another_under_way(store, refused);
        let current = TokenSource::all(store, wanted)?;
        let is_there = current.iter().any(|source| !refused.contains(&source.fingerprint()));
        let is_over = budget.left().is_zero() || sys::pending_signal().is_some();
        if is_there || !is_another_under_way || is_over {
            return Ok(current);
        }
        std::thread::sleep(STORED_PAUSE);
    }
}

/// Asks the endpoint, on a thread that a signal does not interrupt; `None` when somebody else was answered sooner. From here
/// on signals do not end this process: whoever called asks for them when it is over.
///
/// # Errors
/// `Interrupted` when a signal came and no answer soon after it.
fn ask(
    client: &Arc<Client>,
    wanted: &TokenKey,
    source: &TokenSource,
    budget: &Budget,
    is_there: &dyn Fn() -> bool,
) -> Result<Option<std::result::Result<Granted, Denial>>> {
    sys::take_signals();
    let (client, wanted) = (Arc::clone(client), wanted.clone());
    let source = source.duplicate();
    let ask = move || client.send(&source.request(&wanted, client.capability()));
    let looked = Cell::new(Instant::now());
    let is_overtaken = || {
        let is_time = budget.is_late() && looked.get().elapsed() >= LOOK_EVERY;
        is_time && {
            looked.set(Instant::now());
            is_there()
        }
    };
    match wait::for_work_unless("rotation", budget.left(), GRACE_AFTER_SIGNAL, ask, is_overtaken) {
        Ok(answer) => Ok(Some(answer)),
        Err(Unheard::Overtaken) => Ok(None),
        Err(Unheard::Interrupted) => Err(wait::interrupted("the token endpoint")),
        Err(Unheard::Late) => Ok(Some(Err(TokenError::silent().into()))),
        Err(Unheard::Lost) => {
            Ok(Some(Err(TokenError::unreachable("the endpoint could not be asked".to_owned()).into())))
        }
    }
}
