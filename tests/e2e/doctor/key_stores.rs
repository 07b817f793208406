//! A key in a weaker place than this machine has, with a real keyring.

use super::{assert_healthy, assert_only, found, healthy};
use crate::support::{SecretService, State};

#[test]
fn a_key_file_although_a_keyring_answers_now() {
    let (sandbox, _entra) = healthy();
    assert_healthy(&sandbox);
    let mut service = SecretService::start(&sandbox, State::Locked);
    // One that is locked takes nothing now.
    assert_healthy(&sandbox);
    service.unlock();
    assert_only(&sandbox, "key-store-weaker", "");
    // Moved there, as it says.
    sandbox.azward(["vault", "move", "--to", "keyring"]).run().ok();
    assert_healthy(&sandbox);
    // Who chose the key file has it.
    sandbox.azward(["vault", "move", "--to", "key-file"]).run().ok();
    assert_only(&sandbox, "key-store-weaker", "");
    sandbox.azward(["config", "set", "key_store", "key-file"]).run().ok();
    assert_eq!(found(&sandbox, "key-store-weaker"), [] as [String; 0]);
}
