//! A run that is killed, an uninstall, and what an owner has forgotten.

use entra::{SERVICE_PRINCIPAL, TENANT_A, User};

use super::{TOKEN, as_az_writes, kept, list, redeem, sandbox, signed_in, text, words};
use crate::support::{Sandbox, Signal, in_shell, wait_until};

/// Has az say when it is done, and go on for a while.
fn linger(sandbox: &Sandbox) {
    let real = in_shell(sandbox.wrapped_az());
    sandbox.wrap_script(&format!("{real} \"$@\"; echo stored; sleep 20"));
}

#[test]
fn a_sign_in_that_was_killed_is_kept() {
    for exposure in ["private", "memory", "in-place"] {
        let (sandbox, entra) = sandbox();
        sandbox.set_exposure(exposure);
        linger(&sandbox);
        let secret = entra.client_secret();
        let login =
            sandbox.az(words(&SERVICE_PRINCIPAL, &TENANT_A, &["--password", secret, "--output", "none"])).start();
        login.wait_for("stored");
        login.signal_group(Signal::KILL);
        login.finish();
        wait_until("the guardian has stored it", || kept(&sandbox) == [SERVICE_PRINCIPAL.client_id]);
        wait_until("the guardian cleans up", || sandbox.is_nothing_in_the_clear());
        let bare = as_az_writes(&[(&SERVICE_PRINCIPAL, &TENANT_A, "client_secret", "")]);
        wait_until("the list is there", || std::fs::read_to_string(list(&sandbox)).is_ok_and(|text| text == bare));
        assert!(!list(&sandbox).is_symlink(), "{exposure}");
    }
}

#[test]
fn a_run_that_was_killed_leaves_nothing_in_the_clear_and_loses_nothing() {
    for exposure in ["private", "memory", "in-place"] {
        let (sandbox, _entra) = signed_in();
        sandbox.set_exposure(exposure);
        linger(&sandbox);
        let az = sandbox.az(["group", "list", "--output", "none"]).start();
        az.wait_for("stored");
        az.signal_group(Signal::KILL);
        az.finish();
        wait_until("the guardian cleans up", || sandbox.is_nothing_in_the_clear() && !list(&sandbox).is_symlink());
        assert_eq!(text(&sandbox), as_az_writes(&[(&SERVICE_PRINCIPAL, &TENANT_A, "client_secret", "")]), "{exposure}");
        assert_eq!(kept(&sandbox), [SERVICE_PRINCIPAL.client_id]);
    }
}

#[test]
fn an_uninstall_gives_back_what_az_had_written() {
    let (sandbox, entra) = sandbox();
    sandbox.plain_az(words(&SERVICE_PRINCIPAL, &TENANT_A, &["--password", entra.client_secret()])).run().ok();
    let before = text(&sandbox);
    sandbox.plain_login(&entra, User::Alice);
    sandbox.azward(["install", "--no-modify-path"]).run().ok();
    sandbox.assert_nothing_in_the_clear();
    redeem(&sandbox, "https://one.example", &[]).ok().silent();
    sandbox.expect_clear(sandbox.config_dir());
    let said = sandbox.azward(["uninstall"]).run().ok();
    assert!(said.out().contains("gave 2 login(s) back"), "{said:?}");
    assert_eq!(text(&sandbox), before);
    assert!(!sandbox.azward_home().exists());
    sandbox.plain_az(["logout", "--username", User::Alice.username()]).run().ok();
    sandbox.plain_az(words(&SERVICE_PRINCIPAL, &TENANT_A, &["--password", entra.client_secret()])).run().ok();
    sandbox.plain_az(TOKEN).args(["--resource", "https://two.example"]).run().ok().silent();
}

#[test]
fn who_is_no_longer_in_the_profile_has_no_place_to_go_back_to() {
    let (sandbox, _entra) = signed_in();
    let profile = sandbox.config_dir().join("azureProfile.json");
    std::fs::write(profile, "{\"subscriptions\": []}").unwrap();
    std::fs::remove_file(list(&sandbox)).unwrap();
    std::fs::write(list(&sandbox), "[]").unwrap();
    let kept_back = sandbox.azward(["uninstall"]).run().exited(1);
    assert!(kept_back.err().contains("1 of 1 logins could not be put back"), "{kept_back:?}");
    assert_eq!(kept(&sandbox), [SERVICE_PRINCIPAL.client_id]);
    sandbox.azward(["uninstall", "--forget"]).run().ok();
    assert_eq!(text(&sandbox), "[]");
}

#[test]
fn what_is_forgotten_is_in_no_file_any_more() {
    let (sandbox, _entra) = signed_in();
    let directory = sandbox.config_dir();
    let words = ["forget".as_ref(), "--yes".as_ref(), directory.as_os_str()];
    let said = sandbox.azward(words).run().ok();
    assert!(said.out().contains(SERVICE_PRINCIPAL.client_id), "{said:?}");
    assert!(kept(&sandbox).is_empty());
    let refused = redeem(&sandbox, "https://one.example", &[]).exited(1);
    assert!(refused.err().contains("AADSTS7000218"), "{refused:?}");
}
