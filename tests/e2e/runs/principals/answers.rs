//! What azward answers for a service principal itself: the bytes are the real az's, a token that is due or missing costs one request with
//! what the principal signs in with, and what the endpoint refuses or azward cannot do is az's to say.

use std::path::Path;

use entra::{Entra, Request, SERVICE_PRINCIPAL, TENANT_A};

use super::{kept, login, make_certificate, sandbox, signed_in, words};
use crate::support::native::assert_same;
use crate::support::{BY_AZ, BY_AZWARD, LOUD, Outcome, Running, Sandbox};

const TOKEN: [&str; 2] = ["account", "get-access-token"];
const VAULT: [&str; 2] = ["--resource", "https://vault.azure.net"];

/// The token requests since the journal was cleared last.
fn requests(entra: &Entra) -> Vec<Request> {
    entra.journal().into_iter().filter(Request::is_token_request).collect()
}

/// A token that azward answers without an az, and what it asked the endpoint for it.
#[track_caller]
fn answered(sandbox: &Sandbox, entra: &Entra, more: &[&str], asked: usize) -> Outcome {
    entra.clear_journal();
    let (outcome, deeds) = sandbox.deeds_of(|| sandbox.az(TOKEN).args([BY_AZWARD]).args(more).run().ok().silent());
    let requests = requests(entra);
    assert!(deeds.contains(&"answer".to_owned()), "{deeds:?}");
    assert_eq!(requests.len(), asked, "{requests:?}");
    for request in requests {
        assert_eq!(request.grant_type.as_deref(), Some("client_credentials"));
        assert!(
            request.user_agent.is_some_and(|agent| agent.starts_with("azward")) && request.anchor_mailbox.is_none()
        );
    }
    sandbox.assert_nothing_in_the_clear();
    outcome
}

/// All that azward does for one, whatever it signs in with: cached, missing, due, and beside the real az.
fn is_answered(sandbox: &Sandbox, entra: &Entra) {
    let theirs = sandbox.plain_az(TOKEN).run().ok();
    assert_same(&answered(sandbox, entra, &[], 0), &theirs);
    answered(sandbox, entra, &VAULT, 1);
    // What azward has stored az has too.
    entra.clear_journal();
    let theirs = sandbox.plain_az(TOKEN).args(VAULT).run().ok();
    assert!(requests(entra).is_empty());
    assert_same(&answered(sandbox, entra, &VAULT, 0), &theirs);
    let before = answered(sandbox, entra, &["--query", "accessToken", "-o", "tsv"], 0).out();
    sandbox.config().age_access_tokens(19 * 60, "management");
    let after = answered(sandbox, entra, &["--query", "accessToken", "-o", "tsv"], 1).out();
    assert_ne!(before, after);
    entra.clear_journal();
    sandbox.config().age_access_tokens(100, "management");
    let callers: Vec<Running<'_>> = (0..20).map(|_| sandbox.az(TOKEN).start()).collect();
    let tokens: Vec<String> = callers.into_iter().map(|caller| caller.finish().ok().silent().token()).collect();
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!(requests(entra).len(), 1);
    // Before a run too.
    entra.clear_journal();
    sandbox.config().age_access_tokens(19 * 60, "management");
    sandbox.az(["group", "list"]).run().ok().silent();
    assert_eq!(requests(entra).len(), 1);
    assert!(requests(entra)[0].user_agent.as_ref().is_some_and(|agent| agent.starts_with("azward")));
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn with_a_secret() {
    let (sandbox, entra) = signed_in();
    is_answered(&sandbox, &entra);
    assert_eq!(kept(&sandbox), [SERVICE_PRINCIPAL.client_id]);
}

#[test]
fn with_a_certificate_and_no_vault_at_all() {
    for sni in [&[][..], &["--use-cert-sn-issuer"]] {
        let (sandbox, entra) = sandbox();
        let path = sandbox.home().join("principal.pem");
        entra.register_certificate(&SERVICE_PRINCIPAL, &make_certificate(&path));
        let proof = [&["--certificate", path.to_str().unwrap()][..], sni].concat();
        login(&sandbox, &SERVICE_PRINCIPAL, &TENANT_A, &proof);
        is_answered(&sandbox, &entra);
        // Another key than the one that the endpoint knows: az's own words, and one request of each.
        make_certificate(&path);
        ends_as_az_does(&sandbox, &entra, "https://one.example");
        // And none.
        std::fs::remove_file(&path).unwrap();
        ends_as_az_does(&sandbox, &entra, "https://two.example");
    }
}

#[test]
fn with_a_federated_token_while_it_is_good() {
    let (sandbox, entra) = sandbox();
    let token = entra.federated_token(&SERVICE_PRINCIPAL, 3600);
    login(&sandbox, &SERVICE_PRINCIPAL, &TENANT_A, &["--federated-token", &token]);
    is_answered(&sandbox, &entra);
    let over = entra.federated_token(&SERVICE_PRINCIPAL, 0);
    // With a token that serves az does not look at it.
    login(&sandbox, &SERVICE_PRINCIPAL, &TENANT_A, &["--federated-token", &over]);
    answered(&sandbox, &entra, &[], 0);
    let refused = ends_as_az_does(&sandbox, &entra, "https://one.example");
    assert!(refused.err().contains("AADSTS700024"), "{refused:?}");
    let asked = requests(&entra);
    assert!(asked.iter().all(|request| request.user_agent.as_ref().is_some_and(|agent| !agent.starts_with("azward"))));
}

/// A token for a resource that nobody has asked for is az's to fail for; twice.
#[track_caller]
fn ends_as_az_does(sandbox: &Sandbox, entra: &Entra, resource: &str) -> Outcome {
    entra.clear_journal();
    let by = |how: &str| sandbox.az(TOKEN).args([how, "--resource", resource, "-o", "json"]).run().exited(1);
    let (ours, theirs) = (by(BY_AZWARD), by(BY_AZ));
    assert_eq!((ours.out(), ours.err_without_ids()), (theirs.out(), theirs.err_without_ids()));
    assert!(requests(entra).len() <= 3, "{:?}", requests(entra));
    sandbox.assert_nothing_in_the_clear();
    ours
}

#[test]
fn a_secret_that_is_refused_is_az_s_to_tell_and_the_old_token_serves() {
    let (sandbox, entra) = sandbox();
    let secret = entra.add_client_secret(&SERVICE_PRINCIPAL);
    login(&sandbox, &SERVICE_PRINCIPAL, &TENANT_A, &["--password", &secret]);
    entra.revoke_client_secret(&secret);
    let refused = ends_as_az_does(&sandbox, &entra, "https://one.example");
    assert!(refused.err().contains("AADSTS7000215"), "{refused:?}");
    sandbox.config().age_access_tokens(15 * 60, "management");
    let before = answered(&sandbox, &entra, &[], 1).token();
    assert_eq!(answered(&sandbox, &entra, &[], 0).token(), before, "it is not asked again at once");
    assert_eq!(kept(&sandbox), [SERVICE_PRINCIPAL.client_id]);
    login(&sandbox, &SERVICE_PRINCIPAL, &TENANT_A, &["--password", entra.client_secret()]);
    sandbox.config().age_access_tokens(15 * 60, "management");
    assert_ne!(answered(&sandbox, &entra, &[], 1).token(), before);
}

#[test]
fn a_secret_goes_to_no_host_that_has_granted_it_nothing() {
    let (sandbox, entra) = signed_in();
    sandbox.wrap_script(LOUD);
    answered(&sandbox, &entra, &VAULT, 1);
    // As after a cloud was pointed elsewhere: its notes about the client are of another host.
    sandbox.config().edit_token_cache(|cache| {
        let lines = cache.to_lines().replace("localhost", "login.elsewhere.example");
        *cache = crate::support::fake_az::json::Json::parse(&lines).unwrap();
    });
    entra.clear_journal();
    sandbox.az(TOKEN).args(["--resource", "https://one.example"]).run().exited(77);
    assert!(requests(&entra).is_empty());
}

#[test]
fn whether_somebody_has_to_sign_in_is_known() {
    let (sandbox, entra) = signed_in();
    sandbox.azward(["status", "--check"]).run().ok();
    sandbox.azward(["refresh"]).run().ok();
    let token = sandbox.azward(["token", "--resource", "https://one.example"]).run().ok().out();
    assert!(token.len() > 1000, "{token}");
    let copy = sandbox.config().copy_to(sandbox.root().join("copy"));
    let check = |directory: &Path| sandbox.azward(["status", "--check"]).env("AZURE_CONFIG_DIR", directory).run();
    check(copy.path()).exited(3);
    sandbox.az(words(&SERVICE_PRINCIPAL, &TENANT_A, &["--password", entra.client_secret()])).run().ok();
    check(&sandbox.config_dir()).ok();
}
