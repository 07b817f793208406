//! The Azure SDKs as they come from their registries, azure-identity for Python and @azure/identity for JavaScript, get their
//! tokens through the shim without noticing it, and say properly that nobody is logged in.
//!
//! They are installed once, like the real az (`support/libraries.rs`); that needs Python, Node.js and the network (or a mirror
//! in `pip.conf` and `.npmrc`). What else there is of their kind is in `tests/callers`.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use entra::{Entra, SUBSCRIPTION_2, TENANT_A, TENANT_B};
use serde_json::Value;

use crate::support::{Invocation, LOUD, Sandbox, libraries};

const ARM: &str = "https://management.core.windows.net//.default";
const VAULT: &str = "https://vault.azure.net/.default";

/// Asks for a token for each argument, `SCOPE TENANT SUBSCRIPTION` with `-` for none, and prints a line for each.
const PYTHON: &str = r#"
import asyncio, json, sys
from azure.identity import AzureCliCredential, CredentialUnavailableError
from azure.identity.aio import AzureCliCredential as AsyncAzureCliCredential

def options(tenant, subscription):
    return {k: v for k, v in [("tenant_id", tenant), ("subscription", subscription)] if v != "-"}

async def ask(scope, tenant, subscription):
    async with AsyncAzureCliCredential(**options(tenant, subscription)) as credential:
        return await credential.get_token(scope)

for argument in sys.argv[1:]:
    scope, tenant, subscription = argument.split("|")
    for get in (lambda: AzureCliCredential(**options(tenant, subscription)).get_token(scope),
                lambda: asyncio.run(ask(scope, tenant, subscription))):
        try:
            token = get()
            print(json.dumps({"token": token.token, "expires_on": token.expires_on}))
        except CredentialUnavailableError as error:
            print(json.dumps({"unavailable": error.message}))
"#;

const JAVASCRIPT: &str = r#"
const { AzureCliCredential, CredentialUnavailableError } = require("@azure/identity");
(async () => {
  for (const argument of process.argv.slice(2)) {
    const [scope, tenant, subscription] = argument.split("|");
    const options = {};
    if (tenant !== "-") options.tenantId = tenant;
    if (subscription !== "-") options.subscription = subscription;
    try {
      const token = await new AzureCliCredential(options).getToken(scope);
      console.log(JSON.stringify({ token: token.token, expires_on: token.expiresOnTimestamp / 1000 }));
    } catch (error) {
      if (!(error instanceof CredentialUnavailableError)) throw error;
      console.log(JSON.stringify({ unavailable: error.message }));
    }
  }
})();
"#;

/// An SDK asking through the shim.
struct Sdk {
    name: &'static str,
    program: PathBuf,
    script: PathBuf,
    /// How many tokens it gets for each argument.
    ways: usize,
    modules: PathBuf,
}

impl Sdk {
    fn python(sandbox: &Sandbox) -> Self {
        let script = sandbox.root().join("ask.py");
        std::fs::write(&script, PYTHON).unwrap();
        Self {
            name: "azure-identity for Python",
            program: libraries::python(),
            script,
            ways: 2,
            modules: PathBuf::new(),
        }
    }

    fn javascript(sandbox: &Sandbox) -> Self {
        let script = sandbox.root().join("ask.js");
        std::fs::write(&script, JAVASCRIPT).unwrap();
        let node = libraries::on_path("node")
            .expect("there is no `node` on PATH: the test of @azure/identity needs Node.js 20 or newer");
        Self {
            name: "@azure/identity for JavaScript",
            program: node,
            script,
            ways: 1,
            modules: libraries::javascript(),
        }
    }

    fn ask(&self, sandbox: &Sandbox, wanted: &[&str]) -> Vec<Value> {
        let asking = Invocation::new(sandbox, &self.program).args([&self.script]).args(wanted);
        let outcome = asking.env("NODE_PATH", &self.modules).run().ok();
        let lines: Vec<Value> = outcome.out().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), wanted.len() * self.ways, "{}: {outcome:?}", self.name);
        lines
    }
}

/// Tokens for Resource Manager, Key Vault, another tenant and another subscription, natively, fresh and from the cache; then
/// a token that is due; then nobody is logged in any more.
fn works_with(sandbox: &Sandbox, entra: &Entra, sdk: &Sdk) {
    let path = sandbox.environment()[std::ffi::OsStr::new("PATH")].clone();
    let (elsewhere, second) = (format!("{VAULT}|{}|-", TENANT_B.id), format!("{ARM}|-|{}", SUBSCRIPTION_2.id));
    let (arm, vault, by_name) =
        (format!("{ARM}|-|-"), format!("{VAULT}|-|-"), format!("{VAULT}|-|{}", SUBSCRIPTION_2.name));
    let wanted = [&arm, &vault, &elsewhere, &second, &by_name].map(String::as_str);
    sandbox.wrap_script(LOUD);
    entra.clear_journal();
    let tokens = sdk.ask(sandbox, &wanted);
    let secret = |token: &Value| token["token"].as_str().unwrap_or_else(|| panic!("{}: {token}", sdk.name)).to_owned();
    let issued = entra.access_tokens_issued();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    for token in &tokens {
        assert!(issued.contains(&secret(token)), "{}: {token}", sdk.name);
        let left = Duration::from_secs(token["expires_on"].as_u64().unwrap()).checked_sub(now).unwrap();
        assert!(left > Duration::from_secs(3000) && left <= Duration::from_secs(3600), "{}: {left:?}", sdk.name);
    }
    let of = |place: usize| secret(&tokens[place * sdk.ways]);
    assert_eq!((of(0), of(1)), (of(3), of(4)), "two subscriptions of one tenant have their tokens in common");
    assert!(of(0) != of(1) && of(1) != of(2));
    let tenants: Vec<_> = entra.journal().into_iter().map(|request| request.tenant.unwrap()).collect();
    assert_eq!(tenants, [TENANT_A.id, TENANT_B.id], "the login brought a token for Resource Manager");

    sandbox.config().age_access_tokens(15 * 60, "management");
    entra.clear_journal();
    let rotated = sdk.ask(sandbox, &[&arm]);
    assert!(entra.refreshes() == 1 && secret(&rotated[0]) != of(0), "{}", sdk.name);
    assert_eq!(sandbox.deeds("answer"), (wanted.len() + 1) * sdk.ways);
    sandbox.assert_nothing_in_the_clear();

    sandbox.set_env("PATH", path);
    sandbox.az(["logout"]).run().ok();
    for answer in sdk.ask(sandbox, &[&arm, &elsewhere]) {
        let text = answer["unavailable"].as_str().unwrap_or_else(|| panic!("{}: {answer}", sdk.name));
        assert!(text.contains("Please run 'az login'"), "{}: {text}", sdk.name);
    }
}

#[test]
fn azure_identity_for_python() {
    let (sandbox, entra) = Sandbox::logged_in();
    let sdk = Sdk::python(&sandbox);
    works_with(&sandbox, &entra, &sdk);
}

#[test]
fn azure_identity_for_javascript() {
    let (sandbox, entra) = Sandbox::logged_in();
    let sdk = Sdk::javascript(&sandbox);
    works_with(&sandbox, &entra, &sdk);
}
