//! Logins with names and sessions, as `azward` tells of them, and three sessions side by side.

use entra::{Entra, SUBSCRIPTION_2, SUBSCRIPTION_3, Subscription, TENANT_A, TENANT_B, Tenant, User};
use serde_json::Value;

use super::config_dir::ConfigDir;
use super::outcome::Outcome;
use super::sandbox::Sandbox;

/// One of the sessions that [`start_side_by_side`] starts, and whose tokens it gives.
pub(crate) struct Started {
    pub(crate) name: &'static str,
    pub(crate) subscription: &'static Subscription,
    pub(crate) tenant: &'static Tenant,
    pub(crate) user: User,
}

/// Three sessions of two tenants and two logins: alice's is the user's own, bob's has a name.
pub(crate) const SIDE_BY_SIDE: [Started; 3] = [
    Started { name: "contoso-development", subscription: &SUBSCRIPTION_2, tenant: &TENANT_A, user: User::Alice },
    Started { name: "fabrikam-shared", subscription: &SUBSCRIPTION_3, tenant: &TENANT_B, user: User::Alice },
    Started { name: "fabrikam-shared-2", subscription: &SUBSCRIPTION_3, tenant: &TENANT_B, user: User::Bob },
];

/// Signs both in, and starts the sessions.
pub(crate) fn start_side_by_side(sandbox: &Sandbox, entra: &Entra) {
    sandbox.login(entra, User::Alice);
    login(sandbox, entra, "lab", User::Bob);
    for Started { name, .. } in SIDE_BY_SIDE {
        sandbox.azward(["start", name]).run().ok();
    }
    assert_eq!(session(sandbox, "fabrikam-shared-2")["login"], "lab");
}

/// What a session is, as `azward list --json` tells it.
pub(crate) fn session(sandbox: &Sandbox, name: &str) -> Value {
    let all = listed(sandbox);
    let names: Vec<_> = all.iter().map(|one| one["name"].clone()).collect();
    all.into_iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("no `{name}` in {names:?}"))
}

/// The names of all sessions.
pub(crate) fn names(sandbox: &Sandbox) -> Vec<String> {
    listed(sandbox).iter().filter_map(|one| one["name"].as_str().map(str::to_owned)).collect()
}

fn listed(sandbox: &Sandbox) -> Vec<Value> {
    let listed = sandbox.azward(["list", "--json"]).run().ok().json();
    listed["sessions"].as_array().cloned().expect("there is a list of them")
}

/// A session's config directory.
pub(crate) fn directory(sandbox: &Sandbox, name: &str) -> ConfigDir {
    ConfigDir::at(session(sandbox, name)["config_directory"].as_str().expect("it has a path"))
}

/// Signs `user` in to a login of that name.
pub(crate) fn login(sandbox: &Sandbox, entra: &Entra, name: &str, user: User) -> Outcome {
    entra.knobs(|knobs| knobs.next_login = user);
    sandbox.azward(["login", name, "--", "--use-device-code"]).run().ok()
}
