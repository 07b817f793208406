//! What the endpoint gives, in each protocol, and that everything it gives is written down.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use entra::{SUBSCRIPTION_2, TENANT_A};

use super::{ARM, SESSION, serve};
use crate::support::Sandbox;
use crate::support::native::claims;
use crate::support::sessions::{directory, session};

#[test]
fn app_service_s_protocol_gives_the_session_s_token() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let server = serve(&sandbox, &[]);
    let response = server.token(ARM);
    let token = response.granted();
    let json = response.json();
    assert_eq!(claims(&token)["tid"], TENANT_A.id);
    assert_eq!((json["resource"].as_str(), json["token_type"].as_str()), (Some(ARM), Some("Bearer")));
    assert_eq!(json["expires_on"].as_str().unwrap().parse::<i64>().unwrap(), claims(&token)["exp"]);
    // By the other name of the same resource, and with what else the SDKs add.
    for path in [
        "/msi/token?resource=https://management.core.windows.net/&api-version=2019-08-01",
        "/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fmanagement.azure.com&client_id=0",
        "/msi/token/?resource=https%3A%2F%2Fmanagement.azure.com%2F",
    ] {
        server.get(path, &[("x-identity-header", server.secret())]).granted();
    }
    assert_eq!(session(&sandbox, SESSION)["state"], "active");
    assert_eq!(server.variable("AZURE_SUBSCRIPTION_ID"), SUBSCRIPTION_2.id);
}

#[test]
fn the_machines_protocol_gives_it_with_the_secret_in_its_path_or_in_a_header() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let server = serve(&sandbox, &[]);
    let base = server.variable("AZURE_POD_IDENTITY_AUTHORITY_HOST").to_owned();
    let secret = base.rsplit('/').next().unwrap();
    let query = format!("metadata/identity/oauth2/token?api-version=2018-02-01&resource={ARM}");
    let metadata = ("Metadata", "true");
    let response = server.get(&format!("/{secret}/{query}"), &[metadata]);
    claims(&response.granted());
    for field in ["client_id", "expires_in", "expires_on", "ext_expires_in", "not_before", "resource", "token_type"] {
        assert!(response.json()[field].is_string(), "{field}: {response:?}");
    }
    server.get(&format!("/{query}"), &[metadata, ("X-IDENTITY-HEADER", secret)]).granted();
    server.get(&format!("/{secret}/{query}"), &[metadata, ("X-IDENTITY-HEADER", secret)]).granted();
    assert_eq!(
        server.variable("ARM_MSI_ENDPOINT"),
        format!("{base}/metadata/identity/oauth2/token"),
        "what Terraform's providers ask as it stands"
    );
    // As the machines' own: who does not say that he knows what he asks is not answered, nor who was sent on by another.
    server.get(&format!("/{secret}/{query}"), &[]).refused(400, "invalid_request");
    server.get(&format!("/{secret}/{query}"), &[metadata, ("X-Forwarded-For", "x")]).refused(400, "invalid_request");
    server.get(&format!("/{query}"), &[metadata]).refused(401, "invalid_client");
}

#[test]
fn a_socket_is_its_owner_s_and_gives_the_same() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let path = sandbox.root().join("here.sock");
    let server = serve(&sandbox, &["--socket", path.to_str().unwrap()]);
    assert_eq!(server.variable("AZWARD_ENDPOINT"), format!("unix:{}", path.display()));
    assert!(!server.variables.contains_key("IDENTITY_ENDPOINT"), "there is no port");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let secret = server.variable("AZWARD_ENDPOINT_SECRET");
    let path = format!("/msi/token?resource={ARM}");
    server.request_by_socket(&path, &[("X-IDENTITY-HEADER", secret)]).granted();
    server.request_by_socket(&path, &[("X-IDENTITY-HEADER", "no")]).refused(401, "invalid_client");
}

#[test]
fn a_token_that_is_due_is_new_and_every_grant_is_in_the_journal() {
    let (sandbox, entra) = Sandbox::logged_in();
    let server = serve(&sandbox, &[]);
    let first = server.token(ARM).granted();
    assert_eq!(server.token(ARM).granted(), first);
    age(&sandbox, 600);
    entra.clear_journal();
    let second = server.token(ARM).granted();
    assert_ne!(second, first);
    assert_eq!(entra.refreshes(), 1);
    // Who asked is known by his process over a socket, by his port over loopback.
    let secret = server.secret().to_owned();
    server.request_by_socket(&format!("/msi/token?resource={ARM}"), &[("X-IDENTITY-HEADER", &secret)]).granted();
    let grants: Vec<_> = sandbox.journal().into_iter().filter(|event| event["command"] == "azward serve").collect();
    let callers: Vec<_> = grants.iter().map(|event| event["caller"].as_str().unwrap().to_owned()).collect();
    assert_eq!(grants.len(), 4, "{grants:?}");
    let own = format!("[{}]", std::process::id());
    assert!(
        callers[..3].iter().all(|caller| caller.starts_with("127.0.0.1:")) && callers[3].contains(&own),
        "{callers:?}"
    );
    assert!(grants.iter().all(|event| event["scope"].as_str().unwrap().starts_with(ARM)), "{grants:?}");
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn it_serves_where_az_works_if_no_session_is_named() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let running = sandbox.azward(["serve", "--format", "json"]).start();
    running.wait_for("\n}\n");
    let told: serde_json::Value = serde_json::from_str(&running.said()).unwrap();
    let shown = sandbox.az(["account", "show", "--query", "id", "-o", "tsv"]).run().ok().out();
    assert_eq!(told["AZURE_SUBSCRIPTION_ID"], shown.trim());
    drop(running);
    sandbox.azward(["use", SESSION]).run().ok();
    let running = sandbox.azward(["serve", "--format", "json"]).start();
    running.wait_for("\n}\n");
    assert!(running.said().contains(SUBSCRIPTION_2.id), "{}", running.said());
}

/// Has the session's token, and what its login has besides, have so many seconds left.
pub(super) fn age(sandbox: &Sandbox, seconds_left: i64) {
    sandbox.config().age_access_tokens(seconds_left, "management");
    assert!(directory(sandbox, SESSION).age_access_tokens(seconds_left, "management") > 0);
}
