//! The poorest surroundings that a caller gives az, the C++ SDK's: a shell in `/bin` whose environment is PATH alone. The
//! shim finds home, config directory, vault and key all the same, wherever it was installed, and does what az does there.

use std::path::Path;

use entra::{Entra, TENANT_B, User};
use serde_json::Value;

use crate::support::{BY_AZ, BY_AZWARD, End, Invocation, Outcome, Sandbox};

const LOGGED_OUT: &str = "ERROR: Please run 'az login' to setup account.\n";

/// A line of shell in such surroundings; `az` in it stands for the program `az`.
fn isolated<'a>(sandbox: &'a Sandbox, entra: &Entra, az: &Path, line: &str) -> Invocation<'a> {
    let script = format!("az() {{ command \"$0\" \"$@\"; }}; {line}");
    sandbox.isolated(Some(entra), &["/bin/sh", "-c", &script, az.to_str().expect("it is text")])
}

/// What a caller sees, without the times in an answer.
fn seen(outcome: &Outcome) -> (End, Result<Value, String>, String) {
    let out = serde_json::from_slice::<Value>(&outcome.stdout).map(|mut answer| {
        if let Some(answer) = answer.as_object_mut() {
            answer.retain(|name, _| !name.starts_with("expires"));
        }
        answer
    });
    (outcome.end(), out.map_err(|_| outcome.out()), outcome.err())
}

/// Runs each line with the real az and with the shim at `shim`, and compares.
fn compare(sandbox: &Sandbox, entra: &Entra, shim: &Path, lines: &[&str]) {
    for line in lines {
        let plain = isolated(sandbox, entra, sandbox.wrapped_az(), line).run();
        let wrapped = isolated(sandbox, entra, shim, line).run();
        assert_eq!(seen(&wrapped), seen(&plain), "{line}");
        sandbox.assert_nothing_in_the_clear();
    }
}

/// The lines of the C++ SDK, one that is a run, one that is passed, one that fails.
const LINES: [&str; 5] = [
    "az account get-access-token --output json --scope \"https://management.core.windows.net//.default\"",
    "az account get-access-token --output json --scope \"https://management.core.windows.net//.default\" --tenant \"bbbbbbbb-2222-4b4b-8b8b-bbbbbbbbbbbb\"",
    "az group list",
    "az account show",
    "az account get-access-token --output json --resource https://vault.azure.net --subscription \"nope\"",
];

/// Only the refresh token, out of a vault that is found without a variable, gets one for a new API: once as azward answers,
/// once, in a form that azward leaves to it, through the real az.
fn redeem(sandbox: &Sandbox, entra: &Entra, shim: &Path) {
    let refreshes = entra.refreshes();
    for (api, how) in [("one", BY_AZWARD), ("two", BY_AZ)] {
        let line = format!("az account get-access-token {how} --output json --scope https://{api}.example/.default");
        assert_eq!(isolated(sandbox, entra, shim, &line).run().ok().silent().json()["tokenType"], "Bearer");
        sandbox.assert_nothing_in_the_clear();
    }
    assert_eq!(entra.refreshes(), refreshes + 2);
}

#[test]
fn with_path_alone_the_shim_does_what_az_does() {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|_| {});
    let shim = sandbox.shim();
    compare(&sandbox, &entra, &shim, &LINES[2..4]);
    assert_eq!(isolated(&sandbox, &entra, &shim, LINES[0]).run().exited(1).err(), LOGGED_OUT);

    sandbox.login(&entra, User::Alice);
    compare(&sandbox, &entra, &shim, &LINES);
    redeem(&sandbox, &entra, &shim);
    // Found on PATH, too.
    let az = sandbox.isolated(Some(&entra), &["/bin/sh", "-c", LINES[1]]).run().ok().silent().json();
    assert_eq!(az["tenant"], TENANT_B.id);

    // And what was logged in here is logged in everywhere.
    isolated(&sandbox, &entra, &shim, "az logout").run().ok().silent();
    assert_eq!(sandbox.az(["account", "get-access-token"]).run().exited(1).err(), LOGGED_OUT);
    isolated(&sandbox, &entra, &shim, "az login --use-device-code").run().ok();
    sandbox.assert_nothing_in_the_clear();
    sandbox.az(["account", "get-access-token", "--resource", "https://three.example"]).run().ok().silent();
}

#[test]
fn an_installed_shim_knows_its_home_and_its_az() {
    for home in [".azward", "elsewhere/azward"] {
        let sandbox = Sandbox::new().with_unknown_az();
        let entra = sandbox.start_entra(|_| {});
        let azward_home = sandbox.home().join(home);
        if home != ".azward" {
            sandbox.set_env("AZWARD_HOME", &azward_home);
        }
        sandbox.know_real_az();
        sandbox.azward(["install", "--no-modify-path"]).run().ok();
        assert!(azward_home.join("config.toml").is_file());
        let shim = azward_home.join("bin/az");
        // With neither the shim of the box nor the real az on PATH: it was pinned.
        sandbox.set_env(
            "PATH",
            std::env::join_paths([azward_home.join("bin").as_path(), Path::new("/usr/bin"), Path::new("/bin")])
                .expect("no colon in it"),
        );
        sandbox.login(&entra, User::Alice);
        compare(&sandbox, &entra, &shim, &LINES[1..4]);
        redeem(&sandbox, &entra, Path::new("az"));
        let vaults = std::fs::read_dir(azward_home.join("vaults")).expect("there is one").flatten();
        assert!(vaults.into_iter().any(|entry| entry.path().extension().is_some_and(|name| name == "vault")));
        assert_eq!(sandbox.home().join(".azward").exists(), home == ".azward");
    }
}
