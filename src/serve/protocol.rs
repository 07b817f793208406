//! The protocols of an endpoint: that of App Service's managed identity and that of the machines' (IMDS), as the SDKs speak them, and
//! one of its own, in which an az in a container asks what an az here would say. What is asked in none of them is refused.

use std::ffi::OsString;

use serde_json::json;
use zeroize::Zeroizing;

use super::request::Request;
use super::response::Response;
use crate::azure::AZURE_CLI_CLIENT_ID;
use crate::client::AZ_PATH;
use crate::sessions::Granted;

/// The header with the secret (azure-identity 1.25, `_credentials/app_service.py`).
pub(super) const SECRET: &str = "X-IDENTITY-HEADER";

/// Where App Service's protocol is spoken; its endpoint is told, so any path would do.
pub(super) const APP_SERVICE: &str = "/msi/token";

/// Where that of the machines is (azure-identity 1.25, `_credentials/imds.py`).
pub(super) const IMDS: &str = "/metadata/identity/oauth2/token";

/// A resource that is longer is none.
const RESOURCE: usize = 1024;

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A token.
    Token {
        /// For this resource.
        resource: String,
        /// How it is told.
        manner: Manner,
    },
    /// What az would say to these arguments.
    Az(Vec<OsString>),
}

/// By which protocol a token is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// App Service's.
    AppService,
    /// The machines'.
    Imds,
}

/// What `request` asks for at `path`.
///
/// # Errors
/// What is answered to what is none of it.
pub(super) fn read(request: &Request, path: &str) -> Result<Asked, Response> {
    let invalid = |what: &str| Err(Response::error(400, "invalid_request", what));
    let (method, manner) = match path.trim_end_matches('/') {
        APP_SERVICE => ("GET", Some(Manner::AppService)),
        IMDS => ("GET", Some(Manner::Imds)),
        AZ_PATH => ("POST", None),
        _ => return Err(Response::error(404, "invalid_request", "there is nothing at that path")),
    };
    if request.method != method {
        return Err(Response::error(405, "invalid_request", "that is not done there").with("Allow", method));
    }
    let Some(manner) = manner else { return arguments(request.body()) };
    // As the machines' own endpoint has it: so that nobody is led to ask it who does not know.
    if manner == Manner::Imds {
        if request.header("X-Forwarded-For").is_some() {
            return invalid("a request that was forwarded is not answered");
        }
        if request.header("Metadata").is_none_or(|value| !value.eq_ignore_ascii_case(b"true")) {
            return invalid("Required metadata header not specified");
        }
    }
    match request.parameter("resource") {
        Some(resource) if is_resource(&resource) => Ok(Asked::Token { resource, manner }),
        _ => invalid("there is no resource"),
    }
}

fn is_resource(resource: &str) -> bool {
    (1..=RESOURCE).contains(&resource.len()) && resource.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The arguments, each with a zero byte after it.
fn arguments(body: &[u8]) -> Result<Asked, Response> {
    let text = std::str::from_utf8(body).ok().filter(|text| text.is_empty() || text.ends_with('\0'));
    let Some(text) = text else {
        return Err(Response::error(400, "invalid_request", "those are no arguments"));
    };
    Ok(Asked::Az(text.split_terminator('\0').map(OsString::from).collect()))
}

/// The response with the token.
pub(super) fn token(granted: &Granted, resource: &str, manner: Manner, now: i64) -> Response {
    let expires_on = granted.expires_on.to_string();
    let told = match manner {
        Manner::AppService => json!({
            "expires_on": expires_on,
            "resource": resource,
            "token_type": "Bearer",
            "client_id": AZURE_CLI_CLIENT_ID,
        }),
        Manner::Imds => {
            let expires_in = granted.expires_on.saturating_sub(now).max(0).to_string();
            json!({
                "client_id": AZURE_CLI_CLIENT_ID,
                "expires_in": expires_in,
                "expires_on": expires_on,
                "ext_expires_in": expires_in,
                "not_before": now.to_string(),
                "resource": resource,
                "token_type": "Bearer",
            })
        }
    };
    // A token is signs of base64 and full stops, and nothing of it is left in a value that nobody wipes.
    let mut body = Zeroizing::new(Vec::with_capacity(granted.secret.len() + 1024));
    body.extend_from_slice(b"{\"access_token\":\"");
    body.extend(granted.secret.bytes().filter(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\')));
    body.extend_from_slice(b"\",");
    body.extend_from_slice(&told.to_string().as_bytes()[1..]);
    Response::json(200, body)
}

/// A refusal of what is asked at `path`, in its protocol: App Service's clients look elsewhere for its words, and
/// MSAL of Python (1.39.0, `managed_identity.py`) says "None, None" where there are none.
pub(super) fn refusal(refusal: Response, path: &str) -> Response {
    let is_app_service = path.trim_end_matches('/').ends_with(APP_SERVICE);
    if is_app_service { refusal.with_message() } else { refusal }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_told_from_each_other_whatever_is_in_them() {
        let read = |body: &[u8]| arguments(body).ok();
        let words = |words: &[&str]| Some(Asked::Az(words.iter().map(OsString::from).collect()));
        assert_eq!(read(b""), words(&[]));
        assert_eq!(read(b"account\0show\0"), words(&["account", "show"]));
        assert_eq!(read(b"a b\0\0\n\0"), words(&["a b", "", "\n"]));
        assert_eq!(read(b"account"), None);
        assert_eq!(read(b"\xff\0"), None);
    }

    #[test]
    fn a_resource_is_one_plain_word() {
        assert!(is_resource("https://vault.azure.net"));
        for other in ["", "a b", "a\n", "\u{e9}", &"x".repeat(RESOURCE + 1)] {
            assert!(!is_resource(other), "{other:?}");
        }
    }
}
