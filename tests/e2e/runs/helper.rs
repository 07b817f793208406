//! The child that asks the network and the keyring for a shim: it hears no signal that is for a terminal's programs, and is not there any
//! longer than who asked.

use std::fs;
use std::time::Duration;

use entra::{Fault, Trouble};

use crate::support::proc::Process;
use crate::support::{Sandbox, Signal, wait_until};

/// The helpers that run for this box.
fn helpers(sandbox: &Sandbox) -> Vec<Process> {
    let is_helper = |process: &Process| process.text("cmdline").starts_with(b"azward-helper\0");
    sandbox.processes().into_iter().filter(is_helper).collect()
}

/// The field of a process's `stat` that has its session.
const SESSION: usize = 6;

#[test]
fn a_helper_is_in_a_session_of_its_own_and_is_over_with_who_asked() {
    let (sandbox, entra) = Sandbox::without_az();
    sandbox.config().age_access_tokens(600, "management");
    entra.knobs(|knobs| knobs.faults = vec![Fault::new(Trouble::DelayAnswer(Duration::from_secs(20))).times(1)]);
    entra.clear_journal();
    let az = sandbox.az(["account", "get-access-token"]).start();
    wait_until("the endpoint is asked", || entra.refreshes() == 1);
    let [helper] = helpers(&sandbox)[..] else { panic!("there is one") };
    assert_eq!(helper.stat(SESSION), helper.0.to_string(), "what a terminal sends to its programs does not reach it");
    let secrets = entra.refresh_tokens_issued();
    for file in ["cmdline", "environ"] {
        let text = String::from_utf8_lossy(&helper.text(file)).into_owned();
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{file}");
    }
    az.signal(Signal::KILL);
    az.finish();
    wait_until("it is over", || helpers(&sandbox).is_empty());
}

#[test]
fn an_az_without_azward_beside_it_leaves_what_is_due_to_the_real_az() {
    let (sandbox, entra) = Sandbox::without_az();
    sandbox.config().age_access_tokens(600, "management");
    entra.clear_journal();
    fs::remove_file(sandbox.shim().with_file_name("azward")).unwrap();
    sandbox.az(["account", "get-access-token"]).run().exited(77);
    assert_eq!(entra.journal(), []);
}
