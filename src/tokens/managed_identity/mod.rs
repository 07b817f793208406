//! Managed identities: az keeps nothing of them, and asks the machine's endpoint anew for each token. Here that is asked as az does
//! (`endpoint`, `client`, `arc`), by one caller at a time, and what it grants is kept, sealed (`kept`), until it is due as every token is. The
//! endpoint keeps tokens too, so that a new one may well be the old one.
//!
//! Where it grants nothing the old token serves while az would still serve it; who has none is az's to tell.

mod arc;
mod client;
mod endpoint;
mod kept;

use std::time::{Duration, Instant};

pub use client::read_identity_answers;
pub(crate) use endpoint::Endpoint;

use client::Granted;

use crate::azure::HttpsUrl;
use crate::azure::clouds::Cloud;
use crate::azure::managed_identity::ManagedIdentity;
use crate::azure::profile::{Profile, Subscription};
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::home;
use crate::store::CredentialStore;
use crate::sys;
use crate::tokens::access_token::{AccessToken, CachedToken, USELESS};
use crate::tokens::budget::{Budget, Patience};
use crate::tokens::entra::{Reason, TokenError};
use crate::tokens::single_flight::Flight;
use crate::tokens::{Acquired, Renew, Renewed, TokenKey, Tokens, Who};
use crate::wait::{self, Unheard};

/// How long the endpoint is waited for: it is on this machine, or next to it.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long an answer may take that was on its way when a signal came.
const GRACE_AFTER_SIGNAL: Duration = Duration::from_secs(1);

/// What az takes off a scope to get the resource (azure-cli-core 2.91.0, `auth/util.py`, `scopes_to_resource`).
const SUFFIXES: [&str; 2] = ["/.default", "/user_impersonation"];

/// What became of a request.
enum Asked {
    /// There is this one, by us or by somebody else, and whether it is kept.
    Fresh(AccessToken, Option<Failure>),
    /// There is none.
    Denied(String),
    /// It is the real az's to get.
    LeftToAz,
}

impl TokenKey {
    /// The token of a managed identity, as [`TokenKey::of`] has those of others. Of a tenant az takes the subscription's and no other,
    /// letter by letter.
    pub(super) fn of_identity(
        context: &Context,
        authority: &HttpsUrl,
        subscription: &Subscription,
        tenant: Option<&str>,
        scope: String,
    ) -> Option<Self> {
        let identity = ManagedIdentity::of(&subscription.user)?;
        if tenant.is_some_and(|tenant| tenant != subscription.tenant_id) || resource(&scope).is_empty() {
            return None;
        }
        let endpoint = Endpoint::of(context, &identity).ok()?;
        Some(Self {
            who: Who::ManagedIdentity,
            username: identity.info(),
            tenant: subscription.tenant_id.to_lowercase(),
            authority: authority.clone(),
            environment: endpoint.mark(),
            scope,
        })
    }
}

impl Tokens<'_> {
    /// See [`Tokens::acquire`].
    pub(super) fn acquire_of_identity(&self, wanted: &TokenKey, renew: Renew) -> Acquired {
        let (now, window) = (self.store.app.context.now(), self.store.app.settings.window());
        let text = kept::open(self.store);
        let found =
            text.as_deref().and_then(|text| kept::find(text, wanted)).filter(|found| found.left(now) >= USELESS);
        let is_due = found.map(|found| found.is_due(now, window));
        // No other one would serve.
        let is_to_be_renewed = renew.is_called_for(is_due, || is_due.unwrap_or(false));
        let token = |found: CachedToken<'_>| found.to_token(now, window);
        if !is_to_be_renewed {
            return found.map(token).map_or(Acquired::Denied(None), Acquired::Cached);
        }
        let budget = match (renew, &found) {
            (Renew::Now, _) | (_, None) => Budget::of(Patience::AsForAz),
            (_, Some(_)) => Budget::of(Patience::Second),
        };
        match self.ask_endpoint(wanted, renew, &budget) {
            Asked::Fresh(fresh, _) => Acquired::Fresh(fresh),
            Asked::Denied(_) => Acquired::Denied(found.map(token)),
            Asked::LeftToAz => found.map(token).map_or(Acquired::LeftToAz, |token| Acquired::Denied(Some(token))),
        }
    }

    /// See [`Tokens::renew`]. One that cannot be kept is az's to get: it would not be there for whoever looks for it.
    pub(super) fn renew_of_identity(&self, wanted: &TokenKey, renew: Renew, budget: &Budget) -> Renewed {
        match self.ask_endpoint(wanted, renew, budget) {
            Asked::Fresh(_, None) => Renewed::Fresh,
            Asked::Fresh(_, Some(_)) | Asked::LeftToAz => Renewed::LeftToAz,
            Asked::Denied(why) => Renewed::Denied(why),
        }
    }

    fn ask_endpoint(&self, wanted: &TokenKey, renew: Renew, budget: &Budget) -> Asked {
        let began = Instant::now();
        match self.fly_to_endpoint(wanted, renew, budget, began) {
            Ok(asked) => asked,
            Err(failure) => {
                if failure.kind != Kind::Interrupted {
                    self.note(wanted, failure.what.as_str(), began);
                }
                Asked::Denied(failure.what)
            }
        }
    }

    fn fly_to_endpoint(&self, wanted: &TokenKey, renew: Renew, budget: &Budget, began: Instant) -> Result<Asked> {
        let context = &self.store.app.context;
        let Some(identity) = ManagedIdentity::named(&wanted.username) else { return Ok(Asked::LeftToAz) };
        let endpoint = Endpoint::of(context, &identity).ok().filter(|endpoint| endpoint.mark() == wanted.environment);
        let Some(endpoint) = endpoint else { return Ok(Asked::LeftToAz) };
        // The key is about to be read, and perhaps made.
        home::close_files(context);
        let flight = Flight::enter_first(self.store, wanted, budget)?;
        let window = self.store.app.settings.window();
        if renew != Renew::Now
            && let Some(text) = kept::open(self.store)
            && let Some(found) = kept::find(&text, wanted).filter(|found| !found.is_due(context.now(), window))
        {
            return Ok(Asked::Fresh(found.to_token(context.now(), window), None));
        }
        let source = crate::secret::fingerprint(wanted.environment.as_bytes());
        if !budget.is_a_person_s() && flight.backs_off(&source, context.now(), budget.patience) {
            return Ok(Asked::Denied("not asked: the same request was denied a moment ago".to_owned()));
        }
        flight.expect_silence(&source, context.now(), budget.patience);
        let look = kept::look(self.store);
        let answer = ask(context, endpoint, identity, resource(&wanted.scope), budget);
        let TokenError { what, retry_after, reason } = match answer {
            Ok(granted) => {
                flight.clear();
                return Ok(self.keep(wanted, &granted, look.as_deref(), began));
            }
            Err(Unanswered::Interrupted) => {
                flight.clear();
                return Err(wait::interrupted("the instance endpoint"));
            }
            Err(Unanswered::Denied(error)) => error,
        };
        match reason {
            Reason::Silent => flight.back_off_from_silence(&source, context.now(), budget.patience),
            _ => flight.back_off(&source, context.now(), retry_after),
        }
        self.note(wanted, what.as_str(), began);
        Ok(Asked::Denied(what))
    }

    fn keep(&self, wanted: &TokenKey, granted: &Granted, look: Option<&str>, began: Instant) -> Asked {
        let (now, window) = (self.store.app.context.now(), self.store.app.settings.window());
        let kept = kept::keep(self.store, wanted, granted, look, now);
        self.note(wanted, kept.as_ref().map_or_else(|failure| failure.what.clone(), |()| "renewed".to_owned()), began);
        let token = CachedToken {
            secret: granted.secret.expose_text(),
            expires_on: granted.expires_on,
            refresh_on: None,
            cached_at: now,
        };
        Asked::Fresh(token.to_token(now, window), kept.err())
    }
}

/// The tokens that are kept of the identity that commands use, each as it was asked for.
#[must_use]
pub(super) fn held(store: &CredentialStore<'_>, cloud: &Cloud) -> Vec<TokenKey> {
    let profile = Profile::read(&store.config_dir.profile());
    let key = |scope: String| {
        let subscription = profile.default_subscription(&cloud.name)?;
        TokenKey::of(&store.app.context, cloud, subscription, None, scope)
            .filter(|wanted| wanted.who == Who::ManagedIdentity)
    };
    let Some(any) = cloud.resource_manager_scope().and_then(key) else { return Vec::new() };
    let Some(text) = kept::open(store) else { return Vec::new() };
    let scopes = kept::scopes(&text, &any.username, &any.tenant, &any.environment);
    scopes.into_iter().filter_map(key).collect()
}

/// Drops the token for `wanted`, and says whether there was one.
///
/// # Errors
/// Whatever kept it from being dropped.
pub(super) fn drop_held(store: &CredentialStore<'_>, wanted: &TokenKey) -> Result<bool> {
    kept::drop_one(store, wanted)
}

/// The resource of a scope, as az asks for it.
fn resource(scope: &str) -> &str {
    SUFFIXES.iter().find_map(|suffix| scope.strip_suffix(suffix)).unwrap_or(scope)
}

/// Why the endpoint said nothing of use.
enum Unanswered {
    Interrupted,
    Denied(TokenError),
}

/// Asks the endpoint, on a thread that a signal does not interrupt.
fn ask(
    context: &Context,
    endpoint: Endpoint,
    identity: ManagedIdentity,
    resource: &str,
    budget: &Budget,
) -> std::result::Result<Granted, Unanswered> {
    sys::take_signals();
    let deadline = budget.left().min(LONGEST_WAIT);
    let (context, resource) = (context.clone(), resource.to_owned());
    let ask = move || client::ask(&context.helper, &endpoint, &identity, &resource, deadline, || context.now());
    match wait::for_work("managed identity", deadline, GRACE_AFTER_SIGNAL, ask) {
        Ok(answer) => answer.map_err(Unanswered::Denied),
        Err(Unheard::Late) => Err(Unanswered::Denied(TokenError::silent())),
        Err(Unheard::Interrupted) => Err(Unanswered::Interrupted),
        Err(Unheard::Lost | Unheard::Overtaken) => {
            Err(Unanswered::Denied(TokenError::unreachable("the instance endpoint could not be asked")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resource_is_what_az_makes_of_a_scope() {
        for (scope, expected) in [
            ("https://management.core.windows.net//.default", "https://management.core.windows.net/"),
            ("https://vault.azure.net/.default", "https://vault.azure.net"),
            ("https://vault.azure.net/user_impersonation", "https://vault.azure.net"),
            ("https://vault.azure.net/other", "https://vault.azure.net/other"),
            ("/.default", ""),
        ] {
            assert_eq!(resource(scope), expected, "{scope}");
        }
    }
}
