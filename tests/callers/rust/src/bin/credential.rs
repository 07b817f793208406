//! Asks for an access token for Resource Manager, as programs with azure_identity do that know nothing of where they
//! run: `managed|default|cli`, the second being what this library has in the place of a default. Prints a JSON object.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_identity::{AzureCliCredential, DeveloperToolsCredential, ManagedIdentityCredential};
use serde_json::{Value, json};

fn credential(kind: &str) -> azure_core::Result<Arc<dyn TokenCredential>> {
    Ok(match kind {
        "managed" => ManagedIdentityCredential::new(None)?,
        "default" => DeveloperToolsCredential::new(None)?,
        _ => AzureCliCredential::new(None)?,
    })
}

async fn ask(kind: &str) -> azure_core::Result<Value> {
    let token = credential(kind)?.get_token(&["https://management.azure.com/.default"], None).await?;
    Ok(json!({"token": token.token.secret(), "expires_on": token.expires_on.unix_timestamp()}))
}

#[tokio::main]
async fn main() {
    let kind = std::env::args().nth(1).expect("an argument");
    let answer = ask(&kind).await.unwrap_or_else(|error| json!({"error": error.to_string()}));
    println!("{answer}");
}
