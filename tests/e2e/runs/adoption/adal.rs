//! `accessTokens.json`, which an az before 2.30 has left: with a later az it is in the vault and given to nobody, `account clear` drops it, an
//! uninstall gives it back, and what an az uses, or nobody understands, stays.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use entra::{Entra, User};

use crate::support::Sandbox;

/// As az 2.29.2 writes it (adal 1.2.7): on one line.
const LEFT: &str = r#"[{"tokenType": "Bearer", "expiresIn": 4198, "expiresOn": "2021-10-20 10:00:00.000000", "accessToken": "eyJhbGciOiJub25lIn0.e30.x", "refreshToken": "0.AXoALeftBehindLeftBehindLeftBehindLeftBehindLeftBehindLeftBehind", "resource": "https://management.core.windows.net/", "oid": "o", "userId": "alice@contoso.example", "isMRRT": true, "_clientId": "04b07795-8ddb-461a-bbee-02f9e1bf7b46", "_authority": "https://login.microsoftonline.com/common"}, {"servicePrincipalId": "5e41ce00", "servicePrincipalTenant": "t", "accessToken": "left~secret"}]"#;

fn left_behind() -> (Sandbox, Entra, PathBuf) {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|_| {});
    sandbox.login(&entra, User::Alice).ok();
    let file = sandbox.config_dir().join("accessTokens.json");
    std::fs::write(&file, LEFT).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    (sandbox, entra, file)
}

fn status(sandbox: &Sandbox) -> String {
    sandbox.azward(["status"]).run().out()
}

#[test]
fn it_is_taken_in_and_said_and_given_to_nobody() {
    for words in [&["az", "group", "list", "--output", "none"][..], &["azward", "scrub"]] {
        let (sandbox, _entra, file) = left_behind();
        assert!(status(&sandbox).contains("`accessTokens.json`: 1 refresh token"));
        match words {
            ["az", rest @ ..] => sandbox.az(rest).run().ok().silent(),
            [_, rest @ ..] => sandbox.azward(rest).run().ok(),
            [] => unreachable!(),
        };
        assert!(!file.exists());
        let told = status(&sandbox);
        assert!(told.contains("accessTokens.json, which an az before 2.30 has left"), "{told}");
        let found = sandbox.shell(&format!("grep -rlF LeftBehind {} || true", sandbox.root().display())).run().ok();
        assert_eq!(found.out(), "");
        sandbox.az(["group", "list", "--output", "none"]).run().ok().silent();
        assert!(!file.exists());
        sandbox.expect_clear(sandbox.config_dir());
        sandbox.azward(["install", "--no-modify-path"]).run().ok();
        sandbox.azward(["uninstall"]).run().ok();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), LEFT);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn whoever_clears_all_accounts_means_it_too() {
    let (sandbox, _entra, file) = left_behind();
    sandbox.az(["group", "list", "--output", "none"]).run().ok();
    sandbox.az(["logout"]).run().ok();
    assert!(status(&sandbox).contains("accessTokens.json"));
    sandbox.az(["account", "clear"]).run().ok();
    assert!(!file.exists() && !status(&sandbox).contains("accessTokens.json"), "{}", status(&sandbox));
}

#[test]
fn what_is_no_such_file_stays() {
    let (sandbox, _entra, file) = left_behind();
    for text in ["[]", "{\"half", ""] {
        std::fs::write(&file, text).unwrap();
        sandbox.az(["group", "list", "--output", "none"]).run().ok().silent();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    }
    let elsewhere = sandbox.home().join("elsewhere.json");
    std::fs::rename(&file, &elsewhere).unwrap();
    std::fs::write(&elsewhere, LEFT).unwrap();
    symlink(&elsewhere, &file).unwrap();
    sandbox.az(["group", "list", "--output", "none"]).run().ok().silent();
    assert!(file.is_symlink() && std::fs::read_to_string(&elsewhere).unwrap() == LEFT);
    std::fs::remove_file(&elsewhere).unwrap();
}

#[test]
fn where_nobody_knows_which_az_runs_it_stays() {
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.az(["login", "alice@contoso.example"]).run().ok();
    let file = sandbox.config_dir().join("accessTokens.json");
    std::fs::write(&file, LEFT).unwrap();
    sandbox.expect_clear(&file);
    sandbox.az(["print", "x"]).run().ok();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), LEFT);
}

#[test]
fn where_another_is_in_its_place_an_uninstall_waits() {
    let (sandbox, _entra, file) = left_behind();
    sandbox.az(["group", "list", "--output", "none"]).run().ok();
    std::fs::write(&file, "[]").unwrap();
    let refused = sandbox.azward(["uninstall"]).run().exited(1);
    assert!(refused.err().contains("another one is there"), "{refused:?}");
    std::fs::remove_file(&file).unwrap();
    sandbox.expect_clear(sandbox.config_dir());
    sandbox.azward(["uninstall"]).run().ok();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), LEFT);
}
