//! Private and memory exposure: what az sees, what nobody else ever sees, and what happens where the system or az does not go
//! along with it. Everything here needs a machine that allows mount namespaces; `refused` takes them away again.

#![cfg(target_os = "linux")]

mod caller;
mod company;
mod copies;
mod facts;
mod login;
mod memory;
mod on_disk;
mod places;
mod refused;
mod rename;
mod same;
mod sessions;
mod unchanged;
mod watcher;
mod without_memory;

use serde_json::Value;

use crate::support::Sandbox;
use crate::support::fake_az::{ALICE, BOB, logged_in_exposed as logged_in, with_alice};

/// The last time that an az looked around.
fn last_look(sandbox: &Sandbox) -> Value {
    let log = sandbox.fake_log();
    log.into_iter().rfind(|line| line["event"] == "look").expect("an az looked around")
}

/// Which exposure the az that wrote this line had, by its marker: `private`, `run` for in place, `pass` for none.
fn exposure_of(line: &Value) -> String {
    let marker = line["environment"]["AZWARD_RUN"].as_str().unwrap_or_default();
    marker.split(';').nth(1).unwrap_or_default().to_owned()
}

/// The exposure of an az that is run now, and how many refresh tokens it sees.
fn look(sandbox: &Sandbox) -> (String, u64) {
    sandbox.az(["look"]).run().ok().silent();
    let line = last_look(sandbox);
    (exposure_of(&line), line["cache"]["refresh_tokens"].as_u64().unwrap_or(0))
}

/// The same for one of az's own commands that starts no other program.
fn look_alone(sandbox: &Sandbox) -> (String, u64) {
    sandbox.az(["tag", "list"]).env("FAKE_AZ_DO", "look").run().ok().silent();
    let line = last_look(sandbox);
    (exposure_of(&line), line["cache"]["refresh_tokens"].as_u64().unwrap_or(0))
}

/// A box with alice's login, and an az of which it is known what it starts.
fn logged_in_to_known_az() -> Sandbox {
    let sandbox = Sandbox::new().with_fake_az().with_package();
    sandbox.set_exposure("auto");
    with_alice(sandbox)
}

/// Which refresh tokens the last az that looked around saw.
fn fingerprint(sandbox: &Sandbox) -> String {
    last_look(sandbox)["cache"]["fingerprint"].as_str().unwrap_or_default().to_owned()
}

/// What `azward status` says of the exposure.
fn status_of_exposure(sandbox: &Sandbox) -> String {
    let status = sandbox.azward(["status"]).run().out();
    let line = status.lines().find_map(|line| line.strip_prefix("exposure")).unwrap_or_default();
    line.trim().to_owned()
}
