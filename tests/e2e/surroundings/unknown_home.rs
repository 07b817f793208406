//! Nobody knows where the user is at home: no `HOME`, no entry in the passwd database. Python leaves `~` as it is, so az keeps its
//! files below a directory of that name in the working directory, and so does azward.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;

use entra::User;

use crate::support::{Invocation, Sandbox};

/// A user without a name.
const NOBODY: &str = "exec unshare --user --map-user=54321 --map-group=54321 -- \"$0\" \"$@\"";

fn nowhere<'a>(invocation: Invocation<'a>, directory: &Path) -> Invocation<'a> {
    invocation.without("HOME").cwd(directory).in_script(NOBODY)
}

#[test]
fn a_login_is_sealed_where_az_keeps_it() {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|_| {});
    let [work, other] = ["work", "other"].map(|name| {
        let directory = sandbox.root().join(name);
        fs::create_dir(&directory).unwrap();
        directory
    });
    // Where az looks for its clouds.
    fs::create_dir(work.join("~")).unwrap();
    fs::rename(sandbox.config_dir(), work.join("~/.azure")).unwrap();
    entra.knobs(|knobs| knobs.next_login = User::Alice);
    nowhere(sandbox.az(["login", "--use-device-code"]), &work).run().ok();
    assert!(work.join("~/.azure/msal_token_cache.json").is_file() && work.join("~/.azward/vaults").is_dir());
    sandbox.assert_nothing_in_the_clear();
    let token = ["account", "get-access-token", "--resource", "https://one.example"];
    nowhere(sandbox.az(token), &work).run().ok().silent();
    let answered = nowhere(sandbox.az(token), &work).run().ok().silent().token();
    assert_eq!(nowhere(sandbox.plain_az(token), &work).run().ok().token(), answered);
    nowhere(sandbox.az(["group", "list"]), &work).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
    // In another working directory nobody is signed in, with azward or without.
    let (ours, bare) = (sandbox.az(["account", "show"]), sandbox.plain_az(["account", "show"]));
    assert_eq!(nowhere(ours, &other).run().exited(1).err(), nowhere(bare, &other).run().exited(1).err());
    let status = nowhere(sandbox.azward(["status"]), &work).run().ok().out();
    assert!(status.contains("set HOME") && status.contains("/work/~/.azure"), "{status}");
    let refused = nowhere(sandbox.azward(["install"]), &work).run().exited(2);
    assert!(refused.err().contains("HOME is not set") && refused.err().contains("\nhint: set HOME"), "{refused:?}");
    assert!(!work.join("~/.azward/bin").exists());
}
