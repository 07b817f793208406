//! Managed identities: az asks the machine for each token, azward answers with the one that it keeps, sealed, and asks as az does.

mod adversity;
mod answers;
#[cfg(target_os = "linux")]
mod arc;
mod keeping;

use std::fs;
use std::path::{Path, PathBuf};

use entra::{Entra, Instance, Request};

use crate::support::identities::age;
use crate::support::{Invocation, Outcome, Sandbox};

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
    let _ = left_to_az(sandbox.az(TOKEN)).ok().silent();
}

/// What the real az says to this command, for azward does not.
#[track_caller]
fn left_to_az(az: Invocation<'_>) -> Outcome {
    let sandbox = az.sandbox();
    let (outcome, deeds) = sandbox.deeds_of(|| az.run());
    assert!(deeds.contains(&"run".to_owned()) && !deeds.contains(&"answer".to_owned()), "{deeds:?}");
    outcome
}

/// The requests for tokens of managed identities since the journal was cleared last.
fn requests(entra: &Entra) -> Vec<Request> {
    entra.journal().into_iter().filter(Request::is_instance_request).collect()
}

/// Whether it was azward that asked.
fn is_ours(request: &Request) -> bool {
    request.user_agent.as_ref().is_some_and(|agent| agent.starts_with("azward"))
}

/// What azward answers without an az, with so many requests.
#[track_caller]
fn answered(sandbox: &Sandbox, entra: &Entra, more: &[&str], asked: usize) -> Outcome {
    answered_to(sandbox.az(TOKEN).args(more), entra, asked)
}

/// The same of this command.
#[track_caller]
fn answered_to(az: Invocation<'_>, entra: &Entra, asked: usize) -> Outcome {
    entra.clear_journal();
    let sandbox = az.sandbox();
    let (outcome, deeds) = sandbox.deeds_of(|| az.run().ok().silent());
    assert!(deeds.contains(&"answer".to_owned()) && !deeds.contains(&"run".to_owned()), "{deeds:?}");
    let requests = requests(entra);
    assert_eq!(requests.len(), asked, "{requests:?}");
    assert!(requests.iter().all(is_ours), "{requests:?}");
    outcome
}

/// The files with what is sealed beside the vaults.
fn sealed(sandbox: &Sandbox) -> Vec<PathBuf> {
    let entries = fs::read_dir(sandbox.azward_home().join("tokens")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
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
