//! Resource Manager: tenants, subscriptions, resource groups and what is in those (`resources`), for bearers of a valid
//! token.

use std::thread;

use serde_json::{Value, json};

use crate::directory::{RESOURCE_GROUPS, SUBSCRIPTIONS, Subscription, TENANT_A, Tenant};
use crate::http::Response;
use crate::issued::Access;
use crate::knobs::Sight;
use crate::server::{Call, now};
use crate::tokens::Principal;
use crate::{locked, resources};

const AUDIENCES: [&str; 2] = ["https://management.core.windows.net", "https://management.azure.com"];

/// Answers a path that starts with `tenants`, `subscriptions` or `metadata`.
pub(crate) fn answer(call: &mut Call<'_>, segments: &[&str]) -> Response {
    let (delay, sight) = {
        let knobs = locked(&call.shared.knobs);
        (knobs.arm_delay, knobs.sight)
    };
    thread::sleep(delay);
    if segments == ["metadata", "endpoints"] {
        return endpoints(&call.shared.origin);
    }
    let access = match bearer(call, &AUDIENCES) {
        Ok(access) => access,
        Err(Rejected { code, message }) => {
            let challenge = format!(
                "Bearer authorization_uri=\"{}/{}\", error=\"invalid_token\", error_description=\"{message}\"",
                call.shared.origin, TENANT_A.id
            );
            return call.fail(401, code, &message).with("WWW-Authenticate", challenge);
        }
    };
    let is_one_resource = matches!(segments, ["subscriptions", _, "resourcegroups", _, "providers", _, _, _]);
    if call.request.method != "GET" && !is_one_resource {
        return call.fail(405, "HttpMethodNotAllowed", "Only GET is served there.");
    }
    match segments {
        ["tenants"] => list(tenants(&access).into_iter().map(tenant).collect()),
        ["subscriptions"] => list(visible(&access, sight).into_iter().map(subscription).collect()),
        ["subscriptions", id, rest @ ..] => match known(&access).into_iter().find(|known| known.id == *id) {
            None => {
                let message = format!("The subscription '{id}' could not be found.");
                call.fail(404, "SubscriptionNotFound", &message)
            }
            Some(found) if found.tenant != access.tenant => wrong_tenant(call, found, &access),
            Some(found) => match rest {
                [] => Response::json(200, &subscription(found)),
                ["resourcegroups"] => list(RESOURCE_GROUPS.map(|name| resource_group(found, name)).into()),
                ["resourcegroups", name] if RESOURCE_GROUPS.contains(name) => {
                    Response::json(200, &resource_group(found, name))
                }
                ["resourcegroups", name, "providers", ..] if !RESOURCE_GROUPS.contains(name) => {
                    let message = format!("Resource group '{name}' could not be found.");
                    call.fail(404, "ResourceGroupNotFound", &message)
                }
                ["resourcegroups", _, "providers", _, _, _] => resources::answer(call),
                _ => call.fail(404, "ResourceNotFound", "The stand-in has no such resource."),
            },
        },
        _ => call.fail(404, "InvalidResourceType", "The stand-in has no such resource type."),
    }
}

/// The endpoints document that `az cloud register` reads; anybody may.
fn endpoints(origin: &str) -> Response {
    Response::json(
        200,
        &json!({
            "name": "StandInCloud",
            "authentication": {
                "loginEndpoint": origin,
                "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
                "tenant": "common",
                "identityProvider": "AAD",
            },
            "resourceManager": format!("{origin}/"),
            "portal": "https://portal.azure.com",
            "graphAudience": "https://graph.windows.net/",
            "microsoftGraphResourceId": format!("{origin}/"),
            "batch": "https://batch.core.windows.net/",
            "media": "https://rest.media.azure.net",
            "activeDirectoryDataLake": "https://datalake.azure.net/",
            "logAnalyticsResourceId": "https://api.loganalytics.io",
            "appInsightsResourceId": "https://api.applicationinsights.io",
            "appServiceResourceId": "https://appservice.azure.com",
            "attestationResourceId": "https://attest.azure.net",
            "ossrdbmsResourceId": "https://ossrdbms-aad.database.windows.net",
            "synapseAnalyticsResourceId": "https://dev.azuresynapse.net",
            "sqlManagement": "https://management.core.windows.net:8443/",
            "suffixes": {
                "storage": "core.windows.net",
                "keyVaultDns": "vault.azure.net",
                "sqlServerHostname": "database.windows.net",
                "acrLoginServer": "azurecr.io",
            },
        }),
    )
}

/// Why a bearer is turned away.
pub(crate) struct Rejected {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

/// Finds out who bears the token of a request, and whether it is for one of these audiences.
pub(crate) fn bearer(call: &mut Call<'_>, audiences: &[&str]) -> Result<Access, Rejected> {
    let reject = |code, message: &str| Err(Rejected { code, message: message.to_owned() });
    let Some(token) = call.request.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) else {
        return reject(
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is missing or is no bearer token.",
        );
    };
    let Some(access) = locked(&call.shared.ledger).access(token).cloned() else {
        return reject("InvalidAuthenticationToken", "The access token is invalid.");
    };
    call.note.account = Some(access.principal.account().to_owned());
    call.note.tenant = Some(access.tenant.id.to_owned());
    if !audiences.contains(&access.audience.trim_end_matches('/')) {
        let message = format!(
            "The access token has been obtained for wrong audience or resource '{}'. It should exactly match with one of \
             the allowed audiences.",
            access.audience
        );
        return reject("InvalidAuthenticationTokenAudience", &message);
    }
    if access.expires_at <= now() {
        return reject("ExpiredAuthenticationToken", "The access token has expired.");
    }
    Ok(access)
}

fn wrong_tenant(call: &mut Call<'_>, found: &Subscription, access: &Access) -> Response {
    let message = format!(
        "The access token is from the wrong issuer 'https://sts.windows.net/{}/'. It must match the tenant \
         'https://sts.windows.net/{}/' associated with this subscription.",
        access.tenant.id, found.tenant.id
    );
    let challenge = format!("Bearer authorization_uri=\"{}/{}\"", call.shared.origin, found.tenant.id);
    call.fail(401, "InvalidAuthenticationTokenTenant", &message).with("WWW-Authenticate", challenge)
}

fn tenants(access: &Access) -> Vec<&'static Tenant> {
    match access.principal {
        Principal::User(user) => user.tenants(),
        Principal::Application(own) => own.tenants.to_vec(),
    }
}

/// What the bearer may ask for.
fn known(access: &Access) -> Vec<&'static Subscription> {
    let own = match access.principal {
        Principal::User(_) => None,
        Principal::Application(own) => Some(own.own_subscription()),
    };
    SUBSCRIPTIONS.into_iter().chain(own).collect()
}

/// What is listed for the bearer.
fn visible(access: &Access, sight: Sight) -> Vec<&'static Subscription> {
    let mut listed = known(access);
    listed.retain(|known| {
        let is_everybodys = SUBSCRIPTIONS.contains(known);
        let is_an_application_s = matches!(access.principal, Principal::Application(_));
        known.tenant == access.tenant && is_everybodys != (is_an_application_s && sight == Sight::Own)
    });
    listed
}

fn list(value: Vec<Value>) -> Response {
    Response::json(200, &json!({"value": value}))
}

fn tenant(tenant: &Tenant) -> Value {
    json!({
        "id": format!("/tenants/{}", tenant.id),
        "tenantId": tenant.id,
        "countryCode": "CH",
        "displayName": tenant.display_name,
        "domains": [tenant.domain],
        "tenantCategory": "Home",
        "defaultDomain": tenant.domain,
        "tenantType": "AAD",
    })
}

fn subscription(found: &Subscription) -> Value {
    json!({
        "id": format!("/subscriptions/{}", found.id),
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": found.id,
        "tenantId": found.tenant.id,
        "displayName": found.name,
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    })
}

fn resource_group(found: &Subscription, name: &str) -> Value {
    json!({
        "id": format!("/subscriptions/{}/resourceGroups/{name}", found.id),
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": "switzerlandnorth",
        "tags": {},
        "properties": {"provisioningState": "Succeeded"},
    })
}
