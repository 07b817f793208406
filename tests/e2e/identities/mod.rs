//! Managed identities: az asks the machine for each token, azward answers with the one that it keeps, sealed, and asks as az does.

mod adversity;
mod answers;
mod keeping;

use std::fs;
use std::path::{Path, PathBuf};

use azward::app::App;
use azward::azure::ConfigDir;
use azward::context::Context;
use azward::home::Care;
use azward::vault::{Beside, Vault};
use entra::{Entra, Instance, Request};

use crate::support::{Outcome, Sandbox};

const TOKEN: [&str; 2] = ["account", "get-access-token"];

/// A box on a virtual machine with managed identities.
fn sandbox() -> (Sandbox, Entra, Instance) {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|_| {});
    let instance = entra.start_instance().expect("the endpoints start");
    put(&sandbox, instance.of_virtual_machine());
    (sandbox, entra, instance)
}

/// The same, where the machine's own identity is signed in and azward knows that it says what az says of it.
fn signed_in() -> (Sandbox, Entra, Instance) {
    let (sandbox, entra, instance) = sandbox();
    sign_in(&sandbox, &[]);
    earn(&sandbox);
    entra.clear_journal();
    (sandbox, entra, instance)
}

fn put(sandbox: &Sandbox, variables: Vec<(&'static str, String)>) {
    for (name, value) in variables {
        sandbox.set_env(name, value);
    }
}

fn sign_in(sandbox: &Sandbox, more: &[&str]) {
    sandbox.az(["login", "--identity"]).args(more).run().ok();
    sandbox.assert_nothing_in_the_clear();
}

/// Has azward and az compare what they say: the first token is az's.
#[track_caller]
fn earn(sandbox: &Sandbox) {
    let (_, deeds) = sandbox.deeds_of(|| sandbox.az(TOKEN).run().ok().silent());
    assert!(deeds.contains(&"run".to_owned()) && !deeds.contains(&"answer".to_owned()), "{deeds:?}");
}

/// The requests for tokens of managed identities since the journal was cleared last.
fn requests(entra: &Entra) -> Vec<Request> {
    entra.journal().into_iter().filter(Request::is_instance_request).collect()
}

/// What azward answers without an az, with so many requests.
#[track_caller]
fn answered(sandbox: &Sandbox, entra: &Entra, more: &[&str], asked: usize) -> Outcome {
    entra.clear_journal();
    let (outcome, deeds) = sandbox.deeds_of(|| sandbox.az(TOKEN).args(more).run().ok().silent());
    assert!(deeds.contains(&"answer".to_owned()) && !deeds.contains(&"run".to_owned()), "{deeds:?}");
    let requests = requests(entra);
    assert_eq!(requests.len(), asked, "{requests:?}");
    for request in requests {
        assert!(request.user_agent.is_some_and(|agent| agent.starts_with("azward")));
    }
    outcome
}

/// The files with what is sealed beside the vaults.
fn sealed(sandbox: &Sandbox) -> Vec<PathBuf> {
    let entries = fs::read_dir(sandbox.azward_home().join("tokens")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Leaves every token that is kept so many seconds of so many.
fn age(sandbox: &Sandbox, seconds_left: i64, lifetime: i64) {
    let context = Context::new(sandbox.environment(), None);
    let app = App::new(context, Care::Look);
    let config_dir = ConfigDir::of(&app.context);
    let vault = Vault::of(&app.context, &app.settings, &config_dir);
    let text = vault.open_beside(Beside::ManagedIdentities, &config_dir).expect("something is kept");
    let mut kept: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    for token in kept["tokens"].as_array_mut().expect("there are tokens") {
        token["expires_on"] = (app.context.now() + seconds_left).into();
        token["cached_at"] = (app.context.now() + seconds_left - lifetime).into();
    }
    vault.seal_beside(Beside::ManagedIdentities, &config_dir, &kept.to_string()).expect("it can be written");
}

/// The files below a directory with `text` in them.
fn files_with(directory: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(files_with(&path, text));
        } else if fs::read(&path).is_ok_and(|bytes| memchr::memmem::find(&bytes, text.as_bytes()).is_some()) {
            found.push(path);
        }
    }
    found
}
