//! The request for a managed identity's token, as MSAL sends it, and its answer, read as MSAL reads it (msal 1.39.0,
//! `managed_identity.py`, `_obtain_token_on_azure_vm`, `_obtain_token_on_app_service`, `_obtain_token_on_arc`). It is plain HTTP, to the
//! machine itself and no further, with a deadline and no redirect; Azure Arc's agent is asked twice, with its key. What is no token, or is dated in a way that az and its user would not read alike, is a
//! [`TokenError`].

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::endpoint::{Endpoint, Kind};
use crate::azure::managed_identity::{IdKind, ManagedIdentity};
use crate::helper::{Exchange, Helper, Method, Reply};
use crate::secret::Secret;
use crate::tokens::entra::{Reason, TokenError};

/// More than any answer is.
const BODY_BOUND: u64 = 256 * 1024;

/// By how many seconds the two times of an answer may differ.
const SKEW: i64 = 5 * 60;

/// For how many seconds an endpoint that refused, or said something else, is not asked again.
const RETRY_AFTER_REFUSAL: i64 = 60;

/// A token as it was granted.
#[derive(Debug)]
pub(super) struct Granted {
    /// The token, raw, with its quotes.
    pub(super) secret: Secret,
    /// When it expires, in seconds since the epoch.
    pub(super) expires_on: i64,
}

/// An answer's fields.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    access_token: Option<&'a RawValue>,
    expires_in: Option<Number>,
    expires_on: Option<Number>,
}

/// A number, or the text of one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(i64),
    Text(String),
}

impl Number {
    fn value(&self) -> Option<i64> {
        match self {
            Self::Number(value) => Some(*value),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

/// Asks `endpoint` for the token of `identity` for `resource`.
///
/// # Errors
/// A [`TokenError`] when there is none.
pub(super) fn ask(
    helper: &Helper,
    endpoint: &Endpoint,
    identity: &ManagedIdentity,
    resource: &str,
    deadline: Duration,
    now: impl Fn() -> i64,
) -> Result<Granted, TokenError> {
    let began = Instant::now();
    let send = |key: Option<&Secret>| {
        let left = deadline.saturating_sub(began.elapsed());
        helper.exchange(request(endpoint, identity, resource, key, left)).map_err(TokenError::from)
    };
    let mut reply = send(None)?;
    if let Kind::Arc(keys) = &endpoint.kind {
        expect(&reply, 401)?;
        let key = keys.of_challenge(&reply);
        reply = send(Some(&key.map_err(|why| refused(format!("the instance endpoint {why}")))?))?;
    }
    expect(&reply, 200)?;
    let granted = granted(&endpoint.kind, &reply.into_body(), now());
    granted.ok_or_else(|| refused("the instance endpoint answered with something else than a token".to_owned()))
}

/// The request, with the key that it is to be sent with.
fn request(
    endpoint: &Endpoint,
    identity: &ManagedIdentity,
    resource: &str,
    key: Option<&Secret>,
    deadline: Duration,
) -> Exchange {
    let version = match endpoint.kind {
        Kind::Imds => "2018-02-01",
        Kind::AppService(_) => "2019-08-01",
        Kind::Arc(_) => "2020-06-01",
    };
    let get = Exchange::new(Method::Get, endpoint.url().to_owned(), deadline, BODY_BOUND);
    let mut get = get.query("api-version", version).query("resource", resource);
    if let ManagedIdentity::UserAssigned(kind, id) = identity {
        get = get.query(parameter(*kind, &endpoint.kind), id);
    }
    get = get.header("Metadata", Secret::from_text("true".to_owned()));
    if let Kind::AppService(header) = &endpoint.kind {
        get = get.header("X-IDENTITY-HEADER", header.duplicate());
    }
    match key {
        Some(key) => get.header("Authorization", Secret::new([b"Basic ", key.expose()].concat())),
        None => get,
    }
}

/// Whether an answer has the status that it is to have.
fn expect(reply: &Reply, expected: u16) -> Result<(), TokenError> {
    let status = reply.status;
    let what = format!("the instance endpoint answered {status}");
    if status == 429 || status >= 500 {
        return Err(TokenError::busy(what, reply.retry_after()));
    }
    if status == expected { Ok(()) } else { Err(refused(what)) }
}

fn refused(what: String) -> TokenError {
    TokenError { what, retry_after: RETRY_AFTER_REFUSAL, reason: Reason::Refused }
}

/// What an id is called in a request.
fn parameter(kind: IdKind, endpoint: &Kind) -> &'static str {
    match (kind, endpoint) {
        (IdKind::Client, _) => "client_id",
        (IdKind::Object, _) => "object_id",
        (IdKind::Resource, Kind::Imds | Kind::Arc(_)) => "msi_res_id",
        (IdKind::Resource, Kind::AppService(_)) => "mi_res_id",
    }
}

/// The token that is in an answer's body, raw with its quotes, and when it expires, in seconds since the epoch: as a virtual machine's
/// answer at the time `now`, then as App Service's. `None` where az is to say what it is.
#[must_use]
pub fn read_identity_answers(body: &Secret, now: i64) -> [Option<(Secret, i64)>; 2] {
    let kinds = [Kind::Imds, Kind::AppService(Secret::new(Vec::new()))];
    kinds.map(|kind| granted(&kind, body, now).map(|granted| (granted.secret, granted.expires_on)))
}

/// What was granted at the time `now`, by the field that MSAL goes by.
fn granted(endpoint: &Kind, body: &Secret, now: i64) -> Option<Granted> {
    // serde takes a list for a record.
    if !body.expose().trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let fields: Fields<'_> = serde_json::from_slice(body.expose()).ok()?;
    let token = fields.access_token?.get();
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    let inner = token.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'))?;
    if inner.is_empty() || !inner.bytes().all(is_plain) {
        return None;
    }
    let by_lifetime = fields.expires_in.map(|number| number.value()?.checked_add(now)).map(Option::unwrap_or_default);
    let by_time = fields.expires_on.map(|number| number.value().unwrap_or_default());
    if let (Some(one), Some(other)) = (by_lifetime, by_time)
        && one.abs_diff(other) > SKEW.unsigned_abs()
    {
        return None;
    }
    let expires_on = match endpoint {
        Kind::Imds | Kind::Arc(_) => by_lifetime?,
        Kind::AppService(_) => by_time?,
    };
    (expires_on > now).then(|| Granted { secret: Secret::from_text(token.to_owned()), expires_on })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;

    fn times(body: &str) -> (Option<i64>, Option<i64>) {
        let read = |kind: &Kind| granted(kind, &Secret::from_text(body.to_owned()), NOW).map(|own| own.expires_on);
        (read(&Kind::Imds), read(&Kind::AppService(Secret::from_text("h".to_owned()))))
    }

    #[test]
    fn an_answer_is_dated_by_the_field_that_msal_goes_by() {
        for (body, expected) in [
            (
                r#"{"access_token": "t", "expires_in": "3600", "expires_on": "1003600"}"#,
                (Some(1_003_600), Some(1_003_600)),
            ),
            (r#"{"access_token": "t", "expires_in": 3599, "expires_on": 1003600}"#, (Some(1_003_599), Some(1_003_600))),
            (r#"{"access_token": "t", "expires_in": "3600"}"#, (Some(1_003_600), None)),
            (r#"{"access_token": "t", "expires_on": "1003600"}"#, (None, Some(1_003_600))),
        ] {
            assert_eq!(times(body), expected, "{body}");
        }
    }

    #[test]
    fn what_is_no_token_or_is_dated_twice_is_az_s_own() {
        for body in [
            "",
            "<html>",
            r#"["t", "3600", "1003600"]"#,
            r#"{"error": "invalid_request"}"#,
            r#"{"access_token": "", "expires_in": "3600", "expires_on": "1003600"}"#,
            r#"{"access_token": "a\"b", "expires_in": "3600", "expires_on": "1003600"}"#,
            r#"{"access_token": "t", "expires_in": "3600", "expires_on": "1010000"}"#,
            r#"{"access_token": "t", "expires_in": "0", "expires_on": "1000000"}"#,
            r#"{"access_token": "t", "expires_in": "-5", "expires_on": "x"}"#,
            r#"{"access_token": "t", "expires_in": 9223372036854775807, "expires_on": 9223372036854775807}"#,
            r#"{"access_token": "t", "expires_in": 1.5, "expires_on": "2026-01-01"}"#,
        ] {
            assert_eq!(times(body), (None, None), "{body}");
        }
    }
}
