//! The native answer to `az account get-access-token`: only where account, cloud, tenant, scope string and settings are all
//! those that the real az would use, and then byte for byte what it prints (azure-cli-core 2.91.0, `_profile.py`,
//! `get_raw_token`), which that very az was found to print (`trial.rs`). A token that is due is
//! rotated first. In every doubt: no answer, and a run.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use azward::app::App;
use azward::azure::clouds::Cloud;
use azward::azure::command::Group;
use azward::azure::ini::Ini;
use azward::azure::known_az::{KnownAz, Shape, Standing, Subject};
use azward::azure::output::{Map, Value};
use azward::azure::profile::Subscription;
use azward::azure::{Command, ConfigDir, TokenStorage};
use azward::credentials::CredentialFile;
use azward::credentials::msal::TokenCache;
use azward::journal::{Action, Event};
use azward::store::CredentialStore;
use azward::sys;
use azward::tokens::access_token::AccessToken;
use azward::tokens::{Acquired, Renew, TokenKey, Tokens, Who};
use azward::ui;
use zeroize::Zeroizing;

use super::form::Form;

/// Whether the time at which a token expires is said as a number too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExpiresOn {
    Said,
    NotSaid,
}

/// One answer to one command line.
pub(crate) struct Answer<'a> {
    app: &'a App,
    config_dir: &'a ConfigDir,
    command: &'a Group,
    /// As it was given to `--tenant`.
    tenant: Option<&'a str>,
    form: Form<'a>,
    /// What is asked for less than the whole, and how it is written; nothing for the whole.
    part: Option<String>,
    expires_on: ExpiresOn,
    wanted: TokenKey,
    subscription: Subscription,
}

/// What became of the attempt to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// It is on stdout.
    Yes,
    /// Not: it is for the real az to say.
    No,
    /// Not: there is no token, and the endpoint was asked for one already, or is not to be asked.
    InVain,
}

/// Answers on stdout, if this is a command line, an environment and a login that azward understands, and there is a token or is
/// one to be had by `renew`, and `az` was found to say the same.
pub(crate) fn answer(
    app: &App,
    config_dir: &ConfigDir,
    command: &Command<'_>,
    az: &KnownAz<'_>,
    renew: Renew,
) -> Answered {
    let began = Instant::now();
    let Some(answer) = Answer::of(app, config_dir, command, az) else { return Answered::No };
    if az.standing(answer.subject(), answer.shape()) != Standing::Agreed {
        return Answered::No;
    }
    let store = CredentialStore::new(app, config_dir);
    let text = match answer.text(&store, renew) {
        Ok(text) => text,
        Err(answered) => return answered,
    };
    // What az says where nobody reads, or where there is no room, az says best itself.
    let is_written = ui::answer(text.as_bytes()).is_ok();
    answer.note(if is_written { "answered" } else { "left to az: the answer could not be written" }, began);
    if is_written { Answered::Yes } else { Answered::No }
}

impl<'a> Answer<'a> {
    /// What is asked for; `None` when it is for the real az to say.
    pub(crate) fn of(
        app: &'a App,
        config_dir: &'a ConfigDir,
        command: &'a Command<'_>,
        az: &KnownAz<'_>,
    ) -> Option<Self> {
        let context = &app.context;
        let request = command.token_request()?;
        if az.version().is_some_and(|version| !version.keeps_an_msal_cache())
            || (request.is_by_name && !az.takes_name())
        {
            return None;
        }
        let config = Ini::read(&config_dir.path().join("config"))?;
        if !TokenStorage::by(context, &app.settings, config_dir, &config).is_file() {
            return None;
        }
        let form = Form::of(context, &config, request.output.as_deref(), request.query.as_ref())?;
        let cloud = Cloud::active_by(context, config_dir, &config)?;
        let (wanted, subscription) = TokenKey::requested(context, config_dir, &cloud, request)?;
        let tenant = request.tenant.as_deref().filter(|tenant| !tenant.is_empty());
        let (command, part) = (command.group(), form.part());
        let expires_on = match az.says_expires_on() {
            Some(false) => ExpiresOn::NotSaid,
            // Where it is not known, both are tried.
            Some(true) | None => ExpiresOn::Said,
        };
        let answer = Self { app, config_dir, command, tenant, form, part, expires_on, wanted, subscription };
        // What comes of a query for what is not there is az's to say; no token is asked for to find that out.
        let finds_all = form.finds_all(&answer.value("", "", 0, expires_on));
        finds_all.then_some(answer)
    }

    /// What it is about.
    pub(crate) fn subject(&self) -> Subject {
        if self.wanted.who == Who::ManagedIdentity { Subject::IdentityToken } else { Subject::Token }
    }

    /// How much it says.
    pub(crate) fn shape(&self) -> Shape<'_> {
        self.part.as_deref().map_or(Shape::Whole, Shape::Part)
    }

    /// The token that the cache has for it, due or not; of a managed identity, of which az keeps none, the one that its endpoint gives
    /// now: that keeps what it gave az.
    pub(crate) fn cached_token(&self) -> Option<AccessToken> {
        let store = CredentialStore::new(self.app, self.config_dir);
        if self.wanted.who == Who::ManagedIdentity {
            let tokens = Tokens { store: &store, real_az: None, command: self.command };
            return match tokens.acquire(&self.wanted, Renew::IfDueOrMissing) {
                Acquired::Cached(token) | Acquired::Fresh(token) => Some(token),
                _ => None,
            };
        }
        let text = store.read_settled().ok()?;
        let tokens = Tokens { store: &store, real_az: None, command: self.command };
        match tokens.acquire_from(&TokenCache::parse(&text).ok()?, &self.wanted, Renew::Never) {
            Acquired::Cached(token) => Some(token),
            _ => None,
        }
    }

    /// What can have been said of a token, in the last few seconds.
    pub(crate) fn candidates(&self, token: &AccessToken, form: ExpiresOn) -> Vec<Zeroizing<String>> {
        SHIFTS.filter_map(|shift| self.said(&token.secret, token.expires_on + shift, form)).collect()
    }

    /// The bytes to print; why not, when there is no token to be had without the real az.
    fn text(&self, store: &CredentialStore<'_>, renew: Renew) -> Result<Zeroizing<String>, Answered> {
        let no = |_| Answered::No;
        // Given back to the heap, which wipes it in one go: its own way is a byte at a time, twice, and a cache can be large.
        let text = std::mem::take(&mut *store.read_cache().map_err(no)?.unwrap_or_default());
        match TokenCache::parse(&text) {
            // An az that has signed in nobody else has no cache.
            Ok(cache) if !text.is_empty() || self.wanted.who == Who::ManagedIdentity => {
                self.text_from(&cache, store, renew)
            }
            // Somebody may be writing it at this moment, or it was in memory when the power went.
            _ => {
                store.bring_back_lost();
                let text = store.read_settled().map_err(no)?;
                self.text_from(&TokenCache::parse(&text).map_err(no)?, store, renew)
            }
        }
    }

    fn text_from(
        &self,
        cache: &TokenCache<'_>,
        store: &CredentialStore<'_>,
        renew: Renew,
    ) -> Result<Zeroizing<String>, Answered> {
        if (cache.has_refresh_token().map_err(|_| Answered::No)?
            || store.cache.has_leftover()
            || store.has_clear_principals()
            || store.is_to_be_put_at_rest())
            && let Err(failure) = store.sweep()
        {
            self.app.journal.warn(self.app.context.now(), &failure);
        }
        let tokens = Tokens { store, real_az: None, command: self.command };
        let acquired = tokens.acquire_from(cache, &self.wanted, renew);
        // It waited for its answer and not for this.
        if let Some(signal) = sys::pending_signal() {
            sys::die_of(signal);
        }
        match acquired {
            // Refused or unreachable: the old token serves while it is good; after that az itself explains.
            Acquired::Cached(token) | Acquired::Fresh(token) | Acquired::Denied(Some(token)) => {
                self.print(&token).ok_or(Answered::No)
            }
            Acquired::Denied(None) => Err(Answered::InVain),
            Acquired::LeftToAz => Err(Answered::No),
        }
    }

    /// The bytes; `None` where nobody can tell the local time.
    fn print(&self, token: &AccessToken) -> Option<Zeroizing<String>> {
        // az adds the whole seconds that are left to the whole seconds that it is. Of an endpoint it has them as such.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let is_begun = now.subsec_nanos() > 0 && self.wanted.who != Who::ManagedIdentity;
        let expires_on = token.expires_on - i64::from(is_begun);
        self.said(&token.secret, expires_on, self.expires_on)
    }

    fn said(&self, secret: &str, expires_on: i64, number: ExpiresOn) -> Option<Zeroizing<String>> {
        let local = sys::local_time(expires_on)?.format("%Y-%m-%d %H:%M:%S.000000").to_string();
        // It is a plain string, in its quotes.
        self.form.print(&self.value(secret.trim_matches('"'), &local, expires_on, number))
    }

    /// What the command results in. `subscription` is left out with `--tenant`.
    fn value<'v>(&'v self, secret: &'v str, local: &'v str, expires_on: i64, number: ExpiresOn) -> Value<'v> {
        let tenant = self.tenant.unwrap_or(&self.subscription.tenant_id);
        let subscription = self.tenant.is_none().then(|| ("subscription".into(), Value::text(&*self.subscription.id)));
        let expires_on = (number == ExpiresOn::Said).then(|| ("expires_on".into(), Value::Number(expires_on)));
        let first = [("accessToken".into(), Value::text(secret)), ("expiresOn".into(), Value::text(local))];
        let last = [("tenant".into(), Value::text(tenant)), ("tokenType".into(), Value::text("Bearer"))];
        Value::Map(Map::of(first.into_iter().chain(expires_on).chain(subscription).chain(last).collect()))
    }

    fn note(&self, outcome: &str, began: Instant) {
        let mut event = Event::new(self.app.context.now(), Action::Answer, outcome);
        event.command = Some(self.command.to_string());
        event.account = Some(self.wanted.username.clone());
        event.tenant = Some(self.wanted.tenant.clone());
        event.scope = Some(self.wanted.scope.clone());
        event.caller = sys::process_name(sys::parent_id());
        event.milliseconds = u64::try_from(began.elapsed().as_millis()).ok();
        self.app.journal.record(&event);
    }
}

/// By how many seconds what az says may differ from when the cache has the token expire: it adds what is left, in whole seconds,
/// to the time; of a token that it has just got, the whole lifetime to when it prints it.
const SHIFTS: std::ops::RangeInclusive<i64> = -1..=2;
