//! Resources in a resource group, as Resource Manager keeps them for whoever may write there: put, read and deleted by
//! id.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::http::Response;
use crate::locked;
use crate::server::Call;

/// All that there are: by its id in lower case, as which Resource Manager compares ids.
pub(crate) type Resources = BTreeMap<String, Value>;

/// Answers a request that is about one resource of such a group; what is asked for is known by the path as the client
/// wrote it.
pub(crate) fn answer(call: &mut Call<'_>) -> Response {
    if call.request.query("api-version").is_none() {
        let message = "The api-version query parameter (?api-version=) is required for all requests.";
        return call.fail(400, "MissingApiVersionParameter", message);
    }
    let id = call.request.path.clone();
    let key = id.to_ascii_lowercase();
    match call.request.method.as_str() {
        "GET" => match locked(&call.shared.resources).get(&key) {
            Some(found) => Response::json(200, found),
            None => not_found(call, &id),
        },
        "PUT" => {
            let Some(Value::Object(body)) = call.request.json() else {
                return call.fail(400, "InvalidRequestContent", "The request content is no JSON object.");
            };
            let resource = made(&id, &Value::Object(body));
            let before = locked(&call.shared.resources).insert(key, resource.clone());
            Response::json(if before.is_some() { 200 } else { 201 }, &resource)
        }
        "DELETE" => {
            let before = locked(&call.shared.resources).remove(&key);
            Response::text(if before.is_some() { 200 } else { 204 }, "application/json", "")
        }
        _ => call.fail(405, "HttpMethodNotAllowed", "A resource is put, read and deleted here."),
    }
}

/// What becomes of what was put: the service says which it is, and that it is done.
fn made(id: &str, body: &Value) -> Value {
    let segments: Vec<&str> = id.rsplit('/').take(3).collect();
    let mut resource = json!({
        "id": id,
        "name": segments[0],
        "type": format!("{}/{}", segments[2], segments[1]),
        "properties": {},
    });
    for name in ["location", "tags", "properties"] {
        if let Some(value) = body.get(name) {
            resource[name] = value.clone();
        }
    }
    if let Some(properties) = resource["properties"].as_object_mut() {
        properties.insert("provisioningState".to_owned(), "Succeeded".into());
    }
    resource
}

fn not_found(call: &mut Call<'_>, id: &str) -> Response {
    let segments: Vec<&str> = id.split('/').skip(1).collect();
    let (group, resource) = (segments[3], segments[5..].join("/"));
    let message = format!("The Resource '{resource}' under resource group '{group}' was not found.");
    call.fail(404, "ResourceNotFound", &message)
}
