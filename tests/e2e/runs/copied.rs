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

#[test]
fn what_only_the_original_s_login_could_replace_stays() {
    let (sandbox, entra) = Sandbox::logged_in();
    let copy = copy(&sandbox);
    let before = copy.entries("AccessToken").len();
    for words in [&["refresh"][..], &["refresh", "--all"]] {
        let refused = sandbox.azward(words).env("AZURE_CONFIG_DIR", copy.path()).run().exited(2);
        assert!(refused.err().contains("azward adopt --from"), "{refused:?}");
    }
    assert_eq!(copy.entries("AccessToken").len(), before);
    // Two copies, one of them of a view, are views of the one login.
    let adopt = |copy: &ConfigDir, from: &Path| {
        let words: [&std::ffi::OsStr; 3] = ["adopt".as_ref(), "--from".as_ref(), from.as_os_str()];
        sandbox.azward(words).env("AZURE_CONFIG_DIR", copy.path()).run().ok();
    };
    adopt(&copy, &sandbox.config_dir());
    let second = copy.copy_to(sandbox.home().join("job2"));
    let failed = token(sandbox.az(["account", "get-access-token"]), second.path()).run().exited(1);
    let hint = format!("azward adopt --from {}`", sandbox.config_dir().display());
    assert!(failed.err().contains(&hint), "{failed:?}");
    adopt(&second, copy.path());
    entra.clear_journal();
    for directory in [second.path(), copy.path(), &sandbox.config_dir()] {
        token(sandbox.az(["account", "get-access-token"]), directory).run().ok().silent();
    }
    assert_eq!(entra.refreshes(), 1);
    sandbox.azward(["refresh"]).env("AZURE_CONFIG_DIR", second.path()).run().ok();
    sandbox.assert_nothing_in_the_clear();
}
