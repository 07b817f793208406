//! The one way to an access token, for whoever hands one out or has az use one: out of the cache if it is not due, else
//! single flight, what another directory of the login has, redeem, commit. What is left to the real az, because only that
//! can speak to the endpoint as az does, is told; and whatever goes wrong, the old token stays where it is.

use std::borrow::Cow;
use std::path::Path;
use std::time::Instant;

use crate::app::App;
use crate::azure::command::Group;
use crate::azure::{Owner, real_az};
use crate::credentials::CredentialFile;
use crate::credentials::msal::TokenCache;
use crate::failure::{Kind, Result};
use crate::home;
use crate::journal::{Action, Event};
use crate::store::{CredentialStore, is_covered};
use crate::sys;
use crate::tokens::access_token::{AccessToken, CachedToken};
use crate::tokens::budget::{Budget, Patience};
use crate::tokens::entra::Manner;
use crate::tokens::principal::account_of;
use crate::tokens::redeem::{Redeemed, redeem};
use crate::tokens::renewal::Renewal;
use crate::tokens::single_flight::{Flight, az_failed_at, backs_off_from_az};
use crate::tokens::take_over::take_over;
use crate::tokens::{TokenKey, Who, source};

/// The access tokens of one config directory.
#[derive(Debug)]
pub struct Tokens<'a> {
    /// Its cache and vault.
    pub store: &'a CredentialStore<'a>,
    /// The real az, whose trust and way to the endpoint are ours; looked for when it is needed where nobody knows it yet.
    pub real_az: Option<&'a Path>,
    /// The command that they are for.
    pub command: &'a Group,
}

/// When a token is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renew {
    /// When it is due, and when there is none: for who hands it out.
    IfDueOrMissing,
    /// When it is due; one that is not there is az's to get: for who keeps it fresh while az runs.
    IfDue,
    /// When every one that would serve is due or has expired, or it is not known which refresh token is good: for who is
    /// about to start an az.
    IfAllAreDue,
    /// Whatever the old one has left: for who was granted something since.
    Now,
    /// Not at all: for who has asked already, and looks whether somebody else got one.
    Never,
}

impl Renew {
    /// Whether it is called for where the token at hand `is_due`, `None` where there is none, and `are_all_due` says of all that
    /// would serve whether they are.
    pub(super) fn is_called_for(self, is_due: Option<bool>, are_all_due: impl FnOnce() -> bool) -> bool {
        match self {
            Self::IfDueOrMissing => is_due.unwrap_or(true),
            Self::IfDue => is_due.unwrap_or(false),
            Self::IfAllAreDue => are_all_due(),
            Self::Now => true,
            Self::Never => false,
        }
    }
}

/// What became of it.
#[derive(Debug)]
pub enum Acquired {
    /// The cache has one that is not due.
    Cached(AccessToken),
    /// There is a fresh one in the cache, by us or by somebody else.
    Fresh(AccessToken),
    /// There is no newer one, and no reason to ask another way: the old one serves, if there is one that is still good.
    Denied(Option<AccessToken>),
    /// It is the real az's to get: this authority, or this environment, is for az to speak to.
    LeftToAz,
}

/// What a renewal came to.
#[derive(Debug)]
pub enum Renewed {
    /// There is a fresh one in the cache.
    Fresh,
    /// There is none, for this reason.
    Denied(String),
    /// There is none, for this reason, and only a person who signs in changes that.
    Refused(String),
    /// It is the real az's to get.
    LeftToAz,
}

impl Tokens<'_> {
    /// Acquires the token `wanted`.
    #[must_use]
    pub fn acquire(&self, wanted: &TokenKey, renew: Renew) -> Acquired {
        if wanted.who == Who::ManagedIdentity {
            return self.acquire_of_identity(wanted, renew);
        }
        let Ok(text) = self.store.read_settled() else { return Acquired::Denied(None) };
        let Ok(cache) = TokenCache::parse(&text) else { return Acquired::Denied(None) };
        self.acquire_from(&cache, wanted, renew)
    }

    /// The same, for who has read the cache.
    #[must_use]
    pub fn acquire_from(&self, cache: &TokenCache<'_>, wanted: &TokenKey, renew: Renew) -> Acquired {
        if wanted.who == Who::ManagedIdentity {
            return self.acquire_of_identity(wanted, renew);
        }
        let (now, window) = (self.store.app.context.now(), self.store.app.settings.window());
        let Ok(Some(account)) = account_of(self.store, cache, wanted) else { return Acquired::Denied(None) };
        let Ok(serving) = wanted.serving(cache, &account) else { return Acquired::Denied(None) };
        let found = serving.first(now);
        let is_due = found.map(|found| found.is_due(now, window));
        let are_all = || serving.are_due(now, window) || source::is_uncertain(self.store, wanted);
        let is_to_be_renewed = renew.is_called_for(is_due, are_all);
        let token = |found: CachedToken<'_>| found.to_token(now, window);
        if !is_to_be_renewed {
            return found.map(token).map_or(Acquired::Denied(None), Acquired::Cached);
        }
        let budget = match (renew, &found) {
            (Renew::IfDue, _) => Budget::beside_a_run(),
            (Renew::Now, _) | (_, None) => Budget::of(Patience::AsForAz),
            (_, Some(_)) => Budget::of(Patience::Second),
        };
        match self.renew_within(wanted, renew, &budget) {
            Renewed::Fresh => self.read_anew(wanted, &account).map_or(Acquired::Denied(None), Acquired::Fresh),
            Renewed::Denied(_) | Renewed::Refused(_) => Acquired::Denied(found.map(token)),
            Renewed::LeftToAz => Acquired::LeftToAz,
        }
    }

    /// The right to have the real az renew what was left to it; `None` where somebody else does it, or did meanwhile.
    #[must_use]
    pub fn hand_to_az(&self, wanted: &TokenKey) -> Option<Flight> {
        let flight = Flight::enter_first(self.store, wanted, &Budget::for_an_az()).ok()?;
        if self.is_taken_over(wanted).is_ok_and(|is_taken_over| is_taken_over) {
            return None;
        }
        let text = self.store.read_settled().ok()?;
        let App { context, settings, .. } = self.store.app;
        let due = wanted.due(&TokenCache::parse(&text).ok()?, context.now(), settings.window());
        due.ok()?.map(|_| flight)
    }

    /// Whether there is one that az would still serve.
    #[must_use]
    pub fn has_usable(&self, wanted: &TokenKey) -> bool {
        let Ok(text) = self.store.read_settled() else { return false };
        let Ok(cache) = TokenCache::parse(&text) else { return false };
        let Ok(Some(account)) = wanted.account(&cache) else { return false };
        wanted.find(&cache, &account, self.store.app.context.now()).is_ok_and(|found| found.is_some())
    }

    /// Notes that an az which was to hand it out has failed.
    pub fn note_failed_az(&self, wanted: &TokenKey) {
        if let Ok(flight) = Flight::enter_first(self.store, wanted, &Budget::of(Patience::Second)) {
            flight.note_failed_az(self.store.app.context.now());
        }
    }

    /// Whether an az that was to hand it out has failed since then: another that does writes nothing either.
    #[must_use]
    pub fn has_az_failed_since(&self, wanted: &TokenKey, time: i64) -> bool {
        (time..=self.store.app.context.now()).contains(&az_failed_at(self.store, wanted))
    }

    /// Renews it, if it is still due or missing when it is our turn, or is to be new now; for who waits for that and for
    /// nothing else.
    #[must_use]
    pub fn renew(&self, wanted: &TokenKey, renew: Renew) -> Renewed {
        if wanted.who == Who::ManagedIdentity {
            return self.renew_of_identity(wanted, renew, &Budget::of_a_person());
        }
        self.renew_within(wanted, renew, &Budget::of_a_person())
    }

    fn renew_within(&self, wanted: &TokenKey, renew: Renew, budget: &Budget) -> Renewed {
        // In a private mount az renews the token where the run above finds it.
        if is_covered(self.store.cache.path()) || !source::may_be_redeemed(self.store, wanted) {
            return Renewed::LeftToAz;
        }
        let context = &self.store.app.context;
        // The key is about to be read.
        home::close_files(context);
        let real_az = self.real_az.map_or_else(
            // One that cannot be found trusts nothing, and so renews nothing.
            || Cow::Owned(real_az::find(context, &self.store.app.settings, &[]).unwrap_or_default()),
            Cow::Borrowed,
        );
        let renewal = Renewal { context, real_az: &real_az };
        let Ok(manner) = renewal.manner(&wanted.authority) else {
            return match backs_off_from_az(self.store, wanted) {
                true => Renewed::Denied("the real az could not renew it a moment ago".to_owned()),
                false => Renewed::LeftToAz,
            };
        };
        let began = Instant::now();
        match self.fly(wanted, renew, &manner, budget) {
            Ok(None | Some(Redeemed::Overtaken)) => Renewed::Fresh,
            Ok(Some(Redeemed::Granted)) => {
                self.note(wanted, "renewed", began);
                Renewed::Fresh
            }
            Ok(Some(Redeemed::LeftToAz(why))) => {
                renewal.remember(&wanted.authority, &manner, &why);
                self.note(wanted, why, began);
                Renewed::LeftToAz
            }
            Ok(Some(Redeemed::Denied(why))) => {
                self.note(wanted, why.as_str(), began);
                Renewed::Denied(why)
            }
            Ok(Some(Redeemed::Refused(why))) => {
                self.note(wanted, why.as_str(), began);
                Renewed::Refused(why)
            }
            Err(failure) => {
                if failure.kind != Kind::Interrupted {
                    self.note(wanted, failure.what.as_str(), began);
                }
                Renewed::Denied(failure.what)
            }
        }
    }

    /// `None` when somebody else did it while we waited for our turn, else what became of our own request.
    fn fly(&self, wanted: &TokenKey, renew: Renew, manner: &Manner, budget: &Budget) -> Result<Option<Redeemed>> {
        if self.store.vault.exists() {
            self.store.prepare_vault()?;
        }
        let flight = Flight::enter(self.store, wanted, budget)?;
        let may_do_without = || renew != Renew::Now && !source::is_uncertain(self.store, wanted);
        if may_do_without() && (!self.is_needed(wanted)? || self.is_taken_over(wanted)?) {
            return Ok(None);
        }
        let is_there = || may_do_without() && self.is_needed(wanted).is_ok_and(|is_needed| !is_needed);
        let redeemed = redeem(self.store, wanted, manner, &flight, budget, &is_there)?;
        if flight.is_second() && !matches!(redeemed, Redeemed::Granted | Redeemed::Overtaken) {
            // The first one may have been granted what this one was denied for that.
            drop(flight);
            drop(Flight::enter_first(self.store, wanted, budget)?);
            return Ok(if self.is_needed(wanted)? { Some(redeemed) } else { None });
        }
        Ok(Some(redeemed))
    }

    /// Whether another directory of the login has had one, and it serves here now.
    fn is_taken_over(&self, wanted: &TokenKey) -> Result<bool> {
        Ok(take_over(self.store, wanted)? && !self.is_needed(wanted)?)
    }

    /// Whether the cache has no token that serves and is not due.
    fn is_needed(&self, wanted: &TokenKey) -> Result<bool> {
        let text = self.store.read_settled()?;
        let cache = TokenCache::parse(&text)?;
        let now = self.store.app.context.now();
        let Some(account) = wanted.account(&cache)? else { return Ok(true) };
        let window = self.store.app.settings.window();
        Ok(wanted.find(&cache, &account, now)?.is_none_or(|found| found.is_due(now, window)))
    }

    fn read_anew(&self, wanted: &TokenKey, account: &Owner) -> Option<AccessToken> {
        let text = self.store.read_settled().ok()?;
        let now = self.store.app.context.now();
        let found = wanted.find(&TokenCache::parse(&text).ok()?, account, now).ok()??;
        Some(found.to_token(now, self.store.app.settings.window()))
    }

    /// Notes in the journal what became of a renewal.
    pub fn note(&self, wanted: &TokenKey, outcome: impl Into<String>, began: Instant) {
        let mut event = Event::new(self.store.app.context.now(), Action::Rotation, outcome);
        event.command = Some(self.command.to_string());
        event.account = Some(wanted.username.clone());
        event.tenant = Some(wanted.tenant.clone());
        event.scope = Some(wanted.scope.clone());
        event.milliseconds = u64::try_from(began.elapsed().as_millis()).ok();
        event.caller = sys::process_name(sys::parent_id());
        self.store.app.journal.record(&event);
    }
}
