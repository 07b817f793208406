//! Service principals: what they sign in with is in the vault and in no file, az gets it for its run and for no longer, and whatever
//! becomes of list and az it is not lost.

mod adversity;
mod answers;
mod certificates;
mod endings;
mod kinds;
mod several;

use std::path::{Path, PathBuf};
use std::process::Command;

use entra::{Entra, SERVICE_PRINCIPAL, ServicePrincipal, TENANT_A, Tenant};

use crate::support::{Outcome, Sandbox, provision};

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

/// A new certificate with its key, as `az ad sp create-for-rbac --create-cert` leaves it.
fn make_certificate(path: &Path) -> String {
    let script = "import sys, datetime\n\
        from cryptography import x509\n\
        from cryptography.x509.oid import NameOID\n\
        from cryptography.hazmat.primitives import hashes, serialization\n\
        from cryptography.hazmat.primitives.asymmetric import rsa\n\
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)\n\
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, 'CLI-Login')])\n\
        now = datetime.datetime.now(datetime.timezone.utc)\n\
        made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())\n\
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))\n\
        made = made.not_valid_after(now + datetime.timedelta(days=365))\n\
        made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=False)\n\
        made = made.sign(key, hashes.SHA256())\n\
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())\n\
        open(sys.argv[1], 'wb').write(private + made.public_bytes(serialization.Encoding.PEM))\n";
    let python = provision::real_az().with_file_name("python");
    let status = Command::new(python).args(["-c", script]).arg(path).status();
    assert!(status.is_ok_and(|status| status.success()), "az's Python makes a certificate");
    std::fs::read_to_string(path).unwrap()
}
