//! A service principal: its secret is sealed by az, taken out of the sealed list, used for an answer, handed to a run and gone after
//! a logout.

use std::fs;

use entra::SERVICE_PRINCIPAL;

use super::login::done;
use super::machine::Machine;

/// The list that az seals.
const LIST: &str = "service_principal_entries.bin";

#[test]
#[ignore = "needs wine: .ci/windows"]
fn a_service_principal_s_secret_is_taken_out_of_the_sealed_list() {
    let machine = Machine::with_azward();
    let secret = machine.entra().client_secret().to_owned();
    let (id, tenant) = (SERVICE_PRINCIPAL.client_id, entra::TENANT_A.id);
    machine.az(["login", "--service-principal", "-u", id, "-p", &secret, "--tenant", tenant]).ok();
    assert!(!machine.config_dir().join("service_principal_entries.json").exists(), "az seals its list");
    let list = machine.opened(LIST);
    assert!(list.contains(id) && !list.contains(&secret), "its secret is in the vault alone");
    done("service principal: its secret is in the vault alone");

    machine.az(["account", "get-access-token", "--only-show-errors"]).ok().silent();
    // Nothing is left of the cached token: az, or azward in its place, needs the secret.
    fs::remove_file(machine.config_dir().join("msal_token_cache.bin")).unwrap();
    let before = machine.entra().access_tokens_issued().len();
    machine.az(["account", "get-access-token", "--only-show"]).ok();
    assert!(machine.entra().access_tokens_issued().len() > before, "az had the secret");
    assert!(!machine.opened(LIST).contains(&secret));
    done("service principal: a run has its secret, and the list has it no longer");

    machine.az(["logout", "--username", id]).ok();
    let list = machine.config_dir().join(LIST);
    assert!(!list.exists() || !machine.opened(LIST).contains(&secret));
    assert_ne!(machine.az(["account", "get-access-token"]).status.code(), Some(0));
    done("service principal: logged out");
}
