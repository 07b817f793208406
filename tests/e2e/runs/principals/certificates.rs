//! The certificate of a service principal in the vault: its PEM file is gone, azward answers as before, the real az gets an assertion and
//! never the key, and whatever becomes of list and az the file comes back when it is asked for.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use entra::{Entra, GUEST_PRINCIPAL, SERVICE_PRINCIPAL, TENANT_A};

use super::{as_az_writes, kept, list, login, make_certificate, redeem, sandbox, text, words};
use crate::support::{BY_AZ, Sandbox, Signal, in_shell, wait_until};

const SEAL: [&str; 2] = ["vault", "seal-certificate"];
const UNDO: [&str; 3] = ["vault", "seal-certificate", "--undo"];

/// A box in which the service principal is signed in with a certificate; its PEM file, and what is in that.
fn signed_in(more: &[&str]) -> (Sandbox, Entra, PathBuf, String) {
    let (sandbox, entra) = sandbox();
    let path = sandbox.home().join("principal.pem");
    let pem = make_certificate(&path);
    entra.register_certificate(&SERVICE_PRINCIPAL, &pem);
    login(&sandbox, &SERVICE_PRINCIPAL, &TENANT_A, &[&["--certificate", path.to_str().unwrap()], more].concat());
    (sandbox, entra, path, pem)
}

/// The same with the certificate in the vault.
fn sealed() -> (Sandbox, Entra, PathBuf, String) {
    let (sandbox, entra, path, pem) = signed_in(&[]);
    let said = sandbox.azward(SEAL).run().ok();
    assert!(said.out().contains("principal.pem` is removed"), "{said:?}");
    let status = sandbox.azward(["status"]).run().out();
    assert!(status.contains("in the clear      nothing"), "{status}");
    assert!(sandbox.azward(SEAL).run().ok().out().contains("in the vault already"));
    assert!(!path.exists());
    (sandbox, entra, path, pem)
}

fn at_rest(path: &std::path::Path) -> String {
    as_az_writes(&[(&SERVICE_PRINCIPAL, &TENANT_A, "certificate", path.to_str().unwrap())])
}

/// What the vault is said to have.
fn in_the_vault() -> Vec<String> {
    vec![format!("{}, its certificate", SERVICE_PRINCIPAL.client_id)]
}

/// No file of the box has any of the key.
fn assert_key_nowhere(sandbox: &Sandbox, pem: &str) {
    let line = pem.lines().nth(3).unwrap().to_owned();
    let found = sandbox.shell(&format!("grep -rlF -e '{line}' {} || true", sandbox.root().display())).run().ok();
    assert_eq!(found.out(), "");
}

#[test]
fn az_gets_an_assertion_in_its_run_and_the_key_is_nowhere() {
    for sni in [&[][..], &["--use-cert-sn-issuer"]] {
        let (sandbox, _entra, path, pem) = signed_in(sni);
        let before = text(&sandbox);
        sandbox.azward(SEAL).run().ok();
        assert_key_nowhere(&sandbox, &pem);
        assert_eq!((text(&sandbox), kept(&sandbox)), (before.clone(), in_the_vault()));
        // Answered by azward, then by az itself.
        redeem(&sandbox, "https://one.example", &[]).ok().silent();
        redeem(&sandbox, "https://two.example", &[BY_AZ]).ok();
        sandbox.config().drop_access_tokens();
        sandbox.az(["group", "list", "--output", "none"]).run().ok().silent();
        let real = in_shell(sandbox.wrapped_az());
        sandbox.wrap_script(&format!("cat {}; exec {real} \"$@\"", list(&sandbox).display()));
        let seen = redeem(&sandbox, "https://three.example", &[BY_AZ]).ok().out();
        let has_assertion = seen.contains("\"client_assertion\": \"ey") && seen.contains("\"azward_certificate\"");
        assert!(has_assertion && !seen.contains("PRIVATE"), "{seen}");
        assert_eq!(text(&sandbox), before);
        assert!(!path.exists() && !list(&sandbox).is_symlink());
        assert_key_nowhere(&sandbox, &pem);
    }
}

#[test]
fn every_az_of_one_run_has_it() {
    let (sandbox, _entra, path, _pem) = sealed();
    let get =
        |resource: &str| format!("az account get-access-token {BY_AZ} --query tokenType -o tsv --resource {resource}");
    let script = [get("https://one.example"), get("https://two.example")].join(" && ");
    let said = sandbox.azward(["exec", "--", "sh", "-c", &script]).run().ok();
    assert_eq!(said.out(), "Bearer\nBearer\n");
    assert_eq!(text(&sandbox), at_rest(&path));
}

#[test]
fn a_file_that_an_az_may_still_read_is_removed_when_that_has_ended() {
    let (sandbox, _entra, path, pem) = signed_in(&[]);
    let begun = sandbox.root().join("begun");
    let get = format!("az account get-access-token {BY_AZ} -o none --resource https://one.example");
    let line = format!("touch {}; sleep 2; {get} && {get}-2", begun.display());
    let running = sandbox.azward(["exec", "--", "sh", "-c", &line]).start();
    wait_until("it runs", || begun.exists());
    let sealing = sandbox.azward(SEAL).start();
    running.finish().ok();
    // It waits for a while, and says so then.
    let outcome = sealing.finish();
    if !outcome.status.success() {
        assert!(outcome.err().contains("an az is running"), "{outcome:?}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), pem);
        sandbox.azward(SEAL).run().ok();
    }
    assert!(!path.exists());
}

#[test]
fn an_az_without_azward_has_nothing_of_it() {
    let (sandbox, _entra, _path, _pem) = sealed();
    let bare = sandbox.plain_az(super::TOKEN).args(["--resource", "https://one.example"]).run().exited(1);
    assert!(bare.err().contains("No such file"), "{bare:?}");
    redeem(&sandbox, "https://one.example", &[BY_AZ]).ok();
}

#[test]
fn it_comes_back_when_it_is_asked_for_and_at_an_uninstall() {
    for words in [&UNDO[..], &["uninstall"]] {
        let (sandbox, _entra, path, pem) = sealed();
        sandbox.azward(["install", "--no-modify-path"]).run().ok();
        sandbox.azward(words).run().ok();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), pem);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(text(&sandbox), at_rest(&path));
        sandbox.plain_az(super::TOKEN).args(["--resource", "https://one.example"]).run().ok().silent();
    }
}

#[test]
fn another_file_in_its_place_is_not_written_over_and_nothing_is_lost() {
    let (sandbox, _entra, path, pem) = sealed();
    std::fs::write(&path, "another's").unwrap();
    for words in [&UNDO[..], &["uninstall"]] {
        let refused = sandbox.azward(words).run().exited(1);
        assert!(refused.err().contains("another one is there"), "{refused:?}");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "another's");
    std::fs::remove_file(&path).unwrap();
    redeem(&sandbox, "https://one.example", &[BY_AZ]).ok();
    sandbox.azward(UNDO).run().ok();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), pem);
    assert!(sandbox.azward(UNDO).run().ok().out().contains("has no certificate"));
}

#[test]
fn what_az_does_to_others_in_its_list_takes_nothing_from_it() {
    let (sandbox, entra, path, pem) = sealed();
    login(&sandbox, &GUEST_PRINCIPAL, &TENANT_A, &["--password", entra.client_secret()]);
    redeem(&sandbox, "https://one.example", &[BY_AZ]).ok();
    sandbox.az(["logout", "--username", GUEST_PRINCIPAL.client_id]).run().ok();
    assert_eq!((text(&sandbox), kept(&sandbox)), (at_rest(&path), in_the_vault()));
    // Who signs it out leaves the file to its owner, as az does.
    sandbox.az(["logout", "--username", SERVICE_PRINCIPAL.client_id]).run().ok();
    assert_eq!((text(&sandbox), kept(&sandbox)), ("[]".to_owned(), in_the_vault()));
    assert_key_nowhere(&sandbox, &pem);
    sandbox.az(["version"]).run().ok();
    sandbox.azward(UNDO).run().ok();
    assert_eq!((std::fs::read_to_string(&path).unwrap(), kept(&sandbox).len()), (pem, 0));
    login(&sandbox, &SERVICE_PRINCIPAL, &TENANT_A, &["--certificate", path.to_str().unwrap()]);
}

#[test]
fn a_run_that_was_killed_leaves_no_assertion_and_loses_nothing() {
    let (sandbox, _entra, path, _pem) = sealed();
    let real = in_shell(sandbox.wrapped_az());
    sandbox.wrap_script(&format!("{real} \"$@\"; echo done; sleep 20"));
    let az = sandbox.az(["group", "list", "--output", "none"]).start();
    az.wait_for("done");
    az.signal_group(Signal::KILL);
    az.finish();
    let rest = at_rest(&path);
    wait_until("the list is as it was", || {
        !list(&sandbox).is_symlink() && std::fs::read_to_string(list(&sandbox)).is_ok_and(|text| text == rest)
    });
    assert_eq!(kept(&sandbox), in_the_vault());
}

#[test]
fn whoever_signs_in_with_another_way_has_that() {
    let (sandbox, entra, path, _pem) = sealed();
    login(&sandbox, &SERVICE_PRINCIPAL, &TENANT_A, &["--password", entra.client_secret()]);
    redeem(&sandbox, "https://one.example", &[BY_AZ]).ok();
    assert_eq!(text(&sandbox), as_az_writes(&[(&SERVICE_PRINCIPAL, &TENANT_A, "client_secret", "")]));
    // The key that it had is its owner's still.
    assert_eq!(kept(&sandbox), [&[SERVICE_PRINCIPAL.client_id.to_owned()][..], &in_the_vault()].concat());
    // And with a new certificate: its file counts for as long as it is there.
    let second = make_certificate(&path);
    entra.register_certificate(&SERVICE_PRINCIPAL, &second);
    login(&sandbox, &SERVICE_PRINCIPAL, &TENANT_A, &["--certificate", path.to_str().unwrap()]);
    redeem(&sandbox, "https://two.example", &[BY_AZ]).ok();
    assert_eq!(text(&sandbox), at_rest(&path));
    sandbox.azward(SEAL).args([SERVICE_PRINCIPAL.client_id]).run().ok();
    redeem(&sandbox, "https://three.example", &[BY_AZ]).ok();
    // With one in another file the first one's goes back to where it was.
    let other = sandbox.home().join("other.pem");
    let third = make_certificate(&other);
    entra.register_certificate(&SERVICE_PRINCIPAL, &third);
    login(&sandbox, &SERVICE_PRINCIPAL, &TENANT_A, &["--certificate", other.to_str().unwrap()]);
    sandbox.azward(SEAL).run().ok();
    assert_eq!((std::fs::read_to_string(&path).unwrap(), other.exists()), (second, false));
    sandbox.expect_clear(&path);
    redeem(&sandbox, "https://four.example", &[BY_AZ]).ok();
    sandbox.azward(UNDO).run().ok();
    assert_eq!(std::fs::read_to_string(&other).unwrap(), third);
}

#[test]
fn what_azward_cannot_sign_with_stays_where_it_is() {
    let (sandbox, entra) = sandbox();
    let none = sandbox.azward(SEAL).run().exited(2);
    assert!(none.err().contains("no service principal"), "{none:?}");
    assert!(sandbox.azward(UNDO).run().ok().out().contains("has no certificate"));
    assert!(!sandbox.config_dir().join("service_principal_entries.json.lockfile").exists());
    let real = sandbox.home().join("real.pem");
    entra.register_certificate(&SERVICE_PRINCIPAL, &make_certificate(&real));
    let link = sandbox.home().join("link.pem");
    symlink(&real, &link).unwrap();
    sandbox.az(words(&SERVICE_PRINCIPAL, &TENANT_A, &["--certificate", link.to_str().unwrap()])).run().ok();
    let refused = sandbox.azward(SEAL).run().exited(2);
    assert!(refused.err().contains("is a link"), "{refused:?}");
    let path = real.to_str().unwrap();
    sandbox.az(words(&SERVICE_PRINCIPAL, &TENANT_A, &["--certificate", path])).run().ok();
    let pem = std::fs::read_to_string(&real).unwrap();
    std::fs::write(&real, pem.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY")).unwrap();
    let refused = sandbox.azward(SEAL).run().exited(2);
    assert!(refused.err().contains("no key that azward can sign with"), "{refused:?}");
    assert!(real.exists() && link.is_symlink() && kept(&sandbox).is_empty());
}
