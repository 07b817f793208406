//! Two builds of azward after each other: the one that landed last and this one, and one that says it is newer. `.ci/versions` builds
//! the others, and names the directories with their programs in `AZWARD_LANDED` and `AZWARD_NEWER`. An upgrade keeps what there is,
//! and an az that is running; what the earlier one makes of a home that this one has written loses nothing.

#![cfg(target_os = "linux")]

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use entra::{Entra, User};

use crate::support::installed::script;
use crate::support::sessions::{directory, names};
use crate::support::{End, Invocation, Outcome, Sandbox};

const IGNORED: &str = "AZWARD_LANDED and AZWARD_NEWER are to name programs: .ci/versions builds them";

/// The directory with the programs of another build.
fn programs(variable: &str) -> PathBuf {
    PathBuf::from(std::env::var_os(variable).expect(IGNORED))
}

/// A machine on which the landed build was installed, with its bin first on PATH, and alice signed in to it.
fn landed() -> (Sandbox, Entra) {
    let sandbox = Sandbox::new().with_unknown_az();
    let entra = sandbox.start_entra(|_| {});
    install(&sandbox, "AZWARD_LANDED", &[]).ok();
    let environment = sandbox.environment();
    let path = std::env::split_paths(&environment[OsStr::new("PATH")]).skip(1);
    let path = std::iter::once(sandbox.azward_home().join("bin")).chain(path);
    sandbox.set_env("PATH", std::env::join_paths(path).expect("no colon in it"));
    sandbox.login(&entra, User::Alice);
    (sandbox, entra)
}

fn install(sandbox: &Sandbox, variable: &str, words: &[&str]) -> Outcome {
    script(sandbox, "install.sh").env("AZWARD_BUILD", programs(variable)).args(words).run()
}

/// Takes the place of what is installed with this build.
fn upgrade(sandbox: &Sandbox) -> String {
    script(sandbox, "install.sh").run().ok().silent().out()
}

/// The `azward` that is installed.
fn azward<'a>(sandbox: &'a Sandbox, words: &[&str]) -> Invocation<'a> {
    Invocation::new(sandbox, "azward").args(words)
}

/// A token that costs one refresh: of a resource that nobody asked for yet.
fn new_token<'a>(sandbox: &'a Sandbox, name: &str) -> Invocation<'a> {
    sandbox.az(["account", "get-access-token", "--resource", &format!("https://{name}.example")])
}

fn settings(sandbox: &Sandbox) -> String {
    azward(sandbox, &["config", "list"]).run().ok().out()
}

#[test]
#[ignore = "of .ci/versions, which builds the landed programs"]
fn an_upgrade_keeps_vaults_settings_sessions_and_the_az_that_runs() {
    let (sandbox, entra) = landed();
    entra.knobs(|knobs| knobs.next_login = User::Bob);
    azward(&sandbox, &["login", "lab", "--", "--use-device-code"]).run().ok();
    azward(&sandbox, &["start", "contoso-development"]).run().ok();
    azward(&sandbox, &["config", "set", "window_minutes", "33"]).run().ok();
    let sessions = names(&sandbox);
    assert!(sessions.len() > 2, "{sessions:?}");
    let (started, set) = (directory(&sandbox, "contoso-development"), settings(&sandbox));
    let journal = sandbox.journal();
    sandbox.assert_nothing_in_the_clear();

    // Two that run: the real az, and a program whose own az will be the new one.
    entra.knobs(|knobs| knobs.arm_delay = Duration::from_secs(4));
    let real = sandbox.az(["group", "list", "--output", "tsv", "--query", "[].name"]).start();
    let line = "echo began; until [ -e go ]; do sleep 0.05; done; exec az account get-access-token --resource https://within.example -o none";
    let program = azward(&sandbox, &["exec", "--", "sh", "-c", line]).start();
    program.wait_for("began");
    let said = upgrade(&sandbox);
    assert_eq!(said.matches("installed `").count(), 3, "{said}");
    fs::write(sandbox.home().join("go"), "").unwrap();
    program.finish().ok();
    assert!(!real.finish().ok().out().is_empty());
    entra.knobs(|knobs| knobs.arm_delay = Duration::ZERO);
    sandbox.assert_nothing_in_the_clear();

    assert_eq!((names(&sandbox), settings(&sandbox)), (sessions, set));
    assert_eq!(directory(&sandbox, "contoso-development").path(), started.path());
    assert_eq!(sandbox.journal()[..journal.len()], journal, "what was written down before is still there");
    let set = azward(&sandbox, &["config", "get", "window_minutes", "--value"]).run().ok().out();
    assert_eq!(set, "33\n");
    let refreshes = entra.refreshes();
    new_token(&sandbox, "afterwards").run().ok().silent();
    assert_eq!(entra.refreshes(), refreshes + 1, "the refresh token is the one that the earlier build has sealed");
    for session in ["contoso-development", "fabrikam-shared-2"] {
        azward(&sandbox, &["token", session]).run().ok().silent();
        azward(&sandbox, &["rotate", session, "--force"]).run().ok();
    }
    azward(&sandbox, &["status", "--check"]).run().ok();
    sandbox.assert_nothing_in_the_clear();
}

#[test]
#[ignore = "of .ci/versions, which builds the landed programs"]
fn the_landed_build_loses_nothing_of_what_this_one_wrote() {
    let (sandbox, entra) = landed();
    upgrade(&sandbox);
    new_token(&sandbox, "one").run().ok().silent();
    azward(&sandbox, &["config", "set", "seal", "all-tokens"]).run().ok();
    new_token(&sandbox, "two").run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
    // The same version of another commit is no downgrade.
    install(&sandbox, "AZWARD_LANDED", &[]).ok();
    let back = new_token(&sandbox, "three").run();
    if back.end() != End::Code(0) {
        assert!(back.err().contains("azward: ") && back.err().contains("hint: "), "{back:?}");
    }
    sandbox.assert_nothing_in_the_clear();
    upgrade(&sandbox);
    let refreshes = entra.refreshes();
    new_token(&sandbox, "four").run().ok().silent();
    assert_eq!(entra.refreshes(), refreshes + 1);
    sandbox.assert_nothing_in_the_clear();
}

#[test]
#[ignore = "of .ci/versions, which builds the newer programs"]
fn a_newer_version_is_not_replaced_unasked_and_keeps_its_login_if_it_is() {
    let (sandbox, _entra) = landed();
    install(&sandbox, "AZWARD_NEWER", &[]).ok();
    let newer = azward(&sandbox, &["--version"]).run().ok().out();
    let bin = |name: &str| fs::read(sandbox.azward_home().join("bin").join(name)).unwrap();
    let before = ["az", "azward"].map(bin);
    let refused = script(&sandbox, "install.sh").run().exited(2);
    let told =
        format!("is azward {}, and this is {}", newer.trim().trim_start_matches("azward "), env!("CARGO_PKG_VERSION"));
    assert!(refused.err().contains(&told) && refused.err().contains("hint: "), "{refused:?}");
    assert!(["az", "azward"].map(bin) == before, "a refusal changes nothing");
    new_token(&sandbox, "one").run().ok().silent();
    script(&sandbox, "install.sh").args(["--allow-downgrade"]).run().ok().silent();
    assert_ne!(azward(&sandbox, &["--version"]).run().ok().out(), newer);
    new_token(&sandbox, "two").run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
}
