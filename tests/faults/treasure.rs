//! What no next az would miss: a leftover `accessTokens.json`, a certificate's PEM file, a login in the keyring. Each is, whatever
//! broke, where it was or in the vault, whole; and in the end only where it belongs.

use std::fs;
use std::path::PathBuf;

use azward::vault::CredentialKind;
use entra::{CLIENT_SECRET_CANARY, Entra, REFRESH_TOKEN_CANARY};
use serde_json::{Value, json};

use crate::ground::Ground;
use crate::support::Sandbox;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Treasure {
    AdalFile,
    Certificate,
    KeyringItem,
}

/// The item for the token cache of an az that encrypts by default.
const ITEM: (&str, [(&str, &str); 1]) = ("Microsoft Azure CLI", [("type", "Token cache")]);

impl Treasure {
    /// Says what is lost, if it is nowhere.
    pub(crate) fn lost(self, ground: &Ground) -> Option<String> {
        let whole = fs::read(ground.sandbox.root().join("treasure")).unwrap_or_default();
        let is_there = match self {
            Self::AdalFile => {
                fs::read(adal_file(&ground.sandbox)).is_ok_and(|there| there == whole)
                    || ground.records(CredentialKind::AdalTokens).iter().any(|entry| entry.as_bytes() == whole)
            }
            Self::Certificate => {
                let pem = |entry: &String| {
                    let entry: Value = serde_json::from_str(entry).unwrap_or_default();
                    entry["pem"].as_str().unwrap_or_default().as_bytes().to_vec()
                };
                fs::read(pem_file(&ground.sandbox)).is_ok_and(|there| there == whole)
                    || ground.records(CredentialKind::ClientCertificate).iter().any(|entry| pem(entry) == whole)
            }
            // The next az redeems it, or does not.
            Self::KeyringItem => true,
        };
        (!is_there).then(|| format!("the {self:?} is nowhere"))
    }

    /// Says what is left outside after the next az, which has the vault, if anything is.
    pub(crate) fn left_out(self, ground: &Ground) -> Option<String> {
        let is_out = match self {
            Self::AdalFile => adal_file(&ground.sandbox).exists(),
            // On demand and no sooner.
            Self::Certificate => false,
            Self::KeyringItem => item(&ground.sandbox).is_some(),
        };
        is_out.then(|| format!("the {self:?} is left where it was"))
    }
}

pub(crate) fn adal_file(sandbox: &Sandbox) -> PathBuf {
    sandbox.config_dir().join("accessTokens.json")
}

pub(crate) fn pem_file(sandbox: &Sandbox) -> PathBuf {
    sandbox.home().join("principal.pem")
}

/// Leaves behind what an az before 2.30 does (adal 1.2.7), on one line.
pub(crate) fn write_adal_file(sandbox: &Sandbox, entra: &Entra) {
    let token = |text: &str| format!("0.AXoA{text}{}", "x".repeat(600));
    let text = json!([
        { "tokenType": "Bearer", "expiresIn": 4198, "expiresOn": "2021-10-20 10:00:00.000000", "accessToken": "eyJhbGciOiJub25lIn0.e30.x",
          "refreshToken": token(REFRESH_TOKEN_CANARY), "resource": "https://management.core.windows.net/", "oid": "o",
          "userId": "alice@contoso.example", "isMRRT": true, "_clientId": "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
          "_authority": "https://login.microsoftonline.com/common" },
        { "servicePrincipalId": "5e41ce00", "servicePrincipalTenant": "t", "accessToken": entra.client_secret() },
    ]);
    assert!(entra.client_secret().starts_with(CLIENT_SECRET_CANARY));
    for path in [adal_file(sandbox), sandbox.root().join("treasure")] {
        fs::write(path, text.to_string()).expect("the box can be written");
    }
}

fn item(sandbox: &Sandbox) -> Option<String> {
    sandbox.keyring_item(ITEM.0, &ITEM.1)
}

/// Keeps what the keyring has now.
pub(crate) fn save_item(sandbox: &Sandbox) {
    fs::write(sandbox.root().join("treasure"), item(sandbox).unwrap_or_default()).expect("the box can be written");
}

/// Has the keyring have that again.
pub(crate) fn put_item(sandbox: &Sandbox) {
    let text = fs::read_to_string(sandbox.root().join("treasure")).expect("it was kept");
    sandbox.put_keyring_item(ITEM.0, &ITEM.1, &text);
}
