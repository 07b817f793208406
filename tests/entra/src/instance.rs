//! The endpoints at which a machine asks for the tokens of its managed identities, over plain HTTP: a virtual machine's (IMDS), App
//! Service's, and Azure Arc's, which has a key sent (`arc`). Each keeps what it gave, as the real ones do, unless a knob says otherwise.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;

use crate::arc::Agent;
use crate::directory::{ServicePrincipal, TENANT_A};
use crate::http::{Connection, Request, Response, Sent, Then};
use crate::issued::Access;
use crate::knobs::Trouble;
use crate::server::{Call, Shared, now};
use crate::tokens::{self, Grant, Principal};
use crate::{locked, random};

/// The identity that the machine has by itself.
pub const SYSTEM_IDENTITY: ServicePrincipal = ServicePrincipal {
    client_id: "1de47170-0000-4000-8000-000000000001",
    object_id: "1de47170-0000-4000-8000-000000000002",
    display_name: "contoso-vm",
    tenant: &TENANT_A,
    tenants: &[&TENANT_A],
};

/// The identity that the machine was given.
pub const USER_IDENTITY: ServicePrincipal = ServicePrincipal {
    client_id: "1de47170-0000-4000-8000-000000000003",
    object_id: "1de47170-0000-4000-8000-000000000004",
    display_name: "contoso-jobs",
    tenant: &TENANT_A,
    tenants: &[&TENANT_A],
};

/// Where the latter is.
pub const USER_IDENTITY_RESOURCE: &str = "/subscriptions/11111111-aaaa-4111-8111-111111111111/resourcegroups/rg-web/\
                                          providers/Microsoft.ManagedIdentity/userAssignedIdentities/contoso-jobs";

/// Where a machine asks.
#[derive(Debug, Clone)]
pub struct Instance {
    origin: String,
    header: String,
}

impl Instance {
    /// The variables with which az takes the machine for a virtual machine.
    pub fn of_virtual_machine(&self) -> Vec<(&'static str, String)> {
        vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", self.origin.clone())]
    }

    /// The variables with which az takes it for App Service.
    pub fn of_app_service(&self) -> Vec<(&'static str, String)> {
        vec![("IDENTITY_ENDPOINT", format!("{}/msi/token", self.origin)), ("IDENTITY_HEADER", self.header.clone())]
    }

    /// The variables with which az takes it for a machine of Azure Arc's.
    pub fn of_arc(&self) -> Vec<(&'static str, String)> {
        vec![("IDENTITY_ENDPOINT", format!("{}/arc/token", self.origin)), ("IMDS_ENDPOINT", self.origin.clone())]
    }
}

/// What was given: for whom and for what, and until when it is good.
type Kept = HashMap<(&'static str, String), (String, u64)>;

/// What a machine knows.
#[derive(Debug, Default)]
struct Machine {
    kept: Mutex<Kept>,
    agent: Agent,
}

/// Starts the endpoints, for as long as this process lives.
pub(crate) fn start(shared: &Arc<Shared>) -> io::Result<Instance> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let origin = format!("http://{}", listener.local_addr()?);
    let instance = Instance { origin, header: random::text(32) };
    let (shared, header) = (Arc::clone(shared), instance.header.clone());
    let machine: Arc<Machine> = Arc::default();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (shared, machine, header) = (Arc::clone(&shared), Arc::clone(&machine), header.clone());
            // Whoever goes away is not served.
            thread::spawn(move || serve(stream, &shared, &machine, &header));
        }
    });
    Ok(instance)
}

fn serve(stream: TcpStream, shared: &Shared, machine: &Machine, header: &str) -> io::Result<()> {
    let mut connection = Connection::new(stream);
    while let Ok(request) = connection.receive() {
        let mut call = Call::new(shared, &request);
        call.note.scope = request.query("resource").map(str::to_owned);
        let number = shared.journal.open(&call.note);
        let answer = answer(&mut call, machine, header);
        call.note.status = answer.as_ref().map(|response| response.status);
        shared.journal.close(number, &call.note);
        let Some(response) = answer else { return Ok(()) };
        connection.send(&response, Sent::Whole, request.then)?;
        if request.then == Then::Close {
            break;
        }
    }
    Ok(())
}

/// Answers a request; `None` hangs up.
fn answer(call: &mut Call<'_>, machine: &Machine, header: &str) -> Option<Response> {
    let request = call.request;
    let has_metadata = request.header("metadata").is_some_and(|value| value == "true");
    let is_app_service = request.path == "/msi/token";
    let is_allowed = match request.path.as_str() {
        "/metadata/identity/oauth2/token" => has_metadata && request.query("api-version") == Some("2018-02-01"),
        "/msi/token" => {
            request.header("x-identity-header") == Some(header) && request.query("api-version") == Some("2019-08-01")
        }
        "/arc/token" => has_metadata && request.query("api-version") == Some("2020-06-01"),
        _ => return Some(Response::json(404, &json!({}))),
    };
    if request.method != "GET" || !is_allowed {
        return Some(refusal(call, "a required header is missing or the api-version is not known"));
    }
    let resource = request.query("resource").unwrap_or_default().to_owned();
    let troubles = locked(&call.shared.knobs).take_troubles("managed_identity", &resource);
    for trouble in troubles {
        match trouble {
            Trouble::Delay(time) | Trouble::DelayAnswer(time) => thread::sleep(time),
            Trouble::HangUp | Trouble::LoseAnswer => return None,
            Trouble::TooManyRequests(seconds) => {
                let body = json!({"error": "too_many_requests", "error_description": "Too many requests"});
                return Some(Response::json(429, &body).with("Retry-After", seconds.to_string()));
            }
            Trouble::ServerError => return Some(Response::json(500, &json!({"error": "unknown_error"}))),
            Trouble::Garbage => return Some(Response::text(200, "text/html", "<html>Sign in to the proxy</html>")),
            Trouble::Refuse(_) | Trouble::Echo(_) | Trouble::Alter(_) => {
                return Some(refusal(call, "Identity not found"));
            }
        }
    }
    if request.path == "/arc/token" && !machine.agent.takes(request) {
        return Some(match request.header("authorization") {
            None => machine.agent.challenge(&locked(&call.shared.knobs)),
            Some(_) => Response::json(401, &json!({"error": "invalid_request", "error_description": "Invalid key"})),
        });
    }
    let Some(identity) = identity(request, is_app_service) else { return Some(refusal(call, "Identity not found")) };
    let (token, expires_at) = token(call, &machine.kept, identity, &resource);
    call.note.account = Some(identity.client_id.to_owned());
    let left = expires_at.saturating_sub(now());
    // Numbers are texts there.
    Some(Response::json(
        200,
        &json!({
            "access_token": token,
            "client_id": identity.client_id,
            "expires_in": left.to_string(),
            "expires_on": expires_at.to_string(),
            "ext_expires_in": left.to_string(),
            "not_before": now().to_string(),
            "resource": resource,
            "token_type": "Bearer",
        }),
    ))
}

fn refusal(call: &mut Call<'_>, why: &str) -> Response {
    call.note.error = Some("invalid_request".to_owned());
    Response::json(400, &json!({"error": "invalid_request", "error_description": why}))
}

/// Who is asked for, by whichever id.
fn identity(request: &Request, is_app_service: bool) -> Option<&'static ServicePrincipal> {
    let resource_id = if is_app_service { "mi_res_id" } else { "msi_res_id" };
    let ids = ["client_id", "object_id", resource_id].map(|name| request.query(name));
    match ids {
        [None, None, None] => Some(&SYSTEM_IDENTITY),
        [client, object, resource] => {
            let own = [USER_IDENTITY.client_id, USER_IDENTITY.object_id, USER_IDENTITY_RESOURCE];
            let is_own = |(given, own): (Option<&str>, &str)| given.is_none_or(|given| given == own);
            [client, object, resource].into_iter().zip(own).all(is_own).then_some(&USER_IDENTITY)
        }
    }
}

fn token(call: &Call<'_>, kept: &Mutex<Kept>, identity: &'static ServicePrincipal, resource: &str) -> (String, u64) {
    let (lifetime, keeps) = {
        let knobs = locked(&call.shared.knobs);
        (knobs.lifetime, knobs.instance_keeps)
    };
    let mut kept = locked(kept);
    let place = (identity.client_id, resource.to_owned());
    if let Some(found) = kept.get(&place).filter(|_| keeps) {
        return found.clone();
    }
    let issued_at = now();
    let grant = Grant {
        principal: Principal::Application(identity),
        tenant: identity.tenant,
        client_id: identity.client_id,
        audience: resource,
        permissions: "",
        issued_at,
        expires_at: issued_at + lifetime,
        is_cae: false,
    };
    let token = tokens::access_token(&grant);
    let access = Access {
        principal: grant.principal,
        tenant: identity.tenant,
        audience: resource.to_owned(),
        expires_at: grant.expires_at,
    };
    locked(&call.shared.ledger).enter_access(&token, access);
    kept.insert(place, (token.clone(), grant.expires_at));
    (token, grant.expires_at)
}
