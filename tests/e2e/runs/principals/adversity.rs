//! What may be in the place of the list: torn, somebody else's, no file, open to others, gone. az does what it always did, nobody else
//! loses a credential over it, and the next az has it all back.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use entra::{SERVICE_PRINCIPAL, TENANT_A, User};

use super::{TOKEN, as_az_writes, kept, list, login, redeem, sandbox, signed_in, text};

#[test]
fn a_list_that_is_none_is_az_s_own_affair() {
    let (sandbox, entra) = signed_in();
    sandbox.login(&entra, User::Alice);
    let (path, aside) = (list(&sandbox), sandbox.home().join("aside.json"));
    let before = text(&sandbox);
    fs::rename(&path, &aside).unwrap();
    for (what, bad) in [("torn", "[{\"client_id\": \"5e4"), ("foreign", "{\"principals\": []}"), ("empty", "")] {
        fs::write(&path, bad).unwrap();
        let alices = |round: &str| {
            let resource = format!("https://{what}-{round}.example");
            sandbox.az(TOKEN).args(["--resource", &resource]).run().ok().silent();
        };
        alices("one");
        alices("two");
        assert_eq!(fs::read_to_string(&path).unwrap(), bad, "{what}");
        assert_eq!(kept(&sandbox).len(), 2, "{what}");
        fs::remove_file(&path).unwrap();
    }
    fs::create_dir(&path).unwrap();
    sandbox.az(TOKEN).args(["--resource", "https://directory.example"]).run().ok().silent();
    fs::remove_dir(&path).unwrap();
    fs::rename(&aside, &path).unwrap();
    assert_eq!((text(&sandbox), kept(&sandbox).len()), (before, 2));
    sandbox.az(["logout", "--username", User::Alice.username()]).run().ok();
    login(&sandbox, &SERVICE_PRINCIPAL, &TENANT_A, &["--password", entra.client_secret()]);
    redeem(&sandbox, "https://one.example", &[]).ok().silent();
}

#[test]
fn a_list_that_is_gone_comes_back_with_the_next_az() {
    let (sandbox, _entra) = signed_in();
    for resource in ["https://one.example", "https://two.example"] {
        fs::remove_file(list(&sandbox)).unwrap();
        redeem(&sandbox, resource, &[]).ok().silent();
        assert_eq!(text(&sandbox), as_az_writes(&[(&SERVICE_PRINCIPAL, &TENANT_A, "client_secret", "")]));
    }
}

#[test]
fn a_link_is_followed_and_what_is_open_to_others_is_closed() {
    let (sandbox, entra) = sandbox();
    let elsewhere = sandbox.home().join("elsewhere.json");
    fs::write(&elsewhere, "[]").unwrap();
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o644)).unwrap();
    symlink(&elsewhere, list(&sandbox)).unwrap();
    login(&sandbox, &SERVICE_PRINCIPAL, &TENANT_A, &["--password", entra.client_secret()]);
    redeem(&sandbox, "https://one.example", &[]).ok().silent();
    assert!(list(&sandbox).is_symlink());
    assert_eq!(fs::metadata(&elsewhere).unwrap().permissions().mode() & 0o777, 0o600);
    let expected = as_az_writes(&[(&SERVICE_PRINCIPAL, &TENANT_A, "client_secret", "")]);
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), expected);
}
