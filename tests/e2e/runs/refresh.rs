//! `azward refresh`: a new token although the old one is good, for the one or for all; what is refused leaves the old one.

use entra::{Fault, Refusal, TENANT_A};

use crate::support::native::ARM_SCOPE;
use crate::support::{LOUD, Sandbox};

const TOKEN: [&str; 2] = ["account", "get-access-token"];
const VAULT: &str = "https://vault.azure.net";

#[test]
fn a_token_that_is_good_is_replaced_now() {
    let (sandbox, entra) = Sandbox::logged_in();
    let token = |resource: &str| sandbox.az(TOKEN).args(["--resource", resource]).run().ok().silent().token();
    let arm = "https://management.core.windows.net/";
    let (old_arm, old_vault) = (token(arm), token(VAULT));
    entra.clear_journal();
    let said = sandbox.azward(["refresh"]).run().ok().out();
    assert!(said.starts_with("a new token for") && said.contains(ARM_SCOPE), "{said}");
    assert_eq!(entra.refreshes(), 1);
    assert!(token(arm) != old_arm && token(VAULT) == old_vault);
    sandbox.azward(["refresh", "--resource", VAULT]).run().ok();
    let (arm_then, vault_then) = (token(arm), token(VAULT));
    assert!(vault_then != old_vault && entra.refreshes() == 2);
    // Every one that is there, in every tenant.
    let held = sandbox.config().entries("AccessToken").len();
    assert!(held > 2, "{held}");
    entra.clear_journal();
    let said = sandbox.azward(["refresh", "--all"]).run().ok().out();
    assert_eq!((said.lines().count(), entra.refreshes()), (held, held), "{said}");
    assert!(token(arm) != arm_then && token(VAULT) != vault_then);
    assert_eq!(sandbox.config().entries("AccessToken").len(), held);
    sandbox.wrap_script(LOUD);
    sandbox.az(TOKEN).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn what_az_has_to_get_az_gets_next() {
    let (sandbox, entra) = Sandbox::logged_in();
    sandbox.set_env("AZURE_CLI_DISABLE_CONNECTION_VERIFICATION", "1");
    let old = sandbox.az(TOKEN).run().ok().token();
    let said = sandbox.azward(["refresh"]).run().ok().out();
    assert!(said.starts_with("dropped the token for"), "{said}");
    entra.clear_journal();
    assert_ne!(sandbox.az(TOKEN).run().ok().token(), old);
    assert_eq!(entra.refreshes(), 1);
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn what_is_refused_leaves_the_old_one_and_nobody_has_none() {
    let (sandbox, entra) = Sandbox::logged_in();
    let old = sandbox.az(TOKEN).run().ok().silent().token();
    entra.knobs(|knobs| knobs.faults = vec![Fault::refuse(Refusal::MfaRequired)]);
    let refused = sandbox.azward(["refresh"]).run().exited(1);
    assert!(refused.err().starts_with("azward: no new token for") && refused.err().contains("\nhint: "), "{refused:?}");
    for searched in ["AADSTS", "az login", "is not recognized"] {
        assert!(!refused.err().contains(searched), "{refused:?}");
    }
    assert_eq!(sandbox.az(TOKEN).run().ok().silent().token(), old);
    assert!(sandbox.config().access_token(TENANT_A.id, ARM_SCOPE).is_some());
    let nobody = sandbox.home().join("nobody");
    for words in [&["refresh"][..], &["refresh", "--all"]] {
        let failed = sandbox.azward(words).env("AZURE_CONFIG_DIR", &nobody).run().exited(2);
        assert!(failed.err().contains("hint: "), "{failed:?}");
    }
}
