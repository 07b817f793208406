//! A login out of what Leapp keeps in the keyring: the entries as it writes them, in a real Secret Service.

use std::collections::HashMap;
use std::ffi::OsStr;

use entra::User;
use secret_service::EncryptionType;
use secret_service::blocking::SecretService as Client;
use serde_json::{Value, json};
use zbus::blocking::connection::Builder;

use crate::support::keyring::{SecretService, State};
use crate::support::{End, Sandbox};

/// Puts an entry there as keytar does, which Leapp uses: a password by service and account.
fn keep(sandbox: &Sandbox, account: &str, value: &Value) {
    let address = sandbox.environment()[OsStr::new("DBUS_SESSION_BUS_ADDRESS")].to_str().unwrap().to_owned();
    let bus = Builder::address(&*address).unwrap().build().unwrap();
    let client = Client::connect_with_existing(EncryptionType::Dh, bus).unwrap();
    let collection = client.get_default_collection().unwrap();
    let attributes = HashMap::from([("service", "Leapp"), ("account", account)]);
    let text = value.to_string();
    collection.create_item(account, attributes, text.as_bytes(), true, "text/plain").unwrap();
}

/// Has Leapp keep what an az has just stored, and az sign out, as Leapp does.
fn move_to_leapp(sandbox: &Sandbox, id: &str) {
    let cache = sandbox.config().token_cache();
    let entry = |section: &str| {
        let (key, value) = cache[section].as_object().unwrap().iter().next().unwrap();
        json!([key, value])
    };
    let profile = json!({ "installationId": "i", "subscriptions": sandbox.config().subscriptions() });
    keep(sandbox, &format!("azure-integration-profile-{id}"), &profile);
    keep(sandbox, &format!("azure-integration-account-{id}"), &entry("Account"));
    keep(sandbox, &format!("azure-integration-refresh-token-{id}"), &entry("RefreshToken"));
    sandbox.plain_az(["account", "clear"]).run().ok();
}

#[test]
fn what_leapp_keeps_becomes_a_login_and_stays_there() {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|knobs| knobs.rolling = entra::Rolling::Entra);
    let keyring = SecretService::start(&sandbox, State::Unlocked);
    let none = sandbox.azward(["login", "work", "--from-leapp", "--yes"]).run().exited(2);
    assert!(none.err().contains("no such Azure integration"), "{none:?}");
    sandbox.plain_login(&entra, User::Alice);
    move_to_leapp(&sandbox, "one");
    // It says what there is, and copies nothing that nobody wanted.
    let shown = sandbox.azward(["login", "work", "--from-leapp"]).run().exited(2);
    assert!(shown.out().contains(&format!("one: {}, Contoso Production", User::Alice.username())), "{shown:?}");
    assert!(!sandbox.azward_home().join("logins/work").exists());
    for name in ["work", "again"] {
        let said = sandbox.azward(["login", name, "--from-leapp", "--yes"]).run().ok().out();
        assert!(said.contains("+ contoso-production"), "{said}");
        sandbox.assert_nothing_in_the_clear();
    }
    entra.clear_journal();
    sandbox.azward(["exec", "contoso-development", "--", "az", "group", "list", "-o", "none"]).run().ok();
    assert_eq!(entra.refreshes(), 1);
    let taken = sandbox.azward(["login", "work", "--from-leapp", "--yes"]).run().exited(2);
    assert!(taken.err().contains("there is a login `work` already"), "{taken:?}");
    // Of several one is named.
    sandbox.plain_login(&entra, User::Bob);
    move_to_leapp(&sandbox, "two");
    let several = sandbox.azward(["login", "lab", "--from-leapp", "--yes"]).run().exited(2);
    assert!(several.err().contains("name one of them with --integration"), "{several:?}");
    let named = ["login", "lab", "--from-leapp", "--yes", "--integration", "two"];
    assert!(sandbox.azward(named).run().ok().out().contains("+ fabrikam-shared"));
    sandbox.assert_nothing_in_the_clear();
    drop(keyring);
    let absent = sandbox.azward(["login", "late", "--from-leapp", "--yes"]).run();
    assert_eq!(absent.end(), End::Code(4), "{absent:?}");
}
