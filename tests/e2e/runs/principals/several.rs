//! Service principals beside one another and beside a person: each has its own, and who signs out takes nobody along.

use entra::{GUEST_PRINCIPAL, SERVICE_PRINCIPAL, SUBSCRIPTION_1, SUBSCRIPTION_3, TENANT_A, TENANT_B, User};

use super::{as_az_writes, kept, list, login, redeem, sandbox, signed_in, text};
use crate::support::Sandbox;

fn sign_out(sandbox: &Sandbox, name: &str) {
    sandbox.az(["logout", "--username", name]).run().ok();
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn a_person_and_principals_live_side_by_side() {
    let (sandbox, entra) = signed_in();
    sandbox.login(&entra, User::Alice);
    login(&sandbox, &GUEST_PRINCIPAL, &TENANT_B, &["--password", entra.client_secret()]);
    let mut all = [User::Alice.username(), SERVICE_PRINCIPAL.client_id, GUEST_PRINCIPAL.client_id];
    all.sort_unstable();
    assert_eq!(kept(&sandbox), all);
    // az has the last one that saw a subscription for its own.
    redeem(&sandbox, "https://one.example", &["--subscription", SUBSCRIPTION_3.id]).ok().silent();
    redeem(&sandbox, "https://one.example", &["--subscription", SUBSCRIPTION_1.id]).ok().silent();
    sign_out(&sandbox, GUEST_PRINCIPAL.client_id);
    assert_eq!(text(&sandbox), as_az_writes(&[(&SERVICE_PRINCIPAL, &TENANT_A, "client_secret", "")]));
    assert_eq!(kept(&sandbox), [SERVICE_PRINCIPAL.client_id, User::Alice.username()]);
    redeem(&sandbox, "https://two.example", &["--subscription", SUBSCRIPTION_1.id]).ok().silent();
    sign_out(&sandbox, User::Alice.username());
    assert_eq!(kept(&sandbox), [SERVICE_PRINCIPAL.client_id]);
    login(&sandbox, &SERVICE_PRINCIPAL, &TENANT_A, &["--password", entra.client_secret()]);
    redeem(&sandbox, "https://three.example", &[]).ok().silent();
    sign_out(&sandbox, SERVICE_PRINCIPAL.client_id);
    assert_eq!((kept(&sandbox).len(), text(&sandbox).as_str()), (0, "[]"));
}

#[test]
fn one_client_in_two_tenants_is_two_logins_and_one_logout() {
    let (sandbox, entra) = sandbox();
    let second = entra.add_client_secret(&GUEST_PRINCIPAL);
    login(&sandbox, &GUEST_PRINCIPAL, &TENANT_A, &["--password", entra.client_secret()]);
    login(&sandbox, &GUEST_PRINCIPAL, &TENANT_B, &["--password", &second]);
    let both = [(&GUEST_PRINCIPAL, &TENANT_A, "client_secret", ""), (&GUEST_PRINCIPAL, &TENANT_B, "client_secret", "")];
    assert_eq!((text(&sandbox), kept(&sandbox).len()), (as_az_writes(&both), 2));
    entra.revoke_client_secret(&second);
    redeem(&sandbox, "https://one.example", &["--subscription", SUBSCRIPTION_1.id]).ok().silent();
    redeem(&sandbox, "https://one.example", &["--subscription", SUBSCRIPTION_3.id]).exited(1);
    sign_out(&sandbox, GUEST_PRINCIPAL.client_id);
    assert_eq!((kept(&sandbox).len(), text(&sandbox).as_str()), (0, "[]"));
}

#[test]
fn clearing_all_accounts_leaves_nothing_of_anybody() {
    let (sandbox, entra) = signed_in();
    sandbox.login(&entra, User::Alice);
    sandbox.az(["account", "clear"]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
    assert!(!list(&sandbox).exists() && kept(&sandbox).is_empty());
    redeem(&sandbox, "https://one.example", &[]).exited(1);
    assert!(!list(&sandbox).exists(), "nothing came back");
}

#[test]
fn who_signed_out_without_azward_is_forgotten() {
    let (sandbox, entra) = signed_in();
    login(&sandbox, &GUEST_PRINCIPAL, &TENANT_B, &["--password", entra.client_secret()]);
    sandbox.plain_az(["logout", "--username", SERVICE_PRINCIPAL.client_id]).run().ok();
    // Both files are to have been at rest.
    std::thread::sleep(std::time::Duration::from_millis(2100));
    sandbox.az(["group", "list"]).run().ok().silent();
    assert_eq!(kept(&sandbox), [GUEST_PRINCIPAL.client_id]);
    redeem(&sandbox, "https://one.example", &[]).ok().silent();
}
