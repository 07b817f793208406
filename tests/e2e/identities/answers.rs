//! What azward answers for a managed identity: the bytes are the real az's, a token that is due or missing costs one request, and one
//! that is kept none.

use entra::{TENANT_A, USER_IDENTITY, USER_IDENTITY_RESOURCE};

use super::{TOKEN, age, answered, earn, put, requests, sandbox, sign_in, signed_in};
use crate::support::Running;
use crate::support::native::assert_same;

#[test]
fn every_kind_of_identity_is_answered_as_az_does() {
    for ids in [
        &[][..],
        &["--client-id", USER_IDENTITY.client_id],
        &["--object-id", USER_IDENTITY.object_id],
        &["--resource-id", USER_IDENTITY_RESOURCE],
    ] {
        let (sandbox, entra, _instance) = sandbox();
        sign_in(&sandbox, ids);
        earn(&sandbox);
        for more in [
            &[][..],
            &["--output", "tsv", "--query", "accessToken"],
            &["--resource", "https://vault.azure.net"],
            &["--scope", "https://vault.azure.net/.default"],
            &["--scope", "https://vault.azure.net/user_impersonation"],
            &["--resource-type", "aad-graph", "-o", "yaml"],
            &["--tenant", TENANT_A.id],
        ] {
            entra.clear_journal();
            let theirs = sandbox.plain_az(TOKEN).args(more).run().ok();
            let asked_by_az = requests(&entra);
            assert_eq!(asked_by_az.len(), 1, "{asked_by_az:?}");
            entra.clear_journal();
            let (ours, deeds) = sandbox.deeds_of(|| sandbox.az(TOKEN).args(more).run().ok().silent());
            assert!(deeds.contains(&"answer".to_owned()) && !deeds.contains(&"run".to_owned()), "{deeds:?}");
            assert_same(&ours, &theirs);
            let asked = requests(&entra);
            assert!(asked.len() <= 1);
            for request in asked {
                assert_eq!((&request.scope, &request.account), (&asked_by_az[0].scope, &asked_by_az[0].account));
            }
            assert_same(&answered(&sandbox, &entra, more, 0), &theirs);
        }
        sandbox.assert_nothing_in_the_clear();
    }
}

#[test]
fn app_service_is_asked_as_az_asks_it_and_its_tokens_are_its_own() {
    let (sandbox, entra, instance) = sandbox();
    for ids in [&[][..], &["--resource-id", USER_IDENTITY_RESOURCE]] {
        put(&sandbox, instance.of_app_service());
        sign_in(&sandbox, ids);
        if ids.is_empty() {
            earn(&sandbox);
        }
        let theirs = sandbox.plain_az(TOKEN).run().ok();
        assert_same(&answered(&sandbox, &entra, &[], usize::from(!ids.is_empty())), &theirs);
        assert_same(&answered(&sandbox, &entra, &[], 0), &theirs);
        // What another endpoint gave is none of this one's.
        entra.clear_journal();
        sandbox.az(TOKEN).without("IDENTITY_ENDPOINT").without("IDENTITY_HEADER").run().ok().silent();
        assert_eq!(requests(&entra).len(), 1);
        entra.clear_journal();
        sandbox.az(TOKEN).env("IDENTITY_HEADER", "other").run().exited(1);
        assert!(!requests(&entra).is_empty());
        assert_same(&answered(&sandbox, &entra, &[], 0), &theirs);
    }
}

#[test]
fn a_token_that_is_due_is_renewed_by_one_of_many() {
    let (sandbox, entra, _instance) = signed_in();
    let before = answered(&sandbox, &entra, &[], 0).token();
    entra.knobs(|knobs| knobs.instance_keeps = false);
    age(&sandbox, 19 * 60, 24 * 3600);
    let callers: Vec<Running<'_>> = (0..20).map(|_| sandbox.az(TOKEN).start()).collect();
    let tokens: Vec<String> = callers.into_iter().map(|caller| caller.finish().ok().silent().token()).collect();
    assert!(tokens.iter().all(|token| *token == tokens[0] && *token != before));
    assert_eq!(requests(&entra).len(), 1);
    answered(&sandbox, &entra, &[], 0);
    // Where none is at hand.
    entra.clear_journal();
    let vault = ["--resource", "https://vault.azure.net"];
    let callers: Vec<Running<'_>> = (0..20).map(|_| sandbox.az(TOKEN).args(vault).start()).collect();
    let tokens: Vec<String> = callers.into_iter().map(|caller| caller.finish().ok().silent().token()).collect();
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!(requests(&entra).len(), 1);
    // And a short-lived one when a third of its life is left.
    age(&sandbox, 11 * 60, 30 * 60);
    answered(&sandbox, &entra, &[], 0);
    age(&sandbox, 9 * 60, 30 * 60);
    answered(&sandbox, &entra, &[], 1);
}

#[test]
fn another_tenant_is_az_s_to_refuse() {
    let (sandbox, entra, _instance) = signed_in();
    for tenant in [entra::TENANT_B.id, &TENANT_A.id.to_uppercase(), TENANT_A.domain] {
        let ours = sandbox.az(TOKEN).args(["--tenant", tenant]).run().exited(1);
        let theirs = sandbox.plain_az(TOKEN).args(["--tenant", tenant]).run().exited(1);
        assert_eq!(ours.visible(), theirs.visible());
        assert!(ours.err().contains("must be the current tenant"), "{ours:?}");
    }
    answered(&sandbox, &entra, &["--tenant", TENANT_A.id], 0);
}
