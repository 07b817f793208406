//! Service principals and the machine's own identity in the crowd. The first principal is never signed out, the second one is, in and
//! out again; each sees a subscription of its own, so that az lists none for two. When the dust has settled, and after every install
//! and uninstall, the first one's secret is in its list or in the vault; of the second one, once it is signed out, no file of
//! any vault has anything. Nobody asks an endpoint more often than tokens come due.

use std::collections::BTreeMap;

use azward::vault::Contents;
use entra::{
    Entra, GUEST_PRINCIPAL, Instance, Request, SERVICE_PRINCIPAL, SUBSCRIPTION_OF_MACHINE, SUBSCRIPTION_OF_PRINCIPAL,
    ServicePrincipal, TENANT_A, TENANT_B, Tenant,
};
use serde_json::Value;

use crate::cast::Deed;
use crate::support::native::BY_AZ;
use crate::support::{BY_AZWARD, Outcome, Sandbox, vaults};
use crate::tally::Tally;
use crate::verdict;

/// For how many seconds a token is not due again after it was got.
const DUE_AGAIN: f32 = 2.0;

/// The words with which a principal signs in.
pub(crate) fn sign_in<'a>(own: &'a ServicePrincipal, tenant: &'a Tenant, secret: &'a str) -> [&'a str; 8] {
    ["login", "--service-principal", "--username", own.client_id, "--tenant", tenant.id, "--password", secret]
}

/// Signs all of them in.
pub(crate) fn begin(sandbox: &Sandbox, entra: &Entra, instance: &Instance) {
    for (name, value) in instance.of_virtual_machine() {
        sandbox.set_env(name, value);
    }
    sandbox.az(["login", "--identity"]).run().ok();
    sandbox.az(sign_in(&GUEST_PRINCIPAL, &TENANT_B, entra.client_secret())).run().ok();
    sandbox.az(sign_in(&SERVICE_PRINCIPAL, &TENANT_A, entra.client_secret())).run().ok();
    // azward has compared what it says of each with what az says.
    for subscription in [SUBSCRIPTION_OF_PRINCIPAL.id, SUBSCRIPTION_OF_MACHINE.id] {
        sandbox.az(["account", "get-access-token", "--subscription", subscription]).run().ok();
    }
}

/// Looks for the first principal's secret: in its list, where it was given back, or in the vault.
pub(crate) fn is_in(sandbox: &Sandbox, entra: &Entra, vault: Option<&Contents>) -> bool {
    let is_its = |entry: &Value| {
        entry["client_id"] == SERVICE_PRINCIPAL.client_id && entry["client_secret"] == entra.client_secret()
    };
    let kept = vault.into_iter().flat_map(|contents| &contents.records);
    let mut kept = kept.map(|record| serde_json::from_slice(record.entry.expose()).unwrap_or_default());
    list(sandbox).iter().any(is_its) || kept.any(|entry: Value| is_its(&entry))
}

fn list(sandbox: &Sandbox) -> Vec<Value> {
    let path = sandbox.config_dir().join("service_principal_entries.json");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// When the dust has settled both get tokens, natively and of the real az; the second principal is signed out, and gone.
pub(crate) fn inspect(sandbox: &Sandbox, entra: &Entra, tally: &mut Tally) {
    let mut tokens = Vec::new();
    for (deed, how, subscription) in [
        (Deed::PrincipalRotation, BY_AZWARD, SUBSCRIPTION_OF_PRINCIPAL.id),
        (Deed::PrincipalNewScope, BY_AZ, SUBSCRIPTION_OF_PRINCIPAL.id),
        (Deed::IdentityRotation, BY_AZWARD, SUBSCRIPTION_OF_MACHINE.id),
    ] {
        let resource = format!("https://after{how}.example");
        let words = ["account", "get-access-token", how, "-o", "json", "--resource", &resource];
        let outcome = sandbox.az(words).args(["--subscription", subscription]).run();
        match verdict::token(deed, None, &outcome) {
            Ok(token) if outcome.stderr.is_empty() => tokens.push(token),
            _ => tally.violation("no token of a principal afterwards", format!("{outcome:?}")),
        }
    }
    verdict::judge_tokens(entra, &tokens, tally);
    let is_listed = |entry: &Value| entry["client_id"] == GUEST_PRINCIPAL.client_id;
    if list(sandbox).iter().any(is_listed) {
        let outcome: Outcome = sandbox.az(["logout", "--username", GUEST_PRINCIPAL.client_id]).run();
        if !outcome.status.success() || list(sandbox).iter().any(is_listed) {
            tally.violation("the second principal cannot be signed out afterwards", format!("{outcome:?}"));
        }
    }
    for (name, entries) in vaults::entries_in_each(sandbox) {
        if entries.iter().any(is_listed) {
            tally.violation("a vault opens to a secret of who was signed out", name);
        }
    }
}

/// Each token is asked for when it is due and no sooner, but for what was lost with whoever was killed over it, or with an uninstall.
pub(crate) fn judge_requests(requests: &[Request], disturbances: usize, tally: &mut Tally) {
    let mut counts = BTreeMap::<(String, String), usize>::new();
    for request in requests.iter().filter(|request| {
        let is_azward_s = request.user_agent.as_deref().is_some_and(|agent| agent.starts_with("azward"));
        is_azward_s && request.status == Some(200) && (request.is_token_request() || request.is_instance_request())
    }) {
        let of = |text: &Option<String>| text.clone().unwrap_or_default();
        *counts.entry((of(&request.account), of(&request.scope))).or_default() += 1;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a small number")]
    let due = (tally.took.as_secs_f32() / DUE_AGAIN).ceil() as usize;
    tally.most_asked = counts.values().copied().max().unwrap_or(0);
    for ((account, scope), count) in counts {
        if count > due + disturbances {
            let what =
                format!("{count} requests of {account} for {scope}; {due} were due, {disturbances} disturbances");
            tally.violation("more requests than tokens came due", what);
        }
    }
}
