//! `POST /{tenant}/oauth2/v2.0/token`: all five grants, the faults of the knobs, and the token response; and the first endpoint,
//! `/{tenant}/oauth2/token`, which is asked for resources and tells the times as text.

use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::applications::Proving;
use crate::directory::{Authority, ServicePrincipal, User};
use crate::http::Response;
use crate::issued::{Access, State};
use crate::knobs::{Refusal, Rolling, Trouble};
use crate::refusals::{self, OauthError};
use crate::scopes::Scopes;
use crate::server::{Call, now};
use crate::tokens::{self, Grant, Principal};
use crate::{locked, random};

/// Answers a token request; `None` hangs up.
pub(crate) fn answer(call: &mut Call<'_>, tenant: &str) -> Option<Response> {
    let field = |name| call.field(name).unwrap_or_default().to_owned();
    let (grant, scope, sent) = (field("grant_type"), call.scope().unwrap_or_default(), field("refresh_token"));
    let troubles = locked(&call.shared.knobs).take_troubles(&grant, &scope);
    let mut fault = None;
    let mut delay_answer = None;
    for trouble in troubles {
        match trouble {
            Trouble::Delay(time) => thread::sleep(time),
            Trouble::DelayAnswer(time) => delay_answer = Some(time),
            other => fault = Some(other),
        }
    }
    let response = match fault {
        Some(Trouble::HangUp) => return None,
        Some(Trouble::Refuse(refusal)) => call.refuse(&refusal.into()),
        Some(Trouble::TooManyRequests(seconds)) => {
            call.refuse(&refusals::throttled()).with("Retry-After", seconds.to_string())
        }
        Some(Trouble::ServerError) => call.refuse(&refusals::server_error()),
        Some(Trouble::Garbage) => Response::text(200, "text/html; charset=utf-8", "<html>Sign in to the proxy</html>"),
        Some(Trouble::Echo(status)) => echo(&sent, status),
        other => {
            let response = redeem(call, tenant, &grant).unwrap_or_else(|error| call.refuse(&error));
            match other {
                Some(Trouble::LoseAnswer) => return None,
                Some(Trouble::Alter(changes)) => altered(&response, &sent, &changes),
                _ => response,
            }
        }
    };
    if let Some(time) = delay_answer {
        thread::sleep(time);
    }
    Some(response)
}

/// A refusal that says what was sent wherever there is room for it.
fn echo(sent: &str, status: u16) -> Response {
    let body = json!({
        "error": sent,
        "suberror": format!("{sent}{}", "x".repeat(400_000)),
        "error_codes": vec![70_000; 40_000],
        "error_description": sent,
        sent: sent,
    });
    Response::json(status, &body)
        .because(sent)
        .with("Retry-After", sent)
        .with("Location", sent)
        .with("x-ms-error", sent)
}

/// A grant with some of its fields changed; what is no grant stays as it is.
fn altered(response: &Response, sent: &str, changes: &[(&str, Option<String>)]) -> Response {
    let mut body: Value = serde_json::from_str(response.body()).unwrap_or_default();
    let new = body["refresh_token"].as_str().unwrap_or_default().to_owned();
    for (name, value) in changes {
        let Some(body) = body.as_object_mut().filter(|body| !body.contains_key("error")) else { break };
        match value.as_ref().map(|raw| raw.replace("$SENT", sent).replace("$NEW", &new)) {
            Some(raw) => drop(body.insert((*name).to_owned(), serde_json::from_str(&raw).unwrap_or_default())),
            None => drop(body.remove(*name)),
        }
    }
    Response::json(response.status, &body)
}

/// Who proved to be who, and with what to go on.
struct Proof {
    principal: Principal,
    authority: Authority,
    scope: String,
    nonce: Option<String>,
    /// The refresh token to spend, where one was presented.
    presented: Option<String>,
}

fn redeem(call: &mut Call<'_>, tenant: &str, grant: &str) -> Result<Response, OauthError> {
    let authority = Authority::named(tenant).ok_or_else(|| refusals::unknown_tenant(tenant))?;
    let mut proof = match grant {
        "urn:ietf:params:oauth:grant-type:device_code" | "device_code" => device_code(call, authority),
        "refresh_token" => refresh_token(call, authority),
        "password" => password(call, authority),
        "client_credentials" => client_credentials(call, authority),
        "authorization_code" => authorization_code(call, authority),
        _ => {
            let text = format!("The app requested an unsupported grant type '{grant}'.");
            Err(OauthError::new("unsupported_grant_type", 70_003, text))
        }
    }?;
    call.note.account = Some(proof.principal.account().to_owned());
    if let Some(scope) = call.scope() {
        proof.scope = scope;
    }
    issue(call, &proof)
}

fn device_code(call: &Call<'_>, authority: Authority) -> Result<Proof, OauthError> {
    let code = call.field("device_code").or(call.field("code")).unwrap_or_default();
    match locked(&call.shared.ledger).poll_device(code) {
        Ok(device) => Ok(Proof {
            principal: Principal::User(device.user),
            authority,
            scope: device.scope,
            nonce: None,
            presented: None,
        }),
        Err(true) => {
            let text = "OAuth 2.0 device flow error. Authorization is pending. Continue polling.";
            Err(OauthError::new("authorization_pending", 70_016, text))
        }
        Err(false) => {
            Err(OauthError::new("expired_token", 70_020, "The provided device code is not valid or has expired."))
        }
    }
}

fn refresh_token(call: &Call<'_>, authority: Authority) -> Result<Proof, OauthError> {
    let token = call.field("refresh_token").unwrap_or_default();
    let known = locked(&call.shared.ledger).refresh(token).ok_or(Refusal::Invalid)?;
    match known.state {
        State::Good => {}
        State::Spent => return Err(Refusal::Invalid.into()),
        State::Revoked => return Err(Refusal::Revoked.into()),
    }
    Ok(Proof {
        principal: Principal::User(known.user),
        authority,
        scope: String::new(),
        nonce: None,
        presented: Some(token.to_owned()),
    })
}

fn password(call: &Call<'_>, authority: Authority) -> Result<Proof, OauthError> {
    let username = call.field("username").unwrap_or_default();
    let password = call.field("password").unwrap_or_default();
    let user = User::named(username).ok_or_else(|| {
        let text = format!(
            "The user account {username} does not exist in the directory. To sign into this application, the \
                            account must be added to the directory."
        );
        OauthError::new("invalid_grant", 50_034, text)
    })?;
    if call.shared.secrets.password(user) != password {
        let text = "Error validating credentials due to invalid username or password.";
        return Err(OauthError::new("invalid_grant", 50_126, text));
    }
    Ok(Proof { principal: Principal::User(user), authority, scope: String::new(), nonce: None, presented: None })
}

fn client_credentials(call: &Call<'_>, authority: Authority) -> Result<Proof, OauthError> {
    let (id, secret) = call.client_credentials();
    let own = ServicePrincipal::named(&id);
    let own = own.filter(|own| own.tenants.iter().any(|tenant| authority == Authority::Tenant(tenant)));
    let Some(application) = own else {
        let text = format!(
            "Application with identifier '{id}' was not found in the directory '{}'. This can happen if the application \
             has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may \
             have sent your authentication request to the wrong tenant.",
            authority.segment()
        );
        return Err(OauthError::new("unauthorized_client", 700_016, text));
    };
    let proof = Proof {
        principal: Principal::Application(application),
        authority,
        scope: String::new(),
        nonce: None,
        presented: None,
    };
    if let Some(assertion) = call.field("client_assertion") {
        let audience = format!("{}{}", call.shared.origin, call.request.path);
        let assertion_type = call.field("client_assertion_type").unwrap_or_default();
        let proving = Proving { application, assertion_type, assertion, audience };
        return locked(&call.shared.applications).verify(&proving).map(|()| proof);
    }
    if secret.is_empty() {
        let text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
        return Err(OauthError::new("invalid_client", 7_000_218, text));
    }
    let is_known = locked(&call.shared.applications).has_secret(application, &secret);
    if secret != call.shared.secrets.client_secret && !is_known {
        let text = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not \
             the client secret ID, for a secret added to app '{id}'."
        );
        return Err(OauthError::new("invalid_client", 7_000_215, text));
    }
    Ok(proof)
}

fn authorization_code(call: &Call<'_>, authority: Authority) -> Result<Proof, OauthError> {
    let code = locked(&call.shared.ledger).take_code(call.field("code").unwrap_or_default());
    let code = code.ok_or_else(|| {
        let text = "OAuth2 Authorization code was already redeemed, please retry with a new valid code.";
        OauthError::new("invalid_grant", 54_005, text)
    })?;
    let verifier = call.field("code_verifier").unwrap_or_default();
    let is_verified = code.challenge.is_none_or(|wanted| wanted == URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)));
    if !is_verified || code.authority != authority || call.field("redirect_uri") != Some(&code.redirect_uri) {
        let text =
            "The Code_Verifier, the redirect_uri or the tenant does not match those of the authorization request.";
        return Err(OauthError::new("invalid_grant", 501_481, text));
    }
    Ok(Proof {
        principal: Principal::User(code.user),
        authority,
        scope: code.scope,
        nonce: code.nonce,
        presented: None,
    })
}

fn issue(call: &mut Call<'_>, proof: &Proof) -> Result<Response, OauthError> {
    let scopes =
        Scopes::parse(&proof.scope, call.shared.origin.as_str()).map_err(|bad| refusals::invalid_scope(&bad))?;
    let tenant = match proof.principal {
        Principal::User(user) => proof.authority.tenant_for(user),
        Principal::Application(own) => match proof.authority {
            Authority::Tenant(tenant) => tenant,
            _ => own.tenant,
        },
    };
    if let Principal::User(user) = proof.principal
        && user.object_id(tenant).is_none()
    {
        return Err(refusals::stranger(user.username(), tenant));
    }
    if scopes.is_unknown() {
        return Err(refusals::unknown_resource(&scopes.resource, tenant));
    }
    let knobs = locked(&call.shared.knobs).clone();
    let issued_at = now();
    let client_id = call.client_credentials().0;
    let grant = Grant {
        principal: proof.principal,
        tenant,
        client_id: &client_id,
        audience: &scopes.resource,
        permissions: &scopes.permissions(),
        issued_at,
        expires_at: issued_at + knobs.lifetime,
        is_cae: call.field("claims").is_some_and(|claims| claims.contains("CP1")),
    };
    let access_token = tokens::access_token(&grant);
    let mut body = json!({
        "token_type": "Bearer",
        "expires_in": knobs.lifetime,
        "ext_expires_in": knobs.lifetime,
        "access_token": access_token,
    });
    let mut put = |name: &str, value: Value| body.as_object_mut().map(|body| body.insert(name.to_owned(), value));
    if let Some(seconds) = knobs.refresh_in() {
        put("refresh_in", json!(seconds));
    }
    if call.is_by_resource() {
        put("expires_in", json!(knobs.lifetime.to_string()));
        put("ext_expires_in", json!(knobs.lifetime.to_string()));
        put("not_before", json!(issued_at.to_string()));
        put("expires_on", json!(grant.expires_at.to_string()));
        put("resource", json!(scopes.resource));
    }
    let mut issued_generation = None;
    {
        let mut ledger = locked(&call.shared.ledger);
        if let (Some(token), Rolling::Strict) = (&proof.presented, knobs.rolling)
            && !ledger.spend(token)
        {
            return Err(Refusal::Invalid.into());
        }
        let access = Access {
            principal: proof.principal,
            tenant,
            audience: scopes.resource.clone(),
            expires_at: grant.expires_at,
        };
        ledger.enter_access(&access_token, access);
        if let (Principal::User(user), true) = (proof.principal, scopes.wants_refresh_token) {
            let (token, generation) = ledger.issue_refresh(user);
            issued_generation = Some(generation);
            put("refresh_token", json!(token));
            if proof.authority != Authority::Adfs {
                put("foci", json!("1"));
            }
        }
    }
    if let Principal::User(user) = proof.principal {
        put("scope", json!(scopes.granted()));
        let nonce = proof.nonce.as_deref();
        let id_token = match proof.authority {
            Authority::Adfs => tokens::adfs_id_token(user, &grant, &call.shared.origin, nonce),
            _ if call.is_by_resource() => tokens::first_id_token(user, &grant),
            _ => tokens::id_token(user, &grant, &call.shared.origin, nonce),
        };
        if scopes.wants_id_token {
            put("id_token", json!(id_token));
        }
        if call.field("client_info") == Some("1") && proof.authority != Authority::Adfs {
            put("client_info", json!(tokens::client_info(user)));
        }
    }
    call.note.issued_generation = issued_generation;
    Ok(Response::json(200, &body).with("Cache-Control", "no-store, no-cache").with("x-ms-request-id", random::guid()))
}
