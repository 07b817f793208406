//! Errors in Entra's words: code, description, trace and correlation ids, and the AADSTS number.

use serde_json::{Value, json};

use crate::directory::Tenant;
use crate::http::Response;
use crate::knobs::Refusal;
use crate::random;

/// An OAuth error before it becomes a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OauthError {
    status: u16,
    error: &'static str,
    number: u32,
    text: String,
    suberror: Option<&'static str>,
    wants_claims: bool,
}

impl OauthError {
    pub(crate) fn new(error: &'static str, number: u32, text: impl Into<String>) -> Self {
        let status = if error == "invalid_client" { 401 } else { 400 };
        Self { status, error, number, text: text.into(), suberror: None, wants_claims: false }
    }

    /// The error's name in Microsoft's lists, such as `AADSTS700082`.
    pub(crate) fn code(&self) -> String {
        format!("AADSTS{}", self.number)
    }

    /// Words the error as a response; `correlation` is what the client sent as client-request-id.
    pub(crate) fn response(&self, origin: &str, correlation: Option<&str>) -> Response {
        let now = chrono::Utc::now().format("%Y-%m-%d %H:%M:%SZ").to_string();
        let trace = random::guid();
        let correlation = correlation.map_or_else(random::guid, str::to_owned);
        let mut body = json!({
            "error": self.error,
            "error_description": format!(
                "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {now}", self.number, self.text
            ),
            "error_codes": [self.number],
            "timestamp": now,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("{origin}/error?code={}", self.number),
        });
        if let Value::Object(body) = &mut body {
            if let Some(suberror) = self.suberror {
                body.insert("suberror".to_owned(), json!(suberror));
            }
            if self.wants_claims {
                let policies = json!({"essential": true, "values": ["ca900000-0000-4000-8000-000000000001"]});
                let claims = json!({"access_token": {"capolids": policies}});
                body.insert("claims".to_owned(), json!(claims.to_string()));
            }
        }
        Response::json(self.status, &body).with("Cache-Control", "no-store, no-cache").with("x-ms-request-id", trace)
    }

    fn with_suberror(mut self, suberror: &'static str) -> Self {
        self.suberror = Some(suberror);
        self
    }

    fn with_claims(mut self) -> Self {
        self.wants_claims = true;
        self
    }
}

impl From<Refusal> for OauthError {
    fn from(refusal: Refusal) -> Self {
        const RESOURCE: &str = "797f4846-ba00-4fd7-ba43-dac1f8f63013";
        match refusal {
            Refusal::Expired => Self::new("invalid_grant", 700_082, {
                let issued = chrono::Utc::now() - chrono::TimeDelta::days(91);
                let issued = issued.format("%Y-%m-%dT%H:%M:%S%.6f0Z");
                format!(
                    "The refresh token has expired due to inactivity. The token was issued on {issued} and was inactive \
                     for 90.00:00:00."
                )
            }),
            Refusal::Revoked => Self::new("invalid_grant", 50_173, {
                let now = chrono::Utc::now().format("%Y-%m-%dT%H:%M:%S%.6f0Z");
                format!(
                    "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might \
                     have changed or reset their password. The grant was issued on '{now}' and the TokensValidFrom date \
                     (before which tokens are not valid) for this user is '{now}'."
                )
            })
            .with_suberror("bad_token"),
            Refusal::MfaRequired => Self::new("interaction_required", 50_076, {
                format!(
                    "Due to a configuration change made by your administrator, or because you moved to a new location, \
                     you must use multi-factor authentication to access '{RESOURCE}'."
                )
            })
            .with_suberror("basic_action")
            .with_claims(),
            Refusal::MfaEnrolment => Self::new("interaction_required", 50_079, {
                format!(
                    "Due to a configuration change made by your administrator, or because you moved to a new location, \
                     you must enroll in multi-factor authentication to access '{RESOURCE}'."
                )
            })
            .with_suberror("basic_action"),
            Refusal::Invalid => Self::new(
                "invalid_grant",
                70_000,
                "The provided value for the input parameter 'refresh_token' is not valid. The user might have changed or \
                 reset their password, or the token was used before.",
            )
            .with_suberror("bad_token"),
        }
    }
}

/// Too many requests; how long to wait goes into a header.
pub(crate) fn throttled() -> OauthError {
    let text = "There are too many requests; please try again later.";
    OauthError { status: 429, ..OauthError::new("temporarily_unavailable", 90_055, text) }
}

/// The server's own trouble.
pub(crate) fn server_error() -> OauthError {
    let text = "RequestBudgetExceededError - A transient error has occurred. Please try again.";
    OauthError { status: 500, ..OauthError::new("server_error", 90_024, text) }
}

/// Nobody has such a tenant.
pub(crate) fn unknown_tenant(name: &str) -> OauthError {
    OauthError::new(
        "invalid_request",
        90_002,
        format!(
            "Tenant '{name}' not found. Check to make sure you have the correct tenant ID and are signing into the correct \
             cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for \
             the tenant."
        ),
    )
}

/// The user is not a member or guest of the tenant.
pub(crate) fn stranger(username: &str, tenant: &Tenant) -> OauthError {
    OauthError::new(
        "invalid_grant",
        50_020,
        format!(
            "User account '{username}' from identity provider does not exist in tenant '{}' and cannot access the \
             application in that tenant. The account needs to be added as an external user in the tenant first.",
            tenant.display_name
        ),
    )
}

/// The scope is not `{resource}/{permission}`.
pub(crate) fn invalid_scope(scope: &str) -> OauthError {
    OauthError::new(
        "invalid_scope",
        70_011,
        format!(
            "The provided request must include a 'scope' input parameter. The provided value for the input parameter \
             'scope' is not valid. The scope {scope} is not valid."
        ),
    )
}

/// The tenant has no such resource.
pub(crate) fn unknown_resource(resource: &str, tenant: &Tenant) -> OauthError {
    OauthError::new(
        "invalid_resource",
        500_011,
        format!(
            "The resource principal named {resource} was not found in the tenant named {}. This can happen if the \
             application has not been installed by the administrator of the tenant or consented to by any user in the \
             tenant. You might have sent your authentication request to the wrong tenant.",
            tenant.display_name
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_keep_entras_numbers() {
        for (refusal, code) in [
            (Refusal::Expired, "AADSTS700082"),
            (Refusal::Revoked, "AADSTS50173"),
            (Refusal::MfaRequired, "AADSTS50076"),
            (Refusal::MfaEnrolment, "AADSTS50079"),
            (Refusal::Invalid, "AADSTS70000"),
        ] {
            let error = OauthError::from(refusal);
            assert_eq!((error.code().as_str(), error.status), (code, 400));
        }
    }
}
