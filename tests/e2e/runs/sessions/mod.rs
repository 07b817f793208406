//! Sessions: what a login, a start, a rotation and a stop leave in the files, step by step; several at once, of several logins;
//! and what runs in one.

mod leapp;
mod steps;
mod together;
mod within;

use entra::{Entra, User};

use crate::support::{ConfigDir, Outcome, Sandbox};
use serde_json::Value;

/// What a session is, as `azward list --json` tells it.
fn session(sandbox: &Sandbox, name: &str) -> Value {
    let listed = sandbox.azward(["list", "--json"]).run().ok().json();
    let all = listed["sessions"].as_array().unwrap().clone();
    let names: Vec<_> = all.iter().map(|one| one["name"].clone()).collect();
    all.into_iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("no `{name}` in {names:?}"))
}

/// The names of all sessions.
fn names(sandbox: &Sandbox) -> Vec<String> {
    let listed = sandbox.azward(["list", "--json"]).run().ok().json();
    listed["sessions"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

/// A session's config directory.
fn directory(sandbox: &Sandbox, name: &str) -> ConfigDir {
    ConfigDir::at(session(sandbox, name)["config_directory"].as_str().unwrap())
}

/// Signs `user` in to a login of that name.
fn login(sandbox: &Sandbox, entra: &Entra, name: &str, user: User) -> Outcome {
    entra.knobs(|knobs| knobs.next_login = user);
    sandbox.azward(["login", name, "--", "--use-device-code"]).run().ok()
}

/// A box with a stand-in and no login yet.
fn signed_out() -> (Sandbox, Entra) {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|_| {});
    (sandbox, entra)
}
