//! Service principals: what they sign in with is in the vault and in no file, az gets it for its run and for no longer, and whatever
//! becomes of list and az it is not lost.

mod adversity;
mod answers;
mod certificates;
mod endings;
mod kinds;
mod several;

use std::path::PathBuf;

use entra::{Entra, SERVICE_PRINCIPAL, ServicePrincipal, TENANT_A, Tenant};

use crate::support::{Outcome, Sandbox, make_certificate};

const TOKEN: [&str; 4] = ["account", "get-access-token", "--output", "json"];

fn list(sandbox: &Sandbox) -> PathBuf {
    sandbox.config_dir().join("service_principal_entries.json")
}

fn text(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(list(sandbox)).unwrap()
}

/// What az writes for principals that sign in with these members, each with its value.
fn as_az_writes(entries: &[(&ServicePrincipal, &Tenant, &str, &str)]) -> String {
    let entry = |(application, tenant, member, value): &(&ServicePrincipal, &Tenant, &str, &str)| {
        format!(
            "    {{\n        \"client_id\": \"{}\",\n        \"tenant\": \"{}\",\n        \"{member}\": \"{value}\"\n    }}",
            application.client_id, tenant.id
        )
    };
    format!("[\n{}\n]", entries.iter().map(entry).collect::<Vec<_>>().join(",\n"))
}

fn sandbox() -> (Sandbox, Entra) {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|_| {});
    (sandbox, entra)
}

fn words<'a>(application: &'a ServicePrincipal, tenant: &'a Tenant, proof: &[&'a str]) -> Vec<&'a str> {
    let mut words = vec!["login", "--service-principal", "--username", application.client_id, "--tenant", tenant.id];
    words.extend(proof);
    words
}

fn login(sandbox: &Sandbox, application: &ServicePrincipal, tenant: &Tenant, proof: &[&str]) -> Outcome {
    let outcome = sandbox.az(words(application, tenant, proof)).run().ok();
    sandbox.assert_nothing_in_the_clear();
    outcome
}

/// A box in which the service principal of tenant A is signed in with its secret.
fn signed_in() -> (Sandbox, Entra) {
    let (sandbox, entra) = sandbox();
    login(&sandbox, &SERVICE_PRINCIPAL, &TENANT_A, &["--password", entra.client_secret()]);
    (sandbox, entra)
}

/// A token that no cache has, for which az needs what the principal signs in with.
fn redeem(sandbox: &Sandbox, resource: &str, more: &[&str]) -> Outcome {
    let outcome = sandbox.az(TOKEN).args(["--resource", resource]).args(more).run();
    sandbox.assert_nothing_in_the_clear();
    outcome
}

/// What the vault has, by `azward status`: a name for each login.
fn kept(sandbox: &Sandbox) -> Vec<String> {
    let status = sandbox.azward(["status", "--json"]).run().json();
    let logins = status["vault"]["logins"].as_array().cloned().unwrap_or_default();
    let mut names: Vec<String> = logins.iter().map(|login| login["account"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}
