//! Microsoft Graph, as much as `az ad signed-in-user show`, `az ad user list` and `az ad sp list` need.

use serde_json::{Value, json};

use crate::directory::{SERVICE_PRINCIPAL, Tenant, User};
use crate::http::Response;
use crate::resource_manager::{Rejected, bearer};
use crate::server::Call;
use crate::tokens::Principal;

/// Answers a path below `/v1.0`.
pub(crate) fn answer(call: &mut Call<'_>, segments: &[&str]) -> Response {
    let origin = call.shared.origin.clone();
    let audiences = [origin.as_str(), "https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000"];
    let access = match bearer(call, &audiences) {
        Ok(access) => access,
        Err(Rejected { message, .. }) => {
            let challenge = format!("Bearer realm=\"\", authorization_uri=\"{origin}/common/oauth2/v2.0/authorize\"");
            return call.fail(401, "InvalidAuthenticationToken", &message).with("WWW-Authenticate", challenge);
        }
    };
    if call.request.method != "GET" {
        return call.fail(405, "Request_BadRequest", "Only GET is served here.");
    }
    let tenant = access.tenant;
    match (segments, access.principal) {
        (["me"], Principal::User(one)) => Response::json(200, &user(one, tenant)),
        (["me"], Principal::Application(_)) => {
            call.fail(400, "BadRequest", "/me request is only valid with delegated authentication flow.")
        }
        (["users"], _) => list(members(tenant).map(|one| user(one, tenant)).collect()),
        (["users", name], _) => {
            let found =
                members(tenant).find(|one| User::named(name) == Some(*one) || one.object_id(tenant) == Some(*name));
            match found {
                Some(one) => Response::json(200, &user(one, tenant)),
                None => missing(call, name),
            }
        }
        (["serviceprincipals"], _) => list(service_principals(call, tenant)),
        (["serviceprincipals", id], _) if *id == SERVICE_PRINCIPAL.object_id && tenant == SERVICE_PRINCIPAL.tenant => {
            Response::json(200, &service_principal())
        }
        _ => missing(call, segments.last().unwrap_or(&"")),
    }
}

fn missing(call: &mut Call<'_>, name: &str) -> Response {
    let message =
        format!("Resource '{name}' does not exist or one of its queried reference-property objects are not present.");
    call.fail(404, "Request_ResourceNotFound", &message)
}

fn members(tenant: &'static Tenant) -> impl Iterator<Item = User> {
    User::ALL.into_iter().filter(move |user| user.object_id(tenant).is_some())
}

/// The one service principal, unless a filter names something else.
fn service_principals(call: &Call<'_>, tenant: &Tenant) -> Vec<Value> {
    let filter = call.request.query("$filter").unwrap_or_default();
    let names = [SERVICE_PRINCIPAL.client_id, SERVICE_PRINCIPAL.object_id, SERVICE_PRINCIPAL.display_name];
    let is_wanted = filter.is_empty() || names.iter().any(|name| filter.contains(name));
    if is_wanted && tenant == SERVICE_PRINCIPAL.tenant { vec![service_principal()] } else { Vec::new() }
}

fn list(value: Vec<Value>) -> Response {
    Response::json(200, &json!({"value": value}))
}

fn user(user: User, tenant: &Tenant) -> Value {
    let (given_name, surname) = user.names();
    json!({
        "id": user.object_id(tenant),
        "businessPhones": [],
        "displayName": format!("{given_name} {surname}"),
        "givenName": given_name,
        "surname": surname,
        "jobTitle": null,
        "mail": user.username(),
        "mobilePhone": null,
        "officeLocation": null,
        "preferredLanguage": null,
        "userPrincipalName": user.principal_name(tenant),
    })
}

fn service_principal() -> Value {
    json!({
        "id": SERVICE_PRINCIPAL.object_id,
        "appId": SERVICE_PRINCIPAL.client_id,
        "appDisplayName": SERVICE_PRINCIPAL.display_name,
        "displayName": SERVICE_PRINCIPAL.display_name,
        "appOwnerOrganizationId": SERVICE_PRINCIPAL.tenant.id,
        "servicePrincipalType": "Application",
        "servicePrincipalNames": [SERVICE_PRINCIPAL.client_id],
        "accountEnabled": true,
    })
}
