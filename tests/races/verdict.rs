//! The verdict on one command: well, killed, failed as az fails by itself in such company, or a violation. What azward says
//! in its own name is a violation, and so is whatever is not listed here.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra::{Entra, GUEST_PRINCIPAL, SERVICE_PRINCIPAL, SYSTEM_IDENTITY, TENANT_A, User};
use serde_json::Value;

use crate::cast::{Bearer, Deed};
use crate::crowd::Victim;
use crate::sessions::{self, Session};
use crate::support::{End, Outcome};
use crate::tally::Tally;

/// What became of a command.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    Well,
    Killed,
    /// For this cause.
    AsAz(&'static str),
    /// For this reason.
    Violation(String),
}

/// A token that was printed, and by what.
pub(crate) struct Token {
    line: String,
    deed: Deed,
    session: Option<&'static Session>,
    secret: String,
    tenant: String,
}

/// What az says when it, or another az, read a file half written that has no lock: the profile, the registered clouds (without
/// its cloud it goes to the public one), an index of its own.
const UNLOCKED: [(&str, &str); 10] = [
    ("Failed to load or parse file", "az read a file of its own half written"),
    ("configparser.ParsingError", "az read a file of its own half written"),
    ("configparser.MissingSectionHeaderError", "az read a file of its own half written"),
    ("login.microsoftonline.com", "az lost its cloud"),
    ("in cloud 'AzureCloud'", "az lost its cloud"),
    ("The cloud 'entra' is not registered", "az lost its cloud"),
    ("Please run 'az login' to setup account", "az lost its profile or its cloud"),
    ("Subscription '", "az lost its profile or its cloud"),
    ("The subscription of '", "az lost its profile or its cloud"),
    ("No subscription found. Run 'az account set'", "a logout took the default subscription along"),
];

/// What az says when it reads the token cache while another az writes it: its readers take no lock, and it truncates before
/// it writes.
const TORN: &str = "does not exist in MSAL token cache";

/// What Python's JSON says of a token cache that two az wrote at once: of those that wait for the lock file of a killed one,
/// more than one gets the lock (msal-extensions 1.3.1, `cache_lock.py`), and of the longer text the end stays.
const GARBLED: [&str; 4] =
    ["Extra data: line", "Expecting value: line", "Expecting ',' delimiter: line", "Unterminated string"];

/// What az says when it has neither refresh token nor access token, and why that may be: a plain one was handed nothing, and
/// somebody else's logout takes everything away from the second user.
const NOTHING: &str = "Can't find token from MSAL cache";
const PLAIN: &str = "nobody handed a plain az the secret";
const LOGGED_OUT: &str = "the second user was logged out meanwhile";

/// The same of service principals: what Entra ID says to an az that has an empty secret, which a plain one was handed, and what az says
/// when the second principal is in its list no more.
const NO_SECRET: &str = "AADSTS7000218";
const NO_PRINCIPAL: &str = "Could not retrieve credential from local cache for service principal";
const PRINCIPAL_LOGGED_OUT: &str = "the second service principal was logged out meanwhile";

/// What happened to one command, and around it.
pub(crate) struct Circumstances {
    pub(crate) deed: Deed,
    pub(crate) session: Option<&'static Session>,
    pub(crate) killed: Option<Victim>,
    /// The second user, or the second principal if it is about that, was logged out while it ran.
    pub(crate) met_logout: bool,
    /// It is the shim that was started, and it was not taken out meanwhile: an uninstall waits for every run that has begun, so
    /// one that has not leaves az alone. Otherwise it was, or may have been, the real az alone.
    pub(crate) is_wrapped: bool,
    /// Every wrapped az has a token cache of its own.
    pub(crate) is_private: bool,
}

/// Judges one command, and notes the token that it printed.
pub(crate) fn judge(around: &Circumstances, outcome: &Outcome, tokens: &mut Vec<Token>) -> Verdict {
    let deed = around.deed;
    let error = outcome.err();
    if deed.is_upheaval() {
        return judge_upheaval(around, outcome);
    }
    if deed.is_azward_s() {
        return sessions::judge(around, outcome, tokens);
    }
    if error.contains("azward: ") || error.contains("hint: ") || error.contains("panicked") {
        return Verdict::Violation("azward spoke".to_owned());
    }
    match outcome.end() {
        End::Signal(9) if around.killed.is_some() => Verdict::Killed,
        End::Signal(number) => Verdict::Violation(format!("died of signal {number}")),
        End::Code(0) if deed.is_for_token() => match token(deed, None, outcome) {
            Ok(token) => {
                tokens.push(token);
                Verdict::Well
            }
            Err(reason) => Verdict::Violation(reason),
        },
        End::Code(0) => Verdict::Well,
        End::Code(code) => why_az_failed(around, &error).map_or_else(
            || {
                let whose = if around.is_wrapped { "wrapped" } else { "alone" };
                Verdict::Violation(format!("exit {code}, {whose}, not as az fails"))
            },
            Verdict::AsAz,
        ),
    }
}

/// Why an install or an uninstall may refuse: each leaves everything as it was, or can be given again.
const REFUSED: [(&str, &str); 4] = [
    ("an az is running", "an uninstall beside an az that was running"),
    ("home.lock` was held by another process", "an install or uninstall beside somebody who was at work"),
    ("could not be put back", "an uninstall of a login whose user az had taken out of its profile"),
    ("msal_token_cache.json", "an uninstall that found the token cache as an az without azward had left it"),
];

fn judge_upheaval(around: &Circumstances, outcome: &Outcome) -> Verdict {
    let error = outcome.err();
    match outcome.end() {
        End::Signal(9) if around.killed.is_some() => Verdict::Killed,
        End::Code(0) => Verdict::Well,
        End::Code(1) if error.starts_with("azward: ") => {
            let cause = REFUSED.iter().find(|(text, _)| error.contains(text)).map(|(_, cause)| *cause);
            cause.map_or_else(|| Verdict::Violation("it failed".to_owned()), Verdict::AsAz)
        }
        _ => Verdict::Violation("it failed".to_owned()),
    }
}

/// Why the real az would have failed all the same; `None` if it would not have.
pub(crate) fn why_az_failed(around: &Circumstances, error: &str) -> Option<&'static str> {
    let deed = around.deed;
    if error.contains(NOTHING) {
        let is_second_user = match deed {
            Deed::Login | Deed::NamedLogin => around.met_logout,
            Deed::SessionList => around.session.is_some_and(|session| !session.is_alices),
            _ => !deed.is_alices() && deed.is_for_token(),
        };
        return if !around.is_wrapped { Some(PLAIN) } else { is_second_user.then_some(LOGGED_OUT) };
    }
    if error.contains(NO_SECRET) {
        return (!around.is_wrapped).then_some(PLAIN);
    }
    if error.contains(NO_PRINCIPAL) {
        let is_second_principal = match deed.bearer() {
            Bearer::Application(id) => id == GUEST_PRINCIPAL.client_id,
            Bearer::Alice => false,
            Bearer::Anybody => deed.is_for_token() || around.met_logout,
        };
        return is_second_principal.then_some(PRINCIPAL_LOGGED_OUT);
    }
    // In place everybody meets a torn cache, and an answer that finds one is left to az. A wrapped az with a cache of its own
    // never does; the second user's entries vanish with a logout all the same.
    let is_excused = !around.is_private || !around.is_wrapped || !deed.is_alices();
    let torn = if error.contains(TORN) {
        Some("az read the token cache half written")
    } else {
        GARBLED.iter().any(|text| error.contains(text)).then_some("two az wrote the token cache at once")
    };
    if let Some(cause) = torn {
        let left_to_az = "an answer was left to az, which read the token cache half written";
        return is_excused.then_some(if deed.is_answer() { left_to_az } else { cause });
    }
    UNLOCKED.iter().find(|(text, _)| error.contains(text)).map(|(_, cause)| *cause)
}

/// The token that a command printed, which is of its session's subscription.
pub(crate) fn token(deed: Deed, session: Option<&'static Session>, outcome: &Outcome) -> Result<Token, String> {
    let answer: Value = serde_json::from_slice(&outcome.stdout).map_err(|error| format!("no JSON: {error}"))?;
    let text = |name: &str| answer[name].as_str().map(str::to_owned).ok_or_else(|| format!("no {name}"));
    if let Some(session) = session.filter(|session| answer["subscription"] != session.subscription) {
        return Err(format!("it is not of the subscription of {}", session.name));
    }
    Ok(Token { line: outcome.line.clone(), deed, session, secret: text("accessToken")?, tenant: text("tenant")? })
}

/// Checks every token that was printed: the stand-in issued it, to the right user, in the tenant that was told, and for what
/// was asked for.
pub(crate) fn judge_tokens(entra: &Entra, tokens: &[Token], tally: &mut Tally) {
    let issued = entra.access_tokens_issued();
    let issued: HashSet<&str> = issued.iter().map(String::as_str).collect();
    for token in tokens {
        if let Err(reason) = check(token, &issued) {
            tally.violation("a wrong token", format!("{reason}: {}", token.line));
        }
    }
    tally.tokens += tokens.len();
}

fn check(token: &Token, issued: &HashSet<&str>) -> Result<(), String> {
    let payload = token.secret.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Value =
        payload.and_then(|payload| serde_json::from_slice(&payload).ok()).ok_or("no token of Entra's")?;
    let resource = token.line.split(' ').find(|word| word.starts_with("https://"));
    let is_for = |audience: &str| resource.map_or(audience.contains("management"), |wanted| audience == wanted);
    let user = claims["unique_name"].as_str().unwrap_or_default();
    let applications = [&SERVICE_PRINCIPAL, &GUEST_PRINCIPAL, &SYSTEM_IDENTITY];
    let is_an_application_s = claims["idtyp"] == "app";
    let is_known = match is_an_application_s {
        true => applications.iter().any(|own| claims["appid"] == own.client_id),
        false => User::ALL.iter().any(|one| one.username() == user),
    };
    let is_right = match token.deed.bearer() {
        Bearer::Alice => user == User::Alice.username(),
        Bearer::Application(id) => is_an_application_s && claims["appid"] == id,
        Bearer::Anybody => true,
    };
    let expected = [
        (issued.contains(token.secret.as_str()), "it was never issued"),
        (claims["tid"] == token.tenant.as_str(), "it is of another tenant than was told"),
        (claims["aud"].as_str().is_some_and(is_for), "it is for something else"),
        (is_known, "it is of nobody known"),
        (is_right, "it is somebody else's"),
        (!token.deed.is_alices() || token.tenant == TENANT_A.id, "it is not of alice's tenant"),
        (token.session.is_none_or(|session| token.tenant == session.tenant), "it is not of the session's tenant"),
        (
            token.session.is_none_or(|session| !session.is_alices || user == User::Alice.username()),
            "it is not the session's user's",
        ),
    ];
    expected.into_iter().find(|(is_right, _)| !is_right).map_or(Ok(()), |(_, reason)| Err(reason.to_owned()))
}
