//! A copy of a config directory whose login is in a vault: az says that it fails, azward why, and one command mends it.

use std::path::Path;

use entra::TENANT_A;

use crate::support::{ConfigDir, Invocation, Sandbox};

const VAULT: &str = "https://vault.azure.net";

fn copy(sandbox: &Sandbox) -> ConfigDir {
    sandbox.config().copy_to(sandbox.home().join("job1"))
}

fn token<'a>(az: Invocation<'a>, directory: &Path) -> Invocation<'a> {
    az.args(["--resource", VAULT, "-o", "json"]).env("AZURE_CONFIG_DIR", directory)
}

#[test]
fn a_copy_says_whose_login_it_lacks_and_adopts_it() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let copy = copy(&sandbox);
    let words = ["account", "get-access-token"];
    let bare = token(sandbox.plain_az(words), copy.path()).run().exited(1);
    let ours = token(sandbox.az(words), copy.path()).run().exited(1);
    assert_eq!(ours.out(), bare.out());
    let told: Vec<String> = ours.err().lines().rev().take(2).map(str::to_owned).collect();
    let original = sandbox.config_dir();
    assert!(told[1].starts_with("azward: ") && told[1].contains(original.to_str().unwrap()), "{told:?}");
    assert!(told[0].starts_with("hint: ") && told[0].contains("azward adopt --from"), "{told:?}");
    // What fails for another reason, or has nobody signed in, is az's alone.
    for (words, directory) in [
        (&["group", "show", "-n", "nope"][..], copy.path().to_owned()),
        (&["group", "show"], copy.path().to_owned()),
        (&["group", "list"], sandbox.home().join("nobody")),
    ] {
        let az = |az: Invocation<'_>| az.env("AZURE_CONFIG_DIR", &directory).run();
        let (theirs, ours) = (az(sandbox.plain_az(words)), az(sandbox.az(words)));
        assert_eq!(ours.err_without_ids(), theirs.err_without_ids(), "{words:?}");
    }
    let adopt = sandbox.azward(["adopt".as_ref(), "--from".as_ref(), original.as_os_str()]);
    adopt.env("AZURE_CONFIG_DIR", copy.path()).run().ok();
    token(sandbox.az(words), copy.path()).run().ok().silent();
    sandbox.az(words).args(["--resource", VAULT]).run().ok().silent();
    assert_eq!(copy.accounts(), sandbox.config().accounts());
    assert!(copy.access_token(TENANT_A.id, &format!("{VAULT}/.default")).is_some());
    sandbox.assert_nothing_in_the_clear();
}
