//! The native answer to `az account get-access-token`: only where account, cloud, tenant, scope string and settings are all
//! those that the real az would use, and then byte for byte what it prints (azure-cli-core 2.91.0, `_profile.py`,
//! `get_raw_token`; knack 0.13, `output.py`), which that very az was found to print (`trial.rs`). A token that is due is
//! rotated first. In every doubt: no answer, and a run.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use azward::app::App;
use azward::azure::clouds::Cloud;
use azward::azure::command::{Group, TokenRequest};
use azward::azure::ini::Ini;
use azward::azure::known_az::{KnownAz, Shape, Standing, Subject};
use azward::azure::profile::Subscription;
use azward::azure::python_json::{Escape, quote};
use azward::azure::{Command, ConfigDir, TokenStorage};
use azward::context::Context;
use azward::credentials::CredentialFile;
use azward::credentials::msal::TokenCache;
use azward::journal::{Action, Event};
use azward::store::CredentialStore;
use azward::sys::{self, Stream};
use azward::tokens::access_token::AccessToken;
use azward::tokens::{Acquired, Renew, TokenKey, Tokens};
use azward::ui;
use zeroize::Zeroizing;

/// How the answer is to be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    Json,
    Tsv,
    Nothing,
}

/// How much of the answer is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// All of it.
    Whole,
    /// One value, by a query.
    Value,
}

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
    request: TokenRequest,
    output: Output,
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
    if az.standing(Subject::Token, answer.shape()) != Standing::Agreed {
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
        // az warns of a working directory that is no more.
        if context.directory.as_os_str().is_empty() {
            return None;
        }
        let config = Ini::read(&config_dir.path().join("config"))?;
        if !TokenStorage::by(context, &app.settings, config_dir, &config).is_file() || writes_a_log(context, &config) {
            return None;
        }
        let output = output(context, &config, request)?;
        if !request.query.as_deref().is_none_or(|query| KEYS.contains(&query)) {
            return None;
        }
        let cloud = Cloud::active_by(context, config_dir, &config)?;
        let (wanted, subscription) = TokenKey::requested(context, config_dir, &cloud, request)?;
        let tenant = request.tenant.clone().filter(|tenant| !tenant.is_empty());
        let request = TokenRequest { tenant, ..request.clone() };
        // `subscription` is left out with `--tenant`; what a query for it prints then is az's to say.
        if request.tenant.is_some() && request.query.as_deref() == Some("subscription") {
            return None;
        }
        let part = match (&request.query, output) {
            (None, Output::Json | Output::Tsv) => None,
            (query, output) => Some(format!("{output:?} {}", query.as_deref().unwrap_or_default())),
        };
        let expires_on = match az.says_expires_on() {
            Some(false) if request.query.as_deref() == Some("expires_on") => return None,
            Some(false) => ExpiresOn::NotSaid,
            // Where it is not known, both are tried.
            Some(true) | None => ExpiresOn::Said,
        };
        let command = command.group();
        Some(Self { app, config_dir, command, request, output, part, expires_on, wanted, subscription })
    }

    /// How much it says.
    pub(crate) fn shape(&self) -> Shape<'_> {
        self.part.as_deref().map_or(Shape::Whole, Shape::Part)
    }

    /// The token that the cache has for it, due or not.
    pub(crate) fn cached_token(&self) -> Option<AccessToken> {
        let store = CredentialStore::new(self.app, self.config_dir);
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
        let text = std::mem::take(&mut *store.cache.read().map_err(no)?.unwrap_or_default());
        match TokenCache::parse(&text) {
            Ok(cache) if !text.is_empty() => self.text_from(&cache, store, renew),
            // Somebody may be writing it at this moment.
            _ => {
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
        if (cache.has_refresh_token().map_err(|_| Answered::No)? || store.cache.has_leftover())
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
        // az adds the whole seconds that are left to the whole seconds that it is.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let expires_on = token.expires_on - i64::from(now.subsec_nanos() > 0);
        self.said(&token.secret, expires_on, self.expires_on)
    }

    fn said(&self, secret: &str, expires_on: i64, number: ExpiresOn) -> Option<Zeroizing<String>> {
        let local = sys::local_time(expires_on)?;
        let quoted = |text: &str| quote(text, Escape::Needed);
        let tenant = self.request.tenant.as_deref().unwrap_or(&self.subscription.tenant_id);
        let subscription = self.request.tenant.is_none().then(|| quoted(&self.subscription.id));
        // In the order of their keys, as both outputs have them.
        let values = [
            Some(quoted(&local.format("%Y-%m-%d %H:%M:%S.000000").to_string())),
            (number == ExpiresOn::Said).then(|| Zeroizing::new(expires_on.to_string())),
            subscription,
            Some(quoted(tenant)),
            Some(quoted("Bearer")),
        ];
        let values = std::iter::once(Some(secret)).chain(values.iter().map(|value| Some(value.as_ref()?.as_str())));
        let rows: Vec<(&str, &str)> = KEYS
            .iter()
            .zip(values)
            .filter_map(|(key, value)| Some((*key, value?)))
            .filter(|(key, _)| self.request.query.as_deref().is_none_or(|query| query == *key))
            .collect();
        let part = if self.request.query.is_some() { Part::Value } else { Part::Whole };
        Some(print(self.output, part, &rows))
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

/// The answer's keys, in the order in which az prints them.
const KEYS: [&str; 6] = ["accessToken", "expiresOn", "expires_on", "subscription", "tenant", "tokenType"];

/// By how many seconds what az says may differ from when the cache has the token expire: it adds what is left, in whole seconds,
/// to the time; of a token that it has just got, the whole lifetime to when it prints it.
const SHIFTS: std::ops::RangeInclusive<i64> = -1..=2;

fn print(output: Output, part: Part, rows: &[(&str, &str)]) -> Zeroizing<String> {
    let size = rows.iter().map(|(key, value)| key.len() + value.len() + 16).sum::<usize>() + 8;
    let mut text = Zeroizing::new(String::with_capacity(size));
    match output {
        Output::Nothing => {}
        Output::Json if part == Part::Value => rows.iter().for_each(|(_, value)| text.push_str(value)),
        Output::Json => {
            for (place, (key, value)) in rows.iter().enumerate() {
                text.push_str(if place == 0 { "{\n  \"" } else { ",\n  \"" });
                text.push_str(key);
                text.push_str("\": ");
                text.push_str(value);
            }
            text.push_str("\n}");
        }
        Output::Tsv => {
            for (place, (_, value)) in rows.iter().enumerate() {
                if place > 0 {
                    text.push('\t');
                }
                text.push_str(value.trim_matches('"'));
            }
        }
    }
    if output != Output::Nothing {
        text.push('\n');
    }
    text
}

/// The output format, explicit or by default, as far as it is one that is printed here
/// (knack 0.13, `output.py`, `OutputProducer.on_global_arguments`).
fn output(context: &Context, config: &Ini, request: &TokenRequest) -> Option<Output> {
    let default = match context.has_variable("AZURE_CORE_OUTPUT") {
        true => Some(context.variable("AZURE_CORE_OUTPUT")?.to_str()?.to_lowercase()),
        false => config.get("core", "output").map(str::to_lowercase),
    };
    match request.output.clone().or(default).as_deref().unwrap_or("json") {
        "json" => Some(Output::Json),
        // In colour on a terminal, and the same as json elsewhere.
        "jsonc" if !(sys::is_terminal(Stream::Stdout) && sys::is_terminal(Stream::Stderr)) => Some(Output::Json),
        "tsv" => Some(Output::Tsv),
        "none" => Some(Output::Nothing),
        _ => None,
    }
}

/// Whether az is to write a log file of every command.
fn writes_a_log(context: &Context, config: &Ini) -> bool {
    is_set(context, config, "AZURE_LOGGING_ENABLE_LOG_FILE", "logging", "enable_log_file")
}

/// Whether a switch is set to anything but off; the environment wins (knack 0.13, `config.py`, `CLIConfig.get`).
fn is_set(context: &Context, config: &Ini, variable: &str, section: &str, option: &str) -> bool {
    let value = match context.has_variable(variable) {
        true => Some(context.variable(variable).and_then(|value| value.to_str()).unwrap_or("not a boolean")),
        false => config.get(section, option),
    };
    value.is_some_and(|value| !["false", "no", "0", "off"].contains(&value.to_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [(&str, &str); 3] = [("accessToken", "\"at\""), ("expires_on", "7"), ("tokenType", "\"Bearer\"")];

    #[test]
    fn each_output_is_az_s() {
        let whole = "{\n  \"accessToken\": \"at\",\n  \"expires_on\": 7,\n  \"tokenType\": \"Bearer\"\n}\n";
        assert_eq!(*print(Output::Json, Part::Whole, &ROWS), whole);
        assert_eq!(*print(Output::Tsv, Part::Whole, &ROWS), "at\t7\tBearer\n");
        assert_eq!(*print(Output::Nothing, Part::Whole, &ROWS), "");
        assert_eq!(*print(Output::Json, Part::Value, &ROWS[..1]), "\"at\"\n");
        assert_eq!(*print(Output::Tsv, Part::Value, &ROWS[1..2]), "7\n");
    }
}
