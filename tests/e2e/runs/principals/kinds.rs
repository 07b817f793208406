//! Each way in which a service principal signs in: what is at rest afterwards, and that az has what it needs in its run.

use entra::{GUEST_PRINCIPAL, SERVICE_PRINCIPAL, TENANT_A};

use super::{TOKEN, as_az_writes, kept, list, login, make_certificate, redeem, sandbox, signed_in, text};

#[test]
fn a_secret_is_in_the_vault_and_az_has_it_in_its_run() {
    let (sandbox, _entra) = signed_in();
    assert_eq!(text(&sandbox), as_az_writes(&[(&SERVICE_PRINCIPAL, &TENANT_A, "client_secret", "")]));
    assert_eq!(kept(&sandbox), [SERVICE_PRINCIPAL.client_id]);
    for resource in ["https://one.example", "https://two.example"] {
        redeem(&sandbox, resource, &[]).ok().silent();
    }
    sandbox.config().drop_access_tokens();
    let groups = sandbox.az(["group", "list", "--query", "[].name", "--output", "tsv"]).run().ok().silent();
    assert_eq!(groups.out(), "rg-web\nrg-data\n");
    sandbox.assert_nothing_in_the_clear();
    assert_eq!(text(&sandbox), as_az_writes(&[(&SERVICE_PRINCIPAL, &TENANT_A, "client_secret", "")]));
    // Without azward it works for as long as its tokens do, then it is told what is missing, and nothing is lost.
    sandbox.plain_az(["group", "list"]).run().ok().silent();
    let bare = sandbox.plain_az(TOKEN).args(["--resource", "https://three.example"]).run().exited(1);
    assert!(bare.err().contains("AADSTS7000218"), "{bare:?}");
    redeem(&sandbox, "https://three.example", &[]).ok().silent();
}

#[test]
fn a_federated_token_is_in_the_vault_for_as_long_as_it_is_good() {
    let (sandbox, entra) = sandbox();
    let token = entra.federated_token(&SERVICE_PRINCIPAL, 600);
    login(&sandbox, &SERVICE_PRINCIPAL, &TENANT_A, &["--federated-token", &token]);
    assert_eq!(text(&sandbox), as_az_writes(&[(&SERVICE_PRINCIPAL, &TENANT_A, "client_assertion", "")]));
    redeem(&sandbox, "https://one.example", &[]).ok().silent();
    assert_eq!(kept(&sandbox), [SERVICE_PRINCIPAL.client_id]);
    // One that is over is az's to say, where it has no token that serves.
    sandbox.config().drop_access_tokens();
    let over = entra.federated_token(&SERVICE_PRINCIPAL, 0);
    let refused =
        sandbox.az(super::words(&SERVICE_PRINCIPAL, &TENANT_A, &["--federated-token", &over])).run().exited(1);
    assert!(refused.err().contains("AADSTS700024"), "{refused:?}");
    redeem(&sandbox, "https://two.example", &[]).ok().silent();
}

#[test]
fn a_certificate_stays_where_it_is() {
    let (sandbox, entra) = sandbox();
    let path = sandbox.home().join("principal.pem");
    entra.register_certificate(&SERVICE_PRINCIPAL, &make_certificate(&path));
    let path = path.to_str().unwrap();
    login(&sandbox, &SERVICE_PRINCIPAL, &TENANT_A, &["--certificate", path]);
    let expected = as_az_writes(&[(&SERVICE_PRINCIPAL, &TENANT_A, "certificate", path)]);
    assert_eq!(text(&sandbox), expected);
    redeem(&sandbox, "https://one.example", &[]).ok().silent();
    assert_eq!(text(&sandbox), expected);
    // Whatever it signs in with next is what it has.
    login(&sandbox, &SERVICE_PRINCIPAL, &TENANT_A, &["--password", entra.client_secret()]);
    assert_eq!(kept(&sandbox), [SERVICE_PRINCIPAL.client_id]);
    redeem(&sandbox, "https://two.example", &[]).ok().silent();
    login(&sandbox, &SERVICE_PRINCIPAL, &TENANT_A, &["--certificate", path]);
    assert_eq!((kept(&sandbox).len(), text(&sandbox)), (0, expected));
    redeem(&sandbox, "https://three.example", &[]).ok().silent();
}

#[test]
fn the_secret_of_the_last_sign_in_is_the_one_that_is_used() {
    let (sandbox, entra) = signed_in();
    let second = entra.add_client_secret(&SERVICE_PRINCIPAL);
    login(&sandbox, &SERVICE_PRINCIPAL, &TENANT_A, &["--password", &second]);
    redeem(&sandbox, "https://one.example", &[]).ok().silent();
    // An older one again.
    login(&sandbox, &SERVICE_PRINCIPAL, &TENANT_A, &["--password", entra.client_secret()]);
    entra.revoke_client_secret(&second);
    redeem(&sandbox, "https://two.example", &[]).ok().silent();
    assert_eq!(kept(&sandbox), [SERVICE_PRINCIPAL.client_id]);
}

#[test]
fn what_az_alone_signed_in_is_taken_in_by_the_next_az() {
    let (sandbox, entra) = sandbox();
    let plain = |secret: &str| {
        sandbox.plain_az(super::words(&SERVICE_PRINCIPAL, &TENANT_A, &["--password", secret])).run().ok();
    };
    plain(entra.client_secret());
    let before = text(&sandbox);
    assert!(before.contains(entra.client_secret()));
    let told = sandbox.azward(["scrub"]).run().ok();
    assert!(told.out().starts_with("1 service principal's secret was taken into the vault"), "{told:?}");
    sandbox.assert_nothing_in_the_clear();
    redeem(&sandbox, "https://one.example", &[]).ok().silent();
    let second = entra.add_client_secret(&SERVICE_PRINCIPAL);
    plain(&second);
    sandbox.plain_az(super::words(&GUEST_PRINCIPAL, &TENANT_A, &["--password", entra.client_secret()])).run().ok();
    sandbox.az(["version"]).run().ok();
    sandbox.assert_nothing_in_the_clear();
    assert_eq!(kept(&sandbox), [SERVICE_PRINCIPAL.client_id, GUEST_PRINCIPAL.client_id]);
    redeem(&sandbox, "https://two.example", &[]).ok().silent();
    assert!(list(&sandbox).is_file());
}
