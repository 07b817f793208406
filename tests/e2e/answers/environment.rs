//! What the environment says to az it says to azward: the time zone, a variable that is set to nothing, a working directory
//! that is no more.

use super::parity::{compare_as, logged_in};
use crate::support::{Invocation, Sandbox};

#[test]
fn its_local_time_is_the_c_library_s() {
    let (sandbox, _entra) = logged_in();
    let zones = [
        "EST5EDT4",
        "<+0330>-3:30",
        "Nowhere/There",
        "",
        ":Asia/Kolkata",
        "/etc/localtime",
        "UTC-25",
        "<x>1",
        "EST5EDT,0,0",
    ];
    for zone in zones {
        let answer =
            compare_as(&sandbox, "account get-access-token --query expiresOn -o tsv", |az| az.env("TZ", zone)).ok();
        assert_eq!(answer.out().len(), "2026-11-25 12:00:00.000000\n".len(), "{zone}");
    }
}

#[test]
fn a_variable_that_is_set_to_nothing_means_to_azward_what_it_means_to_az() {
    let (sandbox, entra) = logged_in();
    for line in ["TOKEN", "account show", "group list"] {
        let failed = compare_as(&sandbox, line, |az| az.env("AZURE_CONFIG_DIR", "").cwd(sandbox.home()));
        assert!(failed.err().contains("FileNotFoundError"), "{failed:?}");
    }
    sandbox.assert_nothing_in_the_clear();
    // az takes the cloud for one that nobody registered, and makes another the active one.
    let azs: [fn(&Sandbox) -> Invocation<'_>; 2] = [
        |sandbox| sandbox.plain_az(["account", "get-access-token"]),
        |sandbox| sandbox.az(["account", "get-access-token"]),
    ];
    let [theirs, ours] = azs.map(|az| {
        entra.write_az_config(&sandbox.config_dir(), entra::CLOUD_NAME).unwrap();
        az(&sandbox).env("AZURE_CLOUD_NAME", "").run()
    });
    assert_eq!(ours.visible(), theirs.visible());
    assert!(ours.err().contains("is not registered"), "{ours:?}");
}

#[test]
fn a_working_directory_that_is_no_more_is_told_by_az() {
    let (sandbox, _entra) = logged_in();
    for line in ["TOKEN", "account show"] {
        compare_as(&sandbox, line, |az| az.in_script(r#"mkdir gone; cd gone; rmdir ../gone; exec "$0" "$@""#)).ok();
    }
    sandbox.assert_nothing_in_the_clear();
}
