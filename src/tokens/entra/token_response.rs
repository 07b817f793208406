//! The token endpoint's answer: a grant of tokens, or a [`TokenError`], which changes nothing. What can be no grant, or is
//! another account's, is an error.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::secret::Secret;
use crate::tokens::entra::{GrantRequest, GrantedFields, TokenError};

/// An answer that grants an access token, still as it came.
#[derive(Debug)]
pub struct Granted(Secret);

#[derive(Deserialize)]
struct Refused<'a> {
    #[serde(borrow)]
    error: &'a RawValue,
    #[serde(borrow, default)]
    suberror: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error_codes: Option<&'a RawValue>,
}

impl Granted {
    /// Reads an answer of the endpoint.
    ///
    /// # Errors
    /// A [`TokenError`] for whatever is not a grant.
    pub fn read(status: u16, retry_after: Option<i64>, body: Secret) -> Result<Self, TokenError> {
        if status == 429 || status >= 500 {
            return Err(TokenError::busy(format!("the endpoint answered {status}"), retry_after));
        }
        if let Some(refused) = from_object::<Refused<'_>>(body.expose()) {
            let text = |raw: &RawValue| serde_json::from_str::<&str>(raw.get()).unwrap_or_default().to_owned();
            let numbers: Option<Vec<i64>> = refused.error_codes.and_then(|raw| serde_json::from_str(raw.get()).ok());
            let suberror = refused.suberror.map(text).unwrap_or_default();
            return Err(TokenError::refused(&text(refused.error), &suberror, &numbers.unwrap_or_default()));
        }
        let granted = Self(body);
        match granted.fields() {
            Some(_) if status == 200 => Ok(granted),
            _ if matches!(status, 300..=399 | 404 | 405 | 410) => {
                Err(TokenError::left_to_az(format!("the endpoint answered {status}: it is none of Entra's")))
            }
            _ => Err(absurd(status)),
        }
    }

    /// The same, if it can be the answer to this very request.
    ///
    /// # Errors
    /// A [`TokenError`] for the grant of another account, and for one that has a refresh token where it would be stored in the
    /// clear.
    pub(super) fn for_request(self, request: &GrantRequest<'_>) -> Result<Self, TokenError> {
        let is_answer = self.fields().is_some_and(|fields| {
            let own = fields.home_account_id();
            let is_of_account = own.is_none_or(|own| own.eq_ignore_ascii_case(request.home_account_id));
            is_of_account && !request.secrets().any(|secret| fields.tells(secret.expose_text()))
        });
        if is_answer { Ok(self) } else { Err(absurd(200)) }
    }

    /// The answer's fields; `None` when it is not of that shape.
    #[must_use]
    pub fn fields(&self) -> Option<GrantedFields<'_>> {
        from_object(self.0.expose()).filter(GrantedFields::are_plausible)
    }
}

fn absurd(status: u16) -> TokenError {
    TokenError::unreachable(format!("the endpoint answered {status} with something else than a token"))
}

/// Reads an object: serde takes a list for a record, too.
pub(super) fn from_object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    serde_json::from_slice(json).ok().filter(|_| json.trim_ascii_start().starts_with(b"{"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::entra::Reason;

    fn read(status: u16, body: &str) -> Result<Granted, TokenError> {
        Granted::read(status, Some(7), Secret::from_text(body.into()))
    }

    #[test]
    fn everything_else_is_a_denial_that_says_how_long_to_be_quiet() {
        let refusal = r#"{"error": "invalid_grant", "error_codes": [700082], "error_description": "secret story"}"#;
        let token_error = read(400, refusal).unwrap_err();
        assert_eq!(
            (token_error.what.as_str(), token_error.retry_after),
            ("the endpoint refused: invalid_grant 700082", 60)
        );
        assert_eq!(read(404, "<html>").unwrap_err().reason, Reason::LeftToAz);
        assert_eq!(read(200, "<html>").unwrap_err().reason, Reason::Unavailable);
        assert_eq!(read(429, "{}").unwrap_err().retry_after, 7);
        assert_eq!(Granted::read(503, None, Secret::from_text(String::new())).unwrap_err().retry_after, 5);
        for not_quite in [
            r#"{"error": null, "access_token": "at", "expires_in": 1}"#,
            r#"{"access_token": "at", "expires_in": 9223372036854775807}"#,
            r#"["at", null, null, null, null, null, null, null, 1, null, null]"#,
        ] {
            assert!(read(200, not_quite).is_err(), "{not_quite}");
        }
        assert!(
            read(200, "<html>").is_err() && read(200, "{}").is_err() && read(404, "{\"access_token\": 1}").is_err()
        );
    }

    #[test]
    fn nothing_that_an_endpoint_echoes_is_told() {
        let token = "1.AbCdEfGhIjKlMnOpQrStUvWxYz-0123456789";
        for echo in [
            format!(r#"{{"error": "{token}", "suberror": "{token}", "error_codes": [1, -1, 99999999999]}}"#),
            format!(r#"{{"error": ["{token}"], "suberror": {{"a": "{token}"}}, "error_codes": "{token}"}}"#),
            format!(
                r#"{{"error": "invalid_grant", "suberror": "{}", "error_codes": [{}1]}}"#,
                "x".repeat(900_000),
                "1,".repeat(99_999)
            ),
            format!(r#"{{"error": "refresh_token={token}"}}"#),
        ] {
            let token_error = read(400, &echo).unwrap_err();
            assert!(
                token_error.what.len() < 256
                    && !token_error.what.contains(token)
                    && token_error.reason == Reason::Refused,
                "{token_error:?}"
            );
        }
    }
}
