//! What surrounds the token endpoint: discovery, device codes, the authorization page, the user realm.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::directory::{Authority, User};
use crate::http::{Response, encode};
use crate::issued::{AuthorizationCode, DeviceCode};
use crate::refusals::{self, OauthError};
use crate::server::Call;
use crate::{locked, random};

/// Answers everything that is neither the token endpoint nor Resource Manager nor Graph.
pub(crate) fn answer(call: &mut Call<'_>, segments: &[&str]) -> Response {
    match (call.request.method.as_str(), segments) {
        ("GET", ["common", "discovery", "instance"]) => instance(call),
        ("GET", ["common", "userrealm", username]) => user_realm(username),
        ("GET", [tenant, "v2.0", ".well-known", "openid-configuration"])
        | ("GET", [tenant, ".well-known", "openid-configuration"]) => with_authority(call, tenant, configuration),
        ("GET", [_, "discovery", "v2.0", "keys"]) => Response::json(200, &json!({"keys": []})),
        ("POST", [tenant, "oauth2", "v2.0", "devicecode"] | [tenant, "oauth2", "devicecode"]) => {
            with_authority(call, tenant, device_code)
        }
        ("GET", [tenant, "oauth2", "v2.0", "authorize"] | [tenant @ "adfs", "oauth2", "authorize"]) => {
            with_authority(call, tenant, authorize)
        }
        _ => call.fail(404, "NotFound", "There is nothing here."),
    }
}

fn with_authority(call: &mut Call<'_>, tenant: &str, then: fn(&mut Call<'_>, Authority) -> Response) -> Response {
    call.note.tenant = Some(tenant.to_owned());
    match Authority::named(tenant) {
        Some(authority) => then(call, authority),
        None => call.refuse(&refusals::unknown_tenant(tenant)),
    }
}

fn instance(call: &mut Call<'_>) -> Response {
    let origin = &call.shared.origin;
    let host = origin.trim_start_matches("https://");
    let asked = call.request.query("authorization_endpoint").unwrap_or_default();
    let tenant = asked.strip_prefix("https://").and_then(|url| url.split('/').nth(1)).unwrap_or("common");
    Response::json(
        200,
        &json!({
            "tenant_discovery_endpoint": format!("{origin}/{tenant}/v2.0/.well-known/openid-configuration"),
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }),
    )
}

fn user_realm(username: &str) -> Response {
    let domain = username.split('@').nth(1).unwrap_or_default();
    let kind = if User::named(username).is_some() { "Managed" } else { "Unknown" };
    Response::json(
        200,
        &json!({
            "ver": "1.0",
            "account_type": kind,
            "domain_name": domain,
            "cloud_instance_name": "localhost",
            "cloud_audience_urn": "urn:federation:MicrosoftOnline",
        }),
    )
}

fn configuration(call: &mut Call<'_>, authority: Authority) -> Response {
    let origin = &call.shared.origin;
    let base = format!("{origin}/{}", authority.segment());
    let endpoints = format!("{base}/{}", authority.endpoints());
    let issuer = match authority {
        Authority::Tenant(_) => format!("{base}/v2.0"),
        Authority::Home(_) => format!("{origin}/{{tenantid}}/v2.0"),
        Authority::Adfs => base.clone(),
    };
    Response::json(
        200,
        &json!({
            "token_endpoint": format!("{endpoints}/token"),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "jwks_uri": format!("{base}/discovery/v2.0/keys"),
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": issuer,
            "request_uri_parameter_supported": false,
            "authorization_endpoint": format!("{endpoints}/authorize"),
            "device_authorization_endpoint": format!("{endpoints}/devicecode"),
            "http_logout_supported": true,
            "end_session_endpoint": format!("{endpoints}/logout"),
            "tenant_region_scope": "EU",
            "cloud_instance_name": "localhost",
        }),
    )
}

fn device_code(call: &mut Call<'_>, _: Authority) -> Response {
    let knobs = locked(&call.shared.knobs).clone();
    let user_code = random::code(9);
    let scope = call.scope().unwrap_or_default();
    let device = DeviceCode { user: knobs.next_login, scope, pending: knobs.authorization_pending };
    call.note.account = Some(device.user.username().to_owned());
    let device_code = locked(&call.shared.ledger).open_device(device);
    let page = "https://microsoft.com/devicelogin";
    Response::json(
        200,
        &json!({
            "user_code": user_code,
            "device_code": device_code,
            "verification_uri": page,
            // As the first endpoint calls it.
            "verification_url": page,
            "expires_in": 900,
            "interval": 1,
            "message": format!(
                "To sign in, use a web browser to open the page {page} and enter the code {user_code} to authenticate."
            ),
        }),
    )
}

/// Signs the next user in without a question, and sends the code to the client.
///
/// With `response_mode=form_post`, all that MSAL takes, a browser would post the code from a page; the stand-in posts it
/// itself, so that a `BROWSER` of `curl -sk %s` is browser enough.
fn authorize(call: &mut Call<'_>, authority: Authority) -> Response {
    let query = |name| call.request.query(name).map(str::to_owned);
    let Some(redirect_uri) = query("redirect_uri") else {
        let text = "The request body must contain the following parameter: 'redirect_uri'.";
        return call.refuse(&OauthError::new("invalid_request", 900_144, text));
    };
    let user = locked(&call.shared.knobs).next_login;
    call.note.account = Some(user.username().to_owned());
    call.note.scope = query("scope");
    let code = locked(&call.shared.ledger).open_code(AuthorizationCode {
        user,
        authority,
        redirect_uri: redirect_uri.clone(),
        scope: query("scope").unwrap_or_default(),
        challenge: query("code_challenge"),
        nonce: query("nonce"),
    });
    let state = query("state").unwrap_or_default();
    let answer = format!("code={}&state={}&session_state={}", encode(&code), encode(&state), random::guid());
    if call.request.query("response_mode") != Some("form_post") {
        let joint = if redirect_uri.contains('?') { '&' } else { '?' };
        return Response::text(302, "text/html", "").with("Location", format!("{redirect_uri}{joint}{answer}"));
    }
    match post(&redirect_uri, &answer) {
        Some(()) => Response::text(200, "text/html", "<html>Signed in. You may close this window.</html>"),
        None => call.fail(400, "RedirectFailed", "The redirect_uri is no http address on loopback that answers."),
    }
}

fn post(redirect_uri: &str, form: &str) -> Option<()> {
    let (host, path) = redirect_uri.strip_prefix("http://")?.split_once('/').unwrap_or((&redirect_uri[7..], ""));
    let (name, port) = host.split_once(':').unwrap_or((host, "80"));
    let name = ["localhost", "127.0.0.1"].into_iter().find(|known| *known == name)?;
    let mut stream = TcpStream::connect((name, port.parse().ok()?)).ok()?;
    let request = format!(
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    // The client may wait for its browser to return before it reads: take its answer later, and not in its way.
    thread::spawn(move || {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
        let _ = io::copy(&mut stream, &mut io::sink());
    });
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_posted_to_loopback_only() {
        assert_eq!(post("http://example.com/", "code=1"), None);
        assert_eq!(post("https://localhost:1/", "code=1"), None);
        assert_eq!(post("http://localhost:nine", "code=1"), None);
    }
}
